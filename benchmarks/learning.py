"""What each recipe learns of a market whose truth is known: python benchmarks/learning.py [--fast] [--large].

Each recipe is fitted once on simulated markets that differ in their seed and scored on the two years after. For each
part of the signal the table shows the share of the best reachable rank IC that the scores owe to it, its mean over the
markets with Student's 95 % interval, and whether that is what learning_recipes.py claims. See docs/learning.md.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from learning_recipes import RAW, WINDOW, Claim, View, recipes
from scipy.stats import t as student

from nnstrategies.features import default_set
from nnstrategies.feeds.simulated import SimulatedMarket, simulate
from nnstrategies.feeds.truth import PARTS, Truth
from nnstrategies.labels import make_labels
from nnstrategies.panel import Panel
from nnstrategies.predictors import score
from nnstrategies.samples import Samples
from nnstrategies.training import Recipe, Timeline
from nnstrategies.training.jobs import run_jobs
from nnstrategies.training.progress import Progress
from nnstrategies.training.walkforward import update

MARKETS = (11, 12, 13, 14, 15)  # seeds of market and model; 2 to 4 served to choose the budget
LARGE_MARKETS = (21, 22, 23, 24, 25)  # as fresh: nothing was chosen on them
FAST = ("lstm", "cnn", "mlp_20_days", "mlp", "ridge", "ridge, indicators")
USUAL = SimulatedMarket(symbols=140, members=100, sessions=1462)
# Four times the stocks and eight years before the first test instead of four; the test is the same two years.
LARGE = SimulatedMarket(symbols=560, members=400, sessions=2432, start="2011-01-04")
FIRST_TEST = "2019-01-02"
EVERY_DAYS = 5  # scores are judged on every fifth session: the states' half-life is 4.5
NEGLIGIBLE = 0.10  # an interval that reaches further does not show that a part was not learned
COLUMNS = (*PARTS, "total")
LINE = re.compile(r"market (\d+), (.+): ([-.\d]+(?: [-.\d]+){3})")  # what a fit leaves in a log
# Part, the recipe that finds more of it, the one that finds less.
CONTRASTS = (
    ("order", "lstm", "mlp"),
    ("order", "cnn", "mlp_20_days"),
    ("linear", "ridge, indicators", "ridge"),
)


@dataclass(frozen=True)
class Market:
    """A simulated market ready for fitting: samples by inputs; fits are as of row ``asof``, the test is all after."""

    seed: int
    panel: Panel
    truth: Truth
    samples: dict[str, Samples]
    asof: int


@dataclass(frozen=True)
class Interval:
    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"


def make_market(settings: SimulatedMarket, first_test: str = FIRST_TEST) -> Market:
    """Quickstart's labels, the raw columns and the indicators of one market."""
    panel, truth = simulate(settings)
    labels = make_labels(panel, "buy_hold_sell", truth.horizon_days)
    sets = {"raw": default_set().select(RAW), "indicators": default_set()}
    samples = {name: Samples.build(panel, features(panel), labels, WINDOW) for name, features in sets.items()}
    return Market(settings.seed, panel, truth, samples, panel.calendar.first_on_or_after(first_test) - 1)


def shares(market: Market, view: View, recipe: Recipe) -> list[float]:
    """Shares of the parts and of the total, after one fit on what was known at ``asof``.

    The rank IC that scores owe to a part is their rank correlation with its oracle times that oracle's own rank IC;
    over the latter, the best reachable, it is the rank correlation itself.
    """
    samples, test = market.samples[view.inputs], range(market.asof + 1, market.panel.T)
    entry = update(samples, market.panel.calendar, recipe, market.seed, market.asof)
    scores = score(samples, Timeline([entry]), test[::EVERY_DAYS]).column().astype(np.float64)
    found = market.truth.found(scores, samples.mask, test.start, test.stop - 1)
    return [found[column] for column in COLUMNS]


def interval(values: Sequence[float]) -> Interval:
    """Student's 95 % interval of the mean over independent markets."""
    half = student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return Interval(float(np.mean(values)), float(np.mean(values) - half), float(np.mean(values) + half))


def verdict(claim: Claim, found: Interval) -> str:
    """``holds``, ``-`` where nothing is claimed, or what is wrong with the claim."""
    if claim == "open":
        return "-"
    if claim == "none":
        if found.low > 0:
            return "FAILS: above 0"
        return "holds" if found.high < NEGLIGIBLE else f"FAILS: may be more than {NEGLIGIBLE:.2f}"
    if found.low > float(claim):
        return "holds"
    return f"FAILS: not shown to exceed {claim:.2f}" if found.low > 0 else "FAILS: not shown to exceed 0"


def table(names: Sequence[str], found: np.ndarray) -> list[str]:
    """Lines for ``found`` [recipes, markets, columns]: a row per recipe, then the claims that do not hold."""
    lines = ["| recipe | " + " | ".join(COLUMNS) + " |", "|---" * (1 + len(COLUMNS)) + "|"]
    made, failed = 0, []
    for name, values in zip(names, found, strict=True):
        cells = [interval(column) for column in values.T]
        said = [verdict(claim, cell) for claim, cell in zip(recipes()[name][0].claims, cells, strict=False)]
        marks = ["*" if one.startswith("FAILS") else "" for one in said]
        lines.append(f"| {name} | " + " | ".join(f"{c}{m}" for c, m in zip(cells, [*marks, ""], strict=True)) + " |")
        made += sum(one != "-" for one in said)
        failed += [f"  {name}, {part}: {one}" for part, one in zip(PARTS, said, strict=True) if one.startswith("F")]
    return [*lines, "", f"{made - len(failed)} of {made} claims hold; * marks the others:", *failed]


def contrasts(names: Sequence[str], found: np.ndarray) -> list[str]:
    """Differences within the same markets, which should lie above 0."""
    lines = []
    for part, more, less in CONTRASTS:
        column = COLUMNS.index(part)
        difference = interval(found[names.index(more), :, column] - found[names.index(less), :, column])
        said = "holds" if difference.low > 0 else "FAILS"
        lines.append(f"  {part}: {more} less {less}: {difference} {said}")
    return ["Differences within the same markets, expected above 0:", *lines]


def reachable(markets: Sequence[Market]) -> list[str]:
    """The best rank IC of each part on the test rows, and the shares of a forecaster that knows all parts."""
    best, whole = [], []
    for market in markets:
        samples, rows = market.samples["raw"], (market.asof + 1, market.panel.T - 1)
        returns = samples.labels.returns.astype(np.float64)
        best.append([market.truth.best_rank_ic(returns, samples.mask, *rows)[column] for column in COLUMNS])
        found = market.truth.found(market.truth.parts["total"], samples.mask, *rows)
        whole.append([found[column] for column in COLUMNS])
    titled = (("best reachable rank IC", best), ("shares of a perfect forecaster", whole))
    return [
        f"{title}: " + ", ".join(f"{column} {value:.3f}" for column, value in zip(COLUMNS, np.mean(x, 0), strict=True))
        for title, x in titled
    ]


def kept(log: Path | None) -> dict[tuple[int, str], list[float]]:
    """Seed of the market and recipe -> shares, of the lines that fits have left in ``log``."""
    lines = log.read_text(encoding="utf-8").splitlines() if log and log.is_file() else []
    found = [match for line in lines if (match := LINE.fullmatch(line))]
    return {(int(one[1]), one[2]): [float(value) for value in one[3].split()] for one in found}


def options_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fast", action="store_true", help="six recipes, three markets unless --markets says more")
    parser.add_argument("--large", action="store_true", help="four times the stocks, twice the training years")
    parser.add_argument("--markets", type=int, help="only so many of the markets, the first ones")
    parser.add_argument(
        "--log", type=Path, help="a line for each fit is added to this file; fits in it are not repeated"
    )
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def main() -> None:
    options = options_of()
    began, known, done = time.monotonic(), recipes(), kept(options.log)
    names = list(FAST if options.fast else known)
    count = options.markets or (3 if options.fast else 5)
    seeds = (LARGE_MARKETS if options.large else MARKETS)[:count]
    markets = [make_market(replace(LARGE if options.large else USUAL, seed=seed)) for seed in seeds]
    jobs = [(market, name) for market in markets for name in names if (market.seed, name) not in done]

    def job(number: int, progress: Progress | None) -> tuple[list[float], float]:
        market, name = jobs[number]
        before = time.process_time()
        found = shares(market, *known[name])
        line = f"market {market.seed}, {name}: " + " ".join(f"{value:.4f}" for value in found)
        print(line, file=sys.stderr, flush=True)
        if options.log:
            with options.log.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
        return found, time.process_time() - before

    fits = run_jobs(job, len(jobs), options.workers)
    done |= {(market.seed, name): values for (market, name), (values, _) in zip(jobs, fits, strict=True)}
    found = np.array([[done[seed, name] for seed in seeds] for name in names])  # [recipes, markets, columns]
    print("\n".join([*reachable(markets), "", *table(names, found), "", *contrasts(names, found), ""]))
    cpu = sum(seconds for _, seconds in fits)
    print(f"{len(jobs)} fits, {cpu:.0f} CPU s in all, {time.monotonic() - began:.0f} s with {options.workers} workers")


if __name__ == "__main__":
    main()
