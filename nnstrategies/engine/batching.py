"""The batch of orders that waits for the next opening; the part of PanelBroker that fills it without any Order.

Whatever a batch cannot do, and whoever looks at an order on its way, turns it into orders that go one by one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from backtrader.order import OrderBase

from nnstrategies.engine.batch import Batch
from nnstrategies.engine.commission import is_plain
from nnstrategies.engine.execution import Fill, cash_after, priced, settle
from nnstrategies.engine.feed import PanelFeed
from nnstrategies.engine.lines import is_aligned, moment_of
from nnstrategies.engine.news import is_heard
from nnstrategies.engine.records import Records
from nnstrategies.engine.valuing import ValuingBroker


class BatchingBroker(ValuingBroker):
    """A broker that at most one batch waits at: while one does, nothing else is submitted or pending."""

    def init(self) -> None:
        self._waiting: Batch | None = None
        self._accepted: Batch | None = None
        super().init()
        self.orders = Records()

    def place(
        self,
        owner: Any,
        feeds: Sequence[Any],
        sizes: Sequence[float],
        prices: Sequence[float | None] | None = None,
        infos: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[Any] | None:
        """Submit market orders of ``owner`` for these sizes, negative to sell; None when they must go one by one.

        feeds: all different. sizes: none 0. prices: as ``buy`` takes them. infos: further keywords of each order.
        They are what ``buy`` and ``sell`` would return for each; the returned orders are made when somebody looks.
        """
        if not feeds or not self._takes_batches(owner) or self.submitted or self.pending:
            return None
        if len(set(feeds)) < len(feeds) or not all(map(_is_simple, feeds)):
            return None
        closes, refs = [feed.close[0] for feed in feeds], [next(OrderBase.refbasis) for _ in feeds]
        terms = prices or [None] * len(feeds), infos, refs, closes, feeds[0].datetime[0], len(feeds[0])
        self._waiting = Batch(self, owner, feeds, sizes, *terms)
        self.orders.later(self._waiting.orders, len(feeds))
        given = Records()
        given.later(self._waiting.orders, len(feeds))
        return given

    def _takes_batches(self, owner: Any) -> bool:
        """Whether market orders are filled whole, at the next opening, and nobody hears of them."""
        p = self.p
        plain = self._written_out and p.checksubmit and not (p.coc or p.coo or p.slip_perc or p.slip_fixed)
        return plain and not self._userhist and not self.cerebro._stock_news and not is_heard(owner)

    @property
    def _written_out(self) -> bool:
        """Whether nothing asks for more than whole fills under BackBroker's own methods."""
        return self.exact and self.drives and self.p.shortcash and self.p.filler is None

    # -- the next session ---------------------------------------------------------------------------------------------

    def _accept_batch(self, batch: Batch) -> None:
        """Accept the batch when there is the cash for every order of it (bbroker.py 558-583)."""
        schemes = [self.getcommissioninfo(feed) for feed in batch.feeds]
        if not self._takes_batches(batch.owner) or not all(map(is_plain, schemes)):
            self.unroll(batch)
            return
        cash = self.cash
        batch.schemes, batch.filled_bars = schemes, len(batch.feeds[0])
        for feed, size, price, close, scheme in zip(
            batch.feeds, batch.sizes, batch.prices, batch.closes, schemes, strict=True
        ):
            cash = cash_after(cash, scheme, self.positions[feed].size, size, price or close)
            if not cash >= 0.0:
                self.unroll(batch)
                return
        if batch.filled_bars > batch.bars:
            self._waiting, self._accepted = None, batch
        else:
            self.unroll(batch)

    def _fill_batch(self, batch: Batch) -> None:
        """Fill every order at the opening, in turn, or none (bbroker.py 673-845)."""
        self._accepted = None
        fills = self._fills_of(batch)
        if fills is None:
            self.unroll(batch)
            while self._submitted:
                self.submit_accept(self._submitted.popleft())
            return
        batch.fills, batch.filled_at = fills, batch.feeds[0].datetime[0]
        now, positions, charged = moment_of(batch.filled_at, None, True), self.positions, self.d_credit
        for feed, done in zip(batch.feeds, fills, strict=True):
            if done.closed and charged and self.p.int2pnl:
                charged.pop(feed, None)
            settle(positions[feed], done, now)
        self.cash = fills[-1].cash
        batch.hears_progress = getattr(batch.owner, "hears_progress", True)
        self._notifs.append(batch)

    def _fills_of(self, batch: Batch) -> list[Fill] | None:
        """Every order's fill; None when one of them is not for a batch."""
        fills, cash, positions = [], self.cash, self.positions
        charged = self.d_credit if self.p.int2pnl else None
        for feed, size, scheme in zip(batch.feeds, batch.sizes, batch.schemes, strict=True):
            interest = None if charged is None else charged.get(feed, 0.0)
            done = priced(positions[feed], scheme, size, feed.open[0], cash, interest)
            if done is None:
                return None
            fills.append(done)
            cash = done.cash
        return fills

    # -- one by one after all -----------------------------------------------------------------------------------------

    def unroll(self, batch: Batch) -> None:
        """Let the orders of a batch that waits go on one by one, as if they had been submitted so."""
        self._waiting = None
        for order in batch.living():
            self.register(order)
            self._submitted.append(order)
            self.notify(order)

    def register(self, order: Any) -> None:
        """Note an order that has no relatives."""
        ref = order.ref
        self._ocos[ref], self._ocol[ref], self._pchildren[ref] = ref, [ref], deque((order,))

    def remember(self, order: Any) -> None:
        """Note an order of a batch as one by one it would be noted after its fill."""
        self._ocos[order.ref], self._pchildren[order.ref] = order.ref, deque()

    @property
    def submitted(self) -> deque[Any]:
        """Orders that the cash has not been checked for; a batch among them as orders."""
        if self._waiting is not None:
            self.unroll(self._waiting)
        return self._submitted

    @submitted.setter
    def submitted(self, orders: deque[Any]) -> None:
        self._submitted = orders

    @property
    def notifs(self) -> deque[Any]:
        """What strategies have not been told yet."""
        if self._waiting is not None:
            self.unroll(self._waiting)
        return self._notifs

    @notifs.setter
    def notifs(self, orders: deque[Any]) -> None:
        self._notifs = orders


def _is_simple(feed: Any) -> bool:
    """Whether it is a panel's feed with a bar at every moment of the run, in the panel's own time, for itself."""
    plain = isinstance(feed, PanelFeed) and feed._compensate is None and feed._tz is None
    return bool(plain and is_aligned(feed.datetime) and feed.datetime._tz is None)
