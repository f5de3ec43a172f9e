"""A cap on the turnover of one rebalance: a shorter step towards the same targets."""

from __future__ import annotations

import numpy as np

from nnstrategies.typing import BoolArray, FloatArray

_ROUNDING = 1 + 1e-12  # a step shorter by rounding alone would leave odd shares of what was to be sold whole


def turnover(weights: FloatArray, target: FloatArray) -> float:
    """One-sided turnover between two sets of weights [N] of stocks: half of what is bought and sold."""
    return float(np.abs(target - weights).sum() / 2)


def limit_turnover(weights: FloatArray, target: FloatArray, cap: float, must: BoolArray) -> FloatArray:
    """Targets [N] on the way from ``weights`` to ``target``, so far that their turnover is at most ``cap``.

    must: [N] True for what changes in full whatever the cap says (stops, symbols that are no members any more); what
    it uses up is no longer there for the others. All others go the same share of their way.
    """
    step = target - weights
    wanted = float(np.abs(step[~must]).sum() / 2)
    budget = max(cap - float(np.abs(step[must]).sum() / 2), 0.0)
    if wanted <= budget * _ROUNDING:
        return target
    return np.where(must, target, weights + step * (budget / wanted))
