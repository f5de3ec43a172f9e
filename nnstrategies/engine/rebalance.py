"""From target weights to the orders that order_target_percent gives, one batch for all feeds.

The sizes are strategy.py 1230-1330 (order_target_value, order_target_percent) and CommInfoBase.getsize.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import backtrader as bt
import numpy as np
from backtrader.comminfo import CommInfoBase

from nnstrategies.engine.broker import PanelBroker
from nnstrategies.engine.commission import is_plain
from nnstrategies.engine.eligible import overridden
from nnstrategies.typing import FloatArray

_ASKED = ("order_target_percent", "order_target_value", "buy", "sell", "close", "getposition")


def rebalance(strategy: bt.Strategy, feeds: Sequence[Any], targets: FloatArray, sizes: FloatArray) -> list[bt.Order]:
    """Place the orders and return them; ``targets`` and ``sizes`` (held) are [N]."""
    columns = np.flatnonzero((targets != 0) & ~np.isnan(targets) | (sizes != 0) & (targets == 0)).tolist()
    chosen = [feeds[column] for column in columns]
    weights = targets[columns].tolist()
    if _is_plain(strategy, chosen):
        return _place_quickly(strategy, chosen, weights)
    broker = strategy.broker
    value = broker.getvalue()
    worth = [broker.getvalue([feeds[column]]) if sizes[column] else 0.0 for column in columns]
    triples = list(zip(chosen, weights, worth, strict=True))
    shrinking = [(feed, weight) for feed, weight, held in triples if weight * value < held]
    growing = [(feed, weight) for feed, weight, held in triples if not weight * value < held]  # NaN is here
    orders = [strategy.order_target_percent(feed, weight) for feed, weight in (*shrinking, *growing)]
    return [order for order in orders if order is not None]


def _is_plain(strategy: Any, feeds: Sequence[Any]) -> bool:
    """Whether neither strategy, broker nor a commission scheme has its own way to any of these orders."""
    broker = strategy.broker
    own = overridden(type(strategy), bt.Strategy, _ASKED) or not isinstance(broker, PanelBroker) or not broker.exact
    if own or not broker.p.shortcash or broker._cash_addition or not broker.drives:
        return False
    schemes = {id(scheme): scheme for scheme in map(broker.getcommissioninfo, feeds)}.values()
    return all(is_plain(scheme) and type(scheme).getsize is CommInfoBase.getsize for scheme in schemes)


def _place_quickly(strategy: Any, feeds: Sequence[Any], weights: Sequence[float]) -> list[Any]:
    """``order_target_percent(feed, weight)`` for plain schemes, which touches a position when its turn comes."""
    broker = strategy.broker
    value, positions = broker.getvalue(), broker.positions
    shrinking: list[tuple[Any, float, float | None]] = []
    growing: list[tuple[Any, float, float | None]] = []
    for feed, weight in zip(feeds, weights, strict=True):
        position = positions.get(feed)
        held = position.size if position is not None else 0
        price, wanted = feed.close[0], weight * value
        worth = held * price
        leverage = broker.getcommissioninfo(feed).p.leverage
        if not wanted and held:
            trade = (feed, -held, None)
        elif wanted > worth:
            trade = (feed, int(leverage * ((wanted - worth) // price)), price)
        elif wanted < worth:
            trade = (feed, -int(leverage * ((worth - wanted) // price)), price)
        else:
            trade = (feed, 0, None)
        (shrinking if wanted < (worth if held else 0.0) else growing).append(trade)
    trades = [*shrinking, *growing]
    for feed, _, _ in trades:
        positions[feed]  # backtrader asks for it, and from then on counts it in the value
    trades = [trade for trade in trades if trade[1]]
    feeds, sizes, prices = zip(*trades, strict=True) if trades else ((), (), ())
    placed: list[Any] | None = broker.place(strategy, feeds, sizes, prices)
    if placed is not None:
        return placed
    buy, sell = broker.buy, broker.sell
    return [(buy if size > 0 else sell)(strategy, feed, abs(size), price=price) for feed, size, price in trades]
