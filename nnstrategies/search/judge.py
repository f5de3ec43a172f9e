"""What a fitted candidate is worth on a fold it has not seen."""

from __future__ import annotations

import datetime as dt

import numpy as np

from nnstrategies.errors import ConfigError, FitError
from nnstrategies.factors.ic import Measure, rank_ics
from nnstrategies.factors.quantiles import quantile_of, quantile_returns
from nnstrategies.samples import Samples
from nnstrategies.search.folds import Fold
from nnstrategies.search.settings import Objective
from nnstrategies.search.trial import FoldResult
from nnstrategies.training.targets import PERCENT, within_date
from nnstrategies.training.version import Version
from nnstrategies.typing import AnyArray, FloatArray, IntArray

FIFTHS = 5
PORTFOLIOS: dict[Measure, str] = {
    "across": "the top fifth by score less the mean of all, before costs",
    "time": "each symbol long where its score is above 0, short where below, before costs",
}
_LEAST_P = 1e-12  # a probability of 0 for what happened would make the loss infinite


def judge(
    version: Version, known: Samples, fold: Fold, objective: Objective, measure: Measure = "across"
) -> FoldResult:
    """Score the fold's rows and compare with labels that end inside it; rank ICs are as ``measure`` says.

    Raises FitError when the objective cannot be computed (no labels, equal scores), ConfigError when the recipe does
    not give what it needs.
    """
    t, n = known.rows(*fold.valid)
    if not len(t):
        raise FitError(
            f"search: fold {fold.number + 1}: no label ends inside its {fold.valid.last - fold.valid.first + 1} "
            f"sessions; make valid_days longer than the label's horizon of {known.labels.horizon_days}"
        )
    outputs, returns = _scored(version, known, fold, t, n)
    ics = rank_ics(outputs[:, :, 0], returns, measure)  # [D], or [N] through time
    mean_ic = float(np.nanmean(ics)) if np.isfinite(ics).any() else None
    rows = outputs[t - fold.valid.first, n]  # [D, N, K] -> [M, K]
    value = mean_ic if objective == "rank_ic" else _of_labels(version, known, t, n, rows, objective)
    if value is None or not np.isfinite(value):
        one = "date" if measure == "across" else "symbol"
        raise FitError(f"search: fold {fold.number + 1}: no {objective}: the scores of each {one} are equal")
    day = known.features.sessions
    return FoldResult(
        value,
        mean_ic,
        _date(day[fold.asof]),
        _date(day[fold.valid.first]),
        _date(day[fold.valid.last]),
        _date(day[known.labels.end[t, n].max()]),
        _portfolio(known, fold, outputs[:, :, 0], returns, measure),
    )


def _scored(version: Version, known: Samples, fold: Fold, t: IntArray, n: IntArray) -> tuple[FloatArray, FloatArray]:
    """Outputs [D, N, K] of the fold's rows and the returns [D, N] of its usable labels."""
    first, last = fold.valid.first, fold.valid.last
    outputs = np.stack([version.predict(known.features, known.mask[row], row) for row in range(first, last + 1)])
    returns = np.full(outputs.shape[:2], np.nan)
    returns[t - first, n] = known.labels.returns[t, n]
    return outputs.astype(np.float64), returns


def _of_labels(
    version: Version, known: Samples, t: IntArray, n: IntArray, outputs: FloatArray, objective: Objective
) -> float:
    """Accuracy or loss over the rows (t, n) with outputs [M, K]; of a forecast in per cent, its squared error."""
    labels, classes = known.labels.values[t, n], known.labels.n_classes
    if objective == "loss" and not classes:
        if version.units[0] == PERCENT:
            return float(np.mean((outputs[:, 0] - 100 * labels) ** 2))
        if version.units[0] != "return standardised within its date":
            raise _refusal(version, "loss of a return label", "forecasts standardised returns, or returns in per cent")
        return float(np.mean((outputs[:, 0] - within_date(labels, t, "standardised")) ** 2))
    by_class = _class_outputs(version, outputs, classes)  # [M, C]
    if objective == "accuracy":
        return float(np.mean(by_class.argmax(axis=1) == labels))
    if "probability" not in version.units:
        raise _refusal(version, "loss", "gives probabilities")
    return float(-np.log(np.maximum(by_class[np.arange(len(labels)), labels.astype(np.int64)], _LEAST_P)).mean())


def _class_outputs(version: Version, outputs: FloatArray, classes: int) -> FloatArray:
    """One column a class, [M, C]; an ensemble's spread is none."""
    of_classes = [k for k, name in enumerate(version.outputs) if name.startswith(("p_", "margin_"))]
    if classes and len(of_classes) == classes:
        return outputs[:, of_classes]
    if classes == 2 and len(of_classes) == 1 and version.units[of_classes[0]] == "probability":
        up = outputs[:, of_classes[0]]
        return np.stack([1 - up, up], axis=1)
    raise _refusal(version, "accuracy and loss", "tells classes apart")


def _refusal(version: Version, what: str, need: str) -> ConfigError:
    return ConfigError(
        f"search: objective: {what} needs a recipe that {need}; {version.manifest['recipe']} gives "
        f"{', '.join(version.outputs)}; take rank_ic"
    )


def _portfolio(
    known: Samples, fold: Fold, scores: FloatArray, returns: FloatArray, measure: Measure
) -> tuple[tuple[dt.date, float], ...]:
    """``PORTFOLIOS[measure]`` by decision date every horizon: holding spans that do not overlap."""
    decided = np.flatnonzero(np.isfinite(returns).any(axis=1))  # of labels by the month, one a month
    every = known.labels.horizon_days if len(decided) > len(scores) // 2 else 1
    rows = decided[::every]
    earned = (_top_fifth if measure == "across" else _by_sign)(scores[rows], returns[rows])
    days = known.features.sessions[fold.valid.first + rows]
    return tuple((_date(day), float(value)) for day, value in zip(days, earned, strict=True) if np.isfinite(value))


def _top_fifth(scores: FloatArray, returns: FloatArray) -> AnyArray:
    groups = quantile_of(np.where(np.isfinite(returns), scores, np.nan), FIFTHS)
    top: AnyArray = quantile_returns(groups, returns, FIFTHS, relative=True)[:, -1]
    return top


def _by_sign(scores: FloatArray, returns: FloatArray) -> AnyArray:
    earned = np.sign(scores) * returns  # [D, N]
    usable = np.isfinite(earned)
    count = usable.sum(axis=1)
    return np.where(count > 0, np.where(usable, earned, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)


def _date(day: np.datetime64) -> dt.date:
    found: dt.date = day.astype("datetime64[D]").item()
    return found
