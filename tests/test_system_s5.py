"""Systems S5 and S3 end to end, in a small form: their own configs on the simulated market, and a cut of real data."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_systems import small_tree

from nnstrategies.config import fast, parse, read_config
from nnstrategies.errors import ConfigError, DataError
from nnstrategies.features import feature_names
from nnstrategies.feeds.china import load_china
from nnstrategies.models.mlp import hidden_nodes
from nnstrategies.pipeline import report, run_variants, start, trade, train
from nnstrategies.pipeline.tasks import features_of, samples_of
from nnstrategies.pipeline.variants import config_of
from nnstrategies.settings import LabelSettings, RunConfig


def small(system: str, features: list[str], kept: dict[str, dict[str, Any]]) -> RunConfig:
    """A shipped config with another market, fewer inputs, one seed, and the fits of a minute."""
    fewer = {"features": features, "variants": kept, "inputs": {}, "seeds": [1], "executor": "local"}
    tasks = ("direction", "opening") if system == "S3" else ("direction",)
    return parse(small_tree(system, fewer | {f"tasks.{task}.features": features for task in tasks}), system)


@pytest.fixture(scope="module")
def s5(tmp_path_factory: pytest.TempPathFactory):
    kept = {"leaky": {"note": "the whole series", "set": {"features": ["leaky_forward_adjusted_close", "ret_1"]}}}
    kept["leaky"] |= {"recipes": ["sequence_lstm"]}
    config = small("S5", ["level_close", "ret_1"], kept)
    run = start(config, tmp_path_factory.mktemp("s5"))
    train(run)
    trade(run)
    run_variants(run)
    report(run)
    return run


def test_every_recipe_is_judged_by_direction_and_price(s5):
    table = s5.folder.read_frame("forecasts")
    assert set(table["recipe"]) == set(s5.config.recipes)
    days = s5.test_rows[1] - s5.test_rows[0] + 1
    assert table["judged"].max() <= days
    assert table["judged"].min() > days / 2
    still = table[table["recipe"] == "persistence"]
    assert still["acted"].sum() == 0
    assert (still["price_error"] < 0.05).all()
    assert table[table["recipe"] == "logistic"]["price_error"].isna().all()


def test_the_judged_directions_are_those_of_the_stored_scores(s5):
    scores = (
        s5.folder.read_frame("scores").query("recipe == 'ridge'").pivot(index="date", columns="symbol", values="score")
    )
    first, last = s5.test_rows
    rows = np.searchsorted(s5.panel.sessions, scores.index.to_numpy().astype("datetime64[D]"))
    close = s5.panel.adjusted("close")
    after = close[np.minimum(rows + 1, s5.panel.T - 1)] / close[rows] - 1
    known = np.isfinite(scores.to_numpy()) & ((rows >= first) & (rows <= last))[:, None] & (after != 0)
    hits = (np.sign(scores.to_numpy()) == np.sign(after)) & known
    table = s5.folder.read_frame("forecasts").query("recipe == 'ridge' and threshold == 0")
    trading = s5.panel.trading[np.minimum(rows + 1, s5.panel.T - 1)] & s5.panel.trading[rows]
    assert abs(int((hits & trading).sum()) - int(table["hits"].sum())) <= int((known & ~trading).sum())


def test_persistence_has_no_rank_ic_and_no_portfolio(s5):
    evidence = s5.folder.read_json("evidence.json")
    assert evidence["persistence"]["rank_ic"] is None
    assert evidence["persistence"]["refits"] == 0
    assert "persistence" not in pd.read_parquet(s5.folder.path / "returns.parquet").columns


def test_nothing_is_bought_below_the_threshold(s5):
    targets = s5.folder.read_frame("targets")
    scores = s5.folder.read_frame("scores").query("recipe == 'sequence_lstm'")
    if scores["score"].max() < 1.0:
        assert not (targets["target"] > 0).any()


def test_the_report_shows_published_and_measured_directions_and_the_leak(s5):
    page = (s5.folder.path / "report.html").read_text(encoding="utf-8")
    for text in (
        "Forecasts of single symbols",
        "60\u00a0% to 65\u00a0%",
        "Right directions by symbol and exchange",
        "Sequence LSTM: by symbol and size of the forecast",
        "the whole series",
        "counts as down",
    ):
        assert text in page
    row = s5.folder.read_json("variants.json")["leaky"]
    assert row["leaks"] == ["leaky_forward_adjusted_close"]
    assert 0 < row["directions"]["0"][0] < 1
    assert row["directions"]["0"][1] == 1.0


def test_s3_trades_rises_with_stops_and_judges_its_forecasts(tmp_path: Path):
    config = small("S3", ["level_open", "level_close", "weekday_sin"], {})
    run = start(config, tmp_path)
    train(run)
    trade(run)
    report(run)
    table = run.folder.read_frame("forecasts")
    assert set(table["recipe"]) == set(config.recipes)
    fills = run.folder.read_frame("fills")
    assert set(fills["side"]) == {"buy", "sell"}
    assert config.strategy.stop.take_profit == 0.1
    _check_directions_by_date(run, table)
    _check_prices(run)
    _check_opens(run)
    refits = {name: one["refits"] for name, one in run.folder.read_json("evidence.json").items()}
    assert refits["lstm_open"] == 0 < refits["lstm"]


def _check_directions_by_date(run, forecasts):
    """They add up to the table of forecasts without a threshold; recipes with class labels are judged elsewhere."""
    by_date = run.folder.read_frame("judged_forecasts")
    returns = {name for name in run.config.recipes if run.config.task_of(name)[1].label.kind == "return"}
    assert set(by_date["recipe"]) == returns - {"persistence", "persistence_open"}  # which name no direction
    sums = by_date.groupby(["recipe", "seed"])[["named", "right"]].sum()
    whole = forecasts[forecasts["threshold"] == 0].groupby(["recipe", "seed"])[["acted", "hits"]].sum()
    for key, row in sums.iterrows():
        assert row.tolist() == whole.loc[key].tolist()


def _check_prices(run):
    """Each forecast is the price before, moved by the score; what came is the adjusted close of its session."""
    path = run.folder.read_frame("forecast_path").set_index("date")
    assert set(path.loc[path["recipe"] == "lstm", "field"]) == {"close"}
    own = path[path["recipe"] == run.judged]
    assert own["symbol"].nunique() == 1
    symbol = own["symbol"].iloc[0]
    closes = pd.Series(run.panel.adjusted("close")[:, run.panel.column(symbol)], pd.to_datetime(run.panel.sessions))
    moves = closes.pct_change().loc[own.index]
    np.testing.assert_allclose(own["price"] / own["unchanged"] - 1, moves, atol=1e-9)
    scores = run.folder.read_frame("scores")
    scores = scores[(scores["recipe"] == run.judged) & (scores["symbol"] == symbol)].groupby("date")["score"].mean()
    said = scores.reindex(closes.index).shift(1).loc[own.index] / 100
    np.testing.assert_allclose(own["forecast"] / own["unchanged"] - 1, said, atol=1e-6)
    at_end = path[path["recipe"] == "persistence"]
    np.testing.assert_allclose(at_end["forecast"], at_end["unchanged"])


def _check_opens(run):
    """The open is forecast from the close before it, and both charts are in the report."""
    path = run.folder.read_frame("forecast_path").query("recipe == 'lstm_open'").set_index("date")
    assert set(path["field"]) == {"open"}
    prices = pd.DataFrame(
        {name: run.panel.adjusted(name)[:, run.panel.column(path["symbol"].iloc[0])] for name in ("open", "close")},
        index=pd.to_datetime(run.panel.sessions),
    )
    gap = (prices["open"] / prices["close"].shift(1) - 1).loc[path.index]
    np.testing.assert_allclose(path["price"] / path["unchanged"] - 1, gap, atol=1e-6)
    page = (run.folder.path / "report.html").read_text(encoding="utf-8")
    assert "measured, of opens" in page
    assert f"Close of {path['symbol'].iloc[0]}" in page
    assert f"Open of {path['symbol'].iloc[0]}" in page


def test_a_forecast_of_the_open_at_which_orders_are_filled_is_not_traded():
    tree = small_tree("S3", {"portfolios.opens": {"score": "lstm_open"}})
    with pytest.raises(
        ConfigError, match=r"portfolios\.opens: lstm_open forecasts the next open .* nothing .* to earn"
    ):
        parse(tree, "S3")


def test_the_deviation_of_whole_days_scales_no_night():
    with pytest.raises(ConfigError, match="volatility_scaled: expected whole days"):
        LabelSettings("up_down", 1, False, volatility_scaled=True, price="overnight")


@pytest.mark.parametrize("name", ["s5_threshold_lstm", "s3_lstm_forecaster"])
def test_every_variant_is_a_config_that_keeps_split_and_stocks(name):
    config = read_config(name)
    assert any(
        feature.startswith("leaky_")
        for v in config.variants
        for feature in feature_names(config_of(config, v).features)
    )
    for variant in config.variants:
        changed = config_of(config, variant)
        assert changed.data == config.data
        assert changed.walk_forward.first_test == config.walk_forward.first_test
        assert changed.headline == config.variants[variant].set.get("headline", config.headline)
        assert changed.evidence.refits == 0
    assert all(not name.startswith("leaky_") for name in feature_names(config.features))


def test_the_library_of_s5_holds_the_hidden_nodes_of_the_paper_for_each_stock():
    config = read_config("s5_threshold_lstm")
    nodes = [hidden_nodes(6, 1, alpha) for alpha in range(1, 11)]
    for name, recipe in (("parameter_library", "sequence_lstm"), ("parameter_library_bp", "bp")):
        for whole, trials in ((config, 10), (fast(config), 3)):
            search = config_of(whole, name).search
            assert (search.recipe, search.per, search.trials) == (recipe, "symbol", trials)
            for span in search.space.values():
                assert [span["low"], span["high"]] == [nodes[0], nodes[-1]]


def test_s5_tests_the_bp_network_on_the_papers_100_days(shared_data: Path):
    config = read_config("s5_threshold_lstm")
    changed = config_of(config, "bp_100")
    assert (changed.headline, list(changed.recipes)) == ("bp", ["bp"])
    walk, data = changed.walk_forward, config.data
    panel, _ = load_china(str(shared_data), data.start, data.end, symbols=data.symbols[:1], basics=True)
    first = panel.calendar.first_on_or_after(str(walk.first_test))
    assert panel.calendar.last_on_or_before(str(walk.last_test)) - first + 1 == 100
    assert changed.recipes["bp"].train_days + walk.valid_days == 1400
    samples = samples_of(changed.main_task, features_of(changed.main_task, panel), panel)
    assert samples.mask[: first - 1400].any()  # whole windows go back further than it trains


def test_s5_trains_on_nothing_of_its_test(shared_data: Path):
    config = read_config("s5_threshold_lstm")
    data = dataclasses.replace(config.data, folder=str(shared_data))
    panel, _ = load_china(data.folder, data.start, data.end, symbols=data.symbols, basics=True)
    assert set(panel.symbols) == set(data.symbols)
    assert panel.members.sum(axis=1).max() == 11
    walk, calendar = config.walk_forward, panel.calendar
    first, last = calendar.first_on_or_after(str(walk.first_test)), calendar.last_on_or_before(str(walk.last_test))
    assert last - first + 1 == 150
    assert str(panel.sessions[first - walk.train_days - walk.valid_days]) == "2012-01-04"


def test_a_chosen_symbol_without_prices_is_named(shared_data: Path):
    with pytest.raises(DataError, match=r"data\.symbols: 999999\.SZ not in the table; symbols are written like"):
        load_china(shared_data, "2016-01-04", "2016-03-31", symbols=["000538.SZ", "999999.SZ"])
