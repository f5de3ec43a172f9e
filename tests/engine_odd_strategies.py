"""Strategies that do what is legal but odd: numpy numbers, settings changed on the way, state looked at or touched."""

from __future__ import annotations

import copy
import datetime as dt
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
        k, broker = len(self), self.broker
        if k % 4 == 1:
            self.order_target_percent(self.datas[k // 4 % len(self.datas)], 0.3 if k % 8 == 1 else 0.15)
        if k == 9:
            broker.setcommission(commission=0.002)
        if k == 13:
            broker.setcommission(commission=0.01, leverage=2.0, name=self.datas[0]._name)
        if k == 16:
            broker.getcommissioninfo(self.datas[0]).p.leverage = 4.0
        if k == 19:
            broker.set_slippage_perc(0.01)
        if k == 22:
            broker.set_coc(True)
        if k == 25:
            broker.set_cash(broker.get_cash() + 500.0)
        if k == 28:
            broker.set_shortcash(False)
        if k == 31:
            broker.set_fundmode(True, 20.0)
            broker.set_checksubmit(False)
        if k == 34:
            broker.setcommission(commission=1.0, margin=50.0, mult=2.0)
        if k == 37:
            broker.setcommission(commission=0.001, interest=0.2, interest_long=True)


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
        if k == 10:
            self.getposition(self.datas[0]).update(4, 18.0, self.data.datetime.datetime(0))
        if k == 14:
            self.getposition(self.datas[1]).fix(6, 21.0)
        if k == 18:
            self.broker.positions[self.datas[1]].set(0, 0.0)
        if k == 22:
            for order in self.broker.get_orders_open():
                order.created.price = round(order.created.price * 0.99, 2)
        if k == 26:
            order = next(each for each in self.kept[::-1] if isinstance(each, Order) and each.alive())
            order.addinfo(touched=k)
            order.valid = data.datetime[0] + 3
        self.seen += [copy.copy(each) for each in self.kept[-3:]]
        self.seen += [order.clone() for order in self.broker.get_orders_open(safe=True)]


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
        orders = self.one_by_one(targets) if self.cross is None else self.cross.rebalance(np.array(targets))
        self.placed += [order.ref for order in orders]

    def one_by_one(self, targets: list[float]) -> list[Any]:
        """Holdings that shrink first, then the rest, in the order of the feeds."""
        value, shrinking, growing = self.broker.getvalue(), [], []
        for data, target in zip(self.datas, targets, strict=True):
            size = self.broker.positions[data].size if data in self.broker.positions else 0
            if target == target and (target or size):
                worth = self.broker.getvalue([data]) if size else 0.0
                (shrinking if target * value < worth else growing).append((data, target))
        orders = [self.order_target_percent(data, target) for data, target in (*shrinking, *growing)]
        return [order for order in orders if order is not None]


class OwnLines(bt.Strategy):
    """A strategy with lines of its own, one bound to an indicator and one written bar by bar."""

    lines = ("mean", "mark")

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
