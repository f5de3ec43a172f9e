"""What open positions are worth on the days to come, computed ahead for a block of days.

Between two fills only the closes change, so the sums of bbroker.py 440-466 are done for many days at once. Each day's
sum adds the same numbers in the same order as backtrader's loop: ``accumulate`` is sequential, ``sum`` would not be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nnstrategies.engine.commission import charges_holding, is_plain
from nnstrategies.engine.lines import is_aligned, moment_of, row_of, stored
from nnstrategies.typing import FloatArray

_NUMBERS = (int, float)  # numpy's own would make the sums numpy's as well, in backtrader
_FIRST, _NEXT = 2, 40  # days in a block: few at first, for those who trade daily; a rebalance is some twenty apart


class Held(NamedTuple):
    """One open position: its feed, backtrader's Position, the line of closes, the commission scheme."""

    data: Any
    position: Any
    close: Any
    scheme: Any


Mark = tuple[float, float, float]  # of one day: backtrader's pos_value, pos_value_unlever and unrealized


def marked(held: Sequence[Held]) -> Mark:
    """Today's mark, position by position, whatever their schemes do."""
    worth = paid = gain = 0.0
    for each in held:
        size, price, scheme = each.position.size, each.close[0], each.scheme
        value = scheme.getvaluesize(size, price)
        gained = scheme.profitandloss(size, each.position.price, price)
        worth += value
        gain += gained
        if value > 0:
            value -= gained
            paid += value / scheme.get_leverage()
            paid += gained
        else:
            paid += value
    return worth, paid, gain


class Ahead:
    """Marks of unchanging long positions under plain schemes, on feeds with a bar at every moment of the run."""

    def __init__(self, held: Sequence[Held]) -> None:
        self.positions = [each.position for each in held]
        self._clock = held[0].data.datetime
        self._closes = [np.asarray(stored(each.close)) for each in held]  # K x [T]
        self._size = np.array([each.position.size for each in held], dtype=np.float64)[:, None]  # [K, 1]
        self._price = np.array([each.position.price for each in held], dtype=np.float64)[:, None]
        self._schemes = list({id(each.scheme): each.scheme for each in held}.values())
        self._terms = [_terms(scheme) for scheme in self._schemes]
        self._mult = np.array([each.scheme.p.mult for each in held], dtype=np.float64)[:, None]
        self._leverage = np.array([each.scheme.p.leverage for each in held], dtype=np.float64)[:, None]
        self._first = self._end = 0
        self._prices: list[list[float]] = []  # [days][K]
        self._marks: list[Mark] = []

    @staticmethod
    def serves(held: Sequence[Held]) -> bool:
        """Whether all of these can be marked ahead."""
        return bool(held) and all(
            type(each.position.size) in _NUMBERS
            and type(each.position.price) in _NUMBERS
            and each.position.size > 0
            and is_plain(each.scheme)
            and not charges_holding(each.scheme)
            and is_aligned(each.close)
            and each.data._tz is None
            for each in held
        )

    @property
    def holds(self) -> bool:
        """Whether the schemes are still as they were."""
        return self._terms == [_terms(scheme) for scheme in self._schemes]

    def date_positions(self) -> None:
        """Note on each position that its interest was looked at today."""
        now = moment_of(self._clock[0])
        for position in self.positions:
            position.datetime = now

    def mark(self) -> Mark:
        """Today's mark; each position's adjbase becomes today's close."""
        row = row_of(self._clock)
        if not self._first <= row < self._end:
            self._compute(row, _NEXT if self._end else _FIRST)
        day = row - self._first
        for position, price in zip(self.positions, self._prices[day], strict=True):
            position.adjbase = price
        return self._marks[day]

    def _compute(self, row: int, days: int) -> None:
        self._first, self._end = row, min(row + days, len(self._closes[0]))
        close = np.array([column[row : self._end] for column in self._closes], dtype=np.float64)  # [K, days]
        value = self._size * close
        gained = self._size * (close - self._price) * self._mult
        paid = np.empty((2 * len(value), value.shape[1]))  # the two terms a position adds, one after the other
        long = value > 0
        paid[0::2] = np.where(long, (value - gained) / self._leverage, value)
        paid[1::2] = np.where(long, gained, 0.0)
        self._prices = close.T.tolist()
        sums = [_in_order(value), _in_order(paid), _in_order(gained)]
        self._marks = list(zip(*sums, strict=True))


def _terms(scheme: Any) -> tuple[Any, ...]:
    p = scheme.p
    return p.mult, p.leverage, p.interest_long, scheme._stocklike


def _in_order(terms: FloatArray) -> list[float]:
    """Sums over the first axis, from the first to the last, beginning with 0."""
    total: list[float] = (np.add.accumulate(terms, axis=0)[-1] + 0.0).tolist()
    return total
