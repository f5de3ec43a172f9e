"""System S4, smaller: an LSTM confirms the picks of a factor model; its leaks, its hedge, its page."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_systems import small_tree

from nnstrategies.audit import check_recipe
from nnstrategies.config import parse, read_config, to_tree
from nnstrategies.errors import ConfigError
from nnstrategies.evidence import mean_rank_ic
from nnstrategies.factors import factor_quantiles
from nnstrategies.feeds.simulated import SimulatedMarket, simulate
from nnstrategies.pipeline import report, run_variants, start, trade, train
from nnstrategies.pipeline.trading import portfolios
from nnstrategies.pipeline.trial_records import ledger_of
from nnstrategies.pipeline.variants import config_of
from nnstrategies.predictors import score
from nnstrategies.report.html import report_tables
from nnstrategies.settings import RunConfig
from nnstrategies.training import FactorScreenRecipe, GradientBoostingRecipe, Timeline, walk_forward
from nnstrategies.training.timeline import Entry
from tests.small_samples import market_samples, samples_of

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "systems" / "s4.md").read_text(encoding="utf-8")
WHOLE = read_config("s4_lstm_filter")
SCREENED = {"screened": {"note": "x", "set": {"recipes.factors.leaky_until": "2017-02-28"}}}


def smaller() -> RunConfig:
    """The shipped config on a simulated market, which has no pb, pe, ps: two factors are left."""
    tree = small_tree("S4", {"variants": SCREENED, "workers": 1})
    tree["recipes"].pop("persistence")
    tree["portfolios"].pop("filtered_persistence")
    tree["tasks"]["filter"]["recipes"] = ["lstm", "logistic", "gradient_boosting"]
    return parse(tree, "smaller")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory):
    run = start(smaller(), tmp_path_factory.mktemp("s4"))
    train(run)
    trade(run)
    run_variants(run)
    report(run)
    return run


def returns(run) -> pd.DataFrame:
    return pd.read_parquet(run.folder.path / "returns.parquet").set_index("date")


def test_the_report_shows_what_the_screens_saw_and_what_quintiles_earned(finished):
    screens = pd.read_parquet(finished.folder.path / "screens.parquet")
    entries = finished.folder.read_json("timeline.json")
    asofs = {row["asof"] for row in entries if row["recipe"] == "factors"}
    assert {str(day.date()) for day in screens["asof"]} == asofs
    assert set(screens["horizon_days"]) == {5, 15, 30}
    assert set(screens["factor"]) == {"log_float_value", "momentum_250_20"}
    samples, (first, last) = finished.samples_of("factors"), finished.test_rows
    rows = np.arange(first, last + 1)
    found = pd.read_parquet(finished.folder.path / "quintiles.parquet")
    direct = factor_quantiles(samples.features, samples.labels, samples.mask, rows).mean
    for f, name in enumerate(samples.features.names):
        own = found[(found["factor"] == name) & (found["span"] == "test")]
        assert own["mean_return"].tolist() == pytest.approx(direct[f].tolist(), nan_ok=True)
    # what was measured before the test ends where its returns were not known yet
    end = samples.labels.end[:first]
    known = ((end >= 0) & (end < first)).any(axis=1).sum()
    assert (found["dates"][found["span"] == "before"] <= known).all()
    tables = report_tables(finished.folder.path)
    assert [row.label for row in tables["screens"].rows] == list(samples.features.names)
    assert len(tables["quintiles"].rows) == 2 * len(samples.features.names) + 1
    assert "Quintile returns in the test" in (finished.folder.path / "report.html").read_text(encoding="utf-8")


def test_the_shipped_config_is_the_papers():
    network, task, walk = WHOLE.recipes["lstm"], WHOLE.tasks["filter"], WHOLE.walk_forward
    assert (network.model, dict(network.settings)) == ("lstm", {"layers": 3, "hidden": 150, "dropout": 0.2})
    assert (network.batch, network.epochs, task.window) == (20, 20, 120)
    assert (task.label.kind, task.label.relative, task.refit) == ("up_down", False, "once")
    assert (str(walk.first_test), str(walk.last_test)) == ("2020-02-28", "2021-01-29")
    screen = WHOLE.recipes["factors"]
    assert (screen.least_ic, screen.least_ic_ir) == (0.02, 0.6)
    assert {WHOLE.label.horizon_days, *WHOLE.label.also_days} == {5, 15, 30}
    assert (WHOLE.costs.fee_bps, type(WHOLE.slippage).__name__, WHOLE.market) == (8, "NoSlippage", "cn_a")
    assert WHOLE.published.figures["filtered"]["sharpe"] == 1.986
    assert len(WHOLE.seeds) == 5


def test_only_picks_that_the_filter_confirms_are_held(finished):
    filtered = portfolios(finished)["filtered"]
    targets = pd.read_parquet(finished.folder.path / "targets.parquet")
    chosen = targets[targets["target"] > 0]
    picks = finished.samples_of("lstm").mask
    days = np.searchsorted(filtered.sessions, chosen["date"].to_numpy().astype("datetime64[D]"))
    columns = pd.Index(filtered.symbols).get_indexer(chosen["symbol"])
    assert picks[days, columns].all()
    assert (filtered.column("confirm")[days, columns] > 0).all()
    assert (chosen["target"] <= 0.3 + 1e-12).all()


def test_a_hedged_portfolio_earns_what_the_other_does_less_the_index_on_what_was_held(finished):
    table = returns(finished)
    held = pd.read_parquet(finished.folder.path / "account.parquet").set_index("date")["position_ratio"]
    expected = table["filtered"] - held.shift(1).fillna(0.0) * table["benchmark"]
    np.testing.assert_allclose(table["hedged_filtered"], expected, rtol=0, atol=1e-15)
    assert 0 < held.max() <= 1
    for name in ("multi_factor", "filtered", "filtered/1"):
        assert not np.allclose(table[f"hedged_{name}"], table[name])


def test_a_hedged_portfolio_is_a_trial_of_its_own(finished):
    trials = ledger_of(finished).read().trials
    assert {trial.recipe for trial in trials if trial.config == finished.config.name} == set(finished.config.portfolios)


def test_a_hedged_portfolio_is_no_headline():
    tree = to_tree(WHOLE) | {"headline": "hedged_filtered"}
    with pytest.raises(ConfigError, match=r"headline: expected a portfolio whose fills .* got 'hedged_filtered'"):
        parse(tree, "x")


def test_a_leak_has_a_row_and_a_stamped_report(finished):
    rows = json.loads((finished.folder.path / "variants.json").read_text())
    assert rows["screened"]["leaks"] == ["leaky_until 2017-02-28 of factors"]
    pages = [(finished.folder.path / part / "report.html").read_text("utf-8") for part in ("variants/screened", ".")]
    assert "reads the future on purpose" in pages[0]
    assert "Published and measured" in pages[1]
    assert "reads the future: leaky_until 2017-02-28 of factors" in pages[1]


def test_the_shipped_variants_leak_what_their_notes_say():
    assert config_of(WHOLE, "screened_to_2020_08").recipes["factors"].leaky_until == dt.date(2020, 8, 31)
    assert config_of(WHOLE, "scaled_on_the_whole_sample").recipes["lstm"].scaling == "leaky_zscore"
    assert config_of(WHOLE, "five_factors").recipes["factors"].least_factors == 5


@pytest.mark.parametrize("seed", range(4))
def test_on_random_walks_a_screen_that_saw_the_test_orders_it_and_an_honest_one_does_not(seed):
    market = SimulatedMarket(symbols=30, members=24, sessions=420, seed=seed, signal=False, late_listings=0.0)
    panel = simulate(market)[0]
    samples = samples_of(panel, "return", 5, window=1)
    honest = FactorScreenRecipe(train_days=60, least_factors=2, stride_days=2)
    leaky = replace(honest, leaky_until=panel.sessions[-1].item())
    rows = range(361, 413)
    found = []
    for recipe in (honest, leaky):
        version = recipe.fit(samples, 360, seed=1)
        assert version.manifest["trained_through"] == str(panel.sessions[360])
        entry = Entry(panel.sessions[361].item(), version, panel.sessions[360].item(), "first")
        found.append(mean_rank_ic(score(samples, Timeline([entry])).column(), samples, rows))
    assert found[1] > found[0]
    assert found[1] > 0.02


def test_the_leak_check_does_not_pass_a_leaky_screen():
    panel, samples = market_samples("return")
    leaky = FactorScreenRecipe(least_ic=0.0, least_ic_ir=0.0, leaky_until=panel.sessions[-1].item())
    assert check_recipe(leaky, samples, (330,)).findings
    assert not check_recipe(replace(leaky, leaky_until=None), samples, (330,)).findings


def test_a_screen_told_a_day_that_is_past_reads_nothing_more():
    panel, samples = market_samples("return")
    early = FactorScreenRecipe(stride_days=2, leaky_until=panel.sessions[100].item())
    plain = early.fit(samples, 300, seed=1)
    honest = replace(early, leaky_until=None).fit(samples, 300, seed=1)
    assert plain.manifest["screen"] == honest.manifest["screen"]
    assert plain.manifest["data"] == honest.manifest["data"]


def test_boosting_of_the_return_itself_confirms_nothing_where_everything_falls():
    panel, samples = market_samples("up_down")
    falling = replace(samples, labels=replace(samples.labels, returns=samples.labels.returns - np.float32(0.5)))
    rises = {}
    for target in ("percent", "rank"):
        recipe = GradientBoostingRecipe(iterations=60, learning_rate=0.2, target=target)
        timeline = walk_forward(falling, panel.calendar, recipe, [1], [300])[1]
        scores = score(falling, timeline).column()[301:]
        rises[target] = (scores[np.isfinite(scores)] > 0).mean()
    assert rises["percent"] == 0
    assert rises["rank"] > 0.2


def test_the_code_of_the_page_runs(tiny_panel):
    for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
        exec(block, {"panel": tiny_panel})


def test_the_links_of_the_page_lead_somewhere_and_the_readme_leads_to_it():
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", PAGE):
        assert target.startswith("http") or (ROOT / "docs" / "systems" / target).exists(), target
    assert "docs/systems/s4.md" in (ROOT / "README.md").read_text(encoding="utf-8")
