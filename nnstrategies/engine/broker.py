"""backtrader's own broker, faster: it looks at open positions and pending orders only.

Same arithmetic, in the same order, on the same numbers as BackBroker (brokers/bbroker.py), so results are equal bit for
bit. What is written out here steps aside where a commission scheme, a filler or a setting asks for more.
"""

from __future__ import annotations

from typing import Any

from backtrader.order import BuyOrder, Order, OrderBase, SellOrder

from nnstrategies.engine.batching import BatchingBroker
from nnstrategies.engine.commission import is_plain
from nnstrategies.engine.execution import cash_after, fill
from nnstrategies.engine.feed import PanelFeed
from nnstrategies.engine.no_value import no_value
from nnstrategies.engine.orders import STOCK_KINDS, cloned, market_order

_ON_THE_WAY = (Order.Submitted, Order.Accepted)


class PanelBroker(BatchingBroker):
    """BackBroker with identical results; a subclass may override whatever BackBroker lets it override."""

    def init(self) -> None:
        super().init()
        self.exact = type(self) is PanelBroker

    # -- one session ------------------------------------------------------------------------------------------------

    def next(self) -> None:
        """The session's fills and marks, as BackBroker.next does them (bbroker.py 1176-1233)."""
        while self._toactivate:
            self._toactivate.popleft().activate()
        if self._waiting is not None:
            self._accept_batch(self._waiting)
        if self.p.checksubmit:
            self.check_submitted()
        if self._ahead and not self._ahead.holds:
            self._changes.seen = False
        self._charge_interest()
        if self._userhist:
            self._process_order_history()
        if self._accepted is not None:
            self._fill_batch(self._accepted)
        if self.pending:
            self._match()
        self._adjust_cash()
        self._get_value()
        if self._value != self._value and not self.p.nan_as_backtrader:
            raise no_value(self)

    def _match(self) -> None:
        pending, quick = self.pending, self._written_out
        pending.append(None)
        while (order := pending.popleft()) is not None:
            if quick and order.exectype == Order.Market and order._active:
                self._fill_at_open(order)
            elif order.expire():
                self.notify(order)
                self._ococheck(order)
                self._bracketize(order, cancel=True)
                continue
            elif order.active():
                self._try_exec(order)
            if order.alive():
                pending.append(order)
            elif order.status == Order.Completed:
                self._bracketize(order)

    # -- orders -------------------------------------------------------------------------------------------------------

    def buy(self, owner: Any, data: Any, size: float, *terms: Any, **more: Any) -> Any:
        if terms or not self._is_market(more):
            return super().buy(owner, data, size, *terms, **more)
        return self.market(BuyOrder, owner, data, size, **more)

    def sell(self, owner: Any, data: Any, size: float, *terms: Any, **more: Any) -> Any:
        if terms or not self._is_market(more):
            return super().sell(owner, data, size, *terms, **more)
        return self.market(SellOrder, owner, data, size, **more)

    def _is_market(self, more: dict[str, Any]) -> bool:
        return not more.get("exectype") and more.get("valid") is None and self.drives

    def market(
        self,
        kind: type[Order],
        owner: Any,
        data: Any,
        size: float,
        price: float | None = None,
        plimit: float | None = None,
        exectype: int | None = None,
        valid: None = None,
        tradeid: int = 0,
        oco: Any = None,
        trailamount: float | None = None,
        trailpercent: float | None = None,
        parent: Any = None,
        transmit: bool = True,
        histnotify: bool = False,
        _checksubmit: bool = True,
        **info: Any,
    ) -> Any:
        """Submit a market order of ``kind`` without an expiry; the arguments are those of ``buy`` and ``sell``."""
        trail = (trailamount, trailpercent)
        now = (next(OrderBase.refbasis), data.close[0], data.datetime[0])
        order = market_order(
            kind, owner, data, size, price, plimit, exectype, tradeid, *trail, parent, transmit, histnotify, *now
        )
        for name, value in info.items():
            order.info[name] = value
        if parent is None and oco is None and transmit and _checksubmit and self.exact:
            return self.admit(order)
        self._ocoize(order, oco)
        return self.submit(order, check=_checksubmit)

    def admit(self, order: Any) -> Any:
        """Take an order without relatives: there is nothing to ask for or to wait for."""
        self.register(order)
        return self.transmit(order)

    def transmit(self, order: Any, check: bool = True) -> Any:
        if not check or not self.p.checksubmit or type(order) not in STOCK_KINDS:
            return super().transmit(order, check)
        order.status, order.broker, order.plen = Order.Submitted, None, len(order.data)
        self.submitted.append(order)
        self.orders.append(order)
        self.notify(order)
        return order

    def _bracketize(self, order: Any, cancel: bool = False) -> None:
        if cancel or order.parent is not None:
            super()._bracketize(order, cancel)
            return
        children = self._pchildren[order.ref]
        children.popleft()  # the order itself
        self._toactivate.extend(children)

    def _ococheck(self, order: Any) -> None:
        """Cancel the others of the order's group; most orders are alone in theirs."""
        group = self._ocol.pop(self._ocos.get(self._ocos[order.ref]), None)
        if not group or group == [order.ref]:
            return
        for place in range(len(self.pending) - 1, -1, -1):
            other = self.pending[place]
            if other is not None and other.ref in group:
                del self.pending[place]
                other.cancel()
                self.notify(other)

    def notify(self, order: Any) -> None:
        """Queue a copy of the order, unless its strategy says that nobody hears of orders on their way."""
        if order.status in _ON_THE_WAY and not getattr(order.owner, "hears_progress", True):
            return
        self.notifs.append(cloned(order))

    # -- execution ----------------------------------------------------------------------------------------------------

    def check_submitted(self) -> None:
        """Accept what the cash allows, as bbroker.py 558-583."""
        submitted, quick = self.submitted, self._written_out
        if not submitted:
            return
        schemes = [self._simple_scheme(order) for order in submitted] if quick else []
        if not quick or None in schemes or not all(order._active for order in submitted):  # inactive: of a bracket
            super().check_submitted()
            return
        held: dict[Any, float] = {}
        cash, at_open = self.cash, self.p.coo
        for scheme in schemes:
            order = submitted.popleft()
            data, size = order.data, order.executed.remsize
            before = held.get(data)
            if before is None:
                before = self.positions[data].size
            price = data.open[0] if at_open and order.exectype == Order.Market else order.created.price
            cash = cash_after(cash, scheme, before, size, price)
            held[data] = before + size
            if cash >= 0.0:
                self.submit_accept(order)
                continue
            order.margin()
            self.notify(order)
            self._ococheck(order)
            self._bracketize(order, cancel=True)

    def submit_accept(self, order: Any) -> None:
        if type(order) not in STOCK_KINDS:
            super().submit_accept(order)
            return
        order.pannotated, order.broker, order.plen, order.status = None, None, len(order.data), Order.Accepted
        self.pending.append(order)
        self.notify(order)

    def _simple_scheme(self, order: Any) -> Any:
        """The commission scheme of an order that may be written out; None for any other."""
        data = order.data
        if data._compensate is not None or type(order) not in STOCK_KINDS:
            return None
        scheme = self.getcommissioninfo(data)
        return scheme if is_plain(scheme) else None

    def _try_exec(self, order: Any) -> None:
        data = order.data
        if order.exectype == Order.Market and isinstance(data, PanelFeed) and self.drives:
            self._try_exec_market(order, data.open[0], data.high[0], data.low[0])
        else:
            super()._try_exec(order)

    def _fill_at_open(self, order: Any) -> None:
        """A market order, as bbroker.py 853-872; what slips or is not simple is left to the parent."""
        data, p = order.data, self.p
        scheme = self._simple_scheme(order)
        if scheme is None or p.coc or p.slip_perc or p.slip_fixed or not isinstance(data, PanelFeed):
            self._try_exec(order)
        elif p.coo or data.datetime[0] > order.created.dt:
            if fill(self, order, scheme, data.open[0], None):
                self.notify(order)
                self._ococheck(order)
            else:
                super()._execute(order, 0, data.open[0])

    def _execute(
        self,
        order: Any,
        ago: int | None = None,
        price: float | None = None,
        cash: float | None = None,
        position: Any = None,
        dtcoc: float | None = None,
    ) -> Any:
        if ago == 0 and price is not None and self._written_out:
            scheme = self._simple_scheme(order)
            if scheme is not None and fill(self, order, scheme, price, dtcoc):
                self.notify(order)
                self._ococheck(order)
                return None
        return super()._execute(order, ago, price, cash, position, dtcoc)
