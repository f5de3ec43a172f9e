"""When each symbol was listed, how many sessions ago that is, and the rule for its first sessions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nnstrategies.market.book import Board, Book, NewListing
from nnstrategies.market.ticks import to_ticks
from nnstrategies.panel import Panel, Status
from nnstrategies.typing import BoolArray, IntArray

LONG_LISTED = 1_000_000  # sessions; the age of what was listed before the panel begins


class Listing(NamedTuple):
    """``row`` of the first session on or after the listing day; ``before``: its sessions before the panel."""

    day: dt.date
    row: int
    before: int
    issue_price: int  # ticks, 0 = unknown


class FirstSession(NamedTuple):
    """One of the first sessions of a listing (1 = the first), and the rule that governs it."""

    column: int
    session: int
    rule: NewListing
    issue_price: int  # ticks, 0 = unknown


class Listings:
    """Listing days of a panel's symbols.

    From the event table ``listings`` (symbol, known_at, listed, optional issue_price); for other symbols the first
    row that is not UNLISTED, unless that is the panel's first: then the symbol is older than the panel. Sessions
    count when the symbol trades, so a suspended day does not use up one of the free first sessions.
    """

    def __init__(self, panel: Panel, book: Book, boards: Sequence[Board], ticks_per_unit: IntArray) -> None:
        """``boards``: one for each symbol of the panel."""
        self._panel = panel
        self._listings = self._announced(ticks_per_unit)
        self.first_rows: IntArray = np.array([self._first_row(column) for column in range(panel.N)], dtype=np.int64)
        for column, row in enumerate(self.first_rows.tolist()):
            if column not in self._listings and 0 < row < panel.T:
                self._listings[column] = Listing(panel.sessions[row].item(), row, 0, 0)
        self.first_sessions = self._first_sessions(book, boards)  # row -> [FirstSession]
        self._row, self._traded = 0, np.zeros(panel.N, dtype=np.int64)
        self._earlier: IntArray | None = None

    def day(self, column: int) -> dt.date | None:
        """The listing day; None = before the panel begins."""
        listing = self._listings.get(column)
        return listing.day if listing else None

    def age(self, t: int) -> IntArray:
        """[N] number of session t in each listing: 1 = its first trading session; 0 before it; else LONG_LISTED.

        Known before t opens: the sessions that traded before t, and one.
        """
        if self._earlier is None:
            self._earlier = self._offsets()
        age = self._trading_before(t) + self._earlier
        rows = np.full(self._panel.N, -1)
        for column, listing in self._listings.items():
            rows[column] = listing.row
        return np.where(rows < 0, LONG_LISTED, np.where(t < rows, 0, age))

    def _offsets(self) -> IntArray:
        offsets = np.ones(self._panel.N, dtype=np.int64)
        for column, listing in self._listings.items():
            traded = int(np.count_nonzero(self._panel.status.T[column, : listing.row] == Status.TRADING))
            offsets[column] += listing.before - traded
        return offsets

    def _trading_before(self, t: int) -> IntArray:
        """[N] sessions before t on which each symbol traded; one step from the row asked for before."""
        status = self._panel.status
        if t < self._row:
            self._row, self._traded = 0, np.zeros(self._panel.N, dtype=np.int64)
        if t > self._row:
            self._traded = self._traded + np.count_nonzero(status[self._row : t] == Status.TRADING, axis=0)
            self._row = t
        return self._traded

    def _first_row(self, column: int) -> int:
        listed: BoolArray = self._panel.status.T[column] != Status.UNLISTED
        return int(np.argmax(listed)) if listed.any() else self._panel.T

    def _announced(self, ticks_per_unit: IntArray) -> dict[int, Listing]:
        if "listings" not in self._panel.event_names:
            return {}
        table, sessions = self._panel.events("listings"), self._panel.sessions
        days = table["listed"].to_numpy().astype("datetime64[D]")
        rows = np.searchsorted(sessions, days)
        found: dict[int, Listing] = {}
        for i, symbol in enumerate(table["symbol"]):
            column = self._panel.column(symbol)
            price = float(table["issue_price"].iloc[i]) if "issue_price" in table.columns else np.nan
            # Holidays are not known outside the panel; weekdays count too many and so end the free sessions early.
            before = max(int(np.busday_count(days[i], sessions[0])), 0)
            ticks = int(to_ticks(price, ticks_per_unit[column]))
            found[column] = Listing(days[i].item(), int(rows[i]), before, ticks)
        return found

    def _first_sessions(self, book: Book, boards: Sequence[Board]) -> dict[int, list[FirstSession]]:
        found: dict[int, list[FirstSession]] = {}
        if book.limits_from == "panel":
            return found
        for column, listing in self._listings.items():
            board = boards[column]
            longest = max((entry.days for entry in book.new_listings.get(board.name, ())), default=0)
            if listing.before >= longest or listing.row >= self._panel.T or listing.day < board.start:
                continue
            rule = book.new_listing(board.name, listing.day)
            session, row = listing.before + 1, listing.row
            while session <= rule.days and row < self._panel.T:
                found.setdefault(row, []).append(FirstSession(column, session, rule, listing.issue_price))
                session += int(self._panel.status[row, column] == Status.TRADING)
                row += 1
        return found
