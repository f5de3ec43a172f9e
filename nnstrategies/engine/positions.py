"""Positions that say when they change, so that the broker need not look at all of them every day."""

from __future__ import annotations

import collections
from typing import Any

from backtrader.position import Position


class Changes:
    """Whether any position has changed since the broker last looked."""

    __slots__ = ("seen",)

    def __init__(self) -> None:
        self.seen = False


class WatchedPosition(Position):
    """backtrader's Position; whoever changes it through its methods, the broker hears of it."""

    changes = Changes()  # of no broker, until there is one

    def fix(self, size: float, price: float) -> Any:
        self.changes.seen = False
        return super().fix(size, price)

    def set(self, size: float, price: float) -> Any:
        self.changes.seen = False
        return super().set(size, price)

    def update(self, size: float, price: float, dt: Any = None) -> Any:
        self.changes.seen = False
        return super().update(size, price, dt)


class Positions(collections.defaultdict[Any, WatchedPosition]):
    """Positions by feed; a feed that is asked about gets a flat one, as in BackBroker."""

    def __init__(self, changes: Changes) -> None:
        super().__init__(WatchedPosition)
        self._changes = changes

    def __missing__(self, data: Any) -> WatchedPosition:
        made = self[data] = WatchedPosition()
        made.changes = self._changes
        return made

    def __reduce__(self) -> Any:
        return Positions, (self._changes,), None, None, iter(self.items())
