"""One run: its folder, its config, and what can be recomputed from the config."""

from __future__ import annotations

import datetime as dt
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from nnstrategies.config import parse, to_tree
from nnstrategies.errors import ConfigError, DataError, RunFolderError
from nnstrategies.factors.ic import LEAST_SYMBOLS
from nnstrategies.features import FeatureSet
from nnstrategies.panel import Panel
from nnstrategies.pipeline.console import close_log, console, open_log
from nnstrategies.pipeline.folder import RunFolder
from nnstrategies.pipeline.market import Market, load_market
from nnstrategies.pipeline.tasks import Task, features_of, on_panel, picked, samples_of, with_inputs
from nnstrategies.samples import Samples
from nnstrategies.search import cv_folds
from nnstrategies.settings import MAIN, ChinaTables, RunConfig
from nnstrategies.splits import refit_rows
from nnstrategies.training import GroupedRecipe, Recipe, RefitPlan
from nnstrategies.training.first_fit import LENGTHS, check_first_fit
from nnstrategies.training.jobs import workers_of
from nnstrategies.training.walkforward import on_device
from nnstrategies.typing import Float32Array
from nnstrategies.yaml_file import read_yaml

log = logging.getLogger(__name__)

_CLOSED_DAYS = 11  # exchanges close for as long, at a spring festival for example


@dataclass
class Run:
    """A run folder and its config; the market, features and samples are computed when first asked for."""

    folder: RunFolder
    config: RunConfig
    _tasks: dict[str, Task] = field(default_factory=dict)

    @cached_property
    def market(self) -> Market:
        with self.stage("data"):
            market = load_market(self.config)
        for line in market.findings:
            log.info(line)
        log.info("%s: %r", market.source, market.panel)
        return market

    @property
    def panel(self) -> Panel:
        return self.market.panel

    @cached_property
    def feature_set(self) -> FeatureSet:
        """The features of the run's own task."""
        return features_of(self.config.main_task, self.panel)

    @property
    def samples(self) -> Samples:
        """The samples of the run's own task."""
        return self.task(MAIN).samples

    def task(self, name: str) -> Task:
        """What a task is made of, before another recipe's picks."""
        if name not in self._tasks:
            settings = self.config.main_task if name == MAIN else self.config.tasks[name]
            panel = self.market.index if settings.subject == "benchmark" else self.panel
            with self.stage("features" if name == MAIN else f"features {name}"):
                known = self.feature_set if name == MAIN else features_of(settings, panel)
                self._tasks[name] = Task(settings, panel, known, samples_of(settings, known, panel))
        return self._tasks[name]

    def take_task(self, name: str, task: Task) -> None:
        """Have a task that another run on the same market computed."""
        self._tasks[name] = task

    def samples_of(self, recipe: str) -> Samples:
        """The samples of the recipe's task: what was picked for it, cut down to its ``inputs``."""
        task = self.task(self.config.task_of(recipe)[0])
        samples, picks = task.samples, task.settings.picks
        if picks:
            samples = replace(samples, mask=picked(self.scores_of(picks.of), samples.mask, picks))
        wanted = self.config.inputs.get(recipe)
        return with_inputs(samples, task.features, wanted) if wanted else samples

    def scores_of(self, recipe: str) -> Float32Array:
        """[T, N] what a trained recipe of the run's own task said out of sample, mean over its seeds; else NaN."""
        table = self.folder.read_frame(f"parts/{recipe}-scores")
        return on_panel(self.panel, table.groupby(["date", "symbol"])["score"].mean())

    @cached_property
    def test_rows(self) -> tuple[int, int]:
        """First and last row of the test span."""
        calendar, span = self.panel.calendar, self.config.walk_forward
        first = calendar.first_on_or_after(str(span.first_test))
        last = len(calendar) - 1 if span.last_test is None else calendar.last_on_or_before(str(span.last_test))
        if span.last_test is not None and (span.last_test - calendar.sessions[-1].item()).days > _CLOSED_DAYS:
            raise ConfigError(
                f"walk_forward: last_test: expected a day that the data reach, got {span.last_test}; they end on "
                f"{calendar.sessions[-1]}: complete them, or set last_test: {calendar.sessions[-1]}"
            )
        if not 0 < first < last:
            raise ConfigError(
                f"walk_forward: the test {span.first_test}..{span.last_test or 'the end'} must lie inside the data, "
                f"{calendar.sessions[0]}..{calendar.sessions[-1]}, with sessions to train on before it"
            )
        return first, last

    @property
    def judged(self) -> str:
        """The recipe whose scores order the headline portfolio."""
        return self.config.traded[self.config.headline].score

    def recipe_of(self, name: str) -> Recipe:
        """The recipe as this run fits it: on the config's device, and per group where there are groups."""
        recipe = on_device(self.config.recipes[name], self.config.device)
        return GroupedRecipe(recipe) if self.config.task_of(name)[1].groups == "symbol" else recipe

    def test_plan(self, name: str) -> RefitPlan:
        """Of the refits of ``plan_of`` those that make the scores of the test: all, where each builds on the last."""
        plan = self.plan_of(name)
        begin = self.first_refit(name)
        return plan if plan.follows else replace(plan, rows=tuple(row for row in plan.rows if row >= begin))

    def first_refit(self, name: str) -> int:
        """The row of the refit that is in force when the test begins."""
        return max(row for row in self.plan_of(name).rows if row < self.test_rows[0])

    def plan_of(self, name: str) -> RefitPlan:
        """When a recipe is refitted: for the test, and before it where another model learns from its picks."""
        calendar, walk, (test, last) = self.panel.calendar, self.config.walk_forward, self.test_rows
        picks = [task.picks for task in self.config.tasks.values() if task.picks and task.picks.of == name]
        first = min([test, *(calendar.first_on_or_after(str(one.since)) for one in picks)])
        if first == 0:
            since = min(one.since for one in picks)
            raise ConfigError(
                f"tasks: picks.since: expected a day with sessions before it, on which {name} can be trained, got "
                f"{since}; the data begin on {calendar.sessions[0]}: pick later or begin the data earlier"
            )
        every = self.config.task_of(name)[1].refit or walk.refit
        rows = refit_rows(calendar, first, last, every)
        if every == "once":  # for the picks, and for the test
            rows = sorted({*rows, test - 1})
        return RefitPlan(tuple(rows), walk.start, walk.gate, walk.reset_months)

    @property
    def workers(self) -> int:
        """Processes for independent fits."""
        return workers_of(self.config.executor, self.config.workers)

    def check_test(self) -> None:
        """Refuse before training what would make the figures of the test meaningless."""
        first, last = self.test_rows
        if not np.isfinite(self.samples.labels.returns[first : last + 1]).any():
            raise ConfigError(
                f"walk_forward: no date of the test has a label {self.config.label.horizon_days} sessions ahead inside "
                f"the data; begin the test earlier or shorten label.horizon_days"
            )
        for name in self.config.recipes:
            self._check_fit(name)
            self._check_measure(name, first, last)
        self._check_folds(first)
        self._check_benchmark(first, last)

    def tell_end(self) -> None:
        """Say where the test ends for want of data."""
        asked, end = self.config.walk_forward.last_test, self.panel.sessions[-1]
        if asked is not None and asked > end.item():
            log.info("the test ends on %s, with the data; last_test is %s", end, asked)

    def _check_folds(self, first: int) -> None:
        """FitError where the history is too short for the folds before the test, or those of a search."""
        folds, search = self.config.cross_validation, self.config.search
        if folds:
            cv_folds(first - 1, folds.folds, folds.valid_days, folds.embargo_days, "cross_validation")
        if search and search.library is None:
            cv_folds(self.plan_of(search.recipe).rows[0], search.folds, search.valid_days, search.embargo_days)

    def _check_benchmark(self, first: int, last: int) -> None:
        """A test beyond the benchmark's values would be held against a flat line."""
        index, days = self.panel.series.get("benchmark"), self.panel.sessions
        if index is None or np.isfinite(index[first : last + 1]).all():
            return
        known = np.flatnonzero(np.isfinite(index))
        name = self.market.benchmark
        label = f"benchmark {name}, cn_index" if isinstance(self.config.data, ChinaTables) else f"benchmark {name}"
        said = f"{label}: expected a value on every session of the test, {days[first]}..{days[last]}, got values from"
        late = days[known[0]] > days[first]
        mend = f"first_test: {days[known[0]]}" if late else f"last_test: {days[known[-1]]}"
        raise DataError(f"{said} {days[known[0]]} to {days[known[-1]]}; complete the table or set walk_forward.{mend}")

    def _check_measure(self, name: str, first: int, last: int) -> None:
        """Rank ICs across symbols need a date with 3 of them."""
        task = self.task(self.config.task_of(name)[0])
        known = task.samples.mask[first : last + 1] & np.isfinite(task.samples.labels.returns[first : last + 1])
        if task.settings.measure == "across" and known.sum(axis=1).max(initial=0) < LEAST_SYMBOLS:
            raise ConfigError(
                f"recipes.{name}: no date of the test has {LEAST_SYMBOLS} symbols with a whole window and a label, so "
                f"nothing can be compared across symbols; set measure: time, or take more symbols"
            )

    def _check_fit(self, name: str) -> None:
        """A recipe whose first fit cannot be made is told of before any other is fitted."""
        search, (task, settings) = self.config.search, self.config.task_of(name)
        if search and search.recipe == name and any(key.rpartition(".")[2] in LENGTHS for key in search.space):
            return  # every candidate has lengths of its own
        samples = self.task(task).samples
        if settings.picks:  # at most all since the first of them
            since = self.panel.calendar.first_on_or_after(str(settings.picks.since))
            later = np.arange(samples.T)[:, None] >= since  # [T, 1]
            samples = replace(samples, mask=samples.mask & later)
        asof, window = self.plan_of(name).rows[0], "window" if task == MAIN else f"tasks.{task}.window"
        check_first_fit(self.config.recipes[name], samples, asof, f"recipes.{name}", window)

    def judged_rows(self, name: str) -> list[int]:
        """Rows of the test on which information coefficients are measured: every so many of those that have labels."""
        first, last = self.test_rows
        labelled = np.isfinite(self.task(self.config.task_of(name)[0]).samples.labels.returns[first : last + 1])
        return [first + int(row) for row in np.flatnonzero(labelled.any(axis=1))[:: self.config.evidence.every_days]]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage; its seconds are kept in the run folder."""
        started = time.perf_counter()
        yield
        seconds = self.folder.read_json("seconds.json") if self.folder.has("seconds.json") else {}
        self.folder.write_json("seconds.json", seconds | {name: round(time.perf_counter() - started, 2)})


def start(config: RunConfig, runs: Path, also: Callable[[Run], None] | None = None) -> Run:
    """Make a run folder for ``config``; where its data or test cannot be had, or Ctrl-C comes first, none is left.

    also: checks of the caller's own, with the same end.
    """
    absent = [path for path in (runs, *runs.parents) if not path.exists()]  # from the innermost
    folder = RunFolder.create(runs, config.name, dt.datetime.now())
    try:
        folder.write_yaml("config.yaml", to_tree(config))
        run = _opened(folder, config)
        run.check_test()
        run.tell_end()
        if also is not None:
            also(run)
    except BaseException:
        close_log()
        shutil.rmtree(folder.path)
        _remove_empty(absent)
        raise
    return run


def _remove_empty(folders: Sequence[Path]) -> None:
    """Remove these, from the innermost, as far as nobody else has put anything there."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def reopen(path: Path | None, runs: Path = Path("runs")) -> Run:
    """An existing run: ``path``, or the newest below ``runs``."""
    folder = RunFolder.open(path) if path is not None else RunFolder.latest(runs)
    where = folder.path / "config.yaml"
    try:
        tree = read_yaml(where, str(where))
    except ConfigError as error:
        raise RunFolderError(f"{error}; start the run again") from None
    if not isinstance(tree, dict):
        raise RunFolderError(f"{where}: expected keys and values, got {type(tree).__name__}; start the run again")
    return _opened(folder, parse(tree, str(where)))


def _opened(folder: RunFolder, config: RunConfig) -> Run:
    open_log(folder.path / "log.txt")
    console.print(f"run folder {folder.path}", markup=False)
    return Run(folder, config)
