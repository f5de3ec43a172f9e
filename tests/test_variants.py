"""A system's own rows: what a paper published, the same run with something changed, and the fast form."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from nnstrategies.config import fast, parse, to_tree
from nnstrategies.errors import ConfigError
from nnstrategies.pipeline import report, run_variants, start, trade, train
from nnstrategies.pipeline.inputs import check_inputs
from nnstrategies.pipeline.variants import _alike, _opened, config_of
from nnstrategies.report.definitions import recipe_label
from nnstrategies.report.stamp import stamp
from nnstrategies.search import CrossValidationSettings
from tests.test_pipeline import FEATURES, NETWORK, TINY

TREE = TINY | {
    "recipes": {"lstm": {**NETWORK, "model": "lstm", "settings": {"layers": 1, "hidden": 4}}},
    "inputs": {},
    "headline": "lstm",
    "seeds": [1],
    "evidence": {"refits": 1},
    "published": {
        "source": "A paper, table 2",
        "figures": {"lstm": {"annual_return_geometric": 0.222, "sharpe": 1.986}, "benchmark": {"total_return": 0.256}},
    },
    "variants": {
        "whole_sample_scaler": {
            "note": "scaled before the split, as the paper does",
            "set": {"recipes.lstm.scaling": "leaky_minmax"},
        },
        "five_features": {"note": "without volatility", "set": {"features": FEATURES[:5]}},
        "impossible": {"note": "too late a test", "set": {"walk_forward.first_test": "2031-01-01"}},
    },
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory):
    run = start(parse(TREE, "x"), tmp_path_factory.mktemp("variants"))
    train(run)
    trade(run)
    run_variants(run)
    report(run)
    return run


def test_a_variant_may_have_a_headline_of_its_own_which_its_row_names(tmp_path):
    recipes = {"ridge": {"kind": "ridge"}, "trees": {"kind": "gradient_boosting", "iterations": 2}}
    only = {"note": "only the trees", "set": {"headline": "trees"}, "recipes": ["trees"]}
    tree = TREE | {"recipes": recipes, "headline": "ridge", "evidence": {"refits": 0}, "variants": {"other": only}}
    tree.pop("published")
    run = start(parse(tree, "x"), tmp_path)
    train(run)
    trade(run)
    run_variants(run)
    report(run)
    assert run.folder.read_json("variants.json")["other"]["headline"] == "trees"
    said = f"{recipe_label('trees')} instead of {recipe_label('ridge')}: only the trees"
    assert said in (run.folder.path / "report.html").read_text(encoding="utf-8")


def test_each_variant_is_a_run_of_its_own_with_a_row_beside(finished):
    rows = finished.folder.read_json("variants.json")
    assert list(rows) == ["whole_sample_scaler", "five_features", "impossible"]
    assert rows["whole_sample_scaler"]["leaks"] == ["leaky_minmax of lstm"]
    assert rows["five_features"]["leaks"] == []
    assert "must lie inside the data" in rows["impossible"]["error"]
    own = pd.read_parquet(finished.folder.path / "returns.parquet")
    for name in ("whole_sample_scaler", "five_features"):
        folder = finished.folder.path / "variants" / name
        returns = pd.read_parquet(folder / "returns.parquet")
        assert not returns["lstm"].equals(own["lstm"])
        assert returns["benchmark"].equals(own["benchmark"])
        assert (folder / "report.html").is_file()
    stamped = (finished.folder.path / "variants" / "whole_sample_scaler" / "report.html").read_text(encoding="utf-8")
    assert f'<aside class="stamp"><p>{stamp(["leaky_minmax of lstm"])}</p></aside>' in stamped
    honest = (finished.folder.path / "report.html").read_text(encoding="utf-8")
    assert "<aside" not in honest


def test_a_variant_that_only_trades_otherwise_takes_over_the_fits_of_the_run(tmp_path):
    variants = {
        "weekly": {"note": "traded weekly", "set": {"strategy.rebalance": "week", "evidence.refits": 0}},
        "cheap": {"note": "no costs", "set": {"costs": {"kind": "flat", "fee_bps": 0}}, "recipes": ["lstm"]},
        "longer": {"note": "a label of 10 sessions", "set": {"label.horizon_days": 10}},
        "trees": {"note": "other trees", "set": {"recipes.trees.iterations": 3}},
        "slower": {"note": "another rate", "set": {"recipes.lstm.lr": 0.0002}},
    }
    recipes = {**TREE["recipes"], "trees": {"kind": "gradient_boosting", "iterations": 2}}
    tree = {**TREE, "recipes": recipes, "evidence": {"refits": 0}, "variants": variants}
    tree.pop("published")
    run = start(parse(tree, "x"), tmp_path)
    train(run)
    trade(run)
    run_variants(run, ["longer"])
    assert list(run.folder.read_json("variants.json")) == ["longer"]
    run_variants(run)
    rows = run.folder.read_json("variants.json")
    assert list(rows) == list(variants)  # in the config's order
    assert not any("error" in row for row in rows.values())
    stored = {path.name: path.read_text() for path in sorted(run.folder.path.glob("fits/lstm/*.json"))}
    scores = run.folder.read_frame("scores")
    for name in variants:
        own = run.folder.path / "variants" / name
        # The seconds a fit took stand in its entry, so an entry made anew is never the same text.
        taken = {path.name: path.read_text() for path in sorted(own.glob("fits/lstm/*.json"))} == stored
        assert taken == (name in ("weekly", "cheap", "trees")), name
        same = pd.read_parquet(own / "scores.parquet").query("recipe == 'lstm'").reset_index(drop=True)
        assert same.equals(scores.query("recipe == 'lstm'").reset_index(drop=True)) == (
            name not in ("longer", "slower")
        )
    assert rows["weekly"]["metrics"] != rows["cheap"]["metrics"]
    assert not (run.folder.path / "variants" / "cheap" / "fits" / "trees").exists()


def task_of(recipe: str, of: str, since: str) -> dict[str, object]:
    label = {"kind": "up_down", "horizon_days": 5, "relative": False}
    picks = {"of": of, "since": since, "share": 0.5}
    return {"recipes": [recipe], "features": FEATURES[:2], "window": 6, "label": label, "picks": picks}


PICKED = {
    **{key: value for key, value in TREE.items() if key != "published"},
    "recipes": {name: {"kind": "ridge"} for name in ("ridge", "after_ridge", "after_trees")}
    | {"trees": {"kind": "gradient_boosting", "iterations": 2}},
    "tasks": {
        "one": task_of("after_ridge", "ridge", "2015-09-01"),
        "two": task_of("after_trees", "trees", "2015-09-01"),
    },
    "headline": "ridge",
}


def taken_over(folder: Path, changes: dict[str, object], **more: object) -> set[str]:
    """The recipes whose fits a variant with ``changes`` takes over from the run."""
    run = start(parse({**PICKED, "variants": {"other": {"note": "other", "set": changes}}, **more}, "x"), folder)
    check_inputs(run)
    return set(_alike(run, _opened(run.folder.path / "variants" / "other", config_of(run.config, "other"))))


def test_fits_on_picks_that_the_mean_of_other_seeds_made_are_not_taken_over(tmp_path):
    assert taken_over(tmp_path, {"strategy.rebalance": "week"}) == set(PICKED["recipes"])
    assert taken_over(tmp_path, {"seeds": [1, 2]}) == {"ridge", "trees", "after_ridge"}  # ridge has no seed


@pytest.mark.parametrize(("start_from", "kept"), [("scratch", {"trees"}), ("warm", set())])
def test_fits_that_build_on_earlier_ones_are_taken_over_only_where_all_of_them_are_the_same(tmp_path, start_from, kept):
    walk = {**TINY["walk_forward"], "refit": 40, "start": start_from}
    earlier = task_of("after_trees", "trees", "2015-08-03")  # so that the trees are fitted from then on
    found = taken_over(tmp_path, {"tasks.two": earlier}, walk_forward=walk)
    assert found == {"ridge", "after_ridge"} | kept


def test_fits_on_picks_of_other_refits_are_not_taken_over(tmp_path):
    tasks = {"one": task_of("after_ridge", "ridge", "2015-09-01"), "two": task_of("after_trees", "ridge", "2015-08-03")}
    walk = {**TINY["walk_forward"], "refit": 40}
    found = taken_over(tmp_path, {"tasks.two.picks.of": "trees"}, walk_forward=walk, tasks=tasks)
    assert found == {"ridge", "trees"}  # ridge is fitted from September on now: other sessions, so other picks


def test_a_variant_of_some_recipes_shuffles_labels_for_those_of_them_that_the_run_names():
    recipes = {"ridge": {"kind": "ridge"}, "trees": {"kind": "gradient_boosting", "iterations": 2}}
    variants = {name: {"note": "alone", "set": {"headline": name}, "recipes": [name]} for name in recipes}
    evidence = {"refits": 3, "recipes": ["ridge"]}
    tree = {**TREE, "recipes": recipes, "headline": "ridge", "evidence": evidence, "variants": variants}
    tree.pop("published")
    config = parse(tree, "x")
    assert [config.evidence.refits_of(name) for name in recipes] == [3, 0]
    assert config_of(config, "ridge").evidence.refits_of("ridge") == 3
    assert config_of(config, "trees").evidence.refits_of("trees") == 0
    with pytest.raises(ConfigError, match=r"evidence\.recipes.*'tress'.*'trees'"):
        parse({**tree, "evidence": {"recipes": ["tress"]}}, "x")


def test_the_report_prints_published_and_measured_side_by_side(finished):
    page = (finished.folder.path / "report.html").read_text(encoding="utf-8")
    for text in ("Published and measured", "A paper, table 2", "1.99", "scaled before the split", "not run: "):
        assert text in page
    metrics = json.loads((finished.folder.path / "metrics.json").read_text())
    assert metrics["lstm"]["annual_return_geometric"] is not None


def test_finished_variants_are_not_run_again(finished):
    before = {path: path.stat().st_mtime_ns for path in finished.folder.path.glob("variants/*/metrics.json")}
    run_variants(finished)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_the_fast_form_cuts_seeds_epochs_and_trials_only():
    tree = TREE | {"seeds": [1, 2, 3], "evidence": {"refits": 19}}
    long = {**NETWORK, "model": "lstm", "epochs": 20}
    blend = {"kind": "ensemble", "seeds": [4, 5], "members": {"net": long, "few": {**long, "epochs": 2}}}
    tree["recipes"] = {"lstm": long, "ridge": {"kind": "ridge"}, "blend": blend}
    whole, short = parse(tree, "x"), fast(parse(tree, "x"))
    assert (short.seeds, short.evidence.refits, short.recipes["lstm"].epochs) == ((1, 2), 5, 3)
    assert short.recipes["blend"].seeds == (4,)
    assert [one.epochs for one in short.recipes["blend"].members.values()] == [3, 2]
    before, after = to_tree(whole), to_tree(short)
    for tree in (before, after):
        for key in ("name", "title", "seeds"):
            tree.pop(key)
        tree["evidence"].pop("refits")
        tree["recipes"]["lstm"].pop("epochs")
        tree["recipes"]["blend"].pop("seeds")
        for member in tree["recipes"]["blend"]["members"].values():
            member.pop("epochs")
    assert after == before


def test_the_resolved_form_is_the_same_config():
    config = parse(TREE, "x")
    assert parse(to_tree(config), "x") == config


@pytest.mark.parametrize(
    ("section", "value", "said"),
    [
        ("published", {"source": "x", "figures": {"lstn": {"sharpe": 1.0}}}, "'lstn' is no portfolio"),
        ("published", {"source": "x", "figures": {"lstm": {"sharp": 1.0}}}, "no figure; did you mean 'sharpe'"),
        ("variants", {"a": {"note": "x", "sets": {}}}, "sets: unknown key; did you mean 'set'"),
    ],
)
def test_a_mistake_is_named(section, value, said):
    with pytest.raises(ConfigError) as error:
        parse(TREE | {section: value}, "x")
    assert said in str(error.value)


def test_a_variant_of_what_the_config_resolved_resolves_it_anew():
    changed = {
        "length": {"note": "half a year", "set": {"walk_forward.train_days": 126, "walk_forward.valid_days": 25}},
        "section": {"note": "half a year", "set": {"walk_forward": {"first_test": "2015-11-02", "train_days": 126}}},
        "rules": {"note": "China", "set": {"market": "cn_a"}},
    }
    recipes = {"lstm": TREE["recipes"]["lstm"], "ridge": {"kind": "ridge"}, "own": {"kind": "ridge", "train_days": 77}}
    config = parse(TREE | {"variants": changed, "recipes": recipes}, "x")
    for variant in ("length", "section"):
        changed_recipes = config_of(config, variant).recipes
        assert [changed_recipes[name].train_days for name in ("lstm", "ridge", "own")] == [126, 126, 77]
        assert changed_recipes["lstm"].valid_days == 30  # the recipe's own
    assert type(config_of(config, "rules").costs).__name__ == "ScheduleSettings"


def test_a_variant_that_changes_a_fold_setting_keeps_the_others():
    folds = {"cross_validation": {"folds": 3, "valid_days": 25}}
    variants = {"more": {"note": "four", "set": {"cross_validation.folds": 4}}, "none": {"note": "-", "set": {}}}
    config = parse({**TREE, **folds, "variants": variants}, "x")
    assert config_of(config, "more").cross_validation == CrossValidationSettings(folds=4, valid_days=25)
    assert config_of(config, "none").cross_validation is None
