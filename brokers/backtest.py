"""The broker of a backtest: fills at the next open under the market's rules, in a stock bt.Cerebro."""

from __future__ import annotations

import collections
import math
from typing import Any

import backtrader as bt
import numpy as np

from nnstrategies.brokers import fills
from nnstrategies.brokers.actions import Action, actions_by_row
from nnstrategies.brokers.costs import Costs, commission
from nnstrategies.brokers.journal import (
    AccountRow,
    ActionRow,
    FillRow,
    Journal,
    OrderRow,
    PositionRow,
    RefusalRow,
)
from nnstrategies.errors import ConfigError
from nnstrategies.panel import Panel, Status
from nnstrategies.typing import AnyArray, FloatArray

_ORDINAL_OF_1970 = 719163  # backtrader's dates count days from 0001-01-01
_LAST_RANK = 1 << 30


class MarketBroker(bt.brokers.BackBroker):
    """Market orders fill at the open of the session after the decision, at raw prices, or not at all.

    panel: feeds are matched to it by name; a feed that is no symbol of it cannot be traded.
    costs: fee and slippage. lot: buys are multiples of it, and so are sales, unless the whole position goes.
    rules: False turns lots, price limits, fees and slippage off, and sells fractions of shares.

    At each session, in this order: corporate actions of the ex-date; positions in delisted symbols are paid out at the
    last close, without a fee; sales; buys in rank order (``rank=`` of the order, else as they came), with the cash then
    at hand.
    An order with ``target=`` (share of the account's value) is sized at the fill; any other keeps its size, as far as
    cash and holding allow. What a market order cannot do that session expires, and the reason is in the journal.
    Limit, stop and the other order types follow backtrader within the same rules and wait while they are blocked.
    Nothing is sold short. The value is marked at finite closes only.
    """

    params: Any = (
        ("panel", None),
        ("costs", Costs()),
        ("lot", 100),
        ("rules", True),
        ("checksubmit", False),  # cash is checked at the fill, after the sales
    )

    pending: Any  # of the parent, which has no types
    _fundval: float

    def __init__(self) -> None:
        if not isinstance(self.p.panel, Panel):
            raise ConfigError(f"MarketBroker: panel: expected a Panel, got {type(self.p.panel).__name__}")
        if self.p.lot < 1:
            raise ConfigError(f"MarketBroker: lot: expected at least 1, got {self.p.lot}")
        panel: Panel = self.p.panel
        self._costs: Costs = self.p.costs if self.p.rules else Costs(0.0, 0.0)
        self._lot: int | None = self.p.lot if self.p.rules else None
        self._rows = {int(day) + _ORDINAL_OF_1970: row for row, day in enumerate(panel.sessions.astype(np.int64))}
        self._actions = actions_by_row(panel)
        self._free, self._transferring = commission(Costs(0.0, 0.0)), False
        super().__init__()
        self.journal = Journal()

    def start(self) -> None:
        super().start()
        if self.p.coc or self.p.coo:
            raise ConfigError("MarketBroker: cheat-on-close and cheat-on-open fill on the bar of the decision")
        self.journal = Journal()
        panel: Panel = self.p.panel
        self.addcommissioninfo(commission(self._costs))
        self.p.slip_perc, self.p.slip_open = self._costs.slippage, True
        self._volume_filler = self.p.filler if self.p.filler != self._granted_size else None
        self.p.filler = self._granted_size
        symbols = set(panel.symbols)
        self._columns = {d: panel.column(d._name) for d in self.cerebro.datas if d._name in symbols}
        self._feeds = {column: data for data, column in self._columns.items()}
        self._row = -1
        self._marks: FloatArray = np.full(panel.N, np.nan)
        self._owners: dict[int, Any] = {}
        self._granted = 0.0
        self._reference = math.nan
        if not self._columns:
            raise ConfigError(f"MarketBroker: no feed is named after a symbol of {panel.name}; use add_panel")
        self._clock = next(iter(self._columns))

    # -- one session ----------------------------------------------------------------------------------------------

    def next(self) -> None:
        panel: Panel = self.p.panel
        while self._toactivate:
            self._toactivate.popleft().activate()
        if self.p.checksubmit:
            self.check_submitted()
        first = self._row < 0
        self._row = self._rows[int(self._clock.datetime[0])]
        self._process_order_history()
        if first and self._row > 0:
            self._mark_history()
        for action in self._actions.get(self._row, ()):
            self._apply(action)
        self._pay_out_delisted()
        if self.pending:
            self._match()
        traded = panel.status[self._row] == Status.TRADING
        close = panel["close"][self._row]
        np.copyto(self._marks, close, where=traded & np.isfinite(close))
        self._get_value()
        self._record_account()

    def _mark_history(self) -> None:
        """Closes of the session before the run starts, so that an action on its first day has a reference."""
        self._marks[:] = self.p.panel["close"][self._row - 1]

    def _record_account(self) -> None:
        self.journal.account.append(AccountRow(self._row, float(self._value), float(self.cash)))
        held = [
            PositionRow(self._row, self._columns[data], float(position.size), float(self._marks[self._columns[data]]))
            for data, position in self.positions.items()
            if position.size and data in self._columns
        ]
        self.journal.positions.extend(sorted(held))

    def _get_value(self, datas: Any = None, lever: bool = False) -> float:
        """Value at the last finite closes; of these feeds, or of the account when none are named."""
        while self._cash_addition:
            added = self._cash_addition.popleft()
            self._fundshares += added / self._fundval
            self.cash += added
        worth, unrealized = 0.0, 0.0
        for data in datas or self.positions:
            position = self.positions[data] if datas else self.positions.get(data)
            if position is not None and position.size:
                price = self._price(data)
                worth += position.size * price
                unrealized += position.size * (price - position.price)
        if datas:
            return worth
        self._value = self._valuelever = self.cash + worth
        self._valuemkt = self._valuemktlever = worth
        self._fundval = self._value / self._fundshares
        self._leverage, self._unrealized = 1.0, unrealized
        return self._value

    def _price(self, data: Any) -> float:
        price = float(self._marks[self._columns[data]])
        return price if math.isfinite(price) else float(self.positions[data].price)

    # -- corporate actions and delistings -------------------------------------------------------------------------

    def _apply(self, action: Action) -> None:
        """Book cash and new shares on what was held at the close before; a fraction of a share is paid in cash."""
        reference = (self._marks[action.column] - action.cash) / action.ratio
        self._marks[action.column] = reference
        data = self._feeds.get(action.column)
        position = self.positions.get(data) if data is not None else None
        if position is None or not position.size:
            return
        before = position.size
        after = before * action.ratio
        if self.p.rules:
            after = math.floor(after + 1e-6)
        paid = before * action.cash + (before * action.ratio - after) * reference
        if after != before:
            self._transfer(data, after - before, 0.0)
        self.cash += paid
        self.journal.actions.append(ActionRow(self._row, action.column, paid, before, after, action.inferred))

    def _transfer(self, data: Any, change: float, price: float) -> None:
        """Move shares outside the market, free of fee, as a simulated order, so that backtrader's trades stay right."""
        kind = bt.order.BuyOrder if change > 0 else bt.order.SellOrder
        owner = self._owners.get(self._columns[data])
        order = kind(owner=owner, data=data, size=abs(change), price=price, exectype=bt.Order.Market, simulated=True)
        self._ocoize(order, None)
        order.accept(self)
        self._granted, self._transferring = abs(change), True
        try:
            super()._execute(order, ago=0, price=price)
        finally:
            self._transferring = False

    def getcommissioninfo(self, data: Any) -> Any:
        """The fee of a feed; none for what moves outside the market."""
        return self._free if self._transferring else super().getcommissioninfo(data)

    def _pay_out_delisted(self) -> None:
        gone = self.p.panel.status[self._row] == Status.DELISTED
        for data in [d for d, p in self.positions.items() if p.size and d in self._columns]:
            column = self._columns[data]
            if gone[column]:
                size, price = self.positions[data].size, self._price(data)
                self._transfer(data, -size, price)
                paid = FillRow(self._row, column, "sell", float(size), price, 0.0, 0.0, "delisted", "")
                self.journal.fills.append(paid)

    # -- orders ---------------------------------------------------------------------------------------------------

    def submit(self, order: Any, check: bool = True) -> Any:
        column = self._columns.get(order.data)
        if column is None:
            raise ConfigError(f"MarketBroker: feed {order.data._name!r} is no symbol of {self.p.panel.name}")
        self._owners[column] = order.owner
        row = self._rows[int(order.data.datetime[0])]
        reason = str(order.info.get("reason", "") or "")
        self.journal.orders.append(OrderRow(row, column, _side(order), abs(float(order.created.size)), reason))
        return super().submit(order, check)

    def _match(self) -> None:
        """Try every active order once: sales first, then buys by rank; market orders do not outlive the session."""
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
            elif order.alive() and order.exectype == bt.Order.Market:
                self._refuse(order, "expired", "not filled this session", bt.Order.Expired)
            elif order.alive():
                self.pending.append(order)

    def _try_exec(self, order: Any) -> None:
        column = self._columns[order.data]
        market = order.exectype == bt.Order.Market
        self._reference = math.nan
        if reason := fills.untradable(self.p.panel, self._row, column):
            if market:
                self._refuse(order, reason, "on the session of the fill", bt.Order.Rejected)
        elif not market:
            super()._try_exec(order)
        else:
            price = float(self.p.panel["open"][self._row, column])
            if reason := self._locked(order, column, price):
                self._refuse(order, reason, f"opened at {price:.4g}", bt.Order.Expired)
            elif order.data.datetime[0] > order.created.dt:
                self._execute_at_open(order, column, price)

    def _locked(self, order: Any, column: int, price: float) -> str:
        return fills.locked(self.p.panel, self._row, column, order.isbuy(), price) if self.p.rules else ""

    def _execute_at_open(self, order: Any, column: int, price: float) -> None:
        fill = fills.slipped(self.p.panel, self._row, column, order.isbuy(), price, self._costs.slippage)
        if order.info.get("target", None) is not None:
            self._resize(order, fill)
            if not order.executed.remsize:
                moved = "the open already brought the weight to its target"
                self._refuse(order, "price moved", moved, bt.Order.Rejected)
                return
        self._reference = price
        self._execute(order, ago=0, price=fill)

    # -- sizes ----------------------------------------------------------------------------------------------------

    def _value_at_open(self) -> float:
        """Cash and holdings at this session's opens, or last closes where there is none."""
        opens: AnyArray = self.p.panel["open"][self._row]
        trading = self.p.panel.status[self._row] == Status.TRADING
        worth = self.cash
        for data, position in self.positions.items():
            if position.size and data in self._columns:
                column = self._columns[data]
                price = float(opens[column])
                worth += position.size * (price if trading[column] and math.isfinite(price) else self._price(data))
        return float(worth)

    def _session_value(self, after_sales: bool) -> float:
        """Computed once for all sales and once for all buys, so that their order changes no size."""
        if math.isnan(self._value_before):
            self._value_before = self._value_at_open()
        if after_sales and math.isnan(self._value_after):
            self._value_after = self._value_at_open()
        return self._value_after if after_sales else self._value_before

    def _resize(self, order: Any, fill: float) -> None:
        """Size an order with a target weight at the fill; a buy's fee is part of its budget."""
        value = self._session_value(after_sales=order.isbuy())
        held = self.positions[order.data].size
        gap = float(order.info.target) * value - held * fill
        if order.isbuy():
            size = max(gap, 0.0) / (fill * (1 + self._costs.fee))
            order.executed.remsize = size
        else:
            size = held if not order.info.target else min(max(-gap / fill, 0.0), held)
            order.executed.remsize = -size
        order.size = order.created.size = order.executed.remsize

    def _execute(
        self,
        order: Any,
        ago: int | None = None,
        price: float | None = None,
        cash: float | None = None,
        position: Any = None,
        dtcoc: float | None = None,
    ) -> Any:
        """Fill as much as holding, cash and lots allow; the books are the parent's."""
        if ago is None or price is None:
            return super()._execute(order, ago, price, cash, position, dtcoc)
        column = self._columns[order.data]
        market = order.exectype == bt.Order.Market
        if not market and self._locked(order, column, price):
            return None  # waits
        size, shortfall, detail = self._allowed(order, price, ago)
        wanted = abs(order.executed.remsize)
        if size <= 0:
            self._refuse(order, shortfall, detail, bt.Order.Margin if shortfall == "cash short" else bt.Order.Rejected)
            return None
        if order.info.get("target", None) is not None and size < wanted:
            order.executed.remsize = math.copysign(size, order.executed.remsize)
            order.size = order.created.size = order.executed.remsize
        self._granted = size
        fees = order.executed.comm
        super()._execute(order, ago, price, dtcoc=dtcoc)
        reference = self._reference if math.isfinite(self._reference) else price
        cost = abs(price - reference) * size
        why = str(order.info.get("reason", "") or "")
        fee = float(order.executed.comm - fees)
        self.journal.fills.append(
            FillRow(self._row, column, _side(order), float(size), float(price), fee, float(cost), why, shortfall)
        )
        if market and order.alive():
            self._refuse(order, shortfall or "expired", detail or "unfilled rest", bt.Order.Expired)
        return None

    def _granted_size(self, order: Any, price: float, ago: int) -> float:
        return self._granted

    def _allowed(self, order: Any, price: float, ago: int) -> fills.Allowed:
        wanted = abs(order.executed.remsize)
        if self._volume_filler is not None:
            wanted = min(wanted, self._volume_filler(order, price, ago))
        if order.isbuy():
            return fills.buy_size(wanted, self.cash, price, self._costs.fee, self._lot)
        return fills.sale_size(wanted, self.positions[order.data].size, self._lot)

    def _slip_up(self, pmax: float, price: float, doslip: bool = True, lim: bool = False) -> Any:
        self._reference = price
        return super()._slip_up(pmax, price, doslip, lim)

    def _slip_down(self, pmin: float, price: float, doslip: bool = True, lim: bool = False) -> Any:
        self._reference = price
        return super()._slip_down(pmin, price, doslip, lim)

    def _refuse(self, order: Any, reason: str, detail: str, status: int) -> None:
        """End an order, or the rest of it, with a reason in the journal and in ``order.info``."""
        order.status = status
        order.executed.dt = order.data.datetime[0]
        order.addinfo(refusal=reason, detail=detail)
        column = self._columns[order.data]
        size = abs(float(order.executed.remsize)) or abs(float(order.created.size))
        self.journal.refusals.append(RefusalRow(self._row, column, _side(order), size, reason, detail))
        self.notify(order)
        self._ococheck(order)
        self._bracketize(order, cancel=not order.executed.size)  # a part that filled keeps its protective orders


def _side(order: Any) -> str:
    return "buy" if order.isbuy() else "sell"
