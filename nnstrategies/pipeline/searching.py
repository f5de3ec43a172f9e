"""The search stage: settings for each period of the test, chosen on what was known before it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nnstrategies.config import recipe_tree
from nnstrategies.errors import ConfigError, RunFolderError
from nnstrategies.pipeline.console import console
from nnstrategies.pipeline.run import Run
from nnstrategies.pipeline.trial_records import candidate_of, record_search, tell
from nnstrategies.search import (
    Choice,
    ChoiceTimeline,
    SearchSettings,
    Trial,
    cv_folds,
    fingerprint_of,
    search_as_of,
    search_rows,
    with_values,
)
from nnstrategies.search.space import unwrapped
from nnstrategies.training import ProgressBar
from nnstrategies.training.jobs import run_jobs
from nnstrategies.training.walkforward import RecipeAt, needs_gpu

log = logging.getLogger(__name__)


def search(run: Run, name: str) -> None:
    """Make every choice of recipe ``name``'s walk-forward; nothing where the config does not search it.

    Each search keeps its trials in search/<asof>.journal and goes on from there after a kill.
    """
    settings = run.config.search
    if settings is not None and settings.recipe == name:
        first, last = run.plan_of(name).rows[0] + 1, run.test_rows[1]
        _search(run, settings, search_rows(run.panel.calendar, first, last, settings))


def search_first(run: Run) -> list[str]:
    """Search as of the session before the test; lines with the table of trials and the choice."""
    settings = _settings(run)
    picks = run.config.task_of(settings.recipe)[1].picks
    if picks:
        raise ConfigError(
            f"search: {settings.recipe} learns from the picks of {picks.of}, which has to be trained first; take 'run'"
        )
    if run.folder.has(f"parts/{settings.recipe}.json"):
        raise RunFolderError(f"{run.folder.path}: {settings.recipe} is trained; its search stays as it is: start anew")
    (choice,) = _search(run, settings, search_rows(run.panel.calendar, *run.test_rows, settings)[:1]).choices
    table = trial_table(choice, settings.sign).to_string(index=False, na_rep="", float_format="{:.4f}".format)
    return [*table.splitlines(), "", _told(choice)]


def recipe_at(run: Run, name: str) -> RecipeAt:
    """Recipe ``name`` as a function of the refit's row; where it is searched, with the settings chosen by then."""
    recipe = run.recipe_of(name)
    if run.config.search is None or run.config.search.recipe != name:
        return lambda asof: recipe
    choices = ChoiceTimeline(Choice.from_json(tree) for tree in run.folder.read_json("search.json"))
    return choices.recipe_at(recipe)


def write_outcome(run: Run) -> None:
    """Put beside each choice's rank IC over its folds what the recipe reached afterwards, until the next choice."""
    if run.config.search is None:
        return
    choices = run.folder.read_json("search.json")
    table = run.folder.read_frame("ic")
    table = table[table["recipe"] == run.config.search.recipe]
    ends = [*(pd.Timestamp(choice["asof"]) for choice in choices[1:]), table["date"].max()]
    for choice, end in zip(choices, ends, strict=True):
        later = table[(table["date"] > pd.Timestamp(choice["asof"])) & (table["date"] <= end)]
        by_seed = later.groupby("seed")["rank_ic"].mean()
        found = float(by_seed.mean()) if len(by_seed) else None
        choice |= {"out_of_sample_rank_ic": found, "out_of_sample_dates": int(later["date"].nunique())}
        if found is not None and choice["rank_ic"] is not None:
            choice["optimism"] = choice["rank_ic"] - found
            log.info(
                "search as of %s: rank IC %.4f over the folds (chosen among many, so flattering), %.4f afterwards",
                *(choice[key] for key in ("asof", "rank_ic", "out_of_sample_rank_ic")),
            )
    run.folder.write_json("search.json", choices)


def trial_table(choice: Choice, sign: int) -> pd.DataFrame:
    """A row a trial: the finished ones, best first, then the pruned and the impossible."""
    order = {"complete": 0, "pruned": 1, "impossible": 2}
    rows = [
        {
            "trial": trial.number,
            "state": trial.state if trial.repeats is None else f"as {trial.repeats}",
            **{key: f"{value:.4g}" if isinstance(value, float) else str(value) for key, value in trial.params.items()},
            "folds": len(trial.folds),
            choice.objective: trial.value,
            "spread": trial.spread,
            **({} if choice.objective == "rank_ic" else {"rank_ic": trial.rank_ic}),
            "reason": trial.reason,
        }
        for trial in sorted(choice.trials, key=lambda one: (order[one.state], -sign * np.nan_to_num(one.value)))
    ]
    return pd.DataFrame(rows)


def _settings(run: Run) -> SearchSettings:
    if run.config.search is None:
        raise ConfigError(f"config {run.config.name}: has no section search; add one, see docs/search.md")
    return run.config.search


def _search(run: Run, settings: SearchSettings, rows: Sequence[int]) -> ChoiceTimeline:
    recipe = run.recipe_of(settings.recipe)
    samples = run.samples_of(settings.recipe)
    folder = run.folder.path / "search"

    def job(number: int, progress: Any) -> tuple[Choice, list[bool]]:
        known, new = samples.upto(rows[number]), []
        folds = cv_folds(rows[number], settings.folds, settings.valid_days, settings.embargo_days)
        data = fingerprint_of(known, folds)

        def keep(trial: Trial) -> None:
            if trial.folds and trial.repeats is None:
                candidate = candidate_of(recipe_tree(unwrapped(with_values(recipe, trial.params))))
                new.append(record_search(run, trial, candidate, known, data))

        journal = folder / f"{run.panel.sessions[rows[number]]}.journal"
        return search_as_of(samples, rows[number], recipe, settings, journal, keep, progress), new

    with run.stage(f"search {settings.recipe}"), ProgressBar(console) as bar:
        done = run_jobs(job, len(rows), 1 if needs_gpu(recipe) else run.workers, bar)
    choices = ChoiceTimeline(choice for choice, _ in done)
    for choice in choices.choices:
        run.folder.write_frame(f"search/{choice.asof}", trial_table(choice, settings.sign))
        log.info(_told(choice))
    tell(flag for _, new in done for flag in new)
    run.folder.write_json("search.json", choices.to_json())
    return choices


def _told(choice: Choice) -> str:
    params = ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in choice.params.items())
    counts = ", ".join(f"{count} {state}" for state, count in sorted(choice.counts.items()))
    spread = "" if np.isnan(choice.spread) else f" (spread {choice.spread:.4f} over folds)"
    found = f"{choice.objective} {choice.value:.4f}{spread}"
    return f"{choice.recipe} as of {choice.asof}: {params}; {found}; trials: {counts}"
