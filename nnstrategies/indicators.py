"""Predictions for any ordinary bt.Strategy: as an indicator line, and as a filter on its buys."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
from backtrader.linebuffer import LineBuffer

from nnstrategies.errors import ConfigError, DataError
from nnstrategies.scores import Scores
from nnstrategies.typing import FloatArray

_ORDINAL_OF_1970 = 719163  # backtrader's dates count days from 0001-01-01


class _Line(LineBuffer):
    """A line that is NaN before its first bar, where backtrader would hand out the last bar of the run."""

    def __getitem__(self, ago: int) -> float:
        at = self.idx + ago
        return float(self.array[at]) if 0 <= at < len(self.array) else float("nan")


def _of_symbol(scores: Any, owner: str, symbol: str, output: str) -> tuple[dict[int, int], FloatArray]:
    """Row by backtrader's day number, and the symbol's values [T]."""
    if not isinstance(scores, Scores):
        raise ConfigError(f"{owner}: scores: expected Scores, got {type(scores).__name__}; pass scores=...")
    if symbol not in scores.symbols:
        raise DataError(f"{owner}: feed {symbol!r} is not among the {len(scores.symbols)} symbols of the scores")
    days = scores.sessions.astype("datetime64[D]").astype(np.int64) + _ORDINAL_OF_1970
    rows = {int(day): row for row, day in enumerate(days)}
    return rows, scores.column(output)[:, scores.symbols.index(symbol)].astype(np.float64)


class Score(bt.Indicator):
    """One output of Scores for one feed: ``Score(data, scores=scores)``; the feed's name is the symbol.

    The value of a bar is the prediction made at its close, NaN where there is none. It adds no minimum period, and is
    the same in backtrader's vectorised and bar-by-bar modes.
    """

    lines: Any = ("score",)
    params: Any = (("scores", None), ("output", "score"))

    def __init__(self) -> None:
        self._rows, self._values = _of_symbol(self.p.scores, "Score", str(self.data._name), self.p.output)
        self.lines[0].__class__ = _Line
        super().__init__()

    def _value(self, day: float) -> float:
        row = self._rows.get(int(day), -1)
        return float(self._values[row]) if row >= 0 else float("nan")

    def next(self) -> None:
        self.lines[0][0] = self._value(self.data.datetime[0])

    def prenext(self) -> None:
        if len(self):
            self.next()

    def once(self, start: int, end: int) -> None:
        line, days = self.lines[0].array, self.data.datetime.array
        for bar in range(start, end):
            line[bar] = self._value(days[bar])

    def preonce(self, start: int, end: int) -> None:
        self.once(start, end)


class SignalFilter(bt.Sizer):
    """Let a strategy buy only what a predictor confirms: a buy passes when the score exceeds ``threshold``.

    ``cerebro.addsizer(SignalFilter, scores=scores, threshold=0.0, inner=bt.sizers.PercentSizer(percents=10))``. Sells
    are untouched, and so are buys that close a short. ``inner`` sizes what passes (default: backtrader's own, one
    share). Orders with an explicit size, which backtrader never shows to a sizer, pass the same check: the strategy's
    ``buy`` returns None when it is refused, as backtrader's does for a size of 0.
    """

    params: Any = (("scores", None), ("output", "score"), ("threshold", 0.0), ("inner", None))

    def __init__(self) -> None:
        if not isinstance(self.p.scores, Scores):
            raise ConfigError(f"SignalFilter: scores: expected Scores, got {type(self.p.scores).__name__}")
        if self.p.inner is not None and not isinstance(self.p.inner, bt.Sizer):
            raise ConfigError(f"SignalFilter: inner: expected a bt.Sizer object, got {type(self.p.inner).__name__}")
        self._inner = self.p.inner if self.p.inner is not None else bt.sizers.FixedSize()
        scores: Scores = self.p.scores
        self._values = scores.column(self.p.output)
        self._rows = {int(day) + _ORDINAL_OF_1970: t for t, day in enumerate(scores.sessions.astype(np.int64))}
        self._columns = {symbol: column for column, symbol in enumerate(scores.symbols)}

    def set(self, strategy: Any, broker: Any) -> None:
        super().set(strategy, broker)
        self._inner.set(strategy, broker)
        ask = strategy.buy

        def buy(data: Any = None, *args: Any, **order: Any) -> Any:
            """The strategy's own ``buy``, asked only when the predictor confirms."""
            chosen = strategy.data if data is None else data
            if isinstance(chosen, str):
                chosen = strategy.getdatabyname(chosen)
            closes_short = broker.getposition(chosen).size < 0
            return ask(chosen, *args, **order) if closes_short or self.confirms(chosen) else None

        strategy.buy = buy

    def confirms(self, data: Any) -> bool:
        """Whether the score of the strategy's current session exceeds the threshold; no score confirms nothing."""
        column = self._columns.get(str(data._name), -1)
        row = self._rows.get(int(self.strategy.datetime[0]), -1)
        if column < 0 or row < 0:
            return False
        return bool(self._values[row, column] > self.p.threshold)

    def _getsizing(self, comminfo: Any, cash: float, data: Any, isbuy: bool) -> float:
        return float(self._inner._getsizing(comminfo, cash, data, isbuy))
