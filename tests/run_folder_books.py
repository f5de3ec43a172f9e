"""Ledger, corporate actions and blocked orders of the synthetic run folder, made from its other tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

CASH, SHARES, REALISED = "assets:cash", "assets:shares", "income:realised"
LEDGER = ("date", "transaction", "kind", "symbol", "account", "amount")
BLOCKED = (
    *("date", "symbol", "side", "reason", "blocked_on", "blocked_price"),
    *("repaired_on", "repaired_price", "size", "cost"),
)
ACTIONS = ("date", "symbol", "cash", "size_before", "size_after", "inferred")
PAYS = 0.02  # dividend, share of the value held
TAX = 0.1


class Books:
    """Postings in the order they were made."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self.number = 0

    def post(self, day: Any, kind: str, symbol: str, cash: float, **accounts: float) -> None:
        """Book a change of cash and the rest; names are accounts with ``__`` for the colon."""
        postings = {CASH: cash} | {name.replace("__", ":"): amount for name, amount in accounts.items()}
        self.rows += [(day, self.number, kind, symbol, name, amount) for name, amount in postings.items() if amount]
        self.number += 1

    def fill(self, day: Any, symbol: str, side: str, size: float, price: float, fee: float, *_: Any) -> None:
        """A buy, or a sale 5 % above cost; the fee's parts differ by side and add up to what the fill says."""
        amount, sold = size * price, side == "sell"
        transfer, duty = 1e-5 * amount, 5e-4 * amount * sold
        fees = {
            "expenses__commission": fee - transfer - duty,
            "expenses__transfer_fee": transfer,
            "expenses__stamp_duty": duty,
        }
        if sold:
            late = 1e-4 * amount  # tax on dividends received, due at the sale
            own = {"assets__shares": -amount / 1.05, "income__realised": amount / 1.05 - amount}
            self.post(day, side, symbol, amount - fee - late, **own, **fees, expenses__dividend_tax=late)
        else:
            self.post(day, side, symbol, -amount - fee, assets__shares=amount, **fees)

    def frame(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=LEDGER)


def books(fills: pd.DataFrame, positions: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ledger and actions: each holding of a mid-month session pays a dividend; one splits, two are delisted."""
    made, actions = Books(), []
    first = positions["date"].min()
    made.post(first, "deposit", "", 1e6, equity__deposits=-1e6)
    for row in fills.itertuples(index=False):
        made.fill(*row)
    days = positions["date"].unique()
    for k, day in enumerate(days[40::60]):
        for row in positions[positions["date"] == day].itertuples(index=False):
            gross, table = PAYS * row.value, int(row.symbol[:6]) % 4
            tax = TAX * gross if table else 0.0
            made.post(day, "dividend", row.symbol, gross - tax, income__dividends=-gross, expenses__dividend_tax=tax)
            actions.append((day, row.symbol, gross, row.size, row.size, not table))
        if k == 0:
            made.post(day, "split", row.symbol, 7.5, assets__shares=-7.0, income__realised=-0.5)
            actions.append((day, row.symbol, 7.5, row.size, 1.5 * row.size, True))
    last = positions[positions["date"] == days[-1]]
    symbols = last["symbol"].tolist()
    made.post(days[-1], "delisting", symbols[0], 9_000.0, assets__shares=-12_000.0, income__realised=3_000.0)
    made.post(days[-1], "write_off", symbols[1], 0.0, assets__shares=-5_000.0, expenses__write_off=5_000.0)
    return made.frame(), pd.DataFrame(actions, columns=ACTIONS)


def blocked(
    rng: np.random.Generator, refusals: pd.DataFrame, sessions: pd.DatetimeIndex, weight: float
) -> pd.DataFrame:
    """One row per refusal by the market: most are repaired within a few sessions, some never, without a known cost."""
    rows = []
    for k, row in enumerate(refusals.itertuples(index=False)):
        at = sessions.get_loc(row.date)
        waits = at + 1 + k % 4
        repaired = waits < len(sessions) and k % 5 != 3
        price, size, sign = 10.0, round(1e3 * weight) * 100.0, 1 if row.side == "buy" else -1
        later = price * (1 + sign * 0.01 + rng.normal(0, 0.02)) if repaired else np.nan
        until = sessions[waits] if repaired else pd.NaT
        decision = sessions[max(at - 1, 0)]
        cost = sign * size * (later - price)
        rows.append((decision, row.symbol, row.side, row.reason, row.date, price, until, later, size, cost))
    return pd.DataFrame(rows, columns=BLOCKED).astype({"repaired_on": "datetime64[s]"})
