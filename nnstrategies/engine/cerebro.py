"""A bt.Cerebro whose day is one step of a cursor; what it cannot serve runs in backtrader's own loop."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import backtrader as bt
import numpy as np

from nnstrategies.engine.broker import PanelBroker
from nnstrategies.engine.cursor import Timeline
from nnstrategies.engine.eligible import overridden, run_reason, settings_reason
from nnstrategies.engine.feed import viewed
from nnstrategies.engine.lines import own_array, unlink
from nnstrategies.engine.loop import Days, compute
from nnstrategies.engine.news import deliver
from nnstrategies.engine.quiet import quiet_collector
from nnstrategies.panel import Panel

_LOG = logging.getLogger("nnstrategies.engine")
_ORDINAL_1970 = 719163.0  # backtrader's number of midnight 1970-01-01: the proleptic Gregorian ordinal


class Cerebro(bt.Cerebro):
    """Runs ordinary strategies over thousands of feeds with backtrader's own results.

    path: "panel" when the engine's own loop ran, "backtrader" when its parent's did, "" before a run. path_reason: why
    it was the parent's. The broker is a PanelBroker unless another is set; parameters are those of bt.Cerebro.
    A read before a feed's first bar raises DataError on the panel path, where backtrader gives the feed's last bar.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setbroker(PanelBroker())
        self.path, self.path_reason = "", ""
        self._stock_news = True  # whether notifications are delivered by the parent's loop
        self._shared: dict[int, tuple[Panel, dict[str, memoryview]]] = {}

    def run(self, **kwargs: Any) -> Any:
        self.path, self.path_reason = "", ""
        stock = bt.brokers.BackBroker
        own = not isinstance(self._broker, stock) or overridden(type(self._broker), stock, ("get_notification",))
        self._stock_news = bool(own) or kwargs.get("quicknotify", self.p.quicknotify)
        with quiet_collector():
            results = super().run(**kwargs)
        if self._in_processes and results and results[0]:
            self.path, self.path_reason = results[0][0].path, results[0][0].path_reason
        return results

    def __call__(self, iterstrat: Any) -> Any:
        """One run of an optimisation in a process of its own; each result carries the path that it took."""
        results = super().__call__(iterstrat)
        for result in results:
            result.path, result.path_reason = self.path, self.path_reason
        return results

    # -- views on panels ------------------------------------------------------------------------------------------

    @property
    def views(self) -> bool:
        """Whether feeds may show the panel's memory; not when lines travel to the processes of an optimisation."""
        return not settings_reason(self) and not self._in_processes

    @property
    def _in_processes(self) -> bool:
        return bool(self._dooptimize and self.p.maxcpus != 1)

    def shared_columns(self, panel: Panel) -> dict[str, memoryview]:
        """The columns that all feeds of a panel have in common: datetime and openinterest, [T] float64."""
        if id(panel) not in self._shared:
            moments = panel.sessions.astype(np.int64).astype(np.float64) + _ORDINAL_1970
            columns = {"datetime": moments, "openinterest": np.zeros(panel.T)}
            for values in columns.values():
                values.flags.writeable = False
            self._shared[id(panel)] = panel, {name: viewed(values) for name, values in columns.items()}
        return self._shared[id(panel)][1]

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return state | {"_shared": {}}

    # -- the two paths ----------------------------------------------------------------------------------------------

    def _runonce(self, runstrats: Sequence[Any]) -> None:
        reason = settings_reason(self) or run_reason(self.datas, runstrats)
        timeline = None if reason else Timeline.of(self.datas)
        if timeline is None:
            self._take_parents_path(reason or "the dates of a feed do not strictly increase")
            super()._runonce(runstrats)
            return
        self.path, self.path_reason = "panel", ""
        for strategy in runstrats:
            compute(strategy)
            strategy.reset()
        days = Days(self, runstrats, timeline)
        days.run()
        if self._in_processes:
            self._unlink(runstrats)  # results travel back to the main process

    def _runnext(self, runstrats: Sequence[Any]) -> None:
        self._take_parents_path(settings_reason(self))
        super()._runnext(runstrats)

    def _runonce_old(self, runstrats: Sequence[Any]) -> None:
        self._take_parents_path(settings_reason(self))
        super()._runonce_old(runstrats)

    def _runnext_old(self, runstrats: Sequence[Any]) -> None:
        self._take_parents_path(settings_reason(self))
        super()._runnext_old(runstrats)

    def _brokernotify(self) -> None:
        """A session of the broker and the news of it, to the strategies."""
        if self._stock_news:
            super()._brokernotify()
            return
        self._broker.next()
        deliver(self)

    def _take_parents_path(self, reason: str) -> None:
        if self.path_reason != reason:
            asked = settings_reason(self)
            _LOG.log(logging.INFO if asked else logging.WARNING, "backtrader's own loop runs: %s", reason)
        self.path, self.path_reason = "backtrader", reason
        for data in self.datas:
            for line in data.lines.lines:
                own_array(line)

    def _unlink(self, strategies: Sequence[Any]) -> None:
        for owner in (
            *self.datas,
            *(child for s in strategies for kind in s._lineiterators.values() for child in kind),
        ):
            for line in owner.lines:
                unlink(line)
