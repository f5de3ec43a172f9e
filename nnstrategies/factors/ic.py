"""Information coefficients: correlations across symbols, date by date, of a factor with the return that follows.

Arrays are [..., N] with NaN where there is no value; factors and returns broadcast against each other, so that
[T, F, N] with [T, 1, N] gives [T, F]. A pair counts where both are finite. The IC of date t is known when its returns
are, never at t.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from nnstrategies.errors import DataError
from nnstrategies.factors.cross_section import centre
from nnstrategies.factors.ranks import ranks
from nnstrategies.typing import AnyArray, FloatArray

LEAST_SYMBOLS = 3
Measure = Literal["across", "time"]  # across the symbols of a date, or through time for each symbol


def ic(factors: AnyArray, returns: AnyArray) -> FloatArray:
    """Pearson correlation along the last axis; NaN with fewer than 3 pairs or where one side does not vary."""
    _check(factors, returns)
    usable = np.isfinite(factors) & np.isfinite(returns)
    return _correlation(factors, returns, usable)


def rank_ic(factors: AnyArray, returns: AnyArray) -> FloatArray:
    """Spearman correlation along the last axis, average ranks for ties: ``ic`` of ranks among the pairs that count."""
    _check(factors, returns)
    has_return = np.isfinite(returns)
    usable = np.isfinite(factors) & has_return
    x = ranks(np.where(usable, factors, np.nan), absent=0.0)
    y = _return_ranks(returns, has_return, usable)
    # Ranks are halves of whole numbers, so these sums are exact: no centring, and a constant side has variance 0.
    n = usable.sum(axis=-1)
    mean_part = n * ((n + 1) / 2.0) ** 2
    return _ratio(_dot(x, y) - mean_part, (_dot(x, x) - mean_part) * (_dot(y, y) - mean_part), n)


def rank_ics(scores: AnyArray, returns: AnyArray, measure: Measure) -> FloatArray:
    """``rank_ic`` of [T, N]: across the symbols of each date [T], or through time for each symbol [N]."""
    return rank_ic(scores, returns) if measure == "across" else rank_ic(scores.T, returns.T)


def rank_autocorrelation(factors: AnyArray, lag: int = 1) -> FloatArray:
    """Correlation [T, ...] of the ranks of date t with those ``lag`` rows before, for [T, ..., N]; NaN before that.

    Ranks are among all symbols of their own date. High means that a portfolio by this factor trades little.
    """
    if lag < 1:
        raise DataError(f"rank autocorrelation: lag: expected at least 1 row, got {lag}")
    placed = ranks(np.where(np.isfinite(factors), factors, np.nan))
    out = np.full(factors.shape[:-1], np.nan)
    out[lag:] = ic(placed[lag:], placed[:-lag])
    return out


def _return_ranks(returns: AnyArray, has_return: AnyArray, usable: AnyArray) -> FloatArray:
    """Ranks of returns among the usable pairs, 0 elsewhere; ranked once for all factors that have the same symbols."""
    known = np.where(has_return, returns, np.nan)
    shared = np.broadcast_to(ranks(known, absent=0.0), usable.shape)
    lacking = (usable != has_return).any(axis=-1)
    if not lacking.any():
        return shared
    out = shared.copy()
    subset = np.where(usable[lacking], np.broadcast_to(known, usable.shape)[lacking], np.nan)  # [M, N]
    fresh = _differs(subset)  # neighbouring factors of one date mostly lack the same symbols
    out[lacking] = ranks(subset[fresh], absent=0.0)[np.cumsum(fresh) - 1]
    return out


def _differs(rows: AnyArray) -> AnyArray:
    """[M] whether a row of [M, N] differs from the one before, NaN equal to NaN."""
    differs = np.ones(len(rows), dtype=bool)
    differs[1:] = ((rows[1:] != rows[:-1]) & ~(np.isnan(rows[1:]) & np.isnan(rows[:-1]))).any(axis=-1)
    return differs


def _correlation(x: AnyArray, y: AnyArray, usable: AnyArray) -> FloatArray:
    x, y = centre(x, usable), centre(y, usable)
    return _ratio(_dot(x, y), _dot(x, x) * _dot(y, y), usable.sum(axis=-1))


def _dot(x: FloatArray, y: FloatArray) -> FloatArray:
    product: FloatArray = np.einsum("...n,...n->...", x, y)
    return product


def _ratio(covariance: FloatArray, variances: FloatArray, count: AnyArray) -> FloatArray:
    valid = (count >= LEAST_SYMBOLS) & (variances > 0)
    scale = np.sqrt(variances, out=np.ones_like(variances), where=valid)
    return np.divide(covariance, scale, out=np.full(scale.shape, np.nan), where=valid)


def _check(factors: AnyArray, returns: AnyArray) -> None:
    try:
        shape = np.broadcast_shapes(factors.shape, returns.shape)
    except ValueError:
        shape = ()
    if not shape or factors.shape[-1] != returns.shape[-1]:
        raise DataError(
            f"ic: expected factors [..., N] and returns that broadcast against them, such as [T, F, N] and [T, 1, N], "
            f"got {factors.shape} and {returns.shape}"
        )
