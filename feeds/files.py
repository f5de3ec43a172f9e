"""Your own Parquet or CSV files: one long file, or a folder with one file a symbol, plus optional side tables."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from nnstrategies.calendar import Calendar, DateLike, to_day
from nnstrategies.errors import DataError
from nnstrategies.feeds.checks import LoadReport
from nnstrategies.feeds.columns import canonical_name, read_days
from nnstrategies.feeds.industries import check_industries, read_industries
from nnstrategies.feeds.read_file import PathLike, read_table
from nnstrategies.feeds.side_files import (
    read_actions,
    read_benchmark,
    read_delistings,
    read_listings,
    read_membership,
)
from nnstrategies.feeds.side_inputs import read_fundamentals, read_macro, read_news
from nnstrategies.feeds.side_tables import check_listing_days, missing_table
from nnstrategies.feeds.table import panel_from_table
from nnstrategies.panel import Panel

PRICE_COLUMNS = "date, symbol, open, high, low, close, volume"
_EVENTS = {
    "membership": read_membership,
    "actions": read_actions,
    "listings": read_listings,
    "delistings": read_delistings,
    "fundamentals": read_fundamentals,
    "macro": read_macro,
    "news": read_news,
    "industries": read_industries,
}


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
    listings: PathLike | None = None,
    delistings: PathLike | None = None,
    fundamentals: PathLike | None = None,
    macro: PathLike | None = None,
    news: PathLike | None = None,
    industries: PathLike | None = None,
    strict: bool = False,
) -> tuple[Panel, LoadReport]:
    """Read price files (a file, a folder, or a pattern such as ``prices/*.csv``) into a checked Panel.

    A file without a symbol column holds one symbol, named like the file. Symbols stay text (000001).
    start, end: sessions to keep, both included; benchmark: table date, close; membership: spans symbol, start, end
    (``end`` is the first day outside; empty if still inside) or events symbol, known_at, member; actions: symbol,
    ex_date, cash (per share), ratio (shares after per share before), and optionally bonus, rights, rights_price;
    listings: symbol, listed, and optionally issue_price; delistings: symbol, last_day, kind, and optionally price;
    fundamentals: symbol, period_end, the items, and a disclosure date; macro: known_at and the series, news: symbol,
    known_at and the measures; industries: symbol, industry, and known_at or start. Actions, listings and delistings
    take a column known_at where something was known on another day than its own.
    Raises MissingTableError for a file that is not there, DataError naming the file for one that cannot be read,
    for a symbol that trades before it was listed or after its last day, and the errors of ``panel_from_table``.
    """
    given = {
        "membership": membership,
        "actions": actions,
        "listings": listings,
        "delistings": delistings,
        "fundamentals": fundamentals,
        "macro": macro,
        "news": news,
        "industries": industries,
    }
    sides = {key: side for key, side in given.items() if side is not None}
    files = _price_files(path, [*sides.values(), *([] if benchmark is None else [benchmark])])
    frames, unnamed = [], []
    for file in files:
        frame, has_symbols = _read_prices(file)
        frames.append(frame)
        if not has_symbols:
            unnamed.append(file.stem)
    frame = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
    label = name or Path(path).stem
    frame = _cut(frame, start, end, label)
    events = {key: _EVENTS[key](side) for key, side in sides.items()}
    series = {} if benchmark is None else {"benchmark": read_benchmark(benchmark)}
    panel, report = panel_from_table(frame, calendar=calendar, name=label, series=series, events=events, strict=strict)
    check_listing_days(panel, report)
    check_industries(panel, report)
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
