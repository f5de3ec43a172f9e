"""Everything a run hands to a user, as plain values that compare bit for bit: orders, trades, positions, results."""

from __future__ import annotations

import array
import datetime as dt
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import backtrader as bt
import numpy as np
from backtrader.order import OrderBase
from backtrader.position import Position
from backtrader.trade import Trade, TradeHistory

ORDER = (
    *("ordtype", "exectype", "status", "size", "price", "pricelimit", "plimit", "trailamount", "trailpercent"),
    *("valid", "tradeid", "transmit", "triggered", "dteos", "histnotify", "simulated", "position", "_limitoffset"),
)
ORDER_DATA = (
    *("dt", "size", "remsize", "price", "pricelimit", "plimit", "pclose", "trailamount", "trailpercent"),
    *("value", "comm", "margin", "pnl", "psize", "pprice", "p1", "p2"),
)
BIT = (
    *("dt", "size", "price", "closed", "opened", "closedvalue", "openedvalue", "closedcomm", "openedcomm"),
    *("value", "comm", "pnl", "psize", "pprice"),
)
TRADE = (
    *("tradeid", "size", "price", "value", "commission", "pnl", "pnlcomm", "justopened", "isopen", "isclosed"),
    *("baropen", "dtopen", "barclose", "dtclose", "barlen", "historyon", "status"),
)
AS_TEXT = frozenset({str, bool, dt.date, dt.datetime, dt.time, dt.timedelta, time.struct_time})
POSITION = ("size", "price", "price_orig", "upopened", "upclosed", "adjbase")


def counters() -> tuple[int, int]:
    """The references after which this run's orders and trades begin: backtrader counts on from run to run."""
    return next(OrderBase.refbasis), next(Trade.refbasis)


@dataclass(frozen=True)
class Canon:
    """Turns values into str, int, None, list and dict: a float becomes its exact hexadecimal text, every NaN "nan"."""

    started: tuple[int, int]

    @property
    def orders(self) -> int:
        return self.started[0]

    def __call__(self, value: Any) -> Any:
        kind = type(value)
        if kind is float:
            return value.hex() if value == value else "nan"
        if kind is int or value is None:
            return value
        if kind in AS_TEXT:
            return str(value)
        if kind is list or kind is tuple:
            return [each.hex() if type(each) is float and each == each else self(each) for each in value]
        return self._object(value)

    def _object(self, value: Any) -> Any:
        if isinstance(value, OrderBase):
            return self.order(value)
        if isinstance(value, np.ndarray):
            return self(value.tolist())
        if isinstance(value, np.generic):
            return [type(value).__name__, self(value.item())]
        if isinstance(value, Trade):
            return self.trade(value)
        if isinstance(value, Position):
            return self.position(value)
        if isinstance(value, TradeHistory):
            return {"status": self(dict(value.status)), "event": self(dict(value.event))}
        if isinstance(value, Mapping):
            return [[self(key), self(each)] for key, each in value.items()]  # pairs: the order counts too
        if isinstance(value, Sequence | deque | array.array):
            return [type(value).__name__, *(self(each) for each in value)]
        if isinstance(value, type):
            return value.__name__
        if isinstance(value, bt.LineRoot):
            return f"{type(value).__name__ if isinstance(value, bt.Strategy) else 'data'} {getattr(value, '_name', '')}"
        if isinstance(value, bt.CommInfoBase):
            return {"class": type(value).__name__, "params": self(dict(value.p._getkwargs()))}
        return type(value).__name__  # timers, sizers and the like: only their kind

    def ref(self, order: Any) -> int | None:
        return None if order is None else order.ref - self.orders

    def order(self, order: Any) -> dict[str, Any]:
        facts = {name: self(getattr(order, name)) for name in ORDER}
        return {
            "ref": self.ref(order),
            "class": type(order).__name__,
            **facts,
            "active": self(order.active()),
            "alive": self(order.alive()),
            "parent": self.ref(order.parent),
            "data": order.data._name,
            "owner": type(order.owner).__name__,
            "info": self(dict(order.info)),
            "comminfo": self(order.comminfo),
            "annotated": self(getattr(order, "pannotated", None) if "pannotated" in vars(order) else None),
            "created": self.order_data(order.created),
            "executed": self.order_data(order.executed),
        }

    def order_data(self, data: Any) -> dict[str, Any]:
        facts = {name: self(getattr(data, name)) for name in ORDER_DATA}
        bits = [{name: self(getattr(bit, name)) for name in BIT} for bit in data.exbits]
        return facts | {"bits": bits}

    def trade(self, trade: Any) -> dict[str, Any]:
        facts = {name: self(getattr(trade, name)) for name in TRADE}
        history = [self(entry) for entry in trade.history]
        return {"ref": trade.ref - self.started[1], "data": trade.data._name, **facts, "history": history}

    def position(self, position: Any) -> dict[str, Any]:
        """A position nobody touched and a flat one that was only asked about are the same."""
        position = Position() if position is None else position
        facts = {name: self(getattr(position, name)) for name in POSITION}
        return facts | {"datetime": self(getattr(position, "datetime", None))}
