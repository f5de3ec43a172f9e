"""Runs of several tasks: a second model on another's picks, a timer on the index, a model for each symbol."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nnstrategies.config import parse, to_tree
from nnstrategies.errors import ConfigError
from nnstrategies.evidence import mean_rank_ic, shuffled
from nnstrategies.index_panel import index_panel
from nnstrategies.pipeline import report, start, trade, train
from nnstrategies.pipeline.tasks import picked
from nnstrategies.pipeline.trading import portfolios
from nnstrategies.settings import PickSettings
from tests.causality import replace_future
from tests.small_samples import market_samples
from tests.test_pipeline import TINY

NETWORK = {"kind": "network", "model": "lstm", "settings": {"layers": 1, "hidden": 4}, "epochs": 1, "batch": 64}
NETWORK |= {"stride_days": 3, "valid_days": 20}
UP = {"kind": "up_down", "horizon_days": 5, "relative": False}
TREE = TINY | {
    "recipes": {
        "ridge": {"kind": "ridge"},
        "filter": NETWORK,
        "timer": NETWORK | {"valid_days": 20, "stride_days": 1},
        "each": NETWORK | {"target": "percent"},
    },
    "inputs": {},
    "tasks": {
        "confirm": {
            "recipes": ["filter"],
            "features": ["ret_1", "ret_5"],
            "window": 6,
            "label": UP,
            "picks": {"of": "ridge", "since": "2015-09-01", "share": 0.5},
        },
        "time": {
            "recipes": ["timer"],
            "features": ["ret_1", "volatility_20"],
            "window": 6,
            "label": UP,
            "subject": "benchmark",
            "measure": "time",
        },
        "single": {
            "recipes": ["each"],
            "features": ["ret_1", "ret_5"],
            "window": 6,
            "label": {"kind": "return", "horizon_days": 1, "relative": False, "price": "close"},
            "groups": "symbol",
            "measure": "time",
        },
    },
    "portfolios": {
        "factors": {"score": "ridge"},
        "filtered": {"score": "ridge", "confirm": "filter"},
        "timed": {"score": "ridge", "exposure": "timer"},
    },
    "headline": "filtered",
    "seeds": [1, 2],
    "evidence": {"refits": 1},
    "cross_validation": {"folds": 2, "valid_days": 24},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory):
    run = start(parse(TREE, "x"), tmp_path_factory.mktemp("tasks"))
    train(run)
    trade(run)
    report(run)
    return run


def frame(run, name: str) -> pd.DataFrame:
    return pd.read_parquet(run.folder.path / f"{name}.parquet")


def test_the_second_model_learns_and_speaks_only_of_what_the_first_picked_out_of_sample(finished):
    scores = frame(finished, "scores")
    first = scores[scores["recipe"] == "ridge"]
    assert first["date"].min() == pd.Timestamp("2015-09-01")
    second = scores[scores["recipe"] == "filter"]
    assert second["date"].min() >= pd.Timestamp("2015-11-02")
    ranks = first.set_index(["date", "symbol"])["score"].groupby("date").rank(ascending=False, pct=True)
    assert ranks.loc[pd.MultiIndex.from_frame(second[["date", "symbol"]])].max() <= 0.5 + 1 / 16
    samples = finished.samples_of("filter")
    days = samples.features.sessions
    assert not samples.mask[days < np.datetime64("2015-09-01")].any()
    for row in json.loads((finished.folder.path / "timeline.json").read_text()):
        if row["recipe"] == "ridge":
            assert row["effective_from"] > row["trained_through"]


def test_a_null_is_refitted_when_the_versions_were_that_made_the_scores_of_the_test(finished):
    first, last = (finished.panel.sessions[row].item() for row in finished.test_rows)
    entries = json.loads((finished.folder.path / "timeline.json").read_text())
    for name in TREE["recipes"]:
        own = sorted({(row["effective_from"], row["asof"]) for row in entries if row["recipe"] == name})
        begin = max(start for start, _ in own if start <= str(first))
        made = [asof for start, asof in own if begin <= start <= str(last)]
        assert [str(finished.panel.sessions[row]) for row in finished.test_plan(name).rows] == made
        if name == "ridge":  # as picks begin in September, no quarter does when the test begins
            table = frame(finished, "cross_validation").query("recipe == 'ridge' and fold == 0")
            assert table["fitted"].dt.strftime("%Y-%m-%d").tolist() == made[:1] == ["2015-09-30"]


def test_a_recipe_that_others_learn_from_is_fitted_for_the_picks_and_for_the_test(tmp_path):
    run = start(parse({**TREE, "walk_forward": {**TINY["walk_forward"], "refit": "once"}}, "x"), tmp_path)
    days = run.panel.sessions
    before = [str(days[np.searchsorted(days, np.datetime64(day)) - 1]) for day in ("2015-09-01", "2015-11-02")]
    assert [str(days[row]) for row in run.plan_of("ridge").rows] == before
    assert [str(days[row]) for row in run.plan_of("filter").rows] == before[1:]
    warm = {**TINY["walk_forward"], "refit": "once", "start": "warm"}
    run = start(parse({**TREE, "walk_forward": warm}, "x"), tmp_path)
    assert run.test_plan("ridge") == run.plan_of("ridge")
    assert run.first_refit("ridge") == run.test_rows[0] - 1


def test_portfolios_join_scores_by_name(finished):
    found = portfolios(finished)
    assert next(iter(found)) == "filtered"
    assert found["filtered"].names == ("score", "confirm")
    assert found["timed"].names == ("score", "exposure")
    share = found["timed"].column("exposure")[finished.test_rows[0] : finished.test_rows[1]]
    assert np.isfinite(share).all()
    assert ((share >= 0) & (share <= 1)).all()
    assert {"filtered/1", "filtered/2", "timed/1", "timed/2"} <= set(found)
    assert "factors/1" not in found  # ridge has one seed


def test_only_what_both_models_want_is_bought(finished):
    targets = frame(finished, "targets")
    chosen = targets[targets["target"] > 0]
    scores = portfolios(finished)["filtered"]
    assert len(chosen) > 0
    for day, symbol in zip(chosen["decided" if "decided" in chosen else "date"], chosen["symbol"], strict=True):
        column, row = scores.symbols.index(symbol), np.searchsorted(scores.sessions, np.datetime64(day, "D"))
        said = scores.column("confirm")[max(row - 1, 0) : row + 1, column]
        assert np.nanmax(said) > 0


def test_the_timers_exposure_is_what_the_portfolio_invests(finished):
    from nnstrategies.pipeline.trading import backtest_of
    from nnstrategies.strategies import RebalanceStrategy

    scores = portfolios(finished)["timed"]
    result = backtest_of(finished.config, finished.panel, RebalanceStrategy, scores, *finished.test_rows)
    targets = result.frames()["targets"]
    total = targets.groupby("date")["target"].sum()
    share = scores.column("exposure")[:, 0]
    rows = np.searchsorted(scores.sessions, total.index.to_numpy().astype("datetime64[D]"))
    expected = share[rows] if np.allclose(share[rows], total, atol=1e-6) else share[rows - 1]
    assert np.allclose(total, expected, atol=1e-6)


def test_a_model_for_each_symbol_is_judged_through_time(finished):
    evidence = json.loads((finished.folder.path / "evidence.json").read_text())
    assert evidence["each"]["measure"] == "time"
    assert evidence["timer"]["measure"] == "time"
    assert np.isfinite(evidence["each"]["rank_ic"])
    version = next(finished.folder.path.glob("fits/each/1-*.json"))
    manifest = json.loads(
        (finished.folder.path / "versions" / json.loads(version.read_text())["version"] / "manifest.json").read_text()
    )
    assert len(manifest["version"]["parts"]) > 5
    assert not frame(finished, "losses").query("recipe == 'each'").empty


def test_the_report_judges_the_headline_by_the_recipe_that_orders_it(finished):
    manifest = json.loads((finished.folder.path / "manifest.json").read_text())
    assert (manifest["headline"], manifest["judged"]) == ("filtered", "ridge")
    assert (finished.folder.path / "report.html").stat().st_size > 100_000


def test_the_resolved_form_is_the_same_config():
    config = parse(TREE, "x")
    assert parse(to_tree(config), "x") == config


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("headline", "ridge", "headline: 'ridge' is no portfolio"),
        ("portfolios.timed.exposure", "filter", "expected a recipe of a task with subject benchmark and label up_down"),
        ("recipes.timer", {"kind": "ridge"}, "'timer' gives no probability; expected a network"),
        ("portfolios.factors.score", "rigde", "'rigde' is no recipe; did you mean 'ridge'"),
        ("tasks.confirm.picks.of", "timer", "'timer' is no recipe of the run's own task"),
        ("tasks.confirm.picks.since", "2015-12-01", "picks.since: expected a date before walk_forward.first_test"),
        ("tasks.confirm.picks.share", 2.0, "share: expected 0 < share <= 1, got 2.0"),
        ("tasks.time.measure", "across", "measure: expected time, on the benchmark"),
        ("tasks.time.recipes", ["filter"], "recipes that no other task has"),
        ("tasks.time.windows", 3, "windows: unknown key; did you mean 'window'"),
        ("portfolios.factors.scores", "ridge", "scores: unknown key; did you mean 'score'"),
        ("tasks", [1], "tasks: expected named sections"),
    ],
)
def test_a_mistake_in_tasks_or_portfolios_is_named(path, value, said):
    tree = json.loads(json.dumps(TREE))
    *parents, last = path.split(".")
    node = tree
    for parent in parents:
        node = node[parent]
    node[last] = value
    with pytest.raises(ConfigError) as error:
        parse(tree, "x")
    assert said in str(error.value)


# -- picks -----------------------------------------------------------------------------------------------------------


@given(
    scores=hnp.arrays(np.float32, (4, 7), elements=st.sampled_from([np.nan, 0.0, 0.5, 1.0, 2.0])),
    mask=hnp.arrays(np.bool_, (4, 7)),
    top_n=st.integers(1, 8),
)
def test_picks_are_the_best_of_each_date_and_never_outside_the_mask(scores, mask, top_n):
    chosen = picked(scores, mask, PickSettings("x", np.datetime64("2020-01-01").item(), top_n=top_n))
    usable = mask & np.isfinite(scores)
    assert not (chosen & ~usable).any()
    assert (chosen.sum(axis=1) == np.minimum(usable.sum(axis=1), top_n)).all()
    for row in range(len(scores)):
        left = scores[row][usable[row] & ~chosen[row]]
        if len(left) and chosen[row].any():
            assert scores[row][chosen[row]].min() >= left.max()


# -- the index -------------------------------------------------------------------------------------------------------


def test_the_index_is_the_members_mean_move_and_knows_nothing_of_the_future():
    panel, _ = market_samples()
    index = index_panel(panel)
    t = 200
    counts = panel.members[t - 1] & panel.trading[t - 1] & panel.trading[t]
    close = panel.adjusted("close")
    expected = (close[t, counts] / close[t - 1, counts] - 1).mean()
    assert index["close"][t, 0] / index["close"][t - 1, 0] - 1 == pytest.approx(expected, rel=1e-12)
    noisy = index_panel(replace_future(panel, t, np.random.default_rng(1)))
    for name in ("open", "high", "low", "close", "volume"):
        assert noisy[name][: t + 1].tobytes() == index[name][: t + 1].tobytes()
        assert np.isfinite(index[name][1:]).all()
    assert not index.listed[0, 0]  # nobody was a member the day before
    assert index.listed[1:].all()


# -- labels moved through time ---------------------------------------------------------------------------------------


def test_labels_moved_through_time_keep_their_length_and_their_symbol():
    samples = market_samples("return")[1]
    moved = shuffled(samples, 5, "time")
    for n in range(samples.N):
        a, b = samples.labels, moved.labels
        known = b.end[:, n] >= 0
        assert set(np.round(b.returns[known, n], 6)) <= set(np.round(a.returns[a.end[:, n] >= 0, n], 6))
        assert (b.end[known, n] > np.flatnonzero(known)).all()
        assert not np.array_equal(a.returns[:, n], b.returns[:, n], equal_nan=True) or not known.any()
    rows = range(300, 380)
    perfect = np.nan_to_num(samples.labels.returns)
    assert mean_rank_ic(perfect, samples, rows, "time") > 0.99
    assert abs(mean_rank_ic(np.nan_to_num(moved.labels.returns), samples, rows, "time")) < 0.2
