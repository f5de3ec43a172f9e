"""Which rows train, which validate, and when a model is refitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from nnstrategies.calendar import Calendar, DateLike
from nnstrategies.errors import ConfigError, DataError, FitError

Period = Literal["once", "month", "quarter", "year"]
Every = Period | int  # a calendar period, or a number of sessions

_MONTHS = {"month": 1, "quarter": 3, "year": 12}


class Rows(NamedTuple):
    """Rows first..last (none when last < first) of which only labels known by the close of ``known_by`` count.

    ``samples.rows(*split.train)`` gives the samples.
    """

    first: int
    last: int
    known_by: int


@dataclass(frozen=True)
class Split:
    """Training rows, then validation rows; no training label ends on or after the first validation row."""

    train: Rows
    valid: Rows


def trailing_split(
    samples_T: int,
    asof: int,
    train_days: int | None,
    valid_days: int,
    embargo_days: int = 0,
) -> Split:
    """The last ``valid_days`` rows ending at ``asof`` validate, the ``train_days`` before them (None: all) train.

    Purging is by label end: training labels must be known before the first validation row (minus embargo_days more),
    validation labels by ``asof``. Of the validation rows the last ones therefore have no label yet. valid_days = 0
    gives no validation rows. Raises FitError when no training row is left, DataError when ``asof`` is outside the
    samples.
    """
    if not 0 <= asof < samples_T:
        raise DataError(f"split: asof: expected a row from 0 to {samples_T - 1}, got {asof}")
    if valid_days < 0 or embargo_days < 0 or (train_days is not None and train_days < 1):
        raise ConfigError(
            f"split: expected train_days >= 1, valid_days >= 0 and embargo_days >= 0, "
            f"got {train_days}, {valid_days} and {embargo_days}"
        )
    first_valid = asof - valid_days + 1
    last_train = first_valid - 1 - embargo_days
    if last_train < 0:
        raise FitError(
            f"split: {asof + 1} sessions up to row {asof} leave none to train on beside {valid_days} validation and "
            f"{embargo_days} embargo days; begin the data earlier or validate on fewer days"
        )
    first_train = 0 if train_days is None else max(0, last_train - train_days + 1)
    return Split(Rows(first_train, last_train, last_train), Rows(first_valid, asof, asof))


def refit_rows(calendar: Calendar, first: int | DateLike, last: int | DateLike, every: Every) -> list[int]:
    """Rows as of which a model is refitted for a test from ``first`` to ``last`` (rows or dates, both included).

    The first is the session before the test; then the last session before each new month, quarter or year of the test,
    or every so many sessions. The version fitted as of row r is in force from row r + 1.
    """
    whole = isinstance(every, int) and every >= 1
    if not whole and every != "once" and every not in _MONTHS:
        raise ConfigError(
            f"refits: expected once, every month, quarter or year, or a number of sessions, got {every!r}"
        )
    start = int(first) if isinstance(first, int | np.integer) else calendar.first_on_or_after(first)
    stop = int(last) if isinstance(last, int | np.integer) else calendar.last_on_or_before(last)
    if not 1 <= start <= stop < len(calendar):
        raise DataError(
            f"refits: the test {first}..{last} must lie within {calendar.sessions[0]}..{calendar.sessions[-1]} "
            f"and have a session before it"
        )
    if every == "once":
        return [start - 1]
    if isinstance(every, int):
        return list(range(start - 1, stop, every))
    period = calendar.months // _MONTHS[every]
    return [row - 1 for row in range(start, stop + 1) if row == start or period[row] != period[row - 1]]
