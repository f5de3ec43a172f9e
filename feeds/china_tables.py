"""One Parquet table of the Chinese market: read by column and row, or missed with words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from nnstrategies.errors import DataError
from nnstrategies.feeds.side_tables import missing_table

Filters = list[tuple[str, str, object]]


def read_china_table(folder: Path, table: str, columns: list[str], lost: str, filters: Filters) -> pd.DataFrame:
    """The columns of ``folder``/``table``.parquet, rows by ``filters``; ``lost``: what is missing without the table.

    Raises MissingTableError for a table that is not there, DataError for a column that is not in it.
    """
    path = folder / f"{table}.parquet"
    if not path.is_file():
        raise missing_table(path, ", ".join(columns), lost)
    there = pq.read_schema(path).names
    absent = [column for column in columns if column not in there]
    if absent:
        raise DataError(f"{path}: column {absent[0]!r} is missing; expected {', '.join(columns)}")
    return pq.read_table(path, columns=columns, filters=filters or None).to_pandas(date_as_object=False)


def window(first: np.datetime64, last: np.datetime64) -> Filters:
    """Rows with a date within first..last."""
    return [("date", ">=", first.item()), ("date", "<=", last.item())]
