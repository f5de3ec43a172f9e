"""Importance finds what drives a simulated market, nothing where nothing was learned, and leaves dates alone."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from small_samples import CNN_LSTM, LSTM, market_samples

from nnstrategies.errors import ConfigError, DataError
from nnstrategies.evidence import shuffled
from nnstrategies.explain import (
    Block,
    Judged,
    attributions,
    feature_blocks,
    folds,
    gradient_importance,
    lag_blocks,
    permutation_importance,
)
from nnstrategies.explain import gradients as gradients_module
from nnstrategies.features import Features, default_set
from nnstrategies.feeds.simulated import SimulatedMarket, simulate
from nnstrategies.labels import make_labels
from nnstrategies.samples import Samples
from nnstrategies.splits import Rows
from nnstrategies.training import (
    FactorScreenRecipe,
    GradientBoostingRecipe,
    GroupedRecipe,
    LogisticRecipe,
    MomentumRecipe,
    NetworkRecipe,
    RandomForestRecipe,
    RidgeRecipe,
    SVMRecipe,
    Timeline,
    walk_forward,
)
from nnstrategies.training.recipe import with_setting

RECIPES = {
    "lstm": LSTM,
    "cnn_lstm": CNN_LSTM,
    "ridge": RidgeRecipe(train_days=120),
    "gradient_boosting": GradientBoostingRecipe(iterations=4, stride_days=3),
    "random_forest": RandomForestRecipe(trees=5, depth=4),
    "logistic": LogisticRecipe(),
    "svm": SVMRecipe(landmarks=20),
    "factor_screen": FactorScreenRecipe(least_ic=0, least_ic_ir=0),
    "momentum": MomentumRecipe(),
}
REFITS = [340, 360]
TEST = range(341, 380, 4)


@cache
def fitted(name: str) -> Timeline:
    panel, samples = market_samples()
    return walk_forward(samples, panel.calendar, RECIPES[name], (1,), REFITS)[1]


def judged(name: str, rows: range = TEST) -> Judged:
    return Judged.in_force(market_samples()[1], fitted(name), rows)


DRIVERS, NOISE = ("ret_1", "volume_surprise_1"), ("noise_1", "noise_2", "noise_3")
ALL = (*DRIVERS, *NOISE)


@cache
def driven() -> tuple[Samples, Judged, Judged]:
    """A market of whose five features two drive the returns; a network that learned it, and one of shuffled labels."""
    panel, truth = simulate(SimulatedMarket(symbols=90, sessions=700, members=80, seed=5, linear=0.12, order=0.14))
    assert set(truth.strengths) == {"linear", "non_linear", "order"}  # of past moves and volume shocks, nothing else
    real = default_set().select(DRIVERS)(panel)
    noise = np.random.default_rng(0).normal(size=(panel.N, panel.T, len(NOISE))).astype(np.float32)
    values = np.concatenate([real.values, noise], axis=2)
    features = Features(real.sessions, real.symbols, ALL, values, "made")
    samples = Samples.build(panel, features, make_labels(panel, "buy_hold_sell", 5), 8)
    recipe = NetworkRecipe("lstm", "lstm", {"hidden": 16, "layers": 1}, epochs=5, batch=128, lr=0.01, patience=2)
    recipe = replace(recipe, stride_days=2, valid_days=60, device="cpu")
    found = []
    for learned in (samples, shuffled(samples, 3)):
        timeline = walk_forward(learned, panel.calendar, recipe, (1,), [480])[1]
        found.append(Judged.in_force(samples, timeline, range(481, 690, 6)))
    return samples, found[0], found[1]


def by_feature(frame: pd.DataFrame, metric: str = "rank_ic") -> pd.DataFrame:
    return frame[(frame["by"] == "feature") & (frame["metric"] == metric)].set_index("feature")


@pytest.mark.parametrize("metric", ["rank_ic", "accuracy"])
def test_shuffling_what_drives_the_market_costs_most_and_noise_costs_nothing(metric):
    table = by_feature(permutation_importance(driven()[1], repeats=3), metric)
    assert set(table["value"].nlargest(2).index) == set(DRIVERS)
    assert (table.loc[list(DRIVERS), "value"] > 3 * table.loc[list(DRIVERS), "error"]).all()
    assert (table.loc[list(NOISE), "value"].abs() < 3 * table.loc[list(NOISE), ["error", "spread"]].max(axis=1)).all()
    assert table["value"].max() > 0.1 * table["baseline"].max()


@pytest.mark.parametrize("method", ["integrated_gradients", "saliency"])
def test_gradients_rank_what_drives_the_market_first(method):
    table = gradient_importance(driven()[1].thinned(8), method)
    values = table[table["by"] == "feature"].set_index("feature")["value"]
    assert set(values.nlargest(2).index) == set(DRIVERS)
    assert values[list(DRIVERS)].min() > 1.5 * values[list(NOISE)].max()


def test_a_network_of_shuffled_labels_shows_no_importance_beyond_noise():
    _, learned, chance = driven()
    real, null = (permutation_importance(one, repeats=3) for one in (learned, chance))
    for frame in (null[null["metric"] == "rank_ic"], null[null["metric"] == "accuracy"]):
        assert (frame["value"] / frame["error"]).abs().mean() < 2
        assert frame["value"].max() < 3 * frame["error"].max()
    assert by_feature(null)["value"].abs().max() < 0.2 * by_feature(real).loc[list(DRIVERS), "value"].min()
    moved = [gradient_importance(one.thinned(4)) for one in (learned, chance)]
    assert moved[1]["baseline"].iloc[0] < 0.3 * moved[0]["baseline"].iloc[0]  # its scores hardly differ


def test_days_that_faded_from_the_market_matter_less_than_recent_ones():
    frame = permutation_importance(driven()[1], lag_blocks(ALL, 8), repeats=3)
    drops = frame[frame["metric"] == "rank_ic"].set_index("lag_first")["value"]
    assert list(drops.index) == [0, 1, 2, 4]
    assert (drops > 0).all()
    assert drops[[0, 1]].sum() / 2 > drops[4] / 4  # per session


@pytest.mark.parametrize("name", RECIPES)
def test_every_kind_of_recipe_can_be_permuted(name):
    frame = permutation_importance(judged(name), repeats=2)
    window = fitted(name).entries[0].version.manifest["window"]
    assert len(by_feature(frame)) == 5
    assert (frame["by"] == "lag").any()
    assert frame["lag_last"].max() == window - 1
    assert np.isfinite(frame[["value", "spread", "error", "baseline"]]).all(axis=None)
    has_classes = any(part in output for output in fitted(name).entries[0].version.outputs for part in ("p_", "margin"))
    assert ("accuracy" in set(frame["metric"])) == has_classes


def test_permuting_what_a_version_does_not_read_changes_nothing_at_all():
    table = by_feature(permutation_importance(judged("momentum"), repeats=3))
    others = table.drop(index="momentum_250_20")
    assert (others[["value", "spread", "error"]] == 0).all(axis=None)
    assert table.loc["momentum_250_20", "value"] == pytest.approx(table.loc["momentum_250_20", "baseline"], abs=0.25)


@pytest.mark.parametrize("name", ["lstm", "ridge"])
def test_what_all_symbols_of_a_date_share_is_left_alone(name):
    panel, samples = market_samples()
    values = samples.features.values.copy()
    values[:, :, 2] = np.random.default_rng(1).normal(size=panel.T).astype(np.float32)  # one value a date
    values[~np.isfinite(samples.features.values)] = np.nan
    common = replace(samples, features=replace(samples.features, values=values))
    timeline = walk_forward(common, panel.calendar, RECIPES[name], (1,), REFITS[:1])[1]
    table = by_feature(permutation_importance(Judged.in_force(common, timeline, TEST), repeats=2))
    assert table.loc["volatility_20", "value"] == 0
    assert table["value"].abs().max() > 0


def test_a_drop_is_that_of_a_whole_market_with_the_windows_swapped():
    """Against the scores of full features in which symbols have exchanged their history, and scipy's correlation."""
    _, samples = market_samples()
    version, t, feature = fitted("lstm").entries[0].version, 345, 1
    found = permutation_importance(judged("lstm", range(t, t + 1)), repeats=1, seed=7)
    n = np.flatnonzero(samples.mask[t] & np.isfinite(samples.labels.returns[t]))
    order = np.random.default_rng([7, t, 0]).permutation(len(n))
    values = samples.features.values.copy()
    values[n, t - 7 : t + 1, feature] = samples.features.values[n[order], t - 7 : t + 1, feature]
    swapped = replace(samples.features, values=values)
    before, after = (version.predict(f, samples.mask[t], t)[n, 0] for f in (samples.features, swapped))
    returns = samples.labels.returns[t, n]
    expected = spearmanr(before, returns).statistic - spearmanr(after, returns).statistic
    assert by_feature(found)["value"].iloc[feature] == pytest.approx(expected, abs=1e-9)


def test_importance_is_the_same_each_time_and_does_not_depend_on_the_other_blocks():
    some = judged("lstm")
    whole = permutation_importance(some, repeats=2)
    alone = permutation_importance(some, [feature_blocks(some.samples.features.names, 8)[3]], repeats=2)
    row = whole[whole["feature"] == alone["feature"].iloc[0]].reset_index(drop=True)
    pd.testing.assert_frame_equal(row, alone)
    assert not permutation_importance(some, repeats=2, seed=1).equals(whole)


def test_twins_hide_each_other_unless_they_are_shuffled_as_one():
    panel, samples = market_samples()
    old, names = samples.features, (*samples.features.names, "twin")
    values = np.concatenate([old.values, old.values[:, :, :1]], axis=2)
    twins = replace(samples, features=Features(old.sessions, old.symbols, names, values, "made"))
    timeline = walk_forward(twins, panel.calendar, RidgeRecipe(), (1,), REFITS[:1])[1]
    blocks = [
        Block("feature", "ret_1", (0,), (0, 0)),
        Block("feature", "twin", (5,), (0, 0)),
        Block("group", "both", (0, 5), (0, 0)),
    ]
    drops = permutation_importance(Judged.in_force(twins, timeline, TEST), blocks, repeats=5)["value"].to_numpy()
    assert drops[0] == pytest.approx(drops[1], abs=1e-6)
    assert abs(drops[2]) > abs(drops[0])


def test_lag_blocks_cover_every_day_of_a_window_once():
    for window in range(1, 140):
        days = [lag for block in lag_blocks(("a", "b"), window) for lag in range(block.lags[0], block.lags[1] + 1)]
        assert days == list(range(window))
    assert [block.lags for block in lag_blocks(("a",), 20)] == [(0, 0), (1, 1), (2, 3), (4, 7), (8, 15), (16, 19)]
    assert Block("lag", "", (0,), (2, 3)).cut(20) == slice(16, 18)


@pytest.mark.parametrize(("name", "within"), [("lstm", 0.002), ("cnn_lstm", 0.03)])  # kinks of ReLU and max-pool
def test_integrated_gradients_add_up_to_the_score_less_that_of_the_training_mean(name, within):
    version = fitted(name).entries[0].version
    date = next(judged(name).cross_sections())
    found = attributions(version, date.windows(), steps=200).sum(axis=(1, 2), dtype=np.float64)
    mean = np.broadcast_to(version.scaler.mean, date.windows().shape).astype(np.float32)
    expected = date.predict(date.windows())[:, 0].astype(np.float64) - date.predict(mean)[:, 0]
    np.testing.assert_allclose(found, expected, atol=within * np.abs(expected).max())


def test_saliency_is_the_slope_of_the_score():
    """Against central differences of ``Version.predict``, in standard deviations of the feature."""
    version = fitted("lstm").entries[0].version
    date = next(judged("lstm").cross_sections())
    found = attributions(version, date.windows(), "saliency")
    for day, feature in ((7, 0), (5, 1), (3, 3)):
        step = np.zeros_like(date.windows())
        step[:, day, feature] = 0.05 * version.scaler.std[feature]
        up, down = (date.predict(date.windows() + sign * step)[:, 0].astype(np.float64) for sign in (1, -1))
        slope = np.abs(up - down) / 0.1
        inside = np.abs(version.scaler(date.windows())[:, day, feature]) < 4.9  # beyond, the scaler clips
        np.testing.assert_allclose(found[inside, day, feature], slope[inside], rtol=0.02, atol=2e-5)


def test_gradients_by_lag_and_by_feature_leave_the_version_as_it_was():
    some = judged("lstm")
    before = [version.id for version in some.versions]
    frame = gradient_importance(some)
    assert len(frame[frame["by"] == "feature_lag"]) == 5 * 8
    assert len(frame[frame["by"] == "lag"]) == 8
    assert (frame["value"] >= 0).all()
    (gap,) = frame.loc[frame["by"] == "gap", "value"]
    assert gap < 0.01 * frame["baseline"].iloc[0]
    assert [version.id for version in some.versions] == before
    again = gradient_importance(some)
    pd.testing.assert_frame_equal(frame, again)


def test_gradients_refuse_what_has_none(monkeypatch):
    with pytest.raises(DataError, match="is a ridge, expected a network"):
        gradient_importance(judged("ridge"))
    with pytest.raises(ConfigError, match="method: expected one of integrated_gradients, saliency, got 'shap'"):
        attributions(fitted("lstm").entries[0].version, next(judged("lstm").cross_sections()).windows(), "shap")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert gradients_module.captum_missing()
    with pytest.raises(ConfigError, match=r"captum is missing; install nnstrategies\[explain\]"):
        gradient_importance(judged("lstm"))


def test_validation_rows_are_those_that_stopped_the_training_and_know_nothing_later():
    _, samples = market_samples()
    version = fitted("lstm").entries[0].version
    own = Judged.validation(samples, version)
    known = samples.upto(REFITS[0])
    expected = known.rows(*Rows(REFITS[0] - 39, REFITS[0], REFITS[0]), stride=3)[0]
    assert list(own.rows) == list(np.unique(expected))
    rng, values = np.random.default_rng(2), samples.features.values.copy()
    values[:, REFITS[0] + 1 :] = rng.normal(size=values[:, REFITS[0] + 1 :].shape)
    labels = samples.labels
    late = labels.end > REFITS[0]
    other = replace(
        samples,
        features=replace(samples.features, values=values),
        labels=replace(
            labels,
            values=np.where(late, 2, labels.values).astype(np.float32),
            returns=np.where(late, 9, labels.returns).astype(np.float32),
        ),
    )
    frames = [permutation_importance(Judged.validation(one, version), repeats=1) for one in (samples, other)]
    pd.testing.assert_frame_equal(*frames)


def test_a_version_without_validation_rows_says_so():
    with pytest.raises(DataError, match=r"\(ridge\) has no validation rows; judge it on rows of the test"):
        Judged.validation(market_samples()[1], fitted("ridge").entries[0].version)


def test_rows_before_the_first_version_are_not_judged():
    some = judged("lstm", range(330, 350))
    assert some.rows[0] == REFITS[0] + 1
    assert all(date.t > REFITS[0] for date in some.cross_sections())
    with pytest.raises(DataError, match="no version is in force"):
        judged("lstm", range(300, 320))


def test_each_row_is_judged_by_the_version_of_its_day():
    by_row = {date.t: date.version.id for date in judged("lstm").cross_sections()}
    first, second = (entry.version.id for entry in fitted("lstm").entries)
    assert all(version == (first if t <= REFITS[1] else second) for t, version in by_row.items())
    assert len(set(by_row.values())) == 2


def test_impossible_requests_are_refused():
    with pytest.raises(DataError, match="repeats: expected at least 1, got 0"):
        permutation_importance(judged("ridge"), repeats=0)
    with pytest.raises(DataError, match="none of 2 rows has 3 symbols"):
        permutation_importance(judged("ridge", range(398, 400)))
    with pytest.raises(DataError, match="dates: expected at least 1"):
        judged("ridge").thinned(0)


@pytest.mark.parametrize("name", RECIPES)
def test_a_fold_holds_exactly_the_rows_a_version_was_trained_on(name):
    panel, samples = market_samples()
    last = panel.sessions[-1].item()
    table = folds(samples, fitted(name), last)
    for (_, fold), entry in zip(table.iterrows(), fitted(name).entries, strict=True):
        assert fold["train_rows"] == entry.version.manifest["training_rows"]
        assert fold["asof"].date() == entry.trained_through
        if name != "momentum":
            boundary = fold["valid_first"] if fold["valid_rows"] else fold["asof"] + pd.Timedelta(days=1)
            assert fold["train_last"] < fold["labels_until"] < boundary
            assert fold["asof"] < fold["in_force_from"]
    assert list(table["in_force_until"].dt.date) == [panel.sessions[REFITS[1]].item(), last]
    assert table["valid_rows"].gt(0).all() == (name in ("lstm", "cnn_lstm"))


@pytest.mark.parametrize("changes", [{"embargo_days": 7}, {"train_days": 100}, {"valid_days": 0}, {"stride_days": 1}])
def test_a_fold_follows_the_recipes_settings(changes):
    panel, samples = market_samples()
    recipe = replace(LSTM, epochs=1, **changes)
    timeline = walk_forward(samples, panel.calendar, recipe, (1,), REFITS[:1])[1]
    (_, fold), *_ = folds(samples, timeline, panel.sessions[-1].item()).iterrows()
    assert fold["train_rows"] == timeline.entries[0].version.manifest["training_rows"]


LEAKY = {
    "network": replace(LSTM, epochs=1),
    "without validation": replace(LSTM, epochs=1, valid_days=0),
    "screen": FactorScreenRecipe(least_ic=0, least_ic_ir=0),
    "each symbol": GroupedRecipe(replace(LSTM, epochs=1, target="percent")),
}


@pytest.mark.parametrize("name", LEAKY)
def test_a_fold_of_a_leaky_refit_holds_the_rows_that_it_read(name):
    panel, samples = market_samples("return")
    until = panel.sessions[380].item()
    recipe = with_setting(LEAKY[name], "leaky_until", until)
    timeline = walk_forward(samples, panel.calendar, recipe, (1,), REFITS[:1])[1]
    (_, fold), *_ = folds(samples, timeline, panel.sessions[-1].item()).iterrows()
    assert fold["train_rows"] == timeline.entries[0].version.manifest["training_rows"]
    assert fold["asof"].date() == panel.sessions[REFITS[0]].item()
    assert pd.to_datetime(fold[["train_last", "valid_last"]]).max() > fold["in_force_from"]
    if name == "network":
        own = Judged.validation(samples, timeline.entries[0].version)
        assert REFITS[0] < own.rows[-1] <= 380
        assert own.samples.T == 381


def test_a_kept_incumbent_shows_the_fold_of_the_refit_that_lost():
    panel, samples = market_samples()
    incumbent = fitted("lstm").entries[0]
    kept = replace(incumbent, effective_from=panel.sessions[361].item(), trained_through=panel.sessions[360].item())
    kept = replace(kept, decision="kept incumbent")
    table = folds(samples, Timeline([incumbent, kept]), panel.sessions[-1].item())
    assert list(table["decision"]) == ["promoted", "kept incumbent"]
    assert table["asof"].iloc[1].date() == kept.trained_through
    assert table["valid_last"].iloc[1] > table["valid_last"].iloc[0]
