"""Information coefficients equal scipy's; the null of shuffled refits keeps its size and has power."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, pearsonr, spearmanr

from nnstrategies.evidence import evidence, ic, mean_rank_ic, null_rank_ics, p_value, rank_ic, shuffled
from nnstrategies.features import default_set
from nnstrategies.feeds.simulated import SimulatedMarket, simulate
from nnstrategies.labels import forward_return
from nnstrategies.panel import Panel
from nnstrategies.predictors import score
from nnstrategies.samples import Samples
from nnstrategies.training import NetworkRecipe, Recipe, RidgeRecipe, walk_forward
from tests.small_samples import market_samples

TINY_LSTM = NetworkRecipe(
    "tiny",
    "lstm",
    {"hidden": 4, "layers": 1, "dropout": 0.0},
    epochs=2,
    batch=256,
    lr=0.02,
    stride_days=5,
    valid_days=0,
    device="cpu",
)
SEEDS, REFITS = 40, 19
NAMES = ("ret_1", "ret_5", "ret_10", "gap_1", "intraday_1", "volatility_20", "volume_surprise_1", "volume_position_20")


@given(st.integers(3, 12), st.integers(0, 2**31), st.booleans())
def test_information_coefficients_equal_scipys(symbols, seed, ties):
    rng = np.random.default_rng(seed)
    scores, returns = rng.normal(size=(2, 4, symbols))
    if ties:
        scores = np.round(scores)
    mask = rng.random(scores.shape) < 0.8
    returns[rng.random(scores.shape) < 0.1] = np.nan
    found = ic(scores, returns, mask), rank_ic(scores, returns, mask)
    for t in range(4):
        use = mask[t] & np.isfinite(returns[t])
        if use.sum() < 3 or np.ptp(scores[t, use]) == 0:
            assert np.isnan(found[0][t])
            assert np.isnan(found[1][t])
        else:
            assert found[0][t] == pytest.approx(pearsonr(scores[t, use], returns[t, use])[0], abs=1e-10)
            assert found[1][t] == pytest.approx(spearmanr(scores[t, use], returns[t, use])[0], abs=1e-10)


def test_equal_scores_have_no_information_coefficient():
    returns = np.random.default_rng(0).normal(size=(1, 9))
    assert np.isnan(ic(np.full((1, 9), 0.1), returns, np.ones((1, 9), dtype=bool))[0])


def test_the_p_value_counts_the_null():
    assert p_value(0.5, [0.1] * 19) == 0.05
    assert p_value(0.1, [0.1] * 19) == 1.0
    assert p_value(0.2, [0.3, 0.1, 0.2]) == 0.75
    assert np.isnan(p_value(0.2, []))


def test_shuffled_labels_are_whole_histories_of_other_symbols():
    _, samples = market_samples()
    moved = shuffled(samples, 4)
    order = [
        next(m for m in range(samples.N) if np.array_equal(moved.labels.end[:, n], samples.labels.end[:, m])
             and np.array_equal(moved.labels.returns[:, n], samples.labels.returns[:, m], equal_nan=True))
        for n in range(samples.N)
    ]  # fmt: skip
    assert sorted(order) == list(range(samples.N))
    assert order != list(range(samples.N))
    assert np.array_equal(moved.labels.values, samples.labels.values[:, order], equal_nan=True)
    assert moved.features is samples.features
    assert moved.mask is samples.mask


def test_the_null_is_the_same_in_processes_and_here():
    panel, samples = market_samples("return")
    one, two = (
        null_rank_ics(samples, panel.calendar, RidgeRecipe(), [340], range(341, 390), 4, workers=workers)
        for workers in (1, 2)
    )
    assert one == two
    assert len(set(one)) == 4


def test_the_summary_is_plain_json_with_its_figures():
    panel, samples = market_samples("return")
    timeline = walk_forward(samples, panel.calendar, RidgeRecipe(), (1,), [340])[1]
    values = score(samples, timeline).column()
    rows = list(range(341, 390))
    found = evidence(samples, {1: values, 2: -values}, rows, null=[0.0] * 19).to_json()
    one = mean_rank_ic(values, samples, rows)
    assert found["seeds"]["1"] == pytest.approx(one)
    assert found["seeds"]["2"] == pytest.approx(-one)
    assert found["rank_ic"] == pytest.approx(0, abs=1e-9)
    assert found["seed_spread"] == pytest.approx(np.std([one, -one], ddof=1))
    assert found["refits"] == 19
    without = evidence(samples, {1: values}, rows).to_json()
    assert without["p_value"] is None
    assert without["refits"] == 0
    json.dumps([found, without], allow_nan=False)


# -- size and power --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trial:
    """A small market and one refit; only the procedure is under test."""

    panel: Panel
    samples: Samples
    refit: int

    def p(self, recipe: Recipe, seed: int) -> float:
        rows = range(self.refit + 1, self.samples.T - 6, 5)
        calendar = self.panel.calendar
        timeline = walk_forward(self.samples, calendar, recipe, (seed,), [self.refit])[seed]
        observed = mean_rank_ic(score(self.samples, timeline, rows).column(), self.samples, rows)
        null = null_rank_ics(self.samples, calendar, recipe, [self.refit], rows, REFITS, seed=seed)
        return p_value(observed, null)


def trial(seed: int, signal: bool, symbols: int = 20, sessions: int = 240, linear: float = 0.07) -> Trial:
    market = SimulatedMarket(
        symbols=symbols,
        members=symbols,
        sessions=sessions,
        seed=500 + seed,
        signal=signal,
        late_listings=0.0,
        linear=linear,
    )
    panel = simulate(market)[0]
    features = default_set().select(NAMES)(panel)
    samples = Samples.build(panel, features, forward_return(panel, 5), window=5)
    return Trial(panel, samples, refit=sessions - 100)


@pytest.fixture(scope="module")
def without_signal() -> list[Trial]:
    return [trial(seed, signal=False) for seed in range(SEEDS)]


@pytest.mark.parametrize("recipe", [RidgeRecipe(stride_days=5), TINY_LSTM], ids=["ridge", "lstm"])
def test_without_a_signal_rejections_at_5_percent_are_chance(without_signal, recipe):
    rejections = sum(one.p(recipe, seed) <= 0.05 for seed, one in enumerate(without_signal))
    low, high = (int(binom.ppf(q, SEEDS, 0.05)) for q in (0.005, 0.995))
    assert (low, high) == (0, 6)
    assert low <= rejections <= high


@pytest.mark.parametrize("recipe", [RidgeRecipe(stride_days=5), TINY_LSTM], ids=["ridge", "lstm"])
def test_with_a_strong_signal_the_null_is_rejected(recipe):
    trials = [trial(seed, signal=True, symbols=40, sessions=320, linear=0.3) for seed in range(5)]
    assert sum(one.p(recipe, seed) <= 0.05 for seed, one in enumerate(trials)) >= 4


def test_a_refit_without_a_value_counts_as_at_least_as_large():
    assert p_value(0.01, [float("nan")] * 19) == 1.0
    assert p_value(0.5, [0.1, float("nan"), 0.2]) == 0.5


def test_labels_moved_through_time_keep_what_symbols_share_on_a_date():
    """Moved apart, errors of a model for each symbol would average out in the null alone."""
    _, samples = market_samples("return")
    moved = shuffled(samples, 3, "time").labels.returns
    shift = {
        k
        for k in range(40, samples.T - 39)
        if np.array_equal(moved[300:350], np.roll(samples.labels.returns, k, 0)[300:350], True)
    }
    assert len(shift) == 1
