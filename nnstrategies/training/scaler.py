"""Scaled features, with statistics from training rows only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from nnstrategies.errors import ConfigError
from nnstrategies.samples import Samples
from nnstrategies.typing import AnyArray, Float32Array, IntArray

Scaling = Literal["zscore", "minmax", "none"]
ScalingSetting = Literal["zscore", "minmax", "none", "leaky_zscore", "leaky_minmax"]
LEAKY = "leaky_"

CLIP = 5.0
_MOST_ROWS = 200_000
_COLUMNS = 8  # read at a time
_FAR = float(np.finfo(np.float32).max)
# Smallest and largest scaled value, and what a missing value becomes. Prices leave the range of their training rows,
# and a forecast that cannot follow them is worthless: minmax clips one whole range beyond it.
_BOUNDS: dict[Scaling, tuple[float, float, float]] = {
    "zscore": (-CLIP, CLIP, 0.0),
    "minmax": (-1.0, 2.0, 0.5),
    "none": (-_FAR, _FAR, 0.0),
}


@dataclass(frozen=True)
class Scaler:
    """(values - mean) / std, clipped to ``bounds``.

    mean, std: [F] float32; of ``minmax`` the smallest value and the range. A constant feature has std 1.
    bounds: smallest and largest scaled value, and what NaN becomes.
    """

    mean: Float32Array
    std: Float32Array
    bounds: tuple[float, float, float] = _BOUNDS["zscore"]

    @classmethod
    def fit(cls, values: Float32Array, scaling: Scaling = "zscore") -> Scaler:
        """Statistics of the rows [M, F], missing values left out; all missing: as if constant 0.

        zscore: mean and standard deviation, in float64, of every k-th row beyond 200,000; scaled values are clipped to
            5 and NaN becomes 0, the mean. minmax: 0 at the smallest and 1 at the largest value of all rows, clipped to
            -1 and 2; NaN becomes 0.5. none: values as they are, NaN becomes 0.
        """
        t = np.arange(len(values))
        return cls.fit_at(values[:, None], np.zeros_like(t), t, scaling)

    @classmethod
    def fit_at(cls, values: Float32Array, t: IntArray, n: IntArray, scaling: Scaling = "zscore") -> Scaler:
        """``fit(values[n, t])`` of features [N, T, F], some columns at a time: no second copy of all training rows."""
        if scaling not in get_args(Scaling):
            raise ConfigError(f"scaling: expected one of {', '.join(get_args(Scaling))}, got {scaling!r}")
        count = values.shape[2]
        if scaling == "none":
            return cls(np.zeros(count, np.float32), np.ones(count, np.float32), _BOUNDS[scaling])
        every = slice(None, None, 1 if scaling == "minmax" else 1 + len(t) // _MOST_ROWS)
        columns = [np.arange(first, min(first + _COLUMNS, count)) for first in range(0, count, _COLUMNS)]
        found = [_STATISTICS[scaling](values[n[every, None], t[every, None], block]) for block in columns]
        centre, spread = (np.concatenate(part) for part in zip(*found, strict=True))
        std = np.where(spread > 1e-12, spread, 1.0)
        return cls(centre.astype(np.float32), std.astype(np.float32), _BOUNDS[scaling])

    def __call__(self, values: Float32Array) -> Float32Array:
        """Scale [..., F] into a new array, element by element.

        Each element is computed alone, so any cut of a table gives the same bytes as the whole.
        """
        low, high, missing = self.bounds
        scaled = np.subtract(values, self.mean, dtype=np.float32)
        scaled /= self.std
        np.clip(scaled, low, high, out=scaled)
        np.copyto(scaled, np.float32(missing), where=np.isnan(scaled))
        return scaled

    @property
    def arrays(self) -> dict[str, AnyArray]:
        """What is stored."""
        return {"mean": self.mean, "std": self.std, "bounds": np.array(self.bounds, dtype=np.float64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Scaler:
        low, high, missing = (float(value) for value in arrays["bounds"])
        return cls(arrays["mean"], arrays["std"], (low, high, missing))


def fit_scaler(setting: ScalingSetting, samples: Samples, rows: tuple[IntArray, IntArray]) -> Scaler:
    """The scaler of a recipe, from its training rows (t, n).

    leaky_zscore, leaky_minmax: from every usable row that ``samples`` holds, those after the training rows and after
    the day of the fit too, as papers do that scale a series before they split it.
    """
    if setting not in get_args(ScalingSetting):
        raise ConfigError(f"scaling: expected one of {', '.join(get_args(ScalingSetting))}, got {setting!r}")
    t, n = np.nonzero(samples.mask) if setting.startswith(LEAKY) else rows
    kind: Scaling = setting.removeprefix(LEAKY)  # type: ignore[assignment]
    return Scaler.fit_at(samples.features.values, t, n, kind)


def _moments(rows: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Mean and population standard deviation of each column of [M, F]; where values are missing, of the others."""
    rows = rows.astype(np.float64)
    hollow = np.isnan(rows)
    if not hollow.any():
        return rows.mean(axis=0), rows.std(axis=0)
    count = np.maximum((~hollow).sum(axis=0), 1)
    mean = np.where(hollow, 0.0, rows).sum(axis=0) / count
    return mean, np.sqrt((np.where(hollow, 0.0, rows - mean) ** 2).sum(axis=0) / count)


def _range(rows: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Smallest value and range of each column of [M, F], missing values left out; 0 and 0 where all are."""
    low, high = np.fmin.reduce(rows, axis=0, initial=np.inf), np.fmax.reduce(rows, axis=0, initial=-np.inf)
    seen = np.isfinite(low) & np.isfinite(high)
    return np.where(seen, low, 0.0), np.where(seen, high - low, 0.0)


_STATISTICS = {"zscore": _moments, "minmax": _range}
