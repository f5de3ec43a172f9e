"""What a recipe needs fitted, as jobs of their own, and the part of the run folder that their results make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nnstrategies.evidence import evidence, ic, null_rank_ic, rank_ic
from nnstrategies.pipeline.manifest import leaks
from nnstrategies.pipeline.run import Run
from nnstrategies.pipeline.searching import recipe_at
from nnstrategies.predictors import score
from nnstrategies.samples import Samples
from nnstrategies.settings import MAIN
from nnstrategies.training import FIXED, Entry, FitStore, Progress, RefitPlan, Tick, Timeline
from nnstrategies.training.walkforward import RecipeAt, chain
from nnstrategies.typing import AnyArray, Float32Array

NULL_SEED = 1_000_000  # seeds of the null's refits start here, far from those of the models


@dataclass(frozen=True)
class Fitted:
    """One seed: its timeline, and its scores [T, N], NaN where no version was in force."""

    timeline: Timeline
    scores: Float32Array


@dataclass(frozen=True)
class Fits:
    """One recipe's jobs: every chain of every seed, then every refit of the null; finished ones are not repeated."""

    run: Run
    name: str
    samples: Samples
    settled: RecipeAt
    plan: RefitPlan
    chains: list[tuple[int, tuple[int, ...]]]  # seed, rows
    null: int
    judged: Sequence[int]
    store: FitStore

    @classmethod
    def of(cls, run: Run, name: str) -> Fits:
        config, plan, recipe = run.config, run.plan_of(name), run.recipe_of(name)
        seeds = config.seeds if recipe.seeded else config.seeds[:1]
        chains = [(seed, rows) for seed in seeds for rows in plan.chains(run.panel.calendar)]
        null = 0 if isinstance(config.recipes[name], FIXED) else config.evidence.refits_of(name)
        store = FitStore(run.folder.path, config.device, leaks(run))
        settled, samples, judged = recipe_at(run, name), run.samples_of(name), run.judged_rows(name)
        return cls(run, name, samples, settled, plan, chains, null, judged, store)

    @property
    def count(self) -> int:
        """How many jobs there are."""
        return len(self.chains) + self.null

    @property
    def null_name(self) -> str:
        """What the progress of the refits on shuffled labels goes by."""
        return f"{self.name} null"

    def job(self, number: int, progress: Progress | None) -> Any:
        """A chain's entries and the scores that they make, or the rank IC of a refit on shuffled labels."""
        if number >= len(self.chains):
            return self._null(number - len(self.chains), progress)
        seed, rows = self.chains[number]
        entries = chain(
            self.samples, self.run.panel.calendar, self.settled, seed, self.plan, rows, progress, self.store
        )
        served = range(rows[0] + 1, _next_refit(self.plan, rows[-1], self.run.test_rows[1]) + 1)
        return entries, score(self.samples, Timeline(entries), served).column()[served.start : served.stop]

    def _null(self, number: int, progress: Progress | None) -> float:
        """One refit on shuffled labels; its value is kept, so that a killed run does not fit it again."""
        run, folder, kept = self.run, self.run.folder, f"fits/{self.name}/null-{number}.json"
        if not folder.has(kept):
            value = null_rank_ic(
                self.samples,
                run.panel.calendar,
                self.settled,
                run.test_plan(self.name),
                self.judged,
                NULL_SEED + number,
                measure=run.config.task_of(self.name)[1].measure,
            )
            (folder.path / kept).parent.mkdir(parents=True, exist_ok=True)
            folder.write_json(kept, value if np.isfinite(value) else None)
        if progress:
            last, note = run.panel.sessions[run.test_rows[1]].item(), f"refits on shuffled labels, of {self.null}"
            progress(Tick(self.null_name, 0, last, 0, 0, 1.0, 0.0, None, 0.0, number, self.null, note))
        found = folder.read_json(kept)
        return float("nan") if found is None else float(found)

    def write(self, done: list[Any]) -> None:
        """The results of all jobs as the recipe's part."""
        parts = list(zip((seed for seed, _ in self.chains), done, strict=False))
        begin = self.plan.rows[0] + 1
        seeds = dict.fromkeys(seed for seed, _ in self.chains)
        fitted = {
            seed: _fitted([part for owner, part in parts if owner == seed], self.samples, begin) for seed in seeds
        }
        _write_part(self.run, self.name, self.samples, fitted, done[len(self.chains) :], self.judged)


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
