"""One Parquet table of the Chinese market: read by column and row, or missed with words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nnstrategies.errors import DataError
from nnstrategies.feeds.side_tables import missing_table

Filters = list[tuple[str, str, object]]
_TEXT = ("symbol", "index")
_ANY = ("industry_sw",)  # names or numbers of a classification
_EITHER = ("start", "end")  # dates, or text that says one


def read_china_table(folder: Path, table: str, columns: list[str], lost: str, filters: Filters) -> pd.DataFrame:
    """The columns of ``folder``/``table``.parquet, rows by ``filters``; ``lost``: what is missing without the table.

    Raises MissingTableError for a table that is not there, DataError for one that cannot be read, for a column that is
    not in it or is of another kind, and for an empty symbol.
    """
    path = folder / f"{table}.parquet"
    if not path.is_file():
        raise missing_table(path, ", ".join(columns), lost)
    with _readable(path):
        schema = pq.read_schema(path)
    if absent := [column for column in columns if column not in schema.names]:
        raise DataError(
            f"{path}: no column {', '.join(absent)}; expected {', '.join(columns)}, got {', '.join(schema.names)}; add "
            f"what is missing: without it {lost}"
        )
    for column in columns:
        _check_kind(path, column, schema.field(column).type)
    wanted = pq.filters_to_expression(filters) if filters else None
    if wanted is not None and "date" in columns:
        wanted |= pc.field("date").is_null()  # no filter by dates would show them
    with _readable(path):
        found = pq.read_table(path, columns=columns, filters=wanted).to_pandas(date_as_object=False)
    for column in ("symbol", "date"):
        if column in columns and (empty := int(found[column].isna().sum())):
            raise DataError(f"{path}: {column}: empty in {empty:,} rows; fill them in")
    return found


def refuse_repeated(path: Path, table: pd.DataFrame) -> None:
    """DataError for two rows of a symbol and date: which of them counts is not ours to say."""
    again = table.duplicated(["symbol", "date"])
    if again.any():
        row = table[again].iloc[0]
        raise DataError(
            f"{path}: {row['symbol']} {pd.Timestamp(row['date']).date()}: expected one row, got another "
            f"({int(again.sum()):,} such rows); keep the right one"
        )


def without_prices(folder: Path, absent: Sequence[str], first: np.datetime64, last: np.datetime64) -> DataError:
    """The error for chosen symbols: those that cn_daily does not have, else those that it has on other days only."""
    table = read_china_table(folder, "cn_daily", ["date", "symbol"], "there are no prices", [])
    known, path = table["symbol"].unique(), folder / "cn_daily.parquet"
    if strange := [symbol for symbol in absent if symbol not in set(known)]:
        alike = [one for one in known if one.partition(".")[0] in {symbol.partition(".")[0] for symbol in strange}]
        hint = (
            f"did you mean {alike[0]}?" if alike else "symbols are written like 000538.SZ: correct it or leave it out"
        )
        return DataError(f"{path}: data.symbols: {', '.join(strange)} not in the table; {hint}")
    days = table.loc[table["symbol"] == absent[0], "date"]
    return DataError(
        f"{path}: data.symbols: no prices of {', '.join(absent)} within {first}..{last}, of {absent[0]} from "
        f"{days.min().date()} to {days.max().date()}; change data.start or data.end, or leave it out"
    )


def window(first: np.datetime64, last: np.datetime64) -> Filters:
    """Rows with a date within first..last."""
    return [("date", ">=", first.item()), ("date", "<=", last.item())]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        said = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
        raise DataError(
            f"{path}: cannot be read as Parquet ({said}); expected a whole Parquet file: write or copy it again"
        ) from None


def _check_kind(path: Path, column: str, kind: pa.DataType) -> None:
    """DataError for a column of another kind than its name has; one without any value is of none."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    date = pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and kind.tz is None)
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    if column in _TEXT:
        fits, expected, mend = text, "text", "write it as 000538.SZ" if column == "symbol" else "write it as 000300.SH"
    elif column in ("date", *_EITHER):
        fits = date or (text and column in _EITHER)
        expected, mend = "dates without time zone", "convert it, for example with pd.to_datetime"
    else:
        fits = number or pa.types.is_decimal(kind)
        expected, mend = "numbers", "convert it, for example with pd.to_numeric"
    if column not in _ANY and not fits and not pa.types.is_null(kind):
        raise DataError(f"{path}: column {column!r}: expected {expected}, got {kind}; {mend}")
