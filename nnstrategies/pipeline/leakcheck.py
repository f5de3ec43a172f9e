"""Audit what a config trains and trades, and a user's own features, recipe and strategy, for looks into the future."""

from __future__ import annotations

import dataclasses
import json
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from nnstrategies.audit import (
    Audit,
    Stage,
    check_features,
    check_gap,
    check_labels,
    check_mask,
    check_recipe,
    check_scale,
    check_shuffled,
    check_single_features,
    check_strategy,
    check_tables,
    lines,
    short_noise,
    shortened,
)
from nnstrategies.backtest import BacktestResult
from nnstrategies.errors import ConfigError, FitError
from nnstrategies.features import Features, FeatureSet
from nnstrategies.panel import Panel
from nnstrategies.pipeline.console import console
from nnstrategies.pipeline.folder import RunFolder
from nnstrategies.pipeline.manifest import leaks
from nnstrategies.pipeline.own_code import load_features, load_recipe, load_strategy
from nnstrategies.pipeline.run import Run
from nnstrategies.pipeline.tasks import Task, features_of, labels_of, with_inputs
from nnstrategies.pipeline.trading import backtest_of
from nnstrategies.predictors import score
from nnstrategies.samples import Samples
from nnstrategies.scores import Scores
from nnstrategies.settings import MAIN, RunConfig
from nnstrategies.strategies import RebalanceStrategy
from nnstrategies.training.recipe import Recipe
from nnstrategies.training.walkforward import on_device, walk_forward

log = logging.getLogger(__name__)

_EARLIEST = 280  # sessions before the first audited date: long features should be there
_MEND = "nothing was trained; mend it, or look at it with 'nnstrategies leakcheck'"


@dataclass(frozen=True)
class Asked:
    """What to audit besides a config: FILE.py:NAME of own code. dates: per stage. quick: what needs no fit only."""

    features: str | None = None
    recipe: str | None = None
    strategy: str | None = None
    quick: bool = False
    dates: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.dates < 1:
            raise ConfigError(f"--dates: expected at least 1 date a stage, got {self.dates}")


def leakcheck(config: RunConfig, asked: Asked, out: Path | None = None) -> Audit:
    """Run every check on a config's data and print what was found; LeakError when something sees the future.

    out: a folder for leakcheck.json and leakcheck.txt.
    """
    own = load_features(asked.features) if asked.features else None
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        seen = dataclasses.replace(config, inputs={}) if own else config  # inputs name the config's own features
        run = _Audited(RunFolder(Path(folder)), seen, own=own)
        bench = _Bench(run, asked)
        stages = _stages(bench)
    audit = Audit(config.name, asked.seed, tuple(stages))
    said = lines(audit)
    if out is not None:
        _write(audit, said, out)
    for line in said:
        console.print(line, markup=False, soft_wrap=True)
    audit.refuse_leaks("mend it, see docs/leakcheck.md", brief=True)
    return audit


def quick_check(run: Run) -> None:
    """The part that ``train`` runs first: features, labels, samples, split gap, on two dates; LeakError on a leak."""
    with threadpool_limits(1):
        audit = Audit(run.config.name, 0, tuple(_quick(_Bench(run, Asked(quick=True, dates=2)))))
    unsure = [str(finding) for finding in audit.findings if finding.verdict == "cannot judge"]
    for line in unsure:
        log.warning("leak check: %s", line)
    audit.refuse_leaks(_MEND)
    others = "apart from what looks ahead on purpose, " if leaks(run) else ""
    log.info("leak check: %sfeatures, labels, samples and split gap see no future on 2 dates", others)


@dataclass
class _Audited(Run):
    """A run without a folder that lasts, on the user's features where there are any."""

    own: FeatureSet | None = None

    @cached_property
    def feature_set(self) -> FeatureSet:
        return self.own if self.own is not None else features_of(self.config.main_task, self.panel)


class _Bench:
    """What the stages share: the run, the dates, the recipes of each task."""

    def __init__(self, run: Run, asked: Asked) -> None:
        self.run, self.asked, self.panel = run, asked, run.panel
        self.own = load_recipe(asked.recipe) if asked.recipe else None
        self.tasks = [MAIN] if self.own or (isinstance(run, _Audited) and run.own) else [MAIN, *run.config.tasks]

    def recipes(self, task: str) -> dict[str, Recipe]:
        """The recipes of a task as the run fits them, or the user's own."""
        if self.own:
            return {"own": on_device(self.own, self.run.config.device)}
        return {name: self.run.recipe_of(name) for name in self.run.task(task).settings.recipes}

    def samples(self, task: str, recipe: str) -> Samples:
        """What the recipe learns; without picks, which need a trained run."""
        found, wanted = self.run.task(task), self.run.config.inputs.get(recipe)
        return with_inputs(found.samples, found.features, wanted) if wanted else found.samples

    def refits(self, recipe: str) -> tuple[int, ...]:
        name = recipe if recipe in self.run.config.recipes else self.run.judged
        return self.run.test_plan(name).rows

    def rows(self, stage: int, count: int) -> list[int]:
        """Random rows, not in the warm-up and not the last."""
        earliest = min(_EARLIEST, self.panel.T // 2)
        rows = np.arange(earliest, self.panel.T - 1)
        rng = np.random.default_rng([self.asked.seed, stage])
        return sorted(rng.choice(rows, min(count, len(rows)), replace=False).tolist())

    def asofs(self, recipe: str) -> list[int]:
        rng, refits = np.random.default_rng([self.asked.seed, 5]), self.refits(recipe)
        return sorted(rng.choice(refits, min(self.asked.dates, len(refits)), replace=False).tolist())


def _stages(bench: _Bench) -> list[Stage]:
    if bench.asked.quick:
        return _quick(bench)
    steps: dict[str, Callable[[], Stage]] = {"tables": lambda: check_tables(bench.panel)}
    for task in bench.tasks:
        steps |= {_of(task, name): step for name, step in _steps(bench, task).items()}
    steps |= {"shuffled labels": lambda: _shuffled(bench), "strategy": lambda: _strategy(bench)}
    done = []
    for name, step in steps.items():
        with console.status(f"leak check: {name}"):
            done.append(dataclasses.replace(step(), name=name))
    return done


def _steps(bench: _Bench, name: str) -> dict[str, Callable[[], Stage]]:
    """The checks of one task; its data are made when the first of them runs."""
    asked, seed = bench.asked, bench.asked.seed
    task = partial(bench.run.task, name)

    def features() -> Stage:
        return check_features(
            task().features, task().panel, bench.rows(1, asked.dates), seed, known=task().samples.features
        )

    def labels() -> Stage:
        make = partial(labels_of, task().settings.label)
        return check_labels(make, task().panel, bench.rows(2, 3 * asked.dates), seed)

    return {
        "features": features,
        "adj_factor": lambda: check_scale(task().features, task().panel, seed, task().samples.features),
        "labels": labels,
        "mask": lambda: check_mask(task().panel, task().samples.window, bench.rows(3, asked.dates), seed),
        "too good": lambda: check_single_features(task().samples),
        "gap": lambda: _gap(bench, name),
        **{f"recipe {one}": partial(_recipe, bench, name, one) for one in bench.recipes(name)},
    }


def _of(task: str, step: str) -> str:
    return step if task == MAIN or step.startswith("recipe ") else f"{task}: {step}"


def _quick(bench: _Bench) -> list[Stage]:
    """What needs no fit, with noise and end in one."""
    futures, rows, seed = (
        {"noise or nothing after": short_noise},
        bench.rows(1, min(bench.asked.dates, 2)),
        bench.asked.seed,
    )
    stages = [check_tables(bench.panel)]
    for name in bench.tasks:
        task = bench.run.task(name)
        make = partial(labels_of, task.settings.label)
        honest = _honest(task)
        found = [
            *([check_features(honest[0], task.panel, rows, seed, futures, honest[1])] if honest else []),
            check_labels(make, task.panel, rows, seed, futures, task.samples.labels),
            check_mask(task.panel, task.samples.window, rows, seed, futures),
            _gap(bench, name),
        ]
        stages += [dataclasses.replace(stage, name=_of(name, stage.name)) for stage in found]
    return stages


def _honest(task: Task) -> tuple[FeatureSet, Features] | None:
    """What does not look ahead on purpose, if anything; a run of the rest is stamped and measures what it gains."""
    if not task.features.leaky:
        return task.features, task.samples.features
    log.warning("leak check: not checked, they look ahead on purpose: %s", ", ".join(task.features.leaky))
    names = tuple(name for name in task.features.names if name not in task.features.leaky)
    if not names:
        return None
    return task.features.select(names), with_inputs(task.samples, task.features, names).features


def _gap(bench: _Bench, task: str) -> Stage:
    """Of the recipes that do not reach over it on purpose."""
    recipes = bench.recipes(task)
    leaky = [name for name, recipe in recipes.items() if _reaches_on(recipe)]
    if leaky:
        log.warning("leak check: split gap not checked, fits reach over it on purpose: %s", ", ".join(leaky))
    honest = {name: recipe for name, recipe in recipes.items() if name not in leaky}
    return check_gap(honest, bench.run.task(task).samples, bench.refits(next(iter(recipes))))


def _reaches_on(recipe: Recipe) -> bool:
    """Whether a recipe, or one that it is made of, is fitted on days after its as-of date (``leaky_until``)."""
    inner = [*getattr(recipe, "members", {}).values(), *([recipe.recipe] if hasattr(recipe, "recipe") else [])]
    return bool(getattr(recipe, "leaky_until", None)) or any(_reaches_on(one) for one in inner)


def _recipe(bench: _Bench, task: str, name: str) -> Stage:
    warm = bench.run.config.walk_forward.start == "warm"
    recipe, samples = bench.recipes(task)[name], bench.samples(task, name)
    return check_recipe(recipe, samples, bench.asofs(name), 1 + bench.asked.seed, warm)


def _headline(bench: _Bench) -> str:
    return "own" if bench.own else bench.run.judged


def _shuffled(bench: _Bench) -> Stage:
    name, seed = _headline(bench), 1 + bench.asked.seed
    recipe, samples = shortened(bench.recipes(MAIN)[name]), bench.samples(MAIN, name)
    measure = bench.run.config.main_task.measure
    return check_shuffled(recipe, samples, bench.panel.calendar, bench.asofs(name), seed=seed, measure=measure)


def _strategy(bench: _Bench) -> Stage:
    asked, (first, last) = bench.asked, bench.run.test_rows
    chosen = load_strategy(asked.strategy) if asked.strategy else RebalanceStrategy

    def trade(panel: Panel, scores: Scores | None, end: int) -> BacktestResult:
        return backtest_of(bench.run.config, panel, chosen, scores, first, end)

    scores = _scores(bench)
    return check_strategy(chosen.__name__, trade, bench.panel, scores, first, last, asked.dates, asked.seed)


def _scores(bench: _Bench) -> Scores:
    """Scores of the headline, fitted once before the test; where that fails, chance."""
    name, (first, last), panel = _headline(bench), bench.run.test_rows, bench.panel
    samples, seed = bench.samples(MAIN, name), 1 + bench.asked.seed
    recipe = shortened(bench.recipes(MAIN)[name])
    try:
        timeline = walk_forward(samples, panel.calendar, recipe, (seed,), [first - 1])[seed]
    except FitError as error:
        log.warning("leak check: %s; the strategy is audited on scores of chance", error)
        values = np.random.default_rng(seed).standard_normal((*panel.shape, 1)).astype(np.float32)
        none = np.full(panel.T, -1, dtype=np.int64)
        return Scores(panel.sessions, panel.symbols, ("score",), ("chance",), values, (), none)
    return score(samples, timeline, range(first, last + 1))


def _write(audit: Audit, said: list[str], out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "leakcheck.json").write_text(json.dumps(audit.to_json(), indent=1) + "\n", encoding="utf-8")
        (out / "leakcheck.txt").write_text("\n".join([*said, ""]), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be written: {error.strerror}; name another folder") from None
