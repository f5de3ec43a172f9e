"""Strategies that do what is legal but odd: numpy numbers, settings changed on the way, state looked at or touched."""

from __future__ import annotations

import copy
import datetime as dt
import math
from typing import Any

import backtrader as bt
import numpy as np
from backtrader import Order

from nnstrategies.engine import Cross
from nnstrategies.feeds.backtrader import PanelData


class NumpySizes(bt.Strategy):
    """Sizes and prices as numpy and Python deliver them: integers, floats, fractions, zeros."""

    def next(self) -> None:
        k = len(self)
        data = self.datas[k % len(self.datas)]
        sizes = (np.int64(7), np.float64(3.5), 2.25, True, np.float32(1.5), 0, -4)
        size = sizes[k % len(sizes)]
        (self.buy if k % 3 else self.sell)(data=data, size=size)
        if k % 4 == 0:
            self.buy(data=data, size=size, exectype=Order.Limit, price=np.float64(data.close[0]))
        if k % 5 == 0:
            self.sell(data=data, size=3, price=data.close[0] * 1.1)  # a market order with a price is one without
            self.buy(data=data, size=2, plimit=data.close[0], exectype=Order.Market, tradeid=3)
            self.buy(data=data, size=1, price=0.0, valid=0)
            self.sell(data=data, size=1, exectype=0, valid=dt.timedelta(days=1), reason="odd", coc=False)
            self.buy(data=data, size=1, transmit=False)


class Changing(bt.Strategy):
    """Changes the broker's settings and commissions while positions are open."""

    def next(self) -> None:
        if len(self) % 4 == 1:
            data = self.datas[len(self) // 4 % len(self.datas)]
            self.order_target_percent(data, 0.3 if len(self) % 8 == 1 else 0.15)
        for change, *terms in self.changes().get(len(self), ()):
            change(**terms[0])

    def changes(self) -> dict[int, list[Any]]:
        """What changes on which bar."""
        broker, first = self.broker, self.datas[0]
        scheme = broker.getcommissioninfo(first)
        future = {"commission": 1.0, "margin": 50.0, "mult": 2.0}
        return {
            9: [(broker.setcommission, {"commission": 0.002})],
            13: [(broker.setcommission, {"commission": 0.01, "leverage": 2.0, "name": first._name})],
            16: [(setattr_of(scheme.p, "leverage"), {"value": 4.0})],
            19: [(broker.set_slippage_perc, {"perc": 0.01})],
            22: [(broker.set_coc, {"coc": True})],
            25: [(broker.set_cash, {"cash": broker.get_cash() + 500.0})],
            28: [(broker.set_shortcash, {"shortcash": False})],
            31: [
                (broker.set_fundmode, {"fundmode": True, "fundstartval": 20.0}),
                (broker.set_checksubmit, {"checksubmit": False}),
            ],
            34: [(broker.setcommission, future)],
            37: [(broker.setcommission, {"commission": 0.001, "interest": 0.2, "interest_long": True})],
        }


def setattr_of(owner: Any, name: str) -> Any:
    return lambda value: setattr(owner, name, value)


class Touching(bt.Strategy):
    """Keeps positions and orders it was given, looks at them later, and changes a position and an order by hand."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.kept: list[Any] = []

    def next(self) -> None:
        k = len(self)
        data = self.datas[k % len(self.datas)]
        if k % 3 == 1:
            self.kept.append(self.buy(data=data, size=5))
            self.kept.append(self.sell(data=data, size=2, exectype=Order.Limit, price=data.close[0] * 1.01))
            self.kept.append(self.getposition(data))
        self.touch(k, data)
        self.seen += [copy.copy(each) for each in self.kept[-3:]]
        self.seen += [order.clone() for order in self.broker.get_orders_open(safe=True)]

    def touch(self, k: int, data: Any) -> None:
        if k == 10:
            self.getposition(self.datas[0]).update(4, 18.0, self.data.datetime.datetime(0))
        elif k == 14:
            self.getposition(self.datas[1]).fix(6, 21.0)
        elif k == 18:
            self.broker.positions[self.datas[1]].set(0, 0.0)
        elif k == 22:
            for order in self.broker.get_orders_open():
                order.created.price = round(order.created.price * 0.99, 2)
        elif k == 26:
            order = next(each for each in self.kept[::-1] if isinstance(each, Order) and each.alive())
            order.addinfo(touched=k)
            order.valid = data.datetime[0] + 3


class Looking(bt.Strategy):
    """Looks at everything around it: parameters of orders, positions, observers, analyzers, comparisons of lines."""

    def __init__(self) -> None:
        self.mean = bt.indicators.SMA(self.data, period=2)
        self.seen: list[Any] = []

    def next(self) -> None:
        first, last = self.datas[0], self.datas[-1]
        self.seen += [self.position.size, len(self.position), bool(self.position), list(self.positionsbyname)]
        self.seen += [self.stats.broker.lines.value[0], len(self.stats.broker), self.analyzers.drawdown.get_analysis()]
        self.seen += [first > last, first == last, first.close <= 20.0, first.close + last.close, abs(first.open)]
        self.seen += [bool(first), first.close / 2, self.mean > first, -first.close, round(first.close[0], 1)]
        self.seen += [first.close.get(size=5), last.get(size=50), first.close.array[0], len(first.close.array)]
        self.seen += [first.size(), first.lines.size(), first.close.lencount, first.close.idx, first.buflen()]
        self.seen += [self.getdatabyname(last._name)._name, list(self.getdatanames()), self.dnames[last._name].close[0]]
        self.seen += [
            self.broker.getvalue([first]),
            self.broker.getvalue([first, last]),
            self.broker.get_value([last], lever=True),
        ]
        self.seen += [
            self.getsizing(first),
            self.broker.getcommissioninfo(last),
            self.broker.startingcash,
            len(self.env.datas),
        ]
        if len(self) % 4 == 0:
            order = self.buy(data=last._name, size=3)
            terms = dict(order.params._getkwargs())
            self.seen += [
                terms,
                order.params._getkeys(),
                order.p.size,
                order.size,
                order.isbuy(),
                order.getstatusname(),
            ]
            self.seen += [
                order.getordername(),
                order.ordtypename(),
                order == order,
                order in [order],
                order.info.missing,
            ]
            self.seen += [
                len(str(order).splitlines()),
                order.created.size,
                order.executed.getpending(),
                repr(order.info),
            ]

    def stop(self) -> None:
        self.seen += [self._orders[-1].executed.getpending(), [len(order.executed) for order in self._orders]]


class Batched(bt.Strategy):
    """Targets for all feeds at once through Cross; where the feeds are backtrader's own, the same orders one by one."""

    params = (("every", 3), ("low", 0.0), ("total", 0.9), ("opening", False))

    def __init__(self) -> None:
        self.cross = Cross(self) if isinstance(self.data, PanelData) else None
        self.seen: list[Any] = []
        self.placed: list[Any] = []

    def next_open(self) -> None:
        if self.p.opening and len(self) % self.p.every == 0:
            self.place()

    def next(self) -> None:
        if not self.p.opening and len(self) % self.p.every == 0:
            self.place()

    def place(self) -> None:
        self.placed += [order.ref for order in self.order_now()]

    def order_now(self) -> Any:
        """Place the orders of this bar and return them."""
        close = [data.close[0] for data in self.datas] if self.cross is None else self.cross.close.tolist()
        score = [data.score[0] for data in self.datas] if self.cross is None else self.cross["score"].tolist()
        held = [
            float(self.broker.positions[data].size) if data in self.broker.positions else 0.0 for data in self.datas
        ]
        if self.cross is not None:
            assert self.cross.positions.tolist() == held
        self.seen += [close, score, held]
        weights = [self.p.total * each / len(score) if each > self.p.low else 0.0 for each in score]
        targets = [
            np.nan if each > 2 or price != price else weight
            for each, price, weight in zip(score, close, weights, strict=True)
        ]
        return self.one_by_one(targets) if self.cross is None else self.cross.rebalance(np.array(targets))

    def one_by_one(self, targets: list[float]) -> list[Any]:
        """Holdings that shrink first, then the rest, in the order of the feeds."""
        value = self.broker.getvalue()
        shrinking: list[Any] = []
        growing: list[Any] = []
        for data, target in zip(self.datas, targets, strict=True):
            size = self.broker.positions[data].size if data in self.broker.positions else 0
            if target == target and (target or size):
                worth = self.broker.getvalue([data]) if size else 0.0
                (shrinking if target * value < worth else growing).append((data, target))
        orders = [self.order_target_percent(data, target) for data, target in (*shrinking, *growing)]
        return [order for order in orders if order is not None]


class OnTheEdge(bt.Strategy):
    """Sets the cash to what its orders need by the exact arithmetic of the check, give or take the smallest amount."""

    params = (("commission", 0.001), ("leverage", 1.0))
    NUDGES = (0.0, -1.0, 1.0, -0.5)  # units in the last place; the last: half of the fees are missing

    def next(self) -> None:
        k = len(self)
        if k % 2:
            return
        plan = [(data, size) for data, size in zip(self.datas, self.sizes(k), strict=False) if size]
        spent, fees = self.needed(plan)
        nudge = self.NUDGES[k // 2 % len(self.NUDGES)]
        cash = spent if nudge == 0 else spent - fees / 2 if nudge == -0.5 else math.nextafter(spent, nudge * math.inf)
        self.broker.set_cash(cash)
        for data, size in plan:
            (self.buy if size > 0 else self.sell)(data=data, size=abs(size))

    def sizes(self, k: int) -> tuple[int, ...]:
        """Buys, reductions, reversals and shorts, before and after the order that runs out of cash."""
        held = [self.broker.positions[data].size if data in self.broker.positions else 0 for data in self.datas]
        turns = ((17, 0, 9), (-held[0] // 3, 23, 0), (11, -5, 6), (-2 * held[0], 8, 3), (0, -held[1] - 4, 31))
        return turns[k // 2 % len(turns)]

    def needed(self, plan: list[tuple[Any, int]]) -> tuple[float, float]:
        spent = fees = 0.0
        for data, size in plan:
            worth, price = size * data.close[0], data.close[0]
            spent += worth / self.p.leverage if worth > 0 else worth
            fees += abs(size) * self.p.commission * price
        return max(spent + fees, 0.0), fees


class OwnLines(bt.Strategy):
    """A strategy with lines of its own, one bound to an indicator and one written bar by bar."""

    lines: Any = ("mean", "mark")

    def __init__(self) -> None:
        self.lines.mean = bt.indicators.SMA(self.data, period=3)
        self.seen: list[Any] = []

    def next(self) -> None:
        self.lines.mark[0] = len(self) * 1.5
        self.seen += [self.lines.mark[0], self.lines.mark[-1], len(self.lines.mark), self.lines.mean[0]]


class Failing(bt.Strategy):
    """Raises in the middle of a run."""

    def next(self) -> None:
        self.buy(size=1)
        if len(self) == 9:
            raise ValueError("in the middle")


class Ahead(bt.Strategy):
    """Reads past the last bar of all that is loaded."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def next(self) -> None:
        self.seen.append(self.data.close[1])


class OwnNotifications(bt.Strategy):
    """Overrides what lies between broker and hooks."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def _addnotification(self, order: Any, quicknotify: bool = False) -> None:
        self.seen.append((len(self), order.status))
        super()._addnotification(order, quicknotify)

    def clear(self) -> None:
        self.seen.append(len(self._orderspending))
        super().clear()

    def next(self) -> None:
        if len(self) % 3 == 0:
            self.order_target_size(self.datas[len(self) % len(self.datas)], len(self))
