"""The gap between training and validation, by the recipes' own settings and without a fit."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np

from nnstrategies.audit.findings import Finding, Stage
from nnstrategies.audit.recipes import split_of
from nnstrategies.errors import FitError
from nnstrategies.samples import Samples
from nnstrategies.training.recipe import Recipe


def check_gap(recipes: Mapping[str, Recipe], samples: Samples, asofs: Sequence[int]) -> Stage:
    """No training row's label may end on or after the first validation row less the embargo, or after asof.

    Counts what ``Samples.rows`` hands out; whether a recipe keeps to it is seen by fitting it, see ``check_recipe``.
    """
    started = time.perf_counter()
    sessions = samples.features.sessions
    findings: list[Finding] = []
    compared, nearest = 0, samples.T
    for name, recipe in recipes.items():
        for asof in asofs:
            known = samples.upto(asof)
            try:
                split = split_of(recipe, known, asof)
            except FitError:
                continue  # fitting says so itself
            t, n = known.rows(*split.train, stride=getattr(recipe, "stride_days", 1))
            end = samples.labels.end[t, n]
            compared += len(t)
            nearest = min(nearest, split.valid.first - int(end.max(initial=-1)))
            late = end > split.train.last
            if late.any():
                what = (
                    f"trains as of {sessions[asof]} on {late.sum():,} rows whose label ends after "
                    f"{sessions[split.train.last]}, where validation (or its embargo) begins"
                )
                symbols = tuple(dict.fromkeys(np.asarray(samples.features.symbols)[n[late]].tolist()))
                findings.append(Finding("gap", name, "leak", what, str(sessions[t[late][0]]), symbols))
    note = (
        f"from the end of the nearest training label to its validation: {nearest} or more sessions" if compared else ""
    )
    dates = tuple(str(sessions[asof]) for asof in sorted(asofs))
    seconds = time.perf_counter() - started
    return Stage("gap", "recipe", len(recipes), dates, compared, tuple(findings), note, seconds)
