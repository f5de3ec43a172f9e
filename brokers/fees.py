"""Fees of a trade, by component, exact to the minor unit (cent) of the currency.

All arithmetic is in whole numbers: a rate is a fraction of two integers, an amount counts minor units, a result is
rounded half up. Slippage is no fee: it is inside the fill price, see ``slippage``.
"""

from __future__ import annotations

import datetime as dt
import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple, Protocol

from nnstrategies.errors import ConfigError
from nnstrategies.market.book import Board, Book, Fee

_ABOVE = 1 + 1e-12  # a bound in floating point stays a bound


class Trade(NamedTuple):
    """One fill. quantity: steps of the board (shares), > 0. amount: price x quantity in minor units, >= 0."""

    day: dt.date
    board: Board
    buy: bool
    quantity: int
    amount: int
    maker: bool = False


class Costs(Protocol):
    """What a trade costs; implement both methods for a model of your own."""

    def fees(self, trade: Trade) -> dict[str, int]:
        """Component -> minor units, each >= 0; a component that is not due is left out or zero."""
        ...

    def rate_bound(self, day: dt.date, board: Board, buy: bool, price: float | None = None) -> float:
        """A fraction of the amount that the fees do not exceed, beyond minimums and rounding.

        price: currency per share, where a fee is by face value; None = the lowest, one tick.
        """
        ...


@dataclass(frozen=True)
class NoCosts:
    """Trading is free."""

    def fees(self, trade: Trade) -> dict[str, int]:
        return {}

    def rate_bound(self, day: dt.date, board: Board, buy: bool, price: float | None = None) -> float:
        return 0.0


@dataclass(frozen=True)
class FlatCosts:
    """One rate on both sides, as papers assume it: 8 bps = 8 / 10,000 of the amount, at least ``minimum`` a trade.

    minimum: in currency. money_decimals: digits of the currency's minor unit.
    """

    fee_bps: float = 8.0
    minimum: float = 0.0
    money_decimals: int = 2

    def __post_init__(self) -> None:
        _require_bps("fee_bps", self.fee_bps)
        _require_minimum(self.minimum)
        if not 0 <= self.money_decimals <= 18:
            raise ConfigError(f"costs: money_decimals: expected 0 to 18, got {self.money_decimals}")

    def fees(self, trade: Trade) -> dict[str, int]:
        return {"commission": max(self._rate.of(trade.amount), self._minimum)}

    def rate_bound(self, day: dt.date, board: Board, buy: bool, price: float | None = None) -> float:
        return float(self._rate.fraction) * _ABOVE

    @cached_property
    def _rate(self) -> _Rate:
        return _Rate(_bps(self.fee_bps))

    @cached_property
    def _minimum(self) -> int:
        return _minor(self.minimum, self.money_decimals)


@dataclass(frozen=True)
class MakerTakerCosts:
    """A crypto exchange's fee: one rate for orders that rested in its book, another for those that took from it."""

    maker_bps: float = 10.0
    taker_bps: float = 10.0

    def __post_init__(self) -> None:
        _require_bps("maker_bps", self.maker_bps)
        _require_bps("taker_bps", self.taker_bps)

    def fees(self, trade: Trade) -> dict[str, int]:
        rate = self._maker if trade.maker else self._taker
        return {"commission": rate.of(trade.amount)}

    def rate_bound(self, day: dt.date, board: Board, buy: bool, price: float | None = None) -> float:
        return float(max(self._maker.fraction, self._taker.fraction)) * _ABOVE

    @cached_property
    def _maker(self) -> _Rate:
        return _Rate(_bps(self.maker_bps))

    @cached_property
    def _taker(self) -> _Rate:
        return _Rate(_bps(self.taker_bps))


@dataclass(frozen=True)
class ScheduleCosts:
    """The rule book's dated schedule: the broker's commission, and what exchange, registry and state take.

    Commission: commission_bps of each order's amount, at least the minimum, at most the book's legal rate (the minimum
    goes first). minimum: in currency; None = the book's. A size above the book's largest limit order is several orders,
    each with a minimum of its own. Fees that are usually quoted inside the commission are charged beside it only when
    net_of_exchange_fees; the legal rate then covers both. Raises ConfigError for a day before the book's first entry.
    """

    book: Book
    commission_bps: float = 3.0
    minimum: float | None = None
    net_of_exchange_fees: bool = False

    def __post_init__(self) -> None:
        _require_bps("commission_bps", self.commission_bps)
        if self.minimum is not None:
            _require_minimum(self.minimum)

    def fees(self, trade: Trade) -> dict[str, int]:
        terms = self._terms(trade.day, trade.board, trade.buy)
        taken = {"commission": sum(map(terms.commission, terms.orders(trade.quantity, trade.amount)))}
        for component, rate, by_par in terms.charges:
            taken[component] = rate.of(trade.quantity if by_par else trade.amount)
        return taken

    def rate_bound(self, day: dt.date, board: Board, buy: bool, price: float | None = None) -> float:
        terms = self._terms(day, board, buy)
        unit = float(price) if price is not None else 1 / board.ticks_per_unit  # currency per share
        step = unit * 10.0 ** (self.book.money_decimals - board.quantity_decimals)  # minor units per quantity step
        return (terms.of_amount + terms.of_quantity / step) * _ABOVE

    def _terms(self, day: dt.date, board: Board, buy: bool) -> _Terms:
        """What holds between two changes of the board's rules is worked out once."""
        changes = self._changes.get(board.name)
        if changes is None:
            changes = self._changes[board.name] = self.book.changes(board.name)
        key = (board.name, bisect_right(changes, day), buy)
        terms = self._known.get(key)
        if terms is None:
            terms = self._known[key] = self._work_out(day, board, buy)
        return terms

    def _work_out(self, day: dt.date, board: Board, buy: bool) -> _Terms:
        book, name = self.book, board.name
        due = [fee for fee in book.fees(name, day) if fee.applies(buy) and fee.rate]
        beside = [fee for fee in due if self.net_of_exchange_fees or not fee.in_commission]
        rate, maximum, minimum, largest = _bps(self.commission_bps), None, 0, None
        if name in book.commissions:
            law = book.commission(name, day)
            minimum = law.minimum
            if law.maximum_rate is not None:
                inside = sum((Fraction(fee.rate) for fee in beside if fee.in_commission), Fraction(0))
                maximum = max(Fraction(law.maximum_rate) - inside, Fraction(0))
                rate = min(rate, maximum)
        if self.minimum is not None:
            minimum = _minor(self.minimum, book.money_decimals)
        if name in book.order_sizes:
            largest = book.order_size(name, day).maximum_limit  # the opening auction takes limit orders only
        charges = tuple((fee.component, _Rate(self._fraction(fee, board)), fee.basis == "par") for fee in beside)
        of_amount = float(rate + sum(charge.fraction for _, charge, by_par in charges if not by_par))
        of_quantity = float(sum(charge.fraction for _, charge, by_par in charges if by_par))
        return _Terms(charges, _Rate(rate), maximum, minimum, largest, of_amount, of_quantity)

    def _fraction(self, fee: Fee, board: Board) -> Fraction:
        """The rate per minor unit of the amount, or in minor units per quantity step."""
        if fee.basis == "amount":
            return Fraction(fee.rate)
        if board.par is None:
            raise ConfigError(
                f"rule book {self.book.name!r}: fee, {board.name}, {fee.component}: by par, without a par"
            )
        scale = Fraction(10**self.book.money_decimals, 10**board.quantity_decimals)
        return Fraction(fee.rate) * Fraction(board.par) * scale

    @cached_property
    def _changes(self) -> dict[str, tuple[dt.date, ...]]:
        return {}

    @cached_property
    def _known(self) -> dict[tuple[str, int, bool], _Terms]:
        return {}


class _Rate:
    """A fraction of whole numbers; ``of`` rounds its product half up."""

    __slots__ = ("_over", "_twice", "_under", "fraction")

    def __init__(self, fraction: Fraction) -> None:
        self.fraction = fraction
        self._twice, self._under, self._over = 2 * fraction.numerator, fraction.denominator, 2 * fraction.denominator

    def of(self, base: int) -> int:
        return (base * self._twice + self._under) // self._over


class _Terms(NamedTuple):
    charges: tuple[tuple[str, _Rate, bool], ...]  # component, rate, whether its base is the quantity (par)
    rate: _Rate
    maximum: Fraction | None
    minimum: int
    largest: int | None
    of_amount: float  # sum of all rates of the amount
    of_quantity: float  # sum of all rates by par, in minor units per quantity step

    def commission(self, amount: int) -> int:
        taken = self.rate.of(amount)
        if self.maximum is not None:
            legal = amount * self.maximum.numerator // self.maximum.denominator
            taken = min(taken, legal)  # rounding up may not pass the legal rate either
        return max(taken, self.minimum)

    def orders(self, quantity: int, amount: int) -> Iterator[int]:
        """Amounts of the orders that a trade is made of; they add up to ``amount``."""
        if self.largest is None or quantity <= self.largest:
            yield amount
            return
        before = 0
        for filled in range(self.largest, quantity + self.largest, self.largest):
            upto = amount * min(filled, quantity) // quantity
            yield upto - before
            before = upto


def _bps(value: float) -> Fraction:
    return Fraction(Decimal(str(value))) / 10_000  # str: 0.3 means 0.3, not the nearest binary number


def _minor(value: float, decimals: int) -> int:
    return _Rate(Fraction(Decimal(str(value)))).of(10**decimals)


def _require_bps(name: str, value: float) -> None:
    if not 0 <= value < 10_000:
        raise ConfigError(f"costs: {name}: expected 0 <= bps < 10000, got {value}")


def _require_minimum(value: float) -> None:
    if not 0 <= value < math.inf:
        raise ConfigError(f"costs: minimum: expected 0 or more units of currency, got {value}")
