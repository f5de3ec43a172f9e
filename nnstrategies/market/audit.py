"""Trades outside the ordinary price limits of a rule book, each with the rule or event that allowed it; odd ticks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from nnstrategies.market.bands import NO_LIMIT_UP, Limits
from nnstrategies.market.book import Book, MarketEvent
from nnstrategies.market.listings import FirstSession
from nnstrategies.market.rules import MarketRules
from nnstrategies.market.ticks import off_ticks
from nnstrategies.panel import PRICE_FIELDS, Panel, Status
from nnstrategies.typing import BoolArray

UNEXPLAINED = "unexplained"
_INFERRED = "standing inferred as ST, ended by this trade"
_COLUMNS = ("date", "symbol", *PRICE_FIELDS, "base", "limit_down", "limit_up", "cause")


def outside_limits(panel: Panel, book: Book, events: Iterable[MarketEvent] = ()) -> pd.DataFrame:
    """Every row of ``panel`` that trades above or below its ordinary limits, in order of date and symbol.

    Ordinary: by board and standing of the date, without the rules for new listings and without events. Columns date,
    symbol, open, high, low, close, base, limit_down, limit_up (in currency; NaN where there is none) and cause: the
    rule or event that allows the trade, or "unexplained": then the data, the base or the book is wrong there.
    Sessions before ``first_covered`` are left out; ConfigError when the book begins after all of them.
    """
    plain, full = MarketRules(book, panel), MarketRules(book, panel, events)
    rows: list[dict[str, Any]] = []
    begin = first_covered(panel, book)
    for t in range(begin if begin < panel.T else 0, panel.T):
        limits = plain.plain_limits(t)
        beyond = _beyond(plain, t, limits)
        if beyond.any():
            allowed = ~_beyond(full, t, full.limits(t))
            for n in np.flatnonzero(beyond).tolist():
                rows.append({**_cell(plain, t, n, limits), "cause": _cause(full, t, n, bool(allowed[n]))})
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def first_covered(panel: Panel, book: Book) -> int:
    """Row from which every board with prices has opened, T when none such; 0 where limits come from the panel."""
    if book.limits_from == "panel":
        return 0
    first_rows = np.where(panel.listed.any(axis=0), np.argmax(panel.listed, axis=0), panel.T)  # [N]
    opened = np.array([panel.calendar.first_on_or_after(book.board_of(symbol).start) for symbol in panel.symbols])
    return int(np.max(opened, where=first_rows < opened, initial=0))


def uncovered_rows(panel: Panel, book: Book) -> int:
    """How many rows trade before ``first_covered``."""
    return int(panel.trading[: first_covered(panel, book)].sum())


def off_tick(panel: Panel, book: Book) -> tuple[int, str]:
    """How many prices of trading rows lie between their board's ticks, and the first: "SYM DATE close 10.003, ...".

    Symbols of the events ``adjusted_prices`` are left out: theirs are no quotations.
    """
    unit = np.array([book.board_of(symbol).ticks_per_unit for symbol in panel.symbols], dtype=np.int64)
    adjusted = panel.events("adjusted_prices")["symbol"] if "adjusted_prices" in panel.event_names else ()
    quoted = panel.trading & ~np.isin(np.array(panel.symbols), list(adjusted))
    count, first = 0, (panel.T, panel.N, "")
    for name in PRICE_FIELDS:
        off = quoted & off_ticks(panel[name], unit)
        if off.any():
            count += int(off.sum())
            t, n = divmod(int(np.argmax(off)), panel.N)
            first = min(first, (t, n, name), key=lambda cell: cell[:2])
    if not count:
        return 0, ""
    t, n, name = first
    where = f"{panel.symbols[n]} {panel.sessions[t]} {name} {panel[name][t, n]!s}"
    return count, f"{where}, tick {1 / unit[n]:g}"


def summary(frame: pd.DataFrame) -> list[str]:
    """Lines for the console: how many rows each cause explains, with its first; every unexplained row."""
    if frame.empty:
        return ["no trade outside the book's ordinary price limits"]
    lines = [f"{len(frame):,} rows trade outside the book's ordinary price limits"]
    for cause, group in sorted(frame.groupby("cause", sort=False), key=lambda pair: -len(pair[1])):
        if cause != UNEXPLAINED:
            lines.append(f"  {len(group):,} {cause}: first {_words(group.iloc[0])}")
    wrong = frame[frame["cause"] == UNEXPLAINED]
    lines.append(f"  {len(wrong):,} {UNEXPLAINED}")
    lines += [f"    {_words(row)}" for _, row in wrong.iterrows()]
    return lines


def _beyond(rules: MarketRules, t: int, limits: Limits) -> BoolArray:
    """[N] True where a symbol traded above its upper or below its lower limit; an absent price is neither."""
    high, low = (rules.ticks(rules.panel[name][t]) for name in ("high", "low"))
    trading: BoolArray = rules.panel.status[t] == Status.TRADING
    return trading & ((high > limits.up) | ((low < limits.down) & (low > 0)))


def _cell(rules: MarketRules, t: int, n: int, limits: Limits) -> dict[str, Any]:
    panel, unit = rules.panel, int(rules.ticks_per_unit[n])
    up, down = int(limits.up[n]), int(limits.down[n])
    return {
        "date": pd.Timestamp(panel.sessions[t]),
        "symbol": panel.symbols[n],
        **{name: float(panel[name][t, n]) for name in PRICE_FIELDS},
        "base": int(rules.base(t)[n]) / unit,
        "limit_down": down / unit if down else np.nan,
        "limit_up": up / unit if up < NO_LIMIT_UP else np.nan,
    }


def _cause(rules: MarketRules, t: int, n: int, allowed: bool) -> str:
    if allowed:
        event, first = rules.event(t, n), rules.first_session(t, n)
        if event is not None:
            return f"event: {event.kind}, {event.note or event.source}"
        if first is not None:
            return _first_sessions(first)
    if rules.estimated(t)[n]:
        return "adjusted prices: the limits are estimates"
    return _INFERRED if _within_normal(rules, t, n) else UNEXPLAINED


def _first_sessions(first: FirstSession) -> str:
    up, down, days = first.rule.up_percent, first.rule.down_percent, first.rule.days
    if up is not None or down is not None:
        return f"first-day band of {up}/{down} %"
    return "no limit on the first day" if first.session == 1 else f"no limit in the first {days} sessions"


def _within_normal(rules: MarketRules, t: int, n: int) -> bool:
    """Whether the standing was inferred as ST, and the trade is legal for a stock that is not."""
    if not rules.inferred(t)[n]:
        return False
    return not bool(_beyond(rules, t, rules.normal_limits(t))[n])


def _words(row: Any) -> str:
    return (
        f"{row['symbol']} {row['date'].date()} traded {row['low']:g} to {row['high']:g}, "
        f"base {row['base']:g}, limits {row['limit_down']:g} to {row['limit_up']:g}"
    )
