"""Real prices, with suspensions, late listings and seven years of days, run on the engine as on backtrader.

Part of the full tier only (NNSTRATEGIES_IDENTITY=full), and only where ../shared/data is.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import engine_strategies as trade
import numpy as np
import pandas as pd
import pytest
from engine_cases import scheme
from engine_extras import add_all_analyzers
from engine_recorder import Case, differences, record
from engine_sides import ENGINE, STOCK

from nnstrategies.feeds.table import panel_from_table
from nnstrategies.panel import Panel

pytestmark = pytest.mark.skipif(
    os.environ.get("NNSTRATEGIES_IDENTITY") != "full", reason="the full tier: NNSTRATEGIES_IDENTITY=full"
)
FIELDS = ("open", "high", "low", "close", "volume")


@pytest.fixture(scope="module")
def real_panel(shared_data: Path) -> Panel:
    """60 stocks, 2012 to 2019, with the return of 20 sessions as the score."""
    table = pd.read_parquet(shared_data / "cn_small60.parquet")
    panel, _ = panel_from_table(table, calendar=None, name="cn_small60")
    close = panel.adjusted("close")
    score = np.full(panel.shape, np.nan)
    score[20:] = close[20:] / close[:-20] - 1
    fields = {name: panel[name] for name in FIELDS} | {"score": score}
    return Panel(panel.sessions, panel.symbols, fields, panel.status, name="cn_small60")


CASES: dict[str, Callable[[Panel], Case]] = {
    "top scores": lambda panel: Case(
        "real", panel, ((trade.TopScores, {"top": 12, "every": 20}),), broker={"cash": 1e6}, equip=add_all_analyzers
    ),
    "every order type": lambda panel: Case(
        "real", panel, ((trade.EveryOrderType, {}),), broker={"cash": 1e6, "slip_perc": 0.001}
    ),
    "brackets": lambda panel: Case("real", panel, ((trade.Brackets, {}),), equip=scheme(commission=0.0008)),
    "crossing": lambda panel: Case("real", panel, ((trade.Crossing, {}),), cerebro={"cheat_on_open": True}),
}


@pytest.mark.parametrize("listen", ["everything", "nothing"])
@pytest.mark.parametrize("name", CASES)
def test_real_prices_run_as_on_backtrader(name: str, listen: str, real_panel: Panel) -> None:
    panel = real_panel.select(real_panel.symbols[:20]).upto(600)
    case = CASES[name](panel)
    expected, found = record(case, STOCK, listen), record(case, ENGINE, listen)
    assert found.path == "panel", found.reason
    assert not expected.facts["error"], expected.text
    assert not differences(expected.facts, found.facts), "\n".join(differences(expected.facts, found.facts))


def test_a_monthly_top_30_over_all_years_runs_as_on_backtrader(real_panel: Panel) -> None:
    rebalance = ((trade.TopScores, {"top": 30, "every": 21}),)
    case = Case("real", real_panel, rebalance, broker={"cash": 1e7}, equip=scheme(commission=0.0008))
    expected, found = record(case, STOCK, "nothing"), record(case, ENGINE, "nothing")
    assert found.path == "panel", found.reason
    assert len(expected.facts["runs"][0]["orders"]) > 1000
    assert not differences(expected.facts, found.facts), "\n".join(differences(expected.facts, found.facts))
