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


class _Open(NamedTuple):
    target: float
    sell: bool
    why: str


class Repairs:
    """What is unfinished, by column, in the order in which it was refused: sales first, then buys, best first."""

    def __init__(self) -> None:
        self._open: dict[int, _Open] = {}

    def __len__(self) -> int:
        return len(self._open)

    def clear(self) -> None:
        self._open.clear()

    def note(self, column: int, info: Any, sell: bool) -> None:
        """Remember the target of an order that ended with a reason which another session may cure."""
        target = info.get("target", None)
        why = info.get("refusal", "") or info.get("shortfall", "")
        if target is not None and why in _REPAIRABLE:
            self._open[column] = _Open(float(target), sell, why)

    def leaving(self) -> set[int]:
        """Columns that were to be sold whole and still are."""
        return {column for column, one in self._open.items() if one.sell and one.target == 0}

    def drop(self, column: int) -> bool:
        """Forget a column; whether all of it was to be sold."""
        dropped = self._open.pop(column, None)
        return dropped is not None and dropped.sell and dropped.target == 0

    def retries(self, view: View, exits: int = 0) -> list[Retry]:
        """What to order at this close; each is forgotten until the broker refuses it again.

        A price that has carried a weight past its target ends the matter: no sale comes back as a purchase. A
        suspended stock waits until it has traded. A purchase cut for want of cash is tried beside a sale only (one of
        these, or of the ``exits`` ordered at this close), and waits while one waits: else there is no new cash.
        """
        missing = {column: self._missing(column, view) for column in self._open}  # in currency
        known = {column: self._open[column] for column, gap in missing.items() if gap > 0}
        waiting = {column for column in known if view.suspended[column]}
        sales = [column for column, one in known.items() if one.sell and column not in waiting]
        cash = bool(exits or sales)
        if not cash and any(known[column].sell for column in waiting):
            waiting |= {column for column, one in known.items() if one.why == "cash short"}
        buys = [
            column
            for column, one in known.items()
            if not one.sell and column not in waiting and (one.why != "cash short" or cash)
        ]
        self._open = {column: one for column, one in known.items() if column in waiting}
        retries = [Retry(column, True, missing[column], known[column].target, 0) for column in sales]
        return retries + [Retry(c, False, missing[c], known[c].target, rank) for rank, c in enumerate(buys)]

    def _missing(self, column: int, view: View) -> float:
        """What is still to be traded, in currency; 0 or less: nothing."""
        if not view.listed[column]:
            return 0.0
        gap = self._open[column].target * view.value - view.worth[column]
        return float(-gap if self._open[column].sell else gap)
