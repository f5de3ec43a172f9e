"""Prices on their ticks: whole numbers of price steps, whatever float32 made of them."""

from __future__ import annotations

import numpy as np

from nnstrategies.typing import AnyArray, BoolArray, FloatArray, IntArray

ON_TICK = 0.02  # of a tick: what float32 prices are off by; farther off, a price lies between ticks on purpose


def to_ticks(prices: AnyArray | float, ticks_per_unit: IntArray | int) -> IntArray:
    """Prices as whole ticks, NaN and negative ones as 0; float32 prices land on the tick they stand for."""
    scaled = np.asarray(prices, dtype=np.float64) * ticks_per_unit
    return np.where(scaled > 0, np.rint(scaled), 0.0).astype(np.int64)


def off_ticks(prices: AnyArray, ticks_per_unit: IntArray) -> BoolArray:
    """True where a price lies between ticks; NaN does not."""
    scaled = np.asarray(prices, dtype=np.float64) * ticks_per_unit
    return np.abs(scaled - np.rint(scaled)) >= ON_TICK


def on_tick(price: float, ticks_per_unit: int) -> float:
    """One price as ``on_ticks``; NaN is not taken."""
    scaled = price * ticks_per_unit
    nearest = round(scaled)
    return nearest / ticks_per_unit if abs(scaled - nearest) < ON_TICK else price


def on_ticks(prices: AnyArray, ticks_per_unit: IntArray) -> FloatArray:
    """Prices in float64; what float32 made of a tick is the tick again, a price between ticks stays."""
    scaled = np.asarray(prices, dtype=np.float64) * ticks_per_unit
    nearest = np.rint(scaled)
    with np.errstate(invalid="ignore"):
        near = np.abs(scaled - nearest) < ON_TICK
    snapped: FloatArray = np.where(near, nearest, scaled) / ticks_per_unit
    return snapped
