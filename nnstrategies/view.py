"""What a strategy sees at one close: arrays [N] over the panel's symbols, and nothing later than that close."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from nnstrategies.calendar import Calendar
from nnstrategies.errors import DataError
from nnstrategies.market.book import Standing
from nnstrategies.market.rules import MarketRules
from nnstrategies.panel import Panel, Status
from nnstrategies.scores import Scores
from nnstrategies.typing import AnyArray, BoolArray, FloatArray, IntArray


class ScoreTable:
    """Scores laid over a panel's sessions and symbols: a session or symbol that was not scored is NaN."""

    def __init__(self, panel: Panel, scores: Scores | None) -> None:
        self.names = scores.names if scores is not None else ()
        self._scores = scores
        self._shape = panel.N
        if scores is None:
            return
        known = {symbol: column for column, symbol in enumerate(scores.symbols)}
        self._columns = np.array([known.get(symbol, -1) for symbol in panel.symbols], dtype=np.int64)
        if (self._columns < 0).all():
            raise DataError(f"scores: none of their {len(known)} symbols is in {panel.name}")
        calendar = Calendar(scores.sessions)
        rows = np.searchsorted(calendar.sessions, panel.sessions)
        found = calendar.sessions[np.minimum(rows, len(calendar) - 1)] == panel.sessions
        self._rows = np.where(found, rows, -1)

    def at(self, t: int, name: str) -> FloatArray:
        """One output at row ``t`` of the panel, float64 [N]."""
        if self._scores is None:
            raise DataError("scores: this strategy was given none; pass scores=...")
        values = self._scores.column(name)
        if self._rows[t] < 0:
            return np.full(self._shape, np.nan)
        row = values[self._rows[t]].astype(np.float64)
        return np.where(self._columns >= 0, row[self._columns], np.nan)


class View:
    """The market and the portfolio at the close of session ``t``; every array is [N], in the order of ``symbols``.

    shares: held; worth: their value at the broker's marks; cash, value: of the account.
    entry_price: average fill price in adjusted terms, NaN where not held.
    rules: of the market; without them nothing is known of price limits, special treatment and listing age.
    selected: set by the strategy before ``weigh`` is asked: eligible and among the best ``top_n``.
    short_history: whether ``history`` was asked for more sessions than the panel has so far.
    """

    def __init__(
        self,
        panel: Panel,
        t: int,
        table: ScoreTable,
        shares: FloatArray,
        worth: FloatArray,
        cash: float,
        value: float,
        entry_price: FloatArray,
        rules: MarketRules | None = None,
    ) -> None:
        self._panel = panel
        self._table = table
        self._rules = rules
        self.t = t
        self.shares = shares
        self.worth = worth
        self.cash = cash
        self.value = value
        self.entry_price = entry_price
        self.selected: BoolArray = np.ones(panel.N, dtype=bool)
        self.short_history = False

    @property
    def symbols(self) -> tuple[str, ...]:
        return self._panel.symbols

    @property
    def N(self) -> int:  # noqa: N802
        return self._panel.N

    @property
    def date(self) -> np.datetime64:
        return self._panel.sessions[self.t]

    @property
    def is_first_of_month(self) -> bool:
        """True at the first session of a month: known on the day itself, unlike a month's end."""
        return bool(self._panel.calendar.is_first_of_month[self.t])

    @property
    def is_first_of_week(self) -> bool:
        """True at the first session of a week (Monday to Sunday)."""
        return bool(self._panel.calendar.is_first_of_week[self.t])

    # -- the market -----------------------------------------------------------------------------------------------

    def field(self, name: str) -> AnyArray:
        """A raw field at this close."""
        return self._panel[name][self.t].copy()

    def adjusted(self, name: str) -> FloatArray:
        """A field free of splits and dividends at this close."""
        return self._panel.adjusted(name)[self.t].copy()

    def history(self, name: str, length: int) -> FloatArray:
        """The last ``length`` adjusted values [length, N], this close last; NaN before the panel starts."""
        first = self.t + 1 - length
        known = self._panel.adjusted(name)[max(first, 0) : self.t + 1]
        if first >= 0:
            return known.copy()
        self.short_history = True
        return np.vstack([np.full((-first, self.N), np.nan), known])

    def traded(self, length: int) -> BoolArray:
        """Which of the last ``length`` sessions each symbol traded on [length, N]; False before the panel starts."""
        first = self.t + 1 - length
        known = self._panel.trading[max(first, 0) : self.t + 1]
        return np.vstack([np.zeros((max(-first, 0), self.N), dtype=bool), known])

    def series(self, name: str, length: int) -> FloatArray:
        """The last ``length`` values of a panel series such as ``benchmark``, or fewer at the start."""
        if name not in self._panel.series:
            raise DataError(f"{self._panel.name}: no series {name!r}; it has {', '.join(self._panel.series) or 'none'}")
        return self._panel.series[name][max(self.t + 1 - length, 0) : self.t + 1].copy()

    def score(self, name: str = "score") -> FloatArray:
        """An output of the predictor at this close; NaN where there is none."""
        return self._table.at(self.t, name)

    def has_output(self, name: str) -> bool:
        """Whether the predictor has an output of that name."""
        return name in self._table.names

    @property
    def has_scores(self) -> bool:
        return bool(self._table.names)

    @property
    def industry(self) -> AnyArray:
        """Name of each symbol's industry as known at this close: object [N], "unknown" where no row names it."""
        return np.array(self._panel.industry_names, dtype=object)[self._panel.industry[self.t]]

    @property
    def knows_industries(self) -> bool:
        """Whether there is a table of industries at all."""
        return "industries" in self._panel.event_names

    @property
    def member(self) -> BoolArray:
        return self._panel.members[self.t]

    @property
    def listed(self) -> BoolArray:
        return self._panel.listed[self.t]

    @property
    def suspended(self) -> BoolArray:
        """Listed, but without trading this session."""
        return self.listed & (self._panel.status[self.t] != Status.TRADING)

    @property
    def locked_up(self) -> BoolArray:
        """Closed at the upper price limit: nobody sells."""
        return self._locked[0]

    @property
    def locked_down(self) -> BoolArray:
        """Closed at the lower price limit: nobody buys."""
        return self._locked[1]

    @cached_property
    def _locked(self) -> tuple[BoolArray, BoolArray]:
        if self._rules is None:
            return np.zeros(self.N, dtype=bool), np.zeros(self.N, dtype=bool)
        return self._rules.locked_closes(self.t)

    @property
    def special_treatment(self) -> BoolArray:
        """Under special treatment (ST) or in a delisting period, as flagged or inferred from earlier prices."""
        if self._rules is None:
            return np.zeros(self.N, dtype=bool)
        return self._rules.standing(self.t) != Standing.NORMAL

    @property
    def listing_age(self) -> IntArray:
        """Sessions traded since the listing, this one included; very large where that lies before the panel."""
        if self._rules is None:
            return np.full(self.N, np.iinfo(np.int64).max)
        return self._rules.listing_age(self.t)

    @property
    def tradable(self) -> BoolArray:
        """Traded this session and did not close locked at a limit."""
        return (self._panel.status[self.t] == Status.TRADING) & ~self.locked_up & ~self.locked_down

    @cached_property
    def reasons(self) -> AnyArray:
        """Why a symbol is out of reach: object [N], "" where nothing stands in the way."""
        reasons = np.full(self.N, "", dtype=object)
        reasons[~self.member] = "not a member"
        reasons[self.locked_down] = "limit-down"
        reasons[self.locked_up] = "limit-up"
        reasons[self.suspended] = "suspended"
        reasons[~self.listed] = "not listed"
        return reasons

    # -- the portfolio --------------------------------------------------------------------------------------------

    @property
    def held(self) -> BoolArray:
        return self.shares != 0

    @cached_property
    def weights(self) -> FloatArray:
        """Share of the account's value in each symbol at this close."""
        return np.nan_to_num(self.worth) / self.value if self.value > 0 else np.zeros(self.N)
