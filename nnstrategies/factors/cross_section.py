"""Quantiles, outlier limits and z-scores of cross-sections: arrays [..., N] with NaN where a symbol has no value.

Every cross-section is treated alone, so nothing of another date can enter.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from nnstrategies.errors import ConfigError
from nnstrategies.typing import AnyArray, FloatArray

Outliers = Literal["mad", "quantile", "none"]

_MAD_LIMIT = 3.0
_MAD_TO_STD = 1.4826  # standard deviation of a normal distribution over its median absolute deviation
_TAIL = 0.01


def quantile(values: AnyArray, share: float | AnyArray) -> FloatArray:
    """Quantile along the last axis of [..., N] without NaN -> [...], or [..., K] for K shares; NaN where all are NaN.

    Linear interpolation between order statistics (definition 7 of Hyndman and Fan, 1996), as numpy and pandas have it.
    """
    rises = np.sort(np.asarray(values, dtype=np.float64), axis=-1)  # NaN last
    last = np.maximum(np.isfinite(rises).sum(axis=-1, keepdims=True) - 1, 0)  # [..., 1]
    place = last * np.atleast_1d(share)  # [..., K]
    below = np.floor(place).astype(np.int64)
    out = between(rises, below, place - below, last)
    return out if np.ndim(share) else out[..., 0]


def between(rises: FloatArray, below: AnyArray, part: AnyArray, last: AnyArray) -> FloatArray:
    """Values [..., K] of sorted [..., N] at the places ``below`` + ``part``, ``last`` being the place of the greatest.

    Interpolated from the nearer neighbour, so that a whole place gives the value there exactly.
    """
    low = np.take_along_axis(rises, below, axis=-1)
    high = np.take_along_axis(rises, np.minimum(below + 1, last), axis=-1)
    found: FloatArray = np.where(part < 0.5, low + (high - low) * part, high - (high - low) * (1 - part))
    return found


def limit_outliers(values: AnyArray, how: Outliers = "mad") -> FloatArray:
    """Pull outliers of [..., N] back to a limit of their own cross-section; NaN stays NaN.

    mad: median +- 3 x 1.4826 x median absolute deviation; where that deviation is 0, more than half of the values are
        equal and nothing is limited. quantile: the 1 % and 99 % quantiles (winsorising). none: a copy.
    """
    x = np.array(values, dtype=np.float64)
    if how == "none":
        return x
    if how == "quantile":
        limits = quantile(x, np.array([_TAIL, 1 - _TAIL]))
        return np.clip(x, limits[..., :1], limits[..., 1:])
    if how != "mad":
        raise ConfigError(f"factors: outliers: expected mad, quantile or none, got {how!r}")
    middle = quantile(x, 0.5)[..., None]
    reach = _MAD_LIMIT * _MAD_TO_STD * quantile(np.abs(x - middle), 0.5)[..., None]
    reach[reach == 0] = np.inf
    return np.clip(x, middle - reach, middle + reach)


def standardise(values: AnyArray) -> FloatArray:
    """z-scores along the last axis of [..., N]: mean 0, population standard deviation 1; NaN stays NaN.

    A cross-section of equal values (up to rounding) becomes 0: it says nothing.
    """
    present = np.isfinite(values)
    centred = centre(values, present)
    count = np.maximum(present.sum(axis=-1, keepdims=True), 1)
    std = np.sqrt((centred**2).sum(axis=-1, keepdims=True) / count)
    centred /= np.where(std > 0, std, 1.0)
    centred[~present] = np.nan
    return centred


def centre(values: AnyArray, usable: AnyArray) -> FloatArray:
    """Values less their mean over ``usable`` along the last axis, 0 elsewhere; all 0 where they are equal."""
    count = np.maximum(usable.sum(axis=-1, keepdims=True), 1)
    kept = np.where(usable, values, 0.0).astype(np.float64, copy=False)
    size = np.abs(kept).max(axis=-1, keepdims=True, initial=0.0)
    kept -= kept.sum(axis=-1, keepdims=True) / count
    kept *= usable
    level = np.abs(kept).max(axis=-1, keepdims=True, initial=0.0) <= 1e-12 * size
    if level.any():
        kept[np.broadcast_to(level, kept.shape)] = 0.0
    return kept
