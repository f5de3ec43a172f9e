"""What a run records: the broker's journal and the strategy's decisions as tables of the run folder's schema."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nnstrategies.blocked import blocked
from nnstrategies.brokers.journal import ActionRow, FillRow, Journal, OrderRow, PositionRow, RefusalRow
from nnstrategies.brokers.ledger import SHARES
from nnstrategies.panel import Panel
from nnstrategies.strategies.targets import Decision

ACHIEVED_TOLERANCE = 1e-4  # of the account's value; a weight this close to its target needs no reason
_LOTS = 1.5  # rounding leaves less than one order step at the open; the close has moved a little since
_WATCHED = ("exposure", "correlation", "allowed", "industry", "industry_weight", "wanted_turnover", "turnover")
_TEXTS = ("side", "reason", "detail", "shortfall", "why", "industry")
_DTYPES = dict.fromkeys(_TEXTS, "str") | {"inferred": "bool"}


def frames(journal: Journal, panel: Panel, decisions: Sequence[Decision]) -> dict[str, pd.DataFrame]:
    """Tables by name: decisions, targets, orders, fills, refusals, blocked, positions, account, actions, ledger.

    ``date`` is datetime64, naive.
    """
    orders = _table(journal.orders, OrderRow._fields, panel)
    fills = _table(journal.fills, FillRow._fields, panel)
    positions = _table(journal.positions, PositionRow._fields, panel)
    positions["value"] = positions["size"] * positions["price"]
    return {
        "decisions": decided(panel, decisions),
        "targets": targets(journal, panel, decisions),
        "orders": orders,
        "fills": fills,
        "refusals": _table(journal.refusals, RefusalRow._fields, panel),
        "blocked": blocked(journal, panel, decisions),
        "positions": positions,
        "account": _account(journal, panel),
        "actions": _table(journal.actions, ActionRow._fields, panel),
        "ledger": _ledger(journal, panel),
    }


def trades(journal: Journal) -> dict[str, float]:
    """All trades in figures: value bought and sold, mean account value, sessions, sales, and those won.

    A sale is won where it brought more after its fees than the shares had cost, first in, first out.
    """
    gains = [one.cash + one.amount(SHARES) for one in journal.transactions if one.kind == "sell"]
    return {
        "traded": float(sum(abs(fill.size) * fill.price for fill in journal.fills)),
        "mean_value": float(np.mean([entry.value for entry in journal.account])),
        "sessions": len(journal.account),
        "sales": len(gains),
        "won": sum(gain > 0 for gain in gains),
    }


def daily_returns(journal: Journal, panel: Panel, cash: float) -> pd.Series:
    """Daily simple returns of the account by session; the first is measured against the starting cash."""
    value = np.array([cash, *(entry.value for entry in journal.account)])
    days = panel.sessions[[entry.row for entry in journal.account]].astype("datetime64[s]")
    return pd.Series(value[1:] / value[:-1] - 1.0, index=pd.DatetimeIndex(days, name="date"), name="returns")


def decided(panel: Panel, decisions: Sequence[Decision]) -> pd.DataFrame:
    """One row per rebalance, weights as shares of the account's value; NaN or "" where nobody watched.

    chosen: symbols with a target; invested: their sum; largest: of one symbol; the other columns as in ``Decision``.
    """
    rows = [
        (one.t, (one.target > 0).sum(), one.target.sum(), one.target.max(), *(getattr(one, key) for key in _WATCHED))
        for one in decisions
    ]
    return _table(rows, ("row", "chosen", "invested", "largest", *_WATCHED), panel)


def targets(journal: Journal, panel: Panel, decisions: Sequence[Decision]) -> pd.DataFrame:
    """One row per rebalance and symbol wanted or held: target, weight achieved at the next close, why they differ."""
    values = {entry.row: entry.value for entry in journal.account}
    shares: dict[int, dict[int, PositionRow]] = {}
    for entry in journal.positions:
        shares.setdefault(entry.row, {})[entry.column] = entry
    refused = {(entry.row, entry.column): entry.reason for entry in journal.refusals}
    cut = {(entry.row, entry.column): entry.shortfall for entry in journal.fills}
    steps = {(entry.row, entry.column): entry.size for entry in journal.refusals if entry.reason == "lot rounding"}
    rows: list[tuple[Any, ...]] = []
    for decision in decisions:
        t = decision.t + 1
        ran = t in values
        held = shares.get(t if ran else decision.t, {})
        value = values[t if ran else decision.t]
        wanted = np.flatnonzero((decision.target > 0) | decision.held)
        for column in sorted({*wanted.tolist(), *held}):
            target = float(decision.target[column])
            achieved = held[column].size * held[column].price / value if column in held else 0.0
            known = "run ended" if not ran else refused.get((t, column), "") or cut.get((t, column), "")
            if not known and target == 0 and decision.reasons[column] == "suspended":
                known = "suspended"  # kept as it is, without an order
            price = held[column].price if column in held else float(panel["close"][min(t, panel.T - 1), column])
            step = steps.get((t, column), journal.lots.get(column, 0.0)) * price / value
            rows.append((decision.t, column, target, achieved, _reason(known, abs(achieved - target), step)))
    return _table(rows, ("row", "column", "target", "achieved", "reason"), panel)


def _reason(known: str, gap: float, step: float) -> str:
    """Why a weight is off by ``gap``: a refusal or a cut of the fill; else whole lots, or the price after the open.

    step: weight of one order step, or of the order that was too small for one.
    """
    if gap <= ACHIEVED_TOLERANCE:
        return ""
    if known and known != "lot rounding":
        return known
    return "lot rounding" if gap <= _LOTS * step else "price moved"


def _account(journal: Journal, panel: Panel) -> pd.DataFrame:
    table = _table(journal.account, ("row", "value", "cash"), panel)
    table["position_ratio"] = 1.0 - table["cash"] / table["value"]
    return table


def _ledger(journal: Journal, panel: Panel) -> pd.DataFrame:
    """Every posting of the double-entry ledger, in currency; the amounts of one transaction add up to 0."""
    entries = [
        (entry.day, number, entry.kind, panel.symbols[entry.column] if entry.column >= 0 else "", account, amount)
        for number, entry in enumerate(journal.transactions)
        for account, amount in entry.postings
    ]
    days, numbers, kinds, symbols, accounts, amounts = zip(*entries, strict=True) if entries else ((),) * 6
    table: dict[str, Any] = {
        "date": np.array(days, dtype="datetime64[s]"),
        "transaction": np.array(numbers, dtype=np.int64),
        "kind": pd.Series(kinds, dtype="str"),
        "symbol": pd.Series(symbols, dtype="str"),
        "account": pd.Series(accounts, dtype="str"),
        "amount": np.array(amounts, dtype=np.float64) / journal.money,
    }
    return pd.DataFrame(table)


def _table(rows: Iterable[Sequence[Any]], names: Sequence[str], panel: Panel) -> pd.DataFrame:
    """Rows whose first field is the session and whose second may be the symbol's column."""
    columns: list[Any] = list(zip(*rows, strict=True)) or [()] * len(names)
    named = dict(zip(names, columns, strict=True))
    sessions = panel.sessions[np.array(named.pop("row"), dtype=np.int64)]
    table: dict[str, Any] = {"date": sessions.astype("datetime64[s]")}
    if "column" in named:
        symbols = np.array(panel.symbols, dtype=object)
        table["symbol"] = pd.Series(symbols[np.array(named.pop("column"), dtype=np.int64)], dtype="str")
    for name, values in named.items():
        table[name] = pd.Series(values, dtype=_DTYPES.get(name, "float64"))
    return pd.DataFrame(table)
