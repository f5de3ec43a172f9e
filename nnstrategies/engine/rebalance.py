"""From target weights to the orders that order_target_percent gives, one batch for all feeds.

The sizes are strategy.py 1230-1330 (order_target_value, order_target_percent) and CommInfoBase.getsize.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import backtrader as bt
import numpy as np
from backtrader.comminfo import CommInfoBase
from backtrader.order import BuyOrder, SellOrder

from nnstrategies.engine.broker import PanelBroker
from nnstrategies.engine.commission import is_plain
from nnstrategies.engine.eligible import overridden
from nnstrategies.typing import FloatArray

_ASKED = ("order_target_percent", "order_target_value", "buy", "sell", "close", "getposition")
_SERVED = ("buy", "sell", "submit", "transmit", "getposition", "get_value", "getvalue", "getcommissioninfo")


def rebalance(strategy: bt.Strategy, feeds: Sequence[Any], targets: FloatArray, sizes: FloatArray) -> list[bt.Order]:
    """Place the orders and return them; ``targets`` and ``sizes`` (held) are [N]."""
    columns = np.flatnonzero((targets != 0) & ~np.isnan(targets) | (sizes != 0) & (targets == 0)).tolist()
    value = strategy.broker.getvalue()
    shrinking, growing = [], []
    for column in columns:
        worth = strategy.broker.getvalue([feeds[column]]) if sizes[column] else 0.0
        (shrinking if targets[column] * value < worth else growing).append(column)
    batch = _batch(strategy)
    place = batch.order if batch else strategy.order_target_percent
    orders = (place(feeds[column], float(targets[column])) for column in (*shrinking, *growing))
    return [order for order in orders if order is not None]


def _batch(strategy: Any) -> _Batch | None:
    """The quick way to the same orders, unless the strategy or the broker has its own way to any of them."""
    broker = strategy.broker
    own = overridden(type(strategy), bt.Strategy, _ASKED) or overridden(type(broker), PanelBroker, _SERVED)
    if own or not broker.p.shortcash or broker._cash_addition or not broker.drives:
        return None
    return _Batch(strategy)


class _Batch:
    """Orders of one strategy at one moment."""

    def __init__(self, strategy: Any) -> None:
        self._strategy, self._broker = strategy, strategy.broker
        self._value = self._broker.getvalue()

    def order(self, feed: Any, target: float) -> Any:
        """``order_target_percent(feed, target)`` for a plain scheme; None when there is nothing to trade."""
        scheme = self._broker.getcommissioninfo(feed)
        if not is_plain(scheme) or type(scheme).getsize is not CommInfoBase.getsize:
            return self._strategy.order_target_percent(feed, target)
        held = self._broker.positions[feed].size
        wanted = target * self._value
        if not wanted and held:
            return self._market(feed, -held, None)
        price = feed.close[0]
        worth = held * price
        if wanted > worth:
            return self._market(feed, int(scheme.p.leverage * ((wanted - worth) // price)), price)
        if wanted < worth:
            return self._market(feed, -int(scheme.p.leverage * ((worth - wanted) // price)), price)
        return None

    def _market(self, feed: Any, size: float, price: float | None) -> Any:
        if not size:
            return None
        return self._broker.market(BuyOrder if size > 0 else SellOrder, self._strategy, feed, abs(size), price)
