"""Market orders that a strategy places together, kept as columns: the objects are made when somebody looks at one.

A rebalance of a strategy to which nobody listens needs no Order, no copies of it and no notifications. They are made
from these columns by the code that makes and fills orders one by one, so what is read later is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

from backtrader.order import BuyOrder, Order, SellOrder

from nnstrategies.engine.execution import Fill, record
from nnstrategies.engine.orders import copied, market_order, unfilled


@dataclass(eq=False)
class Batch:
    """Orders of one owner on different feeds, all placed at the close of one session.

    sizes: signed. prices: as given with the orders, None for the close. infos: for each order, or None for none.
    refs, closes: of each order. moment, bars: backtrader's number of the session, and how many there were up to it.
    broker: it makes them into living orders where one by one they must be.
    Once filled: fills, schemes, and filled_at and filled_bars as moment and bars.
    """

    broker: Any
    owner: Any
    feeds: Sequence[Any]
    sizes: Sequence[float]
    prices: Sequence[float | None]
    infos: Sequence[Mapping[str, Any]] | None
    refs: Sequence[int]
    closes: Sequence[float]
    moment: float
    bars: int
    fills: list[Fill] = field(default_factory=list)
    schemes: list[Any] = field(default_factory=list)
    filled_at: float = 0.0
    filled_bars: int = 0
    hears_progress: bool = True
    _orders: list[Any] | None = None
    _news: list[Any] | None = None

    def __len__(self) -> int:
        return len(self.feeds)

    def living(self) -> list[Any]:
        """The orders, made and submitted, for a broker to handle one by one from here on."""
        self._orders = [*map(self._made, *self._columns)]
        for order, info in zip(self._orders, self.infos or repeat({}), strict=False):
            for name, value in info.items():
                order.info[name] = value
            order.status, order.plen = Order.Submitted, self.bars
        return self._orders

    @property
    def _columns(self) -> tuple[Sequence[Any], ...]:
        return self.feeds, self.sizes, self.prices, self.refs, self.closes

    def _made(self, feed: Any, size: float, price: float | None, ref: int, close: float) -> Any:
        kind = BuyOrder if size > 0 else SellOrder
        terms = (None, None, 0, None, None, None, True, False)
        return market_order(kind, self.owner, feed, abs(size), price, *terms, ref, close, self.moment)

    def orders(self) -> list[Any]:
        """The orders as they stand."""
        if self._orders is None:
            if self.fills:
                self._replay()
            else:
                self.broker.unroll(self)
        assert self._orders is not None
        return self._orders

    def _replay(self) -> None:
        """What became of the orders one by one: submitted, accepted, filled."""
        for order, done, scheme in zip(self.living(), self.fills, self.schemes, strict=True):
            order.pannotated, order.plen = None, self.filled_bars
            record(order, done, scheme, self.filled_at)
            order.executed.p2 = 1  # its only part has been told
            self.broker.remember(order)

    def news(self) -> list[Any]:
        """The copies of the filled orders that the owner was sent, as they were when sent."""
        if self._news is None:
            orders = self.orders()
            self._news = [stage(order) for stage in self._stages for order in orders]
        return self._news

    @property
    def _stages(self) -> tuple[Callable[[Any], Any], ...]:
        return (self._as_submitted, self._as_accepted, copied) if self.hears_progress else (copied,)

    @property
    def news_count(self) -> int:
        return len(self.feeds) * len(self._stages)

    def _as_submitted(self, order: Any) -> Any:
        made = copied(order)
        made.status, made.plen, made.comminfo = Order.Submitted, self.bars, None
        del made.pannotated
        made.executed = unfilled(order.size)
        made.executed.exbits = order.executed.exbits  # backtrader's copies share it
        return made

    def _as_accepted(self, order: Any) -> Any:
        made = self._as_submitted(order)
        made.status, made.plen, made.pannotated = Order.Accepted, self.filled_bars, None
        return made
