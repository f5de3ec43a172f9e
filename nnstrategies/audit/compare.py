"""Where and by how much two arrays differ, to the last bit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnstrategies.typing import AnyArray, BoolArray, IntArray

_ROUNDING = 1e-5  # standard deviations; a panel of another length may be summed in another order
_ULP = 5e-7  # of the value itself: 4 units in the last place of a float32


def same_bytes(x: AnyArray, y: AnyArray) -> bool:
    """Equal to the last bit, NaN where NaN."""
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    return x.shape == y.shape and x.dtype == y.dtype and np.array_equal(x, y, equal_nan=x.dtype.kind == "f")


def different(x: AnyArray, y: AnyArray) -> BoolArray:
    """Element by element; NaN equals NaN."""
    return np.asarray((x != y) & ~((x != x) & (y != y)))


@dataclass(frozen=True)
class Change:
    """How an array [T', N] differs from what it should be.

    row: the first that differs. columns: all that differ, those of the first row first. cells: how many differ, of
    ``compared``. size: largest difference in standard deviations, NaN where a value only comes or goes. rounding: no
    more than another order of summation explains.
    """

    row: int
    columns: IntArray
    cells: int
    compared: int
    size: float
    rounding: bool

    @property
    def share(self) -> float:
        return self.cells / max(self.compared, 1)


def compare(expected: AnyArray, got: AnyArray) -> Change | None:
    """None when ``got`` [T', N] equals ``expected`` to the last bit."""
    differs = different(expected, got)
    if not differs.any():
        return None
    row = int(np.argmax(differs.any(axis=1)))
    first = np.flatnonzero(differs[row])
    others = np.setdiff1d(np.flatnonzero(differs.any(axis=0)), first)
    finite = np.isfinite(expected)
    a, b = expected[differs].astype(np.float64), got[differs].astype(np.float64)
    both = np.isfinite(a) & np.isfinite(b)
    gap = np.abs(a - b)[both]
    spread = float(expected[finite].astype(np.float64).std()) if finite.any() else 0.0
    small = (gap <= _ROUNDING * spread) | (gap <= _ULP * np.abs(a[both]))
    size = float(gap.max()) / spread if len(gap) and spread > 0 else np.nan
    compared = int((finite | differs).sum())
    return Change(
        row, np.concatenate([first, others]), int(differs.sum()), compared, size, bool(both.all() and small.all())
    )


def differing_last(expected: AnyArray, got: AnyArray) -> BoolArray:
    """[F] whether float32 arrays [N, T', F] differ anywhere; a symbol at a time, without an array of that size."""
    found = np.zeros(expected.shape[2], dtype=bool)
    for x, y in zip(expected, got, strict=True):
        if not np.array_equal(x.view(np.int32), y.view(np.int32)):  # as whole numbers, where NaN equals NaN
            found |= different(x, y).any(axis=0)
    return found
