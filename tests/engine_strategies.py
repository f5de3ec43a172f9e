"""Hand-written strategies, each with one part of backtrader's trading interface; unchanged bt.Strategy code."""

from __future__ import annotations

import datetime as dt
from typing import Any

import backtrader as bt
from backtrader import Order

TYPES = (Order.Market, Order.Close, Order.Limit, Order.Stop, Order.StopLimit, Order.StopTrail, Order.StopTrailLimit)


class EveryOrderType(bt.Strategy):
    """Cycles through order types, sides and feeds; trailing by amount and by percentage."""

    params = (("sizes", (10, 25, 7)), ("away", 0.01), ("valid", None))

    def next(self) -> None:
        k = len(self)
        data = self.datas[k % len(self.datas)]
        kind = TYPES[k % len(TYPES)]
        side = self.buy if (k // 2) % 2 else self.sell
        side(data=data, size=self.p.sizes[k % len(self.p.sizes)], **self.terms(data, kind, k))

    def terms(self, data: Any, kind: int, k: int) -> dict[str, Any]:
        buying = (k // 2) % 2
        up = 1 + self.p.away if (kind == Order.Limit) != bool(buying) else 1 - self.p.away
        terms: dict[str, Any] = {"exectype": kind, "valid": self.p.valid}
        if kind in (Order.Limit, Order.Stop, Order.StopLimit):
            terms["price"] = round(data.close[0] * up, 2)
        if kind in (Order.StopTrail, Order.StopTrailLimit):
            terms |= {"trailamount": 0.3} if k % 3 else {"trailpercent": 0.02}
            terms["price"] = data.close[0]
        if kind in (Order.StopLimit, Order.StopTrailLimit):
            terms["plimit"] = round(data.close[0] * (1.005 if buying else 0.995), 2)
        return terms


class Expiring(bt.Strategy):
    """Limits that rarely fill, with every way to say how long they are valid."""

    def next(self) -> None:
        k = len(self)
        today = self.data.datetime.datetime(0)
        day = dt.timedelta(days=1)
        valid = (None, today + 3 * day, (today + 2 * day).date(), 4 * day, Order.DAY, 2.5, 0, 1)[k % 8]
        for data in self.datas:
            price = data.close[0] * (0.97 if k % 2 else 0.99)
            self.buy(data=data, size=k, exectype=Order.Limit, price=price, valid=valid)


class OneCancelsOther(bt.Strategy):
    """A group of a stop and two limits: the first to fill or expire cancels the rest."""

    def next(self) -> None:
        if len(self) % 4 == 1:
            data = self.datas[len(self) // 4 % len(self.datas)]
            close = data.close[0]
            first = self.sell(data=data, size=5, exectype=Order.Stop, price=close * 0.985)
            self.buy(data=data, size=6, exectype=Order.Limit, price=close * 0.99, oco=first)
            valid = self.data.datetime.datetime(0) + dt.timedelta(days=2)
            self.sell(data=data, size=7, exectype=Order.Limit, price=close * 1.02, oco=first, valid=valid)


class Brackets(bt.Strategy):
    """Long and short brackets, with and without either leg, with a trailing stop, limits that expire."""

    def next(self) -> None:
        k = len(self)
        if k % 3:
            return
        data = self.datas[k // 3 % len(self.datas)]
        close = data.close[0]
        if k % 2:
            self.buy_bracket(data=data, size=9, price=close * 0.998, stopprice=close * 0.98, limitprice=close * 1.02)
        elif k % 4:
            self.sell_bracket(data=data, size=4, exectype=Order.Market, stopprice=close * 1.02, limitprice=close * 0.97)
        elif k % 12:
            valid = dt.timedelta(days=3)
            self.buy_bracket(data=data, size=8, price=close * 0.96, valid=valid, stopexec=None, limitprice=close * 1.1)
        else:
            trail = {"trailamount": 0.4}
            self.buy_bracket(
                data=data, size=3, exectype=Order.Market, stopexec=Order.StopTrail, stopargs=trail, limitexec=None
            )


class Cancelling(bt.Strategy):
    """Cancels pending orders, orders already done, a bracket's parent, and orders of the same day."""

    def __init__(self) -> None:
        self.placed: list[Any] = []

    def next(self) -> None:
        k = len(self)
        data = self.datas[k % len(self.datas)]
        close = data.close[0]
        self.placed.append(self.buy(data=data, size=5, exectype=Order.Limit, price=close * 0.985))
        if k % 5 == 0:
            self.placed += self.buy_bracket(data=data, size=2, price=close * 0.9, stopprice=1.0, limitprice=close * 2)
        if k % 3 == 0:
            self.cancel(self.placed[k % len(self.placed)])
        if k % 7 == 0:
            self.broker.cancel(self.sell(data=data, size=1))


class Targets(bt.Strategy):
    """order_target_size, _value and _percent in turn, long and short, towards zero and through it."""

    params = (("kind", "percent"), ("levels", (0.3, 0.1, 0.0, -0.2, 0.25, 0.25)), ("scale", 1.0))

    def next(self) -> None:
        order = getattr(self, f"order_target_{self.p.kind}")
        for n, data in enumerate(self.datas):
            if (len(self) + n) % 3 == 0:
                order(data, self.p.levels[(len(self) + n) // 3 % len(self.p.levels)] * self.p.scale)


class Reversing(bt.Strategy):
    """Goes through zero, closes, adds and reduces, under several trade ids."""

    def next(self) -> None:
        k = len(self)
        data = self.datas[k % len(self.datas)]
        if k % 9 == 0:
            self.close(data=data)
        elif k % 4 == 0:
            self.sell(data=data, size=30 + k, tradeid=k % 2)
        else:
            self.buy(data=data, size=11 * (k % 3 + 1), tradeid=k % 2, note=f"bar {k}")


class OnFill(bt.Strategy):
    """Places orders from inside notify_order and notify_trade."""

    def next(self) -> None:
        if len(self) % 6 == 1:
            self.buy(data=self.datas[len(self) // 6 % len(self.datas)], size=12)

    def notify_order(self, order: Any) -> None:
        if order.status == order.Completed and order.isbuy() and order.executed.size == 12:
            self.sell(data=order.data, size=4, exectype=Order.Limit, price=order.executed.price * 1.01)
            self.sell(data=order.data, size=8, exectype=Order.Stop, price=order.executed.price * 0.99)

    def notify_trade(self, trade: Any) -> None:
        if trade.isclosed:
            self.buy(data=trade.data, size=2)


class AllIn(bt.Strategy):
    """Asks for more than the cash allows, so that orders end in Margin before and during execution."""

    def next(self) -> None:
        for data in self.datas:
            if len(self) % 5 == 0:
                self.order_target_percent(data, 0.0)
            elif len(self) % 5 == 2:
                self.buy(data=data, size=int(0.9 * self.broker.getcash() / data.close[0]))


class Opening(bt.Strategy):
    """Trades in next_open with what is known there, and notes it: today's open, yesterday's indicators."""

    def __init__(self) -> None:
        self.mean = bt.indicators.SMA(self.data.close, period=3)
        self.seen: list[float] = []

    def next_open(self) -> None:
        self.seen += [self.data.open[0], self.mean[0], self.data.close[-1]]
        for n, data in enumerate(self.datas):
            if (len(self) + n) % 3 == 0:
                self.order_target_percent(data, 0.2 if (len(self) + n) % 2 else 0.0, price=data.open[0])

    def next(self) -> None:
        self.seen.append(self.mean[0])
        if len(self) % 11 == 0:
            self.sell(data=self.datas[-1], size=3)


class Depositing(bt.Strategy):
    """Cash comes and goes while positions are open."""

    def next(self) -> None:
        if len(self) % 7 == 3:
            self.broker.add_cash(1000.0 if len(self) % 2 else -400.0)
        if len(self) % 5 == 1:
            self.order_target_percent(self.datas[len(self) % len(self.datas)], 0.3)


class Timed(bt.Strategy):
    """Timers of strategies: every session, weekdays, days of the month, before the broker."""

    params = (("cheat", False),)

    def __init__(self) -> None:
        self.add_timer(bt.timer.SESSION_START)
        self.add_timer(bt.timer.SESSION_END, weekdays=[1, 4], weekcarry=True)
        self.add_timer(dt.time(0, 0), monthdays=[1, 15], monthcarry=True, cheat=self.p.cheat, note="month")
        self.seen: list[Any] = []

    def notify_timer(self, timer: Any, when: Any, *args: Any, **kwargs: Any) -> None:
        self.seen.append((when, len(self), kwargs, self.data.close[0], self.broker.getvalue()))
        if kwargs:
            self.order_target_percent(self.data, 0.5 if len(self) % 2 else 0.1)


class TopScores(bt.Strategy):
    """Every few bars the best scores in equal weight: sells first, then buys, one order per feed."""

    params = (("top", 2), ("every", 5))

    def next(self) -> None:
        if len(self) % self.p.every:
            return
        known = [n for n, data in enumerate(self.datas) if data.score[0] == data.score[0]]
        chosen = sorted(known, key=lambda n: -self.datas[n].score[0])[: self.p.top]
        for n, data in enumerate(self.datas):
            if n not in chosen and self.getposition(data).size:
                self.order_target_percent(data, 0.0)
        for n in chosen:
            self.order_target_percent(self.datas[n], 0.9 / self.p.top)


class Crossing(bt.Strategy):
    """The textbook strategy: buy above the mean, sell below; the size comes from the sizer."""

    params = (("fast", 3), ("slow", 8))

    def __init__(self) -> None:
        self.cross = [
            bt.indicators.CrossOver(
                bt.indicators.SMA(data.close, period=self.p.fast), bt.indicators.EMA(data.close, period=self.p.slow)
            )
            for data in self.datas
        ]

    def next(self) -> None:
        for data, cross in zip(self.datas, self.cross, strict=True):
            if cross[0] > 0:
                self.buy(data=data)
            elif cross[0] < 0:
                self.close(data=data) if len(self) % 2 else self.sell(data=data)


class Holding(bt.Strategy):
    """Buys on its first bar and holds."""

    params = (("size", 10),)

    def next(self) -> None:
        if not self.broker.positions[self.data].size and len(self) < 5:
            self.buy(size=self.p.size)


class Stopping(bt.Strategy):
    """Ends the run from inside next."""

    def next(self) -> None:
        self.buy(size=1)
        if len(self) == 12:
            self.env.runstop()


class OwnPrivate(Crossing):
    """Overrides a private method that a fast path might skip."""

    def _oncepost(self, moment: float) -> None:
        super()._oncepost(moment)
        self.moments = [*getattr(self, "moments", []), moment]

    def stop(self) -> None:
        self.seen = getattr(self, "moments", [])
