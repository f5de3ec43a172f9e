"""backtrader's own broker, faster: it looks at open positions and pending orders only.

Same arithmetic, in the same order, on the same numbers as BackBroker (brokers/bbroker.py), so results are equal bit for
bit. What is written out here steps aside where a commission scheme, a filler or a setting asks for more.
"""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
from backtrader.order import BuyOrder, Order, SellOrder

from nnstrategies.engine.commission import charges_holding, fee, is_plain
from nnstrategies.engine.feed import PanelFeed
from nnstrategies.engine.lines import moment_of
from nnstrategies.engine.orders import cloned, market_order


class PanelBroker(bt.brokers.BackBroker):
    """BackBroker with identical results; a subclass may override whatever BackBroker lets it override."""

    def start(self) -> None:
        super().start()
        self._marked: list[tuple[Any, Any, Any]] = []  # (feed, position, its close line) of what has a value
        self._stale, self._touched = True, 0
        self._holes: dict[Any, bool] = {}

    @property
    def _drives(self) -> bool:
        """Whether lines hold all their values and stand where the engine's cursor is."""
        return getattr(self.cerebro, "path", "") == "panel"

    # -- one session ------------------------------------------------------------------------------------------------

    def next(self) -> None:
        """The session's fills and marks, as BackBroker.next does them (bbroker.py 1176-1233)."""
        while self._toactivate:
            self._toactivate.popleft().activate()
        if self.p.checksubmit:
            self.check_submitted()
        self._charge_interest()
        if self._userhist:
            self._process_order_history()
        if self.pending:
            self._match()
        self._adjust_cash()
        self._get_value()

    def _charge_interest(self) -> None:
        credit = 0.0
        for data, position, _ in self._marks():
            if not position.size:
                continue
            now = data.datetime.datetime()
            scheme = self.getcommissioninfo(data)
            if position.size < 0 or not is_plain(scheme) or charges_holding(scheme):
                charge = scheme.get_credit_interest(data, position, now)
                self.d_credit[data] += charge
                credit += charge
            position.datetime = now
        self.cash -= credit

    def _match(self) -> None:
        pending = self.pending
        pending.append(None)
        while (order := pending.popleft()) is not None:
            if order.expire():
                self.notify(order)
                self._ococheck(order)
                self._bracketize(order, cancel=True)
            elif not order.active():
                pending.append(order)
            else:
                self._try_exec(order)
                if order.alive():
                    pending.append(order)
                elif order.status == Order.Completed:
                    self._bracketize(order)

    def _adjust_cash(self) -> None:
        for data, position, close in self._marks():
            if position.size:
                price = close[0]
                scheme = self.getcommissioninfo(data)
                if not is_plain(scheme):
                    self.cash += scheme.cashadjust(position.size, position.adjbase, price)
                position.adjbase = price

    # -- value --------------------------------------------------------------------------------------------------------

    def _marks(self) -> list[tuple[Any, Any, Any]]:
        """What contributes to the value, in the order in which backtrader adds it up.

        A flat position adds 0 x close, which counts only where the close is not finite, and with foreign schemes.
        """
        if self._stale or self._touched != len(self.positions):
            self._marked = [(d, p, d.close) for d, p in self.positions.items() if p.size or self._counts_flat(d)]
            self._stale, self._touched = type(self) is not PanelBroker, len(self.positions)
        return self._marked

    def _counts_flat(self, data: Any) -> bool:
        if not is_plain(self.getcommissioninfo(data)) or not self._drives:
            return True
        if data not in self._holes:
            self._holes[data] = not np.isfinite(np.asarray(data.lines.close.array)).all()
        return self._holes[data]

    def _get_value(self, datas: Any = None, lever: bool = False) -> float:
        if datas is not None or not self.p.shortcash or self._fundhist:
            return super()._get_value(datas, lever)  # type: ignore[no-any-return]
        while self._cash_addition:
            added = self._cash_addition.popleft()
            self._fundshares += added / self._fundval
            self.cash += added
        worth = paid = gain = 0.0  # bbroker.py 440-466: pos_value, pos_value_unlever, unrealized
        for data, position, close in self._marks():
            scheme = self.getcommissioninfo(data)
            size, price = position.size, close[0]
            if is_plain(scheme):
                value = size * price
                gained = size * (price - position.price) * scheme.p.mult
                leverage = scheme.p.leverage
            else:
                value = scheme.getvaluesize(size, price)
                gained = scheme.profitandloss(size, position.price, price)
                leverage = scheme.get_leverage()
            worth += value
            gain += gained
            if value > 0:
                value -= gained
                paid += value / leverage
                paid += gained
            else:
                paid += value
        self._value = self.cash + paid
        self._fundval = self._value / self._fundshares
        self._valuemkt, self._valuemktlever = paid, worth
        self._valuelever = self.cash + worth
        self._leverage = worth / (paid or 1.0)
        self._unrealized = gain
        return self._valuelever if lever else self._value

    def get_value(self, datas: Any = None, mkt: bool = False, lever: bool = False) -> float:
        if datas is not None and len(datas) == 1 and not lever and self.p.shortcash and not self._cash_addition:
            data = datas[0]
            size = self.positions[data].size
            if is_plain(self.getcommissioninfo(data)):
                return size * data.close[0] if size or len(data) else 0.0  # type: ignore[no-any-return]
        return super().get_value(datas, mkt, lever)  # type: ignore[no-any-return]

    getvalue = get_value

    # -- orders -------------------------------------------------------------------------------------------------------

    def buy(self, owner: Any, data: Any, size: float, *terms: Any, **more: Any) -> Any:
        order = None if terms else self._market(BuyOrder, owner, data, size, more)
        return super().buy(owner, data, size, *terms, **more) if order is None else order

    def sell(self, owner: Any, data: Any, size: float, *terms: Any, **more: Any) -> Any:
        order = None if terms else self._market(SellOrder, owner, data, size, more)
        return super().sell(owner, data, size, *terms, **more) if order is None else order

    def _market(self, kind: type[Order], owner: Any, data: Any, size: float, more: dict[str, Any]) -> Any:
        """Submit a market order without an expiry; None for any other."""
        if more.get("exectype") or more.get("valid") is not None or not self._drives:
            return None
        terms = {name: more.get(name, default) for name, default in _TERMS.items()}
        terms["pricelimit"] = more.get("plimit")
        order = market_order(kind, owner, data, size, terms)
        for name, value in more.items():
            if name not in _NAMED:
                order.info[name] = value
        self._ocoize(order, more.get("oco"))
        return self.submit(order, check=more.get("_checksubmit", True))

    def notify(self, order: Any) -> None:
        self.notifs.append(cloned(order))

    # -- execution ----------------------------------------------------------------------------------------------------

    def _try_exec(self, order: Any) -> None:
        data = order.data
        if order.exectype == Order.Market and isinstance(data, PanelFeed) and self._drives:
            self._try_exec_market(order, data.open[0], data.high[0], data.low[0])
        else:
            super()._try_exec(order)

    def _execute(
        self,
        order: Any,
        ago: int | None = None,
        price: float | None = None,
        cash: float | None = None,
        position: Any = None,
        dtcoc: float | None = None,
    ) -> Any:
        if ago is not None:
            self._stale = True
        return super()._execute(order, ago, price, cash, position, dtcoc)


_TERMS: dict[str, Any] = {
    **{"price": None, "exectype": None, "valid": None, "tradeid": 0, "oco": None, "trailamount": None},
    **{"trailpercent": None, "parent": None, "transmit": True, "simulated": False, "histnotify": False},
}
_NAMED = frozenset(_TERMS) - {"simulated"} | {"plimit", "_checksubmit"}  # of buy and sell; others go to order.info
_ = (fee, moment_of)
