"""Sampling errors over dates whose values hang together: by consecutive stretches, not date by date."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstrategies.typing import AnyArray, FloatArray, IntArray

STRETCHES = 10


def stretch_of(t: IntArray, most: int = STRETCHES) -> IntArray:
    """Return [M] numbers: the different rows of ``t``, in order, cut into at most ``most`` equal stretches.

    Labels of neighbouring dates overlap and exposures last for months, so errors by date would be far too small.
    """
    dates, at = np.unique(t, return_inverse=True)
    return at * min(most, len(dates)) // max(len(dates), 1)


def mean_error(values: AnyArray | Sequence[float]) -> float:
    """Standard error of the mean of [T] values in the order of their dates, by stretches; NaN with fewer than 2."""
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if len(finite) < 2:
        return float("nan")
    number = stretch_of(np.arange(len(finite)))
    means = np.bincount(number, finite) / np.bincount(number)
    return float(means.std(ddof=1) / np.sqrt(len(means)))


def share_error(residuals: FloatArray, stretch: IntArray) -> float:
    """Standard error of the mean of [M] residuals that go together within a stretch (cluster-robust); NaN for one."""
    used = np.unique(stretch)
    if len(used) < 2:
        return float("nan")
    sums = np.bincount(stretch, residuals - residuals.mean())[used]
    return float(np.sqrt((sums**2).sum() * len(used) / (len(used) - 1)) / len(residuals))
