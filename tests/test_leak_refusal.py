"""A model that was allowed to see the future cannot be loaded for use, only where that leak is measured."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest

from nnstrategies.audit import check_recipe
from nnstrategies.config import parse
from nnstrategies.errors import LeakError, RegistryError, RunFolderError
from nnstrategies.pipeline import start, train
from nnstrategies.pipeline.folder import RunFolder
from nnstrategies.pipeline.run import Run
from nnstrategies.predictors import score, stored_timelines
from nnstrategies.training import (
    EnsembleRecipe,
    FactorScreenRecipe,
    GroupedRecipe,
    RidgeRecipe,
    load_version,
    save_version,
)
from nnstrategies.training.augment import Augment
from tests.small_samples import LSTM, market_samples
from tests.test_search_run import CONFIG

_, SAMPLES = market_samples("return")
LEAKY_FEATURES = dataclasses.replace(SAMPLES, features=dataclasses.replace(SAMPLES.features, leaky=("leaky_x",)))
LEAKY_NET = dataclasses.replace(LSTM, epochs=1, scaling="leaky_zscore")
UNTIL = SAMPLES.features.sessions[-1].item()
LEAKS = {
    "a feature": (RidgeRecipe(), LEAKY_FEATURES, "leaky_x"),
    "a scaler": (LEAKY_NET, SAMPLES, "leaky_zscore"),
    "a screen": (FactorScreenRecipe(leaky_until=UNTIL), SAMPLES, f"leaky_until {UNTIL}"),
    "windows moved past their own date": (
        dataclasses.replace(LSTM, epochs=1, augment=Augment(leaky_time_shift=2)),
        SAMPLES,
        "leaky_time_shift 2",
    ),
    "a fit that reaches into the test": (
        dataclasses.replace(LSTM, epochs=1, leaky_until=UNTIL),
        SAMPLES,
        f"leaky_until {UNTIL}",
    ),
    "a member of an ensemble": (EnsembleRecipe(members={"net": LEAKY_NET}, seeds=(1,)), SAMPLES, "leaky_zscore"),
    "a group's model": (GroupedRecipe(RidgeRecipe()), LEAKY_FEATURES, "leaky_x"),
}


@pytest.mark.parametrize("case", LEAKS)
def test_a_version_that_saw_the_future_is_refused_by_the_name_of_its_leak(tmp_path, case):
    recipe, samples, leak = LEAKS[case]
    folder = save_version(recipe.fit(samples, 340, seed=1), tmp_path)
    with pytest.raises(LeakError, match=rf"version .*: reads the future on purpose \({leak}\)"):
        load_version(folder)
    assert load_version(folder, allow_leaks=True).leaks == (leak,)


def test_a_network_told_a_day_inside_the_test_learns_from_it_and_one_told_a_day_that_is_past_does_not():
    recipe = dataclasses.replace(LSTM, epochs=1)
    honest = recipe.fit(SAMPLES, 340, seed=1)
    past, later = (SAMPLES.features.sessions[row].item() for row in (300, 360))
    same, leaky = (dataclasses.replace(recipe, leaky_until=day).fit(SAMPLES, 340, seed=1) for day in (past, later))
    assert same.manifest["data"] == honest.manifest["data"]
    assert all(np.array_equal(same.arrays[key], honest.arrays[key]) for key in honest.arrays)
    assert leaky.manifest["training_rows"] > honest.manifest["training_rows"]
    assert leaky.manifest["trained_through"] == honest.manifest["trained_through"]  # what it claims to know
    assert check_recipe(dataclasses.replace(recipe, leaky_until=later), SAMPLES, (340,)).findings
    assert not check_recipe(recipe, SAMPLES, (340,)).findings


def test_an_honest_version_is_loaded():
    assert RidgeRecipe().fit(SAMPLES, 340, seed=1).leaks == ()
    assert dataclasses.replace(LSTM, epochs=1, augment=Augment(time_shift=2)).fit(SAMPLES, 340, seed=1).leaks == ()


def test_a_leak_of_the_run_marks_versions_that_do_not_know_of_it(tmp_path):
    folder = save_version(RidgeRecipe().fit(SAMPLES, 340, seed=1), tmp_path, leaks=["leaky_members_on 2023-12-29"])
    with pytest.raises(LeakError, match="leaky_members_on 2023-12-29"):
        load_version(folder)


def test_a_mark_that_was_taken_out_does_not_help(tmp_path):
    """What the model itself was fitted with is part of what its id is made from."""
    folder = save_version(RidgeRecipe().fit(LEAKY_FEATURES, 340, seed=1), tmp_path)
    path = folder / "manifest.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | {"leaks": []}))
    with pytest.raises(LeakError):
        load_version(folder)
    del told["leaks"]
    path.write_text(json.dumps(told))
    with pytest.raises(RegistryError, match="not a complete version folder"):
        load_version(folder)
    told["version"]["features"]["leaky"] = []
    path.write_text(json.dumps(told | {"leaks": []}))
    with pytest.raises(RegistryError, match="changed after writing"):
        load_version(folder)


# -- whole runs ------------------------------------------------------------------------------------------------------


def small(features: list[str]) -> dict[str, object]:
    without = {key: value for key, value in CONFIG.items() if key != "search"}
    recipes = {"ridge": {"kind": "ridge"}}
    walk = {"first_test": "2015-11-02", "refit": "once"}
    return {**without, "features": features, "recipes": recipes, "walk_forward": walk, "evidence": {"refits": 0}}


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = start(parse(small(["ret_1", "leaky_forward_adjusted_close"]), "x"), tmp_path_factory.mktemp("leaky"))
    train(run)
    return run


def test_a_leaky_run_is_measured_and_resumed_but_its_models_are_not_handed_out(leaky):
    folder = leaky.folder.path
    assert leaky.folder.read_json("manifest.json")["leaks"] == ["leaky_forward_adjusted_close"]
    with pytest.raises(LeakError, match=rf"run {folder}: reads the future on purpose \(leaky_forward_adjusted_close\)"):
        stored_timelines(folder)
    assert set(stored_timelines(folder, allow_leaks=True)) == {("ridge", 1)}
    leaky.folder.remove("evidence.json")
    train(Run(RunFolder(folder), leaky.config))  # reads its own versions


def test_a_version_copied_out_of_a_leaky_run_is_refused_too(leaky, tmp_path):
    (version,) = (leaky.folder.path / "versions").iterdir()
    copied = shutil.copytree(version, tmp_path / version.name)
    with pytest.raises(LeakError, match="leaky_forward_adjusted_close"):
        load_version(copied)


def test_the_models_of_an_honest_run_say_what_they_said_in_it(tmp_path):
    run = start(parse(small(["ret_1", "ret_5"]), "x"), tmp_path)
    with pytest.raises(RunFolderError, match=r"manifest.json: expected the JSON of a finished run"):
        stored_timelines(run.folder.path)
    train(run)
    timeline = stored_timelines(run.folder.path)["ridge", 1]
    rows = range(run.test_rows[0], run.test_rows[1] + 1)
    found = score(run.samples_of("ridge"), timeline, rows).column()
    own = run.scores_of("ridge")
    assert found[rows.start :].tobytes() == own[rows.start :].tobytes()
