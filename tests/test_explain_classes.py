"""Confusion and calibration against scikit-learn and probabilities that are right by construction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix
from small_samples import LSTM, market_samples, samples_of

from nnstrategies.errors import DataError
from nnstrategies.explain import ClassOutputs, Judged, calibration, class_names, class_outputs, confusion
from nnstrategies.explain.stretches import mean_error, share_error, stretch_of
from nnstrategies.training import LogisticRecipe, RidgeRecipe, SVMRecipe, walk_forward

NAMES = ("sell", "hold", "buy")


def outputs(p: np.ndarray, actual: np.ndarray, dates: int = 50, meaning: str = "probability") -> ClassOutputs:
    t = np.sort(np.arange(len(p)) % dates)
    return ClassOutputs(t, np.zeros(len(p), dtype=np.int64), p, actual, NAMES[-p.shape[1] :], meaning)  # type: ignore[arg-type]


def drawn(rng: np.random.Generator, rows: int, sharpness: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities [M, 3] and classes drawn from them."""
    logits = rng.normal(0, sharpness, (rows, 3))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return p, (rng.random((rows, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(0, 2)


def test_confusion_is_that_of_scikit_learn():
    p, actual = drawn(np.random.default_rng(0), 800)
    table = confusion(outputs(p, actual))
    assert list(table["actual"]) == [a for a in NAMES for _ in NAMES]
    assert (table["count"].to_numpy().reshape(3, 3) == confusion_matrix(actual, p.argmax(axis=1))).all()


def test_confusion_lists_classes_that_never_came_or_were_never_named():
    p = np.tile([0.2, 0.5, 0.3], (10, 1))
    table = confusion(outputs(p, np.full(10, 2)))
    assert len(table) == 9
    assert table.loc[(table["actual"] == "buy") & (table["predicted"] == "hold"), "count"].tolist() == [10]
    assert table["count"].sum() == 10


def test_bins_are_those_of_scikit_learns_quantile_strategy():
    p, actual = drawn(np.random.default_rng(1), 2000)
    table = calibration(outputs(p, actual))
    for c, name in enumerate(NAMES):
        part = table[table["class"] == name]
        came, given_ = calibration_curve(actual == c, p[:, c], n_bins=10, strategy="quantile")
        assert part["count"].tolist() == [200] * 10
        np.testing.assert_allclose(part["share"], came, atol=0.011)  # one row of 200 may lie on the other side
        np.testing.assert_allclose(part["probability"], given_, atol=0.002)
        assert (part["low"].to_numpy()[1:] >= part["high"].to_numpy()[:-1]).all()


def test_right_probabilities_lie_within_their_errors_and_overconfident_ones_do_not():
    p, actual = drawn(np.random.default_rng(2), 20_000)
    sharp = p**2 / (p**2).sum(axis=1, keepdims=True)
    distance = []
    for given_ in (p, sharp):
        table = calibration(outputs(given_, actual))
        distance.append(((table["share"] - table["probability"]).abs() / table["error"]).to_numpy())
    assert np.mean(distance[0] < 2) > 0.85
    assert np.mean(distance[1] < 2) < 0.5


def test_errors_count_dates_that_move_together_not_rows():
    """Every row of a date comes out alike: 40 dates of 100 rows say little more than 40 rows."""
    rng = np.random.default_rng(3)
    came = np.repeat(rng.random(40) < 0.5, 100).astype(np.int64)
    p = np.full((4000, 2), 0.5)
    table = calibration(outputs(p, came, dates=40))
    assert len(table) == 2  # equal probabilities stay in one part
    assert table["error"].iloc[0] > 5 * 0.5 / np.sqrt(4000)


def test_margins_have_no_calibration_but_a_confusion():
    margins, actual = np.random.default_rng(4).normal(size=(60, 3)), np.arange(60) % 3
    found = outputs(margins, actual, meaning="margin")
    assert calibration(found).empty
    assert confusion(found)["count"].sum() == 60


def test_what_a_version_says_of_the_classes():
    values = np.array([[0.1, 0.6]])
    meaning, found = class_outputs(("score", "p_up"), values)
    assert meaning == "probability"
    np.testing.assert_allclose(found, [[0.4, 0.6]])
    three = np.array([[0.2, 0.1, 0.6, 0.3]])
    assert class_outputs(("score", "p_sell", "p_hold", "p_buy"), three)[1].tolist() == [[0.1, 0.6, 0.3]]
    assert class_outputs(("score", "margin_down", "margin_up"), three[:, :3])[0] == "margin"
    assert class_outputs(("score",), values[:, :1]) is None
    assert class_names("return") == ()
    assert class_names("up_down") == ("down", "up")


@pytest.mark.parametrize(
    ("values", "actual"), [(np.zeros((3, 2)), [0, 1, 2]), (np.full((3, 3), np.nan), [0, 1, 2]), (np.eye(3), [0, 1, 3])]
)
def test_impossible_class_outputs_are_refused(values, actual):
    nothing = np.zeros(3, dtype=np.int64)
    with pytest.raises(DataError, match="class outputs: expected"):
        ClassOutputs(nothing, nothing, values, np.array(actual), NAMES, "probability")


@pytest.mark.parametrize("kind", ["up_down", "buy_hold_sell"])
def test_versions_are_asked_on_judged_rows_and_name_their_classes(kind):
    panel, samples = market_samples(kind)
    for recipe, meaning in (
        (LSTM, "probability"),
        (LogisticRecipe(), "probability"),
        (SVMRecipe(landmarks=8), "margin"),
    ):
        timeline = walk_forward(samples, panel.calendar, recipe, (1,), [350])[1]
        judged = Judged.in_force(samples, timeline, range(351, 380, 7))
        found = ClassOutputs.of(judged)
        assert found.meaning == meaning
        assert found.names == class_names(kind)
        assert (found.actual == samples.labels.values[found.t, found.n]).all()
        if meaning == "probability":
            np.testing.assert_allclose(found.values.sum(axis=1), 1, atol=1e-5)
        frame = found.to_frame(samples.features.sessions, samples.features.symbols)
        assert set(frame["actual"]) <= set(class_names(kind))
        assert (frame["predicted"] == np.asarray(found.names)[found.values.argmax(axis=1)]).all()


def test_scores_without_classes_and_labels_without_classes_have_no_confusion(tiny_panel):
    panel, samples = market_samples()
    timeline = walk_forward(samples, panel.calendar, RidgeRecipe(), (1,), [350])[1]
    assert ClassOutputs.of(Judged.in_force(samples, timeline, [355])) is None
    returns = samples_of(tiny_panel, "return")
    timeline = walk_forward(returns, panel.calendar, LogisticRecipe(), (1,), [350])[1]
    assert ClassOutputs.of(Judged.in_force(returns, timeline, [355])) is None


@given(st.lists(st.integers(0, 400), min_size=1, max_size=60))
def test_stretches_are_consecutive_equal_and_at_most_ten(days):
    t = np.sort(np.array(days))
    number = stretch_of(t)
    assert (np.diff(number) >= 0).all()
    assert len(np.unique(number)) == min(10, len(np.unique(t)))
    dates = [len(np.unique(t[number == one])) for one in np.unique(number)]
    assert max(dates) - min(dates) <= 1


def test_the_error_of_a_mean_is_the_usual_one_for_independent_dates_and_larger_for_lasting_values():
    rng = np.random.default_rng(5)
    usual, lasting = [], []
    for _ in range(200):
        usual.append(mean_error(rng.normal(size=400)) * np.sqrt(400))
        lasting.append(mean_error(np.repeat(rng.normal(size=20), 20)) * np.sqrt(400))
    assert np.mean(usual) == pytest.approx(1, abs=0.06)
    assert np.mean(lasting) > 3.5  # 20 values, not 400: sqrt(20) = 4.5
    assert np.isnan(mean_error([0.3]))


def test_the_error_of_a_share_is_the_usual_one_for_independent_rows():
    rng = np.random.default_rng(6)
    stretch = np.arange(1000) // 100
    found = [share_error(rng.normal(size=1000), stretch) * np.sqrt(1000) for _ in range(200)]
    assert np.mean(found) == pytest.approx(1, abs=0.06)
    assert np.isnan(share_error(np.ones(5), np.zeros(5, dtype=np.int64)))
