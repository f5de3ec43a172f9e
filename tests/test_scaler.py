"""Scalers: statistics of training rows only, missing values, what is stored, and the leak that can be switched on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from causality import same_bytes
from hypothesis import given
from hypothesis import strategies as st

from nnstrategies.errors import ConfigError
from nnstrategies.training.registry import load_version, save_version
from nnstrategies.training.scaler import Scaler, fit_scaler
from tests.small_samples import LSTM, market_samples

KINDS = ("zscore", "minmax", "none")
VALUES = np.random.default_rng(0).normal(5, 3, (500, 4)).astype(np.float32)


def test_minmax_puts_training_rows_between_0_and_1_and_lets_others_pass() -> None:
    scaler = Scaler.fit(VALUES, "minmax")
    scaled = scaler(VALUES)
    np.testing.assert_allclose([scaled.min(axis=0), scaled.max(axis=0)], [[0] * 4, [1] * 4], atol=1e-6)
    beyond = VALUES.max(axis=0) + 0.5 * np.ptp(VALUES, axis=0)
    np.testing.assert_allclose(scaler(beyond[None]), 1.5, rtol=1e-5)
    assert (scaler(beyond[None] + 1e6) == 2).all()
    assert (scaler(np.full((1, 4), np.nan, np.float32)) == 0.5).all()


def test_none_leaves_values_and_fills_missing_ones() -> None:
    scaler = Scaler.fit(VALUES, "none")
    np.testing.assert_array_equal(scaler(VALUES), VALUES)
    assert (scaler(np.full((1, 4), np.nan, np.float32)) == 0).all()


@pytest.mark.parametrize("scaling", KINDS)
def test_a_constant_and_a_missing_feature_stay_finite(scaling: str) -> None:
    values = np.column_stack([VALUES[:, 0], np.full(500, 7.0), np.full(500, np.nan)]).astype(np.float32)
    scaled = Scaler.fit(values, scaling)(values)  # type: ignore[arg-type]
    assert np.isfinite(scaled).all()
    assert np.ptp(scaled[:, 1:], axis=0).tolist() == [0, 0]


@given(seed=st.integers(0, 99), share=st.floats(0.05, 0.9))
def test_statistics_leave_missing_values_out(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(-2, 5, (200, 2)).astype(np.float32)
    values[rng.random(values.shape) < share] = np.nan
    zscore, minmax = Scaler.fit(values), Scaler.fit(values, "minmax")
    for f in range(2):
        there = values[np.isfinite(values[:, f]), f].astype(np.float64)
        assert zscore.mean[f] == pytest.approx(there.mean(), rel=1e-5)
        assert zscore.std[f] == pytest.approx(there.std() if there.std() > 1e-12 else 1, rel=1e-5)
        assert minmax.mean[f] == there.min()
        assert minmax.std[f] == pytest.approx(np.ptp(there) if len(there) > 1 else 1, rel=1e-5)


@pytest.mark.parametrize("scaling", KINDS)
def test_any_cut_of_a_table_is_scaled_to_the_same_bytes(scaling: str) -> None:
    scaler = Scaler.fit(VALUES[:300], scaling)  # type: ignore[arg-type]
    assert same_bytes(scaler(VALUES)[40:60], scaler(VALUES[40:60]))


def test_stored_arrays_give_the_scaler_back() -> None:
    for scaling in KINDS:
        scaler = Scaler.fit(VALUES, scaling)  # type: ignore[arg-type]
        again = Scaler.from_arrays(scaler.arrays)
        assert again.bounds == scaler.bounds
        assert same_bytes(again(VALUES * 9), scaler(VALUES * 9))


def test_unknown_scaling_is_refused() -> None:
    with pytest.raises(ConfigError, match="scaling: expected one of zscore, minmax, none, got 'robust'"):
        Scaler.fit(VALUES, "robust")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"recipe lstm: scaling: expected one of zscore, .*, got 'robust'"):
        replace(LSTM, scaling="robust")  # type: ignore[arg-type]


@pytest.mark.parametrize("scaling", ["minmax", "none"])
def test_scaling_of_a_network_is_part_of_the_version_and_survives_storage(scaling: str, tmp_path) -> None:
    samples = market_samples("return")[1]
    recipe = replace(LSTM, scaling=scaling, epochs=1)  # type: ignore[arg-type]
    version = recipe.fit(samples, 352, seed=1)
    assert version.manifest["config"]["scaling"] == scaling
    loaded = load_version(save_version(version, tmp_path))
    row = samples.mask[360]
    assert same_bytes(loaded.predict(samples.features, row, 360), version.predict(samples.features, row, 360))


def test_only_the_leaky_scalers_see_what_comes_after_the_training_rows() -> None:
    samples = market_samples("return")[1]
    known, rows = samples.upto(340), samples.upto(340).rows(0, 330, 340)
    for kind in ("zscore", "minmax"):
        honest = fit_scaler(kind, samples, rows)  # type: ignore[arg-type]
        assert same_bytes(honest.mean, fit_scaler(kind, known, rows).mean)  # type: ignore[arg-type]
        leaky = fit_scaler(f"leaky_{kind}", samples, rows)  # type: ignore[arg-type]
        t, n = np.nonzero(samples.mask)
        whole = Scaler.fit(samples.features.values[n, t], kind)  # type: ignore[arg-type]
        assert same_bytes(leaky.mean, whole.mean)
        assert not same_bytes(leaky.mean, honest.mean)
