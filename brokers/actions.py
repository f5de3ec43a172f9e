"""Corporate actions by ex-date: dividends in cash and changes of the share count."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from nnstrategies.panel import Panel
from nnstrategies.typing import FloatArray

CASH_BELOW = 0.08  # an inferred rise of the factor below this is a dividend, above it new shares
_NOISE = 1e-5  # factors are often stored as float32 or with six digits


class Action(NamedTuple):
    """cash per share held before, and shares after per share before; inferred: read from adj_factor."""

    column: int
    cash: float
    ratio: float
    inferred: bool


def actions_by_row(panel: Panel) -> dict[int, list[Action]]:
    """Actions by the row of their ex-date (or the next session): from the ``actions`` events, else from adj_factor."""
    if "actions" in panel.event_names:
        return _from_events(panel, panel.events("actions"))
    if "adj_factor" in panel:
        return _from_factor(panel)
    return {}


def _from_events(panel: Panel, table: pd.DataFrame) -> dict[int, list[Action]]:
    found: dict[int, list[Action]] = {}
    days = table["ex_date"].to_numpy().astype("datetime64[D]")
    rows = np.searchsorted(panel.sessions, days)
    cash = table["cash"].fillna(0.0).to_numpy(dtype=np.float64)
    ratio = table["ratio"].fillna(1.0).to_numpy(dtype=np.float64)
    for i, symbol in enumerate(table["symbol"]):
        if rows[i] < panel.T and (rows[i] > 0 or days[i] == panel.sessions[0]):
            action = Action(panel.column(symbol), float(cash[i]), float(ratio[i]), inferred=False)
            found.setdefault(int(rows[i]), []).append(action)
    return found


def _from_factor(panel: Panel) -> dict[int, list[Action]]:
    """A factor that rises by r on the ex-date: reference price = last close / (1 + r).

    r < 8 %: a dividend of last close x r / (1 + r) per share. Otherwise 1 + r shares for one; so is a falling factor.
    """
    found: dict[int, list[Action]] = {}
    factor = panel["adj_factor"].T.astype(np.float64)  # [N, T]
    close = panel["close"].T
    for column in range(panel.N):
        for row, step in _steps(factor[column]):
            last = _last_finite(close[column, :row])
            if 0 < step - 1 < CASH_BELOW:
                action = Action(column, last * (1.0 - 1.0 / step), 1.0, inferred=True)
            else:
                action = Action(column, 0.0, step, inferred=True)
            found.setdefault(row, []).append(action)
    return found


def _steps(factor: FloatArray) -> list[tuple[int, float]]:
    known = np.flatnonzero(np.isfinite(factor))
    if len(known) < 2:
        return []
    ratio = factor[known[1:]] / factor[known[:-1]]
    moved = np.flatnonzero(np.abs(ratio - 1.0) > _NOISE)
    return [(int(known[i + 1]), float(ratio[i])) for i in moved]


def _last_finite(values: FloatArray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite[-1]) if len(finite) else 0.0
