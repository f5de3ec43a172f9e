"""The search stage: settings for each period of the test, chosen on what was known before it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from nnstrategies.config import recipe_tree
from nnstrategies.errors import ConfigError, FitError, LeakError, RunFolderError
from nnstrategies.evidence import mean_rank_ic
from nnstrategies.pipeline.console import console
from nnstrategies.pipeline.manifest import leaks
from nnstrategies.pipeline.run import Run
from nnstrategies.pipeline.tasks import on_panel
from nnstrategies.pipeline.trial_records import candidate_of, record_search, tell
from nnstrategies.samples import Samples
from nnstrategies.search import (
    Choice,
    ChoiceTimeline,
    Library,
    SearchSettings,
    Trial,
    cv_folds,
    fingerprint_of,
    read_choices,
    search_as_of,
    search_rows,
    with_values,
)
from nnstrategies.search.space import check_params, unwrapped
from nnstrategies.training import GroupedRecipe, ProgressBar, Recipe
from nnstrategies.training.grouped import groups
from nnstrategies.training.jobs import run_jobs
from nnstrategies.training.recipe import with_setting
from nnstrategies.training.walkforward import RecipeAt, needs_gpu

log = logging.getLogger(__name__)


def search(run: Run, name: str) -> None:
    """Make every choice of recipe ``name``'s walk-forward; nothing where the config does not search it.

    Each search keeps its trials in search/<asof>.journal, of one symbol in search/<asof>-<symbol>.journal, and goes on
    from there after a kill.
    """
    settings = run.config.search
    if settings is None or settings.recipe != name:
        return
    if settings.library is not None:
        _take_over(run, settings, Path(settings.library))
        return
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
    if settings.library is not None:
        raise ConfigError(f"search: library: {settings.library} is a finished search; take 'run', or name a space")
    choices = _search(run, settings, search_rows(run.panel.calendar, *run.test_rows, settings)[:1])
    table = _tables(choices, settings.sign).to_string(index=False, na_rep="", float_format="{:.4f}".format)
    return [*table.splitlines(), "", *map(_told, choices)]


def recipe_at(run: Run, name: str) -> RecipeAt:
    """Recipe ``name`` as a function of the refit's row; where it is searched, with the settings chosen by then."""
    recipe = run.recipe_of(name)
    if run.config.search is None or run.config.search.recipe != name:
        return lambda asof: recipe
    choices = [Choice.from_json(tree) for tree in run.folder.read_json("search.json")]
    if isinstance(recipe, GroupedRecipe) and run.config.search.per == "symbol":
        return Library(choices).recipe_at(recipe)
    return ChoiceTimeline(choices).recipe_at(recipe)


def write_outcome(run: Run) -> None:
    """Put beside each choice's rank IC over its folds what the recipe reached afterwards, until the next choice."""
    if run.config.search is None:
        return
    choices = run.folder.read_json("search.json")
    ends: dict[str | None, str] = {}  # symbol -> the date of its next choice
    for choice in reversed(choices):
        found, dates = _afterwards(run, choice, ends.get(choice["symbol"]))
        ends[choice["symbol"]] = choice["asof"]
        choice |= {"out_of_sample_rank_ic": found, "out_of_sample_dates": dates}
        if found is not None and choice["rank_ic"] is not None:
            choice["optimism"] = choice["rank_ic"] - found
            log.info(
                "search%s as of %s: rank IC %.4f over the folds (chosen among many, so flattering), %.4f afterwards",
                f" of {choice['symbol']}" if choice["symbol"] else "",
                *(choice[key] for key in ("asof", "rank_ic", "out_of_sample_rank_ic")),
            )
    run.folder.write_json("search.json", choices)


def _afterwards(run: Run, choice: dict[str, Any], end: str | None) -> tuple[float | None, int]:
    """Mean rank IC over seeds of the scores after a choice and up to ``end``, and the number of dates with any."""
    assert run.config.search is not None
    name = run.config.search.recipe
    task, settings = run.config.task_of(name)
    sessions = run.panel.sessions
    last = np.datetime64(end) if end else sessions[-1]
    rows = [row for row in run.judged_rows(name) if np.datetime64(choice["asof"]) < sessions[row] <= last]
    samples = run.samples_of(name)
    columns = np.arange(samples.N)
    if choice["symbol"] is not None:
        columns = columns[[samples.features.symbols.index(choice["symbol"])]]
        samples = samples.only(columns)
    table, values, scored = run.folder.read_frame(f"parts/{name}-scores"), [], np.zeros(len(rows), dtype=bool)
    for _, own in table.groupby("seed"):
        scores = on_panel(run.task(task).panel, own.set_index(["date", "symbol"])["score"])[:, columns]
        values.append(mean_rank_ic(scores, samples, rows, settings.measure))
        scored |= np.isfinite(scores[rows] * samples.labels.returns[rows]).any(axis=1)
    found = float(np.mean(values)) if values and np.isfinite(values).all() else None
    return found, int(scored.sum())


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


@dataclass(frozen=True)
class _Searched:
    """What one search is made on: all symbols, or one of them alone with the recipe that is fitted to it."""

    symbol: str | None
    recipe: Recipe
    samples: Samples
    row: int

    @property
    def name(self) -> str:
        """Of its files: the session, and the symbol as far as a file name can hold it."""
        day = str(self.samples.features.sessions[self.row])
        return day if self.symbol is None else f"{day}-{quote(self.symbol, safe='')}"


def _search(run: Run, settings: SearchSettings, rows: Sequence[int]) -> list[Choice]:
    jobs = _jobs(run, settings, rows)

    def job(number: int, progress: Any) -> tuple[Choice | str, list[bool]]:
        new: list[bool] = []
        try:
            return _searched(run, settings, jobs[number], new, progress), new
        except FitError as error:
            if jobs[number].symbol is None:
                raise
            return str(error), new

    with run.stage(f"search {settings.recipe}"), ProgressBar(console) as bar:
        done = run_jobs(job, len(jobs), 1 if needs_gpu(jobs[0].recipe) else run.workers, bar)
    choices = [replace(one, leaks=leaks(run)) for one in _successful(settings, [found for found, _ in done])]
    for asof in sorted({choice.asof for choice in choices}):
        made = [choice for choice in choices if choice.asof == asof]
        run.folder.write_frame(f"search/{asof}", _tables(made, settings.sign))
    for choice in choices:
        log.info(_told(choice))
    tell(flag for _, new in done for flag in new)
    _write_choices(run, settings, choices)
    return choices


def _jobs(run: Run, settings: SearchSettings, rows: Sequence[int]) -> list[_Searched]:
    recipe, samples = run.recipe_of(settings.recipe), run.samples_of(settings.recipe)
    if settings.per == "all":
        return [_Searched(None, recipe, samples, row) for row in rows]
    jobs = []
    for columns in groups(samples.group):
        symbol = samples.features.symbols[columns[0]]
        own = with_setting(unwrapped(recipe), "name", f"{recipe.name}-{symbol}")  # as it is fitted in the end
        jobs += [_Searched(symbol, own, samples.only(columns), row) for row in rows]
    return jobs


def _searched(run: Run, settings: SearchSettings, what: _Searched, new: list[bool], progress: Any) -> Choice:
    """One search; ``new`` is told of each trial whether the ledger did not know it."""
    folds = cv_folds(what.row, settings.folds, settings.valid_days, settings.embargo_days)
    known = what.samples.upto(what.row)
    data = fingerprint_of(known, folds)

    def keep(trial: Trial) -> None:
        if trial.folds and trial.repeats is None:
            candidate = candidate_of(recipe_tree(unwrapped(with_values(what.recipe, trial.params))))
            new.append(record_search(run, trial, candidate, known, data, folds))

    journal = run.folder.path / "search" / f"{what.name}.journal"
    measure = run.config.task_of(settings.recipe)[1].measure
    choice = search_as_of(what.samples, what.row, what.recipe, settings, journal, keep, progress, measure)
    return replace(choice, recipe=settings.recipe, symbol=what.symbol)


def _successful(settings: SearchSettings, found: Sequence[Choice | str]) -> list[Choice]:
    """The choices; a symbol that cannot be searched is logged with its reason and keeps the recipe's settings."""
    choices = [one for one in found if isinstance(one, Choice)]
    reasons = [one for one in found if isinstance(one, str)]
    for reason in reasons:
        log.warning("%s; it keeps the settings of recipes.%s", reason, settings.recipe)
    if not choices:
        raise FitError(f"search: per: symbol: none of {len(reasons)} searches found anything; the first: {reasons[0]}")
    return choices


def _take_over(run: Run, settings: SearchSettings, path: Path) -> None:
    """Make the choices of an earlier run this run's own."""
    choices = read_choices(path, run.panel.calendar)
    if seen := sorted({leak for choice in choices for leak in choice.leaks}):
        raise LeakError(
            f"search: library: {path} was searched by a run that reads the future on purpose ({', '.join(seen)}); "
            f"expected settings found without it: name the search.json of another run, or search"
        )
    recipe = run.recipe_of(settings.recipe)
    for choice in choices:
        if (choice.symbol is not None) != (settings.per == "symbol"):
            what = f"of {choice.symbol} alone" if choice.symbol else "of all symbols"
            raise ConfigError(f"search: library: {path} holds settings {what}; set per to match")
        check_params(recipe, choice.params)
    _write_choices(run, settings, _of_this_run(run, settings, choices))


def _of_this_run(run: Run, settings: SearchSettings, choices: Sequence[Choice]) -> list[Choice]:
    """Those of symbols that the run has; ConfigError where none was made by the last refit."""
    symbols, last = run.samples_of(settings.recipe).features.symbols, run.plan_of(settings.recipe).rows[-1]
    own = [choice for choice in choices if choice.symbol is None or choice.symbol in symbols]
    if not any(choice.row <= last for choice in own):
        raise ConfigError(
            f"search: library: {settings.library}: expected settings of {', '.join(symbols[:3])} or others of this "
            f"run, made by {run.panel.sessions[last]}, got none; name a library of these symbols, or search"
        )
    if others := sorted({str(choice.symbol) for choice in choices} - {str(choice.symbol) for choice in own}):
        log.info("search: library: symbols that this run has not are left out: %s", ", ".join(others))
    return own


def _write_choices(run: Run, settings: SearchSettings, choices: Sequence[Choice]) -> None:
    """search.json, by date and symbol: for searches of single symbols it is the parameter library."""
    checked = Library(choices) if settings.per == "symbol" else ChoiceTimeline(choices)
    ordered = sorted(checked.choices, key=lambda choice: (choice.asof, choice.symbol or ""))
    run.folder.write_json("search.json", [choice.to_json() for choice in ordered])


def _tables(choices: Iterable[Choice], sign: int) -> pd.DataFrame:
    """The trials of several searches, those of single symbols under the symbol's name."""
    frames = []
    for choice in choices:
        frame = trial_table(choice, sign)
        if choice.symbol is not None:
            frame.insert(0, "symbol", choice.symbol)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _told(choice: Choice) -> str:
    params = ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in choice.params.items())
    counts = ", ".join(f"{count} {state}" for state, count in sorted(choice.counts.items()))
    spread = "" if np.isnan(choice.spread) else f" (spread {choice.spread:.4f} over folds)"
    found = f"{choice.objective} {choice.value:.4f}{spread}"
    whose = f" of {choice.symbol}" if choice.symbol else ""
    return f"{choice.recipe}{whose} as of {choice.asof}: {params}; {found}; trials: {counts}"
