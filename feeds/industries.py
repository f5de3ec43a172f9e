"""Industries by symbol and date: a file of your own, or the monthly table of the Chinese market.

A row counts from the first session on or after ``known_at``, until the symbol's next row. A row without a date counts
for all time: whoever wrote such a list knew the future, and the report says so.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from nnstrategies.errors import DataError
from nnstrategies.event_table import refuse_unknown, require_columns
from nnstrategies.feeds.checks import LoadReport
from nnstrategies.feeds.china_tables import read_china_table
from nnstrategies.feeds.columns import canonical_name, read_days
from nnstrategies.feeds.read_file import PathLike, read_table
from nnstrategies.panel import Panel
from nnstrategies.typing import AnyArray

ALWAYS = np.datetime64("1900-01-01", "D")  # known_at of a row without a date
_MONTH_DAYS = 31
_COLUMNS = ("symbol", "industry", "known_at")


def read_industries(path: PathLike) -> pd.DataFrame:
    """Events symbol, known_at, industry; the column known_at may be called start, be empty, or be left out.

    An empty industry means unknown from then on. Raises DataError for another column, an empty symbol, industries that
    are fractions, and two rows of one symbol and date.
    """
    table = read_table(path, ", ".join(_COLUMNS)).reset_index(drop=True)
    names = {column: canonical_name(column) for column in table.columns}
    table = table.rename(columns=names)
    if "known_at" not in table.columns:  # with both, start is one column too many
        table = table.rename(columns={"start": "known_at"})
    require_columns(table, _COLUMNS[:2], str(path))
    refuse_unknown(table, _COLUMNS, str(path))
    if table["symbol"].isna().any() or (table["symbol"] == "").any():
        at = int((table["symbol"].isna() | (table["symbol"] == "")).to_numpy().argmax())
        raise DataError(f"{path}: symbol: expected text, got an empty cell in row {at}; fill it in")
    if pd.api.types.is_float_dtype(table["industry"].dtype) and table["industry"].notna().any():
        raise DataError(f"{path}: industry: expected text or whole numbers, got {table['industry'].dtype}; write text")
    days: AnyArray = np.full(len(table), np.datetime64("NaT", "D"))
    if "known_at" in table.columns:
        days = read_days(table["known_at"], f"{path}: known_at")
    events = pd.DataFrame(
        {"symbol": table["symbol"], "known_at": _or_always(days), "industry": _text(table["industry"])}
    )
    again = events.duplicated(["symbol", "known_at"])
    if again.any():
        row = events[again].iloc[0]
        day = "without a date" if row["known_at"] == pd.Timestamp(str(ALWAYS)) else str(row["known_at"].date())
        raise DataError(f"{path}: {row['symbol']} {day}: expected one row, got another; keep the right one")
    return events


def _or_always(days: AnyArray) -> AnyArray:
    return np.where(np.isnat(days), ALWAYS, days).astype("datetime64[s]")


def _text(column: pd.Series) -> pd.Series:
    return column.astype(object).where(column.notna(), "").astype(str).str.strip()


def china_industries(
    given: PathLike, folder: Path, symbols: AnyArray, last: np.datetime64, notes: LoadReport
) -> pd.DataFrame:
    """Events ``industries``: of cn_fundamentals_monthly where ``given`` says ``monthly``, else of that file."""
    return _monthly(folder, symbols, last, notes) if given == "monthly" else read_industries(given)


def _monthly(folder: Path, symbols: AnyArray, last: np.datetime64, notes: LoadReport) -> pd.DataFrame:
    """Events symbol, known_at, industry from industry_sw of cn_fundamentals_monthly.

    A month's row counts from the first session after its end on; after a symbol's last row the industry carries on.
    """
    lost = "nobody knows the industries: there is no excess return by industry, and no max_industry; "
    lost += "industries=None, in a config data.industries: null, accepts that"
    columns = ["date", "symbol", "industry_sw"]
    table = read_china_table(folder, "cn_fundamentals_monthly", columns, lost, [("date", "<", last.item())])
    table = table[table["symbol"].isin(set(symbols))].sort_values(["symbol", "date"], kind="stable")
    _tell(table, last, notes)
    days = table["date"].to_numpy().astype("datetime64[D]") + np.timedelta64(1, "D")
    events = pd.DataFrame({"symbol": table["symbol"].astype(object), "known_at": days.astype("datetime64[s]")})
    events["industry"] = _text(table["industry_sw"])
    changes = events["industry"] != events.groupby("symbol")["industry"].shift()
    return events[changes].reset_index(drop=True)


def _tell(table: pd.DataFrame, last: np.datetime64, notes: LoadReport) -> None:
    named = table.groupby("symbol")["industry_sw"].nunique()
    if (named <= 1).all():
        notes.caution(
            "industries of the monthly table that never change: a later classification, written back", len(named),
            str(named.index[0]) if len(named) else "",
            "kept: that a stock is in the table at all, and its industry, tell of 2018-19",
        )  # fmt: skip
    end = pd.Timestamp(table["date"].max()) if len(table) else pd.Timestamp(last)
    late = (pd.Timestamp(last) - end).days
    if late > _MONTH_DAYS:
        notes.caution(
            "industries: calendar days after the end of the monthly table", late, str(end.date()),
            "the last known industry carries on",
        )  # fmt: skip


def check_industries(panel: Panel, report: LoadReport) -> None:
    """Count the symbols whose industry has no date, and those without any, of a panel with events ``industries``."""
    if "industries" not in panel.event_names:
        return
    table = panel.events("industries")
    undated = sorted(set(table.loc[table["known_at"] == pd.Timestamp(str(ALWAYS)), "symbol"]))
    report.caution(
        "industries without a date, taken for all time: a list of today knows the future", len(undated),
        undated[0] if undated else "", "kept; give each row the day from which it was known (known_at)",
    )  # fmt: skip
    named = set(table["symbol"])
    absent = [symbol for symbol in panel.symbols if symbol not in named]
    report.caution(
        "industries: symbols without any, together a group of their own", len(absent), absent[0] if absent else "",
        "their industry is unknown",
    )  # fmt: skip
