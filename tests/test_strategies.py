"""RebalanceStrategy: who is held, when it trades, how stops work and what a run records."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnstrategies.backtest import BacktestResult, backtest
from nnstrategies.baselines import buy_and_hold_returns, equal_weight_returns, index_returns
from nnstrategies.brokers import NoCosts
from nnstrategies.engine import add_panel
from nnstrategies.errors import ConfigError, DataError, FitError
from nnstrategies.panel import Panel, Status
from nnstrategies.strategies import RebalanceStrategy, StopSettings, cap_weights, top_n
from nnstrategies.strategies.stops import stop_distance, volatility
from nnstrategies.typing import BoolArray, FloatArray
from nnstrategies.view import View
from tests.small_market import make_panel, make_scores, random_scores, sessions

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "own_strategy.py"
FREE = NoCosts()


def flat(T: int = 60, N: int = 5) -> Panel:
    """Constant prices from 2020-01-02 on: February starts at row 22 (2020-02-03)."""
    return make_panel(np.full((T, N), 10.0))


def run(panel: Panel, scores: Any, cls: type[RebalanceStrategy] = RebalanceStrategy, **settings: Any) -> BacktestResult:
    return backtest(panel, cls, scores, settings=settings, costs=FREE, cash=1_000_000)


def test_the_best_by_score_are_bought_at_the_open_after_a_months_first_session():
    panel = flat()
    result = run(panel, make_scores(panel, [5, 1, 4, 2, 3]), top_n=2)
    fills = result.frames()["fills"]
    assert panel.calendar.is_first_of_month.nonzero()[0].tolist() == [22, 42]
    assert fills["symbol"].tolist() == ["S00", "S02"]
    assert (fills["date"] == pd.Timestamp(panel.sessions[23])).all()
    assert (fills["size"] == 50_000).all()


def test_a_score_must_exceed_the_threshold():
    panel = flat()
    result = run(panel, make_scores(panel, [0.9, 0.5, np.nan, 0.51, 0.1]), threshold=0.5)
    assert sorted(result.frames()["fills"]["symbol"]) == ["S00", "S03"]


@pytest.mark.parametrize(("period", "decisions"), [("month", 2), ("week", 12), ("day", 60)])
def test_the_rebalance_period_is_a_setting(period, decisions):
    panel = flat()
    assert len(run(panel, make_scores(panel, np.arange(5)), rebalance=period).decisions) == decisions


def test_suspended_locked_foreign_and_unlisted_stocks_are_left_out_with_the_reason():
    close = np.full((60, 6), 10.0)
    status = np.full((60, 6), Status.TRADING)
    status[20:30, 1] = Status.PAUSED
    status[:, 5] = Status.UNLISTED
    close[:, 5] = np.nan
    up, down = np.full((60, 6), 11.0), np.full((60, 6), 9.0)
    up[22, 2], down[22, 3] = 10.0, 10.0
    names = [f"S0{n}" for n in range(6)]
    table = pd.DataFrame(
        {"symbol": names, "known_at": pd.Timestamp("2020-01-02"), "member": [n != 4 for n in range(6)]}
    )
    panel = make_panel(close, status=status, events={"membership": table}, limit_up=up, limit_down=down)
    result = run(panel, make_scores(panel, np.arange(6)))
    first = result.decisions[0]
    assert first.reasons.tolist() == ["", "suspended", "limit-up", "limit-down", "not a member", "not listed"]
    assert first.target.tolist() == [1, 0, 0, 0, 0, 0]


class Recording(RebalanceStrategy):
    """Overrides every hook, and notes what the view showed."""

    def is_rebalance_day(self, view: View) -> bool:
        return view.t in (25, 27)

    def eligible(self, view: View) -> BoolArray:
        return super().eligible(view) & (np.arange(view.N) > 0)

    def weigh(self, view: View) -> FloatArray:
        return np.array([9.0, 1.0, 3.0, 0.0, np.nan])

    def exposure(self, view: View) -> float:
        return 0.5 if view.t == 25 else 0.0


def test_targets_are_exposure_times_weights_normalised_on_the_eligible():
    panel = flat()
    result = run(panel, None, Recording)
    assert result.decisions[0].target.tolist() == [0, 0.125, 0.375, 0, 0]
    assert result.decisions[1].target.tolist() == [0, 0, 0, 0, 0]
    account = result.frames()["account"].set_index("date")["position_ratio"]
    assert account.iloc[26] == pytest.approx(0.5)
    assert account.iloc[28] == pytest.approx(0.0)


def test_cash_buffer_and_cap_limit_what_is_invested():
    panel = flat()
    result = run(panel, make_scores(panel, np.arange(5)), cash_buffer=0.1, max_weight=0.15, top_n=5)
    assert result.decisions[0].target.tolist() == pytest.approx([0.15] * 5)


@given(
    weights=st.lists(st.floats(0, 1), min_size=1, max_size=20).filter(lambda w: sum(w) > 1e-6),
    cap=st.floats(0.01, 1.0),
)
def test_capped_weights_keep_their_sum_or_all_reach_the_cap(weights, cap):
    before = np.array(weights) / sum(weights)
    after = cap_weights(before, cap)
    assert (after <= cap * (1 + 1e-9)).all()
    reached = np.isclose(after[before > 0], cap).all()
    assert reached or after.sum() == pytest.approx(1.0)


def test_top_n_takes_the_best_and_never_one_without_a_score():
    score = np.array([1.0, np.nan, 3.0, 3.0, 2.0])
    assert top_n(score, np.array([True, True, True, True, False]), 2).tolist() == [False, False, True, True, False]


def split_at(row: int) -> dict[str, pd.DataFrame]:
    """Two new shares of S00 for one, by the actions table."""
    day = pd.Timestamp(sessions(60)[row])
    known = day - pd.Timedelta(days=1)
    return {"actions": pd.DataFrame([{"symbol": "S00", "known_at": known, "ex_date": day, "cash": 0.0, "ratio": 2.0}])}


def test_a_split_inside_a_suspension_leaves_the_weights_whole_and_the_other_stock_alone():
    seen: dict[int, FloatArray] = {}

    class Watching(RebalanceStrategy):
        def is_rebalance_day(self, view: View) -> bool:
            seen[view.t] = view.weights
            return view.t in (1, 5)

    close = np.full((10, 2), 10.0)  # while suspended, the panel repeats the close before the split
    close[8:, 0] = 5.0
    status = np.full((10, 2), Status.TRADING)
    status[3:8, 0] = Status.PAUSED
    opens = np.vstack([close[:1], close[:-1]])
    opens[8, 0] = 5.0
    frames = run(make_panel(close, opens, status, split_at(4)), None, Watching).frames()
    assert frames["actions"]["size_after"].tolist() == [100_000]
    assert max(weights.sum() for weights in seen.values()) <= 1 + 1e-9
    assert seen[5].tolist() == pytest.approx([0.5, 0.5])
    assert frames["fills"]["side"].tolist() == ["buy", "buy"]
    assert frames["targets"].query("target == 0")["reason"].tolist() == ["suspended"]


def test_a_held_stock_that_closes_limit_up_on_a_rebalance_day_is_kept():
    close = np.full((60, 3), 10.0)
    up = np.full((60, 3), 11.0)
    close[42:, 0] = 11.0
    up[43:, 0] = 12.1
    panel = make_panel(close, limit_up=up, limit_down=np.full((60, 3), 9.0))
    result = run(panel, make_scores(panel, [3, 2, 1]), top_n=1)
    assert [decision.t for decision in result.decisions] == [22, 42]
    assert result.decisions[1].target.tolist() == [1.0, 0.0, 0.0]
    fills = result.frames()["fills"]
    assert fills[["symbol", "side"]].to_numpy().tolist() == [["S00", "buy"]]


# -- stops ------------------------------------------------------------------------------------------------------------


def test_a_stop_is_tight_when_volatile_and_loose_when_calm_within_its_bounds():
    distance = stop_distance(np.array([0.001, 0.01, 0.02, 0.04, 0.5, np.nan]), StopSettings())
    assert distance.tolist() == pytest.approx([0.20, 0.20, 0.10, 0.05, 0.04, 0.10])


def falling(dividend: bool) -> Panel:
    """Two stocks bought on row 23; the first loses 15 % on row 30, by a fall or by a dividend's ex-date."""
    close = np.full((60, 2), 10.0)
    close[30:, 0] = 8.5
    factor = np.ones((60, 2))
    if dividend:
        factor[30:, 0] = 10.0 / 8.5
    opens = np.vstack([close[:1], close[:-1]])
    opens[30, 0] = close[30, 0]
    return make_panel(close, opens, adj_factor=factor)


def test_a_stop_sells_at_the_open_after_the_close_that_broke_it():
    settings = StopSettings(base=0.1, min_distance=0.1, max_distance=0.1)
    panel = falling(dividend=False)
    fills = run(panel, make_scores(panel, [1, 2]), stop=settings).frames()["fills"]
    sold = fills[fills["reason"] == "stop-loss"]
    assert sold["symbol"].tolist() == ["S00"]
    assert sold["date"].tolist() == [pd.Timestamp(panel.sessions[31])]


def test_a_stop_before_a_split_sells_everything_at_the_next_open():
    close = np.full((60, 2), 10.0)
    close[30, 0], close[31:, 0] = 8.5, 4.25
    opens = np.vstack([close[:1], close[:-1]])
    opens[31, 0] = 4.25
    factor = np.ones((60, 2))
    factor[31:, 0] = 2.0
    panel = make_panel(close, opens, events=split_at(31), adj_factor=factor)
    settings = StopSettings(base=0.1, min_distance=0.1, max_distance=0.1)
    frames = run(panel, make_scores(panel, [1, 2]), stop=settings).frames()
    sold = frames["fills"].query("reason == 'stop-loss'")
    assert sold[["date", "size", "price"]].to_numpy().tolist() == [[pd.Timestamp(panel.sessions[31]), 100_000, 4.25]]
    positions = frames["positions"]
    later = positions["date"].between(pd.Timestamp(panel.sessions[31]), pd.Timestamp(panel.sessions[42]))
    assert set(positions.loc[later, "symbol"]) == {"S01"}


def test_a_dividend_triggers_no_stop():
    settings = StopSettings(base=0.1, min_distance=0.1, max_distance=0.1)
    panel = falling(dividend=True)
    fills = run(panel, make_scores(panel, [1, 2]), stop=settings).frames()["fills"]
    assert "stop-loss" not in set(fills["reason"])


def test_take_profit_sells_and_a_stopped_stock_is_not_bought_back_the_same_day():
    close = np.full((60, 2), 10.0)
    close[42:, 0] = 12.0  # the first session of March, a rebalance day
    panel = make_panel(close)
    settings = StopSettings(take_profit=0.15)
    frames = run(panel, make_scores(panel, [1, 2]), stop=settings).frames()
    sold = frames["orders"][frames["orders"]["side"] == "sell"]
    assert sold["reason"].tolist() == ["take-profit"]
    march = frames["targets"][frames["targets"]["date"] == pd.Timestamp(panel.sessions[42])]
    assert march.set_index("symbol")["target"].to_dict() == {"S00": 0.0, "S01": 1.0}


def test_volatility_is_the_standard_deviation_of_daily_returns():
    closes = np.random.default_rng(0).lognormal(size=(21, 3))
    expected = pd.DataFrame(closes).pct_change().std().to_numpy()
    np.testing.assert_allclose(volatility(closes), expected)


# -- the record -------------------------------------------------------------------------------------------------------


def test_each_rebalance_records_target_achieved_and_the_reason(tiny_panel):
    result = backtest(tiny_panel, RebalanceStrategy, random_scores(tiny_panel, 1), settings={"top_n": 10}, cash=2e5)
    targets = result.frames()["targets"]
    account = result.frames()["account"].set_index("date")
    after = pd.Series(account.index[1:], index=account.index[:-1])
    positions = result.frames()["positions"].set_index(["date", "symbol"])["value"]
    for row in targets.itertuples():
        day = after.get(row.date)
        if day is not None:
            assert row.achieved == pytest.approx(positions.get((day, row.symbol), 0.0) / account.loc[day, "value"])
    assert (targets.loc[targets["reason"] == "", ["target", "achieved"]].diff(axis=1).iloc[:, 1].abs() < 1e-3).all()
    explained = {"", "price moved", "lot rounding", "cash short", "suspended", "limit-up", "limit-down", "run ended"}
    assert set(targets["reason"]) <= explained | {"delisted"}
    assert {"lot rounding", "price moved"} <= set(targets["reason"])


def test_frames_have_the_columns_of_the_run_folder(tiny_panel, tmp_path):
    result = backtest(tiny_panel, RebalanceStrategy, random_scores(tiny_panel, 1), settings={"top_n": 10})
    result.write(tmp_path)
    expected = {
        "targets": ["date", "symbol", "target", "achieved", "reason"],
        "orders": ["date", "symbol", "side", "size", "reason"],
        "fills": ["date", "symbol", "side", "size", "price", "fee", "slippage_cost"],
        "refusals": ["date", "symbol", "side", "size", "reason", "detail"],
        "positions": ["date", "symbol", "size", "price", "value"],
        "account": ["date", "value", "cash", "position_ratio"],
        "actions": ["date", "symbol", "cash", "size_before", "size_after", "inferred"],
    }
    for name, columns in expected.items():
        table = pd.read_parquet(tmp_path / f"{name}.parquet")
        assert list(table.columns)[: len(columns)] == columns
        assert table["date"].dt.tz is None
    assert len(result.returns) == tiny_panel.T
    account = result.frames()["account"]
    assert (1 + result.returns).prod() * 10_000_000 == pytest.approx(account["value"].iloc[-1])


def test_no_fill_happens_before_the_session_after_its_decision(tiny_panel):
    frames = backtest(tiny_panel, RebalanceStrategy, random_scores(tiny_panel, 2)).frames()
    row = pd.Series(np.arange(tiny_panel.T), index=tiny_panel.sessions.astype("datetime64[s]"))
    decided = set(zip(row[frames["orders"]["date"]], frames["orders"]["symbol"], strict=True))
    for date, symbol, reason in frames["fills"][["date", "symbol", "reason"]].itertuples(index=False):
        assert reason == "delisted" or (row[date] - 1, symbol) in decided


def test_two_identical_runs_write_identical_bytes(tiny_panel, tmp_path):
    for name in ("one", "two"):
        result = backtest(
            tiny_panel, RebalanceStrategy, random_scores(tiny_panel, 3), settings={"stop": StopSettings()}
        )
        result.write(tmp_path / name)
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_a_run_that_starts_later_sees_full_histories_and_trades_alike(tiny_panel):
    class Remember(RebalanceStrategy):
        def weigh(self, view: View) -> FloatArray:
            history = view.history("close", 30)
            assert history.shape == (30, view.N)
            np.testing.assert_array_equal(history[-1], view.adjusted("close"))
            return np.nan_to_num(history.mean(axis=0))

    start = tiny_panel.sessions[150]
    result = backtest(tiny_panel, Remember, random_scores(tiny_panel, 4), start=start)
    assert result.returns.index[0] == pd.Timestamp(start)
    assert len(result.frames()["fills"])


def test_the_future_changes_no_decision(tiny_panel):
    scores = random_scores(tiny_panel, 5)
    whole = backtest(tiny_panel, RebalanceStrategy, scores).frames()["orders"]
    cut = backtest(tiny_panel, RebalanceStrategy, scores, end=tiny_panel.sessions[250]).frames()["orders"]
    pd.testing.assert_frame_equal(whole[whole["date"] <= pd.Timestamp(tiny_panel.sessions[250])], cut)


def test_it_runs_on_backtraders_own_broker_too(tiny_panel):
    cerebro = bt.Cerebro(stdstats=False)
    add_panel(cerebro, tiny_panel.select(tiny_panel.symbols[:3]))
    members = tiny_panel.select(tiny_panel.symbols[:3])
    cerebro.addstrategy(RebalanceStrategy, panel=members, scores=random_scores(members, 0), top_n=1, cash_buffer=0.05)
    assert cerebro.run()[0].decisions


# -- errors, baselines, the example -----------------------------------------------------------------------------------


def test_an_unknown_setting_gets_a_suggestion(tiny_panel):
    with pytest.raises(ConfigError, match="no setting 'treshold'; did you mean 'threshold'"):
        backtest(tiny_panel, RebalanceStrategy, None, settings={"treshold": 0.5})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rebalance": "year"}, "expected one of month, week, day"),
        ({"top_n": 0}, "at least 1"),
        ({"stop": 0.1}, "StopSettings"),
    ],
)
def test_impossible_settings_are_refused(tiny_panel, settings, message):
    with pytest.raises(ConfigError, match=message):
        backtest(tiny_panel, RebalanceStrategy, None, settings=settings)


def test_a_hook_that_returns_the_wrong_shape_is_named(tiny_panel):
    class Wrong(RebalanceStrategy):
        def weigh(self, view: View) -> FloatArray:
            return np.ones(3)

    with pytest.raises(
        DataError, match=r"Wrong.weigh on \d{4}-\d\d-\d\d: expected an array of shape \(30,\), got \(3,\)"
    ):
        backtest(tiny_panel, Wrong, None)


HOOKS = ("is_rebalance_day", "eligible", "weigh", "exposure", "protect")


def with_hook(hook: str, answer: Any) -> type[RebalanceStrategy]:
    """A daily strategy whose ``hook``, from row 4 on, returns ``answer``, or raises it where it is an exception."""

    def told(self: RebalanceStrategy, view: View) -> Any:
        if view.t < 4:
            return getattr(super(Told, self), hook)(view)
        if isinstance(answer, Exception):
            raise answer
        return answer

    class Told(RebalanceStrategy):
        params = (("rebalance", "day"),)

    setattr(Told, hook, told)
    return Told


@pytest.mark.parametrize("hook", HOOKS)
def test_a_foreign_exception_of_a_hook_is_named_with_class_hook_and_date(hook):
    original = KeyError("boom")
    with pytest.raises(DataError, match=rf"^Told.{hook} on 2020-01-08: KeyError: 'boom'$") as caught:
        run(flat(), None, with_hook(hook, original))
    assert caught.value.__cause__ is original


@pytest.mark.parametrize("hook", HOOKS)
def test_an_error_of_ours_passes_through_a_hook_unchanged(hook):
    original = FitError("mine")
    with pytest.raises(FitError) as caught:
        run(flat(), None, with_hook(hook, original))
    assert caught.value is original


@pytest.mark.parametrize("value", [None, float("nan"), 1.5, -0.1, "much"])
def test_an_exposure_that_is_no_number_from_0_to_1_is_refused(value):
    with pytest.raises(DataError, match=r"Told.exposure on 2020-01-08: expected a number from 0 to 1, got"):
        run(flat(), None, with_hook("exposure", value))


def test_a_constructor_that_forgets_super_is_told_so():
    class Forgets(RebalanceStrategy):
        def __init__(self) -> None:
            self.mine = 1

    with pytest.raises(ConfigError, match=r"Forgets.__init__: expected it to call super\(\).__init__\(\)"):
        run(flat(), None, Forgets)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([np.nan] * 5, "no finite weight for the 5 selected"),
        ([1.0, np.nan, -0.5, 1.0, 1.0], "expected weights of 0 or more, got -0.5, first at S02"),
        (["a"] * 5, "expected an array of float"),
    ],
)
def test_weights_that_mean_nothing_are_refused(weights, message):
    with pytest.raises(DataError, match=f"Told.weigh on 2020-01-08: {message}"):
        run(flat(), None, with_hook("weigh", weights))


def test_a_negative_weight_of_what_is_not_selected_does_not_matter():
    panel = flat()
    result = run(panel, make_scores(panel, [5, 4, 3, 2, np.nan]), with_hook("weigh", [1, 1, 1, 1, -1]), top_n=4)
    assert result.decisions[-1].target.tolist() == [0.25, 0.25, 0.25, 0.25, 0.0]


def test_weights_of_0_mean_cash():
    result = run(flat(), None, with_hook("weigh", np.zeros(5)))
    assert not result.decisions[-1].target.any()
    assert result.journal.account[-1].cash == pytest.approx(1_000_000)


def test_no_finite_weight_means_cash_while_the_history_asked_for_is_too_long_for_the_panel():
    class Calm(RebalanceStrategy):
        def weigh(self, view: View) -> FloatArray:
            return 1.0 / (1.0 + volatility(view.history("close", 31)))

    result = run(flat(), None, Calm, rebalance="day")
    invested = [decision.target.sum() for decision in result.decisions]
    assert invested[:30] == [0.0] * 30
    assert invested[30:] == pytest.approx([1.0] * 30)


def test_equal_weight_holds_all_members_alike_with_dividends():
    close = np.full((60, 2), 10.0)
    close[30:, 0], close[50:, 1] = 5.0, 12.0
    opens = np.vstack([close[:1], close[:-1]])
    factor = np.ones((60, 2))
    opens[30, 0], factor[30:, 0] = 5.0, 2.0  # a split, not a loss
    returns = equal_weight_returns(make_panel(close, opens, adj_factor=factor), 0, 59)
    assert returns.iloc[50] == pytest.approx(0.1)
    assert returns.drop(returns.index[50]).abs().max() == pytest.approx(0.0, abs=1e-12)


def test_equal_weight_stays_in_cash_where_no_month_begins_in_the_span():
    close = 10 + np.arange(60.0)[:, None] * np.ones(2)
    returns = equal_weight_returns(make_panel(close), 25, 40)  # between the first sessions of two months
    assert returns.tolist() == [0.0] * 16


def test_equal_weight_at_once_begins_on_the_first_session():
    close = 10.0 * 1.01 ** np.arange(60.0)[:, None] * np.ones(2)
    panel = make_panel(close, np.vstack([close[:1], close[:-1]]))
    returns = equal_weight_returns(panel, 25, 40, at_once=True)
    assert returns.tolist() == pytest.approx([0.0] + [0.01] * 15)
    later = equal_weight_returns(panel, 0, 59), equal_weight_returns(panel, 0, 59, at_once=True)
    assert later[0].equals(later[1]) == bool(panel.calendar.is_first_of_month[0])


def test_buy_and_hold_keeps_its_shares_while_their_weights_drift():
    close = np.full((60, 2), 10.0)
    close[40:, 0] = 20.0
    close[41:, 1] = 5.0
    panel = make_panel(close, np.vstack([close[:1], close[:-1]]))
    returns = buy_and_hold_returns(panel, 5, 59)
    value = (1 + returns).cumprod().to_numpy()
    assert value[[34, 35, 36, 54]].tolist() == pytest.approx([1.0, 1.5, 1.25, 1.25])  # a share of each, to the end


def test_the_benchmark_is_the_index(tiny_panel):
    level = tiny_panel.series["benchmark"]
    returns = index_returns(tiny_panel, 10, 50)
    assert (1 + returns).prod() == pytest.approx(level[50] / level[10])


def test_the_example_overrides_one_hook_in_under_ten_lines_and_runs(capsys):
    source = EXAMPLE.read_text(encoding="utf-8")
    body = source[source.index("class CalmFirst") : source.index("if __name__")].strip()
    assert len(body.splitlines()) < 10
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    assert "final value" in capsys.readouterr().out
