"""Tables of the user that only features read: fundamentals, macro series, news sentiment; each with a publication date.

Errors name the file, the column and the row. A cell may be empty: that item was not published then. Columns that no
feature knows are kept; columns of text too.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnstrategies.errors import DataError
from nnstrategies.event_table import require_columns
from nnstrategies.feeds.columns import canonical_name, numbers, read_days
from nnstrategies.feeds.read_file import DISCLOSED, PathLike, read_table

_KEYS = ("symbol", "known_at", "period_end")


def read_fundamentals(path: PathLike) -> pd.DataFrame:
    """Events symbol, known_at, period_end and the items; a disclosure date is required."""
    return _read(path, ("symbol", "known_at", "period_end"), "the items")


def read_macro(path: PathLike) -> pd.DataFrame:
    """Events known_at, period_end (if the file has it) and one column per series; the same for every symbol."""
    return _read(path, ("known_at",), "the series")


def read_news(path: PathLike) -> pd.DataFrame:
    """Events symbol, known_at and one column per measure, one row a symbol and day with news."""
    return _read(path, ("symbol", "known_at"), "the measures")


def _read(path: PathLike, keys: tuple[str, ...], rest: str) -> pd.DataFrame:
    """The file's table with dates read, items as numbers, and one row a key."""
    table = read_table(path, f"{', '.join(keys)} and {rest}").reset_index(drop=True)
    table = table.rename(columns={column: canonical_name(column) for column in table.columns})
    if "known_at" not in table.columns:
        table = _with_known_at(table, path)
    require_columns(table, keys, str(path))
    if "symbol" in table.columns and "symbol" not in keys:
        raise DataError(f"{path}: column 'symbol' is unknown: macro series are the same for all; remove it")
    dates = [column for column in ("known_at", "period_end") if column in table.columns]
    for column in dates:
        table[column] = read_days(table[column], f"{path}: {column}").astype("datetime64[s]")
        _refuse_empty(table[column], f"{path}: {column}: expected a date")
    if "symbol" in keys:
        _refuse_empty(table["symbol"], f"{path}: symbol: expected text")
    items = [column for column in table.columns if column not in _KEYS]
    if not items:
        raise DataError(f"{path}: expected columns beside {', '.join(keys)}, got none; add {rest}")
    values = {item: _values(table[item], f"{path}: {item}") for item in items}
    found = [*keys, *(column for column in dates if column not in keys)]
    table = pd.concat([table[found], pd.DataFrame(values, index=table.index)], axis=1)
    _refuse_repeated(table, found, path)
    return table


def _with_known_at(table: pd.DataFrame, path: PathLike) -> pd.DataFrame:
    disclosed = next((column for column in DISCLOSED if column in table.columns), None)
    if disclosed is None:
        raise DataError(
            f"{path}: no disclosure date (one of {', '.join(DISCLOSED)}); without it the figures would be known before"
            " they were published: add known_at"
        )
    return table.rename(columns={disclosed: "known_at"})


def _values(column: pd.Series, label: str) -> pd.Series:
    """Numbers as float64; a column of text stays; text among numbers and infinite values are refused."""
    if not column.notna().any():
        return pd.Series(np.nan, index=column.index)
    found = numbers(column, label)
    if found is None:
        return column
    values = found.astype(np.float64)
    if np.isinf(values).any():
        at = int(np.argmax(np.isinf(values)))
        raise DataError(f"{label}: expected finite numbers, got {values[at]} in row {at}; leave the cell empty")
    return pd.Series(values, index=column.index)


def _refuse_empty(column: pd.Series, expected: str) -> None:
    empty = column.isna().to_numpy()
    if empty.any():
        at, count = int(np.argmax(empty)), int(empty.sum())
        raise DataError(f"{expected}, got an empty cell in row {at} ({count:,} such rows); fill it in")


def _refuse_repeated(table: pd.DataFrame, keys: list[str], path: PathLike) -> None:
    again = table.duplicated(keys)
    if again.any():
        row = table[again].iloc[0]
        shown = " ".join(str(row[key].date()) if key != "symbol" else str(row[key]) for key in keys)
        raise DataError(f"{path}: {shown}: expected one such row, got another; keep the right one")
