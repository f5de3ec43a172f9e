"""One run: its folder, its config, and what can be recomputed from the config."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import yaml

from nnstrategies.config import RunConfig, parse, to_tree
from nnstrategies.errors import ConfigError, DataError, RunFolderError
from nnstrategies.features import Features, FeatureSet, default_set
from nnstrategies.labels import make_labels
from nnstrategies.panel import Panel
from nnstrategies.pipeline.console import console, open_log
from nnstrategies.pipeline.folder import RunFolder
from nnstrategies.pipeline.market import Market, load_market
from nnstrategies.samples import Samples

log = logging.getLogger(__name__)


@dataclass
class Run:
    """A run folder and its config; the market, features and samples are computed when first asked for."""

    folder: RunFolder
    config: RunConfig

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
        return self.selected_features()

    def selected_features(self) -> FeatureSet:
        """The features that the config names."""
        wanted = self.config.features
        return default_set() if wanted == "all" else default_set().select(wanted)

    @cached_property
    def samples(self) -> Samples:
        """Samples over all features, with the labels of the config."""
        panel, label = self.panel, self.config.label
        with self.stage("features"):
            labels = make_labels(panel, label.kind, label.horizon_days, label.relative, label.thresholds)
            return Samples.build(panel, self.feature_set(panel), labels, self.config.window)

    def samples_of(self, recipe: str) -> Samples:
        """The same samples, cut down to the recipe's ``inputs``: every recipe is judged on the same rows."""
        if recipe not in self.config.inputs:
            return self.samples
        whole, chosen = self.samples.features, self.feature_set.select(self.config.inputs[recipe])
        columns = [whole.names.index(name) for name in chosen.names]
        values = np.ascontiguousarray(whole.values[:, :, columns])  # [N, T, F] -> [N, T, F']
        return replace(
            self.samples, features=Features(whole.sessions, whole.symbols, chosen.names, values, chosen.hash)
        )

    @cached_property
    def test_rows(self) -> tuple[int, int]:
        """First and last row of the test span."""
        calendar, span = self.panel.calendar, self.config.walk_forward
        first = calendar.first_on_or_after(str(span.first_test))
        last = len(calendar) - 1 if span.last_test is None else calendar.last_on_or_before(str(span.last_test))
        if not 0 < first < last:
            raise ConfigError(
                f"walk_forward: the test {span.first_test}..{span.last_test or 'the end'} must lie inside the data, "
                f"{calendar.sessions[0]}..{calendar.sessions[-1]}, with sessions to train on before it"
            )
        return first, last

    def check_test(self) -> None:
        """Refuse before training what would make the figures of the test meaningless."""
        first, last = self.test_rows
        if not np.isfinite(self.samples.labels.returns[first : last + 1]).any():
            raise ConfigError(
                f"walk_forward: no date of the test has a label {self.config.label.horizon_days} sessions ahead inside "
                f"the data; begin the test earlier or shorten label.horizon_days"
            )
        index = self.panel.series.get("benchmark")
        if index is not None and not np.isfinite(index[first : last + 1]).all():
            at = self.panel.sessions[first + int(np.argmin(np.isfinite(index[first : last + 1])))]
            raise DataError(
                f"benchmark: no value on {at}, inside the test; complete the table, test later or leave it out"
            )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage; its seconds are kept in the run folder."""
        started = time.perf_counter()
        yield
        seconds = self.folder.read_json("seconds.json") if self.folder.has("seconds.json") else {}
        self.folder.write_json("seconds.json", seconds | {name: round(time.perf_counter() - started, 2)})


def start(config: RunConfig, runs: Path) -> Run:
    """Make a run folder for ``config``."""
    folder = RunFolder.create(runs, config.name, dt.datetime.now())
    folder.write_yaml("config.yaml", to_tree(config))
    return _opened(folder, config)


def reopen(path: Path | None, runs: Path = Path("runs")) -> Run:
    """An existing run: ``path``, or the newest below ``runs``."""
    folder = RunFolder.open(path) if path is not None else RunFolder.latest(runs)
    where = folder.path / "config.yaml"
    try:
        tree = yaml.safe_load(where.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RunFolderError(f"{where}: cannot be read ({error}); start the run again") from None
    if not isinstance(tree, dict):
        raise RunFolderError(f"{where}: expected keys and values, got {type(tree).__name__}; start the run again")
    return _opened(folder, parse(tree, str(where)))


def _opened(folder: RunFolder, config: RunConfig) -> Run:
    open_log(folder.path / "log.txt")
    console.print(f"run folder {folder.path}", markup=False)
    return Run(folder, config)
