"""Random forest, support vector machine, logistic regression, persistence: equal to their sources, and the contract."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from nnstrategies.config import parse, to_tree
from nnstrategies.errors import ConfigError, FitError
from nnstrategies.predictors import score
from nnstrategies.training import (
    RECIPES,
    Entry,
    LogisticRecipe,
    PersistenceRecipe,
    RandomForestRecipe,
    Recipe,
    SVMRecipe,
    Timeline,
    load_version,
    save_version,
)
from nnstrategies.training.classical import _export_forest
from nnstrategies.training.classical_apply import walk_forest
from nnstrategies.training.targets import within_date
from nnstrategies.training.walkforward import next_session
from tests.causality import replace_future
from tests.small_samples import market_samples, samples_of

ASOF = 352
NEW: dict[str, Recipe] = {
    "random_forest": RandomForestRecipe(trees=6, depth=4, min_leaf=5),
    "svm": SVMRecipe(landmarks=20),
    "logistic": LogisticRecipe(),
    "persistence": PersistenceRecipe(),
}
LEARNING = [name for name in NEW if name != "persistence"]
KINDS = ["buy_hold_sell", "return"]


def bytes_of(version) -> dict[str, bytes]:
    tables = {**version.arrays, **version.scaler.arrays}
    return {key: np.ascontiguousarray(value).tobytes() for key, value in tables.items()}


@cache
def fitted(name: str, kind: str = "buy_hold_sell"):
    return NEW[name].fit(market_samples(kind)[1], ASOF, seed=1)


def training_table(kind: str = "buy_hold_sell"):
    """Scaled x [M, F] and classes [M] as the recipes should see them."""
    known = market_samples(kind)[1].upto(ASOF)
    t, n = known.rows(0, ASOF, ASOF)
    x = fitted("logistic", kind).scaler(known.features.values[n, t])
    if kind == "return":
        return x, (within_date(known.labels.returns[t, n], t, "rank") > 0).astype(int)
    return x, known.labels.values[t, n].astype(int)


def predictions(name: str, kind: str, days: int = 10):
    """Scaled x [M, F] of the days after asof, and what the version says of them."""
    samples, version = market_samples(kind)[1], fitted(name, kind)
    x, out = [], []
    for t in range(ASOF + 1, ASOF + 1 + days):
        x.append(version.scaler(samples.features.values[samples.mask[t], t]))
        out.append(version.predict(samples.features, samples.mask[t], t)[samples.mask[t]])
    return np.concatenate(x), np.concatenate(out)


# -- equal to scikit-learn --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_logistic_is_scikit_learns(kind):
    x, y = training_table(kind)
    model = LogisticRegression(C=1 / (0.01 * len(x)), max_iter=200).fit(x.astype(np.float64), y)
    fresh, out = predictions("logistic", kind)
    np.testing.assert_allclose(out[:, -1], model.predict_proba(fresh.astype(np.float64))[:, -1], rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_forest_is_scikit_learns(kind):
    x, y = training_table(kind)
    model = RandomForestClassifier(6, max_depth=4, min_samples_leaf=5, max_samples=len(x), random_state=1).fit(x, y)
    fresh, out = predictions("random_forest", kind)
    np.testing.assert_allclose(out[:, -1], model.predict_proba(fresh)[:, -1], rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_machine_is_scikit_learns(kind):
    x, y = training_table(kind)
    kernel = Nystroem(gamma=1 / 5, n_components=20, random_state=1)
    machine = LinearSVC(dual=False, random_state=1).fit(kernel.fit_transform(x.astype(np.float64)), y)
    fresh, out = predictions("svm", kind)
    expected = machine.decision_function(kernel.transform(fresh.astype(np.float64)))
    found = out[:, 2] if kind == "return" else out[:, 1:]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_walked_forests_equal_scikit_learns_to_the_last_bit():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(700, 5)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(int) + 2 * (rng.random(700) < 0.1)
    y[y == 3] = 2
    model = RandomForestClassifier(25, min_samples_leaf=2, random_state=0).fit(x, y)
    for rows in (x, rng.normal(size=(200, 5)).astype(np.float32), x[:1]):
        assert np.array_equal(walk_forest(_export_forest(model, 3), rows), model.predict_proba(rows))
    whole = np.round(2 * x)  # thresholds lie half way between whole numbers
    model = RandomForestClassifier(5, random_state=0).fit(whole, y)
    on_threshold = whole[:300] + np.float32(0.5)
    assert np.array_equal(walk_forest(_export_forest(model, 3), on_threshold), model.predict_proba(on_threshold))


def test_all_of_them_learn_what_can_be_learnt():
    """A label that a feature of the last day gives away."""
    samples = market_samples()[1]
    place = samples.features.values[:, :, 1].T  # [T, N] volume_surprise_1
    values = np.where(np.isfinite(samples.labels.values), (place > 0) * 1.0 + (place > 0.5), np.nan)
    easy = replace(samples, labels=replace(samples.labels, values=values.astype(np.float32)))
    for name in LEARNING:
        version = NEW[name].fit(easy, ASOF, seed=1)
        right = []
        for t in range(ASOF + 1, ASOF + 20):
            mask = samples.mask[t] & np.isfinite(values[t])
            out = version.predict(samples.features, mask, t)[mask]
            right.append(np.argmax(out[:, 1:], axis=1) == values[t, mask])
        assert np.concatenate(right).mean() > 0.75, name


# -- outputs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["random_forest", "logistic"])
def test_probabilities_are_shares_and_make_the_score(name):
    version = fitted(name)
    assert version.outputs == ("score", "p_sell", "p_hold", "p_buy")
    out = predictions(name, "buy_hold_sell")[1]
    np.testing.assert_allclose(out[:, 1:].sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(out[:, 0], out[:, 3] - out[:, 1], atol=1e-6)
    assert fitted(name, "return").outputs == ("score", "p_up")
    out = predictions(name, "return")[1]
    np.testing.assert_allclose(out[:, 0], out[:, 1] - 0.5, atol=1e-6)


def test_a_machine_says_margins_not_probabilities():
    assert fitted("svm").outputs == ("score", "margin_sell", "margin_hold", "margin_buy")
    out = predictions("svm", "buy_hold_sell")[1]
    np.testing.assert_allclose(out[:, 0], out[:, 3] - out[:, 1], atol=1e-6)
    assert fitted("svm", "return").outputs == ("score", "margin_down", "margin_up")


@pytest.mark.parametrize("name", LEARNING)
@pytest.mark.parametrize("absent", [0, 1, 2])
def test_a_class_that_no_training_row_has_is_never_the_likeliest(name, absent):
    samples = market_samples()[1]
    values = samples.labels.values.copy()
    values[values == absent] = (absent + 1) % 3
    version = NEW[name].fit(replace(samples, labels=replace(samples.labels, values=values)), ASOF, seed=1)
    mask = samples.mask[ASOF + 1]
    out = version.predict(samples.features, mask, ASOF + 1)[mask]
    assert np.isfinite(out).all()
    assert (np.argmax(out[:, 1:], axis=1) != absent).all()
    if name != "svm":
        assert not out[:, 1 + absent].any()


def test_persistence_forecasts_no_change():
    out = predictions("persistence", "return")[1]
    assert out.shape[1] == 1
    assert not out.any()


@pytest.mark.parametrize("name", NEW)
def test_missing_features_count_as_their_mean_as_for_ridge(name):
    samples, version = market_samples()[1], fitted(name)
    mask, t = samples.mask[ASOF], ASOF
    values = samples.features.values.copy()
    values[:, t, 0] = np.nan
    missing = version.predict(replace(samples.features, values=values), mask, t)
    values = samples.features.values.copy()
    values[:, t, 0] = version.scaler.mean[0]
    mean = version.predict(replace(samples.features, values=values), mask, t)
    np.testing.assert_allclose(missing[mask], mean[mask], atol=1e-6)
    assert np.isfinite(missing[mask]).all()


@pytest.mark.parametrize("name", NEW)
def test_a_symbol_is_scored_alone_as_in_its_cross_section(name):
    samples, version = market_samples()[1], fitted(name)
    t = ASOF + 3
    whole = version.predict(samples.features, samples.mask[t], t)
    for n in np.flatnonzero(samples.mask[t])[:5]:
        alone = np.zeros(samples.N, dtype=bool)
        alone[n] = True
        assert version.predict(samples.features, alone, t)[n].tobytes() == whole[n].tobytes()


@pytest.mark.parametrize("name", NEW)
def test_a_stored_version_comes_back_and_scores_the_same(name, tmp_path):
    samples, version = market_samples()[1], fitted(name)
    again = load_version(save_version(version, tmp_path))
    assert again.id == version.id
    mask = samples.mask[ASOF]
    assert (
        again.predict(samples.features, mask, ASOF).tobytes() == version.predict(samples.features, mask, ASOF).tobytes()
    )


# -- the contract ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize("kind", KINDS)
def test_noise_after_asof_changes_no_byte_and_the_same_fit_twice_is_the_same(name, kind):
    panel, samples = market_samples(kind)
    version = fitted(name, kind)
    noisy = samples_of(replace_future(panel, ASOF, np.random.default_rng(11)), kind)
    for other in (samples, noisy, samples_of(panel.upto(ASOF), kind)):
        again = NEW[name].fit(other, ASOF, seed=1)
        assert again.id == version.id
        assert bytes_of(again) == bytes_of(version)
    if NEW[name].seeded:
        assert NEW[name].fit(samples, ASOF, seed=2).id != version.id
    else:
        assert NEW[name].fit(samples, ASOF, seed=2).id == version.id


@pytest.mark.parametrize("name", NEW)
def test_noise_after_t_changes_no_score_up_to_t(name):
    panel, samples = market_samples()
    t = ASOF + 20
    noisy = samples_of(replace_future(panel, t, np.random.default_rng(12)))
    entry = Entry(next_session(panel.calendar, ASOF), fitted(name), panel.sessions[ASOF].item())
    found = [score(s, Timeline([entry])).values[: t + 1] for s in (samples, noisy)]
    assert found[0].tobytes() == found[1].tobytes()
    assert np.isfinite(found[0][ASOF + 1 :][samples.mask[ASOF + 1 : t + 1]]).all()


@pytest.mark.parametrize("name", LEARNING)
def test_the_last_known_labels_matter(name):
    samples = market_samples()[1]
    t, n = samples.upto(ASOF).rows(0, ASOF, ASOF)
    values = samples.labels.values.copy()
    values[t[-60:], n[-60:]] = 2 - values[t[-60:], n[-60:]]
    changed = replace(samples, labels=replace(samples.labels, values=values))
    assert bytes_of(NEW[name].fit(changed, ASOF, seed=1)) != bytes_of(fitted(name))


# -- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LEARNING)
def test_what_cannot_be_fitted_says_so_and_how_to_mend_it(name):
    samples = market_samples()[1]
    one = np.where(np.isfinite(samples.labels.values), np.float32(1), np.nan).astype(np.float32)
    with pytest.raises(FitError, match=r"are class 1; expected at least two of 3 classes; change the label's thresh"):
        NEW[name].fit(replace(samples, labels=replace(samples.labels, values=one)), ASOF, seed=0)
    with pytest.raises(FitError, match="expected at least one window of 8 sessions, got 6; refit later or shorten"):
        NEW[name].fit(samples, 5, seed=0)
    with pytest.raises(FitError, match="no training rows"):
        NEW[name].fit(samples, 200, seed=0)
    returns = market_samples("return")[1]
    flat = replace(returns, labels=replace(returns.labels, returns=np.zeros_like(returns.labels.returns)))
    with pytest.raises(FitError, match="lies above its date's median; expected different returns on a date; train on"):
        NEW[name].fit(flat, ASOF, seed=0)


@pytest.mark.parametrize("name", LEARNING)
def test_settings_that_cannot_be_are_refused(name):
    for field in dataclasses.fields(RECIPES[name]):
        if field.name in ("name", "train_days", "embargo_days"):
            continue
        with pytest.raises(ConfigError, match=f"recipe {name}: {field.name}: expected"):
            replace(NEW[name], **{field.name: 0})


def baselines(names: Iterable[str]) -> dict[str, Any]:
    return {
        "name": "baselines",
        "data": {"source": "simulated"},
        "walk_forward": {"first_test": "2020-01-02"},
        "recipes": {name: {"kind": name} for name in names},
        "headline": "svm",
    }


def test_configs_name_them():
    ranked = [name for name in NEW if name != "persistence"]
    config = parse(baselines(ranked), "baselines.yaml")
    assert {name: type(recipe) for name, recipe in config.recipes.items()} == {name: RECIPES[name] for name in ranked}
    assert parse(to_tree(config), "again").recipes == config.recipes


def test_a_config_refuses_what_ranks_nothing():
    with pytest.raises(ConfigError, match=r"portfolios: persistence is a persistence forecast, alike for every symbol"):
        parse(baselines(["svm", "persistence"]), "baselines.yaml")
    named = baselines(["svm", "persistence"]) | {"portfolios": {"svm": {"score": "svm"}}}
    assert set(parse(named, "baselines.yaml").traded) == {"svm"}
