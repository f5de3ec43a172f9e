"""Orders that limits, suspensions, volume or blocked sales kept from filling: when they were made up for, and at what cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nnstrategies.brokers.journal import FillRow, Journal, RefusalRow
from nnstrategies.panel import Panel
from nnstrategies.strategies.base import Decision

_BLOCKING = frozenset({"limit-up", "limit-down", "suspended", "no price", "T+1", "participation cap", "cash short"})


def blocked(journal: Journal, panel: Panel, decisions: Sequence[Decision]) -> pd.DataFrame:
    """One row per blocked order: date (of the decision), symbol, side, reason, blocked_on, blocked_price, repaired_on,
    repaired_price, size (shares) and cost (currency, positive = lost by waiting).

    The cost of an order that was made up for is the move from the price it was refused at to the one it got later,
    dividends and splits taken out; of any other the move to the close of the next rebalance's decision, or of the run.
    A purchase cut for want of cash counts where a sale was refused on the same session.
    """
    rebalances = np.array([decision.t for decision in decisions], dtype=np.int64)
    last = journal.account[-1].row if journal.account else 0
    repairs: dict[tuple[int, str], list[FillRow]] = {}
    for fill in journal.fills:
        if fill.reason == "repair":
            repairs.setdefault((fill.column, fill.side), []).append(fill)
    rows = []
    for refusal in _first_refusals(journal):
        after = rebalances[rebalances >= refusal.row]
        until = int(after[0]) if len(after) else last
        found = [f for f in repairs.get((refusal.column, refusal.side), ()) if refusal.row < f.row <= until]
        rows.append(_entry(refusal, found, until, panel))
    return _table(rows, panel)


def _first_refusals(journal: Journal) -> list[RefusalRow]:
    without_sale = {r.row for r in journal.refusals if r.side == "sell" and r.reason in _BLOCKING}
    return [
        refusal
        for refusal in journal.refusals
        if refusal.reason in _BLOCKING
        and refusal.why != "repair"
        and (refusal.reason != "cash short" or refusal.row in without_sale)
    ]


def _entry(refusal: RefusalRow, repairs: list[FillRow], until: int, panel: Panel) -> tuple[object, ...]:
    t, column = refusal.row, refusal.column
    then = refusal.price if np.isfinite(refusal.price) else float(panel["close"][t, column])
    made_up = min(sum(fill.size for fill in repairs), refusal.size)
    sign = 1.0 if refusal.side == "buy" else -1.0
    price, cost = float("nan"), 0.0
    if repairs:
        price = sum(f.size * f.price * _grown(panel, t, f.row, column) for f in repairs) / sum(f.size for f in repairs)
        cost = sign * (price - then) * made_up
    close = float(panel["close"][until, column]) * _grown(panel, t, until, column)
    if np.isfinite(close) and np.isfinite(then):
        cost += sign * (close - then) * (refusal.size - made_up)
    done = repairs[-1].row if repairs else -1
    return t - 1, column, refusal.side, refusal.reason, t, then, done, price, refusal.size, cost


def _grown(panel: Panel, before: int, after: int, column: int) -> float:
    """What a price of ``after`` is worth in shares of ``before``: the growth of the adjustment factor."""
    if "adj_factor" not in panel:
        return 1.0
    factor = panel["adj_factor"]
    return float(factor[after, column] / factor[before, column])


def _table(rows: list[tuple[object, ...]], panel: Panel) -> pd.DataFrame:
    names = ("decided", "column", "side", "reason", "blocked", "price", "done", "repaired_price", "size", "cost")
    columns = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {name: () for name in names}
    days = panel.sessions.astype("datetime64[s]")

    def dates(name: str) -> object:
        at = np.array(columns[name], dtype=np.int64)
        return np.where(at < 0, np.datetime64("NaT"), days[at])

    symbols = np.array(panel.symbols, dtype=object)[np.array(columns["column"], dtype=np.int64)]
    table = {
        "date": dates("decided"),
        "symbol": pd.Series(symbols, dtype="str"),
        "side": pd.Series(columns["side"], dtype="str"),
        "reason": pd.Series(columns["reason"], dtype="str"),
        "blocked_on": dates("blocked"),
        "blocked_price": pd.Series(columns["price"], dtype="float64"),
        "repaired_on": dates("done"),
        "repaired_price": pd.Series(columns["repaired_price"], dtype="float64"),
        "size": pd.Series(columns["size"], dtype="float64"),
        "cost": pd.Series(columns["cost"], dtype="float64"),
    }
    return pd.DataFrame(table)
