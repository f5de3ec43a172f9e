"""The market broker under any orders on any market of China: no rule is broken, and every cent is accounted for."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstrategies.brokers import (
    Account,
    BpsSlippage,
    FlatCosts,
    MakerTakerCosts,
    MarketBroker,
    NoCosts,
    NoSlippage,
    ScheduleCosts,
    SquareRootSlippage,
    TickSlippage,
    VolumeShareSlippage,
)
from nnstrategies.brokers.journal import FillRow
from nnstrategies.engine import Cerebro, add_panel
from nnstrategies.market import MarketRules
from nnstrategies.market.bands import NO_LIMIT_UP
from nnstrategies.panel import Panel, Status
from tests.small_market import Script
from tests.test_account import BEIJING, CHINEXT, MAIN, SHENZHEN, STAR, book, rules, symbols_panel

SYMBOLS = (MAIN, SHENZHEN, CHINEXT, STAR, BEIJING, "600004.SH")
LOTS = {MAIN: (100, 100), STAR: (200, 1), BEIJING: (100, 1)}  # the rest as MAIN
T, N = 14, len(SYMBOLS)
CASH = 60_000.0
COSTS = {
    "free": NoCosts(),
    "flat": FlatCosts(8.0),
    "dear": FlatCosts(300.0, minimum=7.0),
    "schedule": ScheduleCosts(book("cn_a")),
    "net": ScheduleCosts(book("cn_a"), commission_bps=2.5, net_of_exchange_fees=True),
}
SLIPPAGE = {
    "none": NoSlippage(),
    "bps": BpsSlippage(25.0),
    "ticks": TickSlippage(20.0),
    "quadratic": VolumeShareSlippage(0.5),
    "square root": SquareRootSlippage(1.0),
}


def market(seed: int) -> Panel:
    """Stocks of every board from a seed: suspensions, opens and closes at the limits, a listing, all kinds of ex-dates.

    Prices are float32, as stored data are; what the ex-dates announce is the truth that the prices follow.
    """
    rng = np.random.default_rng(seed)
    close, opens = np.empty((T, N), np.float32), np.empty((T, N), np.float32)
    status = np.where(rng.random((T, N)) < 0.12, Status.PAUSED, Status.TRADING)
    status[: rng.integers(1, 6), 3] = Status.UNLISTED
    days = pd.bdate_range("2022-03-01", periods=T)
    last, events = np.round(rng.uniform(3, 30, N), 2), []
    for t in range(T):
        for n in range(N):
            if t and rng.random() < 0.06:
                events.append(_event(rng, SYMBOLS[n], days, t))
                last[n] = max(_after(events[-1], last[n]), 0.5)
            first = _open(rng, SYMBOLS[n], round(last[n] * 100)) / 100
            opens[t, n], close[t, n] = first, np.round(first * (1 + 0.02 * rng.normal()), 2)
            if status[t, n] != Status.TRADING:
                opens[t, n] = close[t, n] = last[n]
            last[n] = np.round(float(close[t, n]), 2)
    unlisted = status == Status.UNLISTED
    close[unlisted], opens[unlisted] = np.nan, np.nan
    volume = np.where(status == Status.TRADING, np.floor(np.exp(rng.normal(8, 1, (T, N)))), 0.0)
    empty = {"symbol": pd.Series([], dtype=object), "known_at": [], "ex_date": [], "cash": [], "ratio": []}
    table = pd.DataFrame(events) if events else pd.DataFrame(empty).astype({"known_at": "M8[s]", "ex_date": "M8[s]"})
    return symbols_panel(SYMBOLS, close, open_=opens, status=status, events={"actions": table}, volume=volume)


def _open(rng: np.random.Generator, symbol: str, base: int) -> int:
    """Ticks within the limits around ``base``: now and then at one, or nearly."""
    percent = {CHINEXT: 20, STAR: 20, BEIJING: 30}.get(symbol, 10)
    up_add, down_add = (0, 99) if symbol == BEIJING else (50, 50)  # inward, half up
    up, down = (base * (100 + percent) + up_add) // 100, (base * (100 - percent) + down_add) // 100
    share = float(rng.choice([-1.0, -0.98, rng.uniform(-0.6, 0.6), 0.98, 1.0], p=[0.08, 0.08, 0.68, 0.08, 0.08]))
    return {1.0: up, -1.0: down}.get(share, int(np.clip(round(base * (1 + share * percent / 100)), down, up)))


def _event(rng: np.random.Generator, symbol: str, days: pd.DatetimeIndex, t: int) -> dict[str, Any]:
    cash, ratio, bonus, rights = 0.0, 1.0, 0.0, 0.0
    kind = rng.integers(4)
    if kind in (0, 3):
        cash = float(np.round(rng.uniform(0.01, 0.4), 3))
    if kind in (1, 3):
        ratio = float(rng.choice([1.2, 1.5, 2.0, 4 / 3]))
        bonus = 0.1 if rng.random() < 0.5 else 0.0
    if kind == 2:
        rights = 0.3
    known = {"symbol": symbol, "known_at": days[0], "ex_date": days[t], "cash": cash, "ratio": ratio, "bonus": bonus}
    return {**known, "rights": rights, "rights_price": 2.0 if rights else 0.0}


def _after(event: dict[str, Any], close: float) -> float:
    worth = close - event["cash"] + event["rights"] * event["rights_price"]
    return float(np.floor(100 * worth / (event["ratio"] + event["rights"]) + 0.5 + 1e-6)) / 100


class Audited(Script):
    """Compares backtrader's positions with the ledger's after each session, and notes what each session conserved."""

    def __init__(self) -> None:
        super().__init__()
        self.different: list[Any] = []

    def next(self) -> None:
        account = self.broker.account
        for data in self.datas:
            here, there = self.getposition(data).size, account.shares(account.panel.column(data._name))
            if abs(here - there) > 1e-9 * max(there, 1.0):  # exact in whole shares
                self.different.append((len(self) - 1, data._name, here, there))
        if self.broker.getcash() != account.cash:
            self.different.append((len(self) - 1, "cash", self.broker.getcash(), account.cash))
        super().next()


class Audit(MarketBroker):
    """A MarketBroker that notes its value at the opens before and after the trades of each session, in cents."""

    def start(self) -> None:
        super().start()
        self.before: dict[int, float] = {}
        self.after: dict[int, float] = {}
        self.taxed: dict[int, int] = defaultdict(int)

    def _match(self) -> None:
        self.before[self._row] = 100 * self.account.value_at_open()
        first = len(self.account.ledger.transactions)
        super()._match()
        self.after[self._row] = 100 * self.account.value_at_open()
        for entry in self.account.ledger.transactions[first:]:
            self.taxed[self._row] += entry.amount("expenses:dividend_tax")


def orders(seed: int, count: int) -> dict[int, list[Any]]:
    """A script of ``count`` orders: buys of a size or a weight, sales of a size or of everything."""
    rng = np.random.default_rng(seed)
    script: dict[int, list[Any]] = defaultdict(list)
    for _ in range(count):
        side, size = str(rng.choice(["buy", "sell"])), float(rng.integers(1, 40 if rng.random() < 0.2 else 3_000))
        target = float(rng.integers(0, 9)) / 10 if side == "buy" else 0.0
        more = {"target": target} if rng.random() < 0.25 else {}
        script[int(rng.integers(0, T - 1))].append((side, int(rng.integers(0, N)), size, more))
    return dict(script)


def run(
    panel: Panel, script: dict[int, list[Any]], market: str = "cn_a", fast: bool = True, **broker: Any
) -> tuple[Audited, Any, MarketRules]:
    cerebro = (Cerebro if fast else bt.Cerebro)(stdstats=False)
    add_panel(cerebro, panel)
    bound = rules(panel, market)
    cerebro.setbroker(Audit(rules=bound, **broker))
    cerebro.broker.setcash(CASH)
    cerebro.addstrategy(Audited, script=script)
    return cerebro.run()[0], cerebro.broker, bound


def check_fill(fill: FillRow, bound: MarketRules, held: float) -> None:
    """A fill's bar, price and size; ``held``: what could be sold of it before."""
    t, n, buy = fill.row, fill.column, fill.side == "buy"
    panel = bound.panel
    assert panel.status[t, n] == Status.TRADING
    up, down = (int(bound_[n]) for bound_ in bound.limits(t))
    opened = round(float(panel["open"][t, n]) * 100)
    assert opened < up if buy else opened > down
    assert down - 1e-6 <= fill.price * 100 <= (up if up < NO_LIMIT_UP else 1e12) + 1e-6
    assert fill.price * 100 >= opened - 1e-6 if buy else fill.price * 100 <= opened + 1e-6
    minimum, step = LOTS.get(SYMBOLS[n], LOTS[MAIN])
    in_lots = fill.size >= minimum and (fill.size - minimum) % step == 0
    assert in_lots or (not buy and fill.size == held)
    assert fill.size == int(fill.size) > 0


@settings(max_examples=100)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(0, 120),
    costs=st.sampled_from(sorted(COSTS)),
    slippage=st.sampled_from(sorted(SLIPPAGE)),
    participation=st.sampled_from([None, 0.1, 1.0]),
    fast=st.booleans(),
)
def test_no_rule_is_broken_and_no_cent_is_lost(seed, count, costs, slippage, participation, fast):
    """Under our Cerebro and under backtrader's."""
    more = {"costs": COSTS[costs], "slippage": SLIPPAGE[slippage], "participation": participation}
    strategy, broker, bound = run(market(seed), orders(seed, count), fast=fast, **more)
    journal, ledger = broker.journal, broker.account.ledger
    assert strategy.different == []
    assert all(entry.cash >= 0 for entry in journal.account)
    assert all(np.isfinite(entry.value) for entry in journal.account)
    assert all(sum(amount for _, amount in entry.postings) == 0 for entry in ledger.transactions)
    assert sum(ledger.balances.values()) == 0

    fills = defaultdict(list)
    for fill in journal.fills:
        fills[fill.row].append(fill)
    positions = defaultdict(dict)
    for entry in journal.positions:
        positions[entry.row][entry.column] = entry.size
    for t in range(T):
        actions = {entry.column: entry for entry in journal.actions if entry.row == t}
        held: dict[int, float] = {n: positions[t - 1].get(n, 0.0) for n in range(N)}
        held |= {n: entry.size_after for n, entry in actions.items()}
        for entry in ledger.transactions:
            if entry.kind == "rights" and entry.day == bound.day(t):
                held[entry.column] -= entry.quantity  # bought today
        lost = 0.0
        for fill in fills[t]:
            check_fill(fill, bound, held[fill.column])
            if fill.side == "sell":
                held[fill.column] -= fill.size
            lost += fill.fee + fill.slippage_cost
        assert min(held.values()) >= 0  # nothing was sold that was bought today
        if t in broker.before:
            change = broker.after[t] - broker.before[t]
            rounding = 0.5 * len(fills[t]) + 1e-4  # of each amount, to the cent
            assert abs(change + 100 * lost + broker.taxed[t]) <= rounding
            prices = {fill.price for fill in fills[t]}
            if all(abs(price * 100 - round(price * 100)) < 1e-9 for price in prices):
                assert abs(change + 100 * lost + broker.taxed[t]) <= 1e-4  # prices on ticks: exact to the cent


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 120))
def test_every_order_ends_and_what_it_lacked_has_a_reason(seed, count):
    _, broker, _ = run(market(seed), orders(seed, count), costs=COSTS["schedule"], participation=0.1)
    assert not broker.pending
    assert all(entry.reason and entry.detail for entry in broker.journal.refusals)
    ended = [(fill.row, fill.column, fill.side) for fill in broker.journal.fills]
    ended += [(entry.row, entry.column, entry.side) for entry in broker.journal.refusals]
    assert {(order.row + 1, order.column, order.side) for order in broker.journal.orders} == set(ended)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    trades=st.lists(st.tuples(st.integers(1, T - 1), st.booleans(), st.integers(0, N - 1), st.integers(1, 3_000))),
)
def test_no_share_is_sold_on_the_day_it_was_bought_in_whatever_order_trades_come(seed, trades):
    panel = market(seed)
    account = Account(rules(panel), CASH, costs=COSTS["schedule"])
    for t in range(T):
        account.end()
        account.begin(t)
        settled = {n: account.ledger.sellable(n) for n in range(N)}
        for _, buy, n, size in (trade for trade in trades if trade[0] == t):
            done = account.trade(n, buy, size, account.open_price(n))
            settled[n] -= 0 if buy else done.size
            assert done.size == size or done.reason
        assert min(settled.values()) >= 0
        assert account.ledger.cash >= 0


COINS, COIN_STEPS = ("BTCUSDT", "ETHUSDT", "ADAUSDT"), (10**5, 10**4, 10**5)


def coins(seed: int) -> Panel:
    rng = np.random.default_rng(seed)
    close = np.array([40_000.0, 2_500.0, 0.35]) * np.exp(np.cumsum(rng.normal(0, 0.05, (T, 3)), axis=0))
    return symbols_panel(COINS, np.round(close, 2), volume=np.exp(rng.normal(3, 1, (T, 3))))


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    placed=st.lists(
        st.tuples(
            st.integers(0, T - 2), st.sampled_from(["buy", "sell"]), st.integers(0, 2), st.floats(1.0, 4e4),
            st.booleans(), st.floats(0.9, 1.1),
        ),
        max_size=30,
    ),
    participation=st.sampled_from([None, 0.2]),
)  # fmt: skip
def test_fractions_of_coins_stay_on_their_steps_and_equal_in_both_books(seed, placed, participation):
    """Market and limit orders, sizes by value; limit orders last."""
    panel = coins(seed)
    script: dict[int, list[Any]] = defaultdict(list)
    for row, side, n, value, limit, off in placed:
        price = float(panel["close"][row, n])
        more = {"exectype": bt.Order.Limit, "price": price * off} if limit else {}
        script[row].append((side, n, value / price, more))
    strategy, broker, _ = run(
        panel, dict(script), "crypto_spot", costs=MakerTakerCosts(2.0, 10.0), participation=participation
    )
    assert strategy.different == []
    assert broker.account.ledger.cash >= 0
    assert sum(broker.account.ledger.balances.values()) == 0
    for fill in broker.journal.fills:
        steps = fill.size * COIN_STEPS[fill.column]
        assert abs(steps - round(steps)) < 1e-6
        assert fill.size * fill.price >= 5.0 - 1e-8
    for t, before in broker.before.items():
        today = [fill for fill in broker.journal.fills if fill.row == t]
        slipped = sum(  # a limit order fills off the open, at its own price
            (fill.price - panel["open"][t, fill.column]) * fill.size * (1 if fill.side == "buy" else -1)
            for fill in today
        )
        lost = slipped + sum(fill.fee for fill in today)
        assert abs(broker.after[t] - before + 100 * lost) <= 1e-6 * max(before, 1.0) / 1e3


def test_the_markets_of_these_tests_hold_all_that_they_promise():
    """Otherwise the properties above would say little."""
    reasons, kinds = set(), set()
    for seed in range(12):
        _, broker, _ = run(market(seed), orders(seed, 120), costs=COSTS["schedule"], participation=0.3)
        reasons |= {entry.reason for entry in broker.journal.refusals}
        kinds |= {entry.kind for entry in broker.account.ledger.transactions}
    blocked = {"limit-up", "limit-down", "suspended", "not listed", "participation cap", "cash short", "not held"}
    assert blocked <= reasons
    assert {"buy", "sell", "dividend", "bonus", "split", "rights"} <= kinds
