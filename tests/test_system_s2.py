"""System S2 on a small simulated market: the committed configs with less of everything, and what only S2 needs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from nnstrategies.config import fast, parse, read_config
from nnstrategies.pipeline import report, run_variants, start, trade, train
from nnstrategies.pipeline.variants import config_of
from nnstrategies.report.charts import net_value
from nnstrategies.report.run_folder import read_run_folder
from nnstrategies.training import EnsembleRecipe
from tests.test_pipeline import ROOT

SYSTEMS = ROOT / "configs" / "systems"
NAMES = ("s2_cnn_lstm_portfolio", "s2_walk_forward", "s2_search")
MARKET = {"source": "simulated", "symbols": 20, "members": 14, "sessions": 380, "seed": 6, "start": "2012-01-04"}
SIZES = {"channels_1": 4, "channels_2": 8, "hidden": 8, "dense": 8}
STAGES = ("cnn_lstm", "structural", "hyper_parameters", "comprehensive")


def small(name: str) -> dict[str, Any]:
    """The committed config on a simulated market: data, dates, book, sizes and counts are cut, nothing else."""
    tree = yaml.safe_load((SYSTEMS / f"{name}.yaml").read_text(encoding="utf-8"))
    tree["data"] = MARKET
    tree["walk_forward"] |= {"first_test": "2013-04-01", "last_test": "2013-06-07", "valid_days": 50}
    for recipe in tree["recipes"].values():
        for one in recipe.get("members", {"self": recipe}).values():
            if one["kind"] == "network":
                one |= {"epochs": 2, "stride_days": 5, "settings": _sizes(one)}
        if recipe["kind"] == "ensemble":
            recipe["seeds"] = [1]
    tree |= {"seeds": [1], "evidence": {"refits": 0}, "market": "simulated", "costs": {"kind": "flat"}}
    tree["strategy"] |= {"top_n": 5, "max_weight": 0.3, "min_listed_days": 60}
    return tree


def _sizes(recipe: dict[str, Any]) -> dict[str, Any]:
    """No stage keeps the paper's sizes; what else its settings say stays."""
    sizes = {"cnn": {"channels_1": 4, "channels_2": 8, "hidden": 8}, "lstm_dense": {"hidden": 8, "dense": 8}}
    sizes["mlp"] = {"hidden": 8, "hidden_2": 8}
    return recipe.get("settings", {}) | sizes.get(recipe["model"], SIZES)


def ran(tree: dict[str, Any], folder, variants: bool = False):
    run = start(parse(tree, "s2"), folder)
    train(run)
    trade(run)
    if variants:
        run_variants(run)
    report(run)
    return run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory):
    tree = small("s2_cnn_lstm_portfolio")
    tree["variants"] = {"leaky_interpolated": tree["variants"]["leaky_interpolated"]}
    return ran(tree, tmp_path_factory.mktemp("s2"), variants=True)


def test_the_paper_is_the_default():
    config = read_config(str(SYSTEMS / "s2_cnn_lstm_portfolio.yaml"))
    original = config.recipes["cnn_lstm"]
    assert (original.model, original.batch, original.lr, original.epochs, original.patience) == (
        *("cnn_lstm", 64, 0.001),
        *(200, 10),
    )
    assert (config.window, config.label.kind, config.features) == (20, "buy_hold_sell", "s2")
    assert (str(config.walk_forward.first_test), config.walk_forward.valid_days) == ("2022-01-04", 243)  # 2021 has 243
    assert config.published.figures["comprehensive"]["sharpe"] == 1.84
    won = {name: row.get("win_rate_sales") for name, row in config.published.figures.items()}
    assert (won["cnn_lstm"], won["random_forest"], won["momentum"], won["benchmark"]) == (0.583, 0.547, 0.516, None)
    assert set(STAGES) <= set(config.traded)


def test_the_stages_of_table_3_differ_as_the_page_says():
    recipes = read_config(str(SYSTEMS / "s2_cnn_lstm_portfolio.yaml")).recipes
    structural, searched = recipes["structural"], recipes["hyper_parameters"]
    assert structural.model == "cnn_lstm_improved"
    assert structural.settings == {"channels_1": 64, "channels_2": 128, "hidden": 256, "drop_path": 0}
    assert (searched.model, searched.batch, searched.schedule.kind) == ("cnn_lstm", 96, "cosine")
    assert searched.settings == {"channels_1": 96, "channels_2": 192, "hidden": 384}
    whole = recipes["comprehensive"]
    assert isinstance(whole, EnsembleRecipe)
    assert whole.weights == "validation"
    used = [one.augment for one in whole.members.values()]
    for part in ("mixup", "noise", "fgsm", "time_shift"):
        assert any(getattr(augment, part) for augment in used), part
    assert {one.loss.label_smoothing for one in whole.members.values()} == {0.1}


def test_every_recipe_trades_and_the_papers_rows_stand_beside_its_own(finished):
    columns = set(pd.read_parquet(finished.folder.path / "returns.parquet").columns)
    assert set(finished.config.portfolios) <= columns
    page = (finished.folder.path / "report.html").read_text(encoding="utf-8")
    for text in ("Shen, Zhuo (2026), tables 2 and 3", "26.8", "Published", "sell"):
        assert text in page, text


def test_what_the_tables_lack_is_left_out_and_said(finished):
    names = finished.feature_set.names
    assert len([name for name in names if not name.startswith("rank_")]) == 38
    assert not [name for name in names if name.startswith(("macro_", "news_"))]
    assert "Features left out for want of table 'macro': 15" in (finished.folder.path / "log.txt").read_text()


def test_the_ensembles_weights_come_from_validation(finished):
    fit = next((finished.folder.path / "fits" / "comprehensive").glob("1-*.json"))
    version = finished.folder.read_json(f"fits/comprehensive/{fit.name}")["version"]
    metrics = finished.folder.read_json(f"versions/{version}/manifest.json")["version"]["metrics"]
    found = np.array([metrics["valid_rank_ic"][name] for name in metrics["weights"]])
    weights = np.array(list(metrics["weights"].values()))
    assert set(metrics["weights"]) == {"mixed/1", "adversarial/1"}
    above = np.maximum(found, 0)
    assert np.allclose(weights, above / above.sum() if above.any() else 0.5)


def test_all_four_stages_have_a_confusion_matrix(finished):
    table = finished.folder.read_frame("confusion")
    assert set(STAGES) <= set(table["recipe"])
    assert set(table["actual"]) == {"sell", "hold", "buy"}


def test_a_leaky_variant_is_stamped(finished):
    assert finished.folder.read_json("variants.json")["leaky_interpolated"]["leaks"]
    stamped = (finished.folder.path / "variants" / "leaky_interpolated" / "report.html").read_text(encoding="utf-8")
    assert "reads the future on purpose" in stamped


def test_no_target_exceeds_the_cap(finished):
    targets = pd.read_parquet(finished.folder.path / "targets.parquet")
    assert targets["target"].max() <= 0.3 + 1e-9
    assert (targets.groupby("date")["target"].agg(lambda t: (t > 0).sum()) <= 5).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_variant_parses_and_changes_something(name):
    config = fast(read_config(str(SYSTEMS / f"{name}.yaml")))
    for variant in config.variants:
        changed = config_of(config, variant)
        assert changed.headline == "cnn_lstm"
        kept = {one: config.recipes[one] for one in changed.recipes}
        same = ("data", "features", "label", "walk_forward", "strategy", "costs", "search", "cross_validation")
        moved = [key for key in same if getattr(changed, key) != getattr(config, key)]
        assert moved or changed.recipes != kept, variant


def test_sliding_windows_are_refitted_every_63_sessions_and_updated_monthly_from_the_weights_in_force(tmp_path):
    tree = small("s2_walk_forward")
    assert tree["walk_forward"]["refit"] == 63
    tree["walk_forward"] |= {"train_days": 120, "refit": 20}  # less, and still several of them
    tree["recipes"] = {"cnn_lstm": tree["recipes"]["cnn_lstm"]}
    tree["variants"] = {"monthly_update": tree["variants"]["monthly_update"]}
    run = ran(tree, tmp_path, variants=True)
    dates = [row["trained_through"] for row in run.folder.read_json("timeline.json")]
    rows = np.searchsorted(run.panel.sessions, np.array(dates, dtype="datetime64[D]"))
    assert len(rows) >= 3
    assert (np.diff(rows) == 20).all()
    update = run.folder.path / "variants" / "monthly_update"
    plan = config_of(run.config, "monthly_update").walk_forward
    assert (plan.refit, plan.start, plan.gate, plan.train_days) == ("month", "warm", True, 120)
    months = yaml.safe_load((update / "timeline.json").read_text())
    assert len(months) == 3  # April to June
    row = run.folder.read_json("variants.json")["monthly_update"]
    assert row["metrics"]
    assert row["leaks"] == []


def test_the_search_chooses_before_the_test_and_the_fast_form_cuts_its_trials(tmp_path):
    assert fast(read_config(str(SYSTEMS / "s2_search.yaml"))).search.trials == 10
    tree = small("s2_search")
    tree["search"] |= {"trials": 2, "folds": 2, "valid_days": 30}
    tree["search"]["space"] = {"settings.hidden": [4, 8], "lr": {"low": 1e-4, "high": 3e-3, "log": True}}
    tree["variants"] = {}
    run = ran(tree, tmp_path)
    (choice,) = run.folder.read_json("search.json")
    assert choice["objective"] == "accuracy"
    assert choice["asof"] < "2013-04-01"
    fit = next((run.folder.path / "fits" / "cnn_lstm").glob("1-*.json"))
    version = run.folder.read_json(f"fits/cnn_lstm/{fit.name}")["version"]
    manifest = run.folder.read_json(f"versions/{version}/manifest.json")["version"]
    assert manifest["settings"]["hidden"] == choice["params"]["settings.hidden"]


def test_no_two_lines_of_a_chart_look_alike_and_many_leaks_are_counted(finished):
    keys = net_value(read_run_folder(finished.folder.path)).keys
    assert len(keys) > 12
    assert len({(key.colour, key.line) for key in keys}) == len(keys)
    leaks = finished.folder.read_json("variants.json")["leaky_interpolated"]["leaks"]
    page = (finished.folder.path / "report.html").read_text(encoding="utf-8")
    assert f"reads the future: {leaks[0]} and {len(leaks) - 1} more" in page
