"""What may be searched: keys and types checked at the edge, candidates that are what they say."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nnstrategies.config import fast, parse, to_tree
from nnstrategies.errors import ConfigError
from nnstrategies.search import SearchSettings, Space, check_search, with_values
from nnstrategies.search.space import Range, _listed, check_params
from nnstrategies.training import (
    EnsembleRecipe,
    FactorScreenRecipe,
    GroupedRecipe,
    LogisticRecipe,
    Recipe,
    RidgeRecipe,
    SVMRecipe,
)
from nnstrategies.training.augment import Augment
from tests.small_samples import ALL, LSTM

RIDGE = RidgeRecipe()
CONFIG = {
    "name": "small",
    "data": {"source": "simulated", "symbols": 12, "members": 8, "sessions": 300},
    "walk_forward": {"first_test": "2015-12-01", "refit": "year"},
    "recipes": {"ridge": {"kind": "ridge"}, "lstm": {"kind": "network", "model": "lstm"}},
    "headline": "ridge",
}


def config_with(**search: object) -> dict[str, object]:
    usual = {"recipe": "lstm", "space": {"settings.hidden": [4, 8]}}
    return {**CONFIG, "search": {**usual, **search}}


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ({"recipe": "lstn"}, "search: recipe: 'lstn' is no recipe; did you mean 'lstm'"),
        ({"method": "random"}, "method"),
        ({"folds": 0}, "folds: expected at least 1, got 0"),
        ({"trial": 3}, "trial: unknown key; did you mean 'trials'"),
        ({"space": {}}, "space: expected at least one setting"),
        ({"space": {"settings.hiden": [4, 8]}}, "lstm have no such setting; did you mean 'hidden'"),
        ({"space": {"lrr": [0.1, 0.2]}}, "space.lrr: recipe lstm has no such setting; did you mean 'lr'"),
        ({"space": {"augment.nois": [0.1, 0.2]}}, "did you mean 'noise'"),
        ({"space": {"augment": [0.1, 0.2]}}, "augment is a section; name one of its keys"),
        ({"space": {"settings": {"hidden": [4, 8]}}}, "settings is a section"),
        ({"space": {"lr.low": [0.1, 0.2]}}, "lr is a single value"),
        ({"space": {"name": ["a", "b"]}}, "no such setting"),
        ({"space": {"device": ["cpu", "cuda"]}}, "no such setting"),
        ({"space": {"settings.hidden": [4, 8.5]}}, r"settings.hidden: expected int, got 8.5"),
        ({"space": {"batch": [True, 8]}}, "expected int, got True"),
        ({"space": {"lr": ["fast", 0.1]}}, "lr: expected float, got 'fast'"),
        ({"space": {"init": ["xavier", "normla"]}}, "init: expected"),
        ({"space": {"lr": [0.1]}}, "at least two different values"),
        ({"space": {"lr": [0.1, "1e-1"]}}, "at least two different values"),
        ({"space": {"lr": 0.1}}, "expected a list of values, or low and high"),
        ({"space": {"lr": {"low": 0.1}}}, "expected low and high, got low"),
        ({"space": {"lr": {"low": 0.1, "high": 0.2, "logs": True}}}, "did you mean 'log'"),
        ({"space": {"lr": {"low": 0.2, "high": 0.1}}}, "expected low < high"),
        ({"space": {"lr": {"low": 0.0, "high": 0.1, "log": True}}}, "expected low > 0"),
        ({"space": {"lr": {"low": 0.1, "high": 0.2, "step": 0.5}}}, "step: expected more than 0 and at most high"),
        ({"space": {"init": {"low": 1, "high": 2}}}, "need a setting that is a number"),
        ({"space": {"scaling": ["zscore", "leaky_zscore"]}}, "leaky_zscore reads the future on purpose"),
        ({"every": "month"}, "walk_forward.refit year; search no oftener"),
        ({"method": "grid", "space": {"lr": {"low": 0.1, "high": 0.2}}}, "the grid has inf combinations"),
        ({"method": "grid", "trials": 3, "space": {"batch": {"low": 1, "high": 4}}}, "the grid has 4 combinations"),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_anything_runs(search, said):
    with pytest.raises(ConfigError, match=r"^small\.yaml: search") as error:
        parse(config_with(**search), "small.yaml")
    assert said in str(error.value)


def test_accuracy_needs_classes():
    tree = config_with(objective="accuracy") | {"label": {"kind": "return"}}
    with pytest.raises(ConfigError, match="accuracy needs a label of classes"):
        parse(tree, "small.yaml")


PERCENT = {
    "lstm": replace(LSTM, target="percent"),
    "ridge": RidgeRecipe(target="percent"),
    "gradient_boosting": replace(ALL["gradient_boosting"], target="percent"),
}
RETURNS = {**{name: replace(one, target="rank") for name, one in PERCENT.items()}, "momentum": ALL["momentum"]}
CLASSES = {"logistic": LogisticRecipe(), "svm": SVMRecipe(), "ridge": RidgeRecipe(), "lstm": LSTM}
VARIED = {"lstm": "epochs", "ridge": "penalty", "gradient_boosting": "leaves", "momentum": "feature"}


def searched(recipe: str, objective: str) -> SearchSettings:
    values = ["ret_1", "volatility_20"] if recipe == "momentum" else [1, 2]
    return SearchSettings(recipe, {VARIED.get(recipe, "penalty"): values}, every="once", objective=objective)


def refusal(name: str, objective: str, recipes: dict[str, Recipe], label: str, groups: str) -> str:
    try:
        check_search(searched(name, objective), recipes, label, "year", groups)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("objective", ["rank_ic", "loss"])
@pytest.mark.parametrize("name", list(PERCENT))
def test_forecasts_in_percent_of_single_symbols_may_be_searched_by_rank_ic_and_by_loss(name, objective):
    check_search(searched(name, objective), PERCENT, "return", "year", "symbol")


@pytest.mark.parametrize("groups", ["pooled", "symbol"])
@pytest.mark.parametrize("label", ["return", "up_down", "buy_hold_sell"])
@pytest.mark.parametrize("objective", ["accuracy", "loss"])
@pytest.mark.parametrize("recipes", [RETURNS, CLASSES, PERCENT])
def test_what_is_refused_for_its_objective_passes_with_the_mend_it_is_given(recipes, objective, label, groups):
    """Advice that is refused in its turn would be no advice."""
    for name in recipes:
        said = refusal(name, objective, recipes, label, groups)
        if not said:
            continue
        mends = [mend for mend in ("rank_ic", "loss") if mend in said.partition("take ")[2]]
        assert "rank_ic" in mends
        assert not any(refusal(name, mend, recipes, label, groups) for mend in mends)
        if "target: percent" in said:
            assert not refusal(name, objective, {name: replace(recipes[name], target="percent")}, label, groups)


def test_the_fast_form_has_fewer_trials_and_all_of_a_grid():
    """A grid with fewer trials than combinations would be refused when the run folder is opened again."""
    spans = {"settings.hidden": {"low": 4, "high": 7}, "batch": [32, 64, 128]}
    for method, trials in (("grid", 30), ("gp", 10)):
        config = fast(parse(config_with(space=spans, method=method), "small.yaml"))
        assert config.search.trials == trials
        assert parse(to_tree(config), "again.yaml").search == config.search


@pytest.mark.parametrize(
    ("changes", "trials"),
    [
        ({"search.trials": 100}, 10),
        ({"search.space": {"batch": [32, 64]}, "search.method": "grid"}, 30),  # as many as the run's, for both values
        ({"search": {"recipe": "lstm", "space": {"settings.hidden": [4, 8]}, "trials": 50}}, 10),
        ({"search": None}, None),
        ({"seeds": [7]}, None),
    ],
)
def test_the_fast_form_cuts_the_trials_of_a_variant_too(changes, trials):
    given = {**config_with(), "variants": {"other": {"note": "x", "set": changes}}}
    variant = fast(parse(given, "small.yaml")).variants["other"]
    assert variant.set.get("search.trials") == trials


def test_a_loss_within_a_date_means_nothing_for_a_symbol_alone():
    settings = searched("lstm", "loss")
    check_search(settings, {"lstm": LSTM}, "return", "year", "pooled")
    with pytest.raises(ConfigError, match=r"set recipes\.lstm\.target: percent, or take rank_ic"):
        check_search(settings, {"lstm": LSTM}, "return", "year", "symbol")
    either = replace(settings, space={"target": ["rank", "percent"]})
    check_search(either, {"lstm": LSTM}, "return", "year", "symbol")


def test_a_search_per_symbol_needs_a_model_per_symbol():
    settings = replace(searched("ridge", "loss"), per="symbol")
    check_search(settings, PERCENT, "return", "year", "symbol")
    with pytest.raises(ConfigError, match="set groups: symbol, or leave out per"):
        check_search(settings, PERCENT, "return", "year", "pooled")


def test_a_library_takes_the_place_of_a_space():
    check_search(SearchSettings("ridge", library="runs/a/search.json"), PERCENT, "return", "year")
    with pytest.raises(ConfigError, match="leave out space, or the library"):
        replace(searched("ridge", "loss"), library="runs/a/search.json")
    with pytest.raises(ConfigError, match="space: expected at least one setting"):
        SearchSettings("ridge")


def test_a_config_with_a_search_survives_being_written_and_read():
    text = """
    space: {settings.hidden: [4, 8], lr: {low: 1e-4, high: 1e-2, log: true}, train_days: [null, 252]}
    recipe: lstm
    objective: loss
    """
    config = parse({**CONFIG, "search": yaml.safe_load(text)}, "x")
    again = parse(yaml.safe_load(yaml.safe_dump(to_tree(config))), "x")
    assert again == config
    assert config.search.sign == -1
    assert parse(CONFIG, "x").search is None
    assert parse(yaml.safe_load(yaml.safe_dump(to_tree(parse(CONFIG, "x")))), "x").search is None


def test_numbers_as_yaml_reads_them_and_none_where_the_setting_allows_it():
    lr = Space.of(LSTM, {"lr": yaml.safe_load("{low: 1e-4, high: 1e-2, log: true}")}).parameters["lr"]
    assert lr == Range(1e-4, 1e-2, whole=False, log=True)
    assert Space.of(LSTM, {"train_days": [None, 252]}).parameters["train_days"].values == (None, 252)
    with pytest.raises(ConfigError, match="batch: expected int, got None"):
        Space.of(LSTM, {"batch": [None, 8]})


def test_settings_of_every_network_that_is_searched_are_known():
    space = Space.of(LSTM, {"model": ["lstm", "cnn_lstm"], "settings.channels_1": [4, 8]})
    assert space.size() == 4
    with pytest.raises(ConfigError, match="lstm have no such setting"):
        Space.of(LSTM, {"settings.channels_1": [4, 8]})


def test_values_of_one_section_are_set_together():
    """lr_decay belongs to a step schedule: one after the other they would be refused on the way."""
    found = with_values(LSTM, {"schedule.kind": "cosine", "schedule.floor": 0.1, "settings.hidden": 3, "lr": 0.5})
    assert (found.schedule.kind, found.schedule.floor, found.lr) == ("cosine", 0.1, 0.5)
    assert found.settings == {**LSTM.settings, "hidden": 3}
    assert LSTM.lr == 0.01
    with pytest.raises(ConfigError, match="belongs to schedule step"):
        with_values(replace(LSTM, lr_decay=0.9), {"schedule.kind": "cosine"})


def test_a_recipe_fitted_by_symbol_is_changed_inside():
    found = with_values(GroupedRecipe(RIDGE), {"penalty": 3.0})
    assert found == GroupedRecipe(replace(RIDGE, penalty=3.0))
    assert Space.of(GroupedRecipe(RIDGE), {"penalty": [1, 2]}).size() == 2


def test_a_member_of_an_ensemble_is_searched_by_its_name():
    both = EnsembleRecipe({"plain": LSTM, "noisy": replace(LSTM, augment=Augment(noise=0.1))})
    tree = {
        "members.noisy.augment.noise": [0.05, 0.2],
        "members.plain.settings.hidden": [4, 8],
        "weights": ["equal", "validation"],
    }
    assert Space.of(both, tree).size() == 8
    found = with_values(both, {"members.noisy.augment.noise": 0.2, "members.noisy.lr": 0.5, "weights": "equal"})
    assert (found.members["noisy"].augment.noise, found.members["noisy"].lr, found.weights) == (0.2, 0.5, "equal")
    assert found.members["plain"] == LSTM
    for key, said in (
        ("members.loud.lr", "expected a setting of a member: members.plain.SETTING, members.noisy.SETTING"),
        ("members.noisy", "expected a setting of a member"),
        ("members.noisy.lrr", "recipe lstm has no such setting; did you mean 'lr'"),
        ("members.noisy.settings.hiden", "lstm have no such setting; did you mean 'hidden'"),
    ):
        with pytest.raises(ConfigError, match=f"space.{key}: .*{said}"):
            Space.of(both, {key: [1, 2]})


def test_a_grid_is_every_combination_once():
    space = Space.of(LSTM, {"batch": {"low": 8, "high": 24, "step": 8}, "lr": {"low": 0.1, "high": 0.3, "step": 0.1}})
    grid = space.grid()
    assert len(grid) == space.size() == 9
    assert {(p["batch"], p["lr"]) for p in grid} == {(b, lr) for b in (8, 16, 24) for lr in (0.1, 0.2, 0.3)}
    assert all(type(p["batch"]) is int and type(p["lr"]) is float for p in grid)


@given(low=st.integers(-50, 50), steps=st.integers(1, 40), step=st.sampled_from([1, 2, 5]))
def test_listed_values_begin_at_low_end_by_high_and_are_evenly_spaced(low, steps, step):
    high = low + steps * step
    whole = _listed(Range(low, high, whole=True, step=step))
    parts = _listed(Range(low / 10, high / 10, whole=False, step=step / 10))
    assert whole == list(range(low, high + 1, step))
    assert len(parts) == steps + 1
    assert all(math.isclose(p, w / 10, abs_tol=1e-9) for p, w in zip(parts, whole, strict=True))


def test_every_recipe_that_ships_can_be_checked():
    for name, recipe in ALL.items():
        key = {"momentum": "feature", "ridge": "penalty", "gradient_boosting": "leaves"}.get(name, "epochs")
        values = ["ret_1", "volatility_20"] if name == "momentum" else [1, 2]
        settings = SearchSettings(recipe.name, {key: values}, every="once")
        check_search(settings, {recipe.name: recipe}, "buy_hold_sell", "year")


@pytest.mark.parametrize(
    ("recipe", "params"), [(LSTM, {"scaling": "leaky_zscore"}), (FactorScreenRecipe(), {"leaky_until": "2020-08-31"})]
)
def test_a_library_cannot_bring_in_a_leak_that_no_run_is_stamped_with(recipe, params):
    with pytest.raises(ConfigError, match=r"leaky_.* reads the future on purpose and is not searched"):
        check_params(recipe, params)
