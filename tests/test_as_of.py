"""Tables of disclosures: equal to a slow loop, never early, never zero where nothing is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from causality import rough_panel
from hypothesis import given, settings
from hypothesis import strategies as st
from input_panel import input_panel, with_events, with_fields

from nnstrategies.errors import DataError
from nnstrategies.features import CATALOGUE, macro
from nnstrategies.features.as_of import known_values
from nnstrategies.features.fundamental import fundamental
from nnstrategies.panel import Panel
from nnstrategies.typing import FloatArray

SYMBOLS = ("S00", "S01", "S02", "S03")

records = st.lists(
    st.tuples(
        st.sampled_from(SYMBOLS), st.integers(-30, 70), st.integers(0, 5), st.one_of(st.none(), st.integers(1, 9))
    ),
    max_size=25,
    unique_by=lambda record: record[:3],
)


def table(panel: Panel, found: list[tuple[str, int, int, int | None]]) -> pd.DataFrame:
    """known_at: days after the first session; period_end: 40 days apart."""
    days = [panel.sessions[0] + np.timedelta64(day, "D") for _, day, _, _ in found]
    ends = [np.datetime64("2014-01-01") + np.timedelta64(40 * period, "D") for _, _, period, _ in found]
    frame = pd.DataFrame({"symbol": [symbol for symbol, *_ in found], "known_at": days, "period_end": ends})
    frame = frame.astype({"symbol": object, "known_at": "datetime64[s]", "period_end": "datetime64[s]"})
    return frame.assign(roe=np.array([np.nan if value is None else value for *_, value in found], dtype=float))


def slow(panel: Panel, frame: pd.DataFrame, t: int, n: int, max_age_days: int) -> float:
    """The newest period wins; of one period the last publication."""
    day = pd.Timestamp(panel.sessions[t])
    known = frame[(frame["symbol"] == panel.symbols[n]) & (frame["known_at"] <= day) & frame["roe"].notna()]
    if not panel.listed[t, n] or known.empty:
        return np.nan
    last = known.sort_values(["period_end", "known_at"], kind="stable").iloc[-1]
    return last["roe"] if (day - last["known_at"]).days <= max_age_days else np.nan


@settings(max_examples=40)
@given(found=records, max_age_days=st.integers(5, 60), seed=st.integers(0, 99))
def test_values_equal_a_loop_over_sessions(
    found: list[tuple[str, int, int, int | None]], max_age_days: int, seed: int
) -> None:
    panel = rough_panel(len(SYMBOLS), 40, seed)
    frame = table(panel, found)
    got = known_values(with_events(panel, fundamentals=frame), "fundamentals", "roe", max_age_days)
    expected = [[slow(panel, frame, t, n, max_age_days) for n in range(panel.N)] for t in range(panel.T)]
    np.testing.assert_array_equal(got, expected)


def test_late_report_about_an_older_period_changes_nothing() -> None:
    panel = rough_panel(4, 40, 0, delist=0)
    frame = table(panel, [("S03", 2, 3, 5), ("S03", 9, 2, 8), ("S03", 15, 3, 6)])
    got = known_values(with_events(panel, fundamentals=frame), "fundamentals", "roe", 400)[:, 3]
    days = (panel.sessions - panel.sessions[0]).astype(int)
    expected = np.where(days >= 15, 6, np.where(days >= 2, 5, np.nan))
    np.testing.assert_array_equal(got, np.where(panel.listed[:, 3], expected, np.nan))


def test_value_is_known_on_the_first_session_on_or_after_its_publication() -> None:
    panel = rough_panel(4, 40, 0, delist=0)
    saturday = int(np.flatnonzero(np.diff(panel.sessions).astype(int) > 1)[0])
    day = int((panel.sessions[saturday] - panel.sessions[0]).astype(int)) + 1
    got = known_values(with_events(panel, fundamentals=table(panel, [("S01", day, 0, 5)])), "fundamentals", "roe", 400)
    listed = panel.listed[:, 1]
    assert np.isnan(got[: saturday + 1, 1]).all()
    assert (got[saturday + 1 :, 1][listed[saturday + 1 :]] == 5).all()
    assert np.isnan(got[:, 0]).all()


def test_text_and_empty_periods_are_refused() -> None:
    panel = rough_panel(4, 40, 0)
    frame = table(panel, [("S01", 1, 0, 5), ("S02", 1, 0, 5)])
    with pytest.raises(DataError, match="roe: expected numbers, got"):
        known_values(with_events(panel, fundamentals=frame.assign(roe="high")), "fundamentals", "roe", 9)
    frame.loc[1, "period_end"] = pd.NaT
    with pytest.raises(DataError, match="period_end: expected a date, got an empty cell in row 1"):
        known_values(with_events(panel, fundamentals=frame), "fundamentals", "roe", 9)


def test_daily_ratios_count_before_the_table_which_fills_their_gaps() -> None:
    panel = input_panel(sessions=120)
    monthly = fundamental(panel, "pe")
    daily = np.where(np.arange(panel.T)[:, None] < 60, 7.0, np.nan) + np.zeros(panel.shape)
    both = fundamental(with_fields(panel, pe=daily), "pe")
    np.testing.assert_array_equal(both, np.where(np.isfinite(daily), daily, monthly))
    alone = with_events(with_fields(panel, pe=daily), fundamentals=None)
    np.testing.assert_array_equal(fundamental(alone, "pe"), daily)


def test_ratios_to_prices_rank_a_loss_below_a_small_profit() -> None:
    panel = rough_panel(4, 5, 0, delist=0)
    pe = np.broadcast_to([10.0, 200.0, -5.0, -100.0], panel.shape)
    members = Panel(panel.sessions, panel.symbols, {"close": panel["close"], "pe": pe}, np.ones(panel.shape))
    order = np.argsort(CATALOGUE["rank_pe"](members)[2])
    assert order.tolist() == [2, 3, 1, 0]  # yields -20 %, -1 %, 0.5 %, 10 %


def slow_z(values: FloatArray, days: int) -> FloatArray:
    out = np.full(len(values), np.nan)
    for t in range(days - 1, len(values)):
        window = values[t - days + 1 : t + 1]
        if np.isfinite(window).all():
            out[t] = (window[-1] - window.mean()) / window.std() if np.ptp(window) > 0 else 0.0
    return out


@given(seed=st.integers(0, 99), days=st.integers(2, 30), level=st.sampled_from([0.0, 100.0, 1e7]))
def test_rolling_z_score_equals_a_loop_at_any_level(seed: int, days: int, level: float) -> None:
    values = level + np.random.default_rng(seed).normal(size=60).cumsum()
    values[:4] = np.nan
    values[40:] = values[40]  # nothing is published any more
    np.testing.assert_allclose(macro.z_score(values, days), slow_z(values, days), rtol=1e-6, atol=1e-6)


def test_macro_series_are_the_same_for_all_and_go_stale() -> None:
    panel = input_panel()
    values = CATALOGUE["macro_cpi"](panel)
    assert np.isnan(values[~panel.listed]).all()
    spread = np.nanmax(values[300:], axis=1) - np.nanmin(values[300:], axis=1)
    assert (spread == 0).all()
    assert np.isfinite(values[300:][panel.listed[300:]]).all()
    early = panel.events("macro")
    early = early[early["known_at"] <= pd.Timestamp(panel.sessions[260])]
    stale = CATALOGUE["macro_cpi"](with_events(panel, macro=early))
    assert np.isfinite(stale[270][panel.listed[270]]).all()
    assert np.isnan(stale[270 + 110 :]).all()


def test_news_of_a_symbol_count_for_ten_days() -> None:
    panel = input_panel(sessions=60)
    first = panel.events("news").iloc[[0]]
    values = CATALOGUE["news_count"](with_events(panel, news=first))
    n = panel.column(first["symbol"].iloc[0])
    age = (panel.sessions - first["known_at"].to_numpy()[0].astype("datetime64[D]")).astype(int)
    np.testing.assert_array_equal(np.isfinite(values[:, n]), (age >= 0) & (age <= 10) & panel.listed[:, n])
    assert np.isnan(np.delete(values, n, axis=1)).all()
