"""The slow side of the simulated market: its calendar, corporate actions, index membership and disclosures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnstrategies.calendar import Calendar, to_day
from nnstrategies.errors import ConfigError
from nnstrategies.feeds.simulated_settings import SimulatedMarket
from nnstrategies.panel import Status
from nnstrategies.typing import AnyArray, BoolArray, DateArray, FloatArray, IntArray

MARGIN = 20  # sessions planned beyond the last one: an action is announced up to 15 sessions ahead
_LAST_KNOWN_YEAR = 2025  # later holidays are not decreed yet: plain weekdays follow
_INDEX_BASE = 1000.0
_LEAST_SPLIT = 1500  # ticks; cheaper symbols do not split


def sessions_from(start: str, count: int, exchange: str) -> DateArray:
    """Return ``count`` sessions of an exchange from ``start`` on; plain weekdays after 2025."""
    first = to_day(start)
    last = min(first + np.timedelta64(int(count * 1.6) + 60, "D"), np.datetime64(f"{_LAST_KNOWN_YEAR}-12-31", "D"))
    known = Calendar.exchange(exchange, first, last).sessions if first < last else np.empty(0, "datetime64[D]")
    day = max(first, np.datetime64(f"{_LAST_KNOWN_YEAR + 1}-01-01", "D"))
    later = np.busday_offset(day, np.arange(max(count - len(known), 0)), roll="forward")
    return np.concatenate([known, later])[:count]


class Actions:
    """Corporate actions by row and column; the close on the day of the announcement fixes what is given.

    Cash is a share of that close; a split falls away below 15.00.
    """

    def __init__(self, plan: pd.DataFrame, rows: int, symbols: int) -> None:
        """plan: row (ex-date), known (row), column, cash_yield, ratio (tenths of a share after per share before)."""
        self._plan = plan
        self._announced = {known: part.index.to_numpy() for known, part in plan.groupby("known")}
        self._cash = np.zeros((rows, symbols), dtype=np.int64)  # ticks
        self._ratio = np.full((rows, symbols), 10, dtype=np.int64)

    def announce(self, t: int, close: IntArray) -> None:
        """Fix the terms of the actions announced at the close [N] (ticks) of row ``t``."""
        if t in self._announced:
            part = self._plan.loc[self._announced[t]]
            row, column, price = part["row"].to_numpy(), part["column"].to_numpy(), close[part["column"].to_numpy()]
            self._cash[row, column] = np.floor(price * part["cash_yield"].to_numpy() + 0.5).astype(np.int64)
            self._ratio[row, column] = np.where(price >= _LEAST_SPLIT, part["ratio"].to_numpy(), 10)

    def due(self, t: int) -> tuple[IntArray, IntArray]:
        """Return cash in ticks and ratio in tenths, [N], per share held at the close before row ``t``."""
        return self._cash[t], self._ratio[t]

    def table(self, sessions: DateArray, symbols: tuple[str, ...], announced_before: int) -> pd.DataFrame:
        """Events ``actions``: those that give something and were announced before row ``announced_before``."""
        plan = self._plan[self._plan["known"] < announced_before]
        row, column = plan["row"].to_numpy(), plan["column"].to_numpy()
        table = pd.DataFrame(
            {
                "symbol": np.asarray(symbols, dtype=object)[column],
                "known_at": sessions[plan["known"]].astype("datetime64[s]"),
                "ex_date": sessions[row].astype("datetime64[s]"),
                "cash": self._cash[row, column] / 100.0,
                "ratio": self._ratio[row, column] / 10.0,
            }
        )
        return table[(table["cash"] > 0) | (table["ratio"] != 1.0)].reset_index(drop=True)


def plan_actions(market: SimulatedMarket, sessions: DateArray, status: AnyArray) -> Actions:
    """At most one action per symbol and year, between May and July, announced 6 to 15 sessions before its ex-date.

    status: [T + MARGIN, N]. An action falls away where the symbol does not trade on either day.
    """
    years = np.unique(sessions.astype("datetime64[Y]"))
    shape = (len(years), market.symbols)
    date = years[:, None].astype("datetime64[D]") + 120 + (80 * market.generator("ex-date").random(shape)).astype(int)
    row = np.searchsorted(sessions, date)
    known = row - 6 - (10 * market.generator("notice").random(shape)).astype(int)
    pays = market.generator("dividend").random(shape) < market.dividends_per_year
    cash_yield = np.where(pays, 0.008 + 0.027 * market.generator("yield").random(shape), 0.0)
    splits = market.generator("split").random(shape) < market.splits_per_year
    ratio = np.where(splits, market.generator("ratio").choice([12, 13, 15, 18, 20], shape), 10)
    column = np.broadcast_to(np.arange(market.symbols), shape)
    inside = (known >= 0) & (row < len(sessions)) & (pays | splits)
    plan = {"row": row, "known": known, "column": column, "cash_yield": cash_yield, "ratio": ratio}
    table = pd.DataFrame({key: values[inside] for key, values in plan.items()})
    trades = (status[table[key], table["column"]] == Status.TRADING for key in ("row", "known"))
    return Actions(table[next(trades) & next(trades)].reset_index(drop=True), *status.shape)


def membership_table(
    market: SimulatedMarket, sessions: DateArray, symbols: tuple[str, ...], size: FloatArray, eligible: BoolArray
) -> tuple[pd.DataFrame, BoolArray]:
    """Return events ``membership`` and the members [T, N] of the index: the most traded of the last 60 sessions.

    size: amount [T, N], NaN where not listed; the choice of row t uses rows up to t - 1 (row 0 for the first choice).
    eligible: [T, N]. The choice is made anew on the first session of March, June, September and December; in between
    members leave only by delisting. Under ``leaky_members_on`` the events, not the index, are those of one day.
    """
    months = sessions.astype("datetime64[M]").astype(np.int64) % 12 + 1
    review = np.flatnonzero((months[1:] != months[:-1]) & (months[1:] % 3 == 0)) + 1
    member = np.zeros(size.shape, dtype=bool)
    for t in (0, *review):
        past = size[max(t - 60, 0) : max(t, 1)]
        traded = np.where(eligible[t], np.nansum(past, axis=0) / len(past), 0.0)
        chosen = np.argsort(-traded, kind="stable")[: market.members]
        member[t:] = False
        member[t:, chosen[traded[chosen] > 0]] = True
    member &= np.isfinite(size)
    told = member if market.leaky_members_on is None else _of_one_day(market, sessions, member) & np.isfinite(size)
    return _spans(told, sessions, symbols), member


def _of_one_day(market: SimulatedMarket, sessions: DateArray, member: BoolArray) -> BoolArray:
    """[N] the members of ``leaky_members_on``."""
    day = np.datetime64(market.leaky_members_on, "D")
    if not sessions[0] <= day <= sessions[-1]:
        raise ConfigError(
            f"simulated market: leaky_members_on: expected a day within {sessions[0]}..{sessions[-1]}, got {day}"
        )
    chosen: BoolArray = member[int(np.searchsorted(sessions, day, side="right")) - 1]
    return chosen


def _spans(member: BoolArray, sessions: DateArray, symbols: tuple[str, ...]) -> pd.DataFrame:
    """Events ``membership``: each symbol's joining and leaving."""
    before = np.zeros_like(member)
    before[1:] = member[:-1]
    row, column = np.nonzero(member != before)
    return pd.DataFrame(
        {
            "symbol": np.asarray(symbols, dtype=object)[column],
            "known_at": sessions[row].astype("datetime64[s]"),
            "member": member[row, column],
        }
    )


def index_level(close: FloatArray, float_shares: FloatArray, member: BoolArray) -> FloatArray:
    """[T] price index: members of the day before, weighted by their capitalisation then; dividends are not put back."""
    value = close * float_shares
    held = member[:-1] & np.isfinite(value[1:])
    # A split multiplies float_shares on its ex-date, so capitalisation does not jump; cash leaves it.
    now, before = (np.where(held, part, 0.0).sum(axis=1) for part in (value[1:], value[:-1]))
    growth = np.divide(now, before, out=np.ones_like(now), where=before > 0)
    return _INDEX_BASE * np.concatenate([[1.0], np.cumprod(growth)])


def fundamentals_table(
    market: SimulatedMarket, sessions: DateArray, symbols: tuple[str, ...], listed: BoolArray
) -> pd.DataFrame:
    """Events ``fundamentals`` of each quarter, disclosed 20 to 110 days after its end; they say nothing about returns.

    Columns: symbol, period_end, known_at, roe (of the quarter, annualised), eps_growth (on the year before),
    book_per_share. Only what was disclosed while the symbol was listed.
    """
    first = sessions[0].astype("datetime64[M]").astype(int) // 3 - 2
    quarters = np.arange(first, sessions[-1].astype("datetime64[M]").astype(int) // 3 + 1)
    shape = (len(quarters), market.symbols)
    end = (((quarters + 1) * 3).astype("datetime64[M]").astype("datetime64[D]") - 1)[:, None]
    delay = 20 + (91 * market.generator("disclosure").random(shape)).astype(int)
    known = np.maximum.accumulate(end + delay, axis=0)
    level = 0.10 + 0.05 * market.generator("profitability").standard_normal(market.symbols)
    roe = level + 0.03 * market.generator("roe").standard_normal(shape)
    growth = 0.05 + 0.2 * market.generator("growth").standard_normal(shape)
    book = 5.0 * np.exp(np.cumsum(roe / 4 - 0.01, axis=0))
    row = np.searchsorted(sessions, known)
    column = np.broadcast_to(np.arange(market.symbols), shape)
    told = (known >= sessions[0]) & (row < len(sessions)) & listed[np.minimum(row, len(sessions) - 1), column]
    table = {
        "symbol": np.asarray(symbols, dtype=object)[column],
        "period_end": np.broadcast_to(end, shape).astype("datetime64[s]"),
        "known_at": known.astype("datetime64[s]"),
        "roe": np.round(roe, 4),
        "eps_growth": np.round(growth, 4),
        "book_per_share": np.round(book, 4),
    }
    return pd.DataFrame({key: values[told] for key, values in table.items()})


def industries_table(market: SimulatedMarket, sessions: DateArray, symbols: tuple[str, ...]) -> pd.DataFrame:
    """Events ``industries``: symbol, known_at (the first session), industry; groups of equal size, by chance."""
    place = np.argsort(market.generator("industry").random(market.symbols), kind="stable")
    return pd.DataFrame(
        {
            "symbol": np.asarray(symbols, dtype=object),
            "known_at": np.full(market.symbols, sessions[0].astype("datetime64[s]")),
            "industry": [f"Industry {number + 1:02d}" for number in place % market.industries],
        }
    )
