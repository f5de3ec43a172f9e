"""Market orders and copies of orders, made by plain attribute stores where backtrader goes through its metaclass.

Every attribute is what order.py 302-392 and 130-215 give it; the suite in tests/test_engine_identity.py compares them.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from functools import lru_cache
from typing import Any

from backtrader import date2num
from backtrader.order import BuyOrder, Order, OrderData, SellOrder
from backtrader.utils import AutoOrderedDict

from nnstrategies.engine.lines import moment_of

_NEW = object.__new__
STOCK_KINDS = (BuyOrder, SellOrder)


def market_order(
    kind: type[Order],
    owner: Any,
    data: Any,
    size: float,
    price: float | None,
    pricelimit: float | None,
    exectype: int | None,
    tradeid: int,
    trailamount: float | None,
    trailpercent: float | None,
    parent: Any,
    transmit: bool,
    histnotify: bool,
    ref: int,
    close: float,
    moment: float,
) -> Any:
    """A market order of ``kind`` without an expiry, as ``kind(owner=owner, ...)`` makes it.

    ref: from OrderBase.refbasis. close, moment: of the feed's session at which it is placed.
    """
    p = _NEW(kind.params)
    p.owner, p.data, p.size, p.price, p.pricelimit = owner, data, size, price, pricelimit
    p.exectype, p.valid, p.tradeid, p.oco = exectype, None, tradeid, None
    p.trailamount, p.trailpercent, p.parent, p.transmit = trailamount, trailpercent, parent, transmit
    p.simulated, p.histnotify = False, histnotify
    order = _NEW(kind)
    order.params = order.p = p
    # Found in the order itself, these need no detour through OrderBase.__getattr__ to its parameters.
    order.owner, order.data, order.parent, order.transmit, order.tradeid = owner, data, parent, transmit, tradeid
    order.ref, order.broker, order.info, order.comminfo = ref, None, AutoOrderedDict(), None
    order.triggered, order._active, order.status, order._plimit = False, parent is None, Order.Created, pricelimit
    order.exectype, order.position, order._limitoffset = Order.Market, 0, 0.0
    order.size = signed = size if kind.ordtype == Order.Buy else -size
    asked = price if price or pricelimit else close
    order.created = made = _order_data(moment, signed, 0, pricelimit if pricelimit and not asked else asked)
    made.pclose, made.pricelimit, made._plimit = close, pricelimit or asked, pricelimit
    made.trailamount, made.trailpercent = trailamount, trailpercent
    order.executed = unfilled(signed)
    order.dteos = _session_end(data, moment)
    return order


def unfilled(size: float) -> Any:
    """What has been executed of an order that waits: nothing."""
    return _order_data(None, 0, size, 0.0)


def _order_data(moment: float | None, size: float, remsize: float, price: float | None) -> Any:
    made: Any = _NEW(OrderData)
    made.pclose, made.exbits, made.p1, made.p2 = 0.0, deque(), 0, 0
    made.dt, made.size, made.remsize, made.price, made.pricelimit = moment, size, remsize, price, 0.0
    made.trailamount, made.trailpercent, made._plimit = 0.0, 0.0, 0.0
    made.value, made.comm, made.margin, made.pnl, made.psize, made.pprice = 0.0, 0.0, None, 0.0, 0, 0
    return made


def _session_end(data: Any, moment: float) -> float:
    """The end of the session as order.py 372-390 finds it; the same for all feeds of a day without a time zone."""
    if data._tz is None and data.datetime._tz is None:
        return _naive_session_end(moment, data.p.sessionend)
    now = data.datetime.datetime(0)
    return data.date2num(_end_after(now, data.p.sessionend))


@lru_cache(maxsize=1 << 14)
def _naive_session_end(moment: float, close: dt.time) -> float:
    return date2num(_end_after(moment_of(moment, None, True), close))


def _end_after(now: dt.datetime, close: dt.time) -> dt.datetime:
    end = now.replace(hour=close.hour, minute=close.minute, second=close.second, microsecond=close.microsecond)
    return end if end >= now else end + dt.timedelta(days=1)


def cloned(order: Any) -> Any:
    """``order.clone()``, the copy that a notification carries (order.py 213-220, 384-392)."""
    executed = order.executed
    if type(order) not in STOCK_KINDS or type(executed) is not OrderData:
        return order.clone()
    executed.p1, executed.p2 = executed.p2, len(executed.exbits)
    return copied(order)


def copied(order: Any) -> Any:
    """A copy of an order as it stands, with its own account of what was executed."""
    filled, made = _NEW(OrderData), _NEW(type(order))
    filled.__dict__ = order.executed.__dict__.copy()
    made.__dict__ = order.__dict__.copy()
    made.executed = filled
    return made
