"""Corporate actions: what a holder receives on the ex-date, and that nothing is gained or lost by it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nnstrategies.actions import actions_by_row
from nnstrategies.feeds.simulated import SimulatedMarket, simulate
from nnstrategies.panel import Panel, Status
from tests.small_market import make_panel, run_script, sessions


def action_table(symbol: str, ex_row: int, cash: float, ratio: float) -> dict[str, pd.DataFrame]:
    day = pd.Timestamp(sessions(20)[ex_row])
    row = {"symbol": symbol, "known_at": day - pd.Timedelta(days=9), "ex_date": day, "cash": cash, "ratio": ratio}
    return {"actions": pd.DataFrame([row])}


def test_a_dividend_is_paid_on_the_shares_held_at_the_close_before():
    close = np.array([[10.0]] * 3 + [[9.5]] * 3)
    panel = make_panel(close, np.array([[10.0]] * 3 + [[9.5]] * 3), events=action_table("S00", 3, 0.5, 1.0))
    script = {0: [("buy", 0, 1_000, {})], 2: [("buy", 0, 500, {})]}
    _, broker = run_script(panel, script)
    (row,) = broker.journal.actions
    assert (row.row, row.cash, row.inferred) == (3, 500.0, False)
    assert broker.getvalue() == pytest.approx(100_000)


def test_a_split_changes_the_shares_and_the_fraction_is_paid_in_cash():
    close = np.array([[10.0]] * 3 + [[10.0 / 1.255]] * 3)
    panel = make_panel(close, close, events=action_table("S00", 3, 0.0, 1.255))
    _, broker = run_script(panel, {0: [("buy", 0, 100, {})], 3: [("sell", 0, 125, {})]})
    (row,) = broker.journal.actions
    assert (row.size_before, row.size_after) == (100, 125)
    assert row.cash == 3.98  # half a share at 10 / 1.255, to the cent
    assert broker.getvalue() == pytest.approx(100_000)
    assert not broker.getposition(broker.cerebro.datas[0]).size


def test_backtraders_trades_close_after_a_split():
    close = np.array([[10.0]] * 3 + [[5.0]] * 4)
    panel = make_panel(close, close, events=action_table("S00", 3, 0.0, 2.0))
    strategy, _ = run_script(panel, {0: [("buy", 0, 100, {})], 4: [("sell", 0, 200, {})]})
    (trade,) = [trade for trades in strategy._trades.values() for group in trades.values() for trade in group]
    assert trade.isclosed
    assert trade.pnl == pytest.approx(0.0)


def test_an_action_during_a_suspension_does_not_move_the_value():
    close = np.array([[10.0]] * 5 + [[5.0]] * 2)
    status = np.full((7, 1), Status.TRADING)
    status[2:5] = Status.PAUSED
    panel = make_panel(close, np.array([[10.0]] * 5 + [[5.0]] * 2), status, action_table("S00", 3, 0.0, 2.0))
    _, broker = run_script(panel, {0: [("buy", 0, 100, {})]})
    assert [entry.value for entry in broker.journal.account] == pytest.approx([100_000] * 7)


def test_actions_are_inferred_from_the_factor_small_as_cash_large_as_shares():
    factor = np.array([[1.0], [1.0], [1.05], [1.05], [2.1], [2.1]])
    close = 10.0 / factor
    panel = make_panel(close, close, adj_factor=factor)
    found = actions_by_row(panel)
    dividend, split = found[2][0], found[4][0]
    assert (dividend.ratio, split.cash, dividend.inferred, split.inferred) == (1.0, 0.0, True, True)
    assert dividend.cash == pytest.approx(10.0 - 10.0 / 1.05)
    assert split.ratio == pytest.approx(2.0)
    _, broker = run_script(panel, {0: [("buy", 0, 1_000, {})]})
    assert broker.getvalue() == pytest.approx(100_000)


def held_for_life(panel: Panel, column: int) -> tuple[float, float]:
    """Growth of one holding from its first fill to the panel's end, and of its adjusted price."""
    trading = np.flatnonzero(panel.trading[:, column])
    first = int(trading[0])
    one = panel.select([panel.symbols[column]])
    script = {first: [("buy", 0, 1e9, {})]}
    _, broker = run_script(one, script, cash=1e8, market="frictionless")
    bought = next(fill.row for fill in broker.journal.fills)
    last = int(np.flatnonzero(one.listed[:, 0])[-1])
    adjusted = one.adjusted("close")[last, 0] / one.adjusted("open")[bought, 0]
    return broker.getvalue() / 1e8, float(adjusted)


def test_a_holding_over_its_whole_life_earns_the_adjusted_return():
    panel = simulate(SimulatedMarket(symbols=12, sessions=400, members=8, seed=3))[0]
    split_only = set(range(panel.N)) - {
        panel.column(s) for s in panel.events("actions").query("cash > 0")["symbol"].unique()
    }
    gaps = []
    for column in range(panel.N):
        if panel.trading[:, column].any():
            earned, adjusted = held_for_life(panel, column)
            # dividends lie in cash here and are reinvested in the adjusted price: a gap of second order
            gaps.append(abs(np.log(earned / adjusted)))
            assert gaps[-1] < (1e-3 if column in split_only else 0.05)
    assert np.median(gaps) < 0.01


def test_inferred_actions_earn_the_adjusted_return_too():
    full = simulate(SimulatedMarket(symbols=8, sessions=300, members=5, seed=5))[0]
    panel = Panel(full.sessions, full.symbols, {f: full[f] for f in full.field_names}, full.status)
    for column in range(panel.N):
        if panel.trading[:, column].any():
            earned, adjusted = held_for_life(panel, column)
            assert earned == pytest.approx(adjusted, rel=0.05)
