"""What was known of a table of disclosures at each close: the newest record published by then.

A table is an event table of the panel: ``known_at``, usually ``symbol``, perhaps ``period_end``, and one column per
item. An empty cell is no record of its item: the one before stays in force. A record about an older period than one
already known (a late report, a restatement of last year) changes nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnstrategies.errors import DataError, MissingTableError
from nnstrategies.panel import Panel
from nnstrategies.typing import AnyArray, BoolArray, FloatArray, IntArray


def known_values(panel: Panel, table: str, item: str, max_age_days: int) -> FloatArray:
    """[T, N] of each listed symbol the newest value published by the close of t, NaN where there is none.

    A table without symbols is about all of them. max_age_days: calendar days after publication from which on a value
    no longer counts. Raises MissingTableError for a table or column that the panel does not have.
    """
    events = _records(panel, table, item)
    days = events["known_at"].to_numpy().astype("datetime64[D]")
    values = np.asarray(events[item], dtype=np.float64)
    columns = _columns(panel, events)
    periods = _periods(panel, table, events)
    keep = np.isfinite(values)
    keep &= _is_newest(columns, periods, days, keep)
    order = np.flatnonzero(keep)[np.lexsort((periods[keep], days[keep], columns[keep]))]
    rows = np.searchsorted(panel.sessions, days[order], side="left")
    within = rows < panel.T
    order, rows = order[within], rows[within]
    width = panel.N if "symbol" in events.columns else 1
    record = np.full((width, panel.T), -1, dtype=np.int64)
    record[columns[order], rows] = np.arange(len(order))  # of one day the last record counts
    np.maximum.accumulate(record, axis=1, out=record)
    known = record >= 0
    found = np.full(record.shape, np.nan)
    found[known] = values[order][record[known]]
    age = np.broadcast_to(panel.sessions, record.shape)[known] - days[order][record[known]]
    found[known] = np.where(age.astype(np.int64) <= max_age_days, found[known], np.nan)
    return np.where(panel.listed.T, found, np.nan).T  # [N, T] or [1, T] -> [T, N]


def _records(panel: Panel, table: str, item: str) -> pd.DataFrame:
    if table not in panel.event_names:
        raise MissingTableError(
            f"{panel.name}: no table {table!r}; add one with the column {item!r} (key data.{table} of a config, "
            f"docs/data.md), or leave the features that need it out"
        )
    events = panel.events(table)
    if item not in events.columns:
        has = ", ".join(str(column) for column in events.columns)
        raise MissingTableError(
            f"{panel.name}: table {table!r} has no column {item!r}; it has {has}: add the column, or leave the "
            f"features that need it out"
        )
    if events[item].dtype.kind not in "fiu":
        raise DataError(f"{panel.name}: table {table!r}: {item}: expected numbers, got {events[item].dtype}")
    return events


def _columns(panel: Panel, events: pd.DataFrame) -> IntArray:
    """[R] column of each record's symbol; 0 where the table has no symbols."""
    if "symbol" not in events.columns:
        return np.zeros(len(events), dtype=np.int64)
    codes, symbols = pd.factorize(events["symbol"])
    return np.array([panel.column(symbol) for symbol in symbols], dtype=np.int64)[codes]


def _periods(panel: Panel, table: str, events: pd.DataFrame) -> IntArray:
    """[R] the day that each record's period ended; 0 where the table does not say."""
    if "period_end" not in events.columns:
        return np.zeros(len(events), dtype=np.int64)
    ends = events["period_end"].to_numpy().astype("datetime64[D]")
    if np.isnat(ends).any():
        at = int(np.argmax(np.isnat(ends)))
        raise DataError(
            f"{panel.name}: table {table!r}: period_end: expected a date, got an empty cell in row {at}; fill it in"
        )
    return ends.astype(np.int64)


def _is_newest(columns: IntArray, periods: IntArray, days: AnyArray, usable: BoolArray) -> BoolArray:
    """[R] True where no usable record of the same symbol, published before or that day, is about a later period."""
    newest = np.zeros(len(columns), dtype=bool)
    order = np.flatnonzero(usable)
    order = order[np.lexsort((periods[order], days[order], columns[order]))]
    if len(order) == 0:
        return newest
    starts = np.r_[True, np.diff(columns[order]) != 0]
    # one running maximum over all symbols: each symbol's periods are lifted above those of the ones before it
    lift = (np.cumsum(starts) - 1) * (int(np.ptp(periods[order])) + 1)
    raised = periods[order] + lift
    newest[order] = raised >= np.maximum.accumulate(raised)
    return newest
