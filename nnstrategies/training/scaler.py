"""Standardised features, with statistics from training rows only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nnstrategies.typing import AnyArray, Float32Array, IntArray

CLIP = 5.0
_MOST_ROWS = 200_000
_COLUMNS = 8


@dataclass(frozen=True)
class Scaler:
    """mean, std: [F] float32. A constant feature has std 1."""

    mean: Float32Array
    std: Float32Array

    @classmethod
    def fit(cls, values: Float32Array) -> Scaler:
        """Mean and standard deviation of the rows of [M, F], in float64; every k-th row beyond 200,000."""
        return cls._of(values[:: 1 + len(values) // _MOST_ROWS])

    @classmethod
    def fit_at(cls, values: Float32Array, t: IntArray, n: IntArray) -> Scaler:
        """``fit(values[n, t])`` of features [N, T, F], reading only the rows it counts."""
        every = slice(None, None, 1 + len(t) // _MOST_ROWS)
        return cls._of(values[n[every], t[every]])

    @classmethod
    def _of(cls, counted: Float32Array) -> Scaler:
        blocks = np.array_split(np.arange(counted.shape[1]), -(-counted.shape[1] // _COLUMNS) or 1)
        means, stds = [], []
        for block in blocks:  # float64 of all columns at once would be as large as the features of a market
            rows = counted[:, block].astype(np.float64)
            means.append(rows.mean(axis=0))
            stds.append(rows.std(axis=0))
        mean, std = np.concatenate(means), np.concatenate(stds)
        return cls(mean.astype(np.float32), np.where(std > 1e-12, std, 1.0).astype(np.float32))

    def __call__(self, values: Float32Array) -> Float32Array:
        """Scale [..., F], clip to 5 standard deviations; NaN becomes 0, the mean. A new array, element by element.

        Each element is computed alone, so any cut of a table gives the same bytes as the whole.
        """
        scaled = np.subtract(values, self.mean, dtype=np.float32)
        scaled /= self.std
        np.clip(scaled, -CLIP, CLIP, out=scaled)
        np.copyto(scaled, np.float32(0), where=np.isnan(scaled))
        return scaled

    @property
    def arrays(self) -> dict[str, AnyArray]:
        return {"mean": self.mean, "std": self.std}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Scaler:
        return cls(arrays["mean"], arrays["std"])
