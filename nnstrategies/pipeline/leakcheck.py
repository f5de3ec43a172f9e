"""Audit what a config trains and trades, and a user's own features, recipe and strategy, for looks into the future."""

from __future__ import annotations

import dataclasses
import json
import logging
import tempfile
from collections.abc import Callable, Mapping
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
from nnstrategies.config import RunConfig
from nnstrategies.errors import ConfigError, FitError
from nnstrategies.features import FeatureSet
from nnstrategies.labels import Labels, make_labels
from nnstrategies.panel import Panel
from nnstrategies.pipeline.console import console
from nnstrategies.pipeline.folder import RunFolder
from nnstrategies.pipeline.own_code import load_features, load_recipe, load_strategy
from nnstrategies.pipeline.run import Run
from nnstrategies.pipeline.trading import backtest_of
from nnstrategies.predictors import score
from nnstrategies.scores import Scores
from nnstrategies.splits import refit_rows
from nnstrategies.strategies import RebalanceStrategy
from nnstrategies.training.recipe import Recipe
from nnstrategies.training.walkforward import chain, on_device

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
        run = _Audited(RunFolder(Path(folder)), seen, own)
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
    log.info("leak check: features, labels, samples and split gap see no future on 2 dates")


@dataclass
class _Audited(Run):
    """A run without a folder that lasts, on the user's features where there are any."""

    own: FeatureSet | None = None

    @cached_property
    def feature_set(self) -> FeatureSet:
        return self.own if self.own is not None else self.selected_features()


class _Bench:
    """What the stages share: the run, the dates, the recipes."""

    def __init__(self, run: Run, asked: Asked) -> None:
        self.run, self.asked, self.panel = run, asked, run.panel
        own = {"own": load_recipe(asked.recipe)} if asked.recipe else run.config.recipes
        self.recipes: Mapping[str, Recipe] = {
            name: on_device(recipe, run.config.device) for name, recipe in own.items()
        }
        first, last = run.test_rows
        self.refits = refit_rows(self.panel.calendar, first, last, run.config.walk_forward.refit)

    def labels(self, panel: Panel) -> Labels:
        label = self.run.config.label
        return make_labels(panel, label.kind, label.horizon_days, label.relative, label.thresholds)

    def rows(self, stage: int, count: int) -> list[int]:
        """Random rows, not in the warm-up and not the last."""
        earliest = min(_EARLIEST, self.panel.T // 2)
        rows = np.arange(earliest, self.panel.T - 1)
        rng = np.random.default_rng([self.asked.seed, stage])
        return sorted(rng.choice(rows, min(count, len(rows)), replace=False).tolist())

    def asofs(self) -> list[int]:
        rng = np.random.default_rng([self.asked.seed, 5])
        return sorted(rng.choice(self.refits, min(self.asked.dates, len(self.refits)), replace=False).tolist())


def _stages(bench: _Bench) -> list[Stage]:
    if bench.asked.quick:
        return _quick(bench)
    run, asked, panel = bench.run, bench.asked, bench.panel
    features, samples, seed = run.feature_set, run.samples, bench.asked.seed
    steps: dict[str, Callable[[], Stage]] = {
        "tables": lambda: check_tables(panel),
        "features": lambda: check_features(features, panel, bench.rows(1, asked.dates), seed, known=samples.features),
        "adj_factor": lambda: check_scale(features, panel, seed, samples.features),
        "labels": lambda: check_labels(bench.labels, panel, bench.rows(2, 3 * asked.dates), seed),
        "mask": lambda: check_mask(panel, samples.window, bench.rows(3, asked.dates), seed),
        "too good": lambda: check_single_features(samples),
        "gap": lambda: check_gap(bench.recipes, samples, bench.refits),
        **{f"recipe {name}": partial(_recipe, bench, name) for name in bench.recipes},
        "shuffled labels": lambda: _shuffled(bench),
        "strategy": lambda: _strategy(bench),
    }
    done = []
    for name, step in steps.items():
        with console.status(f"leak check: {name}"):
            done.append(step())
    return done


def _quick(bench: _Bench) -> list[Stage]:
    """What needs no fit, with noise and end in one."""
    run, asked, panel = bench.run, bench.asked, bench.panel
    futures, samples = {"noise or nothing after": short_noise}, run.samples
    rows = bench.rows(1, min(asked.dates, 2))
    return [
        check_tables(panel),
        check_features(run.feature_set, panel, rows, asked.seed, futures, samples.features),
        check_labels(bench.labels, panel, rows, asked.seed, futures, samples.labels),
        check_mask(panel, samples.window, rows, asked.seed, futures),
        check_gap(bench.recipes, samples, bench.refits),
    ]


def _recipe(bench: _Bench, name: str) -> Stage:
    warm = bench.run.config.walk_forward.warm
    return check_recipe(bench.recipes[name], bench.run.samples_of(name), bench.asofs(), 1 + bench.asked.seed, warm)


def _headline(bench: _Bench) -> str:
    return bench.run.config.headline if bench.run.config.headline in bench.recipes else next(iter(bench.recipes))


def _shuffled(bench: _Bench) -> Stage:
    name = _headline(bench)
    samples, calendar = bench.run.samples_of(name), bench.panel.calendar
    return check_shuffled(shortened(bench.recipes[name]), samples, calendar, bench.asofs(), seed=1 + bench.asked.seed)


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
    samples, seed = bench.run.samples_of(name), 1 + bench.asked.seed
    try:
        timeline = chain(samples, panel.calendar, shortened(bench.recipes[name]), seed, [first - 1])
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
