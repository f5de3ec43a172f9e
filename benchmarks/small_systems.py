"""The published systems cut down to a simulated market: their committed configs with less of everything.

Market, dates, rule book, costs, sizes of networks and windows, epochs and counts are cut. All else is what the config
says: features, labels, tasks, portfolios, recipes, scaling, refits, how scores are judged.
"""

from __future__ import annotations

import argparse
import copy
import logging
from collections.abc import Mapping
from importlib import resources
from typing import Any

import torch
import yaml

from nnstrategies.checked import place
from nnstrategies.config import available, parse
from nnstrategies.pipeline.console import console
from nnstrategies.pipeline.variants import config_of
from nnstrategies.settings import RunConfig

Tree = dict[str, Any]

CONFIGS = {
    "S1": "s1_cnn_lstm_timing",
    "S2": "s2_cnn_lstm_portfolio",
    "S3": "s3_lstm_forecaster",
    "S4": "s4_lstm_filter",
    "S5": "s5_threshold_lstm",
}
# Dotted key -> value; * stands for every section there.
_ALL: Tree = {"market": "simulated", "costs": {"kind": "flat"}, "seeds": [1, 2], "evidence.refits": 1}
_MARKET = {"source": "simulated", "late_listings": 0.0}
_FEW = {"symbols": 3, "members": 3, "sessions": 480, "seed": 5}  # of systems that forecast single stocks
_SHORT = {"epochs": 1, "stride_days": 5, "batch": 16}
_SINGLE: Tree = {
    "data": _MARKET | _FEW,
    "walk_forward": {"first_test": "2016-07-01", "last_test": "2016-10-31", "refit": "once", "valid_days": 30},
    "recipes.gradient_boosting.iterations": 8,
    "evidence.every_days": 10,
}


def _short(*recipes: str) -> Tree:
    return {f"recipes.{name}.{key}": value for name in recipes for key, value in _SHORT.items()}


def _window(days: int) -> Tree:
    return {"window": days, "tasks.direction.window": days}


def into_the_test(day: str) -> Tree:
    """S5's variant whose training ends on ``day``, inside the test."""
    changes = {"leaky_until": day, "train_days": 1400, "valid_days": 0}
    return {f"recipes.sequence_lstm.{key}": value for key, value in changes.items()} | {"evidence.refits": 0}


def members_of(day: str) -> Tree:
    """The variant with the members of ``day``, the test's last, all along."""
    return {"data.leaky_members_on": day, "evidence.refits": 0}


def chosen_on_the_test(last: str, test_days: int, valid_days: int) -> Tree:
    """S2's variant whose epoch is chosen on the test of ``test_days`` sessions to ``last``."""
    changes = {"leaky_until": last, "valid_days": test_days, "embargo_days": valid_days}
    return {f"recipes.cnn_lstm.{key}": value for key, value in changes.items()} | {"evidence.refits": 0}


_CUTS: dict[str, Tree] = {
    "S1": {
        "data": {
            "source": "simulated",
            "symbols": 24,
            "members": 16,
            "sessions": 520,
            "seed": 5,
            "start": "2012-01-04",
        },
        "walk_forward": {"first_test": "2013-09-02", "last_test": "2014-02-14", "refit": "once", "valid_days": 40},
        "recipes.cnn.epochs": 2,
        "recipes.cnn.settings": {"channels_1": 4, "channels_2": 4, "grid": 2, "hidden": 8, "dense": 6},
        "recipes.lstm.epochs": 2,
        "recipes.lstm.settings": {"hidden": 6, "dense": 4},
        "recipes.timer.epochs": 2,
        "recipes.timer.settings": {"hidden": 6, "dense": 4},
        "strategy.top_n": 5,
        "variants.leaky_members.set": members_of("2014-02-14"),
    },
    "S2": {
        "data": _MARKET | {"symbols": 20, "members": 16, "sessions": 480, "seed": 5},
        "walk_forward": {"first_test": "2016-07-01", "last_test": "2016-12-15", "refit": "once", "valid_days": 40},
        "recipes.cnn_lstm.epochs": 2,
        "recipes.cnn_lstm.settings": {"channels_1": 4, "channels_2": 8, "hidden": 8, "dense": 8},
        "variants.test_chooses_the_epoch.set": chosen_on_the_test("2016-12-15", 115, 40),
        "variants.leaky_members.set": members_of("2016-12-15"),
        "strategy.top_n": 5,
        "strategy.min_listed_days": 0,
    },
    "S3": _SINGLE | _short("lstm", "lstm_open") | _window(10) | {"tasks.opening.window": 10},
    "S4": {
        "data": _MARKET | {"symbols": 24, "members": 18, "sessions": 560, "seed": 4},
        "walk_forward": {"first_test": "2016-12-01", "last_test": "2017-02-28", "refit": "quarter"},
        "recipes.factors.train_days": 60,
        "recipes.lstm.settings": {"layers": 3, "hidden": 4, "dropout": 0.2},
        "recipes.lstm.epochs": 1,
        "recipes.lstm.valid_days": 40,
        "recipes.lstm.stride_days": 2,
        "tasks.filter.window": 8,
        "tasks.filter.picks": {"of": "factors", "since": "2016-07-01", "top_n": 6},
        "variants.screened_to_2020_08.set": {"recipes.factors.leaky_until": "2017-02-28", "evidence.refits": 0},
        "variants.trained_into_the_test.set": {"recipes.lstm.leaky_until": "2017-02-28", "evidence.refits": 0},
        "strategy.top_n": 6,
        "strategy.max_weight": 0.3,
    },
    "S5": _SINGLE
    | _short("bp", "segment_lstm", "sequence_lstm")
    | _window(20)
    | {"variants.trained_into_the_test.set": into_the_test("2016-08-31")},
}


def shipped() -> list[str]:
    """Systems whose config is there."""
    return [system for system, name in CONFIGS.items() if name in available()]


def small_tree(system: str, changes: Mapping[str, Any] | None = None) -> Tree:
    """The committed config, cut down, with further ``changes`` (dotted key -> value) on top; ``parse`` checks it."""
    path = resources.files("nnstrategies.configs").joinpath("systems", f"{CONFIGS[system]}.yaml")
    tree: Tree = yaml.safe_load(path.read_text("utf-8"))
    for key, value in (_ALL | _CUTS[system] | dict(changes or {})).items():
        place(tree, key, copy.deepcopy(value), system)
    return tree


def headline_alone(tree: Mapping[str, Any], variant: str | None = None) -> RunConfig:
    """Only the recipes that the headline portfolio is made of, as they are or with a variant's keys changed."""
    whole = parse(tree, "small system")
    parts = list(whole.traded[whole.headline].recipes)
    changed = dict(whole.variants[variant].set) if variant else {}
    note = whole.variants[variant].note if variant else "the headline's recipes alone"
    refits = {"evidence.refits": whole.evidence.refits} if variant is None else {}
    alone = {"alone": {"note": note, "set": changed | refits, "recipes": parts}}
    return config_of(parse({**tree, "variants": alone}, "small system"), "alone")


def asked(description: str, first_seed: int, seeds: int) -> tuple[list[str], range]:
    """Systems and seeds of the command line; from here on runs print nothing and torch has one thread."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--systems", nargs="+", default=shipped())
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    console.quiet = True
    torch.set_num_threads(1)
    return arguments.systems, range(first_seed, first_seed + arguments.seeds)
