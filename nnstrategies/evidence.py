"""Whether a score says more than chance: information coefficients, and a null of refits on shuffled labels.

The null is made by the whole pipeline, B times: shuffle the training labels, refit at every date, score, and measure
against the true returns. See docs/evidence.md for the choice of the shuffle and its measured size.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nnstrategies.calendar import Calendar
from nnstrategies.errors import DataError
from nnstrategies.factors.ic import Measure
from nnstrategies.factors.ic import ic as factor_ic
from nnstrategies.factors.ic import rank_ic as factor_rank_ic
from nnstrategies.predictors.local import score
from nnstrategies.samples import Samples
from nnstrategies.training.jobs import run_jobs
from nnstrategies.training.plan import RefitPlan
from nnstrategies.training.progress import Progress
from nnstrategies.training.recipe import Recipe
from nnstrategies.training.walkforward import RecipeAt, needs_gpu, recipes_on, walk_forward
from nnstrategies.typing import AnyArray, BoolArray, FloatArray


def ic(scores: AnyArray, returns: AnyArray, mask: BoolArray) -> FloatArray:
    """Pearson correlation across symbols of scores and returns, all [T, N] -> [T]; only cells of ``mask`` count.

    NaN on dates with fewer than 3 pairs or without any variation.
    """
    return factor_ic(_masked("ic", scores, returns, mask), returns)


def rank_ic(scores: AnyArray, returns: AnyArray, mask: BoolArray) -> FloatArray:
    """Spearman correlation [T], ties sharing their average rank: ``ic`` of the ranks within each date."""
    return factor_rank_ic(_masked("rank ic", scores, returns, mask), returns)


def _masked(what: str, scores: AnyArray, returns: AnyArray, mask: BoolArray) -> AnyArray:
    if not scores.shape == returns.shape == mask.shape:
        raise DataError(f"{what}: expected equal shapes [T, N], got {scores.shape}, {returns.shape} and {mask.shape}")
    return np.where(mask, scores, np.nan)


def shuffled(samples: Samples, seed: int, measure: Measure = "across") -> Samples:
    """The same features with labels that cannot be predicted from them; the mask stays: it belongs to the features.

    across: each symbol gets another's whole label history, by one random permutation over all dates, for values, ends
        and returns alike. A label path thus keeps its overlap, its persistence and its dates, only not its symbol.
    time: each symbol keeps its own, all moved on by one random number of sessions around the end, at least a tenth of
        the span. Another symbol's path would leave in what all have in common on a date; a number for each symbol would
        take it out of the null alone, which would be too narrow.
    """
    rng = np.random.default_rng(seed)
    if measure == "across":
        return samples.permuted(rng.permutation(samples.N))
    least = max(samples.T // 10, 1)
    return samples.moved(np.full(samples.N, rng.integers(least, samples.T - least + 1)))


def p_value(observed: float, null: Sequence[float]) -> float:
    """(1 + number of null values at least as large) / (1 + B), one-sided (Phipson, Smyth, 2010); NaN without a null.

    A refit without a value (its scores do not vary) counts as at least as large: nothing is known of it.
    """
    if not len(null) or not np.isfinite(observed):
        return float("nan")
    return (1 + sum(not value < observed for value in null)) / (1 + len(null))


def mean_rank_ic(scores: AnyArray, samples: Samples, rows: Sequence[int], measure: Measure = "across") -> float:
    """Mean rank IC of scores [T, N] with the samples' true returns over ``rows``; NaN when there is none.

    across: of each date's symbols, mean over dates. time: of each symbol's dates, mean over symbols.
    """
    return _mean(rank_ic(*_judged(scores, samples, rows, measure)))


def _judged(
    scores: AnyArray, samples: Samples, rows: Sequence[int], measure: Measure
) -> tuple[AnyArray, AnyArray, BoolArray]:
    """Scores, returns and mask of ``rows``, laid so that what is compared lies along the last axis."""
    index = np.asarray(rows, dtype=np.int64)
    tables = scores[index], samples.labels.returns[index], samples.mask[index]
    return tables if measure == "across" else (tables[0].T, tables[1].T, tables[2].T)


def null_rank_ic(
    samples: Samples,
    calendar: Calendar,
    recipe: Recipe | RecipeAt,
    plan: RefitPlan | Sequence[int],
    rows: Sequence[int],
    seed: int,
    progress: Progress | None = None,
    measure: Measure = "across",
) -> float:
    """Mean rank IC over ``rows`` of one walk-forward on shuffled labels, judged on the true returns."""
    moved = shuffled(samples, seed, measure)
    timeline = walk_forward(moved, calendar, recipe, (seed,), plan, progress=progress)[seed]
    return mean_rank_ic(score(samples, timeline, rows).column(), samples, rows, measure)


def null_rank_ics(
    samples: Samples,
    calendar: Calendar,
    recipe: Recipe | RecipeAt,
    plan: RefitPlan | Sequence[int],
    rows: Sequence[int],
    count: int,
    seed: int = 0,
    workers: int = 1,
    progress: Progress | None = None,
    device: str | None = None,
    measure: Measure = "across",
) -> list[float]:
    """Mean rank IC over ``rows`` of ``count`` walk-forwards, each on newly shuffled labels, judged on the true returns.

    Refit b uses the shuffle and the model seed (seed, b); workers > 1 gives the same values. Compare it with the
    observed mean rank IC over the same rows of one seed, or with the mean over seeds, which varies less under the null.
    The null itself is a little too narrow where styles move many symbols at once: see docs/evidence.md.
    """
    plan = plan if isinstance(plan, RefitPlan) else RefitPlan(tuple(plan))
    recipe_at = recipes_on(recipe, device)
    seeds = [int(s.generate_state(1)[0]) for s in np.random.SeedSequence([seed, 1]).spawn(count)]

    def job(number: int, report: Progress | None) -> float:
        return null_rank_ic(samples, calendar, recipe_at, plan, rows, seeds[number], report, measure)

    return [float(v) for v in run_jobs(job, count, 1 if needs_gpu(recipe_at(plan.rows[0])) else workers, progress)]


@dataclass(frozen=True)
class Evidence:
    """What a recipe's scores achieved out of sample, and what chance would have.

    measure: what is compared: a date's symbols, or (``time``) a symbol's dates; "dates" below are then symbols.
    rank_ic, ic: mean over dates and seeds. rank_ic_std_dates: standard deviation over dates, mean over seeds. seeds:
    seed -> mean rank IC. seed_spread: standard deviation over seeds (0 for one). null: mean rank IC of each shuffled
    refit, over ``null_rows`` dates; ``null_observed`` is the recipe's own over the same dates, what p_value compares.
    """

    rank_ic: float
    rank_ic_std_dates: float
    ic: float
    seeds: Mapping[int, float]
    seed_spread: float
    null: Sequence[float] = field(default_factory=list)
    null_observed: float = float("nan")
    null_rows: int = 0
    p_value: float = float("nan")
    refits: int = 0
    measure: Measure = "across"

    def to_json(self) -> dict[str, Any]:
        """Plain values; NaN becomes None."""
        return {key: _plain(value) for key, value in dataclasses.asdict(self).items()}


def evidence(
    samples: Samples,
    scores: Mapping[int, AnyArray],
    rows: Sequence[int],
    null: Sequence[float] = (),
    null_rows: Sequence[int] | None = None,
    measure: Measure = "across",
) -> Evidence:
    """Summarise scores [T, N] by seed over test ``rows``; ``null`` comes from ``null_rank_ics`` over ``null_rows``."""
    ranks = {seed: rank_ic(*_judged(values, samples, rows, measure)) for seed, values in scores.items()}
    plain = [ic(*_judged(values, samples, rows, measure)) for values in scores.values()]
    means = {seed: _mean(values) for seed, values in ranks.items()}
    judged = list(rows if null_rows is None else null_rows)
    observed = _mean([mean_rank_ic(values, samples, judged, measure) for values in scores.values()])
    return Evidence(
        rank_ic=_mean(list(means.values())),
        rank_ic_std_dates=_mean([float(np.nanstd(v)) if np.isfinite(v).any() else np.nan for v in ranks.values()]),
        ic=_mean([_mean(values) for values in plain]),
        seeds=means,
        seed_spread=float(np.std(list(means.values()), ddof=1)) if len(means) > 1 else 0.0,
        null=list(null),
        null_observed=observed,
        null_rows=len(judged) if null else 0,
        p_value=p_value(observed, null),
        refits=len(null),
        measure=measure,
    )


def _mean(values: AnyArray | Sequence[float]) -> float:
    array = np.asarray(values, dtype=np.float64)
    return float(np.nanmean(array)) if np.isfinite(array).any() else float("nan")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
