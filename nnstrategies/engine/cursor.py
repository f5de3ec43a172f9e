"""The calendar of a run and the one position on it that all lines share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnstrategies.typing import FloatArray, IntArray

Positions = memoryview  # of int64 [T + 1]: a feed's index once that many sessions were delivered, -1 before its first


class Cursor:
    """``row`` is the current session on the run's calendar, -1 before the first; ``count`` is ``row`` + 1."""

    __slots__ = ("count", "row")

    def __init__(self) -> None:
        self.row, self.count = -1, 0

    def move(self, row: int) -> None:
        self.row, self.count = row, row + 1


@dataclass(frozen=True)
class Timeline:
    """All moments at which any feed has a bar, and where each feed stands after each of them.

    moments: [T] strictly increasing, backtrader's numbers. positions: per feed None when it has a bar at every moment,
    else ``Positions``. Leans on Cerebro._runonce, which delivers the earliest bar of all feeds first.
    """

    moments: FloatArray
    positions: tuple[Positions | None, ...]

    @classmethod
    def of(cls, datas: Sequence[Any]) -> Timeline | None:
        """The timeline of preloaded feeds, or None when a feed's moments do not strictly increase."""
        buffers = [data.lines.datetime.array for data in datas]
        distinct = {id(buffer): np.asarray(buffer, dtype=np.float64) for buffer in buffers}
        if not all(_increases(column) for column in distinct.values()):
            return None
        columns = list(distinct.values())
        moments = columns[0]
        if any(not np.array_equal(moments, column) for column in columns[1:]):
            moments = np.unique(np.concatenate(columns))
        where = {key: _positions(column, moments) for key, column in distinct.items()}
        return cls(moments, tuple(where[id(buffer)] for buffer in buffers))

    @property
    def length(self) -> int:
        return len(self.moments)

    def bars_of(self, positions: Positions | None) -> int:
        """How many bars a feed has in all."""
        return self.length if positions is None else int(positions[-1]) + 1

    def statuses(self, minperiods: Sequence[int]) -> list[int]:
        """[T] a strategy's minimum-period status: below 0 next, 0 nextstart, above 0 prenext (as _getminperstatus)."""
        counts = np.arange(1, self.length + 1)
        if all(positions is None for positions in self.positions):
            return (max(minperiods) - counts).tolist()
        worst: IntArray = np.full(self.length, np.iinfo(np.int64).min)
        for minperiod, positions in zip(minperiods, self.positions, strict=True):
            delivered = counts if positions is None else np.asarray(positions)[1:] + 1
            np.maximum(worst, minperiod - delivered, out=worst)
        return worst.tolist()


def _increases(column: FloatArray) -> bool:
    return bool(np.isfinite(column).all() and (np.diff(column) > 0).all())


def _positions(column: FloatArray, moments: FloatArray) -> Positions | None:
    if len(column) == len(moments):  # a subset of equal length
        return None
    index = np.empty(len(moments) + 1, dtype=np.int64)
    index[0] = -1
    index[1:] = np.searchsorted(column, moments, side="right") - 1
    return memoryview(index)  # type: ignore[arg-type]
