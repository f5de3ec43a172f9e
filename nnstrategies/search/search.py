"""A search as of one date: candidates, each judged fold by fold on what was known then."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from nnstrategies import __version__
from nnstrategies.calendar import Calendar
from nnstrategies.errors import ConfigError, FitError
from nnstrategies.factors import Measure
from nnstrategies.samples import Samples
from nnstrategies.search.choice import Choice
from nnstrategies.search.folds import Fold, cv_folds, fingerprint_of
from nnstrategies.search.journal import Journal
from nnstrategies.search.judge import judge
from nnstrategies.search.propose import count_of, propose
from nnstrategies.search.settings import SearchSettings
from nnstrategies.search.space import Params, Space, with_values
from nnstrategies.search.trial import FoldResult, Trial
from nnstrategies.splits import refit_rows
from nnstrategies.training.progress import Progress, Tick
from nnstrategies.training.recipe import Recipe, date_of, with_setting

LEAST_FINISHED = 5  # trials before a median means something
LEAST_FOLDS = 2  # one fold alone says too little

OnTrial = Callable[[Trial], None]


def search_rows(calendar: Calendar, first: int, last: int, settings: SearchSettings) -> list[int]:
    """Rows as of which a test over rows first..last searches: the session before it, then as often as ``every``."""
    return refit_rows(calendar, first, last, settings.every)


def search_as_of(
    samples: Samples,
    asof: int,
    recipe: Recipe,
    settings: SearchSettings,
    journal: Path | None = None,
    on_trial: OnTrial | None = None,
    progress: Progress | None = None,
    measure: Measure = "across",
) -> Choice:
    """The best settings by time-series cross-validation on ``samples.upto(asof)``; nothing later is read.

    measure: rank ICs across the symbols of a date, or through time for each symbol.
    journal: a file that keeps each finished trial; a search that was killed goes on from it and chooses as if it had
    not been. on_trial: called with each new trial before it is in the journal, so perhaps again after a kill.
    Ties go to the earlier trial. Raises FitError when no candidate could be fitted, naming the first reason.
    """
    known = samples.upto(asof)
    recipe = with_setting(recipe, "checkpoints", None)  # one candidate's would be refused by the next
    folds = cv_folds(asof, settings.folds, settings.valid_days, settings.embargo_days)
    space = Space.of(recipe, settings.space)
    book = Journal(journal, _name(known, recipe, settings, folds, measure), space, settings) if journal else None
    trials = book.trials() if book else []
    count = count_of(space, settings)
    with threadpool_limits(1):
        while len(trials) < count:
            trial = _tried(known, folds, recipe, settings, propose(space, settings, trials), trials, measure)
            if on_trial:
                on_trial(trial)
            if book:
                book.append(trial)
            trials.append(trial)
            if progress:
                progress(_tick(known, recipe, settings, trials, count))
    return _chosen(known, recipe, settings, trials)


def best_of(trials: Sequence[Trial], sign: int) -> Trial | None:
    """The finished trial with the best value, the earliest of equals."""
    finished = [trial for trial in trials if trial.state == "complete"]
    return max(finished, key=lambda trial: sign * trial.value) if finished else None


def _tried(
    known: Samples,
    folds: Sequence[Fold],
    recipe: Recipe,
    settings: SearchSettings,
    params: Params,
    before: list[Trial],
    measure: Measure,
) -> Trial:
    """One candidate through the folds; one that was tried before keeps its results."""
    number = len(before)
    for earlier in before:
        if earlier.repeats is None and earlier.params == params:
            return dataclasses.replace(earlier, number=number, repeats=earlier.number)
    try:
        candidate = with_values(recipe, params)
    except ConfigError as error:
        return Trial(number, params, "impossible", reason=str(error))
    done: list[FoldResult] = []
    try:
        for fold in folds:
            version = candidate.fit(known, fold.asof, settings.seed)
            done.append(judge(version, known, fold, settings.objective, measure))
            if settings.prune and len(done) < len(folds) and (reason := _pruned(done, before, settings.sign)):
                return Trial(number, params, "pruned", tuple(done), reason)
    except FitError as error:
        return Trial(number, params, "impossible", tuple(done), str(error))
    return Trial(number, params, "complete", tuple(done))


def _pruned(done: Sequence[FoldResult], before: Sequence[Trial], sign: int) -> str:
    """Why a candidate is given up: worse than the median of finished trials over the folds it ran; empty if not."""
    finished = [trial for trial in before if trial.state == "complete" and trial.repeats is None]
    if len(done) < LEAST_FOLDS or len(finished) < LEAST_FINISHED:
        return ""
    own = float(np.mean([fold.value for fold in done]))
    median = float(np.median([trial.mean_of(len(done)) for trial in finished]))
    if sign * own >= sign * median:
        return ""
    return f"mean {own:.4f} over {len(done)} folds, median of {len(finished)} finished trials {median:.4f}"


def _chosen(known: Samples, recipe: Recipe, settings: SearchSettings, trials: Sequence[Trial]) -> Choice:
    best, asof = best_of(trials, settings.sign), date_of(known, known.T - 1)
    if best is None:
        reason = trials[0].reason or "it was pruned"
        raise FitError(
            f"search of {recipe.name} as of {asof}: none of {len(trials)} candidates could be judged; the first, "
            f"{dict(trials[0].params)}: {reason}"
        )
    return Choice(
        recipe=recipe.name,
        asof=asof,
        row=known.T - 1,
        params=best.params,
        objective=settings.objective,
        value=best.value,
        spread=best.spread,
        rank_ic=best.rank_ic,
        labels_through=max(fold.label_end for trial in trials for fold in trial.folds),
        counts=Counter("repeated" if trial.repeats is not None else trial.state for trial in trials),
        trials=tuple(trials),
    )


def _name(known: Samples, recipe: Recipe, settings: SearchSettings, folds: Sequence[Fold], measure: Measure) -> str:
    """What is searched, with a hash of all that the result depends on."""
    anywhere: Any = with_setting(recipe, "device", "auto")
    told = [dataclasses.asdict(anywhere), dataclasses.asdict(settings), fingerprint_of(known, folds), measure]
    told.append(__version__)
    digest = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:16]
    return f"{recipe.name} as of {date_of(known, known.T - 1)} {digest}"


def _tick(known: Samples, recipe: Recipe, settings: SearchSettings, trials: Sequence[Trial], count: int) -> Tick:
    best, asof = best_of(trials, settings.sign), date_of(known, known.T - 1)
    said = f"trial {len(trials)}/{count}" + (f", best {settings.objective} {best.value:.4f}" if best else "")
    return Tick(f"search {recipe.name} as of {asof}", 0, asof, 0, 0, len(trials) / count, 0.0, None, 0.0, note=said)
