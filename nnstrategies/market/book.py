"""A market's rule book in memory: boards, and dated entries for each rule. No I/O here; ``read.py`` loads and checks.

Every entry says from when to when it was in force, where it is written, and how sure we are of it. Days are calendar
days, both ends inclusive. Percentages are exact distances from the base price (44 above, 36 below), to two decimals.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from typing import Literal, TypeVar

from nnstrategies.errors import ConfigError, DataError

Sure = Literal["official", "code", "general"]
Rounding = Literal["half_up", "inward"]
Base = Literal["previous_close", "issue_price"]
EventKind = Literal["no_limit", "issue_price", "standing", "limit"]


class Standing(IntEnum):
    """What the exchange says of a stock: ordinary, under special treatment, or in its delisting period."""

    NORMAL = 0
    ST = 1
    DELISTING = 2


@dataclass(frozen=True, kw_only=True)
class Dated:
    """In force from ``start`` to ``end``, both inclusive; ``end`` None = still in force.

    sure: "official" read in an official, exchange, vendor or press text; "code" in code, data or quotations;
    "general" general knowledge, still to be sourced.
    """

    start: dt.date
    end: dt.date | None
    source: str
    sure: Sure
    note: str = ""

    def covers(self, day: dt.date) -> bool:
        """Whether the entry is in force on ``day``."""
        return self.start <= day and (self.end is None or day <= self.end)


@dataclass(frozen=True, kw_only=True)
class PriceLimit(Dated):
    """Daily limit around the base price; None = no limit on that side.

    rounding: "half_up" rounds both limits to the nearest tick; "inward" rounds the upper down and the lower up.
    """

    up_percent: Decimal | None
    down_percent: Decimal | None
    rounding: Rounding


@dataclass(frozen=True, kw_only=True)
class NewListing(Dated):
    """Limit of the trading sessions 1..``days`` of a listing, dated by its first day; 0 = nothing special."""

    days: int
    up_percent: Decimal | None
    down_percent: Decimal | None
    base: Base


@dataclass(frozen=True, kw_only=True)
class OrderSize(Dated):
    """Order sizes in quantity steps; None = no maximum. A sale of everything held, odd remainder too, is legal."""

    buy_minimum: int
    buy_step: int
    sell_minimum: int
    sell_step: int
    maximum_limit: int | None
    maximum_market: int | None


@dataclass(frozen=True, kw_only=True)
class Settlement(Dated):
    """Trading days after which a purchase can be sold: 0 = the same day, 1 = T+1."""

    sell_after_days: int


@dataclass(frozen=True, kw_only=True)
class Fee(Dated):
    """``rate`` (a fraction) of the amount, or of quantity x par; ``in_commission`` = usually quoted inside it."""

    component: str
    side: Literal["both", "buy", "sell"]
    rate: Decimal
    basis: Literal["amount", "par"]
    in_commission: bool

    def applies(self, buy: bool) -> bool:
        """Whether this side of a trade pays it."""
        return self.side == "both" or (self.side == "buy") == buy


@dataclass(frozen=True, kw_only=True)
class Commission(Dated):
    """What a broker may ask: at most ``maximum_rate`` of the amount (None = free), at least ``minimum`` minor units."""

    maximum_rate: Decimal | None
    minimum: int


@dataclass(frozen=True)
class TaxBand:
    """Held up to ``months`` calendar months, inclusive (None = longer): ``rate`` of the dividend, a fraction."""

    months: int | None
    rate: Decimal


@dataclass(frozen=True, kw_only=True)
class DividendTax(Dated):
    """Tax on a dividend, dated by the ex-date; due with the payment, or when the shares are sold. Bands rise."""

    due: Literal["payment", "sale"]
    bands: tuple[TaxBand, ...]


@dataclass(frozen=True)
class Board:
    """Part of a market with rules of its own.

    pattern: regular expression of the whole symbol; the first board that matches wins. ticks_per_unit: price steps in
    one unit of currency (tick 0.01 -> 100). quantity_decimals: 0 = whole shares, 5 = steps of 0.00001 coin. par: face
    value in currency. minimum_notional: least value of an order, in minor units.
    """

    name: str
    exchange: str
    pattern: str
    start: dt.date
    ticks_per_unit: int
    quantity_decimals: int
    par: Decimal | None
    minimum_notional: int = 0


@dataclass(frozen=True)
class MarketEvent:
    """One stock's own days, ``day``..``until`` (None = that day only), that no rule of the book explains.

    kind and value: "no_limit" none; "issue_price" the base of the day, in currency; "limit" another percentage,
    both sides; "standing" a ``Standing`` as a number.
    """

    symbol: str
    day: dt.date
    until: dt.date | None
    kind: EventKind
    value: float | None
    source: str
    sure: Sure
    note: str = ""


Entry = TypeVar("Entry", bound=Dated)
Table = TypeVar("Table")


@dataclass(frozen=True, eq=False)
class Book:
    """Boards and dated tables by board; compared and hashed by identity.

    money_decimals: digits of the currency's minor unit (2 = cents). calendar: ISO 10383 code, None = always open, or
    the panel's own sessions. orders_expire: an order ends with its session. limits_from: "book" computes price limits
    from these tables; "panel" takes the panel's fields limit_up and limit_down where they exist, else there is none.
    free_of_charge: a run pays nothing unless it says otherwise.
    Tables: board -> entries in order of time; price_limits board -> standing -> entries; fee_schedules board ->
    component -> entries; dividend_taxes the same for all boards (empty = untaxed).
    """

    name: str
    title: str
    currency: str
    money_decimals: int
    calendar: str | None
    orders_expire: bool
    boards: tuple[Board, ...]
    limits_from: Literal["book", "panel"] = "book"
    free_of_charge: bool = False
    price_limits: Mapping[str, Mapping[Standing, tuple[PriceLimit, ...]]] = field(default_factory=dict)
    new_listings: Mapping[str, tuple[NewListing, ...]] = field(default_factory=dict)
    order_sizes: Mapping[str, tuple[OrderSize, ...]] = field(default_factory=dict)
    settlements: Mapping[str, tuple[Settlement, ...]] = field(default_factory=dict)
    fee_schedules: Mapping[str, Mapping[str, tuple[Fee, ...]]] = field(default_factory=dict)
    commissions: Mapping[str, tuple[Commission, ...]] = field(default_factory=dict)
    dividend_taxes: tuple[DividendTax, ...] = ()

    @property
    def usual_costs(self) -> Literal["schedule", "flat", "none"]:
        """The kind of costs that a run pays unless it says otherwise: the book's own fees, where it has any."""
        if any(self.fee_schedules.values()):
            return "schedule"
        return "none" if self.free_of_charge else "flat"

    def board_of(self, symbol: str) -> Board:
        """The first board whose pattern matches the whole symbol; DataError when none does."""
        for board in self.boards:
            if re.fullmatch(board.pattern, symbol):
                return board
        known = ", ".join(f"{board.name} {board.pattern}" for board in self.boards)
        raise DataError(
            f"symbol {symbol!r}: no board of the rule book {self.name!r} matches it; known are {known}; "
            "rename the symbols or add a board to the book"
        )

    def price_limit(self, board: str, standing: Standing, day: dt.date) -> PriceLimit:
        """The ordinary daily limit; without the exceptions for new listings."""
        tables = self._table(self.price_limits, board, "price_limit")
        if standing not in tables:
            raise ConfigError(f"rule book {self.name!r}: price_limit, {board}: no entry for {standing.name.lower()}")
        return self._in_force(tables[standing], f"price_limit, {board}, {standing.name.lower()}", day)

    def new_listing(self, board: str, listed: dt.date) -> NewListing:
        """The rule for the first sessions of what was listed on ``listed``."""
        return self._in_force(self._table(self.new_listings, board, "new_listing"), f"new_listing, {board}", listed)

    def order_size(self, board: str, day: dt.date) -> OrderSize:
        """Lots and largest orders of ``day``."""
        return self._in_force(self._table(self.order_sizes, board, "order_size"), f"order_size, {board}", day)

    def settlement(self, board: str, day: dt.date) -> Settlement:
        """When what is bought on ``day`` can be sold."""
        return self._in_force(self._table(self.settlements, board, "settlement"), f"settlement, {board}", day)

    def fees(self, board: str, day: dt.date) -> tuple[Fee, ...]:
        """One fee for each component of the board, in the book's order; none where the book has none."""
        schedules = self.fee_schedules.get(board, {})
        return tuple(self._in_force(rows, f"fee, {board}, {name}", day) for name, rows in schedules.items())

    def commission(self, board: str, day: dt.date) -> Commission:
        """Legal bounds of the broker's commission."""
        return self._in_force(self._table(self.commissions, board, "commission"), f"commission, {board}", day)

    def dividend_tax(self, day: dt.date) -> DividendTax | None:
        """Tax on dividends that go ex on ``day``; None where dividends are not taxed at all."""
        return self._in_force(self.dividend_taxes, "dividend_tax", day) if self.dividend_taxes else None

    def changes(self, board: str) -> tuple[dt.date, ...]:
        """Days on which any entry of this board begins, rising; between two of them every lookup stays the same."""
        return tuple(sorted({entry.start for _, names, entry in entries(self) if board in names}))

    def _table(self, tables: Mapping[str, Table], board: str, rule: str) -> Table:
        if board in tables:
            return tables[board]
        near = difflib.get_close_matches(board, [known.name for known in self.boards], n=1)
        mend = f"did you mean {near[0]!r}?" if near else f"the book has it for {', '.join(tables) or 'no board'}"
        raise ConfigError(f"rule book {self.name!r}: {rule}: nothing for board {board!r}; {mend}")

    def _in_force(self, rows: tuple[Entry, ...], rule: str, day: dt.date) -> Entry:
        if entry := next((entry for entry in reversed(rows) if entry.covers(day)), None):
            return entry
        covered = f"the first day covered is {rows[0].start}" if rows and day < rows[0].start else "no entry covers it"
        raise ConfigError(f"rule book {self.name!r}: {rule}: nothing for {day}; {covered}")


def entries(book: Book) -> list[tuple[str, tuple[str, ...], Dated]]:
    """Every entry once: its rule ("price_limit, st"; "fee, stamp_duty"), the boards that share it, and itself."""
    shared: dict[tuple[str, int], tuple[list[str], Dated]] = {}

    def add(rule: str, board: str, rows: Sequence[Dated]) -> None:
        for entry in rows:
            shared.setdefault((rule, id(entry)), ([], entry))[0].append(board)

    for board in (board.name for board in book.boards):
        for standing, limits in book.price_limits.get(board, {}).items():
            add(f"price_limit, {standing.name.lower()}", board, limits)
        add("new_listing", board, book.new_listings.get(board, ()))
        add("order_size", board, book.order_sizes.get(board, ()))
        add("settlement", board, book.settlements.get(board, ()))
        for component, fees in book.fee_schedules.get(board, {}).items():
            add(f"fee, {component}", board, fees)
        add("commission", board, book.commissions.get(board, ()))
        add("dividend_tax", board, book.dividend_taxes)
    return [(rule, tuple(boards), entry) for (rule, _), (boards, entry) in shared.items()]


def sureness(book: Book, first: dt.date = dt.date.min, last: dt.date = dt.date.max) -> list[str]:
    """One line for each entry that is not official, of those in force between ``first`` and ``last``."""
    lines = []
    for rule, boards, entry in entries(book):
        in_force = entry.start <= last and (entry.end is None or first <= entry.end)
        if entry.sure != "official" and in_force:
            note = f" ({entry.note})" if entry.note else ""
            span = f"{entry.start}..{entry.end or ''}"
            lines.append(f"{rule}, {', '.join(boards)}, {span}: {entry.sure}: {entry.source}{note}")
    return lines
