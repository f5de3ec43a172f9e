"""Forecast accuracy of single symbols: directions from a threshold on, coverage, prices, and the report's tables."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from run_folder_sample import Sample, write_run_folder

from nnstrategies.config import parse
from nnstrategies.errors import ConfigError
from nnstrategies.explain.forecasts import THRESHOLDS, forecast_accuracy
from nnstrategies.pipeline import report, start, trade, train
from nnstrategies.pipeline.variants import config_of
from nnstrategies.report import build_report
from nnstrategies.report.forecasts import directions
from nnstrategies.report.html import report_tables
from nnstrategies.report.svg import INK, drawing
from nnstrategies.report.threshold_chart import LEAST, draw_right, sized
from nnstrategies.training import GradientBoostingRecipe, RidgeRecipe
from nnstrategies.training.targets import PERCENT
from tests.small_samples import market_samples
from tests.test_tasks import TREE

ROOT = Path(__file__).parents[1]
RETURNS = st.sampled_from([np.nan, -0.03, -0.01, 0.0, 0.004, 0.02])


def test_a_hand_worked_case():
    forecast = np.array([0.012, -0.02, 0.004, 0.02, 0.02, np.nan])
    actual = np.array([0.010, 0.01, 0.002, -0.01, 0.0, 0.01])
    found = forecast_accuracy(np.array(["a"] * 6), forecast, actual, (0.0, 0.01)).set_index("threshold")
    assert found.loc[0.0, ["judged", "acted", "hits", "rises"]].tolist() == [4, 4, 2, 3]
    assert found.loc[0.01, ["judged", "acted", "hits", "rises"]].tolist() == [4, 3, 1, 2]
    errors = [0.002 / 1.01, 0.03 / 1.01, 0.002 / 1.002, 0.03 / 0.99, 0.02]
    assert found.loc[0.0, "price_error"] == pytest.approx(np.mean(errors))


def test_persistence_names_no_direction_and_its_price_error_is_the_mean_move():
    actual = np.array([0.01, -0.01, 0.02])
    found = forecast_accuracy(np.array(["a"] * 3), np.zeros(3), actual)
    assert found["acted"].sum() == 0
    assert found["price_error"].iloc[0] == pytest.approx(np.mean(np.abs(actual) / (1 + actual)))


@given(hnp.arrays(np.float64, 30, elements=RETURNS), hnp.arrays(np.float64, 30, elements=RETURNS))
def test_counts_agree_with_a_plain_loop_and_coverage_falls_with_the_threshold(forecast, actual):
    names = np.array(["a", "b", "c"] * 10)
    found = forecast_accuracy(names, forecast, actual)
    for row in found.itertuples():
        days = [
            (f, r) for n, f, r in zip(names, forecast, actual, strict=True) if n == row.symbol and f == f and r == r
        ]
        acted = [(f, r) for f, r in days if r != 0 and f != 0 and abs(f) >= row.threshold]
        assert row.judged == sum(r != 0 for _, r in days)
        assert (row.acted, row.hits) == (len(acted), sum((f > 0) == (r > 0) for f, r in acted))
        assert row.rises == sum(r > 0 for _, r in acted)
    for _, part in found.groupby("symbol"):
        assert part["acted"].is_monotonic_decreasing


def test_directions_take_symbols_and_seeds_together():
    rows = [
        ("x", 1, "a", 0.0, 10, 10, 6, 5, 0.1),
        ("x", 2, "b", 0.0, 10, 5, 5, 5, 0.1),
        ("y", 1, "a", 0.0, 9, 9, 0, 0, 0),
    ]
    rows += [("x", 1, "a", 0.01, 10, 0, 0, 0, 0.1)]
    columns = ["recipe", "seed", "symbol", "threshold", "judged", "acted", "hits", "rises", "price_error"]
    assert directions(pd.DataFrame(rows, columns=columns), "x") == {"0": (11 / 15, 15 / 20)}


# -- targets in per cent -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", [RidgeRecipe(target="percent"), GradientBoostingRecipe(target="percent")])
def test_a_model_of_one_symbol_learns_the_return_itself(recipe):
    samples = market_samples("return")[1].only(np.array([0]))
    version = recipe.fit(samples, 350, 1)
    assert version.units == (PERCENT,)
    known = samples.upto(350)
    t, n = known.rows(0, 350, 350)
    said = np.array([version.predict(known.features, known.mask[row], row)[0, 0] for row in t])
    learned = 100 * known.labels.values[t, n]
    assert said.mean() == pytest.approx(float(learned.mean()), abs=0.05 * float(learned.std()))
    assert np.corrcoef(said, learned)[0, 1] > 0.1


def test_ridge_in_per_cent_equals_the_closed_form():
    samples = market_samples("return")[1].only(np.array([0]))
    recipe = RidgeRecipe(target="percent", penalty=0.5)
    version = recipe.fit(samples, 350, 1)
    known = samples.upto(350)
    t, n = known.rows(0, 350, 350)
    x = np.clip(version.scaler(known.features.values[n, t]).astype(np.float64), -5, 5)
    y = 100.0 * known.labels.values[t, n].astype(np.float64)
    assert not np.allclose(known.labels.values[t, n], known.labels.returns[t, n])  # the label is relative
    expected = np.linalg.solve(x.T @ x / len(x) + 0.5 * np.eye(x.shape[1]), x.T @ (y - y.mean()) / len(x))
    assert version.arrays["coefficients"] == pytest.approx(expected, rel=1e-3, abs=1e-4)
    assert version.arrays["intercept"][0] == pytest.approx(y.mean(), rel=1e-3)


def test_shares_by_threshold_are_pooled_over_symbols_with_their_spread_over_seeds():
    columns = ["recipe", "seed", "symbol", "threshold", "judged", "acted", "hits"]
    rows = [
        ("lstm", 1, "a", 0.0, 100, 100, 40),
        ("lstm", 1, "b", 0.0, 100, 100, 60),
        ("lstm", 2, "a", 0.0, 100, 100, 70),
        ("lstm", 2, "b", 0.0, 100, 100, 50),
        ("lstm", 1, "a", 0.01, 100, 10, 6),
        ("lstm", 1, "b", 0.01, 100, 0, 0),
        ("lstm", 2, "a", 0.01, 100, 30, 30),
        ("lstm", 2, "b", 0.01, 100, 0, 0),
        ("logistic", 1, "a", 0.0, 100, 100, 50),  # a class has no size, so no place on the axis
        ("logistic", 1, "a", 0.01, 100, 0, 0),
    ]
    found = sized(pd.DataFrame(rows, columns=columns)).set_index("threshold")
    assert set(found["recipe"]) == {"lstm"}
    assert found.loc[0.0, ["acted", "right", "coverage"]].tolist() == [200, 0.55, 1.0]
    assert found.loc[0.0, "spread"] == pytest.approx(np.std([0.5, 0.6], ddof=1))
    assert found.loc[0.01, ["acted", "right", "coverage"]].tolist() == [20, 0.9, 0.1]
    assert found.loc[0.01, "spread"] == pytest.approx(np.std([0.6, 1.0], ddof=1))
    assert sized(pd.DataFrame(columns=columns)).empty


def test_few_forecasts_are_not_drawn_and_published_ranges_are():
    columns = ["recipe", "threshold", "acted", "right", "spread", "coverage"]
    rows = [("lstm", 0.0, 200, 0.55, 0.05, 1.0), ("lstm", 0.01, LEAST - 1, 0.9, 0.2, 0.1)]
    with drawing() as (_, axes):
        draw_right(axes, pd.DataFrame(rows, columns=columns), {"lstm": {"0.01": (0.66, 0.72)}}, {"lstm": INK}, INK)
        _coin, line, *_ = axes.lines
        assert line.get_ydata().tolist() == [0.55]
        (bar,) = axes.patches
        assert (bar.get_y(), bar.get_height()) == (0.66, pytest.approx(0.06))
        assert bar.get_x() + bar.get_width() / 2 == pytest.approx(1)  # the second threshold


COLUMNS = ["recipe", "seed", "symbol", "threshold", "judged", "acted", "hits", "rises", "price_error"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run with forecasts of two exchanges by a tree, a network of two seeds, and persistence, which names nothing."""
    root = write_run_folder(tmp_path / "run", Sample(symbols=10, sessions=40, held=3, seeds=2, null=0, refits=1))
    rows = [("ridge", 1, name, 100, hits, 55) for name, hits in (("a.SZ", 60), ("b.SZ", 40), ("c.SH", 52))]
    for seed, shift in ((1, 0), (2, 10)):
        rows += [
            ("lstm", seed, name, 90, hits + shift, 50) for name, hits in (("a.SZ", 45), ("b.SZ", 36), ("c.SH", 63))
        ]
    rows.append(("persistence", 1, "a.SZ", 0, 0, 0))
    found = [(recipe, seed, name, 0.0, 100, acted, hits, up, 0.01) for recipe, seed, name, acted, hits, up in rows]
    found += [(recipe, seed, name, 0.01, 100, 1, 1, 1, 0.01) for recipe, seed, name, *_ in rows]  # not of this table
    pd.DataFrame(found, columns=COLUMNS).to_parquet(root / "forecasts.parquet", index=False)
    return root


def test_right_directions_of_every_recipe_stand_by_symbol_and_exchange_networks_first(folder: Path) -> None:
    table = report_tables(folder)["symbols"]
    assert table.head == ["Symbol", "Commoner direction", "LSTM", "Ridge"]
    cells = {row.label: [cell.replace("\u00a0", " ") for cell in row.cells] for row in table.rows}
    assert list(cells) == ["a.SZ", "b.SZ", "c.SH", "All of SH", "All of SZ", "All"]
    spread = 100 * np.std([45 / 90, 55 / 90], ddof=1)
    assert cells["a.SZ"] == ["55.6 %", f"55.6 ± {spread:.1f} %\n(90)", "60.0 %\n(100)"]
    assert cells["All of SZ"][1:] == [f"50.6 ± {spread:.1f} %\n(180)", "50.0 %\n(200)"]
    assert cells["All"][2] == "50.7 %\n(300)"
    assert [row.remark for row in table.rows][-3:] == ["", "2 symbols", "3 symbols"]


def test_directions_by_symbol_are_printed_as_markdown_and_shown(folder: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["results_table.py", str(folder), "symbols"])
    runpy.run_path(str(ROOT / "benchmarks" / "results_table.py"), run_name="__main__")
    assert "\n| All of SZ, 2 symbols | 55.6 % | 50.6 ± " in capsys.readouterr().out
    assert "Right directions by symbol and exchange" in build_report(folder).read_text(encoding="utf-8")


def test_a_run_that_names_no_direction_has_no_table_of_symbols(folder: Path) -> None:
    table = pd.read_parquet(folder / "forecasts.parquet")
    table.query("recipe == 'persistence' and threshold == 0").to_parquet(folder / "forecasts.parquet")
    assert "symbols" not in report_tables(folder)
    (folder / "forecasts.parquet").unlink()
    assert "symbols" not in report_tables(folder)


# -- configs -----------------------------------------------------------------------------------------------------------


def test_a_variant_of_some_recipes_keeps_what_can_be_made_of_them():
    tree = TREE | {
        "variants": {"one": {"note": "alone", "set": {}, "recipes": ["ridge", "timer"]}},
        "headline": "timed",
    }
    config = config_of(parse(tree, "x"), "one")
    assert set(config.recipes) == {"ridge", "timer"}
    assert set(config.tasks) == {"time"}
    assert set(config.portfolios) == {"factors", "timed"}
    with pytest.raises(ConfigError, match=r"variants.one.recipes: 'rigde' is no recipe; did you mean 'ridge'"):
        parse(tree | {"variants": {"one": {"note": "x", "set": {}, "recipes": ["rigde"]}}}, "x")


def test_published_directions_name_recipes():
    said = {"source": "x", "directions": {"ridge": {"0": [0.55, 0.58]}}}
    assert parse(TREE | {"published": said}, "x").published.directions["ridge"]["0"] == (0.55, 0.58)
    prices = {"source": "x", "prices": {"ridge": [0.98, 0.99]}}
    assert parse(TREE | {"published": prices}, "x").published.prices["ridge"] == (0.98, 0.99)
    with pytest.raises(ConfigError, match=r"published.prices.ridge: expected a lower and an upper share .* \[98.0, 99"):
        parse(TREE | {"published": {"source": "x", "prices": {"ridge": [98, 99]}}}, "x")
    with pytest.raises(ConfigError, match=r"published.directions: 'rigde' is no recipe"):
        parse(TREE | {"published": {"source": "x", "directions": {"rigde": {"0": [0.55, 0.58]}}}}, "x")


def test_thresholds_begin_with_none_and_hold_that_of_the_paper():
    assert THRESHOLDS[0] == 0.0
    assert 0.01 in THRESHOLDS


SINGLE = {
    "name": "single",
    "data": {"source": "simulated", "symbols": 3, "members": 3, "sessions": 300, "seed": 5},
    "features": ["ret_1", "ret_5"],
    "window": 1,
    "walk_forward": {"first_test": "2015-10-08", "refit": "once"},
    "recipes": {"ridge": {"kind": "ridge", "target": "percent"}},
    "headline": "ridge",
    "measure": "time",
    "evidence": {"refits": 0},
    "executor": "local",
}


def test_a_forecast_price_belongs_to_the_session_at_which_its_label_ends(tmp_path):
    label = {"kind": "return", "relative": False, "horizon_days": 3, "price": "close"}
    run = start(parse({**SINGLE, "label": label}, "x"), tmp_path)
    train(run, explained=())
    assert run.folder.read_frame("forecasts")["price_error"].notna().all()
    path = run.folder.read_frame("forecast_path")
    column, labels = run.panel.column(path["symbol"][0]), run.samples.labels
    known = np.flatnonzero(np.isfinite(labels.returns[:, column]) & (np.arange(run.panel.T) >= run.test_rows[0]))
    at = labels.end[known, column]
    moves = pd.Series(labels.returns[known, column], run.panel.sessions[at].astype("datetime64[s]"))
    both = path.set_index("date").join(moves.rename("came"), how="inner")
    assert len(both) >= len(path) - 6 > 10  # a label may lack where the stock was suspended
    np.testing.assert_allclose(both["price"] / both["unchanged"] - 1, both["came"], atol=1e-6)


@pytest.mark.parametrize("more", [{"horizon_days": 1}, {"horizon": "week"}])
def test_a_return_from_the_next_open_on_names_a_direction_and_no_price(tmp_path, more):
    run = start(parse({**SINGLE, "label": {"kind": "return", "relative": False, **more}}, "x"), tmp_path)
    train(run, explained=())
    trade(run)
    report(run)
    forecasts = run.folder.read_frame("forecasts")
    assert forecasts["price_error"].isna().all()
    assert forecasts["hits"].sum() > 0
    assert not run.folder.has("forecast_path.parquet")
    page = (run.folder.path / "report.html").read_text(encoding="utf-8")
    assert "nor by a return that counts from an open not known yet" in page
    for text in ("measured, of opens", "Opens are nearer", "forecast and actual", "the price that was known"):
        assert text not in page
