"""What byte comparisons cannot see: features made of the label itself, fits that know what they should not.

These are statistics, so they say "suspicious", never "leak".
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from nnstrategies.audit.findings import Finding, Stage
from nnstrategies.calendar import Calendar
from nnstrategies.errors import FitError
from nnstrategies.evidence import mean_rank_ic, rank_ic, shuffled
from nnstrategies.factors import Measure
from nnstrategies.predictors import score
from nnstrategies.samples import Samples
from nnstrategies.training.recipe import Recipe
from nnstrategies.training.walkforward import walk_forward

MOST_IC = 0.2  # mean rank IC of one feature; published factors reach 0.02 to 0.10 at horizons of days to months
_EVERY = 5  # sessions between judged dates
_SPAN = 250  # sessions after a refit that are judged
_LEAST_DATES = 20


def check_single_features(samples: Samples) -> Stage:
    """No feature alone should order the returns to come as well as |mean rank IC| = 0.2, over all dates."""
    started = time.perf_counter()
    rows = np.flatnonzero(samples.mask.any(axis=1))[::_EVERY]
    names = samples.features.names
    if len(rows) < _LEAST_DATES:
        return Stage("too good", "feature", note=f"{len(rows)} dates are too few")
    returns, mask = samples.labels.returns[rows], samples.mask[rows]
    findings, compared = [], 0
    for f, name in enumerate(names):
        by_date = rank_ic(samples.features.values[:, rows, f].T, returns, mask)
        judged = np.isfinite(by_date)
        compared += int(judged.sum())
        mean = float(by_date[judged].mean()) if judged.sum() >= _LEAST_DATES else 0.0
        if abs(mean) > MOST_IC:
            what = f"alone has a mean rank IC of {mean:.3f} over {judged.sum()} dates: is the return part of it?"
            findings.append(Finding("too good", name, "suspicious", what))
    dates = (str(samples.features.sessions[rows[0]]), str(samples.features.sessions[rows[-1]]))
    return Stage(
        "too good", "feature", len(names), dates, compared, tuple(findings), seconds=time.perf_counter() - started
    )


def check_shuffled(
    recipe: Recipe,
    samples: Samples,
    calendar: Calendar,
    asofs: Sequence[int],
    refits: int = 3,
    seed: int = 1,
    measure: Measure = "across",
) -> Stage:
    """Fitted on shuffled labels, a recipe must not predict those shuffled labels out of sample.

    Each symbol gets another's label history for good, see ``evidence.shuffled``. Whoever predicts it in the year after
    the fit has read it there. The mean over ``refits`` of the rank IC must stay below 0.2.
    """
    started = time.perf_counter()
    first = min(asofs)
    rows = range(first + 1, min(first + _SPAN, samples.T), _EVERY)
    own: list[float] = []
    try:
        for number in range(refits):
            moved = shuffled(samples, seed + number, measure)
            timeline = walk_forward(moved, calendar, recipe, (seed,), [first])[seed]
            own.append(mean_rank_ic(score(samples, timeline, rows).column(), moved, rows, measure))
        timeline = walk_forward(samples, calendar, recipe, (seed,), [first])[seed]
    except FitError as error:
        return Stage("shuffled labels", "recipe", note=f"{recipe.name} cannot be fitted: {error}")
    real = mean_rank_ic(score(samples, timeline, rows).column(), samples, rows, measure)
    told = f"{recipe.name}: rank IC {real:.3f} on true labels; on shuffled ones {', '.join(f'{v:.3f}' for v in own)}"
    mean = float(np.mean(own))
    findings = []
    if abs(mean) > MOST_IC:
        what = f"predicts shuffled labels out of sample, mean rank IC {mean:.3f}: it has seen them"
        findings.append(Finding("shuffled labels", recipe.name, "suspicious", what, str(calendar.sessions[first + 1])))
    dates = (str(calendar.sessions[first]),)
    compared, seconds = len(rows) * refits, time.perf_counter() - started
    return Stage("shuffled labels", "recipe", 1, dates, compared, tuple(findings), told, seconds)
