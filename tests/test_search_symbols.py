"""Searches through time and of single symbols: judged by hand, kept as a library, never used before they were made."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from nnstrategies import pipeline
from nnstrategies.config import parse
from nnstrategies.errors import ConfigError, FitError, LeakError, RegistryError
from nnstrategies.pipeline.trial_records import candidate_of
from nnstrategies.search import Choice, Library, SearchSettings, cv_folds, read_choices, search_as_of
from nnstrategies.search.judge import judge
from nnstrategies.training import EnsembleRecipe, GroupedRecipe, RidgeRecipe
from nnstrategies.training.recipe import with_setting
from nnstrategies.trials import TrialLedger
from tests.causality import replace_future
from tests.small_samples import LSTM, market_samples, samples_of

ASOF = 370
LEAKY = "leaky_interpolated_rsi_14"
PANEL, POOLED = market_samples("return")
SOME = np.flatnonzero(POOLED.mask[285:].all(axis=0))[:3]
SAMPLES = replace(POOLED.only(SOME), group=np.arange(3))
RIDGE = RidgeRecipe(target="percent")
SEARCH = {
    "recipe": "ridge",
    "space": {"penalty": [0.001, 1.0], "stride_days": [1, 2]},
    "method": "grid",
    "folds": 2,
    "valid_days": 30,
    "every": "quarter",
    "objective": "loss",
    "prune": False,
    "per": "symbol",
}
CONFIG: dict[str, Any] = {
    "name": "own",
    "data": {
        "source": "simulated",
        "symbols": 3,
        "members": 3,
        "sessions": 400,
        "seed": 3,
        "late_listings": 0,
        "delistings_per_year": 0,
    },
    "features": ["ret_1", "ret_5", "volume_surprise_1"],
    "window": 2,
    "groups": "symbol",
    "measure": "time",
    "label": {"kind": "return", "horizon_days": 1, "relative": False, "price": "close"},
    "walk_forward": {"first_test": "2015-12-01", "refit": "quarter"},
    "recipes": {"ridge": {"kind": "ridge", "target": "percent"}},
    "headline": "ridge",
    "evidence": {"refits": 0, "every_days": 1},
    "strategy": {"top_n": None, "rebalance": "day"},
    "workers": 1,
    "search": SEARCH,
}


# -- judged through time ---------------------------------------------------------------------------------------------


def judged(objective: str) -> tuple[Any, Any, Any, Any]:
    known = SAMPLES.upto(ASOF)
    (fold,) = cv_folds(ASOF, 1, 40)
    version = GroupedRecipe(RIDGE).fit(known, fold.asof, seed=1)
    return judge(version, known, fold, objective, "time"), version, known, fold


def forecasts(version: Any, known: Any, fold: Any) -> tuple[np.ndarray, np.ndarray]:
    rows = range(fold.valid.first, fold.valid.last + 1)
    out = np.stack([version.predict(known.features, known.mask[t], t)[:, 0] for t in rows]).astype(float)
    ended = (known.labels.end[list(rows)] >= 0) & (known.labels.end[list(rows)] <= ASOF)
    return out, np.where(ended, known.labels.returns[list(rows)].astype(float), np.nan)


def test_rank_ic_through_time_is_the_mean_over_symbols():
    result, version, known, fold = judged("rank_ic")
    out, returns = forecasts(version, known, fold)
    each = []
    for n in range(3):
        usable = np.isfinite(out[:, n]) & np.isfinite(returns[:, n])
        each.append(spearmanr(out[usable, n], returns[usable, n]).statistic)
    assert result.value == result.rank_ic == pytest.approx(np.mean(each), abs=1e-9)


def test_the_loss_of_a_forecast_in_percent_is_its_squared_error():
    result, version, known, fold = judged("loss")
    out, returns = forecasts(version, known, fold)
    span = slice(fold.valid.first, fold.valid.last + 1)
    labels = np.where(np.isfinite(returns), known.labels.values[span], np.nan)  # relative to the market's here
    assert result.value == pytest.approx(np.nanmean((out - 100 * labels) ** 2), rel=1e-5)
    assert result.rank_ic == judged("rank_ic")[0].rank_ic


def test_returns_of_a_fold_follow_the_sign_of_each_forecast():
    result, version, known, fold = judged("rank_ic")
    out, returns = forecasts(version, known, fold)
    day, value = result.returns[1]
    row = int(np.searchsorted(known.features.sessions, np.datetime64(day))) - fold.valid.first
    assert value == pytest.approx(np.nanmean(np.sign(out[row]) * returns[row]), abs=1e-9)
    assert np.isfinite([earned for _, earned in result.returns]).all()


def test_one_symbol_alone_is_searched_by_rank_ic_and_by_loss():
    one = SAMPLES.only(np.array([0]))
    for objective in ("rank_ic", "loss"):
        settings = SearchSettings("ridge", {"penalty": [0.01, 10.0]}, "grid", 30, 2, 25, objective=objective)
        choice = search_as_of(one, ASOF, RIDGE, settings, measure="time")
        assert np.isfinite([choice.value, choice.rank_ic]).all()
        assert all(fold.returns for trial in choice.trials for fold in trial.folds)


@pytest.mark.parametrize("objective", ["rank_ic", "loss"])
def test_noise_after_asof_changes_no_trial_of_a_symbol_alone(objective):
    """In its own tables and in those of all the others."""
    noisy = samples_of(replace_future(PANEL, ASOF, np.random.default_rng(8)), "return")
    settings = SearchSettings("ridge", {"penalty": [0.01, 10.0]}, "grid", 30, 2, 25, objective=objective)
    found = [
        search_as_of(samples.only(SOME[:1]), ASOF, RIDGE, settings, measure="time").trials
        for samples in (POOLED, noisy)
    ]
    assert found[0] == found[1]


# -- the library -----------------------------------------------------------------------------------------------------


def a_choice(symbol: str | None, row: int, penalty: float) -> Choice:
    day = PANEL.sessions[row].item()
    return Choice("ridge", day, row, {"penalty": penalty}, "loss", 0.1, 0.1, 0.1, day, {"complete": 1}, symbol)


def test_each_symbol_has_the_newest_settings_found_by_then_and_others_the_recipes_own():
    library = Library([a_choice("A", 300, 1.0), a_choice("B", 320, 2.0), a_choice("A", 340, 3.0)])
    at = library.recipe_at(GroupedRecipe(RIDGE))
    own = {row: {symbol: one.penalty for symbol, one in at(row).own.items()} for row in (299, 300, 320, 340)}
    assert own == {299: {}, 300: {"A": 1.0}, 320: {"A": 1.0, "B": 2.0}, 340: {"A": 3.0, "B": 2.0}}
    assert at(340).recipe == RIDGE


def test_a_library_is_append_only_and_of_symbols():
    library = Library([a_choice("A", 340, 1.0)])
    with pytest.raises(RegistryError, match="the past is never changed"):
        library.append(a_choice("A", 330, 1.0))
    with pytest.raises(RegistryError, match="is of no symbol"):
        library.append(a_choice(None, 350, 1.0))


def test_on_another_calendar_no_choice_holds_before_it_was_made(tmp_path):
    """The session of the choice itself may be missing there, and so may all that lies before."""
    made = [a_choice("A", 100, 1.0), a_choice("A", 300, 2.0), a_choice("B", 301, 3.0)]
    (tmp_path / "search.json").write_text(json.dumps([one.to_json() for one in made]))
    days = np.delete(PANEL.sessions, 300)[200:]
    found = read_choices(tmp_path / "search.json", type(PANEL.calendar)(days))
    for choice in found:
        assert days[choice.row] >= np.datetime64(choice.asof)
        assert choice.row == 0 or days[choice.row - 1] < np.datetime64(choice.asof)
    assert [(one.symbol, one.params["penalty"]) for one in found] == [("A", 1.0), ("A", 2.0), ("B", 3.0)]
    for text in ("[1]", "{}x", '[{"recipe": "ridge"}]'):
        (tmp_path / "search.json").write_text(text)
        with pytest.raises(ConfigError, match=r"is not the search\.json of a run"):
            read_choices(tmp_path / "search.json", PANEL.calendar)


# -- in a run --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> pipeline.Run:
    run = pipeline.start(parse(CONFIG, "own.yaml"), tmp_path_factory.mktemp("own"))
    pipeline.train(run)
    return run


def test_each_symbols_model_has_the_settings_that_its_own_search_found_before(finished):
    choices = finished.folder.read_json("search.json")
    symbols = finished.panel.symbols
    asked = sorted({choice["asof"] for choice in choices})
    assert [(one["asof"], one["symbol"]) for one in choices] == [(day, symbol) for day in asked for symbol in symbols]
    assert len(asked) > 1
    fitted = 0
    for row in finished.folder.read_json("timeline.json"):
        version = finished.folder.read_json(f"versions/{row['version']}/manifest.json")["version"]
        for part in version["parts"]:
            (symbol,) = part["symbols"]
            newest = [one for one in choices if one["symbol"] == symbol and one["asof"] <= row["asof"]][-1]
            assert newest["labels_through"] <= newest["asof"] <= row["asof"] < row["effective_from"]
            config = part["manifest"]["config"]
            assert {key: config[key] for key in newest["params"]} == newest["params"]
            fitted += 1
    assert fitted == len(symbols) * len(finished.folder.read_json("timeline.json"))
    assert len({json.dumps(one["params"]) for one in choices}) > 1  # else the test says little


def test_a_symbols_search_is_the_one_that_it_would_be_alone(finished):
    samples, choice = finished.samples_of("ridge"), finished.folder.read_json("search.json")[1]
    row = finished.panel.calendar.index(choice["asof"])
    settings = finished.config.search
    alone = search_as_of(samples.only(np.array([1])), row, RIDGE, settings, measure="time")
    assert (alone.params, alone.value) == (choice["params"], choice["value"])
    table = finished.folder.read_frame(f"search/{choice['asof']}")
    assert table.groupby("symbol").size().tolist() == [4, 4, 4]


def test_what_came_after_is_measured_for_each_symbol_by_itself(finished):
    choices = finished.folder.read_json("search.json")
    scores = finished.scores_of("ridge")
    returns, sessions = finished.samples_of("ridge").labels.returns, finished.panel.sessions
    for choice in choices:
        n = finished.panel.symbols.index(choice["symbol"])
        later = [one["asof"] for one in choices if one["symbol"] == choice["symbol"] and one["asof"] > choice["asof"]]
        rows = (sessions > np.datetime64(choice["asof"])) & (
            sessions <= np.datetime64(min(later, default="2100-01-01"))
        )
        usable = rows & np.isfinite(scores[:, n]) & np.isfinite(returns[:, n])
        expected = spearmanr(scores[usable, n], returns[usable, n]).statistic
        assert choice["out_of_sample_rank_ic"] == pytest.approx(expected)
        assert choice["out_of_sample_dates"] == usable.sum()
        assert choice["optimism"] == pytest.approx(choice["rank_ic"] - expected)


def test_a_library_is_used_again_without_a_search(finished, tmp_path):
    library = finished.folder.path / "search.json"
    again = {"recipe": "ridge", "per": "symbol", "every": "quarter", "library": str(library)}
    run = pipeline.start(parse({**CONFIG, "search": again}, "own.yaml"), tmp_path)
    pipeline.train(run)
    assert not (run.folder.path / "search").exists()
    for name in ("scores.parquet", "timeline.json", "search.json"):
        assert (run.folder.path / name).read_bytes() == (finished.folder.path / name).read_bytes(), name
    assert run.folder.read_json("inputs.json")["library"]
    for wrong, said in (({"per": "all"}, "set per to match"), ({"library": "none.json"}, "cannot be read")):
        with pytest.raises(ConfigError, match=said):
            pipeline.train(pipeline.start(parse({**CONFIG, "search": {**again, **wrong}}, "own.yaml"), tmp_path))


def test_a_library_may_hold_other_symbols_and_later_choices(finished, tmp_path):
    """And it needs no ``every``, with which nothing is searched."""
    known = finished.folder.read_json("search.json")
    later = {"asof": "2030-01-02", "labels_through": "2029-12-28"}
    library = tmp_path / "search.json"
    library.write_text(json.dumps([*known, {**known[0], "symbol": "GONE"}, {**known[0], **later}]))
    config = {**CONFIG, "walk_forward": {**CONFIG["walk_forward"], "refit": "once"}}
    search = {"recipe": "ridge", "per": "symbol", "library": str(library)}
    run = pipeline.start(parse({**config, "search": search}, "own.yaml"), tmp_path)
    pipeline.train(run)
    found = {(one["symbol"], one["asof"]): one for one in run.folder.read_json("search.json")}
    assert {symbol for symbol, _ in found} == set(run.panel.symbols)
    assert found[known[0]["symbol"], "2030-01-02"]["out_of_sample_rank_ic"] is None
    assert "symbols that this run has not are left out: GONE" in (run.folder.path / "log.txt").read_text()
    for none in ({"symbol": "GONE"}, later):
        library.write_text(json.dumps([{**known[0], **none}]))
        with pytest.raises(ConfigError, match=r"expected settings of SIM0001, .*made by 2015-11-30, got none"):
            pipeline.train(pipeline.start(parse({**config, "search": search}, "own.yaml"), tmp_path))


def test_a_library_that_saw_the_future_is_refused(tmp_path):
    leaky = {**CONFIG, "features": [*CONFIG["features"], LEAKY]}
    pipeline.search(made := pipeline.start(parse(leaky, "own.yaml"), tmp_path))
    assert {tuple(one["leaks"]) for one in made.folder.read_json("search.json")} == {(LEAKY,)}
    library = {"recipe": "ridge", "per": "symbol", "library": str(made.folder.path / "search.json")}
    with pytest.raises(LeakError, match=rf"reads the future on purpose \({LEAKY}\)"):
        pipeline.train(pipeline.start(parse({**CONFIG, "search": library}, "own.yaml"), tmp_path))


def test_settings_of_another_recipe_are_refused(finished, tmp_path):
    other = {**CONFIG, "recipes": {"ridge": {"kind": "gradient_boosting", "target": "percent", "iterations": 2}}}
    library = {"recipe": "ridge", "per": "symbol", "library": str(finished.folder.path / "search.json")}
    with pytest.raises(ConfigError, match=r"penalty: recipe ridge has no such setting"):
        pipeline.train(pipeline.start(parse({**other, "search": library}, "own.yaml"), tmp_path))


def test_a_symbol_that_cannot_be_searched_keeps_the_recipes_settings(tmp_path, monkeypatch):
    from nnstrategies.pipeline import searching

    real = searching.search_as_of

    def sometimes(samples: Any, *rest: Any) -> Choice:
        if samples.features.symbols == ("SIM0002",):
            raise FitError("search of ridge-SIM0002: too short")
        return real(samples, *rest)

    monkeypatch.setattr(searching, "search_as_of", sometimes)
    run = pipeline.start(parse({**CONFIG, "search": {**SEARCH, "every": "once"}}, "own.yaml"), tmp_path)
    searching.search(run, "ridge")
    recipe = searching.recipe_at(run, "ridge")(run.test_rows[0])
    assert isinstance(recipe, GroupedRecipe)
    assert list(recipe.own) == ["SIM0001", "SIM0003"]
    assert "too short; it keeps the settings of recipes.ridge" in (run.folder.path / "log.txt").read_text()
    monkeypatch.setattr(searching, "search_as_of", lambda *rest: (_ for _ in ()).throw(FitError("never")))
    with pytest.raises(FitError, match=r"none of 3 searches found anything; the first: never"):
        searching.search(run, "ridge")


# -- in the ledger ---------------------------------------------------------------------------------------------------


def test_a_search_through_time_leaves_trials_by_the_usual_length_of_a_decision(finished):
    trials = TrialLedger(finished.folder.path.parent).read().trials
    assert {trial.span_days for trial in trials if trial.kind == "search"} == {1}
    assert {trial.portfolio for trial in trials if trial.kind == "search"} == {
        "each symbol long where its score is above 0, short where below, before costs"
    }
    assert len([trial for trial in trials if trial.kind == "search"]) == 4 * len(
        finished.folder.read_json("search.json")
    )


def test_returns_from_month_to_month_count_twelve_a_year(tmp_path):
    """A month's label may last 31 sessions at most; it usually lasts 21."""
    monthly = {
        **CONFIG,
        "data": {"source": "simulated", "symbols": 20, "members": 16, "sessions": 420, "seed": 3},
        "label": {"kind": "buy_hold_sell", "horizon": "month"},
        "groups": "pooled",
        "measure": "across",
        "recipes": {"ridge": {"kind": "ridge"}},
        "search": {**SEARCH, "per": "all", "objective": "rank_ic", "valid_days": 90, "every": "once"},
    }
    run = pipeline.start(parse(monthly, "monthly.yaml"), tmp_path)
    pipeline.search(run)
    trials = TrialLedger(tmp_path).read().trials
    assert {trial.span_days for trial in trials} == {21}
    assert {trial.per_year for trial in trials} == {12}


def test_where_the_members_of_an_ensemble_run_makes_no_other_trial():
    from nnstrategies.config import recipe_tree

    ensemble = EnsembleRecipe({"a": LSTM, "b": replace(LSTM, lr=0.02)}, seeds=(1, 2))
    moved = with_setting(with_setting(ensemble, "device", "cuda"), "checkpoints", "elsewhere")
    assert moved != ensemble
    assert candidate_of(recipe_tree(moved)) == candidate_of(recipe_tree(ensemble))
    other = dataclasses.replace(ensemble, members={"a": LSTM, "b": replace(LSTM, lr=0.03)})
    assert candidate_of(recipe_tree(other)) != candidate_of(recipe_tree(ensemble))


# -- what a run is made from -----------------------------------------------------------------------------------------


def test_a_run_is_not_continued_when_another_tasks_features_or_the_index_changed(tmp_path):
    from nnstrategies.pipeline.inputs import check_inputs

    timer = {"kind": "logistic"}
    task = {
        "recipes": ["timer"],
        "features": ["ret_1"],
        "label": {"kind": "up_down", "horizon_days": 5, "relative": False},
        "subject": "benchmark",
        "measure": "time",
    }
    config = {**CONFIG, "recipes": {**CONFIG["recipes"], "timer": timer}, "tasks": {"market": task}}
    config.pop("search")
    run = pipeline.start(parse(config, "two.yaml"), tmp_path)
    check_inputs(run)
    check_inputs(run)
    inputs = run.folder.read_json("inputs.json")
    for name in ("features of task market", "index bars"):
        run.folder.write_json("inputs.json", {**inputs, name: "0" * 64})
        with pytest.raises(Exception, match=f"{name} changed since the run began"):
            check_inputs(run)


def test_the_report_shows_each_symbols_choice(finished, tmp_path):
    from nnstrategies.report import build_report

    shutil.copytree(finished.folder.path, tmp_path / "run")
    run = pipeline.reopen(tmp_path / "run")
    pipeline.trade(run)
    build_report(run.folder.path)
    page = (run.folder.path / "report.html").read_text(encoding="utf-8")
    for choice in finished.folder.read_json("search.json"):
        assert choice["symbol"] in page
    assert "Settings found by search" in page
