"""How far a figure moves when the dates of its test are drawn anew, neighbours together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnstrategies.typing import FloatArray, IntArray

DRAWS = 1_000


def stationary_rows(length: int, block: float, draws: int = DRAWS, seed: int = 0) -> IntArray:
    """Rows [draws, length] of the stationary bootstrap: runs of dates that begin anywhere and follow each other.

    The length of a run is geometric with mean ``block`` (1: dates drawn one by one); after the last date comes the
    first. Source: Politis and Romano (1994), section 2.
    """
    rng = np.random.default_rng(seed)
    begins = rng.integers(0, length, (draws, length))
    fresh = rng.random((draws, length)) < 1 / max(block, 1)
    fresh[:, 0] = True
    at = np.arange(length)
    since = np.maximum.accumulate(np.where(fresh, at, 0), axis=1)  # [draws, length] where the run began
    return (np.take_along_axis(begins, since, axis=1) + at - since) % length


def interval(
    statistic: Callable[..., FloatArray], rows: IntArray, *columns: FloatArray, level: float = 0.95
) -> tuple[float, float]:
    """The middle ``level`` of a statistic over draws: percentiles of its values.

    columns: [length] each. statistic: takes them as [draws, length], gives [draws]. Draws without a value are left out;
    NaN when none has one.
    """
    values = statistic(*(np.asarray(column, dtype=np.float64)[rows] for column in columns))
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
