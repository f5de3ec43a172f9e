"""Figures equal empyrical's where it has them, and hand-computed cases where it has none."""

from __future__ import annotations

import json
import math
import warnings

import empyrical
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_folder_sample import HEADLINE, Sample, write_run_folder
from scipy import stats

from nnstrategies.report import metrics
from nnstrategies.report.run_folder import read_run_folder

# Returns on a grid of basis points: sums of squares of tiny floats would only test rounding.
RETURNS = st.lists(st.integers(-2000, 2000), min_size=1, max_size=80).map(lambda bps: np.array(bps) / 1e4)
SHARED = {
    "annual_return_geometric": empyrical.cagr,
    "volatility": empyrical.annual_volatility,
    "sharpe": empyrical.sharpe_ratio,
    "sortino": empyrical.sortino_ratio,
    "calmar": empyrical.calmar_ratio,
    "downside_risk": empyrical.downside_risk,
    "max_drawdown": empyrical.max_drawdown,
    "total_return": empyrical.cum_returns_final,
}
EDGES = {
    "constant gain": np.full(30, 0.001),
    "constant loss": np.full(30, -0.0007),
    "zero": np.zeros(10),
    "all negative": np.linspace(-0.03, -0.001, 25),
    "all positive": np.linspace(0.001, 0.03, 25),
    "one session": np.array([0.01]),
    "two sessions": np.array([0.01, -0.02]),
    "total loss": np.array([0.01, -1.0, 0.0]),
}


def _same(ours: float, theirs: float) -> bool:
    if math.isnan(ours) or math.isnan(theirs) or math.isinf(ours) or math.isinf(theirs):
        return repr(float(ours)) == repr(float(theirs))
    return math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-12)


def _compare(returns: np.ndarray) -> None:
    for name, theirs in SHARED.items():
        ours = getattr(metrics, name)(returns)
        assert _same(ours, float(theirs(returns))), (name, ours, theirs(returns))


@settings(max_examples=120, deadline=None)
@given(RETURNS)
def test_figures_of_any_series_equal_empyrical(returns: np.ndarray) -> None:
    _compare(returns)


@pytest.mark.parametrize("name", EDGES)
def test_figures_of_edge_cases_equal_empyrical(name: str) -> None:
    _compare(EDGES[name])


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(st.integers(-900, 900), st.integers(-900, 900)), min_size=2, max_size=80))
def test_figures_against_a_benchmark_equal_empyrical(pairs: list[tuple[int, int]]) -> None:
    returns, benchmark = (np.array(column) / 1e4 for column in zip(*pairs, strict=True))
    assert _same(metrics.beta(returns, benchmark), empyrical.beta_aligned(returns, benchmark))
    assert _same(metrics.alpha(returns, benchmark), empyrical.alpha_aligned(returns, benchmark))
    excess = empyrical.excess_sharpe(returns, benchmark) * math.sqrt(252)
    assert _same(metrics.information_ratio(returns, benchmark), excess)
    assert _same(metrics.tracking_error(returns, benchmark), empyrical.annual_volatility(returns - benchmark))


def test_real_like_fat_tailed_series_equals_empyrical() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        _compare(rng.standard_t(3, 900) * 0.01)


def test_hand_computed_two_sessions() -> None:
    returns = np.array([0.10, -0.05])
    assert metrics.total_return(returns) == pytest.approx(0.045)
    assert metrics.annual_return_arithmetic(returns) == pytest.approx(0.025 * 252)
    assert metrics.annual_return_geometric(returns) == pytest.approx(1.045**126 - 1)
    assert metrics.volatility(returns) == pytest.approx(math.sqrt(0.01125 * 252))
    assert metrics.sharpe(returns) == pytest.approx(0.025 / math.sqrt(0.01125) * math.sqrt(252))
    assert metrics.downside_risk(returns) == pytest.approx(math.sqrt(0.00125 * 252))
    assert metrics.max_drawdown(returns) == pytest.approx(-0.05)


def test_hand_computed_beta_alpha_and_information_ratio() -> None:
    benchmark = np.array([0.01, -0.01, 0.02, 0.0])
    returns = 0.001 + 0.5 * benchmark
    assert metrics.beta(returns, benchmark) == pytest.approx(0.5)
    assert metrics.alpha(returns, benchmark) == pytest.approx(1.001**252 - 1)
    active = np.array([-0.004, 0.006, -0.009, 0.001])
    expected = active.mean() / active.std(ddof=1) * math.sqrt(252)
    assert metrics.information_ratio(returns, benchmark) == pytest.approx(expected)


def test_drawdown_rows_name_peak_trough_and_recovery() -> None:
    assert metrics.drawdown_rows(np.array([0.1, -0.1, -0.1, 0.3, 0.0])) == (0, 2, 3)


def test_drawdown_from_the_starting_capital_has_its_peak_before_the_first_row() -> None:
    assert metrics.drawdown_rows(np.array([-0.1, 0.05])) == (-1, 0, None)


def test_drawdown_recovers_on_the_session_that_reaches_the_peak_exactly() -> None:
    assert metrics.drawdown_rows(np.array([-0.5, 1.0, 0.1])) == (-1, 0, 1)


def test_a_series_without_a_loss_has_no_drawdown_dates() -> None:
    assert metrics.drawdown_rows(np.array([0.01, 0.0])) is None


def test_months_compound_their_days_and_zero_is_no_win() -> None:
    days = pd.to_datetime(["2020-01-30", "2020-01-31", "2020-02-03", "2020-02-04"])
    months = metrics.monthly_returns(pd.Series([0.1, -0.1, 0.02, 0.0], index=days))
    assert months.to_numpy() == pytest.approx([-0.01, 0.02])
    assert metrics.win_rate(months.to_numpy()) == 0.5
    assert metrics.win_rate(np.array([0.0, 0.0, 0.01, -0.01])) == 0.25


def test_skew_and_excess_kurtosis_are_those_of_scipy_and_undefined_for_a_constant() -> None:
    returns = np.random.default_rng(3).standard_t(4, 500) * 0.01
    assert metrics.skew(returns) == pytest.approx(float(stats.skew(returns)))
    assert metrics.excess_kurtosis(returns) == pytest.approx(float(stats.kurtosis(returns, fisher=True)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan(metrics.skew(np.full(20, 0.001)))
        assert math.isnan(metrics.excess_kurtosis(np.full(20, 0.001)))


def test_monthly_skew_and_kurtosis_are_of_compounded_months() -> None:
    days = pd.bdate_range("2020-01-01", "2020-12-31")
    returns = pd.Series(np.random.default_rng(3).standard_t(4, len(days)) * 0.01, index=days)
    months = metrics.monthly_returns(returns).to_numpy()
    found = metrics.portfolio_metrics(returns, returns, returns)
    assert len(months) == 12
    assert found["skew_months"] == pytest.approx(float(stats.skew(months)))
    assert found["excess_kurtosis_months"] == pytest.approx(float(stats.kurtosis(months)))


def test_turnover_counts_half_of_both_sides_per_year() -> None:
    assert metrics.one_sided_turnover(traded=400.0, mean_value=100.0, sessions=504) == pytest.approx(1.0)


def test_arithmetic_exceeds_geometric_by_about_half_the_variance() -> None:
    returns = np.random.default_rng(1).normal(0.0005, 0.01, 2520)
    gap = metrics.annual_return_arithmetic(returns) - math.log1p(metrics.annual_return_geometric(returns))
    assert gap == pytest.approx(metrics.volatility(returns) ** 2 / 2, rel=0.05)


def test_costs_belong_to_the_headline_and_match_its_fills(tmp_path) -> None:
    run = read_run_folder(write_run_folder(tmp_path, Sample(symbols=20, sessions=120, held=5)))
    figures = metrics.run_metrics(run)
    traded = (run.fills["size"] * run.fills["price"]).sum()
    years = len(run.account) / 252
    turnover = traded / 2 / run.account["value"].mean() / years
    assert figures[HEADLINE]["fees_per_year"] == pytest.approx(0.0016 * turnover)


def test_every_portfolio_that_traded_has_its_turnover_and_sales_and_no_other(tmp_path) -> None:
    run = read_run_folder(write_run_folder(tmp_path, Sample(symbols=20, sessions=126, held=6)))
    run.trades.loc[run.trades["portfolio"] == "momentum", ["sales", "won"]] = 0
    figures = metrics.run_metrics(run)
    for name in ("ridge", "lstm/1"):
        assert figures[name]["turnover"] == pytest.approx(6 * 1e6 / 2 / 1e6 / (126 / 252))
        assert (figures[name]["sales"], figures[name]["win_rate_sales"]) == (12, 0.5)
    assert (figures["momentum"]["sales"], figures["momentum"]["win_rate_sales"]) == (0, None)
    for name in ("equal_weight", "benchmark"):
        assert not {"turnover", "sales", "win_rate_sales"} & set(figures[name])


def test_the_benchmark_against_itself_has_beta_one_and_an_undefined_information_ratio(tmp_path) -> None:
    run = read_run_folder(write_run_folder(tmp_path, Sample(symbols=20, sessions=120, held=5)))
    figures = metrics.run_metrics(run)["benchmark"]
    assert figures["beta"] == pytest.approx(1.0)
    assert figures["alpha"] == pytest.approx(0.0, abs=1e-12)
    assert figures["information_ratio"] is None


def test_undefined_figures_become_null_in_strict_json() -> None:
    days = pd.bdate_range("2020-01-01", periods=30)
    flat = pd.Series(np.full(30, 0.001), index=days)
    figures = {key: metrics._json_value(value) for key, value in metrics.portfolio_metrics(flat, flat, flat).items()}
    assert figures["sharpe"] is None
    assert figures["max_drawdown_peak"] is None
    assert json.loads(metrics.metrics_bytes({"x": figures}))["x"]["volatility"] == 0.0
