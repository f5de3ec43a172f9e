"""Batches of targets to which nobody listens, and everything that may come between the order and its fill.

The engine fills such a batch from columns and makes the orders when somebody looks; stock backtrader gets the same
orders one by one.
"""

from __future__ import annotations

from typing import Any

import backtrader as bt
from engine_cases import RAGGED, calls, one
from engine_extras import Tiered
from engine_odd_strategies import Batched
from engine_panels import as_dtype, walks, with_holes
from engine_recorder import Case

PANEL = walks(12, 60, 21)
QUIET = {"stdstats": False}
LEVELS = ("nothing", "bars")


class Quiet(Batched):
    """Batches whose orders nobody reads but ``look``, called on every bar, and ``behind``, called after each batch."""

    params: Any = (("look", None), ("behind", None))

    def place(self) -> None:
        self.placed.append(self.order_now())
        if self.p.behind:
            behind, self.p.behind = self.p.behind, None  # it may place a batch itself
            behind(self)
            self.p.behind = behind

    def next(self) -> None:
        if self.p.look:
            self.p.look(self)
        super().next()


def statuses(strategy: Any) -> None:
    """Read each order of the last batch, a day and more after it was placed."""
    strategy.seen += [(order.size, order.status, order.executed.price) for order in (strategy.placed or [[]])[-1]]


def on_their_way(strategy: Any) -> None:
    """Read them on the day they are placed."""
    strategy.seen += [(order.size, order.status, len(order.executed)) for order in strategy.placed[-1]]


def queues(strategy: Any) -> None:
    """Read what waits at the broker, and what the strategy has been told."""
    broker = strategy.broker
    queues = broker.submitted, broker.pending, broker.notifs, strategy._orderspending, strategy._tradespending
    strategy.seen += [len(queue) for queue in queues]
    strategy.seen += [order.status for order in strategy._orderspending]
    strategy.seen += [(trade.size, trade.status, trade.pnl) for trade in strategy._tradespending]


def cancelled(strategy: Any) -> None:
    for order in strategy.placed[-1][::2]:
        strategy.cancel(order)


def more_orders(strategy: Any) -> None:
    """Orders one by one behind a batch, one of them cancelled with a third of a group."""
    first = strategy.buy(data=strategy.datas[0], size=3)
    strategy.sell(data=strategy.datas[1], size=2, oco=first)
    strategy.sell(data=strategy.datas[2], size=1, exectype=bt.Order.Limit, price=strategy.datas[2].close[0] * 1.02)


def again(strategy: Any) -> None:
    """A second batch on the same day."""
    strategy.place()


def fewer_shares(strategy: Any) -> None:
    """Somebody changes a position, and the cash, while the batch waits."""
    strategy.broker.positions[strategy.datas[0]].fix(3, 21.5)
    strategy.broker.set_cash(strategy.broker.get_cash() * 0.7)


def deposit(strategy: Any) -> None:
    strategy.broker.add_cash(250.0 if len(strategy) % 2 else -100.0)


def dearer(strategy: Any) -> None:
    """Another commission scheme while the batch waits; from the third on one with a method of its own."""
    count = len(strategy) // strategy.p.every
    if count < 3:
        strategy.broker.setcommission(commission=0.001 * count)
    else:
        strategy.broker.addcommissioninfo(Tiered())


def slipping(strategy: Any) -> None:
    strategy.broker.set_slippage_perc(0.01 if len(strategy) % 2 else 0.0)


def after_all(strategy: Any) -> None:
    """An order of a batch that was filled long ago as the first of a group."""
    if len(strategy.placed) == 4 and len(strategy) % 3 == 1:
        old = next(iter(strategy.placed[0]))
        strategy.buy(data=strategy.datas[3], size=1, oco=old)


def kept_history(strategy: Any) -> None:
    """The history of trades is kept for some days; those opened then keep theirs."""
    strategy.set_tradehistory(len(strategy) % 9 < 4)


BEHIND = [on_their_way, queues, cancelled, more_orders, again, fewer_shares, deposit, dearer, slipping]


def quiet(name: str, settings: dict[str, Any] | None = None, **more: Any) -> Case:
    more = {"panel": PANEL, "cerebro": QUIET, "listen": LEVELS} | more
    return one(f"quiet batch, {name}", Quiet, settings, **more)


def look_cases() -> list[Case]:
    daily = [
        quiet(f"looked at daily: {look.__name__}", {"look": look})
        for look in (statuses, queues, after_all, kept_history)
    ]
    return daily + [quiet(f"with {look.__name__} behind it", {"behind": look}) for look in BEHIND]


def money_cases() -> list[Case]:
    """Costs, cash that falls short at the check or at the fill, shorts, reversals."""
    schemes: dict[str, dict[str, Any]] = {
        "costs": {"commission": 0.001},
        "fixed costs": {"commission": 1.25, "commtype": bt.CommInfoBase.COMM_FIXED, "stocklike": True},
        "leverage": {"commission": 0.5, "mult": 3.0, "stocklike": True, "commtype": 1, "leverage": 2},
        "interest on shorts": {"commission": 0.001, "interest": 0.08},
        "interest on both": {"interest": 0.08, "interest_long": True},
        "futures": {"commission": 2.0, "margin": 150.0, "mult": 10.0},
    }
    terms = {name: calls(lambda c, t=t: c.broker.setcommission(**t)) for name, t in schemes.items()}
    one_own = calls(lambda c: c.broker.addcommissioninfo(Tiered(), name="S3"))
    return [
        *(quiet(name, equip=equip) for name, equip in terms.items()),
        *(quiet(f"shorts, {name}", {"low": -9.0, "every": 2}, equip=equip) for name, equip in terms.items()),
        quiet("interest not in the profit", broker={"int2pnl": False}, equip=terms["interest on both"]),
        quiet("own scheme for one", equip=one_own),
        quiet("little cash", {"total": 2.6}, broker={"cash": 900.0}, equip=terms["costs"]),
        quiet("cash on the edge", {"total": 2.0}, equip=terms["costs"]),
        quiet("unchecked", {"total": 1.1}, broker={"checksubmit": False}),
        quiet("daily", {"every": 1}, equip=terms["costs"]),
    ]


def run_cases() -> list[Case]:
    """Panels of other kinds, brokers and Cerebros with other settings, several strategies, several runs."""
    holes = with_holes(PANEL, {"open": [(15, 2)], "close": [(20, 0), (27, 1)]})
    twice = ((Quiet, {}), (Quiet, {"every": 4}))
    return [
        quiet("ragged", panel=RAGGED),
        quiet("float32", panel=as_dtype(PANEL, "float32")),
        quiet("holes", panel=holes),
        quiet("at the open", {"opening": True}, cerebro={"cheat_on_open": True, **QUIET}),
        quiet(
            "placed at the open for the next",
            {"opening": True},
            cerebro={"cheat_on_open": True, "broker_coo": False, **QUIET},
        ),
        quiet("slippage", broker={"slip_perc": 0.002}),
        quiet("cheat on close", broker={"coc": True}),
        quiet("in parts", broker={"filler": bt.fillers.FixedSize(size=6)}),
        quiet("fund mode", broker={"fundmode": True}),
        quiet("trade history", cerebro={"tradehistory": True, **QUIET}),
        quiet("quick notifications", cerebro={"quicknotify": True, **QUIET}),
        quiet("twice", runs=2),
        quiet("placed on the last bar", {"every": 60}),
        quiet("one feed", panel=walks(1, 40, 5)),
        quiet("optimisation", optimise={"every": [2, 5]}, cerebro={"maxcpus": 1, "optreturn": False, **QUIET}),
        quiet(
            "optimisation in two processes",
            optimise={"every": [2, 5]},
            cerebro={"maxcpus": 2, **QUIET},
            listen=LEVELS[:1],
        ),
        Case("quiet batch, two strategies", PANEL, twice, cerebro=QUIET, listen=LEVELS),
    ]


BATCHES = [*look_cases(), *money_cases(), *run_cases()]
