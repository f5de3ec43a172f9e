"""Whether two models that were judged on the same dates differ: paired tests that allow for overlapping labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from nnstrategies.typing import FloatArray

LEAST_DATES = 10  # without overlap; below, no test says anything


@dataclass(frozen=True)
class Comparison:
    """Mean of D paired differences and what two tests say of it, both two-sided.

    t, degrees, t_p: paired t-test over all D. apart, wilcoxon_p: signed-rank test over the ``apart`` dates that share
    nothing. NaN where ``reason`` says why there is no test.
    """

    mean: float
    count: int
    t: float = float("nan")
    degrees: int = 0
    t_p: float = float("nan")
    apart: int = 0
    wilcoxon_p: float = float("nan")
    reason: str = ""


def compare(differences: FloatArray, overlap: int = 1) -> Comparison:
    """Test whether differences [D] by date, in order, are zero on average.

    overlap: how many neighbouring dates share part of their labels; 1 is none, and the t-test then is the usual one.
    Otherwise its error comes from ``cosine_error``, and the signed-rank test takes every ``overlap``-th date only.
    """
    values = np.asarray(differences, dtype=np.float64)
    mean, apart = float(values.mean()) if len(values) else float("nan"), values[::overlap]
    if len(apart) < LEAST_DATES:
        said = f"{len(apart)} differences without overlap, {LEAST_DATES} are needed"
        return Comparison(mean, len(values), apart=len(apart), reason=said)
    if np.ptp(values) == 0:
        return Comparison(mean, len(values), apart=len(apart), reason="the same difference on every date")
    error, degrees = cosine_error(values, overlap) if overlap > 1 else _plain_error(values)
    t = mean / error
    t_p = float(2 * stats.t.sf(abs(t), degrees))
    return Comparison(mean, len(values), t, degrees, t_p, len(apart), _signed_rank(apart))


def _plain_error(values: FloatArray) -> tuple[float, int]:
    return float(values.std(ddof=1) / np.sqrt(len(values))), len(values) - 1


def cosine_error(values: FloatArray, overlap: int) -> tuple[float, int]:
    """Standard error of the mean of values [D] that depend on their neighbours, and the degrees of freedom of its t.

    The variance is the mean square of the values' projections on the K slowest cosines, K = D / (4 overlap), at least
    2: they see slow changes only, in which the overlap counts in full, and mean / error is Student's t with K degrees.
    Newey and West's estimate is no choice here: at a lag of the overlap it rejects 7 to 15 % instead of 5 (see
    docs/evidence.md). Source: Lazarus, Lewis, Stock and Watson (2018), after Mueller (2007).
    """
    length = len(values)
    count = max(length // (4 * overlap), 2)
    at = (np.arange(length) + 0.5) / length
    waves = np.sqrt(2 / length) * np.cos(np.pi * np.arange(1, count + 1)[:, None] * at)  # [K, D]
    return float(np.sqrt(np.mean((waves @ values) ** 2) / length)), count


def _signed_rank(values: FloatArray) -> float:
    """Two-sided p of Wilcoxon's test; differences of zero are left out, and NaN when nothing else is left."""
    moved = values[values != 0]
    return float(stats.wilcoxon(moved).pvalue) if len(moved) else float("nan")


def holm(p_values: Sequence[float]) -> list[float]:
    """p values that hold for all rows together (Holm, 1979); NaN stays NaN and counts for nothing."""
    found = np.asarray(p_values, dtype=np.float64)
    order = [int(k) for k in np.argsort(found, kind="stable") if np.isfinite(found[k])]
    adjusted, least = found.copy(), 0.0
    for rank, k in enumerate(order):
        least = max(least, min(1.0, float(found[k]) * (len(order) - rank)))
        adjusted[k] = least
    return [float(value) for value in adjusted]
