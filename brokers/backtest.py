"""The broker of a backtest: backtrader's orders, filled by an account under the market's rules."""

from __future__ import annotations

import collections
import math
from typing import Any

import backtrader as bt

from nnstrategies.brokers.account import Outcome
from nnstrategies.brokers.account_broker import AccountBroker
from nnstrategies.brokers.journal import FillRow, OrderRow, RefusalRow
from nnstrategies.errors import ConfigError

_LAST_RANK = 1 << 30
_RESTING = (bt.Order.Limit, bt.Order.StopLimit, bt.Order.StopTrailLimit)  # fill at their own price
_OF_A_SESSION = (bt.Order.Limit, bt.Order.Close)
_STATUS = {"cash short": bt.Order.Margin, "limit-up": bt.Order.Expired, "limit-down": bt.Order.Expired}


class MarketBroker(AccountBroker):
    """Market orders fill at the open of the session after the decision, at raw prices, or not at all.

    rules: the market's, bound to the panel whose symbols the feeds are named after. costs, slippage, participation,
    dividend_tax, reinvest: as in ``Account``.

    At each session, in this order: corporate actions of the ex-date; forced exits from delisted symbols; sales; buys
    in rank order (``rank=`` of the order, else as they came), with the cash then at hand.
    An order with ``target=`` (share of the account's value) is sized at the fill; any other keeps its size, as far as
    cash and holding allow. What a market order cannot do that session expires, and the reason is in the journal.
    Where the book says that orders end with their session, a limit order does too, unless it belongs to a bracket or
    an OCO group: those, and stops, are held by us and tried each session.
    Nothing is sold short. The value is marked at finite closes only.
    """

    pending: Any  # of the parent, which has no types

    def next(self) -> None:
        while self._toactivate:
            self._toactivate.popleft().activate()
        if self.p.checksubmit:
            self.check_submitted()
        self._begin_session()
        if self.pending:
            self._match()
        self._end_session()

    # -- orders ---------------------------------------------------------------------------------------------------

    def submit(self, order: Any, check: bool = True) -> Any:
        column = self._columns.get(order.data)
        if column is None:
            raise ConfigError(f"MarketBroker: feed {order.data._name!r} is no symbol of {self.panel.name}")
        self._owners[column] = order.owner
        row = self._rows[int(order.data.datetime[0])]
        self.journal.orders.append(OrderRow(row, column, _side(order), abs(float(order.created.size)), _why(order)))
        return super().submit(order, check)

    def _match(self) -> None:
        """Try every active order once: sales first, then buys by rank; then end what ends with the session."""
        inactive = [order for order in self.pending if not order.active()]
        active = [order for order in self.pending if order.active()]
        active.sort(key=lambda order: (order.isbuy(), order.info.get("rank", _LAST_RANK), order.ref))
        self.pending = collections.deque([*active, None, *inactive])
        self._value_before = self._value_after = math.nan
        while (order := self.pending.popleft()) is not None:
            if order.expire():
                self._refuse(order, "expired", "its validity ended", bt.Order.Expired)
                continue
            self._try_exec(order)
            if order.status == bt.Order.Completed:
                self._bracketize(order)
            elif order.alive() and self._ends_with_session(order):
                self._refuse(order, "expired", "not filled this session", bt.Order.Expired)
            elif order.alive():
                self.pending.append(order)

    def _ends_with_session(self, order: Any) -> bool:
        if order.exectype == bt.Order.Market:
            return True
        grouped = order.parent is not None or len(self._ocol[self._ocos[order.ref]]) > 1
        return self.rules.book.orders_expire and order.exectype in _OF_A_SESSION and not grouped

    def _try_exec(self, order: Any) -> None:
        account, column = self._account(), self._columns[order.data]
        if order.exectype != bt.Order.Market:
            if not self.rules.untradable(self._row, column):
                super()._try_exec(order)  # asks _execute to fill, at the price it finds
            return
        if order.data.datetime[0] <= order.created.dt:
            return
        price = account.open_price(column)
        if reason := account.refuse(column, order.isbuy(), price):
            detail = account.refusal_detail(column, price)
            self._refuse(order, reason, detail, _STATUS.get(reason, bt.Order.Rejected), price)
            return
        if order.info.get("target", None) is not None:
            self._resize(order, price)
            if not order.executed.remsize:
                moved = "the open already brought the weight to its target"
                self._refuse(order, "price moved", moved, bt.Order.Rejected, price)
                return
        self._fill(order, price, slips=True)

    def _resize(self, order: Any, price: float) -> None:
        """Size an order with a target weight at the fill."""
        value, column = self._session_value(after_sales=order.isbuy()), self._columns[order.data]
        size = self._account().wanted(column, float(order.info.target), value, order.isbuy(), price)
        order.executed.remsize = size if order.isbuy() else -size
        order.size = order.created.size = order.executed.remsize

    def _session_value(self, after_sales: bool) -> float:
        """Computed once for all sales and once for all buys, so that their order changes no size."""
        if math.isnan(self._value_before):
            self._value_before = self._account().value_at_open()
        if after_sales and math.isnan(self._value_after):
            self._value_after = self._account().value_at_open()
        return self._value_after if after_sales else self._value_before

    def _execute(
        self,
        order: Any,
        ago: int | None = None,
        price: float | None = None,
        cash: float | None = None,
        position: Any = None,
        dtcoc: float | None = None,
    ) -> Any:
        """Where backtrader's own matching ends; without ``ago`` it only reckons what an order would cost."""
        if ago is None or price is None:
            return super()._execute(order, ago, price, cash, position, dtcoc)
        account, column = self._account(), self._columns[order.data]
        if not account.refuse(column, order.isbuy(), price):  # else it waits
            self._fill(order, price, slips=order.exectype not in _RESTING)
        return None

    def _fill(self, order: Any, price: float, slips: bool) -> None:
        """Trade what the account can, tell backtrader, and end what is left of an order that cannot wait."""
        column, wanted = self._columns[order.data], abs(order.executed.remsize)
        self.journal.lots[column] = self._account().lot(column)
        done = self._account().trade(column, order.isbuy(), wanted, price, slips=slips, maker=not slips)
        if not done.size:
            status = _STATUS.get(done.reason, bt.Order.Rejected)
            self._refuse(order, done.reason, done.detail, status, price)
            return
        resized = order.info.get("target", None) is not None and done.reason in ("", "cash short", "lot rounding")
        if resized and done.size < wanted:  # the size was ours, so what trades completes it
            order.executed.remsize = math.copysign(done.size, order.executed.remsize)
            order.size = order.created.size = order.executed.remsize
        if resized and done.reason == "cash short":
            missing = (column, _side(order), wanted - done.size, done.reason, done.detail, price, _why(order))
            self.journal.refusals.append(RefusalRow(self._row, *missing))
        order.addinfo(shortfall=done.reason)
        self._record_fill(order, column, done)
        self._report_fill(order, done.size, done.price, done.fee)
        self.cash = self._account().cash
        if order.alive() and self._ends_with_session(order):
            self._refuse(order, done.reason or "expired", done.detail or "unfilled rest", bt.Order.Expired, price)

    def _record_fill(self, order: Any, column: int, done: Outcome) -> None:
        traded = (done.size, done.price, done.fee, done.slippage_cost)
        self.journal.fills.append(FillRow(self._row, column, _side(order), *traded, _why(order), done.reason))

    def _refuse(self, order: Any, reason: str, detail: str, status: int, price: float = math.nan) -> None:
        """End an order, or the rest of it, with a reason in the journal and in ``order.info``."""
        order.status = status
        order.executed.dt = order.data.datetime[0]
        order.addinfo(refusal=reason, detail=detail)
        size = abs(float(order.executed.remsize)) or abs(float(order.created.size))
        refused = (self._columns[order.data], _side(order), size, reason, detail, price, _why(order))
        self.journal.refusals.append(RefusalRow(self._row, *refused))
        self.notify(order)
        self._ococheck(order)
        self._bracketize(order, cancel=not order.executed.size)  # a part that filled keeps its protective orders


def _side(order: Any) -> str:
    return "buy" if order.isbuy() else "sell"


def _why(order: Any) -> str:
    return str(order.info.get("reason", "") or "")
