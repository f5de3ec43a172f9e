"""What the broker tells a strategy and its analyzers: orders, the trades they make, cash and value.

Does what Cerebro._brokernotify, Strategy._addnotification and Strategy._notify do (strategy.py 503-620).
"""

from __future__ import annotations

from typing import Any

import backtrader as bt
from backtrader.lineiterator import LineIterator
from backtrader.order import Order
from backtrader.trade import Trade

from nnstrategies.engine.batch import Batch
from nnstrategies.engine.commission import is_plain
from nnstrategies.engine.records import Records

_NEW = object.__new__
_HEARING = ("notify_order", "notify_trade", "_addnotification", "clear")


def deliver(cerebro: Any) -> None:
    """Hand every order that the broker notifies to the strategy that placed it."""
    notified, default = cerebro.broker.notifs, cerebro.runningstrats[0]
    while notified and (order := notified.popleft()) is not None:
        if type(order) is Batch:
            _tell(order)
            continue
        owner = order.owner if order.owner is not None else default
        if _has_own(owner, "_addnotification"):
            owner._addnotification(order, quicknotify=False)
            continue
        if not order.p.simulated:
            owner._orderspending.append(order)
        if order.executed.size:
            book(owner, order)


def _tell(batch: Batch) -> None:
    """What a filled batch leaves with its owner, to whom nobody listens."""
    owner = batch.owner
    for place, (feed, done) in enumerate(zip(batch.feeds, batch.fills, strict=True)):
        trades = owner._trades[feed][0]
        trade = trades[-1] if trades else _opened(owner, trades, feed, 0)
        if done.opened and trade.isclosed:
            trade = _opened(owner, trades, feed, 0)
        _step(trade, batch, place)
        if trade.isclosed:
            owner._tradespending.append(_copied(trade))
        if trade.justopened:
            owner._tradespending.append(_copied(trade))
    for name in ("_orders", "_orderspending"):
        if type(getattr(owner, name)) is not Records:
            setattr(owner, name, Records(getattr(owner, name)))
    owner._orderspending.later(batch.news, batch.news_count)
    if hear := getattr(owner, "hear_batch", None):
        hear(batch.feeds, batch.fills, batch.filled_at)


def _step(trade: Trade, batch: Batch, place: int) -> None:
    """Bring a trade up to date with one fill of a batch."""
    done, scheme = batch.fills[place], batch.schemes[place]
    size, fee = (done.closed, done.closed_fee) if done.closed else (done.opened, done.opened_fee)
    if trade.historyon:  # kept for trades that were opened before the strategy turned it off
        worth = done.closed_worth if done.closed else done.opened_worth
        trade.update(batch.orders()[place], size, done.price, worth, fee, done.profit, comminfo=scheme)
    else:
        _traded(trade, scheme, size, done.price, fee)


def is_heard(strategy: Any) -> bool:
    """Whether anybody hears of a strategy's orders and trades: the strategy itself, an analyzer, an observer.

    A strategy whose ``_notify`` only follows its orders takes part in batches by ``hears_batches`` = True and
    ``hear_batch(feeds, fills, moment)``.
    """
    if any(_has_own(strategy, name) for name in _HEARING):
        return True
    if _has_own(strategy, "_notify") and not getattr(strategy, "hears_batches", False):
        return True
    listeners = strategy.analyzers or strategy._slave_analyzers or strategy._lineiterators[LineIterator.ObsType]
    return bool(listeners) or strategy._tradehistoryon


def _has_own(strategy: Any, name: str) -> bool:
    """Whether a strategy's class, or the strategy itself, has replaced this method of bt.Strategy."""
    return getattr(type(strategy), name) is not getattr(bt.Strategy, name) or name in strategy.__dict__


def inform(strategy: Any) -> None:
    """Tell the strategy and its analyzers what is pending, then cash and value."""
    listeners = strategy.analyzers or strategy._slave_analyzers
    pending = strategy._orderspending
    batch = type(pending) is Records  # and no other order, and nobody to hear of it
    follows = _has_own(strategy, "_notify") and (pending or not getattr(strategy, "hears_batches", False))
    if not batch and (listeners or follows or strategy.cerebro.p.quicknotify):
        strategy._notify()
        return
    for order in () if batch else pending:
        if order.exectype != Order.Historical or order.histnotify:
            strategy.notify_order(order)
    for trade in strategy._tradespending:
        strategy.notify_trade(trade)
    broker = strategy.broker
    cash, value = broker.getcash(), broker.getvalue()
    worth, shares = broker.fundvalue, broker.fundshares
    strategy.notify_cashvalue(cash, value)
    strategy.notify_fund(cash, value, worth, shares)


def book(strategy: Any, order: Any) -> None:
    """Bring the trade of each new fill up to date."""
    executed = order.executed
    data = order.data._compensate
    if data is None:
        data = order.data
    trades = strategy._trades[data][order.tradeid]
    trade = trades[-1] if trades else _opened(strategy, trades, data, order.tradeid)
    for bit in executed.iterpending():
        if bit is None:
            break
        if bit.closed:
            _update(trade, order, bit.closed, bit.price, bit.closedvalue, bit.closedcomm, bit.pnl)
            if trade.isclosed:
                strategy._tradespending.append(_copied(trade))
        if bit.opened:
            if trade.isclosed:
                trade = _opened(strategy, trades, data, order.tradeid)
            _update(trade, order, bit.opened, bit.price, bit.openedvalue, bit.openedcomm, bit.pnl)
            if trade.isclosed:  # orders of other trade ids had already closed the position
                strategy._tradespending.append(_copied(trade))
        if trade.justopened:
            strategy._tradespending.append(_copied(trade))


def _update(trade: Trade, order: Any, size: float, price: float, value: float, commission: float, pnl: float) -> None:
    """``trade.update`` (trade.py 220-330), written out for a plain commission scheme."""
    scheme = order.comminfo
    if trade.historyon or order.p.simulated or not is_plain(scheme):
        trade.update(order, size, price, value, commission, pnl, comminfo=scheme)
        return
    _traded(trade, scheme, size, price, commission)


def _traded(trade: Trade, scheme: Any, size: float, price: float, commission: float) -> None:
    data, before = trade.data, trade.size
    bars, moment = len(data), data.datetime[0]
    trade.commission += commission
    trade.size = after = before + size
    trade.justopened = not before
    if not before:
        trade.baropen, trade.dtopen, trade.long = bars, moment, after > 0
    trade.isopen = bool(after)
    trade.barlen = bars - trade.baropen
    trade.isclosed = bool(before and not after)
    if trade.isclosed:
        trade.barclose, trade.dtclose, trade.status = bars, moment, Trade.Closed
    elif after:
        trade.status = Trade.Open
    gained = 0.0
    if abs(after) > abs(before):
        trade.price = (before * trade.price + size * price) / after
    else:
        gained = -size * (price - trade.price) * scheme.p.mult
    trade.pnl += gained
    trade.pnlcomm = trade.pnl - trade.commission
    trade.value = after * trade.price


def _opened(strategy: Any, trades: list[Any], data: Any, tradeid: int) -> Trade:
    trade = Trade(data=data, tradeid=tradeid, historyon=strategy._tradehistoryon)
    trades.append(trade)
    return trade


def _copied(trade: Trade) -> Trade:
    made: Trade = _NEW(Trade)
    made.__dict__ = trade.__dict__.copy()
    return made
