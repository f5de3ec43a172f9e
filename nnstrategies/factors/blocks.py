"""Features as cross-sections, a block of dates at a time, so that memory stays small whatever the history."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nnstrategies.errors import DataError
from nnstrategies.features.feature_set import Features
from nnstrategies.typing import AnyArray, BoolArray, Float32Array, IntArray

_CELLS = 1 << 17  # of one block: with its temporaries it stays in the cache


def cross_sections(features: Features, mask: BoolArray, rows: IntArray) -> Float32Array:
    """[R, F, N] values of the dates ``rows``, NaN outside ``mask`` [T, N]; one symbol beside another in memory."""
    values = features.values[:, rows].transpose(1, 2, 0)  # [N, R, F] -> [R, F, N]
    out: Float32Array = np.where(mask[rows][:, None, :], values, np.float32(np.nan))
    return np.ascontiguousarray(out)


def date_blocks(features: Features, rows: IntArray) -> Iterator[slice]:
    """Slices of ``rows`` that each hold about 130,000 values."""
    step = max(1, _CELLS // max(1, len(features.symbols) * len(features.names)))
    for first in range(0, len(rows), step):
        yield slice(first, min(first + step, len(rows)))


def chosen_rows(features: Features, mask: BoolArray, rows: IntArray | None) -> IntArray:
    """``rows`` or all rows; DataError where mask and features differ or a row lies outside."""
    expected = (features.T, len(features.symbols))
    if mask.shape != expected:
        raise DataError(f"factors: mask: expected shape [T, N] = {expected} of the features, got {mask.shape}")
    chosen: AnyArray = np.arange(features.T) if rows is None else np.asarray(rows, dtype=np.int64)
    if len(chosen) and not (chosen.min() >= 0 and chosen.max() < features.T and (np.diff(chosen) > 0).all()):
        raise DataError(f"factors: rows: expected rising rows from 0 to {features.T - 1}, got {chosen[:5].tolist()}...")
    return chosen
