"""A rule book bound to a panel: what each symbol's limits, order sizes and settlement are on a session."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from nnstrategies.errors import ConfigError
from nnstrategies.market.bands import NO_BAND, NO_LIMIT_UP, STANDINGS, Band, BandTable, Limits, apply_bands, band
from nnstrategies.market.book import Book, MarketEvent, NewListing, OrderSize, PriceLimit, Standing
from nnstrategies.market.events import EventRows
from nnstrategies.market.listings import FirstSession, Listings
from nnstrategies.market.reference import BasePrices
from nnstrategies.market.standing import Standings
from nnstrategies.market.ticks import to_ticks
from nnstrategies.panel import Panel, Status
from nnstrategies.typing import AnyArray, BoolArray, IntArray

_KEPT = 4  # rows of limits kept
_UNTRADABLE = {
    Status.UNLISTED: "not listed",
    Status.PAUSED: "suspended",
    Status.MISSING: "suspended",
    Status.DELISTED: "delisted",
}


class MarketRules:
    """The rules of a book for the symbols and sessions of a panel.

    Prices are whole ticks, int64 [N]. Everything about session t is known before it opens, except ``untradable``
    and ``locked_closes``, which look at the bar. Order of precedence: events, the first sessions of a
    listing, board and standing. Stocks without a base price have no limit. Symbols in the event table
    ``adjusted_prices`` (symbol, known_at) take the panel's limit_up and limit_down, as does every symbol of a book
    with limits_from "panel"; where those are empty there is no limit.
    Raises DataError for a symbol of no board; ConfigError for a session before the book begins.
    """

    def __init__(self, book: Book, panel: Panel, events: Iterable[MarketEvent] = ()) -> None:
        self.book, self.panel = book, panel
        self._board_of = [book.board_of(symbol) for symbol in panel.symbols]
        place = {board.name: number for number, board in enumerate(book.boards)}
        self.boards: IntArray = np.array([place[board.name] for board in self._board_of], dtype=np.int64)
        self.ticks_per_unit: IntArray = np.array([board.ticks_per_unit for board in self._board_of], dtype=np.int64)
        used, self._numbers = np.unique(self.boards, return_inverse=True)
        self._used = [book.boards[number] for number in used]
        self._table = BandTable(book, self._used, panel.sessions)
        self._base = BasePrices(panel, self.ticks_per_unit)
        self.listings = Listings(panel, book, self._board_of, self.ticks_per_unit)
        self._events = EventRows(panel, events)
        self._standings = Standings(panel, self._table, self._numbers, self._base, self.ticks_per_unit, self._events)
        self._adjusted = _adjusted_from(panel)
        self._limits: dict[int, Limits] = {}
        self._dated: dict[tuple[str, str, int], Any] = {}
        self._covered_from = self._first_covered()

    # -- a session ------------------------------------------------------------------------------------------------

    def day(self, t: int) -> dt.date:
        return dt.date.fromisoformat(str(self.panel.sessions[t]))

    def ticks(self, prices: AnyArray) -> IntArray:
        """[N] whole ticks of prices [N] in currency; NaN becomes 0."""
        return to_ticks(prices, self.ticks_per_unit)

    def base(self, t: int) -> IntArray:
        """[N] ticks: what the limits of session t are a percentage of; 0 = unknown."""
        base = self._base.row(t)
        changes = [(first.column, first.issue_price) for first in self._first(t) if _from_issue(first)]
        changes += [
            (column, self._issued_at(column, event)) for column, event in self._events.of_kind("issue_price", t)
        ]
        if any(price for _, price in changes):
            base = base.copy()
            for column, price in changes:
                base[column] = price or base[column]
        return base

    def standing(self, t: int) -> IntArray:
        """[N] of Standing."""
        return self._standings.row(t)

    def inferred(self, t: int) -> BoolArray:
        """[N] True where the standing was inferred from earlier prices."""
        return self._standings.inferred(t)

    def listing_age(self, t: int) -> IntArray:
        """[N] trading sessions since the listing, t included (1 = the first); LONG_LISTED: older than the panel."""
        return self.listings.age(t)

    def plain_limits(self, t: int) -> Limits:
        """[N] by board and standing alone, without the first sessions of a listing; events count as standings only."""
        if self.book.limits_from == "panel":
            return self._from_panel(t)
        return self._with_estimates(t, self._plain(t, self._base.row(t), self.standing(t)))

    def normal_limits(self, t: int) -> Limits:
        """[N] plain limits as if every stock's standing were normal."""
        return self._plain(t, self._base.row(t), np.zeros(self.panel.N, dtype=np.int64))

    def estimated(self, t: int) -> BoolArray:
        """[N] True where prices are adjusted ones, so that limits are the panel's estimates."""
        return self._adjusted <= t

    def event(self, t: int, column: int) -> MarketEvent | None:
        """The event that decides a symbol's limit on session t."""
        return self._events.of(t, column)

    def first_session(self, t: int, column: int) -> FirstSession | None:
        """The rule for new listings that governs session t of a symbol."""
        return next((first for first in self._first(t) if first.column == column), None)

    def limits(self, t: int) -> Limits:
        """[N] the highest and the lowest legal price of session t, in ticks."""
        if t not in self._limits:
            if len(self._limits) >= _KEPT:
                self._limits.pop(next(iter(self._limits)))
            limits = self._from_panel(t) if self.book.limits_from == "panel" else self._from_book(t)
            for bound in limits:
                bound.flags.writeable = False
            self._limits[t] = limits
        return self._limits[t]

    def locked_closes(self, t: int) -> tuple[BoolArray, BoolArray]:
        """[N] closed at the upper, and at the lower limit; known at the close."""
        up, down = self.limits(t)
        close = self.ticks(self.panel["close"][t])
        trading = self.panel.status[t] == Status.TRADING
        return trading & (close >= up), trading & (close <= down)

    # -- one symbol -----------------------------------------------------------------------------------------------

    def untradable(self, t: int, column: int) -> str:
        """Why a symbol cannot trade at all on a session: "" where it can."""
        status = Status(int(self.panel.status[t, column]))
        if status != Status.TRADING:
            return _UNTRADABLE[status]
        return "" if math.isfinite(float(self.panel["open"][t, column])) else "no price"

    def locked(self, t: int, column: int, buy: bool, price: float) -> str:
        """Say "limit-up" to a purchase at the upper limit or above, "limit-down" to a sale at the lower or below."""
        if not math.isfinite(price):
            return ""
        tick = round(price * int(self.ticks_per_unit[column]))
        limits = self.limits(t)
        if buy:
            return "limit-up" if tick >= limits.up[column] else ""
        return "limit-down" if tick <= limits.down[column] else ""

    def order_size(self, t: int, column: int) -> OrderSize:
        size: OrderSize = self._lookup("order_size", t, column)
        return size

    def settlement(self, t: int, column: int) -> int:
        """Trading days after which a purchase of session t can be sold."""
        return int(self._lookup("settlement", t, column).sell_after_days)

    def explain(self, t: int, column: int) -> str:
        """One line: board, standing, base and limits of a symbol on a session, and where the rule is written."""
        up, down = (int(bound[column]) for bound in self.limits(t))
        unit = int(self.ticks_per_unit[column])
        cause, source = self._cause(t, column)
        lowest, highest = (f"{down / unit:g}" if down else "none"), (f"{up / unit:g}" if up < NO_LIMIT_UP else "none")
        return (
            f"{self._board_of[column].name}, {cause}; base {int(self.base(t)[column]) / unit:g}, "
            f"limits {lowest} to {highest}; {source}"
        )

    # -- how limits come about ------------------------------------------------------------------------------------

    def _plain(self, t: int, base: IntArray, standing: IntArray) -> Limits:
        if t < self._covered_from:
            self._refuse_uncovered(t)
        table = self._table.at(t)
        if not table.any():
            return self._no_limits()
        return apply_bands(base, table[:, self._numbers * STANDINGS + standing])

    def _from_book(self, t: int) -> Limits:
        base = self.base(t)
        limits = self._with_estimates(t, self._plain(t, base, self.standing(t)))
        for column, exception in self._exceptions(t):
            bound = apply_bands(base[column : column + 1], np.array(exception, dtype=np.int64)[:, None])
            limits.up[column], limits.down[column] = bound.up[0], bound.down[0]
        return limits

    def _with_estimates(self, t: int, limits: Limits) -> Limits:
        estimated = self.estimated(t)
        if estimated.any():
            panel = self._from_panel(t)
            return Limits(*(np.where(estimated, *pair) for pair in zip(panel, limits, strict=True)))
        return limits

    def _exceptions(self, t: int) -> list[tuple[int, Band]]:
        """(column, band) where something other than board and standing decides; later ones win."""
        found = [(first.column, self._first_band(t, first)) for first in self._first(t)]
        found += [(column, NO_BAND) for column, _ in self._events.of_kind("no_limit", t)]
        for column, event in self._events.of_kind("limit", t):
            found.append((column, band(event.value, event.value, self._plain_rule(t, column).rounding)))
        return found

    def _first_band(self, t: int, first: FirstSession) -> Band:
        rule = first.rule
        return band(rule.up_percent, rule.down_percent, self._plain_rule(t, first.column).rounding)

    def _plain_rule(self, t: int, column: int) -> PriceLimit:
        board, standing = self._board_of[column], Standing(int(self._standings.row(t)[column]))
        known = standing if standing in self.book.price_limits.get(board.name, {}) else Standing.NORMAL
        return self.book.price_limit(board.name, known, self.day(t))

    def _from_panel(self, t: int) -> Limits:
        """The panel's own fields; no limit where they are absent or NaN."""
        limits = self._no_limits()
        if "limit_up" in self.panel:
            up = self.ticks(self.panel["limit_up"][t])
            np.copyto(limits.up, up, where=up > 0)
        if "limit_down" in self.panel:
            np.copyto(limits.down, self.ticks(self.panel["limit_down"][t]))
        return limits

    def _no_limits(self) -> Limits:
        return Limits(np.full(self.panel.N, NO_LIMIT_UP, dtype=np.int64), np.zeros(self.panel.N, dtype=np.int64))

    def _first(self, t: int) -> list[FirstSession]:
        return self.listings.first_sessions.get(t, [])

    def _issued_at(self, column: int, event: MarketEvent) -> int:
        return int(to_ticks(event.value or 0.0, self.ticks_per_unit[column]))

    def _lookup(self, rule: str, t: int, column: int) -> Any:
        """An entry of the book, looked up once for each board and span between changes."""
        board = self._board_of[column].name
        key = rule, board, self._table.interval(t)
        if key not in self._dated:
            self._dated[key] = getattr(self.book, rule)(board, self.day(t))
        return self._dated[key]

    def _cause(self, t: int, column: int) -> tuple[str, str]:
        """What decides the limit of a cell, in words, and its source."""
        if self.book.limits_from == "panel" or self.estimated(t)[column]:
            return "limits of the panel", "fields limit_up and limit_down"
        if event := self.event(t, column):
            return f"event {event.kind}: {event.note}", f"{event.source} [{event.sure}]"
        if first := self.first_session(t, column):
            words = f"session {first.session} of a new listing, {_percent(first.rule)}"
            return words, f"{first.rule.source} [{first.rule.sure}]"
        rule, standing = self._plain_rule(t, column), Standing(int(self.standing(t)[column])).name.lower()
        inferred = " (inferred from locked closes)" if self.inferred(t)[column] else ""
        return f"{standing}{inferred}, {_percent(rule)}", f"{rule.source} [{rule.sure}]"

    def _first_covered(self) -> int:
        """First row from which every board with a listed symbol has opened."""
        late = 0
        for number, board in enumerate(self._used):
            opened = self.panel.calendar.first_on_or_after(board.start)
            if self.listings.first_rows[self._numbers == number].min() < opened:
                late = max(late, opened)
        return late

    def _refuse_uncovered(self, t: int) -> None:
        listed = self.listings.first_rows <= t
        for number, board in enumerate(self._used):
            early = np.flatnonzero(listed & (self._numbers == number))
            if len(early) and self.day(t) < board.start:
                raise ConfigError(
                    f"rule book {self.book.name!r}: board {board.name} opens on {board.start}, but"
                    f" {self.panel.symbols[early[0]]} has prices on {self.day(t)};"
                    " start the run later or add the older rules to the book"
                )


def _percent(rule: PriceLimit | NewListing) -> str:
    up, down = rule.up_percent, rule.down_percent
    if up is None and down is None:
        return "no limit"
    return f"+{up} / -{down} %".replace("+None", "none").replace("-None", "none")


def _from_issue(first: FirstSession) -> bool:
    """Whether the session's base is the issue price of the listings table: the first one only."""
    return first.rule.base == "issue_price" and first.session == 1 and first.issue_price > 0


def _adjusted_from(panel: Panel) -> IntArray:
    """[N] first row from which a symbol's prices are known to be adjusted; T = never."""
    rows = np.full(panel.N, panel.T, dtype=np.int64)
    if "adjusted_prices" in panel.event_names:
        table = panel.events("adjusted_prices")
        known = panel.first_session_knowing(table["known_at"])
        for symbol, row in zip(table["symbol"], known, strict=True):
            rows[panel.column(symbol)] = min(rows[panel.column(symbol)], int(row))
    return rows
