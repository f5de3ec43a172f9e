"""When a recipe is refitted through time, and what a refit starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nnstrategies.calendar import Calendar
from nnstrategies.errors import ConfigError, DataError

Start = Literal["scratch", "warm"]


@dataclass(frozen=True)
class RefitPlan:
    """Rows as of which a recipe is refitted, and how one refit depends on the one before.

    rows: rising. start: ``warm`` begins at the weights in force (S2's monthly online update), ``scratch`` anew.
    gate: a candidate replaces the version in force only where it is not worse on the purged validation rows.
    reset_months: every so many months a refit forgets what was in force: from scratch, and promoted. None: never.
    """

    rows: tuple[int, ...]
    start: Start = "scratch"
    gate: bool = False
    reset_months: int | None = None

    def __post_init__(self) -> None:
        if list(self.rows) != sorted(set(self.rows)) or not self.rows:
            raise DataError(f"walk-forward: expected rising refit rows, got {list(self.rows)[:5]}")
        if self.reset_months is not None and self.reset_months < 1:
            raise ConfigError(f"walk-forward: reset_months: expected at least 1, or none, got {self.reset_months}")
        if self.reset_months is not None and not self.follows:
            raise ConfigError(
                "walk-forward: reset_months belongs to start: warm or gate: true; every refit from scratch is a reset"
            )

    @property
    def follows(self) -> bool:
        """Whether a refit depends on the one before."""
        return self.start == "warm" or self.gate

    def chains(self, calendar: Calendar) -> list[tuple[int, ...]]:
        """The rows in runs that depend on each other; any two runs are independent."""
        chains: list[list[int]] = []
        begun = 0  # month in which the current chain began
        for row in self.rows:
            month = int(calendar.months[row])
            reset = self.reset_months is not None and month - begun >= self.reset_months
            if not chains or not self.follows or reset:
                chains.append([])
                begun = month
            chains[-1].append(row)
        return [tuple(chain) for chain in chains]
