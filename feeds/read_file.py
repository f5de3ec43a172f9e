"""One CSV or Parquet file as a table; columns of symbols, industries and dates in a CSV stay text."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from nnstrategies.errors import DataError
from nnstrategies.feeds.columns import canonical_name
from nnstrategies.feeds.side_tables import missing_table

PathLike = str | Path
DISCLOSED = ("known_at", "disclosed", "disclosure_date", "ann_date", "announcement_date", "pub_date", "publish_date")
_EMPTY = ("", "NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null", "None", "<NA>", "-", "--")
_DATES = ("date", "start", "end", "ex_date", "listed", "last_day", "period_end", *DISCLOSED)


def read_table(path: PathLike, columns: str) -> pd.DataFrame:
    """Read one CSV (UTF-8, with or without BOM) or Parquet file; in a CSV symbols, industries and dates stay text.

    columns: what the table should have, for the message.
    Raises MissingTableError when there is no such file, DataError naming the file when it cannot be read.
    """
    file = Path(path)
    if not file.is_file():
        raise missing_table(file, columns, "the run cannot start; leave the option out if you have none")
    try:
        if file.suffix.lower() == ".parquet":
            return pq.read_table(file).to_pandas(date_as_object=False)
        return _read_csv(file)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file}: not UTF-8 ({error.reason} at byte {error.start}); convert it, for example with"
            " iconv -f gb18030 -t utf-8"
        ) from None
    except (pa.ArrowException, OSError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{file}: cannot be read as {file.suffix[1:] or 'CSV'}: {str(error).splitlines()[0]}") from None


def _read_csv(file: Path) -> pd.DataFrame:
    header = pd.read_csv(file, encoding="utf-8-sig", nrows=0).columns
    if len(header) == 1 and (strange := next((mark for mark in ";\t" if mark in header[0]), None)):
        shown = '";"' if strange == ";" else "a tab"
        raise DataError(f"{file}: one column only: is the separator {shown}? Save the file with commas")
    as_text = [column for column in header if canonical_name(column) in ("symbol", "industry", *_DATES)]
    # a symbol such as NA must not be read as an empty value: empty texts are named for the other columns only
    empty = {column: list(_EMPTY) for column in header if column not in as_text}
    return pd.read_csv(
        file,
        encoding="utf-8-sig",
        dtype=dict.fromkeys(as_text, str),
        na_values=empty,
        keep_default_na=False,
        low_memory=False,
    )
