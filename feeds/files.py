"""Your own Parquet or CSV files: one long file, or a folder with one file a symbol, plus optional side tables."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from nnstrategies.calendar import Calendar, DateLike, to_day
from nnstrategies.errors import DataError
from nnstrategies.feeds.checks import LoadReport
from nnstrategies.feeds.columns import canonical_name, flags, read_days, refuse_where, require_numbers
from nnstrategies.feeds.side_tables import ACTION_COLUMNS, membership_events, missing_table, require_columns
from nnstrategies.feeds.table import panel_from_table
from nnstrategies.panel import Panel

PathLike = str | Path
PRICE_COLUMNS = "date, symbol, open, high, low, close, volume"
_DISCLOSED = ("known_at", "disclosed", "disclosure_date", "ann_date", "announcement_date", "pub_date", "publish_date")
_EMPTY = ("", "NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null", "None", "<NA>", "-", "--")
_DATES = ("date", "start", "end", "ex_date", "period_end", *_DISCLOSED)


def load_files(
    path: PathLike,
    *,
    calendar: str | Calendar | None = None,
    name: str | None = None,
    start: DateLike | None = None,
    end: DateLike | None = None,
    benchmark: PathLike | None = None,
    membership: PathLike | None = None,
    actions: PathLike | None = None,
    fundamentals: PathLike | None = None,
    strict: bool = False,
) -> tuple[Panel, LoadReport]:
    """Read price files (a file, a folder, or a pattern such as ``prices/*.csv``) into a checked Panel.

    A file without a symbol column holds one symbol, named like the file. Symbols stay text (000001).
    start, end: sessions to keep, both included; benchmark: table date, close; membership: spans symbol, start, end
    (``end`` is the first day outside; empty if still inside) or events symbol, known_at, member; actions: symbol,
    ex_date, cash (per share), ratio (shares after per share before), and known_at where announced earlier;
    fundamentals: symbol, period_end, the items, and a disclosure date.
    Raises MissingTableError for a file that is not there, DataError naming the file for one that cannot be read,
    and the errors of ``panel_from_table``.
    """
    sides = [side for side in (benchmark, membership, actions, fundamentals) if side is not None]
    files = _price_files(path, sides)
    frames, unnamed = [], []
    for file in files:
        frame, has_symbols = _read_prices(file)
        frames.append(frame)
        if not has_symbols:
            unnamed.append(file.stem)
    frame = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
    label = name or Path(path).stem
    frame = _cut(frame, start, end, label)
    events = {}
    if membership is not None:
        events["membership"] = _membership(membership)
    if actions is not None:
        events["actions"] = _actions(actions)
    if fundamentals is not None:
        events["fundamentals"] = _fundamentals(fundamentals)
    series = {} if benchmark is None else {"benchmark": _benchmark(benchmark)}
    panel, report = panel_from_table(frame, calendar=calendar, name=label, series=series, events=events, strict=strict)
    first = unnamed[0] if unnamed else ""
    report.caution("files without a column of symbols", len(unnamed), first, "file name taken")
    return panel, report


def _price_files(path: PathLike, sides: Sequence[PathLike]) -> list[Path]:
    if not str(path).strip():
        raise DataError(f"prices: expected a file, a folder or a pattern, got the empty path {str(path)!r}; name one")
    given = Path(path)
    if given.is_dir():
        found = [file for file in sorted(given.iterdir()) if file.suffix.lower() in (".csv", ".parquet")]
    elif given.is_file():
        return [given]
    else:
        found = sorted(Path(file) for file in glob.glob(str(path)))
    beside = {Path(side).resolve() for side in sides}
    files = [file for file in found if file.resolve() not in beside]
    if not files:
        raise missing_table(path, PRICE_COLUMNS, "there are no prices (.csv or .parquet)")
    return files


def read_table(path: PathLike, columns: str) -> pd.DataFrame:
    """Read one CSV (UTF-8, with or without BOM) or Parquet file; columns of symbols and dates in a CSV stay text.

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
    except (pa.ArrowInvalid, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{file}: cannot be read as {file.suffix[1:] or 'CSV'}: {str(error).splitlines()[0]}") from None


def _read_csv(file: Path) -> pd.DataFrame:
    header = pd.read_csv(file, encoding="utf-8-sig", nrows=0).columns
    if len(header) == 1 and (strange := next((mark for mark in ";\t" if mark in header[0]), None)):
        shown = '";"' if strange == ";" else "a tab"
        raise DataError(f"{file}: one column only: is the separator {shown}? Save the file with commas")
    as_text = [column for column in header if canonical_name(column) in ("symbol", *_DATES)]
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


def _read_prices(file: Path) -> tuple[pd.DataFrame, bool]:
    """One file's rows with dates read, and whether it names its symbols itself."""
    frame = read_table(file, PRICE_COLUMNS)
    for column in frame.columns:
        if canonical_name(column) == "date" and not pd.api.types.is_datetime64_any_dtype(frame[column].dtype):
            frame[column] = read_days(frame[column], f"{file}: {column}").astype("datetime64[s]")
    has_symbols = any(canonical_name(column) == "symbol" for column in frame.columns)
    return (frame if has_symbols else frame.assign(symbol=file.stem)), has_symbols


def _cut(frame: pd.DataFrame, start: DateLike | None, end: DateLike | None, label: str) -> pd.DataFrame:
    column = next((column for column in frame.columns if canonical_name(column) == "date"), None)
    if column is None or (start is None and end is None):
        return frame
    days = frame[column].to_numpy().astype("datetime64[D]")
    keep = np.ones(len(frame), dtype=bool)
    if start is not None:
        keep &= days >= to_day(start)
    if end is not None:
        keep &= days <= to_day(end)
    if not keep.any():
        raise DataError(f"{label}: no rows within {start}..{end}; the table spans {days.min()}..{days.max()}")
    return frame if keep.all() else frame[keep].reset_index(drop=True)


def _side_table(path: PathLike, columns: str) -> pd.DataFrame:
    table = read_table(path, columns)
    return table.rename(columns={column: canonical_name(column) for column in table.columns})


def _benchmark(path: PathLike) -> pd.DataFrame:
    table = _side_table(path, "date, close")
    require_columns(table, ("date", "close"), str(path))
    close = require_numbers(table["close"], f"{path}: close")
    refuse_where(close <= 0, close, f"{path}: close", "values above 0")
    return table.assign(date=read_days(table["date"], f"{path}: date").astype("datetime64[s]"), close=close)


def _membership(path: PathLike) -> pd.DataFrame:
    table = _side_table(path, "symbol, start, end")
    if "start" in table.columns:
        return membership_events(table, str(path))
    require_columns(table, ("symbol", "known_at", "member"), str(path))
    return table[["symbol", "known_at"]].assign(member=flags(table["member"], f"{path}: member"))


def _actions(path: PathLike) -> pd.DataFrame:
    table = _side_table(path, "symbol, known_at, ex_date, cash, ratio")
    if "known_at" not in table.columns and "ex_date" in table.columns:
        table["known_at"] = table["ex_date"]  # known at the latest on the ex-date itself
    require_columns(table, ACTION_COLUMNS, str(path))
    cash, ratio = (require_numbers(table[column], f"{path}: {column}") for column in ("cash", "ratio"))
    refuse_where(cash < 0, cash, f"{path}: cash", "0 or more a share held before")  # empty is 0
    refuse_where(ratio <= 0, ratio, f"{path}: ratio", "shares after a share before, above 0")  # empty is 1
    return table[list(ACTION_COLUMNS)].assign(cash=cash, ratio=ratio)


def _fundamentals(path: PathLike) -> pd.DataFrame:
    table = _side_table(path, "symbol, known_at, period_end and the items")
    disclosed = next((column for column in _DISCLOSED if column in table.columns), None)
    if disclosed is None:
        raise DataError(
            f"{path}: no disclosure date (one of {', '.join(_DISCLOSED)}); without it the figures would be known before"
            " they were published: add known_at"
        )
    table = table.rename(columns={disclosed: "known_at"})
    require_columns(table, ("symbol", "known_at", "period_end"), str(path))
    return table
