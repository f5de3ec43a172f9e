"""The base price of a session's limits: the previous close, or the ex-rights reference price on an ex-date."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from nnstrategies.actions import Action, actions_by_row, reference
from nnstrategies.market.ticks import to_ticks
from nnstrategies.panel import Panel, Status
from nnstrategies.typing import AnyArray, BoolArray, IntArray

_BLOCK = 32  # rows read together: fields lie symbol-major, one row alone costs a cache miss for every symbol
_HALF = 0.5 + 1e-6  # half a tick is rounded up; the rest covers binary fractions just below the half


class BasePrices:
    """Base prices in ticks, 0 where unknown; read from the panel in blocks of rows.

    Where ``pre_close`` has a number it is the base (on the first day of a listing: the issue price). Elsewhere the
    last close, which a panel repeats through suspensions, corrected for every ex-date since that close
    (``actions_by_row``), each reference price rounded half up to a tick.
    Known before the session opens: nothing but ``pre_close``, the factor and actions of the session itself is read.
    """

    def __init__(self, panel: Panel, ticks_per_unit: IntArray) -> None:
        self._panel, self._ticks = panel, ticks_per_unit
        self._blocks: dict[int, IntArray] = {}
        self._corrected: dict[int, dict[int, int]] | None = None

    def row(self, t: int) -> IntArray:
        """[N] ticks, read-only."""
        number, offset = divmod(t, _BLOCK)
        if number not in self._blocks:
            if len(self._blocks) > 1:
                self._blocks.pop(next(iter(self._blocks)))
            self._blocks[number] = self._read(number * _BLOCK, min((number + 1) * _BLOCK, self._panel.T))
        values: IntArray = self._blocks[number][offset]
        return values

    def column(self, n: int) -> IntArray:
        """[T] ticks of one symbol."""
        ticks = self._ticks[n]
        before = np.zeros(self._panel.T, dtype=np.int64)
        if "pre_close" in self._panel:
            before = to_ticks(self._panel["pre_close"].T[n], ticks)
        if not self._missing(before, self._panel.status.T[n]).any():
            return before
        carried = np.append(0, to_ticks(self._panel["close"].T[n, :-1], ticks))
        for t, changed in self._corrections().items():
            carried[t] = changed.get(n, carried[t])
        return np.where(before > 0, before, carried)

    def _read(self, start: int, stop: int) -> IntArray:
        """[stop - start, N]."""
        ticks = self._ticks[:, None]
        before = np.zeros((self._panel.N, stop - start), dtype=np.int64)
        if "pre_close" in self._panel:
            before = to_ticks(self._panel["pre_close"].T[:, start:stop], ticks)
        if self._missing(before, self._panel.status.T[:, start:stop]).any():
            before = np.where(before > 0, before, self._carried(start, stop))
        block = np.ascontiguousarray(before.T)  # [N, rows] -> [rows, N]
        block.flags.writeable = False
        return block

    @staticmethod
    def _missing(before: IntArray, status: AnyArray) -> BoolArray:
        unknown: BoolArray = (before == 0) & (status != Status.UNLISTED) & (status != Status.DELISTED)
        return unknown

    def _carried(self, start: int, stop: int) -> IntArray:
        """[N, stop - start] last closes, corrected on ex-dates."""
        close = self._panel["close"].T
        first = max(start - 1, 0)
        last = to_ticks(close[:, first : stop - 1], self._ticks[:, None])
        if start == 0:
            last = np.concatenate([np.zeros((len(last), 1), dtype=np.int64), last], axis=1)
        corrections = self._corrections()
        for t in range(start, stop):
            for column, value in corrections.get(t, {}).items():
                last[column, t - start] = value
        return last

    def _corrections(self) -> dict[int, dict[int, int]]:
        """Row -> column -> reference price, from each ex-date to the next session on which the symbol trades."""
        if self._corrected is None:
            self._corrected = defaultdict(dict)
            for column, actions in self._actions().items():
                self._correct(column, actions, self._corrected)
        return self._corrected

    def _correct(self, column: int, actions: list[tuple[int, Action]], found: dict[int, dict[int, int]]) -> None:
        unit = int(self._ticks[column])
        close = to_ticks(self._panel["close"].T[column], unit)
        trading = np.flatnonzero(self._panel.status.T[column] == Status.TRADING)
        ticks, until = 0, -1
        for row, action in actions:
            if row > until:  # traded since the ex-date before: start from that close
                ticks = int(close[row - 1]) if row else 0
                after = int(np.searchsorted(trading, row))
                until = int(trading[after]) if after < len(trading) else self._panel.T - 1
            if ticks > 0:
                ticks = max(int(np.floor(reference(action, ticks / unit) * unit + _HALF)), 1)
                for t in range(row, until + 1):
                    found[t][column] = ticks

    def _actions(self) -> dict[int, list[tuple[int, Action]]]:
        """Column -> (row, action), by row."""
        found: dict[int, list[tuple[int, Action]]] = defaultdict(list)
        for row, actions in sorted(actions_by_row(self._panel).items()):
            for action in actions:
                found[action.column].append((row, action))
        return found
