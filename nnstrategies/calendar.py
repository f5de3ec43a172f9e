"""Trading sessions: where a date lies, where a month ends, what the exchange's own calendar says."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from nnstrategies.errors import DataError
from nnstrategies.typing import BoolArray, DateArray, IntArray

DateLike = str | dt.date | np.datetime64 | pd.Timestamp


def to_day(date: DateLike) -> np.datetime64:
    """Return ``date`` as datetime64[D]; the time of day is dropped."""
    return np.datetime64(pd.Timestamp(date).date(), "D")


@dataclass(frozen=True)
class Calendar:
    """Strictly increasing sessions [T], datetime64[D]."""

    sessions: DateArray

    def __post_init__(self) -> None:
        days = np.ascontiguousarray(self.sessions, dtype="datetime64[D]")
        if days.ndim != 1 or len(days) == 0:
            raise DataError("calendar: expected at least one session, got none")
        steps = np.diff(days).astype(np.int64)
        if (steps <= 0).any():
            at = int(np.flatnonzero(steps <= 0)[0]) + 1
            raise DataError(f"calendar: sessions must increase strictly; {days[at]} follows {days[at - 1]}")
        days.flags.writeable = False
        object.__setattr__(self, "sessions", days)

    @classmethod
    def exchange(cls, name: str, start: DateLike, end: DateLike) -> Calendar:
        """Sessions of an exchange (an ISO 10383 code such as ``XSHG``), both ends included.

        Source: the exchange_calendars package. Raises DataError for an unknown exchange.
        """
        import exchange_calendars
        from exchange_calendars.errors import CalendarError, InvalidCalendarName

        first, last = to_day(start), to_day(end)
        begin = first - np.timedelta64(int(first == last), "D")  # the package makes no calendar of a single day
        try:
            exchange = exchange_calendars.get_calendar(name, start=str(begin), end=str(last))
        except InvalidCalendarName:
            raise DataError(
                f"calendar: unknown exchange {name!r}; use an ISO 10383 code such as XSHG or XNYS"
            ) from None
        except (CalendarError, ValueError) as error:
            raise DataError(
                f"calendar: {name} has no sessions for {first}..{last}: {str(error).splitlines()[0]} Check the dates"
            ) from None
        days = exchange.sessions.to_numpy().astype("datetime64[D]")
        return cls(days[days >= first])

    def __len__(self) -> int:
        return len(self.sessions)

    def index(self, date: DateLike) -> int:
        """Position of ``date``; raises DataError when it is no session."""
        day = to_day(date)
        at = int(np.searchsorted(self.sessions, day))
        if at == len(self.sessions) or self.sessions[at] != day:
            raise DataError(f"calendar: {day} is not a session of {self.sessions[0]}..{self.sessions[-1]}")
        return at

    def last_on_or_before(self, date: DateLike) -> int:
        """Position of the last session not after ``date``, -1 when all sessions are later."""
        return int(np.searchsorted(self.sessions, to_day(date), side="right")) - 1

    def first_on_or_after(self, date: DateLike) -> int:
        """Position of the first session not before ``date``, T when all sessions are earlier."""
        return int(np.searchsorted(self.sessions, to_day(date), side="left"))

    @cached_property
    def months(self) -> IntArray:
        """[T] months since 1970-01."""
        return self.sessions.astype("datetime64[M]").astype(np.int64)

    @cached_property
    def is_first_of_month(self) -> BoolArray:
        """[T] True on the first session of each month that has a session of another month before it.

        Unlike a month's end, a month's start is known on the day itself, without a look at the next session.
        """
        first = np.zeros(len(self), dtype=bool)
        first[1:] = self.months[1:] != self.months[:-1]
        return first

    @cached_property
    def is_first_of_week(self) -> BoolArray:
        """[T] the same for weeks, Monday to Sunday."""
        weeks = (self.sessions.astype(np.int64) + 3) // 7
        first = np.zeros(len(self), dtype=bool)
        first[1:] = weeks[1:] != weeks[:-1]
        return first
