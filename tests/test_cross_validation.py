"""Time-series folds before the test: what they may see, that they resume, and what the report shows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import yaml

from nnstrategies.config import parse, read_config, to_tree
from nnstrategies.errors import ConfigError, FitError
from nnstrategies.evidence import mean_rank_ic
from nnstrategies.pipeline import cross_validating, report, start, trade, train
from nnstrategies.pipeline.cross_validating import TABLE, cross_validate, folds_of
from nnstrategies.pipeline.variants import config_of
from nnstrategies.predictors import score
from nnstrategies.report.cross_validation import fold_figures
from nnstrategies.report.run_folder import read_run_folder
from nnstrategies.training import RidgeRecipe, Timeline, update
from tests.small_samples import market_samples
from tests.test_search_run import CONFIG

SECTION = {"folds": 3, "valid_days": 24, "embargo_days": 2}
RECIPES = {"logistic": {"kind": "logistic"}, "ridge": {"kind": "ridge"}, "reversal": CONFIG["recipes"]["reversal"]}


def tree(**changes: object) -> dict[str, object]:
    without = {key: value for key, value in CONFIG.items() if key != "search"}
    label = {"kind": "up_down", "horizon_days": 5}
    return {**without, "label": label, "recipes": RECIPES, "seeds": [4, 2], "cross_validation": SECTION} | changes


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory):
    run = start(parse(tree(), "cv"), tmp_path_factory.mktemp("cv"))
    train(run)
    trade(run)
    report(run)
    return run


def test_every_recipe_that_learns_has_a_row_a_fold_and_one_for_the_test(finished):
    table = finished.folder.read_frame(TABLE)
    assert table["recipe"].tolist() == ["logistic"] * 4 + ["ridge"] * 4
    assert table["fold"].tolist() == [1, 2, 3, 0] * 2
    assert (table["seed"] == 4).all()
    assert np.isfinite(table["rank_ic"]).all()
    assert (table["accuracy"].notna() == (table["recipe"] == "logistic")).all()
    assert table["accuracy"].dropna().between(0, 1).all()


def test_a_fold_is_fitted_on_what_ends_before_it_and_judged_by_what_ends_inside_it(finished):
    days, first = finished.panel.sessions, finished.test_rows[0]
    folds = folds_of(finished)
    assert [fold.valid.last for fold in folds] == [first - 49, first - 25, first - 1]
    for fold in folds:
        assert fold.asof == fold.valid.first - 1 - SECTION["embargo_days"]
        assert fold.valid.known_by == fold.valid.last
    table = finished.folder.read_frame(TABLE).query("recipe == 'ridge'").iloc[1]
    fold = folds[1]
    assert str(table["fitted"].date()) == str(days[fold.asof])
    known = finished.samples_of("ridge").upto(fold.valid.last)
    entry = update(finished.samples_of("ridge"), finished.panel.calendar, finished.recipe_of("ridge"), 4, fold.asof)
    rows = range(fold.valid.first, fold.valid.last - 5, 5)  # a label of 5 sessions begins at the next open
    expected = mean_rank_ic(score(known, Timeline([entry]), rows).column(), known, rows)
    assert table["dates"] == len(rows)
    assert table["rank_ic"] == pytest.approx(expected)


def test_the_tests_row_is_what_the_evidence_says_of_that_seed(finished):
    table = finished.folder.read_frame(TABLE).query("fold == 0").set_index("recipe")
    evidence = finished.folder.read_json("evidence.json")
    for name in ("logistic", "ridge"):
        assert table.loc[name, "rank_ic"] == pytest.approx(evidence[name]["seeds"]["4"])


def test_nothing_of_the_test_moves_a_fold(finished):
    """With other returns from the first day of the test on, every fold has the same figures."""
    before = finished.folder.read_frame(TABLE)
    samples, first = finished.samples_of("ridge"), finished.test_rows[0]
    returns = samples.labels.returns.copy()
    returns[samples.labels.end >= first] = 0.5
    other = dataclasses.replace(samples, labels=dataclasses.replace(samples.labels, returns=returns))
    settled = finished.recipe_of("ridge")
    for fold in folds_of(finished):
        known = other.upto(fold.valid.last)
        entry = update(known, finished.panel.calendar, settled, 4, fold.asof)
        rows = range(fold.valid.first, fold.valid.last - 5, 5)
        found = mean_rank_ic(score(known, Timeline([entry]), rows).column(), known, rows)
        assert before.query("recipe == 'ridge' and fold == @fold.number + 1")["rank_ic"].item() == pytest.approx(found)


def test_finished_fits_are_not_repeated(finished, monkeypatch):
    before = finished.folder.read_frame(TABLE)
    finished.folder.remove(f"{TABLE}.parquet")

    def no_fit(*_: object, **__: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr("nnstrategies.training.walkforward.update", no_fit)
    cross_validate(finished)
    pd.testing.assert_frame_equal(finished.folder.read_frame(TABLE), before)


def test_the_report_shows_folds_beside_the_test(finished):
    rank, right = fold_figures(read_run_folder(finished.folder.path))
    assert (len(rank.rows), len(right.rows)) == (2, 1)
    assert rank.head[0] == "Rank IC"
    assert rank.head[-2:] == ["Folds, mean", f"Test, {_span(finished, 0)}"]
    assert rank.head[1] == _span(finished, 1)
    table = finished.folder.read_frame(TABLE).query("recipe == 'logistic'")
    own = table[table["fold"] > 0]["accuracy"]
    assert right.rows[0].cells[-2] == f"{100 * own.mean():.1f}\u00a0% ± {100 * own.std():.1f}\u00a0%"
    page = (finished.folder.path / "report.html").read_text(encoding="utf-8")
    assert "Before the test, fold by fold" in page


def _span(run, fold: int) -> str:
    row = run.folder.read_frame(TABLE).query("fold == @fold").iloc[0]
    return f"{row['first']:%Y-%m-%d} to {row['last']:%Y-%m-%d}"


def test_a_recipe_that_cannot_be_fitted_on_so_little_has_no_figures(finished, monkeypatch):
    def too_few(*_: object, **__: object) -> None:
        raise FitError("recipe: too few samples")

    monkeypatch.setattr(cross_validating, "chain", too_few)
    (row, *_) = cross_validating._of_folds(finished, "ridge", folds_of(finished)[:1])
    assert np.isnan(row["rank_ic"])
    assert row["dates"] == 0


def test_the_accuracy_of_forecasts_in_per_cent_is_that_of_their_direction():
    panel, samples = market_samples("return")
    entry = update(samples, panel.calendar, RidgeRecipe(target="percent"), 1, 340)
    rows = list(range(341, 380))
    scores = score(samples, Timeline([entry]), rows).column()
    found = cross_validating._accuracy(samples, Timeline([entry]), rows, scores)
    returns = np.where(samples.mask, samples.labels.returns, np.nan)[rows]
    moved = np.isfinite(returns) & (returns != 0) & np.isfinite(scores[rows]) & (scores[rows] != 0)
    assert found == pytest.approx((np.sign(scores[rows]) == np.sign(returns))[moved].mean())


def test_too_short_a_history_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(FitError, match=r"cross_validation: 5 folds of 60 sessions .* need more than 300 sessions"):
        start(parse(tree(cross_validation={"folds": 5, "valid_days": 60}), "cv"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_config_without_the_section_has_no_folds_and_a_variant_none_of_its_own():
    plain = parse({key: value for key, value in tree().items() if key != "cross_validation"}, "cv")
    assert plain.cross_validation is None
    changed = parse(tree(variants={"shorter": {"note": "x", "set": {"window": 3}}}), "cv")
    assert config_of(changed, "shorter").cross_validation is None
    assert parse(yaml.safe_load(yaml.safe_dump(to_tree(changed))), "again") == changed
    assert read_config("quickstart").cross_validation is None


@pytest.mark.parametrize("wrong", [{"folds": 1}, {"valid_days": 1}, {"embargo_days": -1}])
def test_impossible_folds_are_refused(wrong):
    with pytest.raises(ConfigError, match=f"cross_validation: {next(iter(wrong))}: expected at least"):
        parse(tree(cross_validation=wrong), "cv")
