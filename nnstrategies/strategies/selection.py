"""From scores to weights: who is chosen, and how much of the capital each may take."""

from __future__ import annotations

import numpy as np

from nnstrategies.typing import BoolArray, FloatArray, IntArray


def ranked(score: FloatArray, eligible: BoolArray) -> IntArray:
    """Columns of the eligible symbols with a finite score, best first; ties keep the panel's order."""
    columns = np.flatnonzero(eligible & np.isfinite(score))
    return columns[np.argsort(-score[columns], kind="stable")].astype(np.int64)


def top_n(score: FloatArray, eligible: BoolArray, n: int) -> BoolArray:
    """[N] True for the ``n`` best scores among the eligible; fewer when fewer have a score."""
    chosen = np.zeros(len(score), dtype=bool)
    chosen[ranked(score, eligible)[:n]] = True
    return chosen


def normalise(weights: FloatArray, chosen: BoolArray) -> FloatArray:
    """Weights [N] on the chosen only, none negative, with sum 1; all zero when nothing is left."""
    kept = np.where(chosen & np.isfinite(weights) & (weights > 0), weights, 0.0)
    total = kept.sum()
    return kept / total if total > 0 else kept
