"""Configs: what ships parses, what is resolved parses again to the same, and every mistake is named."""

from __future__ import annotations

import copy
from dataclasses import fields
from typing import Any

import pytest
import yaml
from typer.main import get_command

from nnstrategies.cli import app
from nnstrategies.config import available, fast, parse, read_config, to_tree
from nnstrategies.errors import ConfigError
from nnstrategies.settings import RunConfig

SMALL: dict[str, Any] = {
    "name": "small",
    "data": {"source": "simulated", "symbols": 20, "members": 12, "sessions": 300},
    "walk_forward": {"first_test": "2016-01-04"},
    "recipes": {"ridge": {"kind": "ridge"}, "net": {"kind": "network", "model": "lstm", "settings": {"hidden": 8}}},
    "headline": "net",
}


CHINA = {"source": "china", "folder": "tables", "start": "2010-01-04", "end": "2020-08-31"}


def small(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(SMALL), **changes}


@pytest.mark.parametrize("name", available())
def test_every_config_that_ships_parses_and_its_resolved_form_is_the_same_config(name):
    config = read_config(name)
    assert parse(yaml.safe_load(yaml.safe_dump(to_tree(config))), name) == config


def test_the_defaults_of_a_network_are_the_papers():
    recipe = parse(small(), "x").recipes["net"]
    assert (recipe.name, recipe.model, recipe.epochs, recipe.batch, recipe.patience) == ("net", "lstm", 200, 64, 10)


def test_the_help_of_fast_names_everything_that_it_cuts():
    whole = parse(small(seeds=[1, 2, 3], evidence={"refits": 19}), "x")
    fewer = fast(whole)
    assert {f.name for f in fields(whole) if getattr(whole, f.name) != getattr(fewer, f.name)} == {
        *("name", "title", "seeds", "recipes", "evidence"),
    }
    assert fewer.evidence.refits == 5
    (option,) = [one for one in get_command(app).commands["run"].params if one.name == "fast"]
    assert option.help == "Fewer seeds, epochs, search trials and refits on shuffled labels (5); everything else stays."


def test_a_config_is_frozen():
    config = parse(small(), "x")
    with pytest.raises(AttributeError):
        config.window = 3  # type: ignore[misc]


def test_overrides_reach_into_sections_and_keep_their_types():
    config = read_config(
        "quickstart", ["costs.fee_bps=5", "recipes.lstm.epochs=2", "seeds=[4, 5]", "strategy.stop=null"]
    )
    assert config.costs.fee_bps == 5
    assert config.recipes["lstm"].epochs == 2
    assert config.seeds == (4, 5)
    assert config.strategy.stop is None


def test_a_length_changed_in_a_resolved_config_reaches_the_recipes_that_do_not_name_their_own(tmp_path):
    members = {"net": {**SMALL["recipes"]["net"], "embargo_days": 3}}
    recipes = {
        **SMALL["recipes"],
        "own": {"kind": "ridge", "train_days": 77},
        "all": {"kind": "ridge", "train_days": None},
        "joint": {"kind": "ensemble", "members": members},
    }
    path = tmp_path / "config.yaml"
    for before in ({}, {"train_days": 126, "embargo_days": 2}):
        config = parse(small(recipes=recipes, walk_forward={**SMALL["walk_forward"], **before}), "x")
        path.write_text(yaml.safe_dump(to_tree(config)), encoding="utf-8")
        assert read_config(path) == config
        sets = ["walk_forward.train_days=252", "walk_forward.valid_days=60", "walk_forward.embargo_days=5"]
        found = read_config(path, sets).recipes
        nets = [
            (one.train_days, one.valid_days, one.embargo_days) for one in (found["net"], found["joint"].members["net"])
        ]
        assert nets == [(252, 60, 5), (252, 60, 3)]
        assert (found["ridge"].train_days, found["own"].train_days) == (252, 77)
    assert found["all"].train_days is None  # its own: all of the past, where the others had 126 sessions


def changed(path: str, value: Any) -> dict[str, Any]:
    tree = small()
    *parents, last = path.split(".")
    node = tree
    for parent in parents:
        node = node.setdefault(parent, {})
    node[last] = value
    return tree


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (changed("windw", 3), r"x: windw: unknown key; did you mean 'window'\?"),
        (changed("costs", {"kind": "flat", "fee_bp": 3}), r"x: costs: fee_bp: unknown key; did you mean 'fee_bps'\?"),
        (changed("recipes.net.epoch", 3), r"x: recipes\.net: epoch: unknown key; did you mean 'epochs'\?"),
        (changed("strategy.stop.bas", 0.1), r"x: strategy\.stop: bas: unknown key; did you mean 'base'\?"),
        (changed("data.source", "simulate"), r"x: data\.source: unknown source 'simulate'; did you mean 'simulated'\?"),
        (changed("data.members", 99), r"x: data.*members: expected at most symbols = 20, got 99"),
        (changed("recipes.net.model", "lstn"), r"x: recipes\.net.*'lstn'.*did you mean 'lstm'\?"),
        (
            changed("recipes.net.settings", {"hiden": 3}),
            r"x: recipes\.net.*unknown setting 'hiden'.*did you mean 'hidden'\?",
        ),
        (changed("recipes.net.epochs", "many"), r"x: recipes\.net\.epochs: expected a whole number, got 'many'"),
        (changed("headline", "nett"), r"x: headline: 'nett' is no recipe; did you mean 'net'\?"),
        (changed("inputs", {"rige": ["ret_1"]}), r"x: inputs: 'rige' is no recipe; did you mean 'ridge'\?"),
        (changed("seeds", [1, 1]), r"x: seeds: expected different whole numbers"),
        (changed("seeds", [1, -1]), r"x: seeds: expected .* from 0 to 2\*\*32 - 1, got \[1, -1\]"),
        (changed("seeds", [2**32]), r"x: seeds: expected .* from 0 to 2\*\*32 - 1, got \[4294967296\]"),
        (
            changed("recipes.both", {"kind": "ensemble", "members": {"a": {"kind": "ridge"}}, "seeds": [-1]}),
            r"x: recipes\.both.*expected members and different seeds from 0 on, got 1 members and seeds \[-1\]",
        ),
        (changed("window", 0), r"x: window: expected at least 1 session"),
        (changed("label.kind", "updown"), r"x: label\.kind: .*'up_down'.*got 'updown'"),
        (changed("walk_forward.last_test", "2015-06-01"), r"last_test: expected .* 2016-01-04, got 2015-06-01; end"),
        (
            changed("walk_forward.refit", "weekly"),
            r"x: walk_forward\.refit: expected 'once'.* or a whole number, got 'w",
        ),
        (
            changed("recipes.net.settings", {"hidden": "x"}),
            r"x: recipes\.net\.settings\.hidden: expected a number.*'x'",
        ),
        (changed("data.seed", [1]), r"x: data\.seed: expected a whole number, got \[1\]"),
        (changed("strategy.repair", "maybe"), r"x: strategy\.repair: expected true or false, got 'maybe'"),
        (changed("strategy.stop", 5), r"x: strategy\.stop: expected keys and values, got 5"),
        (changed("label.thresholds", [0.1]), r"x: label\.thresholds: expected more values, got \[0\.1\]"),
        (changed("label.thresholds", [0, 1, 2]), r"x: label\.thresholds: expected at most 2 values, got \[0, 1, 2\]"),
        (changed("seeds", 3), r"x: seeds: expected a list, such as \[a, b\], got 3"),
        (changed("inputs", {"net": 3}), r"x: inputs\.net: expected text or a list, such as \[a, b\], got 3"),
        (changed("walk_forward.first_test", "soon"), r"x: walk_forward\.first_test: expected a date, such as .*'soon'"),
        (changed("data", CHINA | {"symbols": "A"}), r"x: data\.symbols: expected a list, such as \[a, b\], got 'A'"),
        (changed("data", CHINA | {"symbols": ["A", "B", "A"]}), r"x: data: symbols: expected each .* got A more than"),
        (
            changed("data", CHINA | {"end": "2009-12-31"}),
            r"x: data: end: expected a day after start 2010-01-04, got 2009",
        ),
        (changed("data", CHINA | {"industries": "montly"}), r"x: data: industries: 'montly' .*did you mean 'monthly'"),
        (changed("data", CHINA | {"fundamentals": "Monthly"}), r"x: data: fundamentals: .*did you mean 'monthly'"),
        ({k: v for k, v in SMALL.items() if k != "headline"}, r"x: headline: is needed and missing"),
        (changed("walk_forward", {}), r"x: walk_forward\.first_test: is needed and missing"),
        (changed("account.cash", 0), r"x: account: cash: expected more than 0, got 0"),
        (changed("account.participation", 0), r"x: account: participation: expected 0 < share <= 1, or null, got 0"),
        (changed("strategy.top_n", 0), r"x: strategy: top_n: expected at least 1"),
        (changed("strategy.max_weight", 2), r"x: strategy: max_weight: expected 0 < weight <= 1, got 2"),
        (changed("costs", {"kind": "flat", "fee_bps": -1}), r"x: costs: fee_bps: expected 0 <= bps"),
        (changed("label.thresholds", [0.1, 0.1]), r"x: label: thresholds: expected two rising numbers"),
        (changed("recipes.equal_weight", {"kind": "ridge"}), r"that name is a baseline's; choose another"),
        (changed("recipes.momentum", {"kind": "ridge"}), r"that name is kept for kind momentum"),
        (changed("recipes.a/b", {"kind": "ridge"}), r"x: recipes: expected letters, digits.*got 'a/b'"),
        (changed("recipes.net.name", "other"), r"x: recipes\.net: name: unknown key"),
        (changed("name", "../x"), r"x: name: expected letters, digits.*got '\.\./x'"),
        (
            changed("recipes.m", {"kind": "momentum", "feature": "ret_7"}),
            r"its feature 'ret_7' is not among the features",
        ),
        (changed("recipes", {}), r"x: recipes: expected at least one named recipe"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_its_mend(tree, message):
    with pytest.raises(ConfigError, match=message):
        parse(tree, "x")


NET = SMALL["recipes"]["net"]
RIDGE: dict[str, Any] = {"kind": "ridge", "target": "percent"}
RETURN = {"kind": "return", "horizon_days": 1, "relative": False}
CLASSES = RETURN | {"kind": "up_down"}


@pytest.mark.parametrize(
    ("label", "recipe", "place", "target"),
    [
        (RETURN, NET, "net", "standardised"),
        (RETURN, {**NET, "target": "rank"}, "net", "rank"),
        (RETURN, NET | {"target": "percent"}, None, None),
        (CLASSES, NET, None, None),
        (CLASSES, {"kind": "ridge"}, "net", "rank"),
        (CLASSES, {"kind": "gradient_boosting", "target": "standardised"}, "net", "standardised"),
        (CLASSES, {"kind": "ensemble", "members": {"a": NET, "b": {"kind": "ridge"}}, "weights": "equal"}, "b", "rank"),
        (RETURN, {"kind": "persistence"}, None, None),
    ],
)
def test_a_model_of_one_symbol_must_learn_the_return_itself(label, recipe, place, target):
    symbol = {"measure": "time", "label": label, "recipes": {"own": RIDGE, "net": recipe}, "headline": "own"}
    portfolios = {"own": {"score": "own"}}
    index = {"recipes": ["net"], "label": label, "subject": "benchmark", "measure": "time"}
    each = small(**symbol, groups="symbol", portfolios=portfolios)
    timed = small(**{**symbol, "label": {}, "measure": "across"}, tasks={"index": index}, portfolios=portfolios)
    parse(small(**{**symbol, "label": CLASSES}, portfolios=portfolios), "pooled")
    for tree in (each, timed):
        if place is None:
            parse(tree, "x")
            continue
        message = rf"x: recipes\..*{place}: target: expected percent .*got '{target}'; set target: percent"
        with pytest.raises(ConfigError, match=message):
            parse(tree, "x")


def test_files_and_overrides_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(
        ConfigError, match=r"config nowhere: no such file, and no config of that name; known are csi300, quickstart"
    ):
        read_config("nowhere")
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: [1", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"broken\.yaml: not valid YAML"):
        read_config(broken)
    broken.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"expected readable UTF-8 text"):
        read_config(broken)
    for text, said in (
        ("name: a\nwindow: 5\nlabel:\n  kind: return\n  kind: up_down\n", r"'kind' is written twice.* line 5"),
        ("name: a\ndata: {source: china, start: 2010-13-01}\n", r"2010-13-01 is no date.*month.* line 2"),
        ("name: a\nperiods: {crash: [2015-02-29, 2015-03-01]}\n", r"2015-02-29 is no date.* line 2"),
    ):
        broken.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=rf"broken\.yaml: not valid YAML: {said}"):
            read_config(broken)
    with pytest.raises(ConfigError, match=r"--set data\.start=2010-13-01: not valid YAML: 2010-13-01 is no date"):
        read_config("csi300", ["data.start=2010-13-01"])
    with pytest.raises(ConfigError, match=r"--set costs=\{kind: flat, kind: none\}: .*'kind' is written twice"):
        read_config("quickstart", ["costs={kind: flat, kind: none}"])
    with pytest.raises(ConfigError, match=r"did you mean 'quickstart'"):
        read_config("quikstart")
    with pytest.raises(ConfigError, match=r"--set fee: expected key=value"):
        read_config("quickstart", ["fee"])
    with pytest.raises(ConfigError, match=r"--set window\.x=1: window is a value, not a section"):
        read_config("quickstart", ["window.x=1"])


def test_anchors_and_merged_sections_are_no_doubles(tmp_path):
    written = tmp_path / "merged.yaml"
    tree = small(recipes={"ridge": {"kind": "ridge"}})
    text = yaml.safe_dump(tree).replace("recipes:\n  ridge:\n    kind: ridge\n", "")
    text = text.replace("headline: net", "headline: other")
    text += "recipes:\n  ridge: &base {kind: ridge, penalty: 0.1}\n  other: &next {<<: *base, penalty: 0.2}\n"
    written.write_text(text + "  last: {<<: *next, stride_days: 2}\n", encoding="utf-8")
    recipes = read_config(written).recipes
    assert [(one.penalty, one.stride_days) for one in recipes.values()] == [(0.1, 1), (0.2, 1), (0.2, 2)]


def test_a_config_names_no_class_and_no_module():
    """YAML chooses among what ships; code of one's own comes in by --strategy or from Python."""
    assert all(not isinstance(value, type) for value in vars(read_config("quickstart")).values())
    assert set(RunConfig.__dataclass_fields__) >= {"data", "recipes", "strategy"}
