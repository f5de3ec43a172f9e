"""Networks find in the simulated market what they can see, and nothing else; the benchmark judges as it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from learning import (
    CONTRASTS,
    FAST,
    LARGE,
    PARTS,
    USUAL,
    Interval,
    Market,
    interval,
    kept,
    make_market,
    shares,
    verdict,
)
from learning_recipes import Claim, recipes

from nnstrategies.feeds.simulated import SimulatedMarket, simulate
from nnstrategies.training import NetworkRecipe

ROOT = Path(__file__).resolve().parents[1]
# A smaller market than the benchmark's, with a stronger signal to make up for it.
LOUD = SimulatedMarket(symbols=60, members=50, sessions=700, seed=6, linear=0.15, non_linear=0.15, order=0.15)
CLAIMED = {"none": "none", "open": "no claim"}


@pytest.fixture(scope="module")
def market() -> Market:
    return make_market(LOUD, "2017-03-01")


def found_by(market: Market, name: str) -> dict[str, float]:
    """Shares of the parts after a fit of the benchmark's recipe; networks for fewer epochs."""
    view, recipe = recipes()[name]
    if isinstance(recipe, NetworkRecipe):
        recipe = replace(recipe, epochs=5, valid_days=40)
    return dict(zip(PARTS, shares(market, view, recipe), strict=False))


@pytest.mark.parametrize("name", ["lstm", "cnn"])
def test_a_network_over_a_window_finds_order(market: Market, name: str) -> None:
    assert found_by(market, name)["order"] > 0.3


@pytest.mark.parametrize("name", ["mlp", "ridge", "ridge, indicators", "gradient_boosting, indicators"])
def test_what_sees_the_last_day_alone_finds_no_order(market: Market, name: str) -> None:
    assert found_by(market, name)["order"] < 0.1


def test_ridge_finds_the_linear_part_alone(market: Market) -> None:
    day, indicators = found_by(market, "ridge"), found_by(market, "ridge, indicators")
    assert day["linear"] > 0.25
    assert indicators["linear"] > day["linear"]
    assert abs(day["non_linear"]) < 0.1


def test_momentum_over_a_year_finds_nothing(market: Market) -> None:
    assert all(abs(share) < 0.1 for share in found_by(market, "momentum").values())


def test_a_perfect_forecaster_has_all_of_the_total(market: Market) -> None:
    samples, truth = market.samples["raw"], market.truth
    found = truth.found(truth.parts["total"], samples.mask, market.asof + 1, market.panel.T - 1)
    assert found["total"] == pytest.approx(1)
    assert sum(found[part] ** 2 for part in PARTS) == pytest.approx(1, abs=0.15)  # uncorrelated parts share one score


def test_the_interval_is_student_s_over_the_markets() -> None:
    found = interval([0.1, 0.2, 0.3, 0.4, 0.5])
    assert found.mean == pytest.approx(0.3)
    assert found.high - found.mean == pytest.approx(
        2.7764 * np.sqrt(0.025 / 5), abs=1e-4
    )  # t of 4 degrees, table value
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


@pytest.mark.parametrize(
    ("claim", "low", "high", "said"),
    [
        (0.12, 0.13, 0.3, "holds"),
        (0.12, 0.05, 0.3, "FAILS: not shown to exceed 0.12"),
        (0.12, -0.05, 0.3, "FAILS: not shown to exceed 0"),
        ("none", -0.12, -0.02, "holds"),
        ("none", -0.02, 0.05, "holds"),
        ("none", 0.01, 0.05, "FAILS: above 0"),
        ("none", -0.2, 0.2, "FAILS: may be more than 0.10"),
        ("open", -0.2, 0.2, "-"),
    ],
)
def test_a_claim_holds_only_where_the_whole_interval_bears_it_out(
    claim: Claim, low: float, high: float, said: str
) -> None:
    assert verdict(claim, Interval((low + high) / 2, low, high)) == said


def test_fits_that_a_log_holds_are_not_repeated(tmp_path: Path) -> None:
    log = tmp_path / "fits.log"
    log.write_text("market 21, ridge, indicators: 0.1000 -0.2000 0.3000 0.4000\nmarket 21, lstm: 0.1 0.2\nother\n")
    assert kept(log) == {(21, "ridge, indicators"): [0.1, -0.2, 0.3, 0.4]}
    assert kept(None) == kept(tmp_path / "none.log") == {}


def test_a_large_market_is_tested_on_the_same_sessions() -> None:
    usual, large = (simulate(replace(size, symbols=4, members=3))[0].calendar for size in (USUAL, LARGE))
    assert large.sessions[-1] == usual.sessions[-1]
    trained = [calendar.first_on_or_after("2019-01-02") for calendar in (usual, large)]
    assert trained[1] == pytest.approx(2 * trained[0], rel=0.01)
    assert LARGE.members == 4 * USUAL.members


def test_every_network_of_the_package_is_measured() -> None:
    from nnstrategies.models import MODELS

    networks = [recipe.model for _, recipe in recipes().values() if isinstance(recipe, NetworkRecipe)]
    assert set(networks) == set(MODELS)
    assert set(FAST) | {name for _, *pair in CONTRASTS for name in pair} <= set(recipes())


def test_the_page_lists_every_recipe_with_its_claims() -> None:
    page = (ROOT / "docs" / "learning.md").read_text(encoding="utf-8")
    expected = page.split("## What was expected")[1].split("## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in expected.splitlines() if line[:1] == "|"]
    for name, (view, _) in recipes().items():
        claims = [CLAIMED[claim] if isinstance(claim, str) else f"> {claim:.2f}" for claim in view.claims]
        named = [row for row in rows if name == row[0] or ("indicators" not in row[0] and name in row[0].split(", "))]
        assert [row[2:] for row in named] == [claims], name
