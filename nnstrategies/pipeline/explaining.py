"""The explaining stage: what a trained run's versions look at, their class probabilities, and their folds."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nnstrategies.errors import ConfigError
from nnstrategies.explain import (
    ClassOutputs,
    Judged,
    calibration,
    captum_missing,
    class_names,
    confusion,
    feature_blocks,
    folds,
    gradient_importance,
    hits,
    lag_blocks,
    permutation_importance,
)
from nnstrategies.explain.permutation import COLUMNS as IMPORTANCE
from nnstrategies.pipeline.console import console
from nnstrategies.pipeline.inputs import check_trained_data
from nnstrategies.pipeline.run import Run
from nnstrategies.predictors import stored_timelines
from nnstrategies.training import FIXED, Progress, ProgressBar, Tick, Timeline
from nnstrategies.training.device import resolve_device
from nnstrategies.training.jobs import run_jobs

log = logging.getLogger(__name__)

Frames = dict[str, pd.DataFrame]
Key = tuple[str, int]  # recipe, seed
_TABLES = ("importance", "confusion", "calibration", "class_outputs", "judged")


@dataclass(frozen=True)
class Effort:
    """How much explaining is done.

    dates: at most; fewer, but not below 10, where they would take more than ``predictions`` cross-sections per recipe
    and seed. repeats: of each permutation. gradients: whether they are taken.
    """

    dates: int
    repeats: int
    gradients: bool
    predictions: int

    def affordable(self, blocks: int) -> int:
        """How many dates ``blocks`` shuffled blocks a date leave room for."""
        return max(min(self.dates, self.predictions // (blocks * self.repeats)), min(self.dates, 10))


QUICK = Effort(dates=30, repeats=2, gradients=False, predictions=1_200)  # a few per cent of what training takes
FULL = Effort(dates=120, repeats=5, gradients=True, predictions=10**9)


def explain(run: Run, recipes: Sequence[str] | None = None, effort: Effort = QUICK) -> None:
    """Write importance, confusion, calibration, class_outputs, judged and folds of a trained run, out of sample.

    recipes: whose importance is measured, by default the one that orders the headline; what was measured of others
    before stays. The other tables hold every recipe. Reads timeline.json and the stored versions; ConfigError for an
    unknown recipe.
    """
    wanted = [run.judged] if recipes is None else list(recipes)
    if unknown := [name for name in wanted if name not in run.config.recipes]:
        raise ConfigError(f"explain: {unknown[0]!r} is no recipe of this run; it has {', '.join(run.config.recipes)}")
    if effort.gradients and captum_missing():
        log.info("explain: gradients are left out, captum is not installed; install nnstrategies[explain] for them")
    with run.stage("explain"):
        timelines = stored_timelines(run.folder.path, run.config.device, allow_leaks=True)
        judged = {key: _judged(run, *key, timeline) for key, timeline in timelines.items()}
        keys = list(judged)

        def job(number: int, progress: Progress | None) -> Frames:
            name, seed = keys[number]
            return _explained(run, (name, seed), judged[name, seed], effort if name in wanted else None, progress)

        workers = 1 if resolve_device(run.config.device).type == "cuda" else run.workers
        with ProgressBar(console) as bar:
            done = run_jobs(job, len(keys), workers, bar)
        _write(run, wanted, done)
        measured = {key[0] for key, frames in zip(keys, done, strict=True) if "importance" in frames}
        for name in wanted:
            if name not in measured:
                log.info("explain: no importance of %s: no date has 3 symbols to compare", name)
        run.folder.write_frame("folds", _folds(run, timelines))


def explain_in_full(run: Run, recipes: Sequence[str] | None = None) -> None:
    """``explain`` a run that was trained before with full effort, by default every recipe that learns.

    Raises RunFolderError when the data is no longer what the models were trained on.
    """
    check_trained_data(run)
    if recipes is None:  # a fixed rule needs no explaining
        recipes = [name for name, recipe in run.config.recipes.items() if not isinstance(recipe, FIXED)]
    explain(run, recipes, FULL)


def _judged(run: Run, name: str, seed: int, timeline: Timeline) -> Judged:
    first, last = run.test_rows
    return Judged.in_force(run.samples_of(name), timeline, range(first, last + 1, run.config.evidence.every_days))


def _explained(run: Run, key: Key, judged: Judged, effort: Effort | None, progress: Progress | None) -> Frames:
    """The tables of one recipe and seed; without ``effort`` no importance."""
    frames = {}
    if (found := ClassOutputs.of(judged)) is not None:
        sessions, symbols = judged.samples.features.sessions, judged.samples.features.symbols
        frames["class_outputs"] = found.to_frame(sessions, symbols)
        frames["confusion"] = confusion(found)
        frames["calibration"] = calibration(found)
        frames["judged"] = hits(found, sessions)
    if effort is not None and judged.comparable():
        frames["importance"] = _importance(run, key, judged, effort, progress)
    return {name: _labelled(frame, key) for name, frame in frames.items()}


def _labelled(frame: pd.DataFrame, key: Key) -> pd.DataFrame:
    """The frame with recipe and seed in front."""
    frame.insert(0, "recipe", pd.Series([key[0]] * len(frame), dtype="str", index=frame.index))
    frame.insert(1, "seed", np.full(len(frame), key[1], dtype=np.int64))
    return frame


def _importance(run: Run, key: Key, judged: Judged, effort: Effort, progress: Progress | None) -> pd.DataFrame:
    last = run.panel.sessions[run.test_rows[1]].item()

    def report(done: int, total: int) -> None:
        if progress:
            note = f"importance, date {done}/{total}"
            progress(Tick(f"{key[0]} seed {key[1]}", key[1], last, 0, 0, done / total, 0.0, None, 0.0, note=note))

    names, window = judged.samples.features.names, judged.versions[0].manifest["window"]
    blocks = [*feature_blocks(names, window), *(lag_blocks(names, window) if window > 1 else [])]
    some = judged.thinned(effort.affordable(len(blocks)))
    frames = [permutation_importance(some, blocks, effort.repeats, progress=report)]
    is_network = all(version.manifest["kind"] == "network" for version in judged.versions)
    if effort.gradients and is_network and not captum_missing():
        frames.append(gradient_importance(some))
    return pd.concat(frames, ignore_index=True)


def _write(run: Run, wanted: Sequence[str], done: Sequence[Frames]) -> None:
    tables = {name: [frames[name] for frames in done if name in frames] for name in _TABLES}
    if run.folder.has("importance.parquet"):
        before = run.folder.read_frame("importance")
        tables["importance"].append(before[~before["recipe"].isin(wanted)])
    for name, frames in tables.items():
        table = pd.concat(frames, ignore_index=True) if frames else _empty(run, name)
        if name == "importance":  # recipes in the order of the config, whatever was measured when
            rank = table["recipe"].map({recipe: k for k, recipe in enumerate(run.config.recipes)})
            table = table.iloc[np.argsort(rank.to_numpy(), kind="stable")]
        run.folder.write_frame(name, table)


def _empty(run: Run, name: str) -> pd.DataFrame:
    """A table of no rows: no recipe of this run names classes, or there are too few symbols to compare."""
    nothing, names = np.zeros(0, dtype=np.int64), class_names(run.config.label.kind) or ("class",)
    found = ClassOutputs(nothing, nothing, np.zeros((0, len(names))), nothing, names, "probability")
    tables = {
        "importance": pd.DataFrame(columns=list(IMPORTANCE)).astype(IMPORTANCE),
        "class_outputs": found.to_frame(run.panel.sessions, run.panel.symbols),
        "confusion": confusion(found),
        "calibration": calibration(found),
        "judged": hits(found, run.panel.sessions),
    }
    return _labelled(tables[name].iloc[:0].copy(), ("", 0))


def _folds(run: Run, timelines: Mapping[Key, Timeline]) -> pd.DataFrame:
    last = run.panel.sessions[run.test_rows[1]].item()
    frames = [_labelled(folds(run.samples_of(key[0]), timeline, last), key) for key, timeline in timelines.items()]
    return pd.concat(frames, ignore_index=True)
