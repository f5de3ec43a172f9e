"""What models learn: classes, a return's place among the returns of its own date, or the return itself."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np
from scipy.stats import rankdata

from nnstrategies.samples import Samples
from nnstrategies.typing import AnyArray, Float32Array, IntArray

WithinDate = Literal["rank", "standardised"]
Target = Literal["rank", "standardised", "percent"]

PERCENT = "return in per cent"  # the unit of what learns it


def targets_of(known: Samples, rows: tuple[IntArray, IntArray], target: Target) -> AnyArray:
    """Targets [M] of the rows (t, n), ordered by t: classes int64, or values float32 made of a ``return`` label.

    percent: the return in per cent, for systems that forecast one symbol (S3, S5), where a date has nothing to compare,
    and for a filter (S4), where zero must mean zero.
    """
    t, n = rows
    values = known.labels.values[t, n]
    if known.labels.n_classes:
        return values.astype(np.int64)
    if target == "percent":
        return (values * np.float32(100)).astype(np.float32)
    return within_date(values, t, target)


def unit_of(target: Target) -> str:
    """The unit of forecasts of a ``return`` label."""
    return PERCENT if target == "percent" else f"return within its date, {target}"


def within_date(values: AnyArray, t: IntArray, how: WithinDate) -> Float32Array:
    """Return [M] values of mean 0 within each date; ``t`` [M] holds their rows and is sorted.

    standardised: over the date's standard deviation. rank: evenly spaced average ranks with standard deviation 1 (that
    of a uniform distribution), so that no outlier counts for more than its place. 0 for a date of equal values.
    """
    out = np.zeros(len(values), dtype=np.float64)
    bounds = np.r_[0, np.flatnonzero(np.diff(t)) + 1, len(t)]
    for first, last in pairwise(bounds):
        date = np.asarray(values[first:last], dtype=np.float64)
        if how == "rank" and len(date):
            out[first:last] = ((rankdata(date) - 0.5) / len(date) - 0.5) * np.sqrt(12.0)
        elif len(date) and (std := date.std()) > 0:
            out[first:last] = (date - date.mean()) / std
    return out.astype(np.float32)
