"""A long table (one row a symbol and date) becomes a checked ``Panel``; every mend is counted in the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nnstrategies.calendar import Calendar
from nnstrategies.errors import DataError
from nnstrategies.feeds.action_steps import action_steps, compare_factor, derive_factor
from nnstrategies.feeds.checks import Cells, LoadReport
from nnstrategies.feeds.columns import OPTIONAL, REQUIRED, flags, numbers, read_days, read_symbols, rename_columns
from nnstrategies.feeds.listing import fill_listing
from nnstrategies.feeds.side_tables import SeriesLike, align_series, known_events
from nnstrategies.panel import PRICE_FIELDS, Panel, Status
from nnstrategies.typing import AnyArray, BoolArray, DateArray, IntArray


def panel_from_table(
    frame: pd.DataFrame,
    *,
    calendar: str | Calendar | None,
    name: str,
    series: Mapping[str, SeriesLike] | None = None,
    events: Mapping[str, pd.DataFrame] | None = None,
    strict: bool = False,
) -> tuple[Panel, LoadReport]:
    """Check a long table and return it as a Panel together with what was mended.

    frame: columns date, symbol, open, high, low, close (raw prices), volume (shares); optional amount, adj_factor,
        paused, pre_close, limit_up, limit_down, is_st, turnover, float_shares; others are kept as extra fields.
    calendar: an exchange code (``XSHG``), a Calendar, or None for the dates of the table.
    series: name -> one value a session; events: name -> table with ``known_at`` (see ``Panel``).
    strict: raise DataError instead of mending.

    A symbol is listed from its first priced row to its last row. Suspended rows repeat the last close with volume 0;
    sessions without a row inside a listing are MISSING and repeat it too; both keep the last adj_factor. Events
    ``actions`` are held against the closes and the steps of adj_factor, which is derived from them where it is absent.
    Raises DataError for what cannot be mended (docs/data.md lists it).
    """
    report = LoadReport(name)
    frame = rename_columns(frame, report)
    grid = _Grid.of(frame, calendar, report)
    fields = _place_columns(frame, grid, report)
    paused = _paused(frame, fields, grid, report)
    status = fill_listing(fields, paused, grid.present, grid.cells, report)
    listed_ever: BoolArray = np.any(status != Status.UNLISTED, axis=1)
    if not listed_ever.all():
        status, fields, grid = _drop_unpriced(status, fields, grid, listed_ever, report)
    aligned = align_series(series or {}, grid.cells.sessions, report)
    known = known_events(events or {}, grid.cells.symbols, report)
    if "actions" in known:
        _take_actions(known["actions"], fields, status, "adj_factor" in frame.columns, grid.cells, report)
    elif "adj_factor" not in frame.columns:
        report.caution("column 'adj_factor' absent", 1, "", "factor 1: splits and dividends look like price moves")
    if strict:
        report.refuse_repairs()
    shown = {key: values.T for key, values in fields.items()}  # [N, T] -> [T, N] without a copy
    return Panel(grid.cells.sessions, grid.cells.symbols, shown, status.T, aligned, known, name), report


@dataclass(frozen=True)
class _Grid:
    """Where each row [R] of the table lies in the flattened symbol-major grid [N * T]."""

    cells: Cells
    rows: IntArray | None  # rows of the table to take; None: all of them
    position: IntArray  # [R'] their positions
    present: BoolArray  # [N, T]

    @classmethod
    def of(cls, frame: pd.DataFrame, calendar: str | Calendar | None, report: LoadReport) -> _Grid:
        if frame.empty:
            raise DataError(f"{report.name}: the table has no rows")
        days = read_days(frame["date"], f"{report.name}: date", report)
        if np.isnat(days).any():
            raise DataError(f"{report.name}: date: empty in row {int(np.argmax(np.isnat(days)))}")
        codes, symbols = read_symbols(frame["symbol"], f"{report.name}: symbol", report)
        sessions = _sessions(days, calendar, report)
        position = codes * len(sessions) + np.searchsorted(sessions, days)
        cells = Cells(symbols, sessions)
        rows = None if (np.diff(position) > 0).all() else _sorted_rows(frame, position, codes, cells, report)
        position = position if rows is None else position[rows]
        present = np.zeros((len(symbols), len(sessions)), dtype=bool)
        present.flat[position] = True
        return cls(cells, rows, position, present)

    def place(self, values: AnyArray) -> AnyArray:
        """Rows [R] -> grid [N, T], NaN (or False) where the table has no row."""
        empty = False if values.dtype == bool else np.nan
        placed = np.full(self.present.size, empty, dtype=values.dtype)
        placed[self.position] = values if self.rows is None else values[self.rows]
        return placed.reshape(self.present.shape)


def _sessions(days: DateArray, calendar: str | Calendar | None, report: LoadReport) -> DateArray:
    dates = np.unique(days)
    if calendar is None:
        return dates
    if isinstance(calendar, str):
        source, sessions = calendar, Calendar.exchange(calendar, dates[0], dates[-1]).sessions
    else:
        source, sessions = "the calendar given", calendar.sessions
        sessions = sessions[(sessions >= dates[0]) & (sessions <= dates[-1])]
    unknown = np.setdiff1d(dates, sessions)
    if len(unknown):
        first = ", ".join(map(str, unknown[:3]))
        raise DataError(
            f"{report.name}: {len(unknown):,} dates are no session of {source}, first {first};"
            " remove those rows, or take the dates of your own tables as they are: data.calendar: null (source files)"
            " in a config, calendar=None in Python"
        )
    empty = np.setdiff1d(sessions, dates)
    if len(empty):
        report.caution(
            f"sessions of {source} without any row", len(empty), str(empty[0]), "every symbol is missing then"
        )
    return sessions


def _sorted_rows(
    frame: pd.DataFrame, position: IntArray, codes: IntArray, cells: Cells, report: LoadReport
) -> IntArray:
    """Rows of the table in grid order, identical duplicates dropped; conflicting ones raise DataError."""
    order = np.argsort(position, kind="stable")
    again = np.flatnonzero(np.diff(position[order]) == 0) + 1  # places in `order` that repeat the one before
    if len(again):
        _refuse_conflicts(frame, order[again - 1], order[again], position, cells, report.name)
        first = cells.name_of(int(position[order[again[0]]]))
        report.repair("identical duplicate rows", len(again), first, "dropped")
        order = np.delete(order, again)
    back = (np.diff(order) < 0) & (np.diff(codes[order]) == 0)
    if back.any():
        first = cells.name_of(int(position[order[int(np.argmax(back)) + 1]]))
        report.repair("rows not in order of date", int(back.sum()), first, "sorted")
    return order


def _refuse_conflicts(
    frame: pd.DataFrame, former: IntArray, latter: IntArray, position: IntArray, cells: Cells, name: str
) -> None:
    for column in frame.columns.drop(["date", "symbol"]):
        one, other = _plain(frame[column].iloc[former]), _plain(frame[column].iloc[latter])
        differ = one != other
        if differ.any():
            at = int(np.argmax(differ))
            raise DataError(
                f"{name}: conflicting rows for {cells.name_of(int(position[former[at]]))}: {column} {one[at]} and"
                f" {other[at]} ({int(differ.sum()):,} such pairs); keep the right one"
            )


def _plain(values: pd.Series) -> AnyArray:
    """Values as objects, None where empty: two empty cells are equal."""
    return values.astype(object).where(values.notna(), None).to_numpy()


def _place_columns(frame: pd.DataFrame, grid: _Grid, report: LoadReport) -> dict[str, AnyArray]:
    """Every numeric column as [N, T]; extra columns are kept, columns of text dropped, both counted."""
    fields: dict[str, AnyArray] = {}
    known = (*REQUIRED, *OPTIONAL)
    wanted = [column for column in known if column in frame.columns] + sorted(frame.columns.difference(list(known)))
    for column in wanted:
        if column in ("date", "symbol", "paused"):
            continue
        values = numbers(frame[column], f"{report.name}: {column}")
        if values is None:
            if column in known:
                raise DataError(f"{report.name}: {column}: expected numbers, got {frame[column].iloc[0]!r}")
            report.repair(f"unknown column {column!r}", len(frame), "", "dropped: it holds no numbers")
            continue
        if column not in known:
            report.caution(f"unknown column {column!r}", len(frame), "", "kept as an extra field")
        if np.isinf(values).any():
            raise DataError(f"{report.name}: {column}: {int(np.isinf(values).sum()):,} infinite values; remove them")
        fields[column] = grid.place(values)
    if "adj_factor" not in fields:
        fields["adj_factor"] = np.where(grid.present, np.float32(1), np.float32(np.nan))
    return fields


def _paused(frame: pd.DataFrame, fields: dict[str, AnyArray], grid: _Grid, report: LoadReport) -> BoolArray:
    """[N, T] True on suspended rows; zeros that stand for 'no price' there become NaN, counted."""
    idle = fields["volume"] == 0
    if "paused" in frame.columns:
        paused = grid.place(flags(frame["paused"], f"{report.name}: paused"))
        quiet = idle & ~paused
        report.caution(
            "rows with volume 0 that are not paused", quiet.sum(), grid.cells.first(quiet), "left as trading"
        )
    else:
        paused = idle
        report.repair(
            "rows with volume 0", idle.sum(), grid.cells.first(idle), "taken as suspended: no column 'paused'"
        )
    zero = paused & (fields["close"] == 0)
    report.repair("suspended rows with price 0", zero.sum(), grid.cells.first(zero), "last close repeated")
    for price in PRICE_FIELDS:
        fields[price][paused & (fields[price] == 0)] = np.nan
    return paused


def _take_actions(
    table: pd.DataFrame, fields: dict[str, AnyArray], status: AnyArray, given: bool, cells: Cells, report: LoadReport
) -> None:
    """Hold actions against the prices; ``given``: adj_factor is the table's own, else it is derived in place."""
    steps = action_steps(table, fields["close"], status, cells, report)
    if given:
        compare_factor(steps, fields["adj_factor"], cells, report)
    else:
        listed = (status != Status.UNLISTED) & (status != Status.DELISTED)
        fields["adj_factor"] = derive_factor(steps, listed, cells, report)


def _drop_unpriced(
    status: AnyArray, fields: dict[str, AnyArray], grid: _Grid, keep: BoolArray, report: LoadReport
) -> tuple[AnyArray, dict[str, AnyArray], _Grid]:
    dropped = [symbol for symbol, kept in zip(grid.cells.symbols, keep, strict=True) if not kept]
    if not keep.any():
        raise DataError(f"{report.name}: no symbol has a row with all of open, high, low and close")
    report.repair("symbols without any price", len(dropped), dropped[0], "dropped")
    symbols = tuple(symbol for symbol, kept in zip(grid.cells.symbols, keep, strict=True) if kept)
    cut = _Grid(Cells(symbols, grid.cells.sessions), grid.rows, grid.position, grid.present[keep])
    return status[keep], {key: values[keep] for key, values in fields.items()}, cut
