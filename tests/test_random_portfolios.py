"""Nobody earns anything by chance: random portfolios average the equal weight of the members."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nnstrategies.backtest import backtest
from nnstrategies.baselines import equal_weight_returns
from nnstrategies.feeds.simulated import SimulatedMarket, simulate
from nnstrategies.panel import Panel
from nnstrategies.strategies import RebalanceStrategy
from tests.small_market import random_scores

PORTFOLIOS = 20


def log_growth(panel: Panel, seed: int, first: int) -> float:
    start = panel.sessions[first]
    returns = backtest(panel, RebalanceStrategy, random_scores(panel, seed), start=start, market="frictionless").returns
    return float(np.log1p(returns).sum())


def assert_unbiased(panel: Panel, first: int) -> None:
    growths = np.array([log_growth(panel, seed, first) for seed in range(PORTFOLIOS)])
    expected = float(np.log1p(equal_weight_returns(panel, first, panel.T - 1)).sum())
    error = growths.std(ddof=1) / np.sqrt(PORTFOLIOS)
    assert abs(growths.mean() - expected) < 2.5 * error, f"{growths.mean():.4f} +- {error:.4f} against {expected:.4f}"
    assert error < 0.05, "too wide to mean anything"


def test_random_portfolios_average_equal_weight_on_the_simulated_market():
    panel = simulate(SimulatedMarket(symbols=80, sessions=300, members=60, seed=11))[0]
    assert_unbiased(panel, 0)


def test_random_portfolios_average_equal_weight_on_the_real_market(shared_data: Path):
    from nnstrategies.feeds.china import load_china

    panel, _ = load_china(shared_data, "2015-01-05", "2015-09-30")
    assert_unbiased(panel, 0)
