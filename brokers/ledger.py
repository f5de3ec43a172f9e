"""An account's books: double entry in whole minor units, holdings in tax lots, settlement, dividend tax.

The same ledger keeps a backtest, a paper account and a live one. It knows no prices, no market data and no backtrader:
the broker says what happened, and the ledger refuses what an account cannot do.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from fractions import Fraction
from math import ceil
from types import MappingProxyType
from typing import NamedTuple

from nnstrategies.brokers.lots import Holding, Lot
from nnstrategies.brokers.taxes import Deferred, half_up, rate
from nnstrategies.errors import LedgerError
from nnstrategies.market.book import DividendTax

CASH = "assets:cash"
SHARES = "assets:shares"  # at cost, without fees
OWED = "liabilities:owed"  # fees and taxes that cash did not cover; paid out of the next money that comes in
DEPOSITS = "equity:deposits"
REALISED = "income:realised"
DIVIDENDS = "income:dividends"
DIVIDEND_TAX = "expenses:dividend_tax"
WRITE_OFF = "expenses:write_off"
NO_COLUMN = -1  # of a transaction that concerns cash alone


class Transaction(NamedTuple):
    """One thing that happened: ``quantity`` is the change of the holding in steps; the postings' amounts add up to 0.

    Debits (more cash, more shares, an expense) are positive, credits (a deposit, income, a debt) negative.
    """

    day: dt.date
    kind: str
    column: int
    quantity: int
    postings: tuple[tuple[str, int], ...]

    @property
    def cash(self) -> int:
        """Change of the cash balance."""
        return sum(amount for account, amount in self.postings if account == CASH)

    def amount(self, account: str) -> int:
        """What was posted to one account."""
        return sum(amount for name, amount in self.postings if name == account)


class Ledger:
    """Cash and holdings of one account. Nothing is sold short, nothing is bought on credit.

    Money is in minor units (cents), quantities in steps (shares, or 1e-8 coin), prices and dividends are exact
    fractions of minor units per step; each posting is rounded half up to the minor unit. Lots are sold first in, first
    out. Columns are the caller's numbers for symbols.
    dividend_tax: the tax on a dividend by its ex-date (``Book.dividend_tax``); None = dividends are not taxed. A tax
    due with the payment is taken at once. A tax due at the sale is remembered lot by lot, with the table of the
    ex-date, and taken from the proceeds at the rate of the lot's holding period.
    Fees and taxes of a sale or a dividend that cash does not cover are owed, without interest, and paid out of the
    next money that comes in: cash is never negative, and while something is owed it is 0.
    """

    def __init__(
        self, cash: int, day: dt.date, *, dividend_tax: Callable[[dt.date], DividendTax | None] | None = None
    ) -> None:
        """Open on ``day`` with a deposit of ``cash``."""
        self.day = day
        self.transactions: list[Transaction] = []
        self._session = 0
        self._dividend_tax = dividend_tax
        self._balances: dict[str, int] = {CASH: 0, SHARES: 0, OWED: 0}
        self._holdings: dict[int, Holding] = {}
        self.balances: Mapping[str, int] = MappingProxyType(self._balances)
        self.holdings: Mapping[int, Holding] = MappingProxyType(self._holdings)  # open ones, in order of opening
        self.deposit(cash)

    # -- reading --------------------------------------------------------------------------------------------------

    @property
    def cash(self) -> int:
        return self._balances[CASH]

    @property
    def owed(self) -> int:
        """Fees and taxes not paid yet."""
        return -self._balances[OWED]

    def quantity(self, column: int) -> int:
        """Everything held."""
        holding = self._holdings.get(column)
        return holding.quantity if holding else 0

    def sellable(self, column: int) -> int:
        """What is settled and can be sold today."""
        holding = self._holdings.get(column)
        return holding.settled(self._session) if holding else 0

    def cost(self, column: int) -> int:
        """What the holding cost, without fees."""
        holding = self._holdings.get(column)
        return holding.cost if holding else 0

    def tax_if_sold(self, column: int, quantity: int) -> int:
        """Deferred dividend tax that a sale of ``quantity`` would bring today."""
        holding = self._holdings.get(column)
        return half_up(holding.tax(quantity, self.day)) if holding else 0

    # -- time and cash --------------------------------------------------------------------------------------------

    def begin(self, day: dt.date) -> None:
        """Start a trading day; a second call for the same day changes nothing, days never go back."""
        if day < self.day:
            raise LedgerError(f"ledger: begin: expected a day on or after {self.day}, got {day}; days never go back")
        if day > self.day:
            self.day = day
            self._session += 1

    def deposit(self, amount: int) -> Transaction:
        """Pay money in."""
        _require("deposit", "amount", amount, 0)
        return self._post("deposit", NO_COLUMN, 0, amount, (DEPOSITS, -amount))

    def withdraw(self, amount: int) -> Transaction:
        """Take money out, as far as there is cash."""
        _require("withdraw", "amount", amount, 0)
        self._require_cash("withdraw", amount)
        return self._post("withdrawal", NO_COLUMN, 0, -amount, (DEPOSITS, amount))

    # -- trades ---------------------------------------------------------------------------------------------------

    def buy(
        self, column: int, quantity: int, amount: int, fees: Mapping[str, int], sell_after_days: int = 0
    ) -> Transaction:
        """Buy for ``amount`` plus fees by component, to be sold ``sell_after_days`` trading days later (T+1 = 1)."""
        _require("buy", "quantity", quantity, 1)
        _require("buy", "amount", amount, 0)
        fee, expenses = _expenses(fees)
        self._require_cash("buy", amount + fee)
        self._hold(column, quantity, amount, sell_after_days)
        return self._post("buy", column, quantity, -amount - fee, (SHARES, amount), *expenses)

    def sell(self, column: int, quantity: int, amount: int, fees: Mapping[str, int]) -> Transaction:
        """Sell settled lots for ``amount``; fees and the lots' deferred dividend tax come out of the proceeds."""
        _require("sell", "quantity", quantity, 1)
        _require("sell", "amount", amount, 0)
        if quantity > self.sellable(column):
            raise LedgerError(
                f"ledger: sell: column {column}: expected at most the {self.sellable(column)} settled on {self.day}, "
                f"got {quantity} of {self.quantity(column)} held"
            )
        return self._dispose("sell", column, quantity, amount, fees)

    # -- corporate actions ----------------------------------------------------------------------------------------

    def dividend(self, column: int, per_step: Fraction, *, taxed: bool = True) -> Transaction:
        """A dividend in cash on everything held."""
        _require("dividend", "per_step", per_step, 0)
        gross = half_up(per_step * self._open(column, "dividend").quantity)
        tax = self._tax(column, per_step) if taxed else 0
        return self._post("dividend", column, 0, gross - tax, (DIVIDENDS, -gross), (DIVIDEND_TAX, tax))

    def bonus(self, column: int, value_per_step: Fraction) -> Transaction:
        """Tax a dividend in shares at its taxable value (par x bonus shares); the shares come by ``split``."""
        _require("bonus", "value_per_step", value_per_step, 0)
        self._open(column, "bonus")
        tax = self._tax(column, value_per_step)
        return self._post("bonus", column, 0, -tax, (DIVIDEND_TAX, tax))

    def split(self, column: int, ratio: Fraction, reference: Fraction) -> Transaction:
        """Turn each step held into ``ratio`` steps; the fraction of a step is paid in cash at the price ``reference``.

        Lots keep their dates and their cost, less the cost of the fraction. Where nothing whole remains, all is paid.
        """
        holding = self._open(column, "split")
        if ratio <= 0 or reference < 0:
            raise LedgerError(
                f"ledger: split: expected ratio above 0, reference of 0 or more, got {ratio}, {reference}"
            )
        before = holding.quantity
        if before * ratio < 1:
            return self._dispose("split", column, before, half_up(before * ratio * reference), {})
        fraction = holding.scale(ratio)
        paid = half_up(fraction * reference)
        cost = holding.release(fraction)
        return self._post("split", column, holding.quantity - before, paid, (SHARES, -cost), (REALISED, cost - paid))

    def rights(self, column: int, offered: int, price: Fraction, sell_after_days: int = 0) -> Transaction:
        """Subscribe to ``offered`` new steps as far as cash allows; the rest lapses. A lot of its own, bought today."""
        _require("rights", "offered", offered, 0)
        _require("rights", "price", price, 0)
        below = self.cash + Fraction(1, 2)  # what is less than this rounds to no more than the cash
        taken = min(offered, ceil(below / price) - 1) if price else offered
        amount = half_up(taken * price)
        if taken:
            self._hold(column, taken, amount, sell_after_days)
        return self._post("rights", column, taken, -amount, (SHARES, amount))

    def reinvest(self, column: int, per_step: Fraction, reference: Fraction) -> Transaction:
        """An untaxed dividend that at once buys as many steps as it pays for at the price ``reference``."""
        _require("reinvest", "per_step", per_step, 0)
        if reference <= 0:
            raise LedgerError(f"ledger: reinvest: expected a reference price above 0, got {reference}")
        gross = per_step * self._open(column, "reinvest").quantity
        amount, bought = half_up(gross), int(gross / reference)
        if bought:
            self._hold(column, bought, amount, 0)
            return self._post("reinvest", column, bought, 0, (SHARES, amount), (DIVIDENDS, -amount))
        return self._post("reinvest", column, 0, amount, (DIVIDENDS, -amount))

    def pay_out(self, column: int, amount: int, kind: str = "delisting") -> Transaction:
        """A forced exit from everything held, settled or not, for ``amount``; deferred dividend tax as at a sale."""
        _require("pay_out", "amount", amount, 0)
        return self._dispose(kind, column, self._open(column, "pay_out").quantity, amount, {})

    def write_off(self, column: int) -> Transaction:
        """The holding became worthless: its cost is lost. It is no sale, so deferred dividend tax lapses."""
        holding = self._open(column, "write_off")
        del self._holdings[column]
        return self._post("write_off", column, -holding.quantity, 0, (SHARES, -holding.cost), (WRITE_OFF, holding.cost))

    # -- inside ---------------------------------------------------------------------------------------------------

    def _dispose(self, kind: str, column: int, quantity: int, amount: int, fees: Mapping[str, int]) -> Transaction:
        fee, expenses = _expenses(fees)
        holding = self._holdings[column]
        lots = holding.take(quantity)
        if not holding.quantity:
            del self._holdings[column]
        cost = sum(lot.cost for lot in lots)
        tax = half_up(sum((lot.tax(self.day) for lot in lots if lot.deferred), Fraction()))
        postings = ((SHARES, -cost), (REALISED, cost - amount), *expenses, (DIVIDEND_TAX, tax))
        return self._post(kind, column, -quantity, amount - fee - tax, *postings)

    def _hold(self, column: int, quantity: int, cost: int, sell_after_days: int) -> None:
        holding = self._holdings.get(column)
        if holding is None:
            holding = self._holdings[column] = Holding()
        holding.add(Lot(self.day, self._session + sell_after_days, quantity, cost))

    def _tax(self, column: int, per_step: Fraction) -> int:
        """Tax due now on a dividend; what is due at the sale is noted in the lots."""
        tax = self._dividend_tax(self.day) if self._dividend_tax else None
        if tax is None:
            return 0
        due = Fraction()
        for lot in self._holdings[column].lots:
            gross = per_step * lot.quantity
            if tax.due == "sale":
                lot.deferred += (Deferred(gross, tax),)
            else:
                due += gross * rate(tax, lot.acquired, self.day)
        return half_up(due)

    def _post(self, kind: str, column: int, quantity: int, cash: int, *others: tuple[str, int]) -> Transaction:
        """Book a change of cash against the other accounts; owe what cash lacks, pay what is owed with new cash."""
        balances = self._balances
        short = min(balances[CASH] + cash + balances[OWED], 0)  # all that is owed afterwards, as a credit
        owed = short - balances[OWED]
        postings = tuple([p for p in ((CASH, cash - owed), *others, (OWED, owed)) if p[1]])
        for account, amount in postings:
            balances[account] = balances.get(account, 0) + amount
        transaction = Transaction(self.day, kind, column, quantity, postings)
        self.transactions.append(transaction)
        return transaction

    def _open(self, column: int, what: str) -> Holding:
        holding = self._holdings.get(column)
        if holding is None:
            raise LedgerError(f"ledger: {what}: nothing is held in column {column}; act on open holdings only")
        return holding

    def _require_cash(self, what: str, needed: int) -> None:
        if needed > self._balances[CASH]:
            raise LedgerError(f"ledger: {what}: expected at most {self.cash} in cash, got {needed} on {self.day}")


def _require(what: str, name: str, value: Fraction | int, least: int) -> None:
    if value < least:
        raise LedgerError(f"ledger: {what}: {name}: expected at least {least}, got {value}")


def _expenses(fees: Mapping[str, int]) -> tuple[int, list[tuple[str, int]]]:
    """The fees' sum and their postings."""
    total, postings = 0, []
    for component, fee in fees.items():
        _require("fees", component, fee, 0)
        total += fee
        postings.append((f"expenses:{component}", fee))
    return total, postings
