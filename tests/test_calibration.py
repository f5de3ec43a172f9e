"""Probabilities that are as sure as they were right: one temperature, fitted on validation rows only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from nnstrategies.errors import ConfigError, FitError
from nnstrategies.training import load_version, save_version
from nnstrategies.training.calibration import LEAST, MOST, temperature
from tests.causality import replace_future
from tests.small_samples import LSTM, market_samples, samples_of

CALIBRATED = replace(LSTM, calibrate=True, epochs=2)


def loss(t: float, head: np.ndarray, classes: np.ndarray) -> float:
    return float(-log_softmax(head / t, axis=1)[np.arange(len(head)), classes].mean())


@given(seed=st.integers(0, 10_000), classes=st.integers(2, 4), sure=st.floats(0.2, 20), rows=st.integers(20, 200))
def test_the_temperature_is_that_of_least_cross_entropy(seed, classes, sure, rows):
    rng = np.random.default_rng(seed)
    head = rng.normal(size=(rows, classes)) * sure
    y = np.where(rng.random(rows) < 0.6, head.argmax(axis=1), rng.integers(0, classes, rows))
    found = temperature(head, y)
    reference = minimize_scalar(
        lambda log_t: loss(np.exp(log_t), head, y), bounds=(np.log(LEAST), np.log(MOST)), method="bounded"
    )
    assert loss(found, head, y) <= reference.fun + 1e-7
    assert LEAST * (1 - 1e-9) <= found <= MOST * (1 + 1e-9)


def test_heads_that_are_three_times_too_sure_get_a_temperature_of_three():
    rng = np.random.default_rng(0)
    logit = rng.normal(size=200_000)
    y = (rng.random(len(logit)) < 1 / (1 + np.exp(-logit))).astype(np.int64)
    assert temperature(3 * np.column_stack([0 * logit, logit]), y) == pytest.approx(3.0, rel=0.03)


def test_heads_that_are_wrong_more_often_than_right_are_hardly_believed():
    head = np.array([[0.0, 2.0], [2.0, 0.0], [0.0, 1.0]])
    assert temperature(head, np.array([0, 1, 1])) == pytest.approx(MOST, rel=1e-6)


def test_a_calibrated_version_orders_alike_and_says_so_with_other_probabilities(tmp_path):
    _, samples = market_samples("up_down")
    plain, calibrated = (replace(CALIBRATED, calibrate=on).fit(samples, 360, 1) for on in (False, True))
    t, mask = 380, samples.mask[380]
    before, after = (version.predict(samples.features, mask, t)[mask] for version in (plain, calibrated))
    fitted = calibrated.manifest["temperature"]
    assert (before[:, 0].argsort() == after[:, 0].argsort()).all()
    odds = np.log(before[:, 1] / (1 - before[:, 1]))
    assert after[:, 1] == pytest.approx(1 / (1 + np.exp(-odds / fitted)), abs=1e-5)
    assert after[:, 0] == pytest.approx(after[:, 1] - 0.5, abs=1e-7)
    assert plain.id != calibrated.id
    again = load_version(save_version(calibrated, tmp_path), "cpu")
    assert again.predict(samples.features, mask, t)[mask].tobytes() == after.tobytes()


def test_the_temperature_knows_nothing_of_the_future():
    panel, samples = market_samples("up_down")
    other = samples_of(replace_future(panel, 360, np.random.default_rng(1)), "up_down")
    assert CALIBRATED.fit(samples, 360, 1).id == CALIBRATED.fit(other, 360, 1).id


def test_calibration_without_validation_rows_or_classes_is_refused():
    with pytest.raises(ConfigError, match="calibrate: needs validation rows"):
        replace(CALIBRATED, valid_days=0)
    with pytest.raises(FitError, match="calibrate: expected class labels, got a return"):
        CALIBRATED.fit(market_samples("return")[1], 360, 1)
