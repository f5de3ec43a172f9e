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
    it uses up is no longer there for the others. Of these, all that grow go the same share of their way. What may be
    sold goes first to those that leave, the smallest first, so that they do leave; the rest to those that shrink.
    """
    step = target - weights
    wanted = float(np.abs(step[~must]).sum() / 2)
    budget = max(cap - float(np.abs(step[must]).sum() / 2), 0.0)
    if wanted <= budget * _ROUNDING:
        return target
    reached = np.where(must, target, weights + np.maximum(step, 0.0) * (budget / wanted))
    sold = np.where(must, 0.0, np.maximum(-step, 0.0))  # [N] to be sold in the end
    room = float(sold.sum()) * (budget / wanted)
    for column in np.flatnonzero((sold > 0) & (target == 0))[np.argsort(weights[(sold > 0) & (target == 0)])]:
        reached[column] = weights[column] - min(sold[column], room)
        room = max(room - sold[column], 0.0)
    shrinking = np.where(target > 0, sold, 0.0)
    if shrinking.any():
        reached -= shrinking * min(room / float(shrinking.sum()), 1.0)
    return reached
