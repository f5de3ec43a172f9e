"""A run records what it needs to be explained; the command measures in full and rebuilds the report."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_pipeline import TINY, refused

from nnstrategies import cli
from nnstrategies.config import parse
from nnstrategies.errors import ConfigError
from nnstrategies.explain import Judged
from nnstrategies.pipeline import explaining, reopen, start, trade, train
from nnstrategies.pipeline.explaining import FULL, QUICK, Effort, explain
from nnstrategies.report.importance import quick_note
from nnstrategies.report.run_folder import read_run_folder

TABLES = ("importance", "confusion", "calibration", "class_outputs", "judged", "folds")
QUICKER = {**TINY, "evidence": {"refits": 0, "every_days": 6}, "workers": 1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = start(parse(QUICKER, "tiny"), tmp_path_factory.mktemp("explained"))
    train(run)
    return run.folder.path


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / trained.name))


def frames(folder: Path) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}


def test_training_records_a_quick_look_at_the_headline_and_all_folds(trained):
    found = frames(trained)
    assert set(found["importance"]["recipe"]) == {"cnn_lstm"}
    assert set(found["importance"]["seed"]) == {1, 2}
    assert set(found["importance"]["method"]) == {"permutation"}
    assert found["importance"]["dates"].max() <= QUICK.dates
    assert set(found["folds"]["recipe"]) == set(TINY["recipes"])
    assert set(found["confusion"]["recipe"]) == {"lstm", "cnn_lstm"}
    assert list(found["class_outputs"].columns[-3:]) == ["sell", "hold", "buy"]


def test_class_outputs_are_those_of_the_stored_scores_and_of_judged_dates_only(trained):
    outputs = pd.read_parquet(trained / "class_outputs.parquet")
    scores = pd.read_parquet(trained / "scores.parquet")
    both = outputs.merge(scores, on=["recipe", "seed", "date", "symbol"], validate="one_to_one")
    assert len(both) == len(outputs)
    np.testing.assert_allclose(both["buy"] - both["sell"], both["score"], atol=1e-6)
    judged = set(pd.read_parquet(trained / "ic.parquet")["date"])
    assert set(outputs["date"]) <= judged
    table = pd.read_parquet(trained / "confusion.parquet")
    counted = outputs.groupby(["recipe", "seed", "actual", "predicted"]).size()
    assert table["count"].sum() == len(outputs)
    for row in table.itertuples():
        assert counted.get((row.recipe, row.seed, row.actual, row.predicted), 0) == row.count


def test_right_classes_by_date_add_up_to_the_confusion_matrix(trained):
    judged, table = (pd.read_parquet(trained / f"{name}.parquet") for name in ("judged", "confusion"))
    outputs = pd.read_parquet(trained / "class_outputs.parquet")
    keys = ["recipe", "seed", "predicted"]
    sums = judged.groupby(keys)[["named", "right"]].sum()
    right = table["count"].where(table["actual"] == table["predicted"], 0)
    assert sums["named"].to_dict() == table.groupby(keys)["count"].sum().to_dict()
    assert sums["right"].to_dict() == table.assign(right=right).groupby(keys)["right"].sum().to_dict()
    assert set(judged["date"]) == set(outputs["date"])
    day = judged["date"].iloc[0]
    one = outputs[(outputs["date"] == day) & (outputs["recipe"] == "lstm") & (outputs["seed"] == 2)]
    found = judged[(judged["date"] == day) & (judged["recipe"] == "lstm") & (judged["seed"] == 2)]
    hits = one.assign(right=one["actual"] == one["predicted"]).groupby("predicted")["right"].agg(["size", "sum"])
    for row in found.itertuples():
        assert (row.named, row.right) == (tuple(hits.loc[row.predicted]) if row.predicted in hits.index else (0, 0))


def test_seconds_are_known_of_every_fit_and_are_in_no_version(trained):
    table = pd.read_parquet(trained / "fit_seconds.parquet")
    timeline = json.loads((trained / "timeline.json").read_text(encoding="utf-8"))
    fits = {(row["recipe"], row["seed"], row["asof"]) for row in timeline}
    assert {(row.recipe, row.seed, f"{row.asof:%Y-%m-%d}") for row in table.itertuples()} == fits
    assert (table["seconds"] > 0).all()
    for manifest in trained.glob("versions/*/manifest.json"):
        assert "seconds" not in manifest.read_text(encoding="utf-8")


def test_regimes_begin_with_the_close_before_the_test_and_read_the_benchmark_alone(trained):
    run, table = reopen(trained), pd.read_parquet(trained / "regimes.parquet")
    first, last = run.test_rows
    level = run.panel.series["benchmark"]
    assert len(table) == last - first + 2
    trailing = level[first - 1 : last + 1] / level[first - 61 : last - 59] - 1
    np.testing.assert_allclose(table["trailing"], trailing)
    expected = np.select([trailing > 0.05, trailing < -0.05], ["bull", "bear"], "volatile")
    assert table["regime"].tolist() == expected.tolist()


def test_no_version_is_judged_on_days_before_it_was_in_force(trained):
    folds, outputs = (pd.read_parquet(trained / f"{name}.parquet") for name in ("folds", "class_outputs"))
    for (recipe, seed), rows in outputs.groupby(["recipe", "seed"]):
        own = folds[(folds["recipe"] == recipe) & (folds["seed"] == seed)]
        assert rows["date"].min() >= own["in_force_from"].min()
        assert (own["labels_until"] <= own["asof"]).all()
        assert (own["asof"] < own["in_force_from"]).all()


def test_explaining_again_gives_the_same_bytes_whatever_the_workers(copy):
    before = {name: (copy / f"{name}.parquet").read_bytes() for name in TABLES}
    config = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(config.replace("workers: 1", "workers: 2"))
    explain(reopen(copy))
    assert {name: (copy / f"{name}.parquet").read_bytes() for name in TABLES} == before


def test_explaining_some_recipes_keeps_what_is_known_of_the_others(copy):
    before = pd.read_parquet(copy / "importance.parquet")
    explain(reopen(copy), ["ridge"], Effort(dates=3, repeats=1, gradients=False, predictions=1000))
    after = pd.read_parquet(copy / "importance.parquet")
    assert list(dict.fromkeys(after["recipe"])) == ["ridge", "cnn_lstm"]  # in the order of the config
    kept = after[after["recipe"] == "cnn_lstm"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, before)
    with pytest.raises(ConfigError, match="'rigde' is no recipe of this run; it has ridge, lstm"):
        explain(reopen(copy), ["rigde"])


def test_without_captum_the_gradients_are_left_out_and_it_says_so(copy, monkeypatch):
    monkeypatch.setattr(explaining, "captum_missing", lambda: True)
    explain(reopen(copy), ["lstm"], Effort(dates=2, repeats=1, gradients=True, predictions=1000))
    assert set(pd.read_parquet(copy / "importance.parquet")["method"]) == {"permutation"}
    assert "captum is not installed; install nnstrategies[explain]" in (copy / "log.txt").read_text()


def test_wide_inputs_are_looked_at_on_fewer_dates():
    assert QUICK.affordable(10) == 30
    assert QUICK.affordable(40) == 15
    assert QUICK.affordable(500) == 10
    assert FULL.affordable(500) == 120
    assert Effort(dates=3, repeats=1, gradients=False, predictions=1).affordable(50) == 3


def test_a_run_of_returns_has_empty_class_tables(tmp_path):
    tree = QUICKER | {"label": {"kind": "return", "horizon_days": 5}, "recipes": {"ridge": {"kind": "ridge"}}}
    run = start(parse(tree | {"headline": "ridge", "inputs": {}, "seeds": [1]}, "tiny"), tmp_path)
    train(run)
    found = frames(run.folder.path)
    assert all(found[name].empty for name in ("confusion", "calibration", "class_outputs", "judged"))
    assert "count" in found["calibration"].columns
    assert set(found["importance"]["metric"]) == {"rank_ic"}


def test_where_symbols_cannot_be_compared_the_importance_stays_empty_and_the_log_says_why(copy, monkeypatch):
    monkeypatch.setattr(Judged, "comparable", lambda self: [])
    explain(reopen(copy))
    found = frames(copy)
    assert found["importance"].empty
    assert list(found["importance"].columns) == list(frames(copy)["importance"].columns)
    assert not found["confusion"].empty
    assert "no importance of cnn_lstm: no date has 3 symbols to compare" in (copy / "log.txt").read_text()


def test_the_command_measures_every_recipe_and_rebuilds_the_page(copy, tmp_path, monkeypatch, capsys):
    trade(reopen(copy))
    assert "A quick look" in quick_note(read_run_folder(copy))
    monkeypatch.setattr(explaining, "FULL", Effort(dates=4, repeats=2, gradients=True, predictions=1000))
    monkeypatch.setattr(sys, "argv", ["nnstrategies", "explain", str(copy)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    table = pd.read_parquet(copy / "importance.parquet")
    assert set(table["recipe"]) == {"ridge", "lstm", "cnn_lstm"}  # the reversal is a fixed rule
    assert set(table.loc[table["method"] == "integrated_gradients", "recipe"]) == {"lstm", "cnn_lstm"}
    page = (copy / "report.html").read_text(encoding="utf-8")
    assert "A quick look" not in page
    assert "LSTM: integrated gradients" in page
    said = refused(["explain", str(copy), "--recipe", "lstn"], 2, tmp_path, monkeypatch, capsys)
    assert "'lstn' is no recipe of this run" in said


def test_other_data_are_refused(copy, tmp_path, monkeypatch, capsys):
    config = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(config.replace("seed: 3", "seed: 4"))
    assert "trained on data" in refused(["explain", str(copy)], 6, tmp_path, monkeypatch, capsys)
