"""Targets that a session did not let a strategy reach, to be tried again on the sessions after."""

from __future__ import annotations

from typing import Any, NamedTuple

from nnstrategies.view import View

_REPAIRABLE = frozenset(
    {"limit-up", "limit-down", "suspended", "no price", "T+1", "participation cap", "cash short"}
)  # what another session may cure


class Retry(NamedTuple):
    """An order to place again: ``amount`` in currency at this close, a sale when ``sell``; rank among the buys."""

    column: int
    sell: bool
    amount: float
    target: float
    rank: int


class Repairs:
    """What is unfinished, by column, in the order in which it was refused: sales first, then buys, best first."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[float, str]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def clear(self) -> None:
        self._open.clear()

    def note(self, column: int, info: Any) -> None:
        """Remember the target of an order that ended with a reason which another session may cure."""
        target = info.get("target", None)
        why = info.get("refusal", "") or info.get("shortfall", "")
        if target is not None and why in _REPAIRABLE:
            self._open[column] = float(target), why

    def drop(self, column: int) -> bool:
        """Forget a column; whether all of it was to be sold."""
        return self._open.pop(column, (1.0, ""))[0] == 0

    def retries(self, view: View) -> list[Retry]:
        """What to order at this close; each is forgotten until the broker refuses it again.

        A suspended stock waits until it has traded. A purchase cut for want of cash is tried beside a sale only, and
        waits while one does: without a sale there is no new cash.
        """
        known = {column: why for column, why in self._open.items() if view.listed[column]}
        gaps = {column: target * view.value - view.worth[column] for column, (target, _) in known.items()}
        waiting = {column for column in known if view.suspended[column]}
        sales = [column for column, gap in gaps.items() if gap < 0 and column not in waiting]
        if not sales and any(gaps[column] < 0 for column in waiting):
            waiting |= {column for column, (_, why) in known.items() if why == "cash short"}
        buys = [
            column
            for column, (_, why) in known.items()
            if gaps[column] > 0 and column not in waiting and (why != "cash short" or sales)
        ]
        self._open = {column: known[column] for column in known if column in waiting}
        retries = [Retry(column, True, -gaps[column], known[column][0], 0) for column in sales]
        return retries + [Retry(c, False, gaps[c], known[c][0], rank) for rank, c in enumerate(buys)]
