"""A strategy's observers during a day; those that only note orders and trades sleep until there is one.

Does what Strategy._next_observers does (strategy.py 355-379). With thousands of feeds backtrader's standard observers
are thousands of objects, and all but a few have nothing to write.
"""

from __future__ import annotations

import array
from typing import Any

import backtrader as bt
import numpy as np
from backtrader.lineiterator import LineIterator

from nnstrategies.engine.cursor import Cursor
from nnstrategies.engine.lines import link


class Observing:
    """The observers of one strategy over ``length`` days."""

    def __init__(self, strategy: Any, length: int) -> None:
        self._strategy = strategy
        self._stock = type(strategy)._next_observers is not bt.Strategy._next_observers or strategy._oldsync
        self._cursor = Cursor()
        self._by_feed: dict[int, list[Any]] = {}
        self._trades: list[Any] = []
        self._awake: list[Any] = []
        if not self._stock:
            for observer in strategy._lineiterators[LineIterator.ObsType]:
                self._sort_in(observer, length)

    def _sort_in(self, observer: Any, length: int) -> None:
        if type(observer) is bt.observers.BuySell and not observer._analyzers:
            self._by_feed.setdefault(id(observer.data), []).append(observer)
        elif type(observer) is bt.observers.DataTrades and not observer._analyzers:
            self._trades.append(observer)
        else:
            self._awake.append(observer)
            return
        for line in observer.lines:
            if len(line.array) != length:
                line.array = array.array("d", [np.nan]) * length
            link(line, self._cursor, None)

    def run(self, row: int, status: int) -> None:
        """Let those observe that have something to write or are not known to sleep."""
        if self._stock:
            self._strategy._next_observers(status, once=True)
            return
        self._cursor.move(row)
        if self._by_feed and self._strategy._orderspending:
            for feed in dict.fromkeys(id(order.data) for order in self._strategy._orderspending):
                for observer in self._by_feed.get(feed, ()):
                    observer.next()
        if self._strategy._tradespending:
            for observer in self._trades:
                observer.next()
        for observer in self._awake:
            self._observe(observer, status)

    def _observe(self, observer: Any, status: int) -> None:
        for analyzer in observer._analyzers:
            (analyzer._next if status < 0 else analyzer._prenext if status > 0 else analyzer._nextstart)()
        if len(self._strategy) > len(observer):
            observer.forward()
        if status < 0:
            observer.next()
        elif status == 0:
            observer.nextstart()
        elif len(observer):
            observer.prenext()
