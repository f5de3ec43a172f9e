"""A model for each symbol: each is what it would be alone, and the rest of the market does not touch it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnstrategies.errors import FitError
from nnstrategies.explain import ClassOutputs, Judged
from nnstrategies.predictors import score
from nnstrategies.training import (
    GroupedRecipe,
    Incumbent,
    LogisticRecipe,
    RefitPlan,
    load_version,
    save_version,
    walk_forward,
)
from tests.small_samples import LSTM, market_samples, samples_of

ASOF = 352
PANEL, POOLED = market_samples("return")
SOME = np.flatnonzero(POOLED.mask[285:].all(axis=0))[:4]
PER_SYMBOL = replace(LSTM, epochs=2, target="percent", train_days=60, valid_days=20, stride_days=2)


def own_groups(samples):
    return replace(samples.only(SOME), group=np.arange(len(SOME)))


SAMPLES = own_groups(POOLED)


def test_each_symbol_has_the_model_it_would_have_alone():
    version = GroupedRecipe(PER_SYMBOL).fit(SAMPLES, ASOF, seed=1)
    out = version.predict(SAMPLES.features, SAMPLES.mask[360], 360)
    assert [part.symbols for part in version.parts] == [(s,) for s in SAMPLES.features.symbols]
    for n, part in enumerate(version.parts):
        alone = SAMPLES.only(np.array([n]))
        recipe = replace(PER_SYMBOL, name=f"lstm-{part.symbols[0]}")
        expected = recipe.fit(alone, ASOF, seed=1)
        assert part.version.id == expected.id
        assert out[n].tobytes() == expected.predict(alone.features, alone.mask[360], 360)[0].tobytes()


def test_noise_in_one_symbol_leaves_the_models_of_the_others():
    values = SAMPLES.features.values.copy()
    values[0] = np.random.default_rng(0).normal(size=values[0].shape)
    other = replace(SAMPLES, features=replace(SAMPLES.features, values=values))
    before, after = (GroupedRecipe(PER_SYMBOL).fit(s, ASOF, seed=1).parts for s in (SAMPLES, other))
    same = [a.version.id == b.version.id for a, b in zip(before, after, strict=True)]
    assert same == [False, True, True, True]


def test_nothing_after_asof_reaches_a_grouped_version():
    from tests.causality import replace_future

    noisy = own_groups(samples_of(replace_future(PANEL, ASOF, np.random.default_rng(3)), "return"))
    assert GroupedRecipe(PER_SYMBOL).fit(noisy, ASOF, 1).id == GroupedRecipe(PER_SYMBOL).fit(SAMPLES, ASOF, 1).id


def test_a_grouped_version_comes_back_from_the_registry_with_the_same_scores(tmp_path):
    version = GroupedRecipe(PER_SYMBOL).fit(SAMPLES, ASOF, seed=1)
    stored = load_version(save_version(version, tmp_path))
    assert stored.id == version.id
    a, b = (v.predict(SAMPLES.features, SAMPLES.mask[360], 360) for v in (version, stored))
    assert a.tobytes() == b.tobytes()


def test_a_symbol_that_cannot_be_fitted_has_no_score_and_the_manifest_says_why():
    mask = SAMPLES.mask.copy()
    mask[: ASOF + 1, 1] = False  # listed the day after
    young = replace(SAMPLES, mask=mask)
    version = GroupedRecipe(PER_SYMBOL).fit(young, ASOF, seed=1)
    name = SAMPLES.features.symbols[1]
    assert "no training rows" in version.manifest["refused"][name]
    out = version.predict(young.features, young.mask[360], 360)[:, 0]
    assert np.isnan(out).tolist() == [not young.mask[360, n] or n == 1 for n in range(4)]
    with pytest.raises(FitError, match="none of 4 groups could be fitted"):
        GroupedRecipe(PER_SYMBOL).fit(replace(SAMPLES, mask=np.zeros_like(mask)), ASOF, seed=1)


def test_classes_of_a_symbol_without_a_model_are_not_judged():
    mask = SAMPLES.mask.copy()
    mask[: ASOF + 1, 1] = False
    young = replace(own_groups(market_samples("up_down")[1]), mask=mask)
    version = GroupedRecipe(LogisticRecipe()).fit(young, ASOF, seed=1)
    rows = np.arange(ASOF + 1, ASOF + 20)
    found = ClassOutputs.of(Judged(young, rows, (version,), np.zeros(len(rows), dtype=np.int64)))
    assert found is not None
    assert sorted(set(found.n)) == [0, 2, 3]
    assert len(found.t) == len(found.actual) == len(found.values)
    mask[:, [0, 2, 3]] = False
    assert ClassOutputs.of(Judged(replace(young, mask=mask), rows, (version,), np.zeros(19, dtype=np.int64))) is None


def test_settings_of_a_symbols_own_are_its_alone():
    name = SAMPLES.features.symbols[2]
    library = {name: replace(PER_SYMBOL, settings={"hidden": 5, "layers": 1})}
    shared, own = (GroupedRecipe(PER_SYMBOL, o).fit(SAMPLES, ASOF, 1).parts for o in ({}, library))
    assert [a.version.id == b.version.id for a, b in zip(shared, own, strict=True)] == [True, True, False, True]
    assert own[2].version.manifest["settings"]["hidden"] == 5


def test_a_group_that_fails_a_later_fit_keeps_the_version_in_force():
    name, recipe = SAMPLES.features.symbols[1], GroupedRecipe(PER_SYMBOL)
    before = recipe.fit(SAMPLES, ASOF, seed=1)
    mask = SAMPLES.mask.copy()
    mask[: ASOF + 11, 1] = False  # suspended for so long that nothing is left to train on
    gone = replace(SAMPLES, mask=mask)
    after = recipe.fit(gone, ASOF + 10, seed=1, incumbent=Incumbent(before, gate=False))
    same = [a.version.id == b.version.id for a, b in zip(after.parts, before.parts, strict=True)]
    assert same == [False, True, False, False]
    assert "no training rows" in after.manifest["kept"][name]
    assert after.manifest["refused"] == {}
    assert np.isfinite(after.predict(SAMPLES.features, SAMPLES.mask[365], 365)[SAMPLES.mask[365], 0]).all()
    nothing = replace(SAMPLES, mask=np.zeros_like(mask))
    assert recipe.fit(nothing, ASOF + 10, seed=1, incumbent=Incumbent(before)).id == before.id


def test_a_group_keeps_its_own_incumbent():
    ruined = GroupedRecipe(replace(PER_SYMBOL, epochs=1, lr=3.0, clip_norm=100.0))
    good = GroupedRecipe(PER_SYMBOL).fit(SAMPLES, ASOF, seed=1)
    kept = ruined.fit(SAMPLES, ASOF + 10, seed=1, incumbent=Incumbent(good))
    assert sum(a.version.id == b.version.id for a, b in zip(kept.parts, good.parts, strict=True)) >= 1
    plan = RefitPlan((340, 350, 360), start="warm", gate=True)
    timeline = walk_forward(SAMPLES, PANEL.calendar, GroupedRecipe(PER_SYMBOL), (1,), plan)[1]
    scores = score(SAMPLES, timeline, range(341, 380)).column()[341:380]
    assert np.isfinite(scores[SAMPLES.mask[341:380]]).all()
