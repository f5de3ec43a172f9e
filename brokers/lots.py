"""Tax lots: what was bought when, at what cost, and which dividends are still to be taxed. First in, first out."""

from __future__ import annotations

import datetime as dt
from collections import deque
from dataclasses import dataclass
from fractions import Fraction

from nnstrategies.brokers.taxes import Deferred, half_up, rate


@dataclass(slots=True)
class Lot:
    """``quantity`` in steps bought on ``acquired`` for ``cost`` (minor units, without fees).

    settles: number of the session from which it can be sold. deferred: dividends whose tax is due at the sale, in
    whole for this lot, so that a split leaves them alone.
    """

    acquired: dt.date
    settles: int
    quantity: int
    cost: int
    deferred: tuple[Deferred, ...] = ()

    def cut(self, quantity: int) -> Lot:
        """Take part of the lot out; the parts' costs and deferred dividends add up to the whole's."""
        cost = half_up(Fraction(self.cost * quantity, self.quantity))
        share = Fraction(quantity, self.quantity)
        part = Lot(self.acquired, self.settles, quantity, cost, _shared(self.deferred, share))
        self.deferred = _shared(self.deferred, 1 - share)
        self.quantity -= quantity
        self.cost -= cost
        return part

    def tax(self, day: dt.date) -> Fraction:
        """Tax due on the lot's deferred dividends when it is sold on ``day``, in minor units, not rounded."""
        return sum((d.gross * rate(d.tax, self.acquired, day) for d in self.deferred), Fraction())


class Holding:
    """Lots of one symbol, oldest first; ``quantity`` and ``cost`` are their sums."""

    __slots__ = ("cost", "lots", "quantity")

    def __init__(self) -> None:
        self.lots: deque[Lot] = deque()
        self.quantity = 0
        self.cost = 0

    def add(self, lot: Lot) -> None:
        """Append a purchase; nothing settles before what was bought earlier, because that is sold first."""
        if self.lots:
            lot.settles = max(lot.settles, self.lots[-1].settles)
        self.lots.append(lot)
        self.quantity += lot.quantity
        self.cost += lot.cost

    def settled(self, session: int) -> int:
        """Quantity that can be sold in this session."""
        waiting = 0
        for lot in reversed(self.lots):
            if lot.settles <= session:
                break
            waiting += lot.quantity
        return self.quantity - waiting

    def tax(self, quantity: int, day: dt.date) -> Fraction:
        """Deferred dividend tax that selling the oldest ``quantity`` on ``day`` would bring, not rounded."""
        due, left = Fraction(), quantity
        for lot in self.lots:
            part = min(left, lot.quantity)
            due += lot.tax(day) * Fraction(part, lot.quantity)
            left -= part
            if not left:
                break
        return due

    def take(self, quantity: int) -> list[Lot]:
        """Remove the oldest lots, the last of them in part, and return them."""
        taken = []
        left = quantity
        while left:
            first = self.lots[0]
            lot = self.lots.popleft() if first.quantity <= left else first.cut(left)
            left -= lot.quantity
            taken.append(lot)
        self.quantity -= quantity
        self.cost -= sum(lot.cost for lot in taken)
        return taken

    def scale(self, ratio: Fraction) -> Fraction:
        """Multiply every lot's quantity and return the fraction of a step that does not fit, 0 <= fraction < 1.

        Lots keep date, cost and deferred dividends. Their quantities are the steps between the rounded-down running
        totals, so that they add up; a lot left with nothing joins the next one (or, as the last, the one before).
        """
        held, filled, empty = 0, 0, None
        lots: deque[Lot] = deque()
        for lot in self.lots:
            held += lot.quantity
            total = int(held * ratio)
            lot.quantity, filled = total - filled, total
            if empty is not None:
                _join(lot, empty)
            empty = None if lot.quantity else lot
            if lot.quantity:
                lots.append(lot)
        if empty is not None and lots:
            _join(lots[-1], empty)
        elif empty is not None:
            lots.append(empty)
        self.lots, self.quantity = lots, filled
        return held * ratio - filled

    def release(self, fraction: Fraction) -> int:
        """Take the cost of a fraction of a step out of the last lot and return it."""
        last = self.lots[-1]
        cost = half_up(last.cost * fraction / (last.quantity + fraction))
        last.cost -= cost
        self.cost -= cost
        return cost


def _join(lot: Lot, other: Lot) -> None:
    lot.cost += other.cost
    lot.deferred = other.deferred + lot.deferred


def _shared(deferred: tuple[Deferred, ...], share: Fraction) -> tuple[Deferred, ...]:
    return tuple(Deferred(dividend.gross * share, dividend.tax) for dividend in deferred)
