"""What a config says about judging: named periods, and a paper's figures of classes."""

from __future__ import annotations

import copy
import datetime as dt
from typing import Any

import pytest
import yaml
from test_config import SMALL

from nnstrategies.config import parse, to_tree
from nnstrategies.errors import ConfigError

CRASH = {"crash": ["2016-02-01", "2016-03-31"]}


def small(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(SMALL), **changes}


def test_periods_are_dates_and_their_resolved_form_is_the_same_config():
    config = parse(small(periods=CRASH), "x")
    assert config.periods == {"crash": (dt.date(2016, 2, 1), dt.date(2016, 3, 31))}
    assert parse(yaml.safe_load(yaml.safe_dump(to_tree(config))), "x") == config


def test_published_classes_name_a_recipe_and_figures_of_its_label():
    said = {"source": "x", "classes": {"net": {"accuracy": 0.685, "buy": 0.736, "bull": 0.742, "hours": 12.3}}}
    assert parse(small(published=said), "x").published.classes["net"]["hours"] == 12.3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"periods": ["crash"]}, r"x: periods: expected names with first and last day, got \['crash'\]"),
        ({"periods": {"a": ["2016-02-30", "2016-03-31"]}}, r"x: periods\.a: expected two dates.*got \[2016-02-30, "),
        ({"periods": {"a": ["2016-02-01"]}}, r"x: periods\.a: expected two dates, such as .*got \[2016-02-01\]"),
        ({"periods": {"a": 2016}}, r"x: periods\.a: expected two dates.*got 2016"),
        ({"periods": {"a": ["2016-03-01", "2016-02-01"]}}, r"x: periods\.a: expected a first day before the last"),
        ({"periods": {"a b": ["2016-02-01", "2016-03-01"]}}, r"x: periods: expected letters, digits"),
    ],
)
def test_a_wrong_period_is_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        parse(small(**changes), "x")


@pytest.mark.parametrize(
    ("classes", "label", "message"),
    [
        ({"nett": {"accuracy": 0.6}}, "buy_hold_sell", r"classes: 'nett' is no recipe; did you mean 'net'\?"),
        ({"net": {"acuracy": 0.6}}, "buy_hold_sell", r"classes\.net: 'acuracy' is no figure; did you mean 'accuracy'"),
        ({"net": {"up": 0.6}}, "buy_hold_sell", r"classes\.net: 'up' is no figure"),
        ({"net": {"accuracy": 68.5}}, "buy_hold_sell", r"classes\.net\.accuracy: expected a share between 0 and 1"),
        ({"net": {"hours": -1.0}}, "buy_hold_sell", r"classes\.net\.hours: expected hours, got -1"),
        ({"net": {"accuracy": 0.6}}, "return", r"classes\.net: expected a recipe whose label has classes"),
    ],
)
def test_a_wrong_published_figure_of_classes_is_named(classes, label, message):
    tree = small(published={"source": "x", "classes": classes}, label={"kind": label})
    with pytest.raises(ConfigError, match=message):
        parse(tree, "x")
