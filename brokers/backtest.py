"""The broker of a backtest: backtrader's orders, filled by an account under the market's rules."""

from __future__ import annotations

import collections
import math
from typing import Any

import backtrader as bt

from nnstrategies.brokers.account import Account, Outcome
from nnstrategies.brokers.actions import ActionResult
from nnstrategies.brokers.delistings import Delisting
from nnstrategies.brokers.journal import (
    AccountRow,
    ActionRow,
    FillRow,
    Journal,
    OrderRow,
    PositionRow,
    RefusalRow,
)
from nnstrategies.brokers.ledger import Transaction
from nnstrategies.brokers.terms import check_terms
from nnstrategies.errors import ConfigError
from nnstrategies.market.rules import MarketRules
from nnstrategies.panel import Panel

_ORDINAL_OF_1970 = 719163  # backtrader's dates count days from 0001-01-01
_LAST_RANK = 1 << 30
_RESTING = (bt.Order.Limit, bt.Order.StopLimit, bt.Order.StopTrailLimit)  # fill at their own price
_OF_A_SESSION = (bt.Order.Limit, bt.Order.Close)
_STATUS = {"cash short": bt.Order.Margin, "limit-up": bt.Order.Expired, "limit-down": bt.Order.Expired}
_FREE = bt.CommInfoBase(commission=0.0, stocklike=True, commtype=bt.CommInfoBase.COMM_PERC, percabs=True)


class MarketBroker(bt.brokers.BackBroker):
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

    params: Any = (
        ("rules", None),
        ("costs", None),
        ("slippage", None),
        ("participation", None),
        ("dividend_tax", True),
        ("reinvest", False),
        ("checksubmit", False),  # cash is checked at the fill, after the sales
    )

    pending: Any  # of the parent, which has no types
    _fundval: float

    def __init__(self) -> None:
        if not isinstance(self.p.rules, MarketRules):
            raise ConfigError(
                f"MarketBroker: rules: expected MarketRules(book, panel), got {type(self.p.rules).__name__}"
            )
        check_terms(self.p.costs, self.p.slippage, self.p.participation)
        self.rules: MarketRules = self.p.rules
        self.panel: Panel = self.rules.panel
        days = self.panel.sessions.astype("int64").tolist()
        self._rows = {day + _ORDINAL_OF_1970: row for row, day in enumerate(days)}
        super().__init__()
        self.journal = Journal()

    def start(self) -> None:
        super().start()
        self._refuse_settings()
        symbols = set(self.panel.symbols)
        self._columns = {d: self.panel.column(d._name) for d in self.cerebro.datas if d._name in symbols}
        self._feeds = {column: data for data, column in self._columns.items()}
        if not self._columns:
            raise ConfigError(f"MarketBroker: no feed is named after a symbol of {self.panel.name}; use add_panel")
        self._clock = next(iter(self._columns))
        self._row = -1
        self._owners: dict[int, Any] = {}
        self.account: Account | None = None
        self.journal = Journal(money=10**self.rules.book.money_decimals)

    def _refuse_settings(self) -> None:
        if self.p.coc or self.p.coo:
            raise ConfigError("MarketBroker: cheat-on-close and cheat-on-open fill on the bar of the decision")
        if self.p.slip_perc or self.p.slip_fixed:
            raise ConfigError("MarketBroker: slip_perc and slip_fixed are not used; pass slippage=BpsSlippage(5)")
        if self.p.filler is not None:
            raise ConfigError("MarketBroker: filler is not used; pass participation=0.1 to cap orders by volume")
        if set(self.comminfo) != {None} or self.comminfo[None].p.commission or not self.comminfo[None]._stocklike:
            raise ConfigError("MarketBroker: commission schemes are not used; pass costs=FlatCosts(fee_bps=8)")

    # -- one session ----------------------------------------------------------------------------------------------

    def next(self) -> None:
        while self._toactivate:
            self._toactivate.popleft().activate()
        if self.p.checksubmit:
            self.check_submitted()
        self._row = self._rows[int(self._clock.datetime[0])]
        account = self._account()
        booked, exits = account.begin(self._row)
        for result in booked:
            self._record_action(result)
        for delisting, transaction in exits:
            self._record_exit(delisting, transaction)
        self.cash = account.cash
        if self.pending:
            self._match()
        account.end()
        self._get_value()
        self._record_account()

    def _account(self) -> Account:
        """The account, opened at the first session of the run with the cash set by then."""
        if self.account is None:
            self.account = Account(
                self.rules,
                float(self.cash),
                self._row,
                costs=self.p.costs,
                slippage=self.p.slippage,
                participation=self.p.participation,
                dividend_tax=self.p.dividend_tax,
                reinvest=self.p.reinvest,
            )
            self.journal.transactions = self.account.ledger.transactions
        return self.account

    def _record_account(self) -> None:
        account = self._account()
        self.journal.account.append(AccountRow(self._row, float(self._value), account.cash))
        for column in sorted(account.ledger.holdings):
            row = PositionRow(self._row, column, account.shares(column), float(account.marks[column]))
            self.journal.positions.append(row)

    def _get_value(self, datas: Any = None, lever: bool = False) -> float:
        """Value at the last finite closes; of these feeds, or of the account when none are named."""
        if self.account is None:
            return float(self.cash)
        while self._cash_addition:
            added = self._cash_addition.popleft()
            self._fundshares += added / self._fundval
            self.account.deposit(added)
        if datas:
            return sum(self.account.worth(self._columns[data]) for data in datas)
        self.cash = self.account.cash
        self._value = self._valuelever = self.account.value()
        self._valuemkt = self._valuemktlever = self._value - self.cash
        self._fundval = self._value / self._fundshares
        self._leverage = 1.0
        self._unrealized = sum(
            self.account.worth(self._columns[data]) - position.size * position.price
            for data, position in self.positions.items()
            if position.size
        )
        return self._value

    # -- corporate actions and delistings -------------------------------------------------------------------------

    def _record_action(self, result: ActionResult) -> None:
        account, column = self._account(), result.column
        scale = 10 ** account.rules.book.boards[account.rules.boards[column]].quantity_decimals
        before, after = result.before / scale, result.after / scale
        paid = result.cash / self.journal.money
        self.journal.actions.append(ActionRow(self._row, column, paid, before, after, result.inferred))
        if after != before:
            self._transfer(column, after - before, 0.0)

    def _record_exit(self, delisting: Delisting, transaction: Transaction) -> None:
        column = delisting.column
        size = self.positions[self._feeds[column]].size
        self._transfer(column, -size, delisting.price)
        kind = f"{delisting.kind} (assumed)" if delisting.assumed else delisting.kind
        self.journal.fills.append(FillRow(self._row, column, "sell", size, delisting.price, 0.0, 0.0, kind, ""))

    def _transfer(self, column: int, change: float, price: float) -> None:
        """Tell backtrader of shares that moved outside the market, as a simulated order, so that trades stay right."""
        kind = bt.order.BuyOrder if change > 0 else bt.order.SellOrder
        data, owner = self._feeds[column], self._owners.get(column)
        order = kind(owner=owner, data=data, size=abs(change), price=price, exectype=bt.Order.Market, simulated=True)
        self._ocoize(order, None)
        order.accept(self)
        self._report_fill(order, abs(change), price, 0.0)

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
        self.journal.lots[column] = self._lot(column)
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

    def _lot(self, column: int) -> float:
        """Shares in one step of an order."""
        decimals = self.rules.book.boards[self.rules.boards[column]].quantity_decimals
        return self.rules.order_size(self._row, column).buy_step / 10.0**decimals

    def _record_fill(self, order: Any, column: int, done: Outcome) -> None:
        traded = (done.size, done.price, done.fee, done.slippage_cost)
        self.journal.fills.append(FillRow(self._row, column, _side(order), *traded, _why(order), done.reason))

    def _report_fill(self, order: Any, size: float, price: float, fee: float) -> None:
        """Update backtrader's position and order, as its own broker would, and notify."""
        position = self.positions[order.data]
        paid = position.price
        signed = size if order.isbuy() else -size
        if not self._account().ledger.quantity(self._columns[order.data]):
            signed = -position.size  # no dust of fractions is left
        if math.isclose(order.executed.remsize, signed, rel_tol=1e-9):
            order.executed.remsize = signed
        left, average, opened, closed = position.update(signed, price, order.data.datetime.datetime())
        gain = -closed * (price - paid)
        fees = (fee, 0.0) if closed else (0.0, fee)
        order.execute(
            order.data.datetime[0], signed, price,
            closed, abs(closed) * paid, fees[0], opened, abs(opened) * price, fees[1],
            _FREE.margin, gain, left, average,
        )  # fmt: skip
        order.addcomminfo(_FREE)
        self.notify(order)
        self._ococheck(order)

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
