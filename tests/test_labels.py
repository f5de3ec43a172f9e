"""Labels: equal to a slow loop on panels with suspensions and delistings, known exactly when they say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from causality import replace_future, rough_panel, same_bytes
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstrategies.errors import ConfigError, DataError
from nnstrategies.holding import Holding
from nnstrategies.labels import Labels, buy_hold_sell, forward_return, make_labels, up_down
from nnstrategies.panel import Panel, Status
from nnstrategies.typing import AnyArray

ROOT = Path(__file__).resolve().parents[1]

panels = st.builds(
    rough_panel,
    symbols=st.integers(4, 7),
    sessions=st.integers(12, 45),
    seed=st.integers(0, 10_000),
    pause_rate=st.sampled_from([0.0, 0.1, 0.6]),
    delist=st.integers(0, 4),
)
horizons = st.integers(1, 12)


def slow_return(panel: Panel, t: int, n: int, horizon: int) -> tuple[float, int]:
    """The rule of docs/labels.md, one decision at a time."""
    status, T = panel.status, panel.T
    if t + 1 >= T or not panel.listed[t, n] or status[t + 1, n] != Status.TRADING:
        return np.nan, -1
    paid = panel.adjusted("open")[t + 1, n]
    for row in range(t + 2, T):
        if status[row, n] == Status.DELISTED:
            return panel.adjusted("close")[row - 1, n] / paid - 1, row
        if row >= t + 1 + horizon and status[row, n] == Status.TRADING:
            return panel.adjusted("open")[row, n] / paid - 1, row
    return np.nan, -1


def slow(panel: Panel, horizon: int) -> tuple[AnyArray, AnyArray]:
    pairs = [[slow_return(panel, t, n, horizon) for n in range(panel.N)] for t in range(panel.T)]
    return np.array([[r for r, _ in row] for row in pairs]), np.array([[e for _, e in row] for row in pairs])


def slow_reference(panel: Panel, returns: AnyArray, end: AnyArray, t: int, horizon: int) -> list[float]:
    return [r for r, e, m in zip(returns[t], end[t], panel.members[t], strict=True) if m and 0 <= e <= t + 1 + horizon]


def slow_bounds(panel: Panel, horizon: int, shares: tuple[float, ...]) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Returns, ends and the reference's quantiles [T, len(shares)] where a label is compared with its date."""
    returns, end = slow(panel, horizon)
    bounds = np.full((panel.T, len(shares)), np.nan)
    moved = np.full_like(end, -1)
    for t in range(panel.T):
        present = slow_reference(panel, returns, end, t, horizon)
        if present and t + 1 + horizon < panel.T:
            bounds[t] = np.quantile(present, shares)
            moved[t] = [max(e, t + 1 + horizon) if e >= 0 else -1 for e in end[t]]
    return np.where(moved >= 0, returns, np.nan), moved, bounds


def check(labels: Labels, values: AnyArray, end: AnyArray) -> None:
    np.testing.assert_array_equal(labels.end, end)
    np.testing.assert_allclose(labels.values, np.asarray(values, np.float32), rtol=1e-5, atol=1e-6)


@settings(max_examples=60)
@given(panel=panels, horizon=horizons)
def test_forward_return_equals_a_loop_over_decisions(panel: Panel, horizon: int) -> None:
    labels = forward_return(panel, horizon)
    check(labels, *slow(panel, horizon))
    assert same_bytes(labels.values, labels.returns)


@settings(max_examples=60)
@given(panel=panels, horizon=horizons)
def test_relative_labels_equal_a_loop_over_dates(panel: Panel, horizon: int) -> None:
    returns, end, median = slow_bounds(panel, horizon, (0.5,))
    check(forward_return(panel, horizon, relative=True), returns - median, end)
    judged = np.asarray(returns - median)
    check(up_down(panel, horizon, relative=True), np.where(end >= 0, judged > 0, np.nan), end)
    expected = np.where(end >= 0, np.where(judged > 0.01, 2, np.where(judged < -0.02, 0, 1)), np.nan)
    labels = buy_hold_sell(panel, horizon, thresholds=(-0.02, 0.01), relative=True)
    check(labels, expected, end)
    check(Labels(labels.returns, labels.end, "return", horizon, 0, labels.returns), returns, end)


@settings(max_examples=60)
@given(panel=panels, horizon=horizons)
def test_absolute_classes_equal_a_loop(panel: Panel, horizon: int) -> None:
    returns, end = slow(panel, horizon)
    check(up_down(panel, horizon, relative=False), np.where(end >= 0, returns > 0, np.nan), end)
    expected = np.where(end >= 0, np.where(returns > 0.01, 2, np.where(returns < -0.01, 0, 1)), np.nan)
    check(buy_hold_sell(panel, horizon, thresholds=(-0.01, 0.01)), expected, end)


@settings(max_examples=60)
@given(panel=panels, horizon=horizons)
def test_quantile_classes_equal_a_loop_over_dates(panel: Panel, horizon: int) -> None:
    returns, end, bounds = slow_bounds(panel, horizon, (0.25, 0.5))
    low, high = bounds[:, :1], bounds[:, 1:]
    expected = np.where(end >= 0, np.where(returns > high, 2, np.where(returns < low, 0, 1)), np.nan)
    check(buy_hold_sell(panel, horizon, quantiles=(0.25, 0.5)), expected, end)


EVERY_KIND = [("return", False), ("return", True), ("up_down", False), ("up_down", True), ("buy_hold_sell", True)]


@pytest.mark.parametrize(("kind", "relative"), EVERY_KIND)
@settings(max_examples=30)
@given(panel=panels, horizon=horizons, share=st.floats(0.2, 0.9), seed=st.integers(0, 999))
def test_labels_known_by_a_day_survive_any_future(
    kind: str, relative: bool, panel: Panel, horizon: int, share: float, seed: int
) -> None:
    t = int(share * (panel.T - 1))
    known = make_labels(panel, kind, horizon, relative).upto(t)  # type: ignore[arg-type]
    noisy = replace_future(panel, t, np.random.default_rng(seed))
    for other in (noisy, panel.upto(t)):
        again = make_labels(other, kind, horizon, relative).upto(t)  # type: ignore[arg-type]
        assert same_bytes(again.end, known.end)
        assert same_bytes(again.values, known.values)
        assert same_bytes(again.returns, known.returns)


@pytest.mark.parametrize(("kind", "relative"), EVERY_KIND)
def test_nearly_all_compared_labels_are_there(kind: str, relative: bool) -> None:
    panel = rough_panel(symbols=12, sessions=120, seed=4)
    known = make_labels(panel, kind, 5, relative).upto(100)  # type: ignore[arg-type]
    due = (panel.listed & panel.trading)[:95]
    assert np.isfinite(known.values[:95][due]).mean() >= 0.9
    assert (known.end > np.arange(101)[:, None])[known.end >= 0].all()
    assert (np.isfinite(known.values) == (known.end >= 0)).all()
    assert (np.isfinite(known.returns) == (known.end >= 0)).all()


# -- other holdings ---------------------------------------------------------------------------------------------------

holdings = st.one_of(
    st.builds(Holding, days=st.integers(1, 12), price=st.sampled_from(["open", "close"])),
    st.sampled_from([Holding(1, price="overnight"), Holding(horizon="month"), Holding(horizon="week")]),
)


def slow_outcome(panel: Panel, holding: Holding, t: int, n: int) -> tuple[float, int]:
    """The rule of docs/labels.md for any holding, one decision at a time."""
    days, enter = panel.calendar, t + 1 if holding.price == "open" else t
    firsts = {"month": days.is_first_of_month, "week": days.is_first_of_week}
    due = enter + holding.days
    if holding.horizon != "days":
        decisions = np.flatnonzero(firsts[holding.horizon])
        if t not in decisions:
            return np.nan, -1
        due = next((int(d) + 1 for d in decisions if d > t), panel.T)
    if enter >= panel.T or not panel.listed[t, n] or not panel.trading[enter, n]:
        return np.nan, -1
    begins, ends = {"overnight": ("close", "open")}.get(holding.price, (holding.price, holding.price))
    paid, prices = panel.adjusted(begins), panel.adjusted(ends)
    for row in range(enter + 1, panel.T):
        if panel.status[row, n] == Status.DELISTED:
            return panel.adjusted("close")[row - 1, n] / paid[enter, n] - 1, row
        if row >= due and panel.trading[row, n]:
            return prices[row, n] / paid[enter, n] - 1, row
    return np.nan, -1


@settings(max_examples=60)
@given(panel=panels, holding=holdings)
def test_any_holding_equals_a_loop_over_decisions(panel: Panel, holding: Holding) -> None:
    pairs = [[slow_outcome(panel, holding, t, n) for n in range(panel.N)] for t in range(panel.T)]
    check(
        forward_return(panel, holding),
        np.array([[r for r, _ in row] for row in pairs]),
        np.array([[e for _, e in row] for row in pairs]),
    )


OTHER_KINDS = [(kind, relative, False) for kind, relative in EVERY_KIND]
OTHER_KINDS += [("buy_hold_sell", True, True), ("buy_hold_sell", False, True)]


def labels_of(panel: Panel, kind: str, holding: Holding, relative: bool, scaled: bool) -> Labels:
    thresholds = (-0.3, 0.3) if scaled and kind == "buy_hold_sell" else None
    return make_labels(panel, kind, holding, relative, thresholds, scaled and thresholds is not None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "relative", "scaled"), OTHER_KINDS)
@settings(max_examples=15)
@given(holding=holdings, share=st.floats(0.6, 0.95), seed=st.integers(0, 999))
def test_no_price_after_its_end_changes_a_label_of_any_holding(
    kind: str, relative: bool, scaled: bool, holding: Holding, share: float, seed: int
) -> None:
    panel = rough_panel(6, 110, seed, pause_rate=0.1, delist=2)
    t = int(share * (panel.T - 1))
    known = labels_of(panel, kind, holding, relative, scaled).upto(t)
    for other in (replace_future(panel, t, np.random.default_rng(seed)), panel.upto(t)):
        again = labels_of(other, kind, holding, relative, scaled).upto(t)
        for one, two in ((again.end, known.end), (again.values, known.values), (again.returns, known.returns)):
            assert same_bytes(one, two)


@settings(max_examples=60)
@given(panel=panels, holding=holdings, pick=st.floats(0, 0.999))
def test_the_price_at_its_end_changes_the_return(panel: Panel, holding: Holding, pick: float) -> None:
    labels = forward_return(panel, holding)
    cells = np.argwhere(labels.end >= 0)
    if not len(cells):
        return
    t, n = cells[int(pick * len(cells))]
    end = int(labels.end[t, n])
    gone = panel.status[end, n] == Status.DELISTED  # then the end is the day it is gone, and the last close counts
    fields = {key: panel[key] for key in panel.field_names}
    field = "close" if gone or holding.price == "close" else "open"
    fields[field] = panel[field].copy()
    fields[field][end - 1 if gone else end, n] *= 1.5
    changed = forward_return(
        Panel(
            panel.sessions,
            panel.symbols,
            fields,
            panel.status,
            panel.series,
            {"membership": panel.events("membership")},
        ),
        holding,
    )
    if not (gone and holding.price != "open" and end - 1 == t):  # the last close is both its entry and its exit
        assert changed.returns[t, n] != labels.returns[t, n]
    assert (changed.end == labels.end).all()


def test_next_close_is_predicted_from_todays() -> None:
    labels = forward_return(small([1] * 4, [1] * 4, [10, 11, 12, 15]), Holding(1, price="close"))
    assert labels.values[:, 0] == pytest.approx([0.1, 1 / 11, 0.25, np.nan], nan_ok=True)
    assert labels.end[:, 0].tolist() == [1, 2, 3, -1]
    assert labels.horizon_days == 1


def test_next_open_is_predicted_from_todays_close() -> None:
    opens, closes = [10.0, 12, 9, 20], [10.0, 11, 12, 15]
    labels = forward_return(small([1] * 4, opens, closes), Holding(1, price="overnight"))
    expected = [opens[t + 1] / closes[t] - 1 for t in range(3)]
    assert labels.values[:, 0] == pytest.approx([*expected, np.nan], nan_ok=True)
    assert labels.end[:, 0].tolist() == [1, 2, 3, -1]


def test_month_runs_from_one_rebalancing_day_to_the_next() -> None:
    panel = rough_panel(4, 70, 0, pause_rate=0.0, delist=0)
    labels = forward_return(panel, Holding(horizon="month"))
    firsts = np.flatnonzero(panel.calendar.is_first_of_month)
    opens, n = panel.adjusted("open"), int(np.flatnonzero(panel.trading.all(axis=0))[0])
    assert np.flatnonzero((labels.end >= 0).any(axis=1)).tolist() == firsts[:-1].tolist()
    assert labels.end[firsts[0], n] == firsts[1] + 1
    assert labels.values[firsts[0], n] == pytest.approx(opens[firsts[1] + 1, n] / opens[firsts[0] + 1, n] - 1)
    assert labels.horizon_days == 31


def test_index_of_one_symbol_has_absolute_labels() -> None:
    """The timer of S1: relative labels of one symbol compare it with itself."""
    panel = small([1] * 40, list(np.linspace(10, 20, 40)), [10] * 40)
    assert (up_down(panel, 20, relative=False).values[:19] == 1).all()
    assert (up_down(panel, 20, relative=True).values[:19] == 0).all()


def test_scaled_bounds_are_the_move_that_the_last_60_sessions_let_expect() -> None:
    panel = rough_panel(4, 120, 1, pause_rate=0.0, delist=0)
    labels = buy_hold_sell(panel, 9, thresholds=(-0.5, 1.0), volatility_scaled=True)
    n, t = int(np.flatnonzero(panel.trading.all(axis=0))[0]), 80
    closes = panel.adjusted("close")[:, n]
    unit = np.std(np.diff(closes[t - 60 : t + 1]) / closes[t - 60 : t]) * 3
    expected = 1 + (labels.returns[t, n] > unit) - (labels.returns[t, n] < -0.5 * unit)
    assert labels.values[t, n] == expected
    assert (labels.end[:60] == -1).all()
    assert (labels.end[t:100, n] >= 0).all()
    assert set(np.unique(labels.values[60:105])) - {np.nan} >= {0.0, 1.0, 2.0}


def small(status: list[int], opens: list[float], closes: list[float]) -> Panel:
    """One symbol by hand; no volume, no membership."""
    price = {"open": np.array(opens)[:, None], "close": np.array(closes)[:, None]}
    days = np.datetime64("2020-01-01", "D") + np.arange(len(status))
    return Panel(days, ["A"], price, np.array(status)[:, None])


def test_entry_is_the_next_open_and_exit_the_open_a_horizon_later() -> None:
    labels = forward_return(small([1] * 5, [10, 11, 12, 13, 14], [10.5] * 5), holding=2)
    assert labels.values[0, 0] == pytest.approx(13 / 11 - 1)
    assert labels.end[:, 0].tolist() == [3, 4, -1, -1, -1]


def test_suspended_exit_moves_the_end_to_the_next_trading_session() -> None:
    P = int(Status.PAUSED)
    labels = forward_return(small([1, 1, P, P, 1], [10, 11, 11, 11, 14], [11] * 5), holding=1)
    assert labels.values[0, 0] == pytest.approx(14 / 11 - 1)
    assert labels.end[:, 0].tolist() == [4, -1, -1, -1, -1]


def test_delisted_before_the_exit_leaves_at_the_last_close_once_it_is_gone() -> None:
    D, nan = int(Status.DELISTED), np.nan
    labels = forward_return(small([1, 1, 1, D, D], [10, 11, 12, nan, nan], [10, 11, 6, nan, nan]), holding=3)
    assert labels.values[0, 0] == pytest.approx(6 / 11 - 1)
    assert labels.end[:, 0].tolist() == [3, 3, -1, -1, -1]


def test_suspended_until_delisting_leaves_at_the_last_close() -> None:
    P, D = int(Status.PAUSED), int(Status.DELISTED)
    labels = forward_return(small([1, 1, P, P, D], [10, 11, 8, 8, np.nan], [10, 8, 8, 8, np.nan]), holding=1)
    assert labels.values[0, 0] == pytest.approx(8 / 11 - 1)
    assert labels.end[0, 0] == 4


def test_dividends_and_splits_are_no_return() -> None:
    panel = small([1] * 4, [10, 10, 5, 5], [10, 10, 5, 5])
    fields = {"open": panel["open"], "close": panel["close"], "adj_factor": np.array([[1.0], [1.0], [2.0], [2.0]])}
    adjusted = Panel(panel.sessions, panel.symbols, fields, panel.status)
    assert forward_return(adjusted, 1).values[0, 0] == 0


def test_not_yet_listed_symbol_has_no_label_on_the_eve_of_its_listing() -> None:
    nan = np.nan
    labels = forward_return(small([0, 1, 1, 1], [nan, 11, 12, 13], [nan, 11, 12, 13]), holding=1)
    assert labels.end[:, 0].tolist() == [-1, 3, -1, -1]


def test_tercile_classes_are_about_balanced_and_follow_the_return() -> None:
    panel = rough_panel(symbols=30, sessions=60, seed=5, delist=0)
    labels = make_labels(panel, "buy_hold_sell", 5)
    assert labels.n_classes == 3
    shares = [np.mean(labels.values[panel.members & (labels.end >= 0)] == k) for k in range(3)]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.06)
    assert labels.returns[labels.values == 2].mean() > labels.returns[labels.values == 0].mean()


def test_labels_cannot_be_written_to() -> None:
    labels = forward_return(rough_panel(4, 20, 0), 2)
    with pytest.raises(ValueError, match="read-only"):
        labels.values[0, 0] = 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "returns", "holding": 2}, "expected kind return, up_down or buy_hold_sell, got 'returns'"),
        ({"kind": "return", "holding": 0}, "horizon_days: expected at least 1, got 0"),
        ({"kind": "up_down", "holding": 2, "thresholds": (0, 1)}, "thresholds belong to buy_hold_sell"),
        ({"kind": "buy_hold_sell", "holding": 2, "volatility_scaled": True}, "volatility_scaled belongs to thresholds"),
        ({"kind": "buy_hold_sell", "holding": 2, "thresholds": (0.1, -0.1)}, "expected two rising numbers"),
    ],
)
def test_settings_that_make_no_sense_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_labels(rough_panel(4, 20, 0), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"days": 0}, "horizon_days: expected at least 1, got 0"),
        ({"horizon": "year"}, "horizon: expected days, month or week, got 'year'"),
        ({"price": "mid"}, "price: expected open, close or overnight, got 'mid'"),
        ({"price": "overnight", "days": 2}, "expected horizon_days 1, got 2"),
        ({"horizon": "month", "price": "close"}, "horizon month belongs to price open"),
    ],
)
def test_holdings_that_make_no_sense_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Holding(**arguments)  # type: ignore[arg-type]


def test_buy_hold_sell_needs_exactly_one_kind_of_bounds_and_upto_a_row_of_the_panel() -> None:
    panel = rough_panel(4, 20, 0)
    with pytest.raises(ConfigError, match="exactly one"):
        buy_hold_sell(panel, 2)
    with pytest.raises(ConfigError, match="exactly one"):
        buy_hold_sell(panel, 2, thresholds=(-0.1, 0.1), quantiles=(0.3, 0.6))
    with pytest.raises(DataError, match="upto"):
        forward_return(panel, 2).upto(20)


def test_documented_code_runs() -> None:
    text = (ROOT / "docs" / "labels.md").read_text()
    space: dict[str, object] = {"panel": rough_panel(12, 700, 2)}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, space)
    t, n = space["t"], space["n"]
    assert len(t) == len(n) > 0  # type: ignore[arg-type]
