"""What the recipes of a run learn: samples by task, and the picks that one model hands to the next."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from nnstrategies.factors.horizons import FactorSamples, forward_returns
from nnstrategies.features import Features, FeatureSet, chosen_from, feature_set, left_out
from nnstrategies.labels import Labels, make_labels
from nnstrategies.panel import Panel
from nnstrategies.samples import Samples
from nnstrategies.settings import LabelSettings, PickSettings, TaskSettings
from nnstrategies.typing import AnyArray, BoolArray, Float32Array

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """What some recipes learn: the panel they see, its features, and samples over all of them."""

    settings: TaskSettings
    panel: Panel
    features: FeatureSet
    samples: Samples


def features_of(task: TaskSettings, panel: Panel) -> FeatureSet:
    """The task's features, as far as ``panel`` has their tables; what is left out is logged."""
    for line in left_out(task.features, panel):
        log.warning(line)
    return feature_set(task.features, panel)


def samples_of(task: TaskSettings, features: FeatureSet, panel: Panel) -> Samples:
    """Samples over all of the task's features, with its labels and groups."""
    return _joined(task, features(panel), panel)


def with_settings(task: Task, settings: TaskSettings) -> Task:
    """The same features with the window, labels and groups of ``settings``."""
    before, now = ((one.window, one.label, one.groups) for one in (task.settings, settings))
    if before == now:
        return replace(task, settings=settings)
    return replace(task, settings=settings, samples=_joined(settings, task.samples.features, task.panel))


def _joined(task: TaskSettings, features: Features, panel: Panel) -> Samples:
    label, labels = task.label, labels_of(task.label, panel)
    group = np.arange(panel.N) if task.groups == "symbol" else None
    samples = Samples.build(panel, features, labels, task.window, group)
    if not label.also_days:
        return samples
    return FactorSamples.join(samples, forward_returns(panel, sorted({label.horizon_days, *label.also_days})))


def labels_of(label: LabelSettings, panel: Panel) -> Labels:
    """Labels as the settings say."""
    return make_labels(panel, label.kind, label.holding, label.relative, label.thresholds, label.volatility_scaled)


def with_inputs(samples: Samples, known: FeatureSet, wanted: str | tuple[str, ...]) -> Samples:
    """The same samples with some of their features: every recipe of a task is judged on the same rows."""
    whole, chosen = samples.features, chosen_from(wanted, known)
    columns = [whole.names.index(name) for name in chosen.names]
    values = np.ascontiguousarray(whole.values[:, :, columns])  # [N, T, F] -> [N, T, F']
    features = Features(whole.sessions, whole.symbols, chosen.names, values, chosen.hash, chosen.optional, chosen.leaky)
    return replace(samples, features=features)


def on_panel(panel: Panel, means: pd.Series) -> Float32Array:
    """[T, N] scores by (date, symbol) laid over a panel's sessions and symbols, NaN where there is none."""
    values = np.full(panel.shape, np.nan, dtype=np.float32)
    dates = means.index.get_level_values("date").to_numpy().astype("datetime64[D]")
    columns = pd.Index(panel.symbols).get_indexer(means.index.get_level_values("symbol"))
    values[np.searchsorted(panel.sessions, dates), columns] = means.to_numpy()
    return values


def picked(scores: AnyArray, mask: BoolArray, picks: PickSettings) -> BoolArray:
    """[T, N] the best of each date's scores [T, N] among ``mask``; nothing on a date without scores."""
    usable = mask & np.isfinite(scores)
    order = np.argsort(np.argsort(np.where(usable, -scores, np.inf), axis=1, kind="stable"), axis=1, kind="stable")
    count = usable.sum(axis=1, keepdims=True)
    most = np.full_like(count, picks.top_n) if picks.top_n is not None else np.ceil((picks.share or 0.0) * count)
    return usable & (order < most)
