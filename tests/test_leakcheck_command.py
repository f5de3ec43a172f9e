"""``nnstrategies leakcheck`` on a config and on a user's own files, and the quick part that training begins with."""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path

import pytest
import yaml

from nnstrategies import cli
from nnstrategies.config import read_config
from nnstrategies.errors import ConfigError, LeakError
from nnstrategies.features import FeatureSet
from nnstrategies.pipeline.folder import RunFolder
from nnstrategies.pipeline.leakcheck import quick_check
from nnstrategies.pipeline.own_code import load_features, load_recipe
from nnstrategies.pipeline.run import Run
from tests.leak_gallery import rolled_by_one

CONFIG = {
    "name": "small",
    "data": {"source": "simulated", "symbols": 24, "members": 16, "sessions": 340, "seed": 3, "listing_sessions": 60},
    "features": ["ret_1", "ret_5", "rank_ret_1", "volatility_20"],
    "inputs": {"ridge": ["ret_5", "rank_ret_1"]},
    "window": 5,
    "label": {"kind": "return", "horizon_days": 5},
    "walk_forward": {"first_test": "2015-11-02", "refit": "quarter"},
    "recipes": {"ridge": {"kind": "ridge"}, "reversal": {"kind": "momentum", "feature": "ret_5"}},
    "headline": "ridge",
    "strategy": {"top_n": 5, "rebalance": "week"},
}
OWN = """
import numpy as np
from nnstrategies.features import FeatureSet
from nnstrategies.strategies import RebalanceStrategy
from nnstrategies.training import RidgeRecipe

def honest(panel):
    close = panel.adjusted("close")
    out = np.full(close.shape, np.nan)
    out[1:] = close[1:] / close[:-1] - 1
    return out

def ahead(panel):
    return np.roll(honest(panel), -1, axis=0)

BOTH = FeatureSet({"honest": honest, "ahead": ahead})

class Greedy(RidgeRecipe):
    def fit(self, samples, asof, seed, incumbent=None, progress=None):
        return super().fit(samples, samples.T - 1, seed)

class Needy:
    def __init__(self, what):
        self.what = what

class Peeking(RebalanceStrategy):
    def weigh(self, view):
        close = self.p.panel["close"]
        return np.nan_to_num(close[min(view.t + 1, len(close) - 1)])

NUMBER = 3
"""
STAGES = ("tables", "features", "adj_factor", "labels", "mask", "too good", "gap", "recipe ridge", "recipe reversal")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def checked(*arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and what was said, by the command in this process."""
    monkeypatch.setattr(sys, "argv", ["nnstrategies", "leakcheck", "small.yaml", "--dates", "2", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return int(stopped.value.code or 0), capsys.readouterr().err


def test_a_clean_config_is_said_to_be_clean_and_written_down(folder, monkeypatch, capsys):
    code, said = checked("--out", "found", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0, said
    assert "small: no leak found" in said
    tree = json.loads((folder / "found" / "leakcheck.json").read_text())
    assert {stage["name"] for stage in tree["stages"]} == {*STAGES, "shuffled labels", "strategy"}
    assert {stage["verdict"] for stage in tree["stages"]} == {"clean"}, said
    assert all(stage["checked"] for stage in tree["stages"])
    assert "recipe ridge" in (folder / "found" / "leakcheck.txt").read_text()
    assert not (folder / "runs").exists()


def test_the_same_seed_audits_the_same_dates_and_another_seed_others(folder, monkeypatch, capsys):
    trees = []
    for number, seed in enumerate("778"):
        checked("--quick", "--seed", seed, "--out", str(number), monkeypatch=monkeypatch, capsys=capsys)
        stages = json.loads((folder / str(number) / "leakcheck.json").read_text())["stages"]
        trees.append([{key: value for key, value in stage.items() if key != "seconds"} for stage in stages])
    assert trees[0] == trees[1]
    assert trees[0] != trees[2]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--features", "own.py:BOTH", "--quick"], "LEAK features: ahead looks ahead"),
        (["--features", "own.py:ahead"], "LEAK features: ahead looks ahead"),
        (["--recipe", "own.py:Greedy"], "LEAK recipe ridge: ridge as of"),
        (["--strategy", "own.py:Peeking"], "LEAK strategy: Peeking looks ahead: its targets change"),
    ],
)
def test_a_leak_in_own_code_is_named_and_ends_with_exit_code_7(arguments, named, folder, monkeypatch, capsys):
    code, said = checked(*arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 7, said
    assert named in said
    assert "first on 201" in said
    assert "LeakError: small: expected that nothing sees the future" in said
    assert "LEAK features: honest" not in said


def test_honest_code_of_ones_own_is_clean(folder, monkeypatch, capsys):
    arguments = ["--features", "own.py:honest", "--set", "recipes={ridge: {kind: ridge}}"]
    code, said = checked(*arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0, said
    assert "1 feature " in said


@pytest.mark.parametrize(
    ("load", "where", "message"),
    [
        (load_features, "own.py", r"--features own.py: expected FILE.py:NAME, such as my_features.py:FEATURES"),
        (load_features, "own.py:NUMBER", "expected a FeatureSet or a function of a panel, got 3"),
        (load_features, "own.py:Peeking", "expected a FeatureSet or a function"),
        (load_recipe, "none.py:Greedy", "there is no file none.py"),
        (load_recipe, "own.py:NUMBER", "expected a Recipe with name, seeded and fit; name is missing"),
        (load_recipe, "own.py:Needy", "cannot be made without arguments"),
    ],
)
def test_own_code_that_cannot_be_used_is_refused(load, where, message, folder):
    with pytest.raises(ConfigError, match=message):
        load(where)


def test_a_recipe_may_be_named_as_an_object_or_a_class(folder):
    assert load_recipe("own.py:Greedy").name == "ridge"
    assert load_features("own.py:BOTH").names == ("honest", "ahead")


def run_of(folder: Path) -> Run:
    return Run(RunFolder(folder), read_config(folder / "small.yaml"))


def test_training_begins_with_a_quick_check_that_says_what_it_did(folder, caplog):
    with caplog.at_level(logging.INFO, "nnstrategies"):
        logging.getLogger("nnstrategies").propagate = True
        quick_check(run_of(folder))
    assert "leak check: features, labels, samples and split gap see no future on 2 dates" in caplog.text


@pytest.mark.parametrize("groups", ["pooled", "symbol"])
def test_the_quick_check_says_nothing_good_of_a_fit_that_reaches_into_the_test_on_purpose(folder, caplog, groups):
    leaky = [
        "recipes.net={kind: network, model: lstm, valid_days: 20, target: percent, leaky_until: 2016-01-04}",
        *("groups=" + groups, "measure=time", "label.relative=false", "recipes.ridge.target=percent"),
    ]
    with caplog.at_level(logging.INFO, "nnstrategies"):
        logging.getLogger("nnstrategies").propagate = True
        quick_check(Run(RunFolder(folder), read_config(folder / "small.yaml", leaky)))
    assert "leak check: split gap not checked, fits reach over it on purpose: net" in caplog.text
    assert "leak check: apart from what looks ahead on purpose, features, labels, samples and split gap" in caplog.text


def test_the_quick_check_stops_training_on_a_leak(folder):
    run = run_of(folder)
    run.__dict__["feature_set"] = FeatureSet({"rolled_by_one": rolled_by_one})
    with pytest.raises(LeakError, match=r"rolled_by_one looks ahead: .* nothing was trained"):
        quick_check(run)


def test_zero_dates_are_refused(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["nnstrategies", "leakcheck", "small.yaml", "--dates", "0"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    assert "--dates: expected at least 1" in capsys.readouterr().err


def test_documented_code_runs_and_finds_what_it_says(capsys):
    text = (Path(__file__).resolve().parents[1] / "docs" / "leakcheck.md").read_text(encoding="utf-8")
    space: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, space)
    said = capsys.readouterr().out
    assert "leak z_score looks ahead" in said
    assert "leak Foresight looks ahead: its targets change" in said
