"""Caps on target weights: per symbol, and per industry; what a cap cuts off goes to the others in proportion."""

from __future__ import annotations

import numpy as np

from nnstrategies.typing import FloatArray, IntArray

_ROUNDING = 1 + 1e-12


def cap_weights(weights: FloatArray, max_weight: float) -> FloatArray:
    """Cap each weight [N], handing the excess to the others in proportion; what all caps leave over stays in cash."""
    total = float(weights.sum())
    capped = np.zeros(len(weights), dtype=bool)
    result = weights.astype(np.float64)
    while True:
        over = (result > max_weight * _ROUNDING) & ~capped
        if not over.any():
            return result
        capped |= over
        free = np.where(capped, 0.0, weights)
        room = total - max_weight * capped.sum()
        shares = free / free.sum() if free.sum() > 0 else free
        result = np.where(capped, max_weight, shares * max(room, 0.0))


def cap_industries(
    weights: FloatArray, industry: IntArray, room: FloatArray, max_weight: float | None = None
) -> FloatArray:
    """Cap the sum of the weights [N] of each industry at ``room`` [G], and each weight at ``max_weight``.

    industry: [N] from 0 to G - 1. An industry over its room is cut to it; the excess goes to the symbols of all other
    industries in proportion, which may bring another one to its room. Within an industry weights keep their
    proportions, but for those at ``max_weight``. What all caps leave over stays in cash. The result is
    x_i = min(a_g w_i, max_weight), with one a for every industry below its room.
    """
    total, full = float(weights.sum()), np.zeros(len(room), dtype=bool)
    while True:
        cut = full[industry]
        left = total - float(room[full].sum())
        result = _spread(np.where(cut, 0.0, weights), max(left, 0.0), max_weight)
        sums = np.bincount(industry, result, len(room))
        over = (sums > room * _ROUNDING) & ~full
        if not over.any():
            break
        full |= over
    for group in np.flatnonzero(full):
        result += _spread(np.where(industry == group, weights, 0.0), float(room[group]), max_weight)
    return result


def _spread(weights: FloatArray, total: float, max_weight: float | None) -> FloatArray:
    """``total`` in proportion to the weights, each at most ``max_weight``."""
    own = float(weights.sum())
    if own <= 0:
        return np.zeros(len(weights))
    scaled = weights / own * total
    return scaled if max_weight is None else cap_weights(scaled, max_weight)
