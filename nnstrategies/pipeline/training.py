"""The training stage: walk-forward, scores, and the evidence for each recipe. Complete recipes are not fitted again."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nnstrategies.evidence import evidence, ic, null_rank_ic, rank_ic
from nnstrategies.market import market_rules
from nnstrategies.pipeline.console import console
from nnstrategies.pipeline.cross_validating import cross_validate
from nnstrategies.pipeline.explaining import explain
from nnstrategies.pipeline.factor_tables import write_factors
from nnstrategies.pipeline.forecasts import write_forecasts
from nnstrategies.pipeline.inputs import check_inputs
from nnstrategies.pipeline.judging import write_fit_seconds, write_regimes
from nnstrategies.pipeline.leakcheck import quick_check
from nnstrategies.pipeline.manifest import leaks, write_manifest
from nnstrategies.pipeline.run import Run
from nnstrategies.pipeline.searching import recipe_at, search, write_outcome
from nnstrategies.predictors import score
from nnstrategies.samples import Samples
from nnstrategies.settings import MAIN
from nnstrategies.training import (
    FIXED,
    Entry,
    FitStore,
    Progress,
    ProgressBar,
    RefitPlan,
    Tick,
    Timeline,
)
from nnstrategies.training.jobs import run_jobs
from nnstrategies.training.walkforward import RecipeAt, chain, needs_gpu
from nnstrategies.typing import AnyArray, Float32Array

log = logging.getLogger(__name__)

NULL_SEED = 1_000_000  # seeds of the null's refits start here, far from those of the models


@dataclass(frozen=True)
class Fitted:
    """One seed: its timeline, and its scores [T, N], NaN where no version was in force."""

    timeline: Timeline
    scores: Float32Array


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
    for name in in_order(run):
        if run.folder.has(f"parts/{name}.json"):
            log.info("%s: complete, not fitted again", name)
            continue
        train_recipe(run, name)
    _join(run, explained)


def in_order(run: Run) -> list[str]:
    """Recipes whose picks others learn from come first."""
    return sorted(run.config.recipes, key=lambda name: run.config.task_of(name)[1].picks is not None)


def train_recipe(run: Run, name: str) -> None:
    """Search, fit and judge one recipe: parts/<name>.json holds its evidence, parts/<name>-scores its scores."""
    search(run, name)
    with run.stage(f"train {name}"):
        _fit(run, name)


def _fit(run: Run, name: str) -> None:
    """Every chain of every seed, and every refit of the null, as a job of its own; finished ones are not repeated."""
    config, last, plan = run.config, run.test_rows[1], run.plan_of(name)
    recipe = run.recipe_of(name)
    settled = recipe_at(run, name)
    seeds = config.seeds if recipe.seeded else config.seeds[:1]
    samples, calendar = run.samples_of(name), run.panel.calendar
    judged = run.judged_rows(name)
    null = 0 if isinstance(config.recipes[name], FIXED) else config.evidence.refits_of(name)
    store = FitStore(run.folder.path, config.device, leaks(run))
    chains = [(seed, rows) for seed in seeds for rows in plan.chains(calendar)]

    def fit(number: int, progress: Progress | None) -> tuple[list[Entry], Float32Array]:
        seed, rows = chains[number]
        entries = chain(samples, calendar, settled, seed, plan, rows, progress, store)
        served = range(rows[0] + 1, _next_refit(plan, rows[-1], last) + 1)
        return entries, score(samples, Timeline(entries), served).column()[served.start : served.stop]

    def job(number: int, progress: Progress | None) -> Any:
        if number < len(chains):
            return fit(number, progress)
        return _null(run, name, samples, settled, judged, number - len(chains), null, progress)

    with ProgressBar(console) as bar:
        done = run_jobs(job, len(chains) + null, 1 if needs_gpu(recipe) else run.workers, bar)
    parts = list(zip((seed for seed, _ in chains), done, strict=False))
    begin = plan.rows[0] + 1
    fitted = {seed: _fitted([part for owner, part in parts if owner == seed], samples, begin) for seed in seeds}
    _write_part(run, name, samples, fitted, done[len(chains) :], judged)


def _next_refit(plan: RefitPlan, row: int, last: int) -> int:
    """The last row on which the version fitted as of ``row`` makes the scores."""
    return next((later for later in plan.rows if later > row), last)


def _fitted(parts: list[tuple[list[Entry], Float32Array]], samples: Samples, begin: int) -> Fitted:
    """One seed's chains, in order; their scores begin at row ``begin``."""
    entries = [entry for some, _ in parts for entry in some]
    found = np.concatenate([scores for _, scores in parts])
    scores = np.full((samples.T, samples.N), np.nan, dtype=np.float32)
    scores[begin : begin + len(found)] = found
    return Fitted(Timeline(entries), scores)


def _null(
    run: Run,
    name: str,
    samples: Samples,
    recipe: RecipeAt,
    judged: Sequence[int],
    number: int,
    count: int,
    progress: Progress | None,
) -> float:
    """One refit on shuffled labels; its value is kept, so that a killed run does not fit it again."""
    kept = f"fits/{name}/null-{number}.json"
    if not run.folder.has(kept):
        value = null_rank_ic(
            samples,
            run.panel.calendar,
            recipe,
            run.test_plan(name),
            judged,
            NULL_SEED + number,
            measure=run.config.task_of(name)[1].measure,
        )
        (run.folder.path / kept).parent.mkdir(parents=True, exist_ok=True)
        run.folder.write_json(kept, value if np.isfinite(value) else None)
    if progress:
        progress(_null_tick(run, name, number, count))
    value = run.folder.read_json(kept)
    return float("nan") if value is None else float(value)


def _null_tick(run: Run, name: str, number: int, count: int) -> Tick:
    """One more refit of the null is done."""
    last = run.panel.sessions[run.test_rows[1]].item()
    note = f"refits on shuffled labels, of {count}"
    return Tick(f"{name} null", 0, last, 0, 0, 1.0, 0.0, None, 0.0, number, count, note)


def _write_part(
    run: Run, name: str, samples: Samples, fitted: dict[int, Fitted], null: list[float], judged: Sequence[int]
) -> None:
    """Everything one recipe contributes, its JSON last: its presence says that the part is complete."""
    folder, (task, settings) = run.folder, run.config.task_of(name)
    (folder.path / "parts").mkdir(exist_ok=True)
    losses, timeline = [], []
    for seed, one in fitted.items():
        for entry in one.timeline.entries:
            losses += _losses(name, seed, str(entry.trained_through), entry.version.manifest)
        timeline += [{**row, "seed": seed} for row in one.timeline.to_json()]
    values = {seed: one.scores for seed, one in fitted.items()}
    folder.write_frame(f"parts/{name}-scores", _concat(_score_frame(samples, name, *item) for item in values.items()))
    folder.write_frame(f"parts/{name}-ic", _concat(_ic_frame(samples, name, *item, judged) for item in values.items()))
    found = [_found(run, one) for one in values.values()] if task == MAIN else []
    part = {
        "timeline": timeline,
        "losses": losses,
        "evidence": evidence(samples, values, judged, null, measure=settings.measure).to_json(),
        "found": {part: float(np.mean([one[part] for one in found])) for part in found[0]}
        if found and all(found)
        else {},
    }
    folder.write_json(f"parts/{name}.json", part)


def _losses(name: str, seed: int, asof: str, manifest: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """A row for each epoch of the fit, of the mean over its parts where a version is made of several."""
    histories = [part["manifest"]["history"] for part in manifest.get("parts", ())] or [manifest["history"]]
    rows = []
    for epoch in range(1, max((len(history) for history in histories), default=0) + 1):
        at = [history[epoch - 1] for history in histories if len(history) >= epoch]
        valid = [row[2] for row in at if row[2] is not None]
        loss = float(np.mean([row[1] for row in at]))
        rows.append((name, seed, asof, epoch, loss, float(np.mean(valid)) if valid else None))
    return rows


def _concat(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(list(frames), ignore_index=True)


def _score_frame(samples: Samples, name: str, seed: int, values: Float32Array) -> pd.DataFrame:
    t, n = np.nonzero(np.isfinite(values))
    symbols = pd.Series(np.asarray(samples.features.symbols, dtype=object)[n], dtype="str")
    columns = {"date": _dates(samples, t), "symbol": symbols, "recipe": name, "seed": seed, "score": values[t, n]}
    return pd.DataFrame(columns).astype({"recipe": "str"})


def _ic_frame(samples: Samples, name: str, seed: int, values: Float32Array, judged: Sequence[int]) -> pd.DataFrame:
    rows = np.asarray(judged)
    returns, mask = samples.labels.returns[rows], samples.mask[rows]
    columns = {
        "date": _dates(samples, rows),
        "recipe": name,
        "seed": seed,
        "ic": ic(values[rows], returns, mask),
        "rank_ic": rank_ic(values[rows], returns, mask),
    }
    return pd.DataFrame(columns).astype({"recipe": "str"}).dropna()


def _dates(samples: Samples, rows: AnyArray) -> Any:
    return samples.features.sessions[rows].astype("datetime64[s]")


def _found(run: Run, values: Float32Array) -> dict[str, float]:
    """Rank IC that the scores owe to each part: their rank correlation with its oracle times that oracle's rank IC."""
    truth = run.market.truth
    if truth is None or not run.folder.has("truth.json"):
        return {}
    near = truth.found(values.astype(np.float64), run.samples.mask, *run.test_rows)
    best = run.folder.read_json("truth.json")["parts"]
    owed = {part: near[part] * best[part]["best_rank_ic"] for part in near if part != "total"}
    return owed if all(np.isfinite(value) for value in owed.values()) else {}  # equal scores order nothing


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
