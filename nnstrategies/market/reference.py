"""The base price of a session's limits: the previous close, or the ex-rights reference price on an ex-date."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from nnstrategies.panel import Panel, Status
from nnstrategies.typing import AnyArray, BoolArray, FloatArray, IntArray

_BLOCK = 32  # rows read together: fields lie symbol-major, one row alone costs a cache miss for every symbol
_NOISE = 1e-5  # factors are often stored as float32 or with six digits
_HALF = 0.5 + 1e-6  # half a tick is rounded up; the rest covers binary fractions just below the half


class Step(NamedTuple):
    """A corporate action on its ex-date: cash per share (in ticks), shares after per share, rights at a price."""

    row: int
    cash: float
    ratio: float
    rights: float = 0.0
    rights_price: float = 0.0

    def joined(self, other: Step) -> Step:
        """Two parts of one day's action as one."""
        rights = self.rights + other.rights
        paid = self.rights * self.rights_price + other.rights * other.rights_price
        ratio = self.ratio + other.ratio - 1.0
        return Step(self.row, self.cash + other.cash, ratio, rights, paid / rights if rights else 0.0)

    def reference(self, close: int) -> int:
        """(close - cash + rights * price) / (ratio + rights), half up.

        Source: trading rules of SSE and SZSE, ex-rights and ex-dividend reference price.
        """
        value = (close - self.cash + self.rights * self.rights_price) / (self.ratio + self.rights)
        return max(int(np.floor(value + _HALF)), 1)


def to_ticks(prices: AnyArray | float, ticks_per_unit: IntArray | int) -> IntArray:
    """Prices as whole ticks, NaN and negative ones as 0; float32 prices land on the tick they stand for."""
    scaled = np.asarray(prices, dtype=np.float64) * ticks_per_unit
    return np.where(scaled > 0, np.rint(scaled), 0.0).astype(np.int64)


class BasePrices:
    """Base prices in ticks, 0 where unknown; read from the panel in blocks of rows.

    Where ``pre_close`` has a number it is the base (on the first day of a listing: the issue price). Elsewhere the
    last close, which a panel repeats through suspensions, corrected for every ex-date since that close: from the
    events ``actions`` (cash, ratio, optional rights and rights_price) or, without them, from the steps of adj_factor.
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
            for column, steps in self._steps().items():
                self._correct(column, steps, self._corrected)
        return self._corrected

    def _correct(self, column: int, steps: list[Step], found: dict[int, dict[int, int]]) -> None:
        close = to_ticks(self._panel["close"].T[column], self._ticks[column])
        trading = np.flatnonzero(self._panel.status.T[column] == Status.TRADING)
        reference, until = 0, -1
        for step in steps:
            if step.row > until:  # traded since the ex-date before: start from that close
                reference = int(close[step.row - 1]) if step.row else 0
                after = int(np.searchsorted(trading, step.row))
                until = int(trading[after]) if after < len(trading) else self._panel.T - 1
            if reference > 0:
                reference = step.reference(reference)
                for t in range(step.row, until + 1):
                    found[t][column] = reference

    def _steps(self) -> dict[int, list[Step]]:
        if "actions" in self._panel.event_names:
            return self._announced()
        return self._from_factor() if "adj_factor" in self._panel else {}

    def _announced(self) -> dict[int, list[Step]]:
        table = self._panel.events("actions")
        rows = np.searchsorted(self._panel.sessions, table["ex_date"].to_numpy().astype("datetime64[D]"))
        defaults = {"cash": 0.0, "ratio": 1.0, "rights": 0.0, "rights_price": 0.0}
        values: dict[str, FloatArray] = {
            name: table[name].fillna(default).to_numpy(dtype=np.float64)
            if name in table.columns
            else np.full(len(table), default)
            for name, default in defaults.items()
        }
        merged: dict[tuple[int, int], Step] = {}  # by column and ex-date: each row speaks of the shares held before
        for i in np.argsort(table["ex_date"].to_numpy(), kind="stable"):
            if 0 < rows[i] < self._panel.T:
                column = self._panel.column(table["symbol"].iloc[i])
                cash, ratio, rights, price = (float(values[name][i]) for name in defaults)
                ticks = int(self._ticks[column])
                step = Step(int(rows[i]), cash * ticks, ratio, rights, price * ticks)
                key = column, table["ex_date"].iloc[i].toordinal()
                merged[key] = merged[key].joined(step) if key in merged else step
        found: dict[int, list[Step]] = defaultdict(list)
        for (column, _), step in merged.items():
            found[column].append(step)
        return found

    def _from_factor(self) -> dict[int, list[Step]]:
        """A backward factor that is multiplied by r on a session divides the reference price by r."""
        found: dict[int, list[Step]] = {}
        for column, factor in enumerate(self._panel["adj_factor"].T):
            known = np.flatnonzero(np.isfinite(factor))
            values = factor[known].astype(np.float64)
            moved = np.flatnonzero(np.abs(np.diff(values)) > _NOISE * values[:-1])
            if len(moved):
                found[column] = [Step(int(known[i + 1]), 0.0, float(values[i + 1] / values[i])) for i in moved]
        return found
