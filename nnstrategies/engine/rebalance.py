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
    broker: Any = strategy.broker
    value = broker.getvalue()
    place = _place_quickly if _is_plain(strategy) else _place
    shrinking: list[tuple[Any, float, float]] = []
    growing: list[tuple[Any, float, float]] = []
    for column in columns:
        feed, target = feeds[column], float(targets[column])
        worth = broker.getvalue([feed]) if sizes[column] else 0.0
        (shrinking if target * value < worth else growing).append((feed, target, worth))
    orders = (place(strategy, feed, target, value, worth) for feed, target, worth in (*shrinking, *growing))
    return [order for order in orders if order is not None]


def _is_plain(strategy: Any) -> bool:
    """Whether neither strategy nor broker has its own way to any of these orders."""
    broker = strategy.broker
    own = overridden(type(strategy), bt.Strategy, _ASKED) or overridden(type(broker), PanelBroker, _SERVED)
    return bool(not own and broker.p.shortcash and not broker._cash_addition and broker.drives)


def _place(strategy: Any, feed: Any, target: float, value: float, worth: float) -> Any:
    return strategy.order_target_percent(feed, target)


def _place_quickly(strategy: Any, feed: Any, target: float, value: float, worth: float) -> Any:
    """``order_target_percent(feed, target)`` for a plain scheme; None when there is nothing to trade."""
    broker = strategy.broker
    scheme = broker.getcommissioninfo(feed)
    if not is_plain(scheme) or type(scheme).getsize is not CommInfoBase.getsize:
        return strategy.order_target_percent(feed, target)
    held, wanted, price = broker.positions[feed].size, target * value, feed.close[0]
    if not wanted and held:
        return broker.market(SellOrder if held > 0 else BuyOrder, strategy, feed, abs(held))
    if not held:
        worth = held * price
    if wanted > worth:
        size, kind = int(scheme.p.leverage * ((wanted - worth) // price)), BuyOrder
    elif wanted < worth:
        size, kind = int(scheme.p.leverage * ((worth - wanted) // price)), SellOrder
    else:
        return None
    return broker.market(kind, strategy, feed, abs(size), price) if size else None
