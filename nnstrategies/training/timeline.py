"""Which version was in force when: append-only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from nnstrategies.calendar import DateLike, to_day
from nnstrategies.errors import RegistryError
from nnstrategies.training.version import Version

PROMOTED = "promoted"
KEPT = "kept incumbent"


@dataclass(frozen=True)
class Entry:
    """From the session ``effective_from`` on (the one after ``trained_through``) ``version`` makes the scores.

    trained_through: the close as of which the decision was taken; a kept incumbent's own data ends earlier.
    """

    effective_from: dt.date
    version: Version
    trained_through: dt.date
    decision: str = PROMOTED


class Timeline:
    """Entries by date. ``append`` refuses to change the past."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries: list[Entry] = []
        for entry in entries:
            self.append(entry)

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries)

    def append(self, entry: Entry) -> None:
        """Add a later entry; RegistryError when it is not later, or in force before its training data ended."""
        if entry.effective_from <= entry.trained_through:
            raise RegistryError(
                f"timeline: a version trained through {entry.trained_through} cannot be in force on "
                f"{entry.effective_from}; expected a later session"
            )
        if self._entries and entry.effective_from <= self._entries[-1].effective_from:
            raise RegistryError(
                f"timeline: expected an entry after {self._entries[-1].effective_from}, got {entry.effective_from}; "
                f"the past is never changed"
            )
        self._entries.append(entry)

    def at(self, date: DateLike | dt.date) -> Version | None:
        """The version in force on ``date``, None before the first."""
        day = pd.Timestamp(to_day(date)).date()
        found = None
        for entry in self._entries:
            if entry.effective_from > day:
                break
            found = entry.version
        return found

    def to_json(self) -> list[dict[str, Any]]:
        """Rows for a run folder's timeline.json."""
        return [
            {
                "recipe": entry.version.manifest["recipe"],
                "seed": entry.version.manifest["seed"],
                "version": entry.version.id,
                "asof": entry.trained_through.isoformat(),
                "trained_through": entry.version.manifest["trained_through"],
                "effective_from": entry.effective_from.isoformat(),
                "decision": entry.decision,
                "metrics": dict(entry.version.metrics),
            }
            for entry in self._entries
        ]
