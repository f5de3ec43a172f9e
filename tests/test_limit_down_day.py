"""2020-02-03, the first session after the holidays: most of the CSI 300 opens limit-down, and a portfolio changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnstrategies.backtest import BacktestResult, backtest
from nnstrategies.feeds.china import load_china
from nnstrategies.market import MarketRules, market_rules
from nnstrategies.panel import Panel
from nnstrategies.strategies import RebalanceStrategy
from nnstrategies.typing import BoolArray
from nnstrategies.view import View
from tests.small_market import make_scores

BEFORE, CHANGE, DAY, DONE = "2019-12-02", "2020-01-23", "2020-02-03", "2020-02-10"
HELD = 30


class Twice(RebalanceStrategy):
    """Buys on 2019-12-02 and changes everything on 2020-01-23, the last session before the holidays."""

    def is_rebalance_day(self, view: View) -> bool:
        return str(view.date) in (BEFORE, CHANGE)


class Thrice(RebalanceStrategy):
    """Rebalances on the limit-down day too, while the sales of the change are still waiting."""

    def is_rebalance_day(self, view: View) -> bool:
        return str(view.date) in (BEFORE, CHANGE, DAY)


@pytest.fixture(scope="module")
def panel(shared_data: Path) -> Panel:
    return load_china(shared_data, "2019-10-08", "2020-03-31")[0]


@pytest.fixture(scope="module")
def bound(panel: Panel) -> MarketRules:
    return market_rules("cn_a", panel)


@pytest.fixture(scope="module")
def result(panel: Panel) -> BacktestResult:
    return run(panel, Twice)


def run(panel: Panel, strategy: type[RebalanceStrategy]) -> BacktestResult:
    """Random scores that flip: what was best is worst."""
    score = np.random.default_rng(3).normal(size=panel.N)
    flips = np.where(panel.sessions < np.datetime64(CHANGE), 1.0, -1.0)
    scores = make_scores(panel, flips[:, None] * score)
    return backtest(
        panel, strategy, scores, settings={"top_n": HELD}, market="cn_a", start="2019-11-01", end="2020-02-28"
    )


def row(panel: Panel, day: str) -> int:
    return panel.calendar.index(day)


def opened_limit_down(panel: Panel, bound: MarketRules, t: int) -> BoolArray:
    """[N] opened at the lower limit."""
    found: BoolArray = panel.trading[t] & (bound.ticks(panel["open"][t]) <= bound.limits(t).down)
    return found


def test_217_of_the_300_members_open_limit_down(panel, bound):
    """208 of the 290 with raw prices; of the 10 with forward-adjusted prices, whose limits are estimates, 9."""
    t = row(panel, DAY)
    locked, estimated = opened_limit_down(panel, bound, t) & panel.members[t], bound.estimated(t)
    assert panel.members[t].sum() == 300
    assert ((locked & ~estimated).sum(), (panel.members[t] & ~estimated).sum()) == (208, 290)
    assert ((locked & estimated).sum(), (panel.members[t] & estimated).sum()) == (9, 10)
    assert [opened_limit_down(panel, bound, t + later)[panel.members[t + later]].sum() for later in (1, 2)] == [17, 0]


def test_sales_that_open_limit_down_are_held_and_their_buys_shrink_to_the_cash_there_is(panel, bound, result):
    t = row(panel, DAY)
    first, second = result.decisions
    sales, buys = first.target > 0, second.target > 0
    assert (sales.sum(), buys.sum(), (sales & buys).sum()) == (HELD, HELD, 0)
    stuck = sales & opened_limit_down(panel, bound, t)
    refused = {r.column: r.reason for r in result.journal.refusals if r.row == t and r.side == "sell"}
    assert refused == dict.fromkeys(np.flatnonzero(stuck).tolist(), "limit-down")
    assert stuck.sum() >= 15
    held = {entry.column for entry in result.journal.positions if entry.row == t}
    assert held & set(np.flatnonzero(sales).tolist()) == set(refused)

    cash = {entry.row: entry.cash for entry in result.journal.account}
    sold = sum(f.size * f.price - f.fee for f in result.journal.fills if f.row == t and f.side == "sell")
    paid = sum(f.size * f.price + f.fee for f in result.journal.fills if f.row == t and f.side == "buy")
    assert cash[t] == pytest.approx(cash[t - 1] + sold - paid, abs=0.01)
    assert 0 <= cash[t] < 0.01 * result.final_value
    short = [r.column for r in result.journal.refusals if r.row == t and r.reason == "cash short"]
    assert len(short) >= 10
    assert set(short) <= set(np.flatnonzero(buys).tolist())


def test_the_next_sessions_repair_the_portfolio_to_its_target(panel, result):
    t, decision = row(panel, DONE), result.decisions[1]
    value = next(entry.value for entry in result.journal.account if entry.row == t)
    worth = np.zeros(panel.N)
    for entry in result.journal.positions:
        if entry.row == t:
            worth[entry.column] = entry.size * entry.price
    wanted = decision.target > 0
    assert set(np.flatnonzero(worth)) == set(np.flatnonzero(wanted))
    bought = {f.column: f for f in result.journal.fills if f.side == "buy" and row(panel, DAY) <= f.row <= t}
    for column, fill in bought.items():
        lot = 100 * fill.price / value
        moved = panel["close"][fill.row : t + 1, column].astype(float)
        move = max(moved.max() / fill.price, fill.price / moved.min()) - 1
        assert worth[column] / value == pytest.approx(decision.target[column], abs=lot + 1.25 * move / HELD + 0.002)
    assert {f.reason for f in bought.values()} >= {"repair"}
    assert worth.sum() / value > 0.98


def test_the_run_goes_through_with_a_value_on_every_session_and_its_worst_day_is_that_one(result):
    returns = result.returns
    assert np.isfinite(returns).all()
    assert len(returns) == len(result.journal.account) == np.sum(result.panel.sessions >= np.datetime64("2019-11-01"))
    assert str(returns.idxmin().date()) == DAY
    assert returns.min() < -0.06
    assert all(entry.cash >= 0 for entry in result.journal.account)


def test_every_blocked_order_is_a_line_with_its_cost_by_hand(panel, result):
    t, table = row(panel, DAY), result.frames()["blocked"]
    table = table[table["blocked_on"] == pd.Timestamp(DAY)]
    sales = table[table["side"] == "sell"].set_index("symbol")
    assert set(table["date"]) == {pd.Timestamp(CHANGE)}
    assert len(sales) == sum(r.row == t and r.reason == "limit-down" for r in result.journal.refusals)
    assert (sales["repaired_on"] <= pd.Timestamp(DONE)).all()
    for symbol in sales.index[[0, len(sales) // 2, -1]]:
        column, line = panel.column(symbol), sales.loc[symbol]
        again = row(panel, line["repaired_on"])
        opens = panel["open"][:, column].astype(float)
        held = next(p.size for p in result.journal.positions if p.row == t and p.column == column)
        assert line["blocked_price"] == pytest.approx(opens[t], abs=1e-4)
        assert line["repaired_price"] == pytest.approx(opens[again], abs=1e-4)
        assert line["size"] == held
        assert line["cost"] == pytest.approx(held * (opens[t] - opens[again]), abs=0.02 * held)
    shortened = table[table["reason"] == "cash short"]
    assert (shortened["side"] == "buy").all()
    assert len(shortened) >= 10


def test_sales_that_a_rebalance_on_that_day_orders_again_are_repaired_by_its_orders(panel, result):
    """What it costs to wait is the same whether a repair or a rebalance that still wants none of it sells."""
    again = run(panel, Thrice)
    table, before = (one.frames()["blocked"] for one in (again, result))
    sales, as_repairs = (
        one[(one["blocked_on"] == pd.Timestamp(DAY)) & (one["side"] == "sell")].reset_index(drop=True)
        for one in (table, before)
    )
    assert len(sales) >= 15
    pd.testing.assert_frame_equal(sales, as_repairs)
    reasons = {f.reason for f in again.journal.fills if f.row == row(panel, DAY) + 1 and f.side == "sell"}
    assert "rebalance" in reasons
