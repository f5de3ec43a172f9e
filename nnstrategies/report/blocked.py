"""Orders that the market refused: how long they waited, and what the wait cost."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnstrategies.report.formats import DASH, money, money_digits, percent, ratio
from nnstrategies.report.metrics import per_year
from nnstrategies.report.run_folder import RunFolder
from nnstrategies.report.tables import Row, Table

HEAD = [
    "Reason",
    "Blocked",
    "Buys",
    "Sells",
    "Repaired",
    "Sessions waited",
    "Never repaired",
    "Cost",
    "Per year of account",
]


def blocked_orders(run: RunFolder) -> Table | None:
    """By reason, most frequent first, with a sum where there are several reasons; None when nothing was blocked."""
    if run.blocked.empty:
        return None
    table = run.blocked.assign(
        reason=run.blocked["reason"].replace("", "not stated"),
        buy=run.blocked["side"].str.lower() == "buy",
        waited=_sessions_waited(run),
    )
    groups = sorted(table.groupby("reason"), key=lambda group: (-len(group[1]), str(group[0])))
    digits = money_digits([float(rows["cost"].sum()) for _, rows in groups])
    rows = [Row(str(reason), _cells(run, rows, digits)) for reason, rows in groups]
    shares = [len(group) / len(table) for _, group in groups]
    if len(rows) > 1:
        rows.append(Row("All", _cells(run, table, digits), kind="sum"))
        shares.append(0.0)
    return Table(HEAD, rows, note=_note(table), shares=shares)


def _sessions_waited(run: RunFolder) -> pd.Series:
    """Sessions from the blocked one to the repair, NaN where there was none."""
    sessions = run.returns.index
    first = sessions.searchsorted(run.blocked["blocked_on"])
    last = sessions.searchsorted(run.blocked["repaired_on"].fillna(sessions[-1]))
    waited = pd.Series(last - first, index=run.blocked.index, dtype=np.float64)
    return waited.where(run.blocked["repaired_on"].notna())


def _cells(run: RunFolder, rows: pd.DataFrame, digits: int) -> list[str]:
    buys, repaired = int(rows["buy"].sum()), int(rows["waited"].notna().sum())
    cost = float(rows["cost"].sum()) if rows["cost"].notna().any() else float("nan")
    waited = ratio(float(rows["waited"].mean()), 1) if repaired else DASH
    never = len(rows) - repaired
    counts = [str(len(rows)), str(buys), str(len(rows) - buys), str(repaired), waited, str(never) if never else DASH]
    return [*counts, money(cost, digits), percent(per_year(run, cost), 2)]


def worst_day(run: RunFolder) -> str:
    """One line on the session with most blocked orders, the dearest of several; empty when nothing was blocked."""
    if run.blocked.empty:
        return ""
    costs = run.blocked.groupby("blocked_on")["cost"]
    days = pd.DataFrame({"number": costs.size(), "cost": costs.sum(min_count=1)})
    day = days.sort_values(["number", "cost"], ascending=False, kind="stable").iloc[0]
    number, cost = int(day["number"]), float(day["cost"])
    orders = "order was" if number == 1 else "orders were"
    said = f"Worst day: {day.name:%Y-%m-%d}, when {number} {orders} blocked; "
    if np.isnan(cost):
        return said + "what having to wait cost is not known."
    return said + f"having to wait {'gained' if cost < 0 else 'cost'} {_money(abs(cost))}."


def _money(amount: float) -> str:
    return money(amount, money_digits([amount]))


def _note(table: pd.DataFrame) -> str:
    text = "Sessions waited: mean over the repaired. Cost: size times the move from the price when blocked to that of "
    text += "the repair, or without one to the close that ended the waiting (a rebalance, or the run's last); "
    text += "positive where waiting lost money."
    unknown = int(table["cost"].isna().sum())
    return text + (f" No cost is known for {unknown} of the orders." if unknown else "")
