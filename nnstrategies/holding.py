"""What a decision at the close of session t would have earned, and the session that makes it known.

It is entered once and left once: at opens for what trades, from the close on for forecasts of a price. A suspension at
the exit moves it, a delisting brings it forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from nnstrategies.errors import ConfigError
from nnstrategies.panel import Panel, Status
from nnstrategies.typing import BoolArray, FloatArray, IntArray

Horizon = Literal["days", "month", "week"]
Price = Literal["open", "close", "overnight"]
Field = Literal["open", "close"]

_MOST_DAYS = {"month": 31, "week": 7}  # sessions from one decision to the next, at most, on any calendar
_USUAL_DAYS = {"month": 21, "week": 5}


@dataclass(frozen=True)
class Holding:
    """When a decision at the close of session t is entered and left.

    horizon: ``days``: ``days`` sessions. ``month``, ``week``: from one rebalancing day of the strategies here to the
        next, so lengths vary: only the first session of each month (week) has a decision, and it lasts until that of
        the next one.
    price: ``open``: from the open after the decision to the open after its horizon. ``close``: from the close of the
        decision itself to the close ``days`` sessions later, for forecasts of the next close. ``overnight``: from the
        close of the decision to the next open, for forecasts of that open.
    """

    days: int = 10
    horizon: Horizon = "days"
    price: Price = "open"

    def __post_init__(self) -> None:
        if self.horizon not in ("days", "month", "week"):
            raise ConfigError(f"labels: horizon: expected days, month or week, got {self.horizon!r}")
        if self.price not in ("open", "close", "overnight"):
            raise ConfigError(f"labels: price: expected open, close or overnight, got {self.price!r}")
        if self.days < 1:
            raise ConfigError(f"labels: horizon_days: expected at least 1, got {self.days}")
        if self.price == "overnight" and self.days != 1:
            raise ConfigError(
                f"labels: price overnight ends at the next open: expected horizon_days 1, got {self.days}"
            )
        if self.horizon != "days" and self.price != "open":
            raise ConfigError(
                f"labels: horizon {self.horizon} belongs to price open, because a decision is traded at the next open; "
                f"got price {self.price}"
            )

    @property
    def entry(self) -> Field:
        """The price at which it is entered."""
        return "open" if self.price == "open" else "close"

    @property
    def exit(self) -> Field:
        """The price at which it is left."""
        return "close" if self.price == "close" else "open"

    @property
    def most_days(self) -> int:
        """Sessions from entry to exit, at most, suspensions aside."""
        return self.days if self.horizon == "days" else _MOST_DAYS[self.horizon]

    @property
    def usual_days(self) -> int:
        """Sessions from entry to exit, as a rule."""
        return self.days if self.horizon == "days" else _USUAL_DAYS[self.horizon]

    def rows(self, panel: Panel) -> tuple[IntArray, IntArray]:
        """Rows [T] of the entry and of the exit when nothing delays it; T where there is none in the panel."""
        rows = np.arange(panel.T)
        if self.horizon == "days":
            enter = rows + 1 if self.entry == "open" else rows
            return np.minimum(enter, panel.T), np.minimum(enter + self.days, panel.T)
        calendar = panel.calendar
        decisions = np.flatnonzero(calendar.is_first_of_month if self.horizon == "month" else calendar.is_first_of_week)
        enter, due = np.full(panel.T, panel.T), np.full(panel.T, panel.T)
        enter[decisions] = decisions + 1
        due[decisions[:-1]] = decisions[1:] + 1
        return np.minimum(enter, panel.T), np.minimum(due, panel.T)


@dataclass(frozen=True)
class Outcome:
    """returns, end: [T, N], NaN and -1 where there is none. due: [T] row of the exit when nothing delays it."""

    returns: FloatArray
    end: IntArray
    due: IntArray


def outcome(panel: Panel, holding: Holding) -> Outcome:
    """Returns of adjusted prices; ``end``: the session by whose close each is known.

    None where the symbol is not listed at t or does not trade at its entry. The exit falls on the first trading session
    from the due one on. A symbol delisted before leaves at its last close; the end is then the first session on which
    it is gone.
    """
    enter, due = holding.rows(panel)
    last = panel.T - 1
    columns = np.arange(panel.N)[None, :]
    paid, prices, closes = (panel.adjusted(field) for field in (holding.entry, holding.exit, "close"))
    bought = np.minimum(enter, last)
    enters = panel.listed & (enter < panel.T)[:, None] & panel.trading[bought]
    leaves = next_row(panel.trading)[due]  # [T, N], T where none
    gone = next_row(panel.status == Status.DELISTED)[np.minimum(enter + 1, panel.T)]
    end = np.minimum(leaves, gone)
    last_close = closes[np.clip(gone - 1, 0, last), columns]
    got = np.where(leaves < gone, prices[np.minimum(leaves, last), columns], last_close)
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = got / paid[bought] - 1
    known = enters & (end < panel.T) & np.isfinite(returns)
    return Outcome(np.where(known, returns, np.nan), np.where(known, end, -1), due)


def next_row(true: BoolArray) -> IntArray:
    """[T + 1, N] the first row from t on where ``true`` holds, T where none does."""
    total = len(true)
    at = np.full((total + 1, true.shape[1]), total, dtype=np.int64)
    at[:-1] = np.where(true, np.arange(total)[:, None], total)
    return np.minimum.accumulate(at[::-1], axis=0)[::-1]
