"""Batches of orders to which nobody listens: equal to the orders one by one, and made only when somebody looks."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from backtrader.order import Order
from engine_batches import BEHIND, Quiet, queues, statuses
from engine_facts import Canon, counters
from engine_generated import SCHEMES, panels
from engine_panels import walks
from engine_recorder import Case, differences, record
from engine_sides import ENGINE, STOCK
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstrategies.engine import Cerebro, Cross, PanelBroker, add_panel
from nnstrategies.engine.batch import Batch
from nnstrategies.engine.records import Records
from nnstrategies.panel import Panel
from nnstrategies.strategies import RebalanceStrategy, StopSettings
from nnstrategies.view import View
from tests.small_market import make_panel, random_scores

COSTS = {"commission": 0.001}
WALKS = walks(8, 50, 3)
brokers = st.fixed_dictionaries(
    {"cash": st.sampled_from([10_000.0, 1_500.0])},
    optional={"checksubmit": st.booleans(), "int2pnl": st.booleans(), "fundmode": st.booleans()},
)
quiet_terms = st.fixed_dictionaries(
    {"every": st.integers(1, 5), "total": st.sampled_from([0.5, 1.0, 1.9, 2.4]), "low": st.sampled_from([0.0, -9.0])},
    optional={"look": st.sampled_from([statuses, queues]), "behind": st.sampled_from(BEHIND)},
)


@settings(max_examples=40)
@given(panels(), st.sampled_from(SCHEMES), brokers, st.lists(quiet_terms, min_size=1, max_size=2))
def test_a_batch_nobody_hears_of_runs_as_the_orders_one_by_one_on_backtrader(
    panel: Panel, scheme: Any, broker: Any, terms: Any
) -> None:
    case = Case(
        "generated batch",
        panel,
        tuple((Quiet, each) for each in terms),
        cerebro={"stdstats": False},
        broker=broker,
        equip=lambda cerebro, recorder: cerebro.broker.setcommission(**scheme),
    )
    expected, found = record(case, STOCK, "bars"), record(case, ENGINE, "bars")
    assert not differences(expected.facts, found.facts), "\n".join(differences(expected.facts, found.facts))


class Targeted(bt.Strategy):
    """Equal weights in a changing half of the feeds, every third day."""

    def __init__(self) -> None:
        self.cross = Cross(self)
        self.given: list[Any] = []

    def next(self) -> None:
        if len(self) % 3 == 0:
            best = np.argsort(-self.cross["score"])[: self.cross.N // 2]
            targets = np.zeros(self.cross.N)
            targets[best] = 0.9 / len(best)
            self.given.append(self.cross.rebalance(targets))


def ran(strategy: Any, market: Panel = WALKS, broker: Any = None, kind: Any = Cerebro, **terms: Any) -> Any:
    cerebro = kind(stdstats=False)
    add_panel(cerebro, market, fields=[name for name in market.field_names if name == "score"])
    cerebro.setbroker(broker or PanelBroker())
    cerebro.broker.setcommission(**COSTS)
    cerebro.addstrategy(strategy, **terms)
    return cerebro.run()[0]


def test_no_order_is_made_until_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Batch] = []
    living = Batch.living
    monkeypatch.setattr(Batch, "living", lambda self: made.append(self) or living(self))
    strategy = ran(Targeted)
    assert len(strategy.broker.orders) == sum(len(orders) for orders in strategy.given) > 50
    assert len(strategy._orders) == 3 * len(strategy.broker.orders)  # submitted, accepted, completed
    assert not made
    first = strategy.given[0][0]
    assert (len(made), first.status, first.ref) == (1, Order.Completed, strategy.broker.orders[0].ref)
    assert first is strategy.broker.orders[0]
    assert len(made) == len(strategy.given)


@pytest.mark.parametrize("hook", ["notify_order", "notify_trade", "_notify", "_addnotification", "clear"])
def test_a_strategy_with_a_hook_of_its_own_hears_of_every_order(hook: str) -> None:
    def heard(self: Any, *args: Any, **more: Any) -> Any:
        self.calls = getattr(self, "calls", 0) + 1
        return getattr(bt.Strategy, hook)(self, *args, **more)

    by_class, other = ran(type("Own", (Targeted,), {hook: heard})), type("Stock", (Targeted,), {hook: heard})
    assert by_class.calls == ran(other, broker=bt.brokers.BackBroker()).calls > 10

    class Later(Targeted):
        def __init__(self) -> None:
            super().__init__()
            setattr(self, hook, heard.__get__(self))

    assert ran(Later).calls == by_class.calls


@pytest.mark.parametrize("listener", ["analyzer", "observer"])
def test_an_analyzer_or_observer_hears_of_every_order(listener: str) -> None:
    def equipped(kind: Any) -> Any:
        cerebro = kind(stdstats=False)
        add_panel(cerebro, WALKS, fields=("score",))
        cerebro.addanalyzer(bt.analyzers.Transactions) if listener == "analyzer" else cerebro.addobserver(
            bt.observers.Trades
        )
        cerebro.addstrategy(Targeted)
        strategy = cerebro.run()[0]
        if listener == "analyzer":
            return strategy.analyzers.transactions.get_analysis()
        return np.nan_to_num(strategy.stats.trades.lines.pnlplus.array).tolist()

    assert equipped(Cerebro) == equipped(bt.Cerebro)


# -- RebalanceStrategy ----------------------------------------------------------------------------------------------


class Telling(RebalanceStrategy):
    """Notes every state of every order."""

    def start(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def notify_order(self, order: Any) -> None:
        self.told.append((len(self), order.ref, order.getstatusname(), order.info.target, order.executed.price))


class Viewing(RebalanceStrategy):
    """Notes what its views show of the account."""

    def start(self) -> None:
        self.seen: list[Any] = []

    def is_rebalance_day(self, view: View) -> bool:
        self.seen += [view.cash.hex(), view.value.hex(), view.shares.tolist(), np.nan_to_num(view.entry_price).tolist()]
        return super().is_rebalance_day(view)


def moving(splits: bool = True) -> Panel:
    """Six walks over 130 sessions; one of them halves its price in the middle."""
    close = np.round(10 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.02, (130, 6)), axis=0)), 2)
    factor = np.ones((130, 6))
    if splits:
        factor[60:, 2], close[60:, 2] = 2.0, close[60:, 2] / 2
    return make_panel(close, adj_factor=factor)


def rebalanced(strategy: Any, broker: Any, kind: Any = Cerebro, **terms: Any) -> Any:
    panel = moving()
    defaults = {"panel": panel, "scores": random_scores(panel, 1), "top_n": 3, "rebalance": "week"}
    return ran(strategy, panel, broker, kind, **(defaults | {"cash_buffer": 0.05} | terms))


def test_a_rebalance_strategy_with_its_own_notify_order_hears_submitted_accepted_completed_in_order() -> None:
    fast = rebalanced(Telling, PanelBroker())
    first = fast.told[0][1]
    states = [name for _, ref, name, *_ in fast.told if ref == first]
    assert states == ["Submitted", "Accepted", "Completed"]
    day = [(name, ref - first) for bar, ref, name, *_ in fast.told if bar == fast.told[0][0]]
    names = ["Submitted"] * 3 + ["Accepted"] * 3 + ["Completed"] * 3
    assert day == list(zip(names, [0, 1, 2] * 3, strict=True))
    stock = rebalanced(Telling, bt.brokers.BackBroker(), bt.Cerebro)
    shifted = [(bar, ref - stock.told[0][1] + first, *rest) for bar, ref, *rest in stock.told]
    assert fast.told == shifted


@pytest.mark.parametrize("stop", [None, StopSettings()])
@pytest.mark.parametrize("buffer", [0.05, 0.0])  # without one a gap up leaves orders without cash
def test_a_silent_rebalance_strategy_fills_what_it_fills_one_by_one(stop: Any, buffer: float) -> None:
    facts = []
    for broker, kind in ((PanelBroker(), Cerebro), (bt.brokers.BackBroker(), bt.Cerebro)):
        canon = Canon(counters())
        strategy = rebalanced(Viewing, broker, kind, stop=stop, cash_buffer=buffer)
        assert isinstance(strategy._orders, Records) == (kind is Cerebro)  # batches indeed
        orders = [canon.order(order) for order in strategy.broker.orders]
        facts.append([strategy.seen, orders, [canon.position(p) for p in strategy.broker.positions.values()]])
    assert not differences(facts[0], facts[1])
    assert len(facts[0][1]) > 60


def test_only_completed_orders_are_noted_for_a_silent_rebalance_strategy() -> None:
    strategy = rebalanced(RebalanceStrategy, PanelBroker())
    assert len(strategy._orders) == len(strategy.broker.orders)
    assert {order.status for order in strategy._orders} == {Order.Completed}


@pytest.mark.parametrize("name", ["buy", "sell", "_notify", "_follow"])
def test_a_rebalance_strategy_with_its_own_way_to_order_or_hear_is_asked_one_by_one(name: str) -> None:
    def counted(self: Any, *args: Any, **more: Any) -> Any:
        self.calls = getattr(self, "calls", 0) + 1
        return getattr(RebalanceStrategy, name)(self, *args, **more)

    own = type("Own", (RebalanceStrategy,), {name: counted})
    assert rebalanced(own, PanelBroker()).calls == rebalanced(own, bt.brokers.BackBroker()).calls > 30


# -- the pieces -----------------------------------------------------------------------------------------------------


def test_a_broker_takes_no_batch_with_a_feed_twice_or_without_feeds() -> None:
    class Placing(bt.Strategy):
        def next(self) -> None:
            place, (first, second, *_) = self.broker.place, self.datas
            self.took = [place(self, [], []), place(self, [first, first], [1, 2])]
            placed = place(self, [first, second], [1, 2])
            self.took += [place(self, [second], [3])]  # while one waits
            self.statuses = [order.status for order in placed]

    strategy = ran(Placing)
    assert strategy.took == [None, None, None]
    assert strategy.statuses == [Order.Submitted] * 2


READERS = {
    "list": list,
    "tuple": tuple,
    "iteration": lambda records: [*records],
    "index": lambda records: [records[0], records[-1], records[1:3], records.index("b"), records.count("c")],
    "contains": lambda records: "b" in records,
    "length": len,
    "truth": bool,
    "reversed": lambda records: list(reversed(records)),
    "sorted": sorted,
    "equal": lambda records: [records == ["a", "b", "c", "d"], records != ["a"], records < ["b"]],
    "before": lambda records: ["y"] + records,  # noqa: RUF005
    "after": lambda records: records + ["e"],  # noqa: RUF005
    "times": lambda records: records * 2,
    "text": repr,
    "copy": lambda records: [copy.copy(records), copy.deepcopy(records), records.copy()],
    "pickle": lambda records: pickle.loads(pickle.dumps(records)),
    "array": lambda records: np.array(records).tolist(),
    "join": "".join,
    "pop": lambda records: [records.pop(0), list(records)],
    "remove": lambda records: [records.remove("b"), list(records)],
    "insert": lambda records: [records.insert(1, "x"), list(records)],
    "set": lambda records: [records.__setitem__(1, "x"), list(records)],
    "delete": lambda records: [records.__delitem__(0), list(records)],
    "sort": lambda records: [records.sort(reverse=True), list(records)],
    "reverse": lambda records: [records.reverse(), list(records)],
    "extend": lambda records: [[*["a"], *records], records.extend("xy"), list(records)],
    "unpacked": lambda records: max(*records),
}


@pytest.mark.parametrize("read", READERS)
def test_records_are_a_list_to_every_reader(read: str) -> None:
    records = Records("a")
    records.later(lambda: ["b", "c"], 2)
    records.append("d")
    assert READERS[read](records) == READERS[read](["a", "b", "c", "d"])


def test_records_that_take_others_in_stay_late() -> None:
    calls: list[int] = []
    first, second = Records("a"), Records()
    second.later(lambda: calls.append(1) or ["b"], 1)
    first.extend(second)
    assert (len(first), len(second), calls) == (2, 1, [])
    assert list(first) == ["a", "b"]


def test_equal_weights_of_whole_shares_leave_the_cash_that_the_fills_cost() -> None:
    """Counted by hand: one batch of two buys at the opens of the second session."""
    panel = make_panel(np.array([[10.0, 20.0], [11.0, 21.0], [12.0, 19.0]]), score=np.ones((3, 2)))

    class Once(bt.Strategy):
        def next(self) -> None:
            if len(self) == 1:
                Cross(self).rebalance(np.array([0.4, 0.4]))

    strategy = ran(Once, panel)
    shares, opens = (400, 200), (10.0, 20.0)  # 4,000 at closes of 10 and 20; an open is the close before
    spent = sum(size * price * 1.001 for size, price in zip(shares, opens, strict=True))
    assert math.isclose(strategy.broker.getcash(), 10_000 - spent)
    assert [strategy.getposition(data).size for data in strategy.datas] == [400, 200]
