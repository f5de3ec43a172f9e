"""The ``actions`` events of a panel, checked: one row for each symbol and ex-date."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnstrategies.errors import DataError
from nnstrategies.panel import Panel
from nnstrategies.typing import AnyArray

_EMPTY = {"cash": 0.0, "ratio": 1.0, "bonus": 0.0, "rights": 0.0, "rights_price": 0.0}  # what an empty cell means


def read_actions(panel: Panel) -> pd.DataFrame:
    """Columns column (of the panel), ex_date (datetime64[s]), cash, ratio, bonus, rights, rights_price; by ex_date.

    Rows of one symbol and ex-date become one, because each speaks of the shares held before. Raises DataError with the
    first row that cannot be.
    """
    table = panel.events("actions")
    require_columns(table, ("symbol", "ex_date"), f"{panel.name}: events actions")
    table["ex_date"] = as_days(table["ex_date"]).astype("datetime64[s]")
    for name, empty in _EMPTY.items():
        given = table[name] if name in table.columns else pd.Series(empty, index=table.index)
        table[name] = given.astype(np.float64).fillna(empty)
    table = table.sort_values(["ex_date", "symbol"], kind="stable")
    _check(table, f"{panel.name}: events actions")
    table["column"] = np.array([panel.column(symbol) for symbol in table["symbol"]], dtype=np.int64)
    return _one_a_day(table[["column", "ex_date", *_EMPTY]])


def require_columns(table: pd.DataFrame, columns: tuple[str, ...], label: str) -> None:
    """Raise DataError unless every column is there."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise DataError(f"{label}: column {missing[0]!r} is missing; it has {', '.join(table.columns)}")


def as_days(values: pd.Series) -> AnyArray:
    """Dates as datetime64[D]; empty ones as NaT."""
    return pd.to_datetime(values).to_numpy().astype("datetime64[D]")


def _one_a_day(table: pd.DataFrame) -> pd.DataFrame:
    if not table.duplicated(["column", "ex_date"]).any():
        return table
    table = table.assign(ratio=table["ratio"] - 1.0, rights_price=table["rights"] * table["rights_price"])
    table = table.groupby(["ex_date", "column"], sort=False, as_index=False).sum()
    price = (table["rights_price"] / table["rights"].where(table["rights"] > 0)).fillna(0.0)
    return table.assign(ratio=table["ratio"] + 1.0, rights_price=price)


def _check(table: pd.DataFrame, label: str) -> None:
    """Refuse the first row that cannot be, by symbol and ex-date."""
    numbers = table[list(_EMPTY)]
    wrong = [
        (table["ex_date"].isna(), "ex_date is empty; fill it in"),
        (~np.isfinite(numbers).all(axis=1), "expected finite numbers; correct it"),
        ((numbers.drop(columns="ratio") < 0).any(axis=1), "expected cash, bonus and rights of 0 or more; correct it"),
        (table["ratio"] <= 0, "ratio: expected shares after a share before, above 0; correct it"),
        (
            (table["bonus"] > 0) & (table["bonus"] > table["ratio"] - 1.0 + 1e-9),
            "bonus: more than ratio - 1; correct it",
        ),
        ((table["rights"] > 0) & (table["rights_price"] <= 0), "rights without a rights_price; fill it in"),
        (
            table.duplicated(["symbol", "ex_date", *_EMPTY]),
            "the same row twice; drop one, or add the two up in one row",
        ),
    ]
    for rows, message in wrong:
        if rows.any():
            row = table[rows].iloc[0]
            day = "" if pd.isna(row["ex_date"]) else f" {row['ex_date'].date()}"
            raise DataError(f"{label}: {row['symbol']}{day}: {message}")
