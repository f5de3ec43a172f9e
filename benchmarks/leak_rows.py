"""What each system's leaks produce where there is nothing to find: python benchmarks/leak_rows.py [--seeds 12].

Every leaky variant of every system's config, cut down by small_systems.py but trained for longer, runs on random walks
(a simulated market without a signal and without a drift) beside the same system without the leak. Printed are mean and
standard error over the markets of the direction accuracy of what forecasts single series (an honest one is at 50 %), of
the rank IC of what orders stocks (0), and for a leaky choice of members also of what equal weight of them earned a
year. Beside the headline's recipes stands a linear fit on the last days of the same inputs: what the leak is
worth to whoever looks. Where a leak changes nothing, the row says so. See docs/evidence.md.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from signal_off import trained
from small_systems import Tree, asked, chosen_on_the_test, headline_alone, into_the_test, members_of, small_tree

from nnstrategies.config import parse
from nnstrategies.evidence import mean_rank_ic
from nnstrategies.feeds.simulated import simulate
from nnstrategies.panel import Panel
from nnstrategies.pipeline.run import Run
from nnstrategies.pipeline.tasks import on_panel
from nnstrategies.samples import Samples
from nnstrategies.settings import RunConfig
from nnstrategies.typing import AnyArray, BoolArray, FloatArray

FIRST_SEED = 9_000
MEMBERS = "data.leaky_members_on"
SESSIONS_A_YEAR = 243
LINEAR_DAYS = 6
WALK = [{"name": "walk", "mean": 0.0, "volatility": 0.012, "mean_days": 160.0}]
_ALL: Tree = {"data.signal": False, "data.regimes": WALK, "evidence.refits": 0, "seeds": [1], "executor": "local"}
_YEAR: Tree = {  # 640 sessions to learn from, a year's test
    "data.sessions": 900,
    "walk_forward.first_test": "2017-08-28",
    "walk_forward.last_test": "2018-08-24",
    "walk_forward.valid_days": 60,
}


def _trained(recipe: str, epochs: int, batch: int) -> Tree:
    """Fewer steps than the paper's, larger ones."""
    changes = {"epochs": epochs, "batch": batch, "stride_days": 1, "lr": 0.01}
    return {f"recipes.{recipe}.{key}": value for key, value in changes.items()}


_LONGER: dict[str, Tree] = {
    "S1": {"data.sessions": 720, "walk_forward.last_test": "2014-11-14", "recipes.cnn.epochs": 15}
    | {"variants.leaky_members.set": members_of("2014-11-14")},
    "S2": _YEAR
    | {"data.suspensions_per_year": 3.0, "recipes.cnn_lstm.epochs": 10}
    | {"variants.test_chooses_the_epoch.set": chosen_on_the_test("2018-08-24", 243, 60)}
    | {"variants.leaky_members.set": members_of("2018-08-24")},
    "S3": _YEAR | {"data.dividends_per_year": 1.0} | _trained("lstm", 10, 32),
    "S4": {"walk_forward.refit": "month", "recipes.lstm.epochs": 10, "data.sessions": 600},
    "S5": _YEAR
    | {"data.dividends_per_year": 1.0, "variants.trained_into_the_test.set": into_the_test("2018-02-28")}
    | _trained("sequence_lstm", 20, 16),
}


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure of one recipe on each market, without and with the leak."""

    what: str
    honest: list[float]
    leaky: list[float]


def walks(system: str, seed: int) -> Tree:
    """The system on random walks, whose seed is the market's."""
    return small_tree(system, _ALL | _LONGER[system] | {"data.seed": seed})


def leaky_variants(config: RunConfig) -> list[str]:
    """Variants that read the future on purpose: every such setting, feature and set is named leaky_*."""
    return [name for name, variant in config.variants.items() if "leaky_" in repr(dict(variant.set))]


def figures(config: RunConfig) -> dict[str, float]:
    """What is measured -> its figure over the test: each recipe's, and that of a linear reader of the same inputs."""
    with tempfile.TemporaryDirectory() as folder:
        run, found = trained(config, Path(folder) / "run"), {}
        for name in config.recipes:
            table, samples = run.folder.read_frame(f"parts/{name}-scores"), run.samples_of(name)
            scores = on_panel(run.task(config.task_of(name)[0]).panel, table.set_index(["date", "symbol"])["score"])
            found |= _figure(run, name, name, samples, scores)
        judged = run.judged
        return found | _figure(
            run, judged, "linear", run.samples_of(judged), linear_scores(run, run.samples_of(judged))
        )


def linear_scores(run: Run, samples: Samples) -> AnyArray:
    """[T, N] of least squares on the last days of each window, fitted once on what was known before the test."""
    days, (first, last) = min(samples.window, LINEAR_DAYS), run.test_rows
    t, n = samples.rows(0, first - 1, first - 1)
    inputs = np.stack([samples.features.values[n, t - lag].astype(np.float64) for lag in range(days)], axis=1)
    inputs = np.nan_to_num(inputs.reshape(len(t), -1))  # [M, days * F]
    mean, scale = inputs.mean(axis=0), inputs.std(axis=0) + 1e-9
    known = np.column_stack([(inputs - mean) / scale, np.ones(len(t))])
    gram = known.T @ known + 1e-3 * np.eye(known.shape[1])
    weights = np.linalg.solve(gram, known.T @ samples.labels.returns[t, n].astype(np.float64))
    scores = np.full((samples.T, samples.N), np.nan)
    for row in range(first, last + 1):
        own = np.flatnonzero(samples.mask[row])
        seen = samples.features.values[own, row - days + 1 : row + 1][:, ::-1].astype(np.float64)
        scaled = (np.nan_to_num(seen.reshape(len(own), -1)) - mean) / scale
        scores[row, own] = scaled @ weights[:-1] + weights[-1]
    return scores


def _figure(run: Run, recipe: str, who: str, samples: Samples, scores: AnyArray) -> dict[str, float]:
    """Share of right directions where a task is measured through time, of days on which prices moved; else rank IC."""
    (first, last), measure = run.test_rows, run.config.task_of(recipe)[1].measure
    if measure == "across":
        return {f"{who}, rank IC": mean_rank_ic(scores, samples, run.judged_rows(recipe))}
    own, came = scores[first : last + 1], np.where(samples.mask, samples.labels.returns, np.nan)[first : last + 1]
    acted = np.isfinite(own) & np.isfinite(came) & (came != 0) & (own != 0)
    return {f"{who}, direction": float((np.sign(own) == np.sign(came))[acted].mean())}


def members_earned(config: RunConfig) -> tuple[float, float]:
    """Mean return a year of equal weight over the test: of the members by date, and of those of its last day."""
    panel, walk = simulate(config.data)[0], config.walk_forward
    first, last = str(walk.first_test), str(walk.last_test)
    rows = slice(panel.calendar.first_on_or_after(first), panel.calendar.last_on_or_before(last) + 1)
    return _earned(panel, panel.members[rows], rows), _earned(panel, panel.members[rows.stop - 1], rows)


def _earned(panel: Panel, members: BoolArray, rows: slice) -> float:
    """Mean daily return of ``members`` ([rows, N], or [N] all along), a year's worth."""
    close = panel.adjusted("close")
    daily = close[1:] / close[:-1] - 1  # row t - 1 holds the return of session t
    held = np.where(members, daily[rows.start - 1 : rows.stop - 1], np.nan)
    return float(np.nanmean(held, axis=1).mean() * SESSIONS_A_YEAR)


def compared(system: str, variant: str, seeds: Sequence[int], honest: dict[int, dict[str, float]]) -> list[Figure]:
    """The variant's figures beside ``honest``, filled on the way; what the leak does not touch is left out."""
    found: dict[str, Figure] = {}
    for seed in seeds:
        tree = walks(system, seed)
        if seed not in honest:
            honest[seed] = figures(headline_alone(tree))
        leaky = figures(headline_alone(tree, variant))
        pairs = {name: (honest[seed][name], leaky[name]) for name in leaky}
        if MEMBERS in tree["variants"][variant]["set"]:
            pairs |= {"members, return a year": members_earned(parse(tree, system))}
        for name, (own, other) in pairs.items():
            one = found.setdefault(name, Figure(name, [], []))
            one.honest.append(own)
            one.leaky.append(other)
    return [one for one in found.values() if one.honest != one.leaky] or list(found.values())[:1]


def line(system: str, variant: str, figure: Figure) -> str:
    """Honest and leaky as mean ± standard error, and the difference market by market."""
    own, other = np.array(figure.honest), np.array(figure.leaky)
    cells = [_text(values, figure.what) for values in (own, other, other - own)]
    same = "  (the leak changes nothing here)" if np.array_equal(own, other) else ""
    return f"{system:4}{variant:28}{figure.what:28}{cells[0]:>18}{cells[1]:>18}{cells[2]:>18}{same}"


def _text(values: FloatArray, what: str) -> str:
    scale, unit, digits = (1, "", 4) if what.endswith("rank IC") else (100, " %", 1)
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{scale * values.mean():.{digits}f} ± {scale * error:.{digits}f}{unit}"


def main() -> None:
    systems, seeds = asked(__doc__, FIRST_SEED, 12)
    print(f"{'':4}{'leak':28}{'figure':28}{'honest':>18}{'leaky':>18}{'difference':>18}")
    for system in systems:
        started = time.perf_counter()
        honest: dict[int, dict[str, float]] = {}
        for variant in leaky_variants(parse(small_tree(system), system)):
            for figure in compared(system, variant, seeds, honest):
                print(line(system, variant, figure), flush=True)
        print(f"{system:4}{time.perf_counter() - started:.0f} seconds", flush=True)


if __name__ == "__main__":
    main()
