"""What sales brought over what the shares had cost, by the reason of the sale."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnstrategies.report.formats import percent, ratio
from nnstrategies.report.run_folder import RunFolder
from nnstrategies.report.tables import Row, Table

_DECIMALS = 8  # of a gain: sums of floats that should be 0 are, and count as neither won nor lost


def sales_table(run: RunFolder) -> Table | None:
    """A row a reason and one for all sales of the headline; None where nothing was sold."""
    found = sales(run)
    if found.empty:
        return None
    parts = [(str(reason), part, "") for reason, part in found.groupby("reason")]
    rows = [_row(reason, part, kind) for reason, part, kind in [*parts, ("All", found, "sum")]]
    note = "Gain: what a sale brought after its fees, over what its shares had cost, first in, first out; without the "
    note += "fees of the purchase and dividends. Won: share of sales with a gain. Profit factor: all gains over all "
    note += "losses, in currency. A rebalance that trims a position is a sale too."
    head = ["Sold because", "Sales", "Won", "Mean gain", "of those won", "of those lost", "Best", "Worst"]
    return Table([*head, "Profit factor"], rows, note=note)


def sales(run: RunFolder) -> pd.DataFrame:
    """A row a sale: date, symbol, cost and gain in currency, share (gain over cost), and the reason it was made for."""
    sold = run.ledger[run.ledger["kind"] == "sell"]
    by_sale = ["date", "symbol", "transaction"]
    booked = sold[sold["account"].isin(("assets:cash", "assets:shares"))]
    table = booked.pivot_table(index=by_sale, columns="account", values="amount", aggfunc="sum").reset_index()
    if table.empty:
        return pd.DataFrame(columns=["date", "symbol", "cost", "gain", "share", "reason"])
    table["cost"] = -table["assets:shares"]
    table["gain"] = (table["assets:cash"] - table["cost"]).round(_DECIMALS)
    table["share"] = table["gain"] / table["cost"].where(table["cost"] > 0)
    fills = run.fills[run.fills["side"] == "sell"]
    reasons = fills.drop_duplicates(["date", "symbol"]).set_index(["date", "symbol"])["reason"]
    keys = pd.MultiIndex.from_frame(table[["date", "symbol"]])
    table["reason"] = reasons.reindex(keys).fillna("other").to_numpy()
    return table[["date", "symbol", "cost", "gain", "share", "reason"]]


def _row(label: str, part: pd.DataFrame, kind: str) -> Row:
    shares = part["share"].dropna()
    won, lost = part["gain"] > 0, part["gain"] < 0
    losses = -float(part["gain"][lost].sum())
    cells = [
        f"{len(part):,}",
        percent(float(won.mean())),
        *(percent(value, signed=True) for value in (shares.mean(), shares[won].mean(), shares[lost].mean())),
        *(percent(value, signed=True) for value in (shares.max(), shares.min())),
        ratio(float(part["gain"][won].sum()) / losses if losses else np.nan),
    ]
    return Row(label.capitalize(), cells, kind=kind)
