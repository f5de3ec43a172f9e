"""Samples whose future is another one: for recipes, which see nothing else of the market."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnstrategies.factors.horizons import FactorSamples
from nnstrategies.features.feature_set import Features
from nnstrategies.labels import Labels
from nnstrategies.samples import Samples
from nnstrategies.typing import BoolArray, Float32Array, FloatArray

_RETURN = 0.1  # standard deviation of a made-up forward return


def other_samples(
    samples: Samples, t: int, rng: np.random.Generator, features: bool = True, labels: bool = True
) -> Samples:
    """The same samples with other features and masks after row ``t``, and other labels where they end after t.

    Symbols exchange their later features, which are then scaled and shifted, so that neither their mean nor their
    spread stays. Labels become random ones of the same kind. Rows up to t and labels with end <= t stay byte-equal.
    """
    changed = samples
    if features:
        values, mask = _other_features(samples, t, rng)
        whole = samples.features
        changed = replace(
            changed, features=Features(whole.sessions, whole.symbols, whole.names, values, whole.set_hash), mask=mask
        )
    return _other_labels(changed, t, rng.standard_normal(samples.mask.shape)) if labels else changed


def _other_features(samples: Samples, t: int, rng: np.random.Generator) -> tuple[Float32Array, BoolArray]:
    order = rng.permutation(samples.N)
    values, mask = samples.features.values.copy(), samples.mask.copy()
    mask[t + 1 :] = mask[t + 1 :, order]
    for f in range(values.shape[2]):  # one feature at a time: no second array of that size
        later = values[order, t + 1 :, f]
        spread = float(np.nanstd(later)) if np.isfinite(later).any() else 0.0
        values[:, t + 1 :, f] = later * rng.uniform(1.5, 2.5) + (spread or 1.0) * rng.choice([-1.0, 1.0])
    return values, mask


def _other_labels(samples: Samples, t: int, draws: FloatArray) -> Samples:
    labels = samples.labels
    if not isinstance(samples, FactorSamples) or not samples.horizons:
        return replace(samples, labels=_noisy(labels, t, labels.end > t, draws))
    horizons = tuple(_noisy(one, t, one.end > t, draws) for one in samples.horizons)
    same = next(one for one in samples.horizons if one.horizon_days == labels.horizon_days)
    later = np.where(same.end >= 0, same.end, labels.end) > t  # the labels share these returns, and may end later
    return replace(samples, labels=_noisy(labels, t, later, draws), horizons=horizons)


def _noisy(labels: Labels, t: int, later: BoolArray, draws: FloatArray) -> Labels:
    """later: [T, N] whose returns become others; values do where the label itself ends after t."""
    made = _RETURN * draws
    if labels.n_classes:
        cut = np.quantile(draws, np.arange(1, labels.n_classes) / labels.n_classes)
        made = np.searchsorted(cut, draws).astype(np.float64)
    values = np.where((labels.end > t) & np.isfinite(labels.values), made, labels.values).astype(np.float32)
    returns = np.where(later & np.isfinite(labels.returns), _RETURN * draws, labels.returns).astype(np.float32)
    return replace(labels, values=values, returns=returns)
