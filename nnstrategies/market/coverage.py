"""Dated entries must tile the time: no gap, no overlap, from a board's first day to today and on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from itertools import pairwise
from typing import TypeVar

from nnstrategies.errors import ConfigError
from nnstrategies.market.book import Dated

Entry = TypeVar("Entry", bound=Dated)

ONE_DAY = dt.timedelta(days=1)


def tiled(entries: Iterable[Entry], start: dt.date, where: str) -> tuple[Entry, ...]:
    """The entries in order of time, once they are known to cover every day from ``start`` on exactly once.

    The first may begin before ``start``; the last must have no end. ConfigError says where the gap or overlap lies.
    """
    rows = tuple(sorted(entries, key=lambda entry: entry.start))
    if not rows:
        raise ConfigError(f"{where}: no entry; add one from {start} on")
    if rows[0].start > start:
        raise ConfigError(
            f"{where}: gap {start}..{rows[0].start - ONE_DAY}: the first entry begins {rows[0].start}; begin it on"
            f" {start}, or add the rule of those days"
        )
    for entry, following in pairwise(rows):
        if entry.end is None or entry.end >= following.start:
            raise ConfigError(
                f"{where}: overlap {following.start}..{_first_end(entry, following)}: {_both(entry, following)}"
            )
        if entry.end + ONE_DAY < following.start:
            raise ConfigError(
                f"{where}: gap {entry.end + ONE_DAY}..{following.start - ONE_DAY}; add the rule of those days, or mend"
                f" the 'to' of {entry.source!r} or the 'from' of {following.source!r}"
            )
    if rows[-1].end is not None:
        raise ConfigError(
            f"{where}: gap {rows[-1].end + ONE_DAY}..: the last entry ends {rows[-1].end}; "
            "leave 'to' out where a rule is still in force"
        )
    return rows


def _first_end(entry: Dated, following: Dated) -> str:
    ends = [end for end in (entry.end, following.end) if end is not None]
    return str(min(ends)) if ends else ""


def _both(entry: Dated, following: Dated) -> str:
    return f"{entry.source!r} and {following.source!r}; give the earlier one a 'to'"
