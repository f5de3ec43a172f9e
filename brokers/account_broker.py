"""An account as backtrader sees it: cash, value, positions, corporate actions and exits; all goes into a journal."""

from __future__ import annotations

import math
from typing import Any

import backtrader as bt

from nnstrategies.brokers.account import Account
from nnstrategies.brokers.actions import ActionResult
from nnstrategies.brokers.delistings import Delisting
from nnstrategies.brokers.journal import AccountRow, ActionRow, FillRow, Journal, PositionRow
from nnstrategies.brokers.ledger import Transaction
from nnstrategies.brokers.terms import check_terms
from nnstrategies.errors import ConfigError
from nnstrategies.market.rules import MarketRules
from nnstrategies.panel import Panel

_ORDINAL_OF_1970 = 719163  # backtrader's dates count days from 0001-01-01
_FREE = bt.CommInfoBase(commission=0.0, stocklike=True, commtype=bt.CommInfoBase.COMM_PERC, percabs=True)


class AccountBroker(bt.brokers.BackBroker):
    """The half of ``MarketBroker`` that knows no orders: it opens the account, shows what it holds, keeps the journal.

    backtrader's own positions follow the account's, so that its trades, observers and analyzers stay right.
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

    _fundval: float  # of the parent, which has no types

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

    def _begin_session(self) -> None:
        self._row = self._rows[int(self._clock.datetime[0])]
        booked, exits = self._account().begin(self._row)
        for result in booked:
            self._record_action(result)
        for delisting, transaction in exits:
            self._record_exit(delisting, transaction)
        self.cash = self._account().cash

    def _end_session(self) -> None:
        self._account().end()
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
        return self._value

    # -- corporate actions and delistings -------------------------------------------------------------------------

    def _record_action(self, result: ActionResult) -> None:
        account, column = self._account(), result.column
        before, after = account.in_shares(column, result.before), account.in_shares(column, result.after)
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

    # -- backtrader's positions -----------------------------------------------------------------------------------

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
