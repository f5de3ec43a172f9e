"""Market orders and copies of orders, made by plain attribute stores where backtrader goes through its metaclass.

Every attribute is what order.py 302-392 and 130-215 give it; the suite in tests/test_engine_identity.py compares them.
"""

from __future__ import annotations

import collections
import datetime as dt
from functools import lru_cache
from typing import Any

from backtrader import date2num
from backtrader.order import Order, OrderBase, OrderData
from backtrader.utils import AutoOrderedDict

from nnstrategies.engine.lines import moment_of

_NEW = object.__new__


def market_order(kind: type[Order], terms: dict[str, Any]) -> Any:
    """A market order of ``kind`` without an expiry, as ``kind(**terms)`` makes it; ``terms`` are all its parameters."""
    params = _NEW(kind.params)
    params.__dict__.update(terms)
    data, size = terms["data"], terms["size"]
    order = _NEW(kind)
    own = order.__dict__
    own.update(params=params, p=params, ref=next(OrderBase.refbasis), broker=None, info=AutoOrderedDict())
    own.update(comminfo=None, triggered=False, _active=terms["parent"] is None, status=Order.Created)
    own.update(_plimit=terms["pricelimit"], exectype=Order.Market, _limitoffset=0.0, position=0)
    # Found in the order itself, these need no detour through OrderBase.__getattr__.
    signed = size if kind.ordtype == Order.Buy else -size
    own.update(owner=terms["owner"], data=data, parent=terms["parent"], transmit=terms["transmit"], size=signed)
    close, moment = data.close[0], data.datetime[0]
    price, limit = terms["price"], terms["pricelimit"]
    own["created"] = _created(moment, signed, price if price or limit else close, limit, close)
    own["executed"] = _to_fill(signed)
    own["dteos"] = _session_end(data, moment)
    return order


def _created(moment: float, size: float, price: float, limit: Any, close: float) -> OrderData:
    made: OrderData = _NEW(OrderData)
    made.__dict__.update(
        pclose=close, exbits=collections.deque(), p1=0, p2=0, dt=moment, size=size, remsize=0,
        price=price or limit if limit else price, pricelimit=limit or price, trailamount=None, trailpercent=None,
        _plimit=limit, value=0.0, comm=0.0, margin=None, pnl=0.0, psize=0, pprice=0,
    )  # fmt: skip
    return made


def _to_fill(size: float) -> OrderData:
    made: OrderData = _NEW(OrderData)
    made.__dict__.update(
        pclose=0.0, exbits=collections.deque(), p1=0, p2=0, dt=None, size=0, remsize=size, price=0.0, pricelimit=0.0,
        trailamount=0.0, trailpercent=0.0, _plimit=0.0, value=0.0, comm=0.0, margin=None, pnl=0.0, psize=0, pprice=0,
    )  # fmt: skip
    return made


def _session_end(data: Any, moment: float) -> float:
    """The end of the session as order.py 372-390 finds it; the same for all feeds of a day without a time zone."""
    if data._tz is None and data.datetime._tz is None and "date2num" not in data.__dict__:
        return _naive_session_end(moment, data.p.sessionend)
    now = data.datetime.datetime(0)
    return data.date2num(_end_after(now, data.p.sessionend))  # type: ignore[no-any-return]


@lru_cache(maxsize=1 << 14)
def _naive_session_end(moment: float, close: dt.time) -> float:
    return date2num(_end_after(moment_of(moment), close))  # type: ignore[no-any-return]


def _end_after(now: dt.datetime, close: dt.time) -> dt.datetime:
    end = now.replace(hour=close.hour, minute=close.minute, second=close.second, microsecond=close.microsecond)
    return end if end >= now else end + dt.timedelta(days=1)


def cloned(order: Any) -> Any:
    """``order.clone()``, the copy that a notification carries (order.py 213-220, 384-392)."""
    executed = order.executed
    if type(order).clone is not OrderBase.clone or type(executed) is not OrderData:
        return order.clone()
    executed.p1, executed.p2 = executed.p2, len(executed.exbits)
    filled = _NEW(OrderData)
    filled.__dict__.update(executed.__dict__)
    made = _NEW(type(order))
    made.__dict__.update(order.__dict__)
    made.executed = filled
    return made
