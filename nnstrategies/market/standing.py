"""Whether a stock is under special treatment (ST): the panel's flag, and an inference where the flag is unknown.

Measured by stock-day on 730 Chinese stocks of 2010-2023 (main boards, true flags hidden from the first session of
each year on; without the three stocks named below). Constants chosen on 2010-2014, by the fewest limits judged wrongly:
    2010-2014  precision 0.965, recall 0.916
    2015-2020  precision 0.993, recall 0.952 (carrying the last flag on: 0.208 and 0.205)
What is missed lies mostly between the change of standing and the second locked close; what is claimed wrongly ends
with the first trade beyond 5 %. After 2020-08-24, where the flags end, 21 stocks close five times or more at +5 %:
all 21 are found, with 714 of those 716 closes; the 20 such closes of other stocks make none ST.
600688, 600871 (to 2013-08) and 600733 (to 2018-09) had not gone through the share reform: their flag is normal and
their limit 5 %. Inference finds that; counted as errors they lower the precision of 2015-2020 to 0.977.
"""

from __future__ import annotations

import numpy as np

from nnstrategies.market.bands import BandTable, apply_bands
from nnstrategies.market.book import Standing
from nnstrategies.market.events import EventRows
from nnstrategies.market.reference import BasePrices
from nnstrategies.market.ticks import to_ticks
from nnstrategies.panel import Panel, Status
from nnstrategies.typing import AnyArray, BoolArray, IntArray

LOCKED_CLOSES = 2  # this many closes locked at the ST limit ...
WITHIN_SESSIONS = 60  # ... within so many trading sessions make a stock ST
_INFERRED = 8  # added to a Standing that was inferred


class Standings:
    """[N] standing by session, from flags and events and, where both are silent, from what traded before.

    The field ``is_st`` is taken as announced before the session opens; NaN (or no such field) is unknown. Unknown
    standing starts as the last known one. It becomes ST after LOCKED_CLOSES closes locked at the ST limit (the close
    is that limit to the tick, and the day's high or low) within WITHIN_SESSIONS trading sessions, and ends with the
    first trade outside the ST limits; both are seen on sessions before t. Only where the ST limit differs from the
    normal one; elsewhere the last standing is kept, as nothing depends on it. Each symbol is worked out once.
    """

    def __init__(
        self,
        panel: Panel,
        table: BandTable,
        numbers: IntArray,
        base: BasePrices,
        ticks_per_unit: IntArray,
        events: EventRows,
    ) -> None:
        """``numbers`` [N]: each symbol's board, a place in ``table``; of the events those of kind "standing" count."""
        self._panel, self._table, self._numbers = panel, table, numbers
        self._base, self._ticks = base, ticks_per_unit
        self._events: dict[int, list[tuple[int, int]]] = {}  # column -> (row, standing)
        for t, column, event in events:
            if event.kind == "standing":
                self._events.setdefault(column, []).append((t, int(event.value or 0)))
        self._changes: dict[int, tuple[AnyArray, AnyArray]] | None = None  # row -> columns, codes
        self._row, self._codes = -1, np.zeros(panel.N, dtype=np.int64)
        self._bands: dict[int, tuple[IntArray, BoolArray]] = {}

    def row(self, t: int) -> IntArray:
        """[N] of Standing."""
        return self._at(t) % _INFERRED

    def inferred(self, t: int) -> BoolArray:
        """[N] True where neither a flag nor an event tells the standing and a limit depends on it."""
        return self._at(t) >= _INFERRED

    def _at(self, t: int) -> IntArray:
        if self._changes is None:
            self._changes = self._all_changes()
        if t < self._row:
            self._row = -1
        if t > self._row:
            codes = self._codes.copy()
            for row in range(self._row + 1, t + 1):
                if row in self._changes:
                    columns, values = self._changes[row]
                    codes[columns] = values
            self._row, self._codes = t, codes
        return self._codes

    def _all_changes(self) -> dict[int, tuple[AnyArray, AnyArray]]:
        """Sessions on which any symbol's code changes; row 0 holds all."""
        found: dict[int, list[tuple[int, int]]] = {}
        for column in range(self._panel.N):
            codes = self.column(column)
            for t in np.flatnonzero(np.append(True, codes[1:] != codes[:-1])).tolist():
                found.setdefault(t, []).append((column, int(codes[t])))
        return {t: tuple(np.array(pairs).T) for t, pairs in found.items()}

    def column(self, n: int) -> IntArray:
        """[T] codes of one symbol: the Standing, and 8 more where it was inferred."""
        codes, unknown = self._known(n)
        if unknown.any():
            matters = self._st_bands(int(self._numbers[n]))[1] & unknown
            if matters.any():
                self._infer(n, codes, unknown, matters)
        for t, standing in self._events.get(n, ()):
            codes[t] = standing
        return codes

    def _known(self, n: int) -> tuple[IntArray, BoolArray]:
        """Codes with the last known flag carried on, and where the flag is unknown within the listing."""
        if "is_st" not in self._panel:
            return np.zeros(self._panel.T, dtype=np.int64), np.ones(self._panel.T, dtype=bool)
        flag = self._panel["is_st"].T[n]
        known = np.isfinite(flag)
        if known.all():
            return (flag > 0).astype(np.int64), ~known
        last = np.maximum.accumulate(np.where(known, np.arange(len(flag)), -1))
        codes = np.where(last >= 0, flag[np.maximum(last, 0)] > 0, False).astype(np.int64)
        return codes, ~known

    def _st_bands(self, number: int) -> tuple[IntArray, BoolArray]:
        """[4, T] bands of ST on a board, and [T] where they differ from the normal ones."""
        if number not in self._bands:
            special = self._table.of_board(number, Standing.ST)
            normal = self._table.of_board(number, Standing.NORMAL)
            self._bands[number] = special, (special != normal).any(axis=0)
        return self._bands[number]

    def _infer(self, n: int, codes: IntArray, unknown: BoolArray, matters: BoolArray) -> None:
        """Overwrite ``codes`` [T] where ``matters``; each unknown span starts from the code before it."""
        locked, outside, session = self._evidence(n, matters)
        events = np.flatnonzero(locked | outside)
        edges = np.diff(np.concatenate([[0], unknown.view(np.int8), [0]]))
        for start, stop in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
            inside = events[np.searchsorted(events, start) : np.searchsorted(events, stop)]
            recent: list[int] = []
            state = int(codes[start])
            for t in inside.tolist():
                if outside[t]:
                    recent, after = [], int(Standing.NORMAL)
                else:
                    recent = [s for s in recent if session[t] - s < WITHIN_SESSIONS] + [int(session[t])]
                    after = int(Standing.ST) if len(recent) >= LOCKED_CLOSES else state
                if after != state:
                    codes[t + 1 : stop] = state = after
        codes[matters] += _INFERRED

    def _evidence(self, n: int, matters: BoolArray) -> tuple[BoolArray, BoolArray, IntArray]:
        """[T] closes locked at the ST limit, trades outside the ST limits, and the number of trading sessions."""
        bands = self._st_bands(int(self._numbers[n]))[0]
        limits = apply_bands(self._base.column(n), bands)
        high, low, close = (to_ticks(self._panel[name].T[n], self._ticks[n]) for name in ("high", "low", "close"))
        trading: BoolArray = self._panel.status.T[n] == Status.TRADING
        seen = trading & matters
        at_limit = ((close == limits.up) & (close == high)) | ((close == limits.down) & (close == low))
        outside = (high > limits.up) | (low < limits.down)
        return seen & at_limit, seen & outside, np.cumsum(trading)
