"""Orders under plain commission schemes checked and filled, with BackBroker._execute written out for that case.

The operations on floats and their order are those of bbroker.py 673-845.
"""

from __future__ import annotations

from typing import Any

from backtrader.order import Order, OrderExecutionBit

from nnstrategies.engine.commission import fee
from nnstrategies.engine.lines import moment_of

_NEW = object.__new__


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


def fill(broker: Any, order: Any, scheme: Any, price: float, dated: float | None) -> bool:
    """Fill the order whole at ``price`` and book it; False, with nothing touched, when that is for the parent to do.

    dated: the moment to book it at, today when None.
    """
    size, data = order.executed.remsize, order.data
    position = broker.positions[data]
    cost, cash, terms = position.price, broker.cash, scheme.p
    opened, closed = split(position.size, size)
    if not size or (opened and closed):
        return False
    profit = -closed * (price - cost) * terms.mult
    opened_worth = closed_worth = opened_fee = closed_fee = 0.0
    if closed:
        closed_worth = -closed * cost
        cash += (closed_worth / terms.leverage if closed_worth > 0 else closed_worth) + profit
        closed_fee = fee(scheme, closed, price)
        cash -= closed_fee
    else:
        opened_worth = opened * price
        cash -= opened_worth / terms.leverage if opened_worth > 0 else opened_worth
        opened_fee = fee(scheme, opened, price)
        cash -= opened_fee
        if cash < 0.0:
            return False
        position.adjbase = price
    broker.cash = cash
    moment = data.datetime[0]
    now = moment_of(moment, None, True) if data.datetime._tz is None else data.datetime.datetime()
    before, held = position.size, position.size + size
    average = 0.0
    if held:
        average = cost if closed else (cost * before + size * price) / held if before else price
    position.datetime, position.price_orig, position.size, position.price = now, cost, held, average
    position.upopened, position.upclosed, position.changes.seen = opened, closed, False
    if closed and broker.p.int2pnl:
        closed_fee += broker.d_credit.pop(data, 0.0)
    bit, done = _NEW(OrderExecutionBit), order.executed
    bit.dt, bit.size, bit.price, bit.closed, bit.opened = dated or moment, size, price, closed, opened
    bit.closedvalue, bit.openedvalue = closed_worth, opened_worth
    bit.closedcomm, bit.openedcomm = closed_fee, opened_fee
    bit.value, bit.comm, bit.pnl = closed_worth + opened_worth, closed_fee + opened_fee, profit
    bit.psize, bit.pprice = held, average
    done.exbits.append(bit)
    done.remsize -= size
    whole = done.size + size
    done.price = (done.size * done.price + size * price) / whole
    done.dt, done.size, done.psize, done.pprice, done.margin = bit.dt, whole, held, average, terms.margin
    done.value += bit.value
    done.comm += bit.comm
    done.pnl += profit
    order.status = Order.Partial if done.remsize else Order.Completed
    order.comminfo = scheme
    return True
