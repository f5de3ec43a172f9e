"""Average ranks of many cross-sections at once."""

from __future__ import annotations

import numpy as np

from nnstrategies.typing import AnyArray, FloatArray


def ranks(values: AnyArray, absent: float = np.nan) -> FloatArray:
    """Ranks 1..n of finite values along the last axis of [..., N], the average where equal; others get ``absent``."""
    N = values.shape[-1]
    if not N:
        return np.empty(values.shape, dtype=np.float64)
    rows = values.reshape(-1, N)  # [..., N] -> [M, N]
    present = np.isfinite(rows)
    last = rows.dtype.type(np.inf)  # as NaN it would sort last too, but several times slower
    filled = np.where(present, rows, last)
    order = np.argsort(filled, axis=-1)
    rises = np.take_along_axis(filled, order, axis=-1)
    placed = np.broadcast_to(np.arange(1.0, N + 1), rows.shape)
    tied = ((rises[:, 1:] == rises[:, :-1]) & (rises[:, 1:] < last)).any(axis=-1)
    if tied.any():
        placed = placed.copy()
        placed[tied] = _run_middles(rises[tied])
    out = np.empty(rows.shape, dtype=np.float64)
    np.put_along_axis(out, order, placed, axis=-1)
    out[~present] = absent
    return out.reshape(values.shape)


def _run_middles(rises: AnyArray) -> FloatArray:
    """Mean position, counted from 1, of the run of equal values that each place of sorted rows [M, N] belongs to."""
    N = rises.shape[-1]
    places = np.arange(N, dtype=np.int32)
    edges = np.ones((len(rises), N + 1), dtype=bool)
    np.not_equal(rises[:, 1:], rises[:, :-1], out=edges[:, 1:-1])
    first = np.maximum.accumulate(np.where(edges[:, :-1], places, 0), axis=-1)
    last = np.minimum.accumulate(np.where(edges[:, 1:], places, N)[:, ::-1], axis=-1)[:, ::-1]
    return (first + last) / 2.0 + 1.0
