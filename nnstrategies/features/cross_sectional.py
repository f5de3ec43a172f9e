"""Where a symbol stands among the index members of the same session.

Ranks and means are taken over members at t only (point in time): a panel also holds symbols that joined later or left.
Others are placed relative to the members. Every function maps a Panel to [T, N]; row t is known at the close of t.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnstrategies.features.memo import once_per_panel
from nnstrategies.features.price_volume import (
    momentum_250_20,
    ret_1,
    ret_5,
    ret_20,
    volatility_20,
    volume_position_20,
    volume_surprise_1,
)
from nnstrategies.features.rolling import lag
from nnstrategies.panel import Panel
from nnstrategies.typing import AnyArray, BoolArray, Float32Array, FloatArray


def member_rank(values: FloatArray, members: BoolArray) -> Float32Array:
    """[T, N] share of members below (ties count half), minus 0.5: -0.5 lowest, 0.5 highest, NaN where values are.

    NaN for all on a session without members. Values are compared in float32, so that rounding makes no order.
    """
    compared = np.ascontiguousarray(values, dtype=np.float32)  # [T, N], one session contiguous
    out = np.full(compared.shape, np.nan, dtype=np.float32)
    usable = members & np.isfinite(compared)
    for t in np.flatnonzero(usable.any(axis=1)):
        row = compared[t]
        ordered = np.sort(row[usable[t]])
        below = ordered.searchsorted(row, "left") + ordered.searchsorted(row, "right")
        out[t] = below / (2.0 * len(ordered)) - 0.5
    out[np.isnan(compared)] = np.nan
    return out


def less_member_mean(values: FloatArray, members: BoolArray) -> FloatArray:
    """[T, N] values minus the mean over the session's members; NaN on a session without members."""
    row_major = np.ascontiguousarray(values)
    usable = members & np.isfinite(row_major)
    count = usable.sum(axis=1)
    total = np.where(usable, row_major, 0.0).sum(axis=1)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return row_major - mean[:, None]


def change(ranks: Callable[[Panel], AnyArray], panel: Panel, days: int) -> AnyArray:
    """[T, N] today's rank minus the rank ``days`` sessions ago."""
    now = ranks(panel).T  # [N, T]
    return (now - lag(now, days)).T


def market_ret_1(panel: Panel) -> FloatArray:
    """Return over 1 session minus the members' mean."""
    return less_member_mean(ret_1(panel), panel.members)


def market_ret_5(panel: Panel) -> FloatArray:
    """Return over 5 sessions minus the members' mean."""
    return less_member_mean(ret_5(panel), panel.members)


@once_per_panel
def rank_ret_1(panel: Panel) -> AnyArray:
    """Rank of ret_1 among members, -0.5 to 0.5."""
    return member_rank(ret_1(panel), panel.members)


def rank_ret_1_change_1(panel: Panel) -> AnyArray:
    """Change of rank_ret_1 over 1 session."""
    return change(rank_ret_1, panel, 1)


def rank_ret_1_change_5(panel: Panel) -> AnyArray:
    """Change of rank_ret_1 over 5 sessions."""
    return change(rank_ret_1, panel, 5)


@once_per_panel
def rank_ret_5(panel: Panel) -> AnyArray:
    """Rank of ret_5 among members, -0.5 to 0.5."""
    return member_rank(ret_5(panel), panel.members)


def rank_ret_5_change_1(panel: Panel) -> AnyArray:
    """Change of rank_ret_5 over 1 session."""
    return change(rank_ret_5, panel, 1)


def rank_ret_5_change_5(panel: Panel) -> AnyArray:
    """Change of rank_ret_5 over 5 sessions."""
    return change(rank_ret_5, panel, 5)


@once_per_panel
def rank_ret_20(panel: Panel) -> AnyArray:
    """Rank of ret_20 among members, -0.5 to 0.5."""
    return member_rank(ret_20(panel), panel.members)


def rank_ret_20_change_1(panel: Panel) -> AnyArray:
    """Change of rank_ret_20 over 1 session."""
    return change(rank_ret_20, panel, 1)


def rank_ret_20_change_5(panel: Panel) -> AnyArray:
    """Change of rank_ret_20 over 5 sessions."""
    return change(rank_ret_20, panel, 5)


@once_per_panel
def rank_momentum_250_20(panel: Panel) -> AnyArray:
    """Rank of momentum_250_20 among members, -0.5 to 0.5."""
    return member_rank(momentum_250_20(panel), panel.members)


def rank_momentum_250_20_change_1(panel: Panel) -> AnyArray:
    """Change of rank_momentum_250_20 over 1 session."""
    return change(rank_momentum_250_20, panel, 1)


def rank_momentum_250_20_change_5(panel: Panel) -> AnyArray:
    """Change of rank_momentum_250_20 over 5 sessions."""
    return change(rank_momentum_250_20, panel, 5)


@once_per_panel
def rank_volatility_20(panel: Panel) -> AnyArray:
    """Rank of volatility_20 among members, -0.5 to 0.5."""
    return member_rank(volatility_20(panel), panel.members)


def rank_volatility_20_change_1(panel: Panel) -> AnyArray:
    """Change of rank_volatility_20 over 1 session."""
    return change(rank_volatility_20, panel, 1)


def rank_volatility_20_change_5(panel: Panel) -> AnyArray:
    """Change of rank_volatility_20 over 5 sessions."""
    return change(rank_volatility_20, panel, 5)


@once_per_panel
def rank_volume_position_20(panel: Panel) -> AnyArray:
    """Rank of volume_position_20 among members, -0.5 to 0.5."""
    return member_rank(volume_position_20(panel), panel.members)


def rank_volume_position_20_change_1(panel: Panel) -> AnyArray:
    """Change of rank_volume_position_20 over 1 session."""
    return change(rank_volume_position_20, panel, 1)


def rank_volume_position_20_change_5(panel: Panel) -> AnyArray:
    """Change of rank_volume_position_20 over 5 sessions."""
    return change(rank_volume_position_20, panel, 5)


@once_per_panel
def rank_volume_surprise_1(panel: Panel) -> AnyArray:
    """Rank of volume_surprise_1 among members, -0.5 to 0.5."""
    return member_rank(volume_surprise_1(panel), panel.members)


def rank_volume_surprise_1_change_1(panel: Panel) -> AnyArray:
    """Change of rank_volume_surprise_1 over 1 session."""
    return change(rank_volume_surprise_1, panel, 1)


def rank_volume_surprise_1_change_5(panel: Panel) -> AnyArray:
    """Change of rank_volume_surprise_1 over 5 sessions."""
    return change(rank_volume_surprise_1, panel, 5)


CROSS_SECTIONAL = {
    function.__name__: function
    for function in (
        market_ret_1,
        market_ret_5,
        rank_ret_1,
        rank_ret_5,
        rank_ret_20,
        rank_momentum_250_20,
        rank_volatility_20,
        rank_volume_position_20,
        rank_volume_surprise_1,
        rank_ret_1_change_1,
        rank_ret_1_change_5,
        rank_ret_5_change_1,
        rank_ret_5_change_5,
        rank_ret_20_change_1,
        rank_ret_20_change_5,
        rank_momentum_250_20_change_1,
        rank_momentum_250_20_change_5,
        rank_volatility_20_change_1,
        rank_volatility_20_change_5,
        rank_volume_position_20_change_1,
        rank_volume_position_20_change_5,
        rank_volume_surprise_1_change_1,
        rank_volume_surprise_1_change_5,
    )
}
