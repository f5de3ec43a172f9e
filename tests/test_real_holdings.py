"""Real prices: every stock held over its whole life earns its adjusted return."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from nnstrategies.actions import actions_by_row, reference
from nnstrategies.brokers.actions import Units, apply_action
from nnstrategies.brokers.ledger import Ledger
from nnstrategies.feeds.table import panel_from_table
from nnstrategies.panel import Panel
from nnstrategies.typing import FloatArray

FINE = Units(money=100, steps=10**8)
COLUMNS = ["date", "symbol", "open", "high", "low", "close", "volume", "adj_factor", "paused"]


@pytest.fixture(scope="module")
def prices(shared_data: Path) -> pd.DataFrame:
    """All 730 stocks of cn_daily, 2010 to 2023."""
    return pq.read_table(shared_data / "cn_daily.parquet", columns=COLUMNS).to_pandas(date_as_object=False)


def adjusted_growth(prices: pd.DataFrame, panel: Panel) -> FloatArray:
    """[N] close x adj_factor at the last trade over the first, from the table itself, in float64."""
    traded = prices[~prices["paused"] & (prices["volume"] > 0)].sort_values("date")
    traded = traded.assign(adjusted=traded["close"].astype(np.float64) * traded["adj_factor"].astype(np.float64))
    ends = traded.groupby("symbol")["adjusted"].agg(["first", "last"]).loc[list(panel.symbols)]
    return (ends["last"] / ends["first"]).to_numpy()


def held_for_life(panel: Panel, units: Units, stake: int, frictionless: bool) -> tuple[FloatArray, Ledger, int]:
    """Growth [N] of ``stake`` in each stock from its first close to its last, the books, and how many actions booked.

    One account holds all; actions come through the same code as a broker's.
    """
    close, trading = panel["close"].astype(np.float64), panel.trading & np.isfinite(panel["close"])
    first, last = np.argmax(trading, axis=0), panel.T - 1 - np.argmax(trading[::-1], axis=0)
    ledger = Ledger(stake * panel.N, panel.sessions[0].item())
    actions, marks, growth, booked = actions_by_row(panel), np.full(panel.N, np.nan), np.zeros(panel.N), 0
    for t in range(panel.T):
        ledger.begin(panel.sessions[t].item())
        for action in actions.get(t, ()):
            mark = float(marks[action.column])
            marks[action.column] = reference(action, mark)
            booked += apply_action(ledger, action, mark, units, frictionless=frictionless) is not None
        np.copyto(marks, close[t], where=trading[t])
        for column in np.flatnonzero(first == t).tolist():
            steps = round(stake / 100 * units.steps / close[t, column])
            ledger.buy(column, steps, min(stake, ledger.cash), {})
        for column in np.flatnonzero(last == t).tolist():
            growth[column] = ledger.quantity(column) / units.steps * close[t, column] * 100 / stake
    return growth, ledger, booked


def test_any_stock_held_over_its_whole_life_earns_its_adjusted_return(prices):
    """Bought at the first close; dividends buy shares at the ex-rights price, untaxed; fractions stay; no fees."""
    panel = panel_from_table(prices, calendar="XSHG", name="cn_daily")[0]
    growth, ledger, booked = held_for_life(panel, FINE, 10**12, frictionless=True)
    adjusted = adjusted_growth(prices, panel)
    assert panel.N == 730
    assert booked > 7_600
    np.testing.assert_allclose(growth, adjusted, rtol=1e-6)
    assert abs(np.log(adjusted)).max() > 2.0  # there was something to earn
    assert sum(ledger.balances.values()) == 0
    assert ledger.cash == 0
