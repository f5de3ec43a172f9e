"""Drawn dates keep their neighbours, constant figures have no width, and independent ones the width of a t interval."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nnstrategies.regimes import regimes, trailing_return
from nnstrategies.resampling import interval, stationary_rows


def mean(values: np.ndarray) -> np.ndarray:
    return values.mean(axis=1)


def test_a_constant_series_has_an_interval_without_width():
    assert interval(mean, stationary_rows(50, 5), np.full(50, 0.25)) == (0.25, 0.25)


def test_the_interval_of_independent_values_is_near_students():
    values = np.random.default_rng(4).normal(1.0, 2.0, 200)
    low, high = interval(mean, stationary_rows(200, 1, draws=4000), values)
    expected = stats.t.interval(0.95, 199, values.mean(), values.std(ddof=1) / np.sqrt(200))
    assert (low, high) == pytest.approx(expected, abs=0.04)


def test_values_that_depend_on_their_neighbours_need_runs_of_dates():
    values = np.convolve(np.random.default_rng(5).normal(size=1009), np.ones(10) / 10, "valid")
    alone, runs = (interval(mean, stationary_rows(1000, block), values) for block in (1, 20))
    assert runs[1] - runs[0] > 2 * (alone[1] - alone[0])


def test_runs_have_the_mean_length_asked_for_and_go_round_the_end():
    rows = stationary_rows(300, 10, draws=200)
    follows = np.diff(rows, axis=1) % 300 == 1
    assert follows.mean() == pytest.approx(0.9, abs=0.01)
    assert rows.min() >= 0
    assert rows.max() == 299
    assert np.bincount(rows.ravel()).std() / 200 < 0.2  # every date as often as any other


def test_the_same_seed_draws_the_same_dates_and_two_columns_stay_together():
    assert (stationary_rows(40, 3, seed=1) == stationary_rows(40, 3, seed=1)).all()
    column = np.random.default_rng(0).random(40)
    rows = stationary_rows(40, 3)
    assert interval(lambda a, b: (a - b).mean(axis=1), rows, column, column - 0.5) == pytest.approx((0.5, 0.5))


def test_draws_without_a_value_are_left_out():
    rows = stationary_rows(10, 1, draws=50)
    low, high = interval(lambda a: np.where(a[:, 0] > 0.5, np.nan, 1.0), rows, np.linspace(0, 1, 10))
    assert (low, high) == (1.0, 1.0)
    assert np.isnan(interval(lambda a: np.full(len(a), np.nan), rows, np.zeros(10))).all()


def test_a_regime_is_known_at_the_close_and_needs_sixty_sessions():
    level = np.concatenate([np.full(70, 100.0), np.full(70, 106.0), np.full(70, 100.0)])
    names = regimes(trailing_return(level))
    assert (names[:60] == "").all()
    assert (names[60:70] == "volatile").all()
    assert (names[70:130] == "bull").all()
    assert (names[130:140] == "volatile").all()
    assert (names[140:200] == "bear").all()
    later = level.copy()
    later[150:] = 1.0
    assert (regimes(trailing_return(later))[:150] == names[:150]).all()
