"""Position management: caps per symbol and industry, turnover, correlation; what each does to the targets of a run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nnstrategies.audit.strategies import check_strategy
from nnstrategies.backtest import BacktestResult, backtest
from nnstrategies.brokers import NoCosts
from nnstrategies.config import parse, read_config, to_tree
from nnstrategies.errors import ConfigError
from nnstrategies.panel import Panel, Status
from nnstrategies.strategies import CorrelationSettings, RebalanceStrategy, cap_industries, cap_weights
from nnstrategies.strategies.correlation import average_correlation, daily_returns
from nnstrategies.strategies.turnover import limit_turnover, turnover
from nnstrategies.typing import FloatArray
from nnstrategies.view import View
from tests.small_market import make_panel, make_scores, random_scores, sessions

shares = st.lists(st.floats(0, 1), min_size=1, max_size=24).filter(lambda values: sum(values) > 1e-6)


def industries(*names: str, known_at: str = "2020-01-02") -> dict[str, pd.DataFrame]:
    """Events that name the industry of S00, S01 and so on; "" for none."""
    rows = [(f"S{n:02d}", pd.Timestamp(known_at), name) for n, name in enumerate(names) if name]
    return {"industries": pd.DataFrame(rows, columns=["symbol", "known_at", "industry"])}


def flat(N: int = 5, T: int = 60, **more: Any) -> Panel:
    """Constant prices from 2020-01-02 on; rebalances at the closes of rows 22 and 42."""
    return make_panel(np.full((T, N), 10.0), **more)


def run(panel: Panel, scores: Any, cls: type[RebalanceStrategy] = RebalanceStrategy, **settings: Any) -> BacktestResult:
    return backtest(panel, cls, scores, settings=settings, costs=NoCosts(), cash=1_000_000)


# -- caps as functions ------------------------------------------------------------------------------------------------


@st.composite
def capped(draw: Any) -> tuple[FloatArray, Any, FloatArray, float | None]:
    weights = np.array(draw(shares))
    weights /= weights.sum()
    groups = draw(st.integers(1, 5))
    industry = np.array(draw(st.lists(st.integers(0, groups - 1), min_size=len(weights), max_size=len(weights))))
    room = np.array(draw(st.lists(st.floats(0, 1), min_size=groups, max_size=groups)))
    return weights, industry, room, draw(st.none() | st.floats(0.01, 1))


@given(case=capped())
def test_both_caps_hold_and_the_sum_never_grows(case):
    weights, industry, room, most = case
    after = cap_industries(weights, industry, room, most)
    sums = np.bincount(industry, after, len(room))
    assert (after >= 0).all()
    assert (sums <= room * (1 + 1e-9) + 1e-15).all()
    assert most is None or (after <= most * (1 + 1e-9)).all()
    assert after.sum() <= weights.sum() * (1 + 1e-9)
    assert (after[weights == 0] == 0).all()


@given(case=capped())
def test_capping_twice_changes_nothing_more(case):
    weights, industry, room, most = case
    once = cap_industries(weights, industry, room, most)
    np.testing.assert_allclose(cap_industries(once, industry, room, most), once, atol=1e-9)


@given(case=capped())
def test_cash_is_left_only_where_no_cap_has_room(case):
    """Otherwise the excess would have gone to a symbol that could still take it."""
    weights, industry, room, most = case
    after = cap_industries(weights, industry, room, most)
    if after.sum() < weights.sum() * (1 - 1e-6):
        full = np.bincount(industry, after, len(room)) >= room * (1 - 1e-6) - 1e-12
        at_most = np.zeros(len(weights), bool) if most is None else after >= most * (1 - 1e-6)
        assert (full[industry] | at_most | (weights == 0)).all()


@given(case=capped())
def test_symbols_below_their_cap_keep_their_proportions_inside_an_industry(case):
    weights, industry, room, most = case
    after = cap_industries(weights, industry, room, most)
    for group in range(len(room)):
        free = (industry == group) & (weights > 1e-3) & (after < (most or 2.0) * (1 - 1e-6))
        if free.sum() > 1:
            np.testing.assert_allclose(
                after[free] / weights[free], (after[free] / weights[free])[0], rtol=1e-6, atol=1e-9
            )


def test_the_excess_of_an_industry_goes_to_the_others_in_proportion():
    after = cap_industries(np.array([0.4, 0.2, 0.3, 0.1]), np.array([0, 0, 1, 2]), np.full(3, 0.5))
    np.testing.assert_allclose(after, [0.5 * 2 / 3, 0.5 / 3, 0.375, 0.125])


def test_without_a_binding_industry_only_the_cap_per_symbol_acts():
    weights = np.array([0.5, 0.3, 0.2])
    np.testing.assert_array_equal(
        cap_industries(weights, np.array([0, 1, 2]), np.ones(3), 0.4), cap_weights(weights, 0.4)
    )


@given(
    before=arrays(np.float64, 8, elements=st.floats(0, 0.2)),
    after=arrays(np.float64, 8, elements=st.floats(0, 0.2)),
    cap=st.floats(0, 1),
    must=arrays(np.bool_, 8),
)
def test_turnover_stays_within_its_cap_but_for_what_must_leave(before, after, cap, must):
    after = np.where(must, 0.0, after)
    reached = limit_turnover(before, after, cap, must)
    forced = turnover(before[must], after[must])
    assert turnover(before, reached) <= max(cap, forced) * (1 + 1e-9) + 1e-12
    assert (reached[must] == 0).all()
    assert (reached >= 0).all()
    np.testing.assert_allclose(limit_turnover(before, reached, cap, must), reached, atol=1e-9)
    lower, upper = np.minimum(before, after), np.maximum(before, after)
    assert ((reached >= lower - 1e-12) & (reached <= upper + 1e-12)).all()
    leaving = ~must & (after == 0) & (before > 0)
    assert ((reached[leaving] > 0) & (reached[leaving] < before[leaving])).sum() <= 1  # one at most in part
    if (leaving & (reached > 1e-12)).any():  # nobody is made smaller before all have left
        shrinking = ~must & (after > 0) & (after < before)
        np.testing.assert_allclose(reached[shrinking], before[shrinking], atol=1e-12)


def test_who_is_discarded_month_after_month_leaves_in_the_end():
    rng = np.random.default_rng(3)
    weights = np.zeros(150)
    for _ in range(60):
        target = np.zeros(150)
        target[rng.choice(150, 30, replace=False)] = 1 / 30
        weights = limit_turnover(weights, target, 0.4, np.zeros(150, dtype=bool))
        assert weights.sum() <= 1 + 1e-9
    assert (weights > 0).sum() < 60  # every weight shrunk by the same share would hold 150


# -- correlation as a function ----------------------------------------------------------------------------------------


@given(seed=st.integers(0, 200), missing=st.floats(0, 0.6), columns=st.integers(1, 12))
def test_the_average_correlation_is_that_of_pandas_over_common_sessions(seed, missing, columns):
    rng = np.random.default_rng(seed)
    returns = 0.01 + 0.02 * (rng.normal(size=(60, 1)) + rng.normal(size=(60, columns)))
    returns[rng.random(returns.shape) < missing] = np.nan
    expected = pd.DataFrame(returns).corr(min_periods=20).to_numpy()[np.triu_indices(columns, 1)]
    found = average_correlation(returns, 20)
    if np.isfinite(expected).any():
        assert found == pytest.approx(np.nanmean(expected), abs=1e-10)
    else:
        assert np.isnan(found)


def test_many_columns_are_compared_in_blocks_with_the_same_result():
    returns = np.random.default_rng(3).normal(size=(40, 300))
    expected = np.corrcoef(returns.T)[np.triu_indices(300, 1)].mean()
    assert average_correlation(returns, 20) == pytest.approx(expected, abs=1e-12)


def test_a_stock_that_does_not_move_has_no_correlation():
    returns = np.column_stack([np.full(30, 0.01), np.zeros(30), np.random.default_rng(1).normal(size=30)])
    assert np.isnan(average_correlation(returns, 10))


def test_a_suspension_and_the_day_after_it_are_no_daily_returns():
    closes = np.array([[10.0], [11.0], [11.0], [22.0], [33.0]])
    traded = np.array([[True], [True], [False], [True], [True]])
    np.testing.assert_allclose(daily_returns(closes, traded)[:, 0], [0.1, np.nan, np.nan, 0.5])


@pytest.mark.parametrize(("average", "allowed"), [(0.3, 1.0), (0.5, 1.0), (0.8, 0.625), (1.0, 0.6), (np.nan, 1.0)])
def test_exposure_shrinks_in_proportion_above_the_limit_and_never_below_the_floor(average, allowed):
    assert CorrelationSettings(limit=0.5, floor=0.6).allowed(average) == pytest.approx(allowed)


# -- in a run ---------------------------------------------------------------------------------------------------------


def test_an_industry_is_held_at_its_cap_and_the_others_take_the_rest():
    panel = flat(events=industries("bank", "bank", "bank", "steel", ""))
    (first, *_) = run(panel, make_scores(panel, np.arange(5)), top_n=5, max_industry=0.4).decisions
    np.testing.assert_allclose(first.target, [0.4 / 3, 0.4 / 3, 0.4 / 3, 0.3, 0.3])
    assert (first.industry, first.industry_weight) == ("bank", pytest.approx(0.4))


def test_symbols_of_unknown_industry_are_capped_together():
    panel = flat(events=industries("bank", "steel", "", "", ""))
    (first, *_) = run(panel, make_scores(panel, np.arange(5)), max_industry=0.4).decisions
    np.testing.assert_allclose(first.target, [0.3, 0.3, 0.4 / 3, 0.4 / 3, 0.4 / 3])


def test_an_industry_counts_from_the_day_on_which_it_is_known():
    events = {
        "industries": pd.concat([*industries("a", "b", "c").values(), *industries("b", known_at="2020-02-10").values()])
    }
    panel = flat(3, events=events)
    first, second = run(panel, make_scores(panel, np.arange(3)), max_industry=0.5).decisions
    np.testing.assert_allclose(first.target, [1 / 3, 1 / 3, 1 / 3])
    np.testing.assert_allclose(second.target, [0.25, 0.25, 0.5])
    assert panel.upto(25).industry_names == ("unknown", "a", "b", "c")
    assert [panel.industry_names[k] for k in panel.industry[[26, 27], 0]] == ["a", "b"]


def test_what_is_stuck_in_a_suspended_holding_counts_towards_its_industry():
    status = np.full((60, 4), Status.TRADING)
    status[30:, 0] = Status.PAUSED
    panel = flat(4, status=status, events=industries("bank", "bank", "steel", "coal"))
    values = np.tile([4.0, 1.0, 3.0, 2.0], (60, 1))
    first, second = run(panel, make_scores(panel, values), top_n=3, max_industry=0.4).decisions
    np.testing.assert_allclose(first.target, [1 / 3, 0, 1 / 3, 1 / 3])
    np.testing.assert_allclose(second.target, [0, 0.4 - 1 / 3, 0.3, 0.3], atol=1e-4)
    _, full = run(panel, make_scores(panel, values), top_n=3, max_industry=0.3).decisions
    assert full.reasons.tolist() == ["suspended", "industry cap", "", ""]


def test_the_cap_without_industries_is_refused_with_the_table_to_add():
    panel = flat()
    with pytest.raises(
        ConfigError, match=r"max_industry: hand-made has no table of industries.*symbol, known_at, indus"
    ):
        run(panel, make_scores(panel, np.arange(5)), max_industry=0.4)


def test_a_rebalance_goes_as_far_as_its_turnover_allows():
    values = np.tile([4.0, 3.0, 2.0, 1.0], (60, 1))
    values[30:] = values[30:, ::-1]
    panel = flat(4)
    first, second = run(panel, make_scores(panel, values), top_n=2, max_turnover=0.5).decisions
    np.testing.assert_allclose(first.target, [0.5, 0.5, 0, 0])  # half of what is bought, as the report counts
    np.testing.assert_allclose(second.target, [0, 0.5, 0.25, 0.25])  # one leaves whole, not both by half
    assert (second.wanted_turnover, second.turnover) == (pytest.approx(1.0), pytest.approx(0.5))


def test_who_is_no_member_any_more_leaves_whole_under_a_cap_on_turnover():
    leaves = pd.DataFrame(
        [(f"S0{n}", pd.Timestamp("2020-01-02"), True) for n in range(4)] + [("S00", pd.Timestamp("2020-02-20"), False)],
        columns=["symbol", "known_at", "member"],
    )
    panel = flat(4, events={"membership": leaves})
    first, second = run(panel, make_scores(panel, [4, 3, 2, 1]), top_n=2, max_turnover=0.5).decisions
    np.testing.assert_allclose(second.target, [0, 0.5, 0.5, 0])  # 0.5 sold, 0.5 bought: within the cap
    first, second = run(panel, make_scores(panel, [4, 3, 2, 1]), top_n=2, max_turnover=0.3).decisions
    np.testing.assert_allclose(first.target, [0.3, 0.3, 0, 0])
    assert second.target[0] == 0
    assert second.turnover == pytest.approx(0.3)


def test_what_must_leave_may_use_up_the_turnover_and_a_suspended_stock_uses_none():
    gone = [(f"S0{n}", pd.Timestamp("2020-01-02"), True) for n in range(4)]
    gone += [(f"S0{n}", pd.Timestamp("2020-02-20"), False) for n in range(2)]
    table = pd.DataFrame(gone, columns=["symbol", "known_at", "member"])
    scores = [4.0, 3.0, 2.0, 1.0]
    panel = flat(4, events={"membership": table})
    _, second = run(panel, make_scores(panel, scores), top_n=2, max_turnover=0.5).decisions
    assert second.reasons.tolist() == ["not a member", "not a member", "turnover cap", "turnover cap"]
    status = np.full((60, 4), Status.TRADING)
    status[30:, 0] = Status.PAUSED
    panel = flat(4, status=status, events={"membership": table})
    _, second = run(panel, make_scores(panel, scores), top_n=2, max_turnover=0.4).decisions
    np.testing.assert_allclose(second.target, [0, 0, 0.2, 0.2])
    assert second.turnover == pytest.approx(0.4)


def test_stocks_that_move_as_one_are_held_in_part_only():
    steps = np.random.default_rng(5).normal(0, 0.01, (80, 1)) + np.random.default_rng(6).normal(0, 0.002, (80, 4))
    panel = make_panel(10 * np.exp(np.cumsum(steps, axis=0)))
    settings = CorrelationSettings(window_days=20, limit=0.5, floor=0.4)
    decision = run(panel, make_scores(panel, [3, 2, 1, 0]), top_n=3, correlation=settings).decisions[-1]
    closes = panel["close"][decision.t - 20 : decision.t + 1, :3]
    expected = pd.DataFrame(closes[1:] / closes[:-1] - 1).corr().to_numpy()[np.triu_indices(3, 1)].mean()
    assert decision.correlation == pytest.approx(expected)
    assert expected > 0.9
    assert decision.target.sum() == pytest.approx(0.5 / expected)


def test_a_limit_of_one_only_watches():
    steps = np.random.default_rng(5).normal(0, 0.01, (60, 1)) * np.ones(3)
    panel = make_panel(10 * np.exp(np.cumsum(steps, axis=0)))
    decision = run(panel, make_scores(panel, [3, 2, 1]), correlation=CorrelationSettings(20, 1.0)).decisions[-1]
    assert decision.correlation == pytest.approx(1.0)
    assert decision.target.sum() == pytest.approx(1.0)


class _Heard(RebalanceStrategy):
    """Listens to every order, so that nothing is placed or filled as one batch."""

    def notify_order(self, order: Any) -> None:
        pass


def test_a_run_in_batches_and_one_order_by_order_agree_under_all_caps():
    steps = np.random.default_rng(9).normal(0, 0.02, (120, 12))
    panel = make_panel(10 * np.exp(np.cumsum(steps, axis=0)), events=industries(*"aaabbbcccdd"))
    settings = {
        "top_n": 6,
        "max_weight": 0.2,
        "max_industry": 0.35,
        "max_turnover": 0.3,
        "correlation": CorrelationSettings(20, 0.05, 0.5),
        "rebalance": "week",
    }
    batches, single = (run(panel, random_scores(panel, 3), cls, **settings) for cls in (RebalanceStrategy, _Heard))
    pd.testing.assert_series_equal(batches.returns, single.returns, check_exact=True)
    for name, table in batches.frames().items():
        pd.testing.assert_frame_equal(table, single.frames()[name], check_exact=True)
    assert max(one.turnover for one in batches.decisions) <= 0.3 + 1e-9
    assert len({one.allowed for one in batches.decisions}) > 2


def test_no_cap_sees_the_future():
    steps = np.random.default_rng(9).normal(0, 0.02, (120, 12))
    later = industries(*"dcbadcbadcba", known_at="2020-04-15")["industries"]
    tables = {"industries": pd.concat([industries(*"aaabbbcccdd")["industries"], later])}
    panel = make_panel(10 * np.exp(np.cumsum(steps, axis=0)), events=tables)
    settings = {
        "top_n": 6,
        "max_industry": 0.35,
        "max_turnover": 0.3,
        "correlation": CorrelationSettings(20, 0.05, 0.5),
        "rebalance": "week",
    }

    def trade(panel: Panel, scores: Any, last: int) -> BacktestResult:
        return backtest(panel, RebalanceStrategy, scores, settings=settings, costs=NoCosts(), end=panel.sessions[last])

    stage = check_strategy("capped", trade, panel, random_scores(panel, 3), 20, 110)
    assert stage.findings == ()
    assert stage.compared > 100


# -- the view and the settings ----------------------------------------------------------------------------------------


def test_a_hook_sees_industries_and_who_traded():
    seen: dict[int, Any] = {}

    class Watching(RebalanceStrategy):
        def weigh(self, view: View) -> FloatArray:
            seen[view.t] = (view.industry.tolist(), view.traded(30)[-3:, 1].tolist(), view.traded(30)[0, 0])
            return np.ones(view.N)

    status = np.full((60, 2), Status.TRADING)
    status[21, 1] = Status.PAUSED
    run(flat(2, status=status, events=industries("bank")), None, Watching)
    assert seen[22] == (["bank", "unknown"], [True, False, True], False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_industry": 1.5}, r"max_industry: expected 0 < weight <= 1 or none, got 1.5"),
        ({"max_turnover": 0}, r"max_turnover: expected 0 < turnover <= 1 or none, got 0"),
        ({"correlation": 0.5}, r"correlation: expected CorrelationSettings or none, got float"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        run(flat(), None, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"window_days": 2}, "window_days"), ({"limit": 0}, "limit"), ({"floor": 1.1}, "floor")],
)
def test_correlation_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ConfigError, match=rf"correlation: {message}: expected"):
        CorrelationSettings(**settings)


def test_a_config_takes_the_caps_and_gives_them_back():
    said = ["strategy.max_industry=0.3", "strategy.max_turnover=0.5", "strategy.correlation.limit=0.4"]
    config = read_config("quickstart", [*said, "data.industries=6"])
    assert config.strategy.correlation == CorrelationSettings(60, 0.4, 0.5)
    assert parse(to_tree(config), "x") == config


def test_a_config_with_a_cap_and_no_industries_says_what_to_add():
    with pytest.raises(ConfigError, match=r"strategy.max_industry: the data have no table of industries; put one with"):
        read_config("quickstart", ["strategy.max_industry=0.3"])


def test_sessions_of_the_hand_made_market_begin_a_month_where_the_tests_say():
    days = sessions(60).astype("datetime64[M]")
    assert np.flatnonzero(days[1:] != days[:-1]).tolist() == [21, 41]
