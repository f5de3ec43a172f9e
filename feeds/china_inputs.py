"""What features read beside the prices of the Chinese market: turnover, float, ratios by day, fundamentals by month."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from nnstrategies.feeds.checks import LoadReport
from nnstrategies.feeds.china_tables import read_china_table, refuse_repeated, window
from nnstrategies.typing import AnyArray, DateArray

BASICS = {
    "amount": "amount",
    "float_shares": "float_shares",
    "pe_ttm": "pe",
    "pb": "pb",
    "ps_ttm": "ps",
    "pcf_ttm": "pcf",
}
PRICED = {"pe_ttm": "pe", "pb_lf": "pb", "ps_ttm": "ps", "pcf_ncf_ttm": "pcf", "ln_mktcap": "market_value"}
REPORTED = {
    "roe_ttm2": "roe",
    "roa_ttm2": "roa",
    "yoyprofit": "profit_growth",
    "yoy_or": "revenue_growth",
    "yoyroe": "roe_growth",
    "debttoassets": "debt_to_assets",
    "assetsturn": "asset_turnover",
    "invturn": "inventory_turnover",
}
_DEADLINES = {3: (0, 4, 30), 6: (0, 8, 31), 9: (0, 10, 31), 12: (1, 4, 30)}  # report month -> years later, month, day
_BEFORE = np.timedelta64(500, "D")  # reports from before the first session that are still the newest on it
_MONTH_DAYS = 31
_LAG_ROWS, _LEAST_STEP = 10, 1.15


def add_basics(
    folder: Path, prices: pd.DataFrame, first: np.datetime64, last: np.datetime64, notes: LoadReport
) -> None:
    """Add amount, float_shares, pe, pb, ps and pcf to ``prices`` in place, NaN where cn_basics has no row.

    float_shares of the table is the median of the 21 sessions that end on the day, so it shows a bonus issue 10 rows
    late. Until then it is multiplied by the step of adj_factor, where that is 1.15 or more (no dividend is as large).
    """
    columns = ["date", "symbol", *BASICS]
    lost = "there is no turnover value, no float and no daily ratio; basics=False, in a config data.basics: false, "
    lost += "accepts that: feature sets then leave out what is made of them"
    table = read_china_table(folder, "cn_basics", columns, lost, window(first, last))
    refuse_repeated(folder / "cn_basics.parquet", table)
    keys = pd.MultiIndex.from_frame(table[["symbol", "date"]])
    at = keys.get_indexer(pd.MultiIndex.from_frame(prices[["symbol", "date"]]))
    for column, name in BASICS.items():
        prices[name] = np.append(table[column].to_numpy(np.float64), np.nan)[at]
    rated = sorted(set(prices.loc[prices["pb"].notna(), "symbol"]))
    notes.caution(
        "survivorship: symbols with daily ratios (cn_basics), those of the index of 2024-12", len(rated),
        rated[0] if rated else "", "kept: that a stock has a ratio, or a float after 2020-08, tells of its future",
    )  # fmt: skip
    step = _late_step(prices)
    first_late = prices.loc[step > 1, ["symbol", "date"]].head(1)
    example = f"{first_late['symbol'].iloc[0]} {first_late['date'].iloc[0].date()}" if len(first_late) else ""
    notes.repair(
        "float_shares on the 10 sessions from a bonus issue on (cn_basics)", int((step > 1).sum()), example,
        "multiplied by the step of adj_factor: the table's median shows the new shares later",
    )  # fmt: skip
    prices["float_shares"] *= step


def _late_step(prices: pd.DataFrame) -> AnyArray:
    """[R] step of adj_factor over the last 10 rows with a float; 1 where it is below 1.15."""
    there = prices.loc[prices["float_shares"].notna(), ["symbol", "date", "adj_factor"]].sort_values(["symbol", "date"])
    before = there.groupby("symbol")["adj_factor"].shift(_LAG_ROWS)
    step = (there["adj_factor"] / before).reindex(prices.index)
    return step.where(step >= _LEAST_STEP, 1.0).to_numpy()


def monthly_fundamentals(folder: Path, symbols: AnyArray, sessions: DateArray, notes: LoadReport) -> pd.DataFrame:
    """Events ``fundamentals`` from cn_fundamentals_monthly: symbol, known_at, period_end and 13 items.

    Ratios to the price and market_value are those of the month's last session and count from the next month on, as
    whatever is about a month is known once it has ended. What companies
    report is stamped by report period in the table and counts from the last legal day of disclosure on (04-30, 08-31,
    10-31, and 04-30 of the next year), because the true day is not in it. sessions: those of the panel.
    """
    first, last = sessions[0], sessions[-1]
    columns = ["date", "symbol", *PRICED, *REPORTED]
    lost = "there are no fundamentals; fundamentals=None, in a config data.fundamentals: null, accepts that: "
    lost += "feature sets then leave out what is made of them"
    table = read_china_table(folder, "cn_fundamentals_monthly", columns, lost, window(first - _BEFORE, last))
    refuse_repeated(folder / "cn_fundamentals_monthly.parquet", table)
    table = table[table["symbol"].isin(set(symbols))].reset_index(drop=True)
    table["symbol"] = table["symbol"].astype(object)
    ends = table["date"].to_numpy().astype("datetime64[D]")
    priced = _events(table, PRICED, ends + np.timedelta64(1, "D"))
    priced["market_value"] = np.exp(priced["market_value"])
    reported = _events(table, REPORTED, _deadlines(ends))
    _tell(table, len(set(symbols)), last, notes)
    events = pd.concat([priced, reported], ignore_index=True)
    return events[events["known_at"] <= pd.Timestamp(last)].reset_index(drop=True)


def _events(table: pd.DataFrame, names: dict[str, str], known_at: AnyArray) -> pd.DataFrame:
    """Rows that have at least one of the items, under our names."""
    items = table[list(names)].astype(np.float64).rename(columns=names)
    keys = pd.DataFrame(
        {"symbol": table["symbol"], "known_at": known_at.astype("datetime64[s]"), "period_end": table["date"]}
    ).astype({"period_end": "datetime64[s]"})
    return pd.concat([keys, items], axis=1)[items.notna().any(axis=1)]


def _deadlines(ends: DateArray) -> DateArray:
    """The last legal day of disclosure of the report period that each day ends; of other days, 4 months later."""
    months = ends.astype("datetime64[M]")
    out = (months + 5).astype("datetime64[D]") - 1
    for month, (years, due_month, due_day) in _DEADLINES.items():
        of_month = months.astype(np.int64) % 12 + 1 == month
        due = months.astype("datetime64[Y]") + years
        out[of_month] = (due.astype("datetime64[M]") + (due_month - 1)).astype("datetime64[D]")[of_month] + (
            due_day - 1
        )
    return out


def _tell(table: pd.DataFrame, symbols: int, last: np.datetime64, notes: LoadReport) -> None:
    absent = symbols - table["symbol"].nunique()
    first = table["symbol"].iloc[0] if len(table) else ""
    notes.caution(
        "fundamentals by report period (cn_fundamentals_monthly)", int(table[list(REPORTED)].notna().any(axis=1).sum()),
        first, "known from the last legal day of disclosure on; the true days are not in the table",
    )  # fmt: skip
    notes.caution(
        "symbols without monthly fundamentals (cn_fundamentals_monthly)", absent, "",
        "missing: the table holds 300 names of 2018-19",
    )  # fmt: skip
    ends = table["date"].to_numpy().astype("datetime64[D]")
    late = int((last - ends.max()).astype(np.int64)) if len(ends) else 0
    if late > _MONTH_DAYS:
        notes.caution(
            "calendar days after the end of monthly fundamentals", late, str(ends.max()),
            "ratios to prices are missing from 45 days after it on, reports from 400 days after their disclosure",
        )  # fmt: skip
