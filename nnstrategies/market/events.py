"""A market's single events placed on the rows and columns of a panel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nnstrategies.errors import DataError
from nnstrategies.market.bands import is_limit
from nnstrategies.market.book import EventKind, MarketEvent, Standing
from nnstrategies.panel import Panel


class EventRows:
    """Events by session; those of symbols or days that the panel does not have are left out.

    Raises DataError for an event whose value does not fit its kind.
    """

    def __init__(self, panel: Panel, events: Iterable[MarketEvent]) -> None:
        self._rows: dict[int, list[tuple[int, MarketEvent]]] = {}
        known = set(panel.symbols)
        for event in events:
            _check(event)
            if event.symbol in known:
                start = panel.calendar.first_on_or_after(event.day)
                last = panel.calendar.last_on_or_before(event.until or event.day)
                for t in range(start, last + 1):
                    self._rows.setdefault(t, []).append((panel.column(event.symbol), event))

    def __iter__(self) -> Iterator[tuple[int, int, MarketEvent]]:
        """(row, column, event) in order of rows."""
        return ((t, column, event) for t in sorted(self._rows) for column, event in self._rows[t])

    def of_kind(self, kind: EventKind, t: int) -> list[tuple[int, MarketEvent]]:
        """(column, event) of one kind on session t."""
        return [(column, event) for column, event in self._rows.get(t, ()) if event.kind == kind]

    def of(self, t: int, column: int) -> MarketEvent | None:
        """The last given event of a symbol on session t."""
        found = [event for own, event in self._rows.get(t, ()) if own == column]
        return found[-1] if found else None


def _check(event: MarketEvent) -> None:
    value = event.value
    fits = {
        "no_limit": value is None,
        "issue_price": value is not None and value > 0,
        "limit": value is not None and is_limit(value),
        "standing": value is not None and value in set(Standing),
    }
    if not fits[event.kind]:
        expected = {
            "no_limit": "no value",
            "issue_price": "a price above 0",
            "limit": "a percentage above 0 to 100 with at most two decimals",
            "standing": f"one of {', '.join(f'{item.value} ({item.name.lower()})' for item in Standing)}",
        }
        raise DataError(
            f"event {event.kind} of {event.symbol} on {event.day}: expected {expected[event.kind]}, got {value}"
        )
