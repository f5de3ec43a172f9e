"""Windows over symbol-major arrays [N, T]: sums, means, extremes and lags that see the past only.

A row's value is built from the rows of its own window alone, in an order that depends on the window's length only.
It is therefore byte-equal whatever comes later and whenever the history began, which running totals are not. Rows
whose window is incomplete or holds a NaN are NaN.
"""

from __future__ import annotations

import numpy as np

from nnstrategies.typing import AnyArray, FloatArray, IntArray


def lag(x: AnyArray, rows: int) -> AnyArray:
    """x[:, t - rows], NaN in the first ``rows`` rows."""
    out = np.full_like(x, np.nan)
    out[:, rows:] = x[:, : max(x.shape[1] - rows, 0)]
    return out


def rolling_sum(x: FloatArray, length: int) -> FloatArray:
    """Sum over the ``length`` rows ending at t, by doubling: sums of 1, 2, 4, ... rows are joined."""
    total: FloatArray | None = None
    covered, width, power = 0, 1, x
    while True:
        if length & width:
            total = power.copy() if total is None else _plus_lagged(total, power, covered)
            covered += width
        if covered == length:
            assert total is not None
            return total
        power = _plus_lagged(power, power, width)
        width *= 2


def _plus_lagged(x: FloatArray, y: FloatArray, rows: int) -> FloatArray:
    out = np.empty_like(x)
    out[:, :rows] = np.nan
    np.add(x[:, rows:], y[:, : max(x.shape[1] - rows, 0)], out=out[:, rows:])
    return out


def rolling_mean(x: FloatArray, length: int) -> FloatArray:
    return rolling_sum(x, length) / length


def rolling_std(x: FloatArray, length: int) -> FloatArray:
    """Population standard deviation; for values of the size of their deviation (returns), not for price levels."""
    square = rolling_mean(x * x, length) - rolling_mean(x, length) ** 2
    return np.sqrt(np.maximum(square, 0.0))


def rolling_max(x: FloatArray, length: int) -> FloatArray:
    width, out = 1, x
    while width < length:
        step = min(width, length - width)
        joined = np.empty_like(out)
        joined[:, :step] = np.nan
        np.maximum(out[:, step:], out[:, : max(x.shape[1] - step, 0)], out=joined[:, step:])
        out, width = joined, width + step
    return out


def rolling_min(x: FloatArray, length: int) -> FloatArray:
    return -rolling_max(-x, length)


def ratio(above: FloatArray, below: FloatArray, neutral: float) -> FloatArray:
    """above / below; ``neutral`` where below is exactly 0, NaN where either is."""
    zero = below == 0
    out = above / np.where(zero, 1.0, below)
    return np.where(zero & np.isfinite(above), neutral, out)


def run_length(true: AnyArray) -> IntArray:
    """Number of consecutive True rows ending at t, along the last axis."""
    rows = np.arange(true.shape[-1])
    return rows - np.maximum.accumulate(np.where(true, -1, rows), axis=-1)
