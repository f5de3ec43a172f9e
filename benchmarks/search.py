"""What a search costs beside its fits, and how flattering its value is: python benchmarks/search.py"""

from __future__ import annotations

import time

import numpy as np

from nnstrategies.evidence import mean_rank_ic
from nnstrategies.features import default_set
from nnstrategies.feeds.simulated import SimulatedMarket, simulate
from nnstrategies.labels import make_labels
from nnstrategies.panel import Panel
from nnstrategies.predictors import score
from nnstrategies.samples import Samples
from nnstrategies.search import SearchSettings, Space, cv_folds, search_as_of, with_values
from nnstrategies.search.judge import judge
from nnstrategies.search.propose import propose
from nnstrategies.training import Recipe, RidgeRecipe, walk_forward

FEATURES = ("ret_1", "ret_5", "rank_ret_1", "rank_ret_5", "volume_surprise_1", "volatility_20", "rsi_14")
SPACE = {
    "penalty": {"low": 1e-4, "high": 10.0, "log": True},
    "target": ["rank", "standardised"],
    "train_days": [None, 60, 120, 250],
    "stride_days": {"low": 1, "high": 10},
}
SETTINGS = SearchSettings("ridge", SPACE, trials=30, folds=5, valid_days=40)
ASOF, MARKETS = 560, 30


def market(seed: int, signal: bool) -> tuple[Panel, Samples]:
    panel, _ = simulate(SimulatedMarket(symbols=40, members=32, sessions=700, seed=seed, signal=signal))
    labels = make_labels(panel, "buy_hold_sell", 5)
    return panel, Samples.build(panel, default_set().select(FEATURES)(panel), labels, 1)


def costs() -> None:
    """CPU seconds of a search, of its fits and judging alone, and of one proposal by how many trials there are."""
    _, samples = market(0, True)
    begun = time.process_time()
    choice = search_as_of(samples, ASOF, RidgeRecipe(), SETTINGS)
    whole = time.process_time() - begun
    folds, known = cv_folds(ASOF, SETTINGS.folds, SETTINGS.valid_days), samples.upto(ASOF)
    begun = time.process_time()
    fits = 0
    for trial in choice.trials:
        recipe = with_values(RidgeRecipe(), trial.params)
        for fold in folds[: len(trial.folds) if trial.repeats is None else 0]:
            judge(recipe.fit(known, fold.asof, SETTINGS.seed), known, fold, "rank_ic")
            fits += 1
    bare = time.process_time() - begun
    print(f"search of {len(choice.trials)} trials: {whole:.1f} CPU s, of which {bare:.1f} s for {fits} fits on folds")
    space = Space.of(RidgeRecipe(), SPACE)
    for count in (12, 30, 100):
        some = [trial for trial in choice.trials if trial.state == "complete"]
        before = (some * (1 + count // len(some)))[:count]
        begun = time.process_time()
        propose(space, SETTINGS, before)
        print(f"a proposal after {count} trials: {time.process_time() - begun:.2f} CPU s")


def after(panel: Panel, samples: Samples, recipe: Recipe) -> float:
    """Mean rank IC over the sessions that follow the search."""
    timeline = walk_forward(samples, panel.calendar, recipe, (1,), [ASOF])[1]
    rows = range(ASOF + 1, 690)
    return mean_rank_ic(score(samples, timeline, rows).column(), samples, rows)


def optimism(signal: bool) -> None:
    """The chosen settings and the default ones: over the folds and afterwards, mean and standard error over markets."""
    rows = []
    for seed in range(1000, 1000 + MARKETS):
        panel, samples = market(seed, signal)
        choice = search_as_of(samples, ASOF, RidgeRecipe(), SETTINGS)
        known = samples.upto(ASOF)
        usual = [
            judge(RidgeRecipe().fit(known, fold.asof, 1), known, fold, "rank_ic").value
            for fold in cv_folds(ASOF, SETTINGS.folds, SETTINGS.valid_days)
        ]
        chosen = with_values(RidgeRecipe(), choice.params)
        rows.append((choice.value, after(panel, samples, chosen), np.mean(usual), after(panel, samples, RidgeRecipe())))
    table = np.array(rows)
    print(f"\n{MARKETS} markets {'with' if signal else 'without'} a signal, rank IC")
    names = ("chosen, over the folds", "chosen, afterwards", "default, over the folds", "default, afterwards")
    for name, column in zip(names, table.T, strict=True):
        print(f"  {name:<24} {column.mean():7.4f} +- {column.std(ddof=1) / np.sqrt(MARKETS):.4f}")
    gap = table[:, 0] - table[:, 1]
    print(f"  {'optimism of the chosen':<24} {gap.mean():7.4f} +- {gap.std(ddof=1) / np.sqrt(MARKETS):.4f}")


if __name__ == "__main__":
    costs()
    optimism(signal=False)
    optimism(signal=True)
