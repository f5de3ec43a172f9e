"""The cross-validating stage: what each recipe of a run's own task was worth in blocks of time before the test."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nnstrategies.errors import FitError
from nnstrategies.evidence import mean_rank_ic
from nnstrategies.explain import ClassOutputs, Judged
from nnstrategies.explain.forecasts import forecast_accuracy
from nnstrategies.pipeline.console import console
from nnstrategies.pipeline.manifest import leaks
from nnstrategies.pipeline.run import Run
from nnstrategies.pipeline.searching import recipe_at
from nnstrategies.predictors import score, stored_timelines
from nnstrategies.samples import Samples
from nnstrategies.search import Fold, cv_folds
from nnstrategies.training import FIXED, FitStore, Progress, ProgressBar, RefitPlan, Timeline
from nnstrategies.training.jobs import run_jobs
from nnstrategies.training.targets import PERCENT
from nnstrategies.training.walkforward import RecipeAt, chain, needs_gpu
from nnstrategies.typing import Float32Array

log = logging.getLogger(__name__)

TABLE = "cross_validation"
TEST = 0  # number of the test's row; folds count from 1
COLUMNS = {
    "recipe": "str",
    "fold": "int64",
    "seed": "int64",
    "fitted": "datetime64[s]",
    "first": "datetime64[s]",
    "last": "datetime64[s]",
    "dates": "int64",
    "rank_ic": "float64",
    "accuracy": "float64",
}


def folds_of(run: Run) -> list[Fold]:
    """Folds that end at the session before the test, none without the section; FitError when history is too short."""
    settings = run.config.cross_validation
    if settings is None:
        return []
    asof = run.test_rows[0] - 1
    return cv_folds(asof, settings.folds, settings.valid_days, settings.embargo_days, "cross_validation")


def cross_validate(run: Run) -> None:
    """Write cross_validation.parquet: a row for each recipe and fold, and one (fold 0) for the test.

    Every recipe of the run's own task that learns, with the run's first seed, fitted as of each fold on what was known
    then. Finished fits are kept in cross_validation/ and not repeated. The test's row is of the same seed and measure.
    """
    folds = folds_of(run)
    if not folds or run.folder.has(f"{TABLE}.parquet"):
        return
    names = [name for name in run.config.main_task.recipes if not isinstance(run.config.recipes[name], FIXED)]
    timelines = stored_timelines(run.folder.path, run.config.device, allow_leaks=True)
    rows = []
    for name in names:
        with run.stage(f"cross-validate {name}"):
            own = [*_of_folds(run, name, folds), _of_test(run, name, timelines[name, run.config.seeds[0]])]
        log.info("%s: rank IC by fold %s", name, ", ".join(f"{row['rank_ic']:.4f}" for row in own[:-1]))
        rows += own
    run.folder.write_frame(TABLE, pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS))


def _of_folds(run: Run, name: str, folds: Sequence[Fold]) -> list[dict[str, Any]]:
    """A row a fold, of fits that run apart from each other."""
    samples, store = run.samples_of(name), FitStore(run.folder.path / TABLE, run.config.device, leaks(run))
    settled = recipe_at(run, name)(run.plan_of(name).rows[0])  # as searched before the test

    def job(number: int, progress: Progress | None) -> dict[str, Any]:
        return _of_fold(run, name, samples, lambda asof: settled, folds[number], store, progress)

    with ProgressBar(console) as bar:
        return run_jobs(job, len(folds), 1 if needs_gpu(settled) else run.workers, bar)


def _of_fold(
    run: Run,
    name: str,
    samples: Samples,
    recipe: RecipeAt,
    fold: Fold,
    store: FitStore,
    progress: Progress | None,
) -> dict[str, Any]:
    """One fit and what it was worth; a recipe that cannot be fitted on so little has no figures."""
    known, plan = samples.upto(fold.valid.known_by), RefitPlan((fold.asof,))
    row = _row(run, name, fold.number + 1, fold.asof, fold.valid.first, fold.valid.last)
    labelled = np.flatnonzero(np.isfinite(known.labels.returns[fold.valid.first : fold.valid.last + 1]).any(axis=1))
    dates = [fold.valid.first + int(day) for day in labelled[:: run.config.evidence.every_days]]
    try:
        entries = chain(known, run.panel.calendar, recipe, row["seed"], plan, plan.rows, progress, store)
    except FitError as error:
        log.warning("cross_validation: %s, fold %d: %s", name, fold.number + 1, error)
        return row
    return row | _figures(run, name, known, Timeline(entries), dates)


def _of_test(run: Run, name: str, timeline: Timeline) -> dict[str, Any]:
    """The same figures of the test, of which each refit's version saw nothing."""
    row = _row(run, name, TEST, run.first_refit(name), *run.test_rows)
    return row | _figures(run, name, run.samples_of(name), timeline, run.judged_rows(name))


def _row(run: Run, name: str, number: int, fitted: int, first: int, last: int) -> dict[str, Any]:
    days = run.panel.sessions
    dates = {"fitted": days[fitted], "first": days[first], "last": days[last]}
    figures = {"dates": 0, "rank_ic": np.nan, "accuracy": np.nan}
    return {"recipe": name, "fold": number, "seed": run.config.seeds[0], **dates, **figures}


def _figures(run: Run, name: str, samples: Samples, timeline: Timeline, dates: Sequence[int]) -> dict[str, Any]:
    """Rank IC and accuracy over ``dates``, which have labels that ``samples`` knows."""
    if not dates:
        return {}
    scores = score(samples, timeline, dates).column()
    rank_ic = mean_rank_ic(scores, samples, dates, run.config.task_of(name)[1].measure)
    return {"dates": len(dates), "rank_ic": rank_ic, "accuracy": _accuracy(samples, timeline, dates, scores)}


def _accuracy(samples: Samples, timeline: Timeline, dates: Sequence[int], scores: Float32Array) -> float:
    """Share of right classes; of right directions where the score is a return in per cent; NaN for any other score."""
    found = ClassOutputs.of(Judged.in_force(samples, timeline, dates))
    if found is not None:
        return float(np.mean(found.predicted == found.actual))
    if timeline.entries[0].version.units[0] != PERCENT:
        return float("nan")
    t, n = np.nonzero(np.isfinite(scores))
    returns = samples.labels.returns[t, n]
    table = forecast_accuracy(n, scores[t, n] / 100, np.where(samples.mask[t, n], returns, np.nan), (0.0,))
    return float(table["hits"].sum() / table["acted"].sum()) if table["acted"].sum() else float("nan")
