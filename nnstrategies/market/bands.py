"""Price limits in exact whole numbers: percentages of a base price in ticks, by board, standing and date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from nnstrategies.market.book import Board, Book, PriceLimit, Rounding, Standing
from nnstrategies.typing import DateArray, IntArray

NO_LIMIT_UP = 2**62  # ticks; above every price, and still a whole number
STANDINGS = len(Standing)
_WHOLE = 10_000  # basis points


class Limits(NamedTuple):
    """[N] ticks: the highest and lowest legal price. Without a limit up = NO_LIMIT_UP and down = 0."""

    up: IntArray
    down: IntArray


class Band(NamedTuple):
    """Whole numbers that turn a base into a limit: (base * times + add) // 10,000; times 0 = no limit on that side."""

    up_times: int
    up_add: int
    down_times: int
    down_add: int


NO_BAND = Band(0, 0, 0, 0)


def is_limit(percent: Decimal | float) -> bool:
    """Whether a percentage can be a limit: above 0 to 100, in whole basis points."""
    points = Decimal(str(percent)) * 100
    return points == points.to_integral_value() and 0 < points <= _WHOLE


def band(up_percent: Decimal | float | None, down_percent: Decimal | float | None, rounding: Rounding) -> Band:
    """half_up adds half a tick before cutting; inward cuts the upper limit and lifts the lower one."""
    up_add, down_add = (_WHOLE // 2, _WHOLE // 2) if rounding == "half_up" else (0, _WHOLE - 1)
    up = (0, 0) if up_percent is None else (_WHOLE + _basis_points(up_percent), up_add)
    down = (0, 0) if down_percent is None else (_WHOLE - _basis_points(down_percent), down_add)
    return Band(*up, *down)


def _basis_points(percent: Decimal | float) -> int:
    return int(Decimal(str(percent)) * 100)  # by its decimal: 0.29 is 29, its binary fraction times 100 is 28.99...


def band_of(entry: PriceLimit) -> Band:
    return band(entry.up_percent, entry.down_percent, entry.rounding)


def apply_bands(base: IntArray, bands: IntArray) -> Limits:
    """Limits [N] from base prices [N] in ticks (0 = unknown: no limit) and bands [4, N].

    A limit lies at least one tick away from the base, and never at 0: below 0.05 the percentage rounds to nothing,
    and the exchanges then take one tick.
    """
    known = base > 0
    up = np.maximum((base * bands[0] + bands[1]) // _WHOLE, base + 1)
    down = np.minimum((base * bands[2] + bands[3]) // _WHOLE, base - 1)
    up = np.where(known & (bands[0] > 0), up, NO_LIMIT_UP)
    down = np.where(known & (bands[2] > 0), np.maximum(down, 1), 0)
    return Limits(up, down)


class BandTable:
    """Bands of every (board, standing) by session: the book's entries between two of its changes, looked up once."""

    def __init__(self, book: Book, boards: Sequence[Board], sessions: DateArray) -> None:
        """``boards``: those in use; a row of a table is board * STANDINGS + standing."""
        self._book, self._boards, self._sessions = book, tuple(boards), sessions
        days = sorted({day for board in boards for day in (board.start, *book.changes(board.name))})
        starts = np.array(days, dtype="datetime64[D]")
        self._interval: IntArray = np.searchsorted(starts, sessions, side="right")  # [T]
        self._tables: dict[int, IntArray] = {}

    def interval(self, t: int) -> int:
        """Number of the span between two changes of the book that holds session t."""
        return int(self._interval[t])

    def at(self, t: int) -> IntArray:
        """[4, boards * STANDINGS] bands of session t; a board that has not opened has no limit."""
        interval = self.interval(t)
        if interval not in self._tables:
            day = self._sessions[t].item()
            rows = [self.one(board, standing, day) for board in self._boards for standing in Standing]
            self._tables[interval] = np.ascontiguousarray(np.array(rows, dtype=np.int64).reshape(-1, 4).T)
        return self._tables[interval]

    def one(self, board: Board, standing: Standing, day: dt.date) -> Band:
        """Band of one standing on one day; a standing that the book does not know counts as normal."""
        if day < board.start or (self._book.limits_from == "panel" and board.name not in self._book.price_limits):
            return NO_BAND
        known = standing if standing in self._book.price_limits.get(board.name, {}) else Standing.NORMAL
        return band_of(self._book.price_limit(board.name, known, day))

    def of_board(self, number: int, standing: Standing) -> IntArray:
        """[4, T] bands of one board by session."""
        _, first, back = np.unique(self._interval, return_index=True, return_inverse=True)
        key = number * STANDINGS + standing
        rows = np.stack([self.at(int(t))[:, key] for t in first], axis=1)  # [4, spans]
        return rows[:, back.reshape(-1)]
