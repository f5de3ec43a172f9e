"""Orders under plain commission schemes checked and filled, with BackBroker._execute written out for that case.

The operations on floats and their order are those of bbroker.py 673-845.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

from backtrader.order import Order, OrderExecutionBit

from nnstrategies.engine.commission import fee
from nnstrategies.engine.lines import moment_of

_NEW = object.__new__


class Fill(NamedTuple):
    """A whole fill: shares traded, opened and closed (negative when sold), what they cost, and what is left after it.

    profit: of the shares closed, before fees. held, average: the position after it. cash: the account's after it.
    """

    price: float
    size: float
    opened: float
    closed: float
    opened_worth: float
    closed_worth: float
    opened_fee: float
    closed_fee: float
    profit: float
    held: float
    average: float
    cash: float


def split(held: float, size: float) -> tuple[float, float]:
    """How much of an order opens and how much closes a position (position.py 147-206)."""
    after = held + size
    if not after:
        return 0, size
    if not held:
        return size, 0
    if (held > 0) == (size > 0):
        return size, 0
    if (held > 0) == (after > 0):
        return 0, size
    return after, -held


def cash_after(cash: float, scheme: Any, held: float, size: float, price: float) -> float:
    """Cash that would be left if the order were filled at ``price``: the check at submission."""
    opened, closed = split(held, size)
    if closed:
        worth = -closed * price
        cash += (worth / scheme.p.leverage if worth > 0 else worth) + 0
        cash -= fee(scheme, closed, price)
    if opened:
        worth = opened * price
        cash -= worth / scheme.p.leverage if worth > 0 else worth
        cash -= fee(scheme, opened, price)
    return cash


def priced(position: Any, scheme: Any, size: float, price: float, cash: float, interest: float | None) -> Fill | None:
    """What filling ``size`` at ``price`` does, with nothing touched; None when that is for BackBroker itself to find.

    interest: what was charged on the position since its last fill, where fees include it; else None.
    """
    held, cost, terms = position.size, position.price, scheme.p
    opened, closed = split(held, size)
    if not size or (opened and closed):
        return None
    profit = -closed * (price - cost) * terms.mult
    opened_worth = closed_worth = opened_fee = closed_fee = 0.0
    if closed:
        closed_worth = -closed * cost
        cash += (closed_worth / terms.leverage if closed_worth > 0 else closed_worth) + profit
        closed_fee = fee(scheme, closed, price)
        cash -= closed_fee
        if interest is not None:
            closed_fee += interest
    else:
        opened_worth = opened * price
        cash -= opened_worth / terms.leverage if opened_worth > 0 else opened_worth
        opened_fee = fee(scheme, opened, price)
        cash -= opened_fee
        if cash < 0.0:
            return None
    after = held + size
    average = 0.0
    if after:
        average = cost if closed else (cost * held + size * price) / after if held else price
    worths = opened_worth, closed_worth, opened_fee, closed_fee
    return Fill(price, size, opened, closed, *worths, profit, after, average, cash)


def settle(position: Any, done: Fill, now: dt.datetime) -> None:
    """Bring a position up to date."""
    if done.opened:
        position.adjbase = done.price
    position.datetime, position.price_orig, position.size, position.price = now, position.price, done.held, done.average
    position.upopened, position.upclosed, position.changes.seen = done.opened, done.closed, False


def record(order: Any, done: Fill, scheme: Any, moment: float) -> None:
    """Write a fill into its order."""
    bit, total = _NEW(OrderExecutionBit), order.executed
    bit.dt, bit.size, bit.price, bit.closed, bit.opened = moment, done.size, done.price, done.closed, done.opened
    bit.closedvalue, bit.openedvalue = done.closed_worth, done.opened_worth
    bit.closedcomm, bit.openedcomm = done.closed_fee, done.opened_fee
    bit.value, bit.comm = done.closed_worth + done.opened_worth, done.closed_fee + done.opened_fee
    bit.pnl, bit.psize, bit.pprice = done.profit, done.held, done.average
    total.exbits.append(bit)
    total.remsize -= done.size
    whole = total.size + done.size
    total.price = (total.size * total.price + done.size * done.price) / whole
    total.dt, total.size, total.psize, total.pprice, total.margin = (
        moment,
        whole,
        bit.psize,
        bit.pprice,
        scheme.p.margin,
    )
    total.value += bit.value
    total.comm += bit.comm
    total.pnl += done.profit
    order.status = Order.Partial if total.remsize else Order.Completed
    order.comminfo = scheme


def fill(broker: Any, order: Any, scheme: Any, price: float, dated: float | None) -> bool:
    """Fill the order whole at ``price`` and book it; False, with nothing touched, when that is for the parent to do.

    dated: the moment to book it at, today when None.
    """
    data = order.data
    position = broker.positions[data]
    charged = broker.d_credit if broker.p.int2pnl else None
    interest = None if charged is None else charged.get(data, 0.0)
    done = priced(position, scheme, order.executed.remsize, price, broker.cash, interest)
    if done is None:
        return False
    if done.closed and charged is not None:
        charged.pop(data, None)
    broker.cash = done.cash
    moment = data.datetime[0]
    now = moment_of(moment, None, True) if data.datetime._tz is None else data.datetime.datetime()
    settle(position, done, now)
    record(order, done, scheme, dated or moment)
    return True
