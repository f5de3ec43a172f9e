"""The training stage: walk-forward, scores, and the evidence for each recipe. Complete recipes are not fitted again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from itertools import groupby, islice
from typing import Any

import numpy as np
import pandas as pd

from nnstrategies.market import market_rules
from nnstrategies.pipeline.console import console
from nnstrategies.pipeline.cross_validating import cross_validate
from nnstrategies.pipeline.explaining import explain
from nnstrategies.pipeline.factor_tables import write_factors
from nnstrategies.pipeline.fits import Fits
from nnstrategies.pipeline.forecasts import write_forecasts
from nnstrategies.pipeline.inputs import check_inputs
from nnstrategies.pipeline.judging import write_fit_seconds, write_regimes
from nnstrategies.pipeline.leakcheck import quick_check
from nnstrategies.pipeline.manifest import write_manifest
from nnstrategies.pipeline.run import Run
from nnstrategies.pipeline.searching import search, write_outcome
from nnstrategies.training import Progress, ProgressBar
from nnstrategies.training.jobs import each_job
from nnstrategies.training.walkforward import needs_gpu

log = logging.getLogger(__name__)


def train(run: Run, explained: Sequence[str] | None = None) -> None:
    """Fit every recipe over the walk-forward, score the test rows and refit on shuffled labels for the null.

    explained: recipes whose importance is measured, by default the one that orders the headline.
    """
    if run.folder.has("evidence.json"):
        log.info("training: complete, not done again")
        return
    run.check_test()
    quick_check(run)
    market_rules(run.config.market, run.panel).limits(run.test_rows[0])  # what the book cannot serve is known now
    check_inputs(run)
    _write_truth(run)
    train_recipes(run)
    _join(run, explained)


def train_recipes(run: Run) -> None:
    """Search, fit and judge each recipe: parts/<name>.json holds its evidence, parts/<name>-scores its scores.

    What is complete is not done again. Recipes share the workers, so that none waits for the last fit of another. Those
    that learn from another's picks come after it, and what fits on a GPU has this process to itself.
    """
    names = sorted(run.config.recipes, key=lambda name: _from_picks(run, name))
    for name in names:
        if run.folder.has(f"parts/{name}.json"):
            log.info("%s: complete, not fitted again", name)
    rest = [name for name in names if not run.folder.has(f"parts/{name}.json")]
    for (_, on_gpu), group in groupby(rest, lambda name: (_from_picks(run, name), needs_gpu(run.recipe_of(name)))):
        _train_together(run, list(group), 1 if on_gpu else run.workers)


def _from_picks(run: Run, name: str) -> bool:
    return run.config.task_of(name)[1].picks is not None


def _train_together(run: Run, names: Sequence[str], workers: int) -> None:
    for name in names:
        search(run, name)
    fits = [Fits.of(run, name) for name in names]
    jobs = [(one, number) for one in fits for number in range(one.count)]

    def job(number: int, progress: Progress | None) -> Any:
        one, own = jobs[number]
        return one.job(own, progress)

    with ProgressBar(console) as bar, closing(each_job(job, len(jobs), workers, bar)) as done:
        for one in fits:
            with run.stage(f"train {one.name}"):  # from the last result of the recipe before
                one.write(list(islice(done, one.count)))
            bar.settle(one.name, one.null_name)


def _write_truth(run: Run) -> None:
    """Before any model is trained: what the best possible forecaster would reach on the test rows."""
    truth, (first, last), samples = run.market.truth, run.test_rows, run.samples
    if truth is None or run.folder.has("truth.json"):
        return
    best = truth.best_rank_ic(samples.labels.returns.astype(np.float64), samples.mask, first, last)
    if not all(np.isfinite(value) for value in best.values()):
        log.info("best reachable rank IC: none, no date has enough symbols to compare")
        return
    parts = {part: {"best_rank_ic": value} for part, value in best.items()}
    run.folder.write_json(
        "truth.json", {"horizon_days": truth.horizon_days, "signal": truth.signal, "parts": parts, "models": {}}
    )
    log.info("best reachable rank IC: %s", ", ".join(f"{part} {value:.3f}" for part, value in best.items()))


def _join(run: Run, explained: Sequence[str] | None) -> None:
    """The parts of all recipes as the tables of the run folder, evidence last."""
    folder, names = run.folder, list(run.config.recipes)
    parts = {name: folder.read_json(f"parts/{name}.json") for name in names}
    for table in ("scores", "ic"):
        frames = [folder.read_frame(f"parts/{name}-{table}") for name in names]
        folder.write_frame(table, pd.concat(frames, ignore_index=True))
    columns = ["recipe", "seed", "asof", "epoch", "train", "valid"]
    losses = pd.DataFrame([row for part in parts.values() for row in part["losses"]], columns=columns)
    losses["asof"] = pd.to_datetime(losses["asof"]).astype("datetime64[s]")
    folder.write_frame("losses", losses.astype({"recipe": "str", "train": "float64", "valid": "float64"}))
    folder.write_json("timeline.json", [row for part in parts.values() for row in part["timeline"]])
    if folder.has("truth.json"):
        truth = folder.read_json("truth.json")
        truth["models"] = {
            name: {**part["found"], "total": part["evidence"]["rank_ic"]} for name, part in parts.items()
        }
        folder.write_json("truth.json", truth)
    explain(run, explained)
    cross_validate(run)
    write_forecasts(run)
    write_factors(run)
    write_regimes(run)
    write_fit_seconds(run)
    write_outcome(run)
    write_manifest(run)
    folder.write_json("evidence.json", {name: part["evidence"] for name, part in parts.items()})
    for name, part in parts.items():
        p, value = part["evidence"]["p_value"], part["evidence"]["rank_ic"]
        said = "no null" if p is None else f"p = {p:.3f} from {part['evidence']['refits']} shuffled refits"
        log.info("%s: %s, %s", name, "no rank IC" if value is None else f"rank IC {value:.4f}", said)
