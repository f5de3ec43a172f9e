"""A market as one symbol: the members' equal-weight index, for models that time the market where no index has bars."""

from __future__ import annotations

import numpy as np

from nnstrategies.errors import DataError
from nnstrategies.panel import PRICE_FIELDS, Panel, Status
from nnstrategies.typing import AnyArray, BoolArray, FloatArray

SYMBOL = "INDEX"
_BASE = 1000.0
_VOLUME_DAYS = 60


def index_panel(panel: Panel) -> Panel:
    """One symbol, ``INDEX``, over the panel's sessions: the mean move of those who were members the day before.

    open, high, low and close are mean moves from the close before, of adjusted prices. High and low are thus means of
    highs and lows, wider apart than an index's own. volume: the mean over members of a day's volume over its mean in
    the 60 sessions before, in millions. Known at the close of its day; not listed before the first day with members.
    Raises DataError for a panel without members.
    """
    counts = np.vstack([np.zeros((1, panel.N), dtype=bool), panel.members[:-1] & panel.trading[:-1]]) & panel.trading
    if not counts.any():
        raise DataError(f"{panel.name}: no session has members that trade on two days: expected an index to time")
    moves = {name: _mean(_moves(panel, name), counts) for name in PRICE_FIELDS}
    level = _BASE * np.cumprod(1.0 + moves["close"])
    before = np.r_[_BASE, level[:-1]]
    fields: dict[str, AnyArray] = {name: (before * (1.0 + move))[:, None] for name, move in moves.items()}
    fields["volume"] = 1e6 * _mean(_surge(panel.adjusted("volume")), counts, absent=1.0)[:, None]
    fields["adj_factor"] = np.ones((panel.T, 1))
    status = np.full((panel.T, 1), Status.TRADING, dtype=np.uint8)
    before_any = int(np.argmax(counts.any(axis=1)))
    status[:before_any] = Status.UNLISTED
    for values in fields.values():
        values[:before_any] = np.nan
    return Panel(panel.sessions, (SYMBOL,), fields, status, panel.series, name=f"index of {panel.name}")


def _moves(panel: Panel, field: str) -> FloatArray:
    """[T, N] a field over the close before, less 1."""
    close = panel.adjusted("close")
    before = np.vstack([np.full((1, panel.N), np.nan), close[:-1]])
    with np.errstate(divide="ignore", invalid="ignore"):
        return panel.adjusted(field) / before - 1.0


def _surge(volume: FloatArray) -> FloatArray:
    """[T, N] volume over its mean in the sessions before, at most 60; NaN on the first."""
    known = np.nan_to_num(volume)
    total = np.vstack([np.zeros((1, known.shape[1])), np.cumsum(known, axis=0)])  # [T + 1, N]
    rows = np.arange(len(known))
    first = np.maximum(rows - _VOLUME_DAYS, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return volume / ((total[rows] - total[first]) / (rows - first)[:, None])


def _mean(values: FloatArray, counts: BoolArray, absent: float = 0.0) -> FloatArray:
    """[T] mean over the symbols that count and have a value; ``absent`` where there are none."""
    usable = counts & np.isfinite(values)
    total = np.where(usable, values, 0.0).sum(axis=1)
    return np.divide(total, usable.sum(axis=1), out=np.full(len(values), absent), where=usable.any(axis=1))
