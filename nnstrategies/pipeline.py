"""The stages of a run, one after the other through the run folder: train, backtest, report."""

from __future__ import annotations

import datetime as dt
import importlib.util
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from nnstrategies.backtest import BacktestResult
from nnstrategies.backtest import backtest as run_backtest
from nnstrategies.baselines import buy_and_hold_returns, equal_weight_returns
from nnstrategies.config import RunConfig, parse, to_tree
from nnstrategies.console import console, open_log
from nnstrategies.errors import ConfigError, RunFolderError
from nnstrategies.features import FeatureSet, default_set
from nnstrategies.labels import make_labels
from nnstrategies.markets import Market, load_market
from nnstrategies.panel import Panel
from nnstrategies.run_folder import RunFolder, code_versions
from nnstrategies.samples import Samples
from nnstrategies.scores import Scores
from nnstrategies.strategies import RebalanceStrategy

log = logging.getLogger(__name__)

BENCHMARK_CAUTION = "The benchmark is a price index: it leaves dividends out, equal_weight contains them."
SIMULATED_CAUTION = (
    "The market is simulated and far more predictable than any real one: this run shows that the machinery works, "
    "not that money can be made."
)


@dataclass
class Run:
    """A run folder, its config, and what can be recomputed from the config."""

    folder: RunFolder
    config: RunConfig

    @cached_property
    def market(self) -> Market:
        with self.stage("data"):
            market = load_market(self.config)
        for line in market.findings:
            log.info(line)
        log.info("%r from %s", market.panel, market.source)
        return market

    @property
    def panel(self) -> Panel:
        return self.market.panel

    @cached_property
    def features(self) -> FeatureSet:
        chosen = self.config.features
        return default_set() if chosen == "all" else default_set().select(chosen)

    @cached_property
    def samples(self) -> Samples:
        with self.stage("features"):
            label = self.config.label
            labels = make_labels(self.panel, label.kind, label.horizon_days, label.relative, label.thresholds)
            return Samples.build(self.panel, self.features(self.panel), labels, self.config.window)

    @cached_property
    def test_rows(self) -> tuple[int, int]:
        """First and last row of the test span."""
        calendar, wanted = self.panel.calendar, self.config.walk_forward
        first = calendar.first_on_or_after(str(wanted.first_test))
        last = calendar.T_last if wanted.last_test is None else calendar.last_on_or_before(str(wanted.last_test))
        if not 0 < first < last:
            raise ConfigError(
                f"walk_forward: the test {wanted.first_test}..{wanted.last_test or 'end'} must lie inside the data, "
                f"{calendar.sessions[0]}..{calendar.sessions[-1]}, with sessions to train on before it"
            )
        return first, last

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage; its seconds are kept in the run folder."""
        started = time.perf_counter()
        yield
        seconds = self.folder.read_json("seconds.json") if self.folder.has("seconds.json") else {}
        seconds[name] = round(time.perf_counter() - started, 2)
        self.folder.write_json("seconds.json", seconds)


def start(config: RunConfig, runs: Path) -> Run:
    """Make a run folder for ``config``."""
    folder = RunFolder.create(runs, config.name, dt.datetime.now())
    folder.write_yaml("config.yaml", to_tree(config))
    open_log(folder.path / "log.txt")
    console.print(f"run folder [bold]{folder.path}[/bold]")
    return Run(folder, config)


def reopen(path: Path | None, runs: Path = Path("runs")) -> Run:
    """An existing run: ``path``, or the newest below ``runs``."""
    folder = RunFolder.open(path) if path is not None else RunFolder.latest(runs)
    where = folder.path / "config.yaml"
    try:
        tree = yaml.safe_load(where.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise RunFolderError(f"run folder {folder.path}: config.yaml cannot be read: {error}") from None
    open_log(folder.path / "log.txt")
    console.print(f"run folder [bold]{folder.path}[/bold]")
    return Run(folder, parse(tree, str(where)))
