"""The backtest broker: when it fills, at which price and size, and what it refuses with which reason."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstrategies.brokers import Account, BpsSlippage, FlatCosts, MarketBroker
from nnstrategies.brokers.sizes import legal_buy, legal_sale
from nnstrategies.engine import add_panel
from nnstrategies.errors import ConfigError
from nnstrategies.market.book import OrderSize
from nnstrategies.market.read import read_book
from nnstrategies.panel import Panel, Status
from tests.small_market import make_panel, rules_of, run_script

FLAT = np.full((6, 2), 10.0)


def buy(feed: int, size: float, **more: Any) -> tuple[str, int, float, dict[str, Any]]:
    return ("buy", feed, size, more)


def sell(feed: int, size: float, **more: Any) -> tuple[str, int, float, dict[str, Any]]:
    return ("sell", feed, size, more)


def test_a_market_order_fills_at_the_next_open_with_the_fee():
    opens = FLAT.copy()
    opens[2, 0] = 10.5
    strategy, broker = run_script(make_panel(FLAT, opens), {1: [buy(0, 300)]}, costs=FlatCosts(fee_bps=8))
    (fill,) = broker.journal.fills
    assert (fill.row, fill.size, fill.price) == (2, 300, 10.5)
    assert fill.fee == pytest.approx(300 * 10.5 * 0.0008)
    assert broker.getcash() == pytest.approx(100_000 - 300 * 10.5 * 1.0008)
    assert strategy.noted == [(3, "S00", "Completed")]


@pytest.mark.parametrize("state", [Status.PAUSED, Status.MISSING])
def test_a_suspended_stock_is_refused_and_the_order_does_not_wait(state):
    status = np.full((6, 2), Status.TRADING)
    status[2, 0] = state
    strategy, broker = run_script(make_panel(FLAT, status=status), {1: [buy(0, 300)]})
    assert broker.journal.fills == []
    assert [(r.row, r.reason) for r in broker.journal.refusals] == [(2, "suspended")]
    assert strategy.noted == [(3, "S00", "Rejected")]


def test_an_open_at_the_upper_limit_refuses_buys_but_not_sales():
    up = np.full((6, 2), 11.0)
    opens = FLAT.copy()
    opens[3, 0] = 11.0
    panel = make_panel(FLAT, opens, limit_up=up, limit_down=np.full((6, 2), 9.0))
    _, broker = run_script(panel, {0: [buy(0, 200)], 2: [buy(0, 100), sell(0, 100)]})
    assert [(r.row, r.side, r.reason) for r in broker.journal.refusals] == [(3, "buy", "limit-up")]
    assert [(f.row, f.side) for f in broker.journal.fills] == [(1, "buy"), (3, "sell")]


def test_an_open_at_the_lower_limit_refuses_sales_but_not_buys():
    opens = FLAT.copy()
    opens[3, 0] = 9.0
    panel = make_panel(FLAT, opens, limit_up=np.full((6, 2), 11.0), limit_down=np.full((6, 2), 9.0))
    _, broker = run_script(panel, {0: [buy(0, 200)], 2: [buy(0, 100), sell(0, 100)]})
    assert [(r.row, r.side, r.reason) for r in broker.journal.refusals] == [(3, "sell", "limit-down")]
    assert broker.getposition(broker.cerebro.datas[0]).size == 300


def test_float32_limits_lock_at_the_same_price():
    price = np.full((6, 2), 12.34, dtype=np.float32)
    panel = make_panel(price.astype(np.float64), limit_up=np.full((6, 2), 12.34))
    _, broker = run_script(panel, {1: [buy(0, 200)]})
    assert [r.reason for r in broker.journal.refusals] == ["limit-up"]


def test_sales_go_first_and_pay_for_the_buys_of_the_same_day():
    script = {0: [buy(0, 10_000)], 2: [buy(1, 10_000), sell(0, 10_000)]}
    _, broker = run_script(make_panel(FLAT), script)
    assert [(f.row, f.side) for f in broker.journal.fills] == [(1, "buy"), (3, "sell"), (3, "buy")]
    assert broker.getcash() == pytest.approx(0.0)


def test_buys_are_served_in_rank_order_with_the_cash_there_is():
    script = {0: [buy(0, 8_000, rank=1), buy(1, 8_000, rank=0)]}
    _, broker = run_script(make_panel(FLAT), script)
    assert [(f.column, f.size, f.shortfall) for f in broker.journal.fills] == [(1, 8_000, ""), (0, 2_000, "cash short")]
    assert [(r.column, r.size, r.reason) for r in broker.journal.refusals] == [(0, 6_000, "cash short")]


def test_a_target_order_is_sized_at_the_open_not_at_the_decision():
    opens = FLAT.copy()
    opens[2, 0] = 12.5
    _, broker = run_script(make_panel(FLAT, opens), {1: [buy(0, 5_000, target=0.5)]})
    assert [(f.size, f.price) for f in broker.journal.fills] == [(4_000, 12.5)]


def test_slippage_costs_the_trader_but_stops_at_the_price_limit():
    opens = FLAT.copy()
    opens[3, 0] = 10.99
    panel = make_panel(FLAT, opens, limit_up=np.full((6, 2), 11.0), limit_down=np.full((6, 2), 9.0))
    script = {0: [buy(0, 200)], 2: [buy(0, 100)], 3: [sell(0, 300)]}
    _, broker = run_script(panel, script, slippage=BpsSlippage(20))
    assert [f.price for f in broker.journal.fills] == pytest.approx([10.02, 11.0, 9.98])
    assert [f.slippage_cost for f in broker.journal.fills] == pytest.approx([4.0, 1.0, 6.0])


def test_nothing_is_sold_short():
    _, broker = run_script(make_panel(FLAT), {1: [sell(0, 100)]})
    assert broker.journal.fills == []
    assert [r.reason for r in broker.journal.refusals] == ["not held"]


def test_a_delisted_holding_is_paid_out_at_its_last_close_without_a_fee():
    close = FLAT.copy()
    close[3, 0], close[4:, 0] = 8.0, np.nan
    status = np.full((6, 2), Status.TRADING)
    status[4:, 0] = Status.DELISTED
    _, broker = run_script(make_panel(close, status=status), {0: [buy(0, 1_000)]}, costs=FlatCosts(fee_bps=8))
    bought, paid = broker.journal.fills
    assert (paid.row, paid.size, paid.price, paid.reason) == (4, 1_000, 8.0, "delisting (assumed)")
    assert (bought.fee, paid.fee) == (pytest.approx(8.0), 0.0)
    assert broker.getvalue() == pytest.approx(100_000 - 2_000 - 8.0)


def test_the_value_is_never_nan_even_when_asked_about_unlisted_stocks():
    close = FLAT.copy()
    close[:3, 1] = np.nan
    status = np.full((6, 2), Status.TRADING)
    status[:3, 1] = Status.UNLISTED

    class Asks(bt.Strategy):
        def next(self) -> None:
            self.getposition(self.datas[1])
            assert math.isfinite(self.broker.getvalue())
            assert math.isfinite(self.broker.getvalue([self.datas[1]]))
            self.buy(data=self.datas[1], size=100)

    cerebro = bt.Cerebro(stdstats=False)
    panel = make_panel(close, status=status)
    add_panel(cerebro, panel)
    cerebro.setbroker(MarketBroker(rules=rules_of(panel)))
    cerebro.addstrategy(Asks)
    cerebro.run()
    reasons = [r.reason for r in cerebro.broker.journal.refusals]
    assert reasons[:2] == ["not listed", "not listed"]


def test_limit_and_stop_orders_follow_backtrader_and_wait_while_blocked():
    close = np.full((8, 1), 10.0)
    opens = np.array([[10.0], [10.0], [10.0], [9.5], [9.4], [10.0], [10.0], [10.0]])
    status = np.full((8, 1), Status.TRADING)
    status[3] = Status.PAUSED
    panel = make_panel(close, opens, status)
    script = {
        0: [buy(0, 500, exectype=bt.Order.Limit, price=9.6)],
        4: [sell(0, 500, exectype=bt.Order.Stop, price=10.0)],
    }
    lasting = dataclasses.replace(read_book("simulated"), orders_expire=False)
    _, broker = run_script(panel, script, market=lasting)
    assert [(f.row, f.side, f.price) for f in broker.journal.fills] == [(4, "buy", 9.4), (5, "sell", 10.0)]


def test_where_orders_end_with_their_session_a_limit_order_expires_and_a_stop_waits_with_us():
    close = np.full((6, 1), 10.0)
    opens = np.array([[10.0], [10.0], [10.0], [9.0], [9.0], [10.0]])
    script = {0: [buy(0, 100), buy(0, 500, exectype=bt.Order.Limit, price=9.6)]}
    script[1] = [sell(0, 100, exectype=bt.Order.Stop, price=9.5)]
    _, broker = run_script(make_panel(close, opens), script)
    assert [(r.row, r.reason) for r in broker.journal.refusals] == [(1, "expired")]
    assert [(f.row, f.side) for f in broker.journal.fills] == [(1, "buy"), (3, "sell")]


def test_shares_bought_today_cannot_be_sold_today():
    account = Account(rules_of(make_panel(np.full((5, 1), 10.0))), cash=10_000.0)
    account.begin(0)
    account.trade(0, True, 300, 10.0)
    assert account.trade(0, False, 300, 10.0)[0::4] == (0.0, "T+1")
    account.begin(1)
    account.trade(0, True, 200, 10.0)
    assert account.trade(0, False, 500, 10.0)[0::4] == (300.0, "T+1")


def test_an_order_takes_no_more_than_its_share_of_the_volume_and_the_rest_is_refused():
    panel = make_panel(np.full((6, 1), 10.0), volume=np.full((6, 1), 10_000.0))
    strategy, broker = run_script(panel, {2: [buy(0, 5_000)]}, participation=0.1)
    (fill,), (rest,) = broker.journal.fills, broker.journal.refusals
    assert (fill.size, fill.shortfall) == (1_000, "participation cap")
    assert (rest.size, rest.reason) == (4_000, "participation cap")
    assert strategy.noted == [(4, "S00", "Expired")]


def test_what_backtraders_own_settings_would_do_is_refused_with_the_mend():
    for wrong, mend in (({"slip_perc": 0.01}, "slippage="), ({"filler": print}, "participation=")):
        with pytest.raises(ConfigError, match=mend):
            run_script(make_panel(FLAT), {}, **wrong)


def test_a_bracket_cancels_its_second_exit_in_the_session_of_the_first():
    class Bracket(bt.Strategy):
        def next(self) -> None:
            if len(self) == 1:
                self.buy_bracket(size=100, exectype=bt.Order.Market, stopprice=9.0, limitprice=11.0)

    close = np.array([[10.0], [10.0], [10.0], [12.0], [8.0], [8.0]])
    cerebro = bt.Cerebro(stdstats=False)
    panel = make_panel(close)
    add_panel(cerebro, panel)
    cerebro.setbroker(MarketBroker(rules=rules_of(panel)))
    cerebro.addstrategy(Bracket)
    cerebro.run()
    assert [(f.row, f.side, f.price) for f in cerebro.broker.journal.fills] == [(1, "buy", 10.0), (3, "sell", 11.0)]
    assert cerebro.broker.getposition(cerebro.datas[0]).size == 0


def test_without_rules_fractions_trade_free_and_limits_are_ignored():
    panel = make_panel(FLAT, limit_up=FLAT, limit_down=FLAT)
    _, broker = run_script(panel, {0: [buy(0, 0.5)]}, market="frictionless")
    assert [(f.size, f.price, f.fee) for f in broker.journal.fills] == [(0.5, 10.0, 0.0)]


def test_cheating_on_the_close_is_refused():
    with pytest.raises(ConfigError, match="cheat-on-close"):
        run_script(make_panel(FLAT), {}, coc=True)


def order_size(minimum: int, step: int) -> OrderSize:
    sizes: dict[str, Any] = dict.fromkeys(("buy_minimum", "sell_minimum"), minimum)
    sizes |= dict.fromkeys(("buy_step", "sell_step"), step) | dict.fromkeys(("maximum_limit", "maximum_market"))
    return OrderSize(start=dt.date(2000, 1, 1), end=None, source="made", sure="official", **sizes)


@given(wanted=st.integers(0, 10**7), rule=st.sampled_from([(100, 100), (200, 1), (100, 1), (1, 1)]))
def test_a_purchase_is_the_largest_legal_size_not_above_the_wanted(wanted, rule):
    minimum, step = rule
    size = legal_buy(wanted, order_size(minimum, step))
    assert size == max([0, *(n for n in range(minimum, wanted + 1, step) if n > wanted - step - minimum)])


@given(wanted=st.integers(1, 5_000), held=st.integers(0, 5_000), rule=st.sampled_from([(100, 100), (200, 1)]))
def test_a_sale_is_in_legal_steps_or_everything(wanted, held, rule):
    minimum, step = rule
    size = legal_sale(wanted, held, order_size(minimum, step))
    assert size <= min(wanted, held)
    assert size in (0, held) or (size >= minimum and (size - minimum) % step == 0)
    assert size > wanted - step - minimum or size == held


def market(seed: int) -> Panel:
    """Ten sessions of four stocks with suspensions, limit-locked opens and a dividend-free past."""
    generator = np.random.default_rng(seed)
    before = 10.0 * np.exp(np.cumsum(generator.normal(0, 0.03, size=(11, 4)), axis=0))
    close = np.round(before[1:], 2)
    last = np.vstack([np.round(before[:1], 2), close[:-1]])
    up, down = np.round(last * 1.1, 2), np.round(last * 0.9, 2)
    opens = np.round(last * np.exp(generator.normal(0, 0.02, size=last.shape)), 2)
    locked = generator.random(last.shape)
    opens = np.where(locked < 0.1, up, np.where(locked > 0.9, down, opens))
    status = np.where(generator.random(last.shape) < 0.15, Status.PAUSED, Status.TRADING)
    return make_panel(close, np.clip(opens, down, up), status, limit_up=up, limit_down=down)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    orders=st.lists(
        st.tuples(st.integers(0, 8), st.sampled_from(["buy", "sell"]), st.integers(0, 3), st.integers(1, 40)),
        max_size=30,
    ),
    fee=st.sampled_from([0.0, 8.0, 30.0]),
    slip=st.sampled_from([0.0, 15.0]),
)
def test_fills_conserve_value_and_break_no_rule(seed, orders, fee, slip):
    panel = market(seed)
    script: dict[int, list[Any]] = {}
    for row, side, feed, tens in orders:
        script.setdefault(row, []).append((side, feed, tens * 50, {}))
    _, broker = run_script(panel, script, cash=30_000.0, costs=FlatCosts(fee), slippage=BpsSlippage(slip))
    journal = broker.journal
    for fill in journal.fills:
        at = (fill.row, fill.column)
        assert panel.status[at] == Status.TRADING
        assert (panel["open"][at] < panel["limit_up"][at]) if fill.side == "buy" else True
        assert (panel["open"][at] > panel["limit_down"][at]) if fill.side == "sell" else True
        assert panel["limit_down"][at] <= fill.price <= panel["limit_up"][at]
        assert fill.side == "sell" or fill.size % 100 == 0
    assert all(entry.cash >= 0 for entry in journal.account)
    held = np.zeros(4)
    cash = 30_000.0
    for row in range(panel.T):
        today = [fill for fill in journal.fills if fill.row == row]
        before = cash + held @ panel["open"][row]
        for fill in today:
            sign = 1 if fill.side == "buy" else -1
            held[fill.column] += sign * fill.size
        cash = journal.account[row].cash
        lost = sum(fill.fee + fill.slippage_cost for fill in today)
        assert cash + held @ panel["open"][row] - before == pytest.approx(-lost, abs=0.005 * len(today) + 1e-6)
        if not (panel.status[row] != Status.TRADING).any():
            assert journal.account[row].value == pytest.approx(cash + held @ panel["close"][row], abs=0.005)
