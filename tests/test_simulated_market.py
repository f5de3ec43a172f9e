"""The simulated market: reproducible, shaped like an exchange's data, and true to the oracle that it hands out."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnstrategies.errors import ConfigError
from nnstrategies.feeds.simulated import SimulatedMarket, simulate
from nnstrategies.feeds.truth import PARTS, Truth, mean_rank_ic, states
from nnstrategies.panel import Panel, Status
from nnstrategies.typing import AnyArray, FloatArray

MARKET = SimulatedMarket(symbols=100, sessions=1000, members=70, seed=3)
SMALL = SimulatedMarket(symbols=40, sessions=120, members=20, seed=5)


@pytest.fixture(scope="module")
def made() -> tuple[Panel, Truth]:
    return simulate(MARKET)


@pytest.fixture(scope="module")
def panel(made: tuple[Panel, Truth]) -> Panel:
    return made[0]


@pytest.fixture(scope="module")
def truth(made: tuple[Panel, Truth]) -> Truth:
    return made[1]


@pytest.fixture(scope="module")
def silent() -> tuple[Panel, Truth]:
    return simulate(replace(MARKET, signal=False))


def open_to_open(panel: Panel, horizon_days: int) -> FloatArray:
    """Simple return [T, N] from the open of t + 1 to the open of t + 1 + horizon_days, where both days trade."""
    price = np.where(panel.trading, panel.adjusted("open"), np.nan)
    returns = np.full(panel.shape, np.nan)
    returns[: -horizon_days - 1] = price[horizon_days + 1 :] / price[1:-horizon_days] - 1
    return returns


def without_mean(values: AnyArray) -> FloatArray:
    """[T, N] less the mean of each row, NaN left out."""
    return pd.DataFrame(values).sub(pd.DataFrame(values).mean(axis=1), axis=0).to_numpy()


def in_ticks(price: AnyArray) -> AnyArray:
    return np.rint(price * 100)


# -- reproducible -----------------------------------------------------------------------------------------------------


def test_the_same_settings_give_the_same_bytes() -> None:
    assert simulate(SMALL)[0].fingerprint == simulate(SMALL)[0].fingerprint


def test_another_seed_gives_another_market() -> None:
    assert simulate(SMALL)[0].fingerprint != simulate(replace(SMALL, seed=6))[0].fingerprint


def test_a_shorter_market_is_the_beginning_of_a_longer_one() -> None:
    short, short_truth = simulate(replace(MARKET, sessions=330))
    long, long_truth = simulate(replace(MARKET, sessions=400))
    assert long.upto(329).fingerprint == short.fingerprint
    for part, values in short_truth.parts.items():
        np.testing.assert_array_equal(values, long_truth.parts[part][:330])


@pytest.mark.parametrize("sessions", [85, 100, 115])
def test_an_announced_action_is_in_the_panel_before_its_ex_date(sessions: int) -> None:
    short = simulate(replace(SMALL, sessions=sessions))[0]
    assert simulate(SMALL)[0].upto(sessions - 1).fingerprint == short.fingerprint
    ahead = short.events("actions")
    assert (ahead["ex_date"] > pd.Timestamp(short.sessions[-1])).any()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"members": 200}, "members"),
        ({"sessions": 0}, "sessions"),
        ({"late_listings": 1.5}, "late_listings"),
        ({"regimes": ()}, "regimes"),
    ],
)
def test_impossible_settings_are_refused_by_name(change: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=f"{named}: expected .*, got"):
        replace(MARKET, **change)  # type: ignore[arg-type]


def test_sessions_go_on_as_weekdays_after_the_last_published_calendar() -> None:
    days = simulate(replace(SMALL, start="2025-12-01", sessions=60))[0].sessions
    assert days[-1] > np.datetime64("2026-01-31")
    assert np.is_busday(days).all()


# -- shaped like an exchange's data -----------------------------------------------------------------------------------


def test_every_status_of_a_symbol_s_life_occurs_in_order(panel: Panel) -> None:
    assert set(np.unique(panel.status)) == {Status.UNLISTED, Status.TRADING, Status.PAUSED, Status.DELISTED}
    life = np.where(panel.status == Status.UNLISTED, 0, np.where(panel.status == Status.DELISTED, 2, 1))
    assert (np.diff(life, axis=0) >= 0).all()


def test_fields_are_nan_exactly_where_the_symbol_is_not_listed(panel: Panel) -> None:
    for name in panel.field_names:
        np.testing.assert_array_equal(np.isfinite(panel[name]), panel.listed, err_msg=name)


def test_prices_lie_on_ticks_inside_the_day_s_limits(panel: Panel) -> None:
    at = panel.listed
    ticks = {name: in_ticks(panel[name])[at] for name in ("open", "high", "low", "close", "limit_up", "limit_down")}
    for name, values in ticks.items():
        np.testing.assert_array_equal(panel[name][at], values / 100.0, err_msg=name)
    assert (ticks["low"] <= np.minimum(ticks["open"], ticks["close"])).all()
    assert (ticks["high"] >= np.maximum(ticks["open"], ticks["close"])).all()
    assert (ticks["high"] <= ticks["limit_up"]).all()
    assert (ticks["low"] >= ticks["limit_down"]).all()
    assert (ticks["low"] > 0).all()


def test_limits_are_ten_or_five_per_cent_of_the_reference_rounded_half_up(panel: Panel) -> None:
    reference = in_ticks(panel["pre_close"])
    ten = np.floor((reference * 110 + 50) / 100), np.floor((reference * 90 + 50) / 100)
    five = np.floor((reference * 105 + 50) / 100), np.floor((reference * 95 + 50) / 100)
    limits = in_ticks(panel["limit_up"]), in_ticks(panel["limit_down"])
    has_five = np.all(~panel.listed | (limits[0] == five[0]) & (limits[1] == five[1]), axis=0)
    assert 0 < has_five.sum() < 10
    for limit, expected in zip(limits, ten, strict=True):
        np.testing.assert_array_equal(limit[:, ~has_five], expected[:, ~has_five])
    assert not panel.members[:, has_five].any()


def test_some_days_are_locked_at_a_limit_and_the_rest_of_the_move_follows(panel: Panel) -> None:
    price = {name: panel[name] for name in ("open", "high", "low", "close", "limit_up", "limit_down")}
    locked = panel.trading & (price["high"] == price["low"]) & (price["open"] == price["close"])
    up, down = locked & (price["close"] == price["limit_up"]), locked & (price["close"] == price["limit_down"])
    assert up.sum() > 10
    assert down.sum() > 10
    next_gap = panel["open"][1:] / panel["pre_close"][1:] - 1
    assert np.nanmean(next_gap[up[:-1]]) > 0.01
    assert np.nanmean(next_gap[down[:-1]]) < -0.01


def test_a_suspended_day_repeats_the_close_and_has_no_volume(panel: Panel) -> None:
    t, n = np.nonzero(panel.status == Status.PAUSED)
    assert len(t) > 200
    for name in ("open", "high", "low", "close"):
        np.testing.assert_array_equal(panel[name][t, n], panel["close"][t - 1, n])
    assert (panel["volume"][t, n] == 0).all()
    assert (panel["amount"][t, n] == 0).all()


def test_volume_is_in_whole_lots_and_amount_fits_the_day_s_range(panel: Panel) -> None:
    at = panel.trading
    volume, amount = panel["volume"][at], panel["amount"][at]
    assert (volume > 0).all()
    assert (volume % 100 == 0).all()
    assert (amount >= volume * panel["low"][at] - 0.01).all()
    assert (amount <= volume * panel["high"][at] + 0.01).all()
    assert (volume < panel["float_shares"][at]).all()


def test_the_actions_table_explains_every_step_of_adj_factor(panel: Panel) -> None:
    actions = panel.events("actions")
    assert (actions["known_at"] < actions["ex_date"]).all()
    assert (actions["cash"] > 0).sum() > 100
    assert (actions["ratio"] > 1).sum() > 10
    factor, close = panel["adj_factor"], panel["close"]
    expected = np.ones(panel.shape)
    for action in actions.itertuples():
        if action.ex_date > pd.Timestamp(panel.sessions[-1]):
            continue
        t, n = panel.calendar.index(action.ex_date), panel.column(action.symbol)
        assert panel.status[t, n] == Status.TRADING
        before = close[t - 1, n]
        expected[t, n] = before * action.ratio / (before - action.cash)
        assert abs(panel["pre_close"][t, n] - (before - action.cash) / action.ratio) <= 0.00501
        assert panel["float_shares"][t, n] == pytest.approx(panel["float_shares"][t - 1, n] * action.ratio, rel=1e-6)
    both = panel.listed[1:] & panel.listed[:-1]
    np.testing.assert_allclose((factor[1:] / factor[:-1])[both], expected[1:][both], rtol=1e-12)
    first = np.argmax(panel.listed, axis=0)
    assert (factor[first, np.arange(panel.N)] == 1.0).all()


def test_adjusted_returns_do_not_jump_on_ex_dates_and_raw_ones_do(panel: Panel) -> None:
    actions = panel.events("actions")
    actions = actions[(actions["ratio"] > 1) & (actions["ex_date"] <= pd.Timestamp(panel.sessions[-1]))]
    t = np.array([panel.calendar.index(date) for date in actions["ex_date"]])
    n = np.array([panel.column(symbol) for symbol in actions["symbol"]])
    adjusted, raw = panel.adjusted("close"), panel["close"]
    assert np.abs(adjusted[t, n] / adjusted[t - 1, n] - 1).max() < 0.11
    assert np.abs(raw[t, n] / raw[t - 1, n] - 1).mean() > 0.2
    tracked = panel["close"] / panel["pre_close"]
    np.testing.assert_allclose(adjusted[t, n] / adjusted[t - 1, n], tracked[t, n], atol=2e-3)


def test_fundamentals_are_disclosed_twenty_to_a_hundred_and_ten_days_after_their_period(panel: Panel) -> None:
    table = panel.events("fundamentals")
    delay = (table["known_at"] - table["period_end"]).dt.days
    assert delay.min() >= 20
    assert delay.max() <= 110
    assert table["period_end"].dt.is_quarter_end.all()
    assert not table.duplicated(["symbol", "period_end"]).any()
    assert np.isfinite(table[["roe", "eps_growth", "book_per_share"]].to_numpy()).all()
    ordered = table.sort_values(["symbol", "period_end"]).groupby("symbol")["known_at"]
    assert ordered.apply(lambda dates: dates.is_monotonic_increasing).all()


def test_members_are_replaced_a_few_times_a_year_by_what_was_traded_before(panel: Panel) -> None:
    members = panel.members
    assert (members.sum(axis=1) <= MARKET.members).all()
    assert members.sum(axis=1).min() >= MARKET.members - 5
    table = panel.events("membership")
    entries = table[table["member"]]["known_at"].unique()
    assert 8 <= len(entries) <= 20
    for date in entries[1:]:
        t = panel.calendar.index(date)
        past = pd.DataFrame(panel["amount"][max(t - 60, 0) : t]).fillna(0.0).mean().to_numpy()
        assert past[members[t]].min() >= np.sort(past)[-MARKET.members - 5]


def test_members_of_one_day_all_along_are_those_that_lasted_and_move_nothing_else(panel: Panel) -> None:
    day = panel.sessions[-40]
    other = simulate(replace(MARKET, leaky_members_on=day.item()))[0]
    chosen = panel.members[-40]
    np.testing.assert_array_equal(other.members, np.broadcast_to(chosen, other.shape) & other.listed)
    for name in panel.field_names:
        np.testing.assert_array_equal(other[name], panel[name])
    np.testing.assert_array_equal(other.series["benchmark"], panel.series["benchmark"])
    with pytest.raises(ConfigError, match=r"leaky_members_on: expected a day within .*, got 2031-01-01"):
        simulate(replace(MARKET, leaky_members_on=dt.date(2031, 1, 1)))


def test_the_benchmark_is_the_price_index_of_yesterday_s_members(panel: Panel) -> None:
    value = panel["close"] * panel["float_shares"]
    level = panel.series["benchmark"]
    for t in (1, 17, 400, 999):
        held = panel.members[t - 1] & panel.listed[t]
        assert level[t] / level[t - 1] == pytest.approx(value[t, held].sum() / value[t - 1, held].sum())


def test_the_market_factor_has_calm_and_wild_times(panel: Panel) -> None:
    monthly = pd.Series(np.diff(np.log(panel.series["benchmark"]))).rolling(40).std().dropna()
    assert monthly.max() > 1.8 * monthly.min()


# -- true to the oracle -----------------------------------------------------------------------------------------------


def test_the_oracle_is_the_conditional_expectation_of_the_return() -> None:
    """Regression on all three oracles at once gives slope 1 for each; errors by blocks of a horizon."""
    market = SimulatedMarket(
        symbols=300, sessions=1200, members=300, seed=11, linear=0.1, non_linear=0.15, order=0.1,
        jumps_per_year=0.0, suspensions_per_year=0.0, special_treatment=0.0, late_listings=0.0,
    )  # fmt: skip
    panel, truth = simulate(market)
    for horizon_days in (1, 5, 10):
        returns = open_to_open(panel, horizon_days)
        parts = truth.oracle(horizon_days)
        slopes = []
        for first in range(50, 1150, 110):
            rows = slice(first, first + 110)
            at = np.isfinite(returns[rows])
            y = without_mean(returns[rows])[at]
            x = np.stack([parts[part][rows][at] for part in PARTS], axis=1)
            slopes.append(np.linalg.lstsq(x, y, rcond=None)[0])
        mean, error = np.mean(slopes, axis=0), np.std(slopes, axis=0) / np.sqrt(len(slopes))
        assert (np.abs(mean - 1.0) < np.maximum(4 * error, 0.05)).all(), (horizon_days, mean, error)
        assert (error < 0.15).all()


def test_the_closed_form_equals_a_monte_carlo_over_futures() -> None:
    """E[sum of the next h drifts | today] by simulating 40,000 futures of one past."""
    generator = np.random.default_rng(0)
    paths, past, horizon_days, rho = 40_000, 30, 10, 0.85
    shocks = generator.standard_normal((2, past, 1)).repeat(paths, axis=2)
    shocks[1, -2], shocks[0, -1] = 2.0, 2.0  # a volume shock, then a move: the order counts
    future = generator.standard_normal((2, horizon_days, paths))
    eps, eta = np.concatenate([shocks, future], axis=1)
    found = states(eps, eta, rho)
    truth = Truth(
        dict.fromkeys(PARTS, 1.0), np.ones(paths), {part: found[part][:past] for part in PARTS}, rho, horizon_days, True
    )
    for part in PARTS:
        drifts = found[part][past - 1 : past - 1 + horizon_days].sum(axis=0)
        error = drifts.std() / np.sqrt(paths)
        assert abs(drifts.mean() - truth.parts[part][-1, 0]) < 4 * error
        assert abs(truth.parts[part][-1, 0]) > 10 * error  # not trivially 0


def test_the_parts_are_uncorrelated_and_of_unit_variance(truth: Truth) -> None:
    rows = np.stack([truth.values[part][100:] for part in PARTS])
    values = rows[:, np.isfinite(rows).all(axis=0)]
    assert np.abs(np.corrcoef(values) - np.eye(3)).max() < 0.05
    np.testing.assert_allclose(values.std(axis=1), 1.0, atol=0.06)


def test_best_rank_ics_are_those_that_the_documentation_states(panel: Panel, truth: Truth) -> None:
    best = truth.best_rank_ic(open_to_open(panel, 10), panel.members & panel.trading, 60, 985)
    expected = {"linear": 0.12, "non_linear": 0.11, "order": 0.17, "total": 0.24}
    assert best == pytest.approx(expected, abs=0.03)


def test_without_the_signal_nothing_can_be_found(silent: tuple[Panel, Truth]) -> None:
    panel, truth = silent
    returns, mask = open_to_open(panel, 10), panel.members & panel.trading
    assert truth.best_rank_ic(returns, mask, 60, 985) == dict.fromkeys((*PARTS, "total"), 0.0)
    for score in truth.parts.values():
        # one date in ten has labels of its own; a date's rank IC has a deviation of 1 / sqrt(70)
        assert abs(mean_rank_ic(score, returns, mask, 60, 985)) < 3 / np.sqrt(70 * 92)


def test_the_switch_changes_prices_and_nothing_else(made: tuple[Panel, Truth], silent: tuple[Panel, Truth]) -> None:
    np.testing.assert_array_equal(made[0].status, silent[0].status)
    for part in PARTS:
        np.testing.assert_array_equal(made[1].values[part], silent[1].values[part])
    assert not np.array_equal(made[0]["close"], silent[0]["close"], equal_nan=True)


def test_the_parts_can_be_recomputed_from_prices_and_volumes_alone(panel: Panel, truth: Truth) -> None:
    recomputed = truth.recompute(panel)
    at = (panel.members & panel.trading)[300:]
    for part in PARTS:
        correlation = np.corrcoef(recomputed[part][300:][at], truth.values[part][300:][at])[0, 1]
        assert correlation > 0.9, part


def test_the_recomputed_parts_do_not_look_ahead(panel: Panel, truth: Truth) -> None:
    whole, cut = truth.recompute(panel), truth.recompute(panel.upto(500))
    for part in PARTS:
        np.testing.assert_allclose(cut[part], whole[part][:501], rtol=1e-9, atol=1e-12)


def test_volume_shocks_are_white_and_say_nothing_of_the_order_by_themselves(panel: Panel, truth: Truth) -> None:
    log_volume = pd.DataFrame(np.where(panel.trading, np.log(np.maximum(panel.adjusted("volume"), 1.0)), np.nan))
    surprise = (log_volume - log_volume.rolling(60, min_periods=30).mean()).to_numpy()[100:]
    move = pd.DataFrame(np.log(panel.adjusted("close"))).diff().to_numpy()[100:]
    move = without_mean(move)
    order = truth.values["order"][100:]

    def correlation(a: FloatArray, b: FloatArray) -> float:
        at = np.isfinite(a) & np.isfinite(b)
        return float(np.corrcoef(a[at], b[at])[0, 1])

    assert abs(correlation(surprise[1:], surprise[:-1])) < 0.03
    assert abs(correlation(surprise, order)) < 0.03
    assert abs(correlation(move * surprise, order)) < 0.03  # signed volume, as in MFI or ADOSC
    pair = move[1:] * surprise[:-1] - surprise[1:] * move[:-1]
    assert correlation(pair, order[1:]) > 0.3  # two days in their order do


def test_a_ridge_finds_the_linear_part_and_nothing_of_the_others(panel: Panel, truth: Truth) -> None:
    """Even with the whole window, day by day. It leans against the order part: past moves contain the drift of that."""
    changes = [
        np.diff(np.log(np.maximum(panel.adjusted(name), 1.0)), axis=0, prepend=np.nan) for name in ("close", "volume")
    ]
    inputs = np.stack([np.roll(without_mean(x), k, axis=0) for x in changes for k in range(15)], axis=-1)
    inputs = np.nan_to_num(inputs / np.nanstd(inputs, axis=(0, 1)))
    returns, mask = open_to_open(panel, 10), panel.members & panel.trading
    day = np.arange(panel.T)[:, None]
    fitted = mask & np.isfinite(returns) & (day >= 60) & (day < 700)
    x, y = inputs[fitted], without_mean(returns)[fitted]
    weights = np.linalg.solve(x.T @ x + 100.0 * np.eye(x.shape[1]), x.T @ y)
    found = truth.found(inputs @ weights, mask, 712, 985)
    assert found["linear"] > 0.5
    assert found["non_linear"] < 0.1
    assert found["order"] < 0.05


def test_found_tells_the_parts_of_a_score_apart(panel: Panel, truth: Truth) -> None:
    mask = panel.members & panel.trading
    parts = truth.parts
    found = truth.found(parts["linear"] + parts["order"], mask, 300, 900)
    assert abs(found["non_linear"]) < 0.08
    assert min(found["linear"], found["order"]) > 0.3
    assert truth.found(parts["total"], mask, 300, 900)["total"] == pytest.approx(1.0)


def test_mean_rank_ic_agrees_with_pandas_and_ignores_short_dates() -> None:
    generator = np.random.default_rng(1)
    scores, returns = generator.standard_normal((2, 4, 9))
    mask = np.ones((4, 9), dtype=bool)
    mask[3, 2:] = False  # two symbols are no cross-section
    expected = [pd.Series(scores[t]).corr(pd.Series(returns[t]), method="spearman") for t in range(3)]
    assert mean_rank_ic(scores, returns, mask, 0, 3) == pytest.approx(np.mean(expected))
    assert np.isnan(mean_rank_ic(scores, returns, mask, 3, 3))


def test_the_example_of_the_documentation_runs() -> None:
    page = Path(__file__).parents[1] / "docs" / "simulated_market.md"
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(example, names)
    assert isinstance(names["truth"], Truth)
    assert names["mask"].shape == names["returns"].shape  # type: ignore[attr-defined]
