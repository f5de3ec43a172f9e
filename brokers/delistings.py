"""Delistings of a panel: who leaves when, and what holders are paid, from its table or as assumed."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from nnstrategies.actions import actions_by_row, last_traded, reference
from nnstrategies.errors import DataError
from nnstrategies.event_table import as_days, require_columns
from nnstrategies.panel import Panel, Status


class Delisting(NamedTuple):
    """A forced exit at ``price`` per share, 0 = worthless; assumed: no table says so, the price is the last close."""

    column: int
    price: float
    kind: str  # "delisting" or "merger"
    assumed: bool


def delistings_by_row(panel: Panel) -> dict[int, list[Delisting]]:
    """Forced exits by row: the first session after ``last_day`` on which the payout is known.

    From the ``delistings`` events: symbol, known_at, last_day, kind ("delisting" or "merger"), price (per share, empty
    = worthless). A symbol that is DELISTED without a row there exits on the first such session at its last close,
    corrected for actions since, and is marked assumed.
    Raises DataError for an unknown kind, a negative price, a symbol named twice, or one that trades after its last day.
    """
    found: dict[int, list[Delisting]] = {}
    named: set[int] = set()
    if "delistings" in panel.event_names:
        table = panel.events("delistings")
        require_columns(table, ("symbol", "last_day", "kind", "price"), f"{panel.name}: events delistings")
        after = np.searchsorted(panel.sessions, as_days(table["last_day"]), side="right")
        rows = np.maximum(after, panel.first_session_knowing(table["known_at"]))
        for at, row in enumerate(rows.tolist()):
            delisting = _delisting(panel, table.iloc[at], named)
            named.add(delisting.column)
            if row < panel.T:
                found.setdefault(row, []).append(delisting)
    for row, delisting in _assumed(panel, named):
        found.setdefault(row, []).append(delisting)
    return found


def _assumed(panel: Panel, named: set[int]) -> list[tuple[int, Delisting]]:
    gone = panel.status == Status.DELISTED
    columns = [column for column in np.flatnonzero(gone.any(axis=0)).tolist() if column not in named]
    actions = actions_by_row(panel) if columns else {}
    found = []
    for column in columns:
        row = int(np.argmax(gone[:, column]))
        traded = last_traded(panel, column, row)
        price = float(panel["close"][traded, column]) if traded >= 0 else 0.0
        for later in range(traded + 1, row + 1):
            for action in actions.get(later, ()):
                price = reference(action, price) if action.column == column else price
        found.append((row, Delisting(column, price, "delisting", assumed=True)))
    return found


def _delisting(panel: Panel, entry: pd.Series, named: set[int]) -> Delisting:
    symbol, kind = entry["symbol"], entry["kind"]
    label = f"{panel.name}: events delistings: {symbol}"
    price = 0.0 if pd.isna(entry["price"]) else float(entry["price"])
    column = panel.column(symbol)
    if column in named:
        raise DataError(f"{label}: expected one row a symbol, got another; keep the last payout only")
    if kind not in ("delisting", "merger"):
        raise DataError(f"{label}: kind: expected delisting or merger, got {kind!r}; correct it")
    if not 0 <= price < math.inf:
        raise DataError(
            f"{label}: price: expected 0 or more per share, or empty for worthless, got {price}; correct it"
        )
    last = pd.Timestamp(entry["last_day"])
    if pd.isna(last):
        raise DataError(f"{label}: last_day is empty; fill it in")
    after = np.flatnonzero(panel.trading[:, column] & (panel.sessions > last.to_numpy()))
    if len(after):
        raise DataError(
            f"{label}: last_day: expected the last trading day, got {last.date()}, but it trades on "
            f"{panel.sessions[after[-1]]}; correct one of the two"
        )
    return Delisting(column, price, kind, assumed=False)
