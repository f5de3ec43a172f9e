"""System S1 on a small simulated market: the committed config with less of everything, and what only S1 needs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from small_systems import small_tree

from nnstrategies.config import parse, read_config
from nnstrategies.feeds.china import load_china, member_spans
from nnstrategies.pipeline import report, run_variants, start, trade, train
from nnstrategies.pipeline.manifest import leaks
from nnstrategies.pipeline.trading import portfolios
from nnstrategies.pipeline.variants import config_of
from nnstrategies.report.charts import rank_ic
from nnstrategies.report.run_folder import read_run_folder
from tests.test_pipeline import ROOT

CONFIG = ROOT / "configs" / "systems" / "s1_cnn_lstm_timing.yaml"


def small() -> dict:
    """The committed config on a simulated market: data, dates, book, sizes and counts are cut, nothing else."""
    tree = small_tree("S1")
    tree["variants"] = {"leaky_scaler": tree["variants"]["leaky_scaler"]}
    return tree


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory):
    run = start(parse(small(), "s1"), tmp_path_factory.mktemp("s1"))
    train(run)
    trade(run)
    run_variants(run)
    report(run)
    return run


def test_the_paper_is_the_default():
    config = read_config(str(CONFIG))
    cnn, timer = config.recipes["cnn"], config.recipes["timer"]
    assert (cnn.model, cnn.epochs, cnn.lr, cnn.init) == ("cnn_selector", 500, 0.001, "xavier")
    assert (timer.model, timer.epochs, timer.lr, timer.calibrate) == ("peephole_lstm", 100, 0.001, True)
    assert (str(config.walk_forward.first_test), str(config.walk_forward.last_test)) == ("2014-01-02", "2017-03-31")
    assert config.published.figures["cnn_lstm"] == {"annual_return_geometric": 0.309, "max_drawdown": -0.241}
    assert config.headline == "cnn_lstm"


def test_the_timer_sets_how_much_of_the_capital_the_selected_stocks_get(finished):
    scores = portfolios(finished)
    first, last = finished.test_rows
    share = scores["cnn_lstm"].column("exposure")[first : last + 1, 0]
    assert ((share > 0) & (share < 1)).all()
    assert np.ptp(share) > 0
    assert np.array_equal(
        scores["cnn_lstm"].column("score"), scores["cnn_alone"].column("score"), equal_nan=True
    )  # what is held is the selector's alone
    targets = pd.read_parquet(finished.folder.path / "targets.parquet")
    total = targets.groupby("date")["target"].sum()
    rows = np.searchsorted(scores["cnn_lstm"].sessions, total.index.to_numpy().astype("datetime64[D]"))
    wanted = scores["cnn_lstm"].column("exposure")[:, 0]
    assert np.allclose(total, wanted[rows], atol=1e-6) or np.allclose(total, wanted[rows - 1], atol=1e-6)
    assert (targets.groupby("date")["target"].agg(lambda t: (t > 0).sum()) <= 5).all()


def test_the_timers_probability_is_calibrated_and_the_selectors_is_not(finished):
    store = finished.folder
    found = {
        name: store.read_json(f"fits/{name}/{row.name}") for name in ("timer", "cnn") for row in _fits(store, name)
    }
    temperatures = {
        name: store.read_json(f"versions/{fit['version']}/manifest.json")["version"].get("temperature")
        for name, fit in found.items()
    }
    assert 0.1 <= temperatures["timer"] <= 100.0
    assert temperatures["cnn"] is None


def _fits(store, name):
    return sorted((store.path / "fits" / name).glob("1-*.json"))[:1]


def test_no_two_recipes_look_alike_in_the_chart_of_their_rank_ic(finished):
    keys = rank_ic(read_run_folder(finished.folder.path)).keys
    assert len({(key.colour, key.line) for key in keys}) == len(keys) >= 5


def test_the_report_shows_the_papers_table_the_position_ratio_and_the_three_net_values(finished):
    page = (finished.folder.path / "report.html").read_text(encoding="utf-8")
    for text in ("Liu, Zhang, Ma (2017), table 2", "Position ratio", "wanted", "Momentum", "30.9", "Published"):
        assert text in page, text
    assert {"cnn_lstm", "cnn_lstm/1", "momentum", "persistence", "benchmark"} <= set(
        pd.read_parquet(finished.folder.path / "returns.parquet").columns
    )


def test_a_leaky_variant_has_its_row_and_its_report_is_stamped(finished):
    row = finished.folder.read_json("variants.json")["leaky_scaler"]
    assert row["leaks"] == ["leaky_zscore of cnn", "leaky_zscore of timer"]
    assert row["evidence"]["p_value"] is None
    assert np.isfinite(row["metrics"]["annual_return_geometric"])
    page = (finished.folder.path / "variants" / "leaky_scaler" / "report.html").read_text(encoding="utf-8")
    assert "reads the future on purpose" in page


def test_every_variant_parses_and_changes_what_it_says():
    config = read_config(str(CONFIG))
    assert {name for name in config.variants if name.startswith("leaky_")} == {"leaky_scaler", "leaky_members"}
    changed = {name: config_of(config, name) for name in config.variants}
    assert str(changed["leaky_members"].data.leaky_members_on) == "2017-03-31"
    assert changed["normal_weights"].recipes["timer"].init == "normal"
    assert not changed["as_the_network_says"].recipes["timer"].calibrate
    assert type(changed["free_of_cost"].costs).__name__ == "FreeSettings"


def test_members_of_another_day_are_named_as_a_leak(finished):
    config = read_config(str(CONFIG))
    honest = leaks(finished)
    finished.config, whole = replace(finished.config, data=config_of(config, "leaky_members").data), finished.config
    try:
        assert leaks(finished) == [*honest, "leaky_members_on 2017-03-31"]
    finally:
        finished.config = whole
    assert honest == []


def test_members_of_one_day_all_along_are_what_survived_until_then(shared_data):
    spans = member_spans(shared_data, "2013-10-01", "2014-01-31", leaky_members_on="2017-03-31")
    assert len(spans) == spans["symbol"].nunique() == 300
    assert (spans["start"] == pd.Timestamp("2013-10-01")).all()
    assert spans["end"].isna().all()
    panel, _ = load_china(shared_data, "2013-10-01", "2014-01-31", leaky_members_on="2017-03-31")
    true = load_china(shared_data, "2013-10-01", "2014-01-31")[0]
    assert panel.members[-1].sum() > 200
    on_both = set(panel.symbols) & {s for s, m in zip(true.symbols, true.members[-1], strict=True) if m}
    assert len(on_both) < panel.N  # some of them joined later, which nobody knew
