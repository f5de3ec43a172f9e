"""Attribution by industry: the parts add up to the measured excess, and each says what it should."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nnstrategies.backtest import BacktestResult, backtest
from nnstrategies.baselines import equal_weight_returns
from nnstrategies.brinson import brinson_fachler, linking
from nnstrategies.brokers import BpsSlippage, FlatCosts, NoCosts
from nnstrategies.config import parse
from nnstrategies.feeds.simulated import SimulatedMarket, simulate
from nnstrategies.industry_attribution import attribution
from nnstrategies.panel import Panel
from nnstrategies.pipeline import start, trade, train
from nnstrategies.report import build_report
from nnstrategies.strategies import RebalanceStrategy, StopSettings
from tests.small_market import make_panel, make_scores, random_scores

FIRST = 60


def traded(panel: Panel, scores: Any, costs: Any = None, **more: Any) -> tuple[BacktestResult, pd.DataFrame]:
    """A backtest from row FIRST on, and its attribution."""
    market, slippage = more.pop("market", "simulated"), more.pop("slippage", None)
    result = backtest(
        panel, RebalanceStrategy, scores, settings=more, market=market, costs=costs or NoCosts(), slippage=slippage,
        cash=1e8, start=panel.sessions[FIRST],
    )  # fmt: skip
    return result, attribution(panel, result.frames(), result.cash, FIRST, panel.T - 1)


def excess(result: BacktestResult, panel: Panel) -> float:
    own, base = result.returns, equal_weight_returns(panel, FIRST, panel.T - 1)
    return float((1 + own).prod() - (1 + base).prod())


@pytest.fixture(scope="module")
def market() -> Panel:
    """With dividends, splits, suspensions, delistings and changing members."""
    return simulate(
        SimulatedMarket(symbols=40, sessions=400, members=25, seed=4, industries=5, delistings_per_year=0.2)
    )[0]


# -- the formulas -----------------------------------------------------------------------------------------------------

moves = arrays(np.float64, (6, 4), elements=st.floats(-0.3, 0.3))
weights = arrays(np.float64, (6, 4), elements=st.floats(0, 0.25))


@given(w=weights, r=moves, v=weights, b=moves)
def test_the_effects_of_a_period_add_up_to_its_excess_return(w, r, v, b):
    effects = brinson_fachler(w, w * r, v, v * b)
    np.testing.assert_allclose(effects.total.sum(axis=1), (w * r).sum(axis=1) - (v * b).sum(axis=1), atol=1e-12)


@given(w=weights, r=moves)
def test_equal_weights_leave_only_selection_and_equal_returns_only_allocation(w, r):
    w = w + 0.001
    weights, returns = brinson_fachler(w, w * r, w, w * r[::-1]), brinson_fachler(w, w * r, w[::-1], w[::-1] * r)
    np.testing.assert_array_equal(weights.allocation, 0)
    np.testing.assert_array_equal(weights.interaction, 0)
    np.testing.assert_allclose(returns.selection, 0, atol=1e-12)
    np.testing.assert_allclose(returns.interaction, 0, atol=1e-12)


def test_a_period_by_hand():
    """Two groups and cash: 60, 30, 10 % against 50, 50, 0 %; returns 10, 2 % against 8, -2 %, the benchmark 3 %."""
    effects = brinson_fachler(
        np.array([[0.6, 0.3]]), np.array([[0.06, 0.006]]), np.array([[0.5, 0.5]]), np.array([[0.04, -0.01]])
    )
    np.testing.assert_allclose(effects.allocation, [[0.1 * 0.05, -0.2 * -0.05, 0.1 * -0.03]])
    np.testing.assert_allclose(effects.selection, [[0.5 * 0.02, 0.5 * 0.04, 0]])
    np.testing.assert_allclose(effects.interaction, [[0.1 * 0.02, -0.2 * 0.04, 0]])


def test_a_group_that_the_benchmark_lacks_is_interaction():
    effects = brinson_fachler(
        np.array([[0.5, 0.5]]), np.array([[0.05, 0.0]]), np.array([[0.0, 1.0]]), np.array([[0.0, 0.02]])
    )
    assert effects.allocation[0, 0] == pytest.approx(0.0)
    assert effects.interaction[0, 0] == pytest.approx(0.5 * (0.1 - 0.02))


@given(
    r=arrays(np.float64, 30, elements=st.floats(-0.2, 0.2)),
    b=arrays(np.float64, 30, elements=st.floats(-0.2, 0.2)),
)
def test_linked_excess_returns_add_up_to_the_difference_of_the_compounded_ones(r, b):
    b = np.where(np.arange(30) % 5 == 0, r, b)  # periods without a difference among them
    expected = np.prod(1 + r) - np.prod(1 + b)
    assert ((r - b) * linking(r, b)).sum() == pytest.approx(expected, abs=1e-10)


# -- of a run ---------------------------------------------------------------------------------------------------------


def test_all_rows_together_are_the_measured_excess_return(market):
    costs, stop = FlatCosts(8), StopSettings(base=0.05)
    result, table = traded(
        market, random_scores(market, 1), costs, top_n=8, slippage=BpsSlippage(5), stop=stop, rebalance="week"
    )
    assert table["total"].sum() == pytest.approx(excess(result, market), abs=1e-10)
    parts = table[["allocation", "selection", "interaction"]].sum(axis=1, min_count=3)
    np.testing.assert_allclose(parts.dropna(), table["total"][parts.notna()], atol=1e-12)
    assert table["kind"].tolist() == ["industry"] * 5 + ["cash", "costs", "other"]
    assert table[["weight", "benchmark_weight"]].sum().tolist() == pytest.approx([1, 1])


def test_costs_have_a_row_of_their_own_and_little_stays_unexplained(market):
    scores = random_scores(market, 1)
    tables = [traded(market, scores, costs, top_n=8)[1] for costs in (NoCosts(), FlatCosts(30))]
    free, dear = (table.set_index("kind")["total"] for table in tables)
    assert free["costs"] == 0
    assert dear["costs"] == pytest.approx(-0.0060 * 0.9 * 16, rel=0.4)  # both sides of 16 months
    assert abs(free["other"]) < 0.01
    assert dear["other"] == pytest.approx(free["other"], abs=0.005)


def test_without_actions_and_rounding_nothing_stays_unexplained():
    rng = np.random.default_rng(2)
    close = 10 * np.exp(np.cumsum(rng.normal(0, 0.02, (150, 6)), axis=0))
    events = {"industries": _industries("a", "a", "b", "b", "c", "")}
    opens = close * np.exp(rng.normal(0, 0.01, close.shape))
    panel = make_panel(np.round(close, 2), np.round(opens, 2), events=events)
    result, table = traded(panel, make_scores(panel, np.arange(6.0)), market="frictionless", top_n=3)
    assert table.set_index("kind")["total"]["other"] == pytest.approx(0, abs=1e-12)
    assert table["total"].sum() == pytest.approx(excess(result, panel), abs=1e-12)
    assert table["industry"].tolist() == ["unknown", "a", "b", "c", "", "", ""]


def test_holding_the_yardstick_itself_attributes_nothing():
    rng = np.random.default_rng(3)
    close = 10 * np.exp(np.cumsum(rng.normal(0, 0.02, (150, 4)), axis=0))
    panel = make_panel(close, events={"industries": _industries("a", "a", "b", "c")})
    _, table = traded(panel, None, market="frictionless")
    np.testing.assert_allclose(table[["allocation", "selection", "interaction", "total"]].fillna(0), 0, atol=2e-6)


def test_the_industry_that_rose_gets_the_credit():
    close = np.full((150, 4), 10.0)
    close[:, 0] = close[:, 1] = 10 * 1.002 ** np.arange(150)  # both of industry a
    panel = make_panel(close, events={"industries": _industries("a", "a", "b", "b")})
    result, table = traded(panel, make_scores(panel, [2.0, 1.0, 0.5, 0.2]), market="frictionless", top_n=2)
    total = table.set_index("industry")["allocation"]
    assert total["a"] + total["b"] == pytest.approx(excess(result, panel), rel=1e-6)
    assert table["selection"].abs().sum() == pytest.approx(0, abs=1e-9)


TREE = {
    "name": "groups",
    "data": {"source": "simulated", "symbols": 20, "members": 16, "sessions": 300, "industries": 4, "seed": 5},
    "features": ["ret_1", "ret_5"],
    "window": 5,
    "label": {"kind": "return", "horizon_days": 5},
    "walk_forward": {"first_test": "2015-10-08", "refit": "once"},
    "recipes": {"reversal": {"kind": "momentum", "feature": "ret_5"}},
    "headline": "reversal",
    "evidence": {"refits": 0},
    "strategy": {"top_n": 6, "max_industry": 0.4, "correlation": {"limit": 1, "window_days": 20}},
    "executor": "local",
}


def test_a_run_with_industries_explains_its_excess_return_in_the_report(tmp_path):
    run = start(parse(TREE, "x"), tmp_path)
    train(run, explained=())
    trade(run)
    page = build_report(run.folder.path).read_text(encoding="utf-8")
    table, returns = run.folder.read_frame("attribution"), run.folder.read_frame("returns")
    whole = (1 + returns[["reversal", "equal_weight"]]).prod()
    assert table["total"].sum() == pytest.approx(whole["reversal"] - whole["equal_weight"], abs=1e-10)
    assert "Excess return by industry" in page
    decided = run.folder.read_frame("decisions")
    assert (decided["industry_weight"] <= 0.4 + 1e-9).all()
    assert decided["correlation"].notna().all()


def _industries(*names: str) -> pd.DataFrame:
    rows = [(f"S{n:02d}", pd.Timestamp("2020-01-02"), name) for n, name in enumerate(names) if name]
    return pd.DataFrame(rows, columns=["symbol", "known_at", "industry"])
