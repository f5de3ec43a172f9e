"""A run that could not make its first fits is refused when it starts, with recipe and key, and leaves nothing."""

from __future__ import annotations

import copy
import re

import pytest

from nnstrategies.checked import override
from nnstrategies.config import parse
from nnstrategies.errors import ConfigError, FitError
from nnstrategies.pipeline import check_variants_on, start
from nnstrategies.pipeline.run import Run
from tests.test_pipeline import NETWORK, TINY

BLEND = {"kind": "ensemble", "weights": "equal", "members": {"few": {"kind": "ridge"}, "net": NETWORK}}
PICKED = {"filter": {"recipes": ["lstm"], "window": 8, "picks": {"of": "ridge", "since": "2015-10-30", "top_n": 5}}}


def config(*changes: str, **sections: object):
    tree = copy.deepcopy({**TINY, **sections})
    for change in changes:
        override(tree, change)
    return parse(tree, "x")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("recipes.lstm.valid_days=5000", "recipes.lstm: the first fit, as of 2015-10-30: .* 200 sessions .* 5000"),
        ("recipes.ridge.embargo_days=300", "recipes.ridge: the first fit, .*embargo_days 300"),
        ("recipes.lstm.valid_days=3", "recipes.lstm: .*valid_days: expected enough sessions for a label .* got 3"),
        (
            "recipes.ridge.train_days=2",
            "recipes.ridge: .*window: 8.* end from 2015-10-29 to 2015-10-30, .*train_days 2",
        ),
        ("window=3000", "window: expected at most the 200 sessions until then, got 3000"),
        ("walk_forward.first_test=2015-01-30", "as of 2015-01-29: .*test later or begin the data earlier"),
        ("recipes.blend.members.net.valid_days=250", "recipes.blend.members.net: the first fit, .*valid_days 250"),
    ],
)
def test_lengths_that_no_first_fit_can_have_are_refused_at_the_start(change, said, tmp_path):
    changed = config(change, recipes={**TINY["recipes"], "blend": BLEND})
    with pytest.raises(FitError, match=said):
        start(changed, tmp_path / "runs")
    assert not list(tmp_path.iterdir())


def test_what_is_learnt_from_picks_begins_with_the_first_of_them(tmp_path):
    with pytest.raises(FitError, match=r"recipes\.lstm: the first fit, .*tasks\.filter\.window: 8"):
        start(config(tasks=PICKED, inputs={}), tmp_path)
    early = copy.deepcopy(PICKED)
    early["filter"]["picks"]["since"] = "2014-12-01"
    with pytest.raises(ConfigError, match=r"picks\.since: .*on which ridge can be trained, got 2014-12-01"):
        start(config(tasks=early, inputs={}), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_lengths_of_a_searched_recipe_are_the_candidates_own(tmp_path):
    space = {"valid_days": [20, 30]}
    search = {"recipe": "lstm", "space": space, "method": "grid", "folds": 1, "valid_days": 20}
    assert start(config("recipes.lstm.valid_days=5000", search=search), tmp_path).folder.has("config.yaml")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (
            {"search": {"recipe": "lstm", "space": {"lr": [0.1, 0.2]}, "method": "grid"}},
            "search: 5 folds of 63 sessions",
        ),
        ({"cross_validation": {"folds": 4, "valid_days": 60}}, "cross_validation: 4 folds of 60 sessions"),
    ],
)
def test_folds_for_which_the_history_is_too_short_are_refused_at_the_start(section, said, tmp_path):
    with pytest.raises(FitError, match=said):
        start(config(**section), tmp_path / "runs")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("recipes.lstm.valid_days=-1", r"x: recipes\.lstm: valid_days: expected 0 or more sessions, got -1"),
        ("recipes.ridge.stride_days=0", r"x: recipes\.ridge: stride_days: expected 1 or more sessions, got 0"),
        ("recipes.ridge.train_days=0", r"x: recipes\.ridge: train_days: expected 1 or more sessions, got 0"),
        ("recipes.ridge.embargo_days=-3", r"x: recipes\.ridge: embargo_days: expected 0 or more sessions, got -3"),
        ("recipes.ridge.penalty=-1", r"x: recipes\.ridge: .*penalty: expected 0 or more, got -1"),
        ("window=3", r"x: recipes\.cnn_lstm: model cnn_lstm needs windows of 4 sessions, got 3; set window"),
        (
            "recipes.lstm={kind: network, model: segment_lstm, settings: {segment_days: 7}}",
            r"x: recipes\.lstm: model segment_lstm needs windows of a multiple of 7 sessions .* got 8; set window",
        ),
    ],
)
def test_what_needs_no_data_is_refused_when_the_config_is_read(change, said):
    with pytest.raises(ConfigError, match=said):
        config(change)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"window": 300}, r"variant other: recipes\.ridge: .*window: expected at most the 200 sessions .* got 300"),
        ({"recipes.lstm.valid_days": 500}, r"variant other: recipes\.lstm: .*valid_days 500"),
        ({"walk_forward.first_test": "2031-01-01"}, r"variant other: walk_forward: the test 2031-01-01"),
    ],
)
def test_a_variant_that_no_first_fit_can_have_is_refused_at_the_start(changes, said, tmp_path):
    changed = config(variants={"other": {"note": "-", "set": changes}, "plain": {"note": "-", "set": {}}})
    with pytest.raises((ConfigError, FitError), match=said):
        start(changed, tmp_path / "runs", lambda run: check_variants_on(run, ["plain", "other"]))
    assert not list(tmp_path.iterdir())
    start(changed, tmp_path / "runs", lambda run: check_variants_on(run, ["plain"]))


@pytest.mark.parametrize("error", [ValueError("odd"), SystemExit(3)])
def test_no_exception_leaves_a_run_folder_or_an_empty_folder_of_runs(error, tmp_path, monkeypatch):
    def broken(run: Run) -> None:
        raise error

    monkeypatch.setattr(Run, "check_test", broken)
    with pytest.raises(type(error), match=re.escape(str(error))):
        start(config(), tmp_path / "here" / "runs")
    assert not list(tmp_path.iterdir())
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "trials.jsonl").write_text("{}\n")
    with pytest.raises(type(error)):
        start(config(), tmp_path / "runs")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["trials.jsonl"]
