"""Which days of which features a network's score follows, by its gradients (captum)."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from nnstrategies.errors import ConfigError, DataError
from nnstrategies.explain.judged import CrossSection, Judged
from nnstrategies.explain.permutation import COLUMNS
from nnstrategies.explain.stretches import mean_error
from nnstrategies.training.apply import head_to_outputs, load_network
from nnstrategies.training.device import one_thread, resolve_device
from nnstrategies.training.version import Version
from nnstrategies.typing import Float32Array, FloatArray

Method = Literal["integrated_gradients", "saliency"]
_ROWS = 64  # windows explained at a time
_POINTS = 512  # windows in one backward pass
_STEPS = 32  # points on the way from the baseline to the window


def captum_missing() -> bool:
    """Whether the optional package captum is not installed."""
    return importlib.util.find_spec("captum") is None


def attributions(
    version: Version, windows: Float32Array, method: Method = "integrated_gradients", steps: int = _STEPS
) -> Float32Array:
    """Attributions [M, L, F] of a network's score for unscaled windows [M, L, F].

    integrated_gradients: against the training mean of every feature; they add up to the score less the score of that
    mean (Sundararajan, Taly and Yan, 2017, completeness), up to the error of ``steps`` Gauss-Legendre points.
    saliency: |d score / d x| per standard deviation of x (Simonyan, Vedaldi and Zisserman, 2013).
    DataError for a version that is no network, ConfigError without captum.
    """
    if version.manifest["kind"] != "network":
        raise DataError(f"gradients: version {version.id} is a {version.manifest['kind']}, expected a network; permute")
    if method not in get_args(Method):
        raise ConfigError(f"gradients: method: expected one of {', '.join(get_args(Method))}, got {method!r}")
    if captum_missing():
        raise ConfigError("gradients: the package captum is missing; install nnstrategies[explain]")
    scaled = version.scaler(windows) if version.scaler else windows
    attribute, device = _attribution(version, method, steps)
    parts = []
    # cuDNN has no backward pass of recurrent layers in evaluation mode; torch's own kernels do
    with one_thread(), torch.backends.cudnn.flags(enabled=False):
        for first in range(0, len(scaled), _ROWS):
            x = torch.from_numpy(np.array(scaled[first : first + _ROWS])).to(device)  # [B, L, F]
            parts.append(attribute(x).detach().cpu().numpy().astype(np.float32))
    return np.concatenate(parts)


def _attribution(version: Version, method: Method, steps: int) -> tuple[Callable[[Tensor], Tensor], torch.device]:
    from captum.attr import IntegratedGradients, Saliency

    device = resolve_device(version.device)
    network = load_network(version.manifest, version.arrays).to(device)

    def score(x: Tensor) -> Tensor:
        return head_to_outputs(network(x), version.manifest.get("temperature", 1.0))[:, 0]  # [B, L, F] -> [B]

    if method == "saliency":
        saliency = Saliency(score)
        return lambda x: saliency.attribute(x.requires_grad_(), abs=True), device
    integrated = IntegratedGradients(score)
    return lambda x: integrated.attribute(x, n_steps=steps, internal_batch_size=_POINTS), device


def gradient_importance(judged: Judged, method: Method = "integrated_gradients", steps: int = _STEPS) -> pd.DataFrame:
    """Mean absolute attribution of every feature at every lag, in units of the score; networks only.

    Integrated gradients are first centred within their date, so that they add up to the score less its date's mean:
    only differences between symbols order them. Rows by feature_lag, by feature and by lag, where attributions are
    summed over the other axis before absolute values are taken. Columns as of ``permutation_importance``; error is the
    standard error over dates, baseline the mean absolute score (centred likewise). For integrated gradients a row
    ``gap``: by how much their sum misses the centred score, mean absolute; more ``steps`` make it smaller.
    """
    dates = judged.required()
    tables = [_by_date(date, method, steps) for date in dates]
    names, window = judged.samples.features.names, tables[0]["feature_lag"].shape[0]
    base = float(np.mean([table["score"] for table in tables]))

    def row(by: str, name: str, lags: tuple[int, int], values: list[float]) -> tuple[object, ...]:
        found = (float(np.mean(values)), float("nan"), mean_error(values), base, len(dates), 1)
        return (method, by, name, *lags, "score", *found)

    whole = (0, window - 1)
    rows = [row("feature", name, whole, [t["feature"][f] for t in tables]) for f, name in enumerate(names)]
    for k in range(window):
        day = window - 1 - k
        rows.append(row("lag", "", (k, k), [t["lag"][day] for t in tables]))
        cells = [[t["feature_lag"][day, f] for t in tables] for f in range(len(names))]
        rows += [row("feature_lag", name, (k, k), cells[f]) for f, name in enumerate(names)]
    if method == "integrated_gradients":
        rows.append(row("gap", "", whole, [float(t["gap"]) for t in tables]))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _by_date(date: CrossSection, method: Method, steps: int) -> dict[str, FloatArray]:
    """Mean absolute attributions of one date: feature_lag [L, F], feature [F], lag [L], score [], gap []."""
    windows = date.windows()
    found = attributions(date.version, windows, method, steps).astype(np.float64)  # [M, L, F]
    score = date.predict(windows)[:, 0].astype(np.float64)
    if method == "integrated_gradients":
        found -= found.mean(axis=0)
    return {
        "feature_lag": np.abs(found).mean(axis=0),
        "feature": np.abs(found.sum(axis=1)).mean(axis=0),
        "lag": np.abs(found.sum(axis=2)).mean(axis=0),
        "score": np.abs(score - score.mean()).mean(),
        "gap": np.abs(found.sum(axis=(1, 2)) - (score - score.mean())).mean(),
    }
