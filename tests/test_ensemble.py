"""Several networks and seeds as one: weights from purged validation rows, the spread beside the score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnstrategies.config import parse, to_tree
from nnstrategies.errors import ConfigError, FitError
from nnstrategies.evidence import rank_ic
from nnstrategies.explain import class_outputs
from nnstrategies.training import (
    EnsembleRecipe,
    Incumbent,
    RandomForestRecipe,
    RefitPlan,
    RidgeRecipe,
    SVMRecipe,
    load_version,
    save_version,
    walk_forward,
)
from nnstrategies.training.augment import Augment
from nnstrategies.training.ensemble import _seed_of, shares
from nnstrategies.training.version import Part, shared_outputs
from tests.causality import replace_future
from tests.small_samples import LSTM, market_samples, samples_of
from tests.test_config import small

ASOF = 352
PANEL, SAMPLES = market_samples()
PLAIN = replace(LSTM, epochs=2)
NOISY = replace(PLAIN, augment=Augment(noise=0.2))
BLEND = EnsembleRecipe({"plain": PLAIN, "noisy": NOISY}, "blend", seeds=(1, 2))
VERSION = BLEND.fit(SAMPLES, ASOF, seed=3)


def test_every_member_is_fitted_with_every_seed():
    assert [part.name for part in VERSION.parts] == ["plain/1", "plain/2", "noisy/1", "noisy/2"]
    assert len({part.version.id for part in VERSION.parts}) == 4
    alone = replace(PLAIN, name="blend-plain").fit(SAMPLES, ASOF, seed=_seed_of(3, 1))
    assert VERSION.parts[0].version.id == alone.id


def test_the_score_is_the_weighted_mean_and_the_spread_its_standard_deviation():
    t, mask = 365, SAMPLES.mask[365]
    out = VERSION.predict(SAMPLES.features, mask, t)
    scores = np.stack([p.version.predict(SAMPLES.features, mask, t)[:, 0] for p in VERSION.parts]).astype(np.float64)
    weights = [part.weight for part in VERSION.parts]
    mean = np.average(scores, axis=0, weights=weights)
    assert (VERSION.outputs[0], VERSION.outputs[-1]) == ("score", "spread")
    assert np.allclose(out[:, 0], mean, equal_nan=True, atol=1e-7)
    expected = np.sqrt(np.average((scores - mean) ** 2, axis=0, weights=weights))
    assert np.allclose(out[:, -1], expected, equal_nan=True, atol=1e-7)
    assert np.isnan(out[~mask]).all()


def test_probabilities_are_weighted_means_too_and_make_the_score():
    t, mask = 365, SAMPLES.mask[365]
    assert VERSION.outputs == (*VERSION.parts[0].version.outputs, "spread")
    assert len(VERSION.units) == len(VERSION.outputs)
    out = VERSION.predict(SAMPLES.features, mask, t)[mask]
    told = class_outputs(VERSION.outputs, out)
    assert told is not None
    meaning, values = told
    assert meaning == "probability"
    assert np.allclose(values.sum(axis=1), 1, atol=1e-6)
    assert np.allclose(values[:, -1] - values[:, 0], out[:, 0], atol=1e-6)


def test_members_of_different_outputs_share_the_score_alone():
    forest = Part((), RandomForestRecipe(trees=3).fit(SAMPLES, ASOF, seed=3))
    machine = Part((), SVMRecipe(landmarks=5).fit(SAMPLES, ASOF, seed=3))
    assert shared_outputs([VERSION.parts[0], forest]) == VERSION.parts[0].version.outputs
    assert shared_outputs([VERSION.parts[0], machine]) == ("score",)


def test_weights_are_the_rank_ic_on_the_purged_validation_rows():
    known = SAMPLES.upto(ASOF)
    days = range(ASOF - 39, ASOF + 1)
    for part in VERSION.parts:
        t, n = known.rows(days[0], days[-1], ASOF, stride=PLAIN.stride_days)
        scores = np.full(known.mask.shape, np.nan)
        usable = np.zeros_like(known.mask)
        usable[t, n] = True
        for row in np.unique(t):
            scores[row] = part.version.predict(known.features, usable[row], int(row))[:, 0]
        expected = np.nanmean(rank_ic(scores, known.labels.returns, usable))
        assert VERSION.metrics["valid_rank_ic"][part.name] == pytest.approx(expected, abs=1e-12)
    values = np.array(list(VERSION.metrics["valid_rank_ic"].values()))
    assert [part.weight for part in VERSION.parts] == pytest.approx(list(shares(values)))


def test_a_member_below_zero_weighs_nothing_and_all_below_weigh_alike():
    assert shares(np.array([0.03, -0.01, 0.01])).tolist() == pytest.approx([0.75, 0.0, 0.25])
    assert shares(np.array([-0.03, -0.01])).tolist() == [0.5, 0.5]


def test_nothing_after_asof_reaches_the_weights():
    noisy = samples_of(replace_future(PANEL, ASOF, np.random.default_rng(5)))
    assert BLEND.fit(noisy, ASOF, seed=3).id == VERSION.id


def test_weights_are_set_anew_at_each_refit_and_members_keep_their_own_weights_warm():
    plan = RefitPlan((ASOF, ASOF + 20), start="warm", gate=True)
    first, second = walk_forward(SAMPLES, PANEL.calendar, BLEND, (3,), plan)[3].entries
    assert first.version.id == VERSION.id
    assert second.version.metrics["valid_rank_ic"] != first.version.metrics["valid_rank_ic"]
    for before, after in zip(first.version.parts, second.version.parts, strict=True):
        kept = after.version.id == before.version.id
        assert kept or after.version.manifest["warm_from"] == before.version.id


def test_an_ensemble_comes_back_from_the_registry_with_the_same_scores(tmp_path):
    stored = load_version(save_version(VERSION, tmp_path))
    a, b = (v.predict(SAMPLES.features, SAMPLES.mask[360], 360) for v in (VERSION, stored))
    assert a.tobytes() == b.tobytes()
    again = BLEND.fit(SAMPLES, ASOF + 10, seed=3, incumbent=Incumbent(stored))
    assert again.id == BLEND.fit(SAMPLES, ASOF + 10, seed=3, incumbent=Incumbent(VERSION)).id


def test_members_must_be_comparable_and_have_rows_to_be_judged_on():
    with pytest.raises(ConfigError, match=r"members\.ridge: valid_days: expected validation rows to weigh it by"):
        EnsembleRecipe({"ridge": RidgeRecipe()})
    with pytest.raises(ConfigError, match="expected members and different seeds"):
        EnsembleRecipe({"plain": PLAIN}, seeds=(1, 1))
    mixed = EnsembleRecipe({"plain": PLAIN, "ridge": RidgeRecipe()}, seeds=(1,), weights="equal")
    with pytest.raises(FitError, match="expected members that forecast the same quantity, got plain/1: "):
        mixed.fit(SAMPLES, ASOF, seed=1)


def test_a_config_names_members_and_its_resolved_form_is_the_same_config():
    member = {"kind": "network", "epochs": 1}
    tree = small() | {
        "recipes": {
            "blend": {"kind": "ensemble", "members": {"a": member, "b": {**member, "augment": {"noise": 0.1}}}}
        },
        "headline": "blend",
    }
    tree["walk_forward"] = tree["walk_forward"] | {"valid_days": 33, "train_days": 252, "refit": 63}
    config = parse(tree, "x")
    recipe = config.recipes["blend"]
    assert [one.valid_days for one in recipe.members.values()] == [33, 33]
    assert recipe.members["b"].augment.noise == 0.1
    assert parse(to_tree(config), "x") == config
    for wrong, said in (
        ({"kind": "netwrk"}, "recipes.blend.members.a.kind: unknown kind 'netwrk'; did you mean 'network'"),
        ({"kind": "network", "epoch": 3}, "recipes.blend.members.a: epoch: unknown key; did you mean 'epochs'"),
    ):
        tree["recipes"] = {"blend": {"kind": "ensemble", "members": {"a": wrong}}}
        with pytest.raises(ConfigError, match=said):
            parse(tree, "x")
