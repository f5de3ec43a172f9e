"""The engine's own loop over the days of a run: one step of a cursor where backtrader moves every line.

Does what Cerebro._runonce and Strategy._oncepost do (cerebro.py 1649-1704, strategy.py 292-318), in their order.
"""

from __future__ import annotations

import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import backtrader as bt
import numpy as np
from backtrader.feed import AbstractDataBase
from backtrader.indicator import Indicator
from backtrader.linebuffer import LineBuffer
from backtrader.lineiterator import LineIterator
from backtrader.lineroot import LineRoot

from nnstrategies.engine.cursor import Cursor, Positions, Timeline
from nnstrategies.engine.feed import PanelFeed
from nnstrategies.engine.lines import link
from nnstrategies.engine.news import inform
from nnstrategies.engine.observing import Observing

_PLAIN_ADVANCE = (Indicator.advance, bt.LineSeries.advance, LineBuffer.advance)
_NOWHERE = object()


def compute(strategy: Any) -> None:
    """All indicators over all bars, as Strategy._once does, without moving every observer bar by bar."""
    if type(strategy)._once is not LineIterator._once:
        strategy._once()
        return
    strategy.forward(size=strategy._clock.buflen())
    length = strategy.buflen()
    children = strategy._lineiterators
    for indicator in children[LineIterator.IndType]:
        indicator._once()
    for observer in children[LineIterator.ObsType]:
        for line in observer.lines:
            line.array = array.array("d", [np.nan]) * length
            line.extension = 0
            line.home()
    for data in strategy.datas:
        data.home()
    for indicator in children[LineIterator.IndType]:
        indicator.home()
    strategy.home()
    strategy.preonce(0, strategy._minperiod - 1)
    strategy.oncestart(strategy._minperiod - 1, strategy._minperiod)
    strategy.once(strategy._minperiod, strategy.buflen())
    for line in strategy.lines:
        line.oncebinding()


@dataclass
class StrategyDays:
    """One strategy's share of a day.

    cursor: of its indicators, which advance after next_open (one cursor for all would let it see them early).
    loose: indicators that advance on their own. statuses: [T] of the minimum period.
    """

    strategy: Any
    cursor: Cursor
    loose: list[Any]
    statuses: list[int]
    observing: Observing

    def run(self, row: int, moment: float) -> None:
        strategy = self.strategy
        self.cursor.move(row)
        for indicator in self.loose:
            if len(indicator._clock) > len(indicator):
                indicator.advance()
        strategy.forward()
        strategy.lines.datetime[0] = moment
        inform(strategy)
        strategy._minperstatus = status = self.statuses[row]
        if status < 0:
            strategy.next()
        elif status == 0:
            strategy.nextstart()
        else:
            strategy.prenext()
        strategy._next_analyzers(status, once=True)
        self.observing.run(row, status)
        strategy.clear()


class Days:
    """A run over a timeline: ``cursor`` moves the feeds, ``shares`` the strategies."""

    def __init__(self, cerebro: Any, strategies: Sequence[Any], timeline: Timeline) -> None:
        self.cerebro, self.timeline, self.cursor = cerebro, timeline, Cursor()
        self.strategies = strategies
        self._where: dict[int, Positions | None] = {}  # of every feed, line and linked indicator, by id
        for data, positions in zip(cerebro.datas, timeline.positions, strict=True):
            self._link_feed(data, positions)
        self._filling = [data for data in cerebro.datas if not isinstance(data, PanelFeed)]
        self.shares = [self._share(strategy) for strategy in strategies]

    def _link_feed(self, data: Any, positions: Positions | None) -> None:
        if not isinstance(data, PanelFeed):
            data._tick_nullify()
        elif "tick_last" in data.__dict__:  # left by an indicator that was computed bar by bar
            for alias in (*data.getlinealiases(), "last"):
                data.__dict__.pop(f"tick_{alias}", None)
        self._where[id(data)] = positions
        for line in data.lines.lines:
            self._where[id(line)] = positions
            link(line, self.cursor, positions)

    def _share(self, strategy: Any) -> StrategyDays:
        cursor, loose, where = Cursor(), [], dict(self._where)
        for indicator in strategy._lineiterators[LineIterator.IndType]:
            positions = self._clock_of(indicator, where)
            if positions is _NOWHERE:
                loose.append(indicator)
                continue
            for line in indicator.lines:
                link(line, cursor, positions)
                where[id(line)] = positions
            where[id(indicator)] = positions
        statuses = self.timeline.statuses(strategy._minperiods)
        return StrategyDays(strategy, cursor, loose, statuses, Observing(strategy, self.timeline.length))

    def _clock_of(self, indicator: Any, where: dict[int, Positions | None]) -> Any:
        """The positions an indicator follows, or _NOWHERE when it must advance on its own."""
        positions = where.get(id(getattr(indicator, "_clock", None)), _NOWHERE)
        if positions is _NOWHERE or not isinstance(indicator, LineRoot):
            return _NOWHERE
        length = self.timeline.bars_of(positions)  # type: ignore[arg-type]
        lines = list(indicator.lines)
        fits = type(indicator).advance in _PLAIN_ADVANCE and all(
            len(line.array) == length and line._idx == -1 and line.mode == line.UnBounded for line in lines
        )
        return positions if lines and fits else _NOWHERE

    def run(self) -> None:
        """Day by day until the end or a stop that somebody asked for."""
        cerebro, strategies = self.cerebro, self.strategies
        for row, moment in enumerate(self.timeline.moments.tolist()):
            self.cursor.move(row)
            for data in self._filling:
                _fill_tick(data, moment)
            if cerebro._timerscheat:
                cerebro._check_timers(strategies, moment, cheat=True)
            if cerebro.p.cheat_on_open:
                for strategy in strategies:
                    strategy._oncepost_open()
                    if cerebro._event_stop:
                        return
            cerebro._brokernotify()
            if cerebro._event_stop:
                return
            if cerebro._timers:
                cerebro._check_timers(strategies, moment, cheat=False)
            for share in self.shares:
                share.run(row, moment)
                if cerebro._event_stop:
                    return
                if cerebro.runwriters:
                    cerebro._next_writers(strategies)


def _fill_tick(data: Any, moment: float) -> None:
    """What AbstractDataBase.advance does beside moving the lines, for a feed that has a bar at ``moment``."""
    if not len(data) or data.lines.datetime[0] != moment:
        return
    AbstractDataBase._tick_nullify(data)
    if len(data) < data.buflen():
        AbstractDataBase._tick_fill(data)
