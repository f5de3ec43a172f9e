"""Orders that a strategy wants, and how they reach its broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Wish(NamedTuple):
    """An order to place: shares of a column, negative to sell; the target weight, the rank among the buys and why."""

    column: int
    size: float
    target: float
    rank: int
    reason: str

    @property
    def info(self) -> dict[str, Any]:
        """What the order carries for those who look at it later."""
        return {"target": self.target, "rank": self.rank, "reason": self.reason}


def _place(strategy: Any, feeds: Mapping[int, Any], wish: Wish) -> None:
    act = strategy.buy if wish.size > 0 else strategy.sell
    act(data=feeds[wish.column], size=abs(wish.size), **wish.info)


def place_all(strategy: Any, feeds: Mapping[int, Any], wishes: Sequence[Wish]) -> None:
    """Place them, at once where strategy and broker can: the fills are the same and take a fraction of the time."""
    at_once = getattr(strategy.broker, "place", None) if strategy.hears_batches else None
    wanted = [wish for wish in wishes if wish.size]
    columns = [feeds[wish.column] for wish in wanted]
    sizes, infos = [wish.size for wish in wanted], [wish.info for wish in wanted]
    if at_once is None or at_once(strategy, columns, sizes, None, infos) is None:
        for wish in wanted:
            _place(strategy, feeds, wish)
