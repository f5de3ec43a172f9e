"""The ledger under any sequence of events: no cent and no share appears or vanishes, against an independent account."""

from __future__ import annotations

import datetime as dt
from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nnstrategies.brokers.ledger import Ledger, LedgerError
from nnstrategies.brokers.lots import Holding, Lot
from nnstrategies.brokers.taxes import Deferred
from nnstrategies.market.book import DividendTax
from tests.test_ledger import CHINA, china

COLUMNS = st.integers(0, 2)
SHARE = st.fractions(min_value=0, max_value=1, max_denominator=12)
FEES = st.dictionaries(st.sampled_from(["commission", "stamp_duty", "transfer_fee"]), st.integers(0, 900), max_size=3)


def cents(amount: Fraction) -> int:
    """Half up, in another way than the ledger's."""
    whole, rest = divmod(amount, 1)
    return int(whole) + (rest >= Fraction(1, 2))


@dataclass
class Block:
    """Shares of one purchase; gross: dividends on one share, with the law of their ex-date."""

    acquired: dt.date
    settles: int
    quantity: int
    gross: list[tuple[Fraction, DividendTax]] = field(default_factory=list)

    def tax(self, day: dt.date) -> Fraction:
        """By the notices of 2012 and 2015: a month 20 %, a year 10 %, longer 5 % or nothing."""
        year, month = divmod(self.acquired.month, 12)
        month_on = _same_day(self.acquired, self.acquired.year + year, month + 1)
        year_on = _same_day(self.acquired, self.acquired.year + 1, self.acquired.month)
        owed = Fraction()
        for gross, law in self.gross:
            longest = Fraction(5, 100) if law is CHINA[1] else Fraction(0)
            owed += gross * (Fraction(1, 5) if day <= month_on else Fraction(1, 10) if day <= year_on else longest)
        return owed


def _same_day(day: dt.date, year: int, month: int) -> dt.date:
    for back in range(4):
        try:
            return dt.date(year, month, day.day - back)
        except ValueError:
            continue
    raise AssertionError


class Account(RuleBasedStateMachine):
    """An account kept twice: by the ledger, and by blocks of shares and a running total of what was gained and lost."""

    @initialize(cash=st.integers(0, 5_000_000), start=st.dates(dt.date(2012, 6, 1), dt.date(2015, 9, 30)))
    def open(self, cash: int, start: dt.date) -> None:
        self.ledger = Ledger(cash, start, dividend_tax=china)
        self.day, self.session = start, 0
        self.blocks: dict[int, list[Block]] = {0: [], 1: [], 2: []}
        self.price = {column: Fraction(1_000) for column in self.blocks}
        self.equity = Fraction(cash)  # deposits + price gains + dividends - fees - taxes
        self.deposits, self.fees, self.taxes, self.dividends, self.lost = cash, 0, 0, 0, 0

    def held(self, column: int) -> int:
        return sum(block.quantity for block in self.blocks[column])

    def settled(self, column: int) -> int:
        """Of the oldest blocks, all that can be sold before one that cannot."""
        total = 0
        for block in self.blocks[column]:
            if block.settles > self.session:
                break
            total += block.quantity
        return total

    def owe(self, fees: int = 0, tax: int = 0) -> None:
        self.fees += fees
        self.taxes += tax
        self.equity -= fees + tax

    def leave(self, column: int, quantity: int) -> int:
        """Drop the oldest shares and return the dividend tax they bring."""
        due = Fraction()
        while quantity:
            block = self.blocks[column][0]
            part = min(quantity, block.quantity)
            due += part * block.tax(self.day)
            block.quantity -= part
            quantity -= part
            if not block.quantity:
                self.blocks[column].pop(0)
        return cents(due)

    # -- what happens ---------------------------------------------------------------------------------------------

    @rule(days=st.integers(1, 130))
    def next_day(self, days: int) -> None:
        self.day += dt.timedelta(days)
        self.session += 1
        self.ledger.begin(self.day)

    @rule(amount=st.integers(0, 500_000))
    def deposit(self, amount: int) -> None:
        self.ledger.deposit(amount)
        self.equity += amount
        self.deposits += amount

    @rule(share=SHARE)
    def withdraw(self, share: Fraction) -> None:
        amount = int(self.ledger.cash * share)
        self.ledger.withdraw(amount)
        self.equity -= amount
        self.deposits -= amount

    @rule(column=COLUMNS, price=st.integers(1, 5_000))
    def price_moves(self, column: int, price: int) -> None:
        self.equity += self.held(column) * (price - self.price[column])
        self.price[column] = Fraction(price)

    @rule(column=COLUMNS, quantity=st.integers(1, 900), above=st.integers(-50, 50), fees=FEES, wait=st.integers(0, 2))
    def buy(self, column: int, quantity: int, above: int, fees: dict[str, int], wait: int) -> None:
        amount = max(cents(quantity * self.price[column]) + above, 0)
        if amount + sum(fees.values()) > self.ledger.cash:
            self.refused(lambda: self.ledger.buy(column, quantity, amount, fees, wait))
            return
        self.ledger.buy(column, quantity, amount, fees, wait)
        settles = max([self.session + wait, *(block.settles for block in self.blocks[column])])
        self.blocks[column].append(Block(self.day, settles, quantity))
        self.equity += quantity * self.price[column] - amount
        self.owe(sum(fees.values()))

    @rule(column=COLUMNS, share=SHARE, below=st.integers(-50, 5_000), fees=FEES)
    def sell(self, column: int, share: Fraction, below: int, fees: dict[str, int]) -> None:
        quantity = int(self.settled(column) * share)
        amount = max(cents(quantity * self.price[column]) - below, 0)
        if not quantity:
            self.refused(lambda: self.ledger.sell(column, 0, amount, fees))
            return
        foreseen = self.ledger.tax_if_sold(column, quantity)
        self.ledger.sell(column, quantity, amount, fees)
        self.equity += amount - quantity * self.price[column]
        tax = self.leave(column, quantity)
        assert tax == foreseen
        self.owe(sum(fees.values()), tax)

    @rule(column=COLUMNS, more=st.integers(1, 500))
    def sell_what_is_not_settled(self, column: int, more: int) -> None:
        self.refused(lambda: self.ledger.sell(column, self.settled(column) + more, 1_000, {}))

    def refused(self, call) -> None:
        """A refusal changes nothing; the invariants look again afterwards."""
        entries = len(self.ledger.transactions)
        with pytest.raises(LedgerError):
            call()
        assert len(self.ledger.transactions) == entries

    @precondition(lambda self: any(self.blocks.values()))
    @rule(column=COLUMNS, thousandths=st.integers(1, 90_000), shares=st.booleans())
    def dividend(self, column: int, thousandths: int, shares: bool) -> None:
        """In cash, or as the taxable value of bonus shares."""
        per_share = Fraction(thousandths, 1_000)
        if not self.blocks[column]:
            self.refused(lambda: self.ledger.dividend(column, per_share))
            return
        (self.ledger.bonus if shares else self.ledger.dividend)(column, per_share)
        gross = 0 if shares else cents(self.held(column) * per_share)
        self.dividends += gross
        self.equity += gross
        law = china(self.day)
        if law is CHINA[0]:
            self.owe(tax=cents(self.held(column) * per_share / 10))
        else:
            for block in self.blocks[column]:
                block.gross.append((per_share, law))

    @precondition(lambda self: any(self.blocks.values()))
    @rule(column=COLUMNS, ratio=st.integers(2, 5))
    def split_into_whole_shares(self, column: int, ratio: int) -> None:
        if self.blocks[column]:
            self.price[column] /= ratio
            self.ledger.split(column, Fraction(ratio), self.price[column])
            for block in self.blocks[column]:
                block.quantity *= ratio
                block.gross = [(gross / ratio, law) for gross, law in block.gross]

    @precondition(lambda self: any(self.blocks.values()))
    @rule(column=COLUMNS, ratio=st.fractions(min_value=Fraction(1, 3), max_value=3, max_denominator=20))
    def split_with_fractions(self, column: int, ratio: Fraction) -> None:
        exactly = self.held(column) * ratio
        if exactly < 1:
            return
        before, cost = self.price[column], self.ledger.cost(column)
        reference = self.price[column] = before / ratio
        entry = self.ledger.split(column, ratio, reference)
        whole = int(exactly)
        paid = cents((exactly - whole) * reference)
        assert self.ledger.quantity(column) == whole
        assert entry.amount("income:realised") == cost - self.ledger.cost(column) - paid
        self.equity += paid - (exactly - whole) * reference
        self.blocks[column] = [  # which lot gets which share is tested below; the account goes on with the ledger's
            Block(lot.acquired, lot.settles, lot.quantity, [(d.gross / lot.quantity, d.tax) for d in lot.deferred])
            for lot in self.ledger.holdings[column].lots
        ]

    @precondition(lambda self: any(self.blocks.values()))
    @rule(column=COLUMNS, offered=st.integers(0, 400), price=st.fractions(1, 3_000, max_denominator=8))
    def rights(self, column: int, offered: int, price: Fraction) -> None:
        if self.blocks[column]:
            cash = self.ledger.cash
            taken = self.ledger.rights(column, offered, price, 1).quantity
            assert taken <= offered
            assert cents(taken * price) <= cash
            assert taken == offered or cents((taken + 1) * price) > cash
            self.equity += taken * self.price[column] - cents(taken * price)
            if taken:
                settles = max([self.session + 1, *(block.settles for block in self.blocks[column])])
                self.blocks[column].append(Block(self.day, settles, taken))

    @precondition(lambda self: any(self.blocks.values()))
    @rule(column=COLUMNS, amount=st.integers(0, 100_000))
    def forced_exit(self, column: int, amount: int) -> None:
        if self.blocks[column]:
            self.equity += amount - self.held(column) * self.price[column]
            self.ledger.pay_out(column, amount)
            self.owe(tax=self.leave(column, self.held(column)))

    @precondition(lambda self: any(self.blocks.values()))
    @rule(column=COLUMNS)
    def write_off(self, column: int) -> None:
        if self.blocks[column]:
            self.equity -= self.held(column) * self.price[column]
            self.lost += self.ledger.cost(column)
            self.ledger.write_off(column)
            self.blocks[column] = []

    # -- what always holds ----------------------------------------------------------------------------------------

    @invariant()
    def every_transaction_and_all_balances_add_up_to_zero(self) -> None:
        assert sum(amount for _, amount in self.ledger.transactions[-1].postings) == 0
        assert all(amount for _, amount in self.ledger.transactions[-1].postings)
        assert sum(self.ledger.balances.values()) == 0

    @invariant()
    def cash_is_never_negative_and_nothing_is_owed_while_there_is_some(self) -> None:
        assert self.ledger.cash >= 0
        assert self.ledger.owed >= 0
        assert not (self.ledger.cash and self.ledger.owed)

    @invariant()
    def equity_is_deposits_and_price_gains_and_dividends_less_fees_and_taxes(self) -> None:
        worth = sum(holding.quantity * self.price[column] for column, holding in self.ledger.holdings.items())
        assert self.ledger.cash - self.ledger.owed + worth == self.equity

    @invariant()
    def each_account_holds_what_happened(self) -> None:
        balance = self.ledger.balances.get
        assert -balance("equity:deposits", 0) == self.deposits
        assert -balance("income:dividends", 0) == self.dividends
        assert balance("expenses:dividend_tax", 0) == self.taxes
        assert balance("expenses:write_off", 0) == self.lost
        fees = sum(balance(f"expenses:{name}", 0) for name in ("commission", "stamp_duty", "transfer_fee"))
        assert fees == self.fees

    @invariant()
    def lots_add_up_to_holdings_and_holdings_to_the_shares_account(self) -> None:
        assert list(self.ledger.holdings) == [c for c in self.ledger.holdings if self.held(c)]
        for column in self.blocks:
            assert self.ledger.quantity(column) == self.held(column)
            assert self.ledger.sellable(column) == self.settled(column)
        for holding in self.ledger.holdings.values():
            assert holding.quantity == sum(lot.quantity for lot in holding.lots) > 0
            assert holding.cost == sum(lot.cost for lot in holding.lots)
            assert all(lot.quantity > 0 and lot.cost >= 0 for lot in holding.lots)
        cost = sum(holding.cost for holding in self.ledger.holdings.values())
        assert self.ledger.balances["assets:shares"] == cost


TestAccount = Account.TestCase
TestAccount.settings = settings(max_examples=120, stateful_step_count=40)


LOTS = st.lists(st.tuples(st.integers(1, 500), st.integers(0, 100_000), st.integers(0, 9_000)), min_size=1, max_size=6)


def holding_of(lots: list[tuple[int, int, int]]) -> Holding:
    holding = Holding()
    for number, (quantity, cost, gross) in enumerate(lots):
        deferred = (Deferred(Fraction(gross), CHINA[1]),) if gross else ()
        holding.add(Lot(dt.date(2014, 1, 2) + dt.timedelta(number), 0, quantity, cost, deferred))
    return holding


def gross_of(lots: deque[Lot] | list[Lot]) -> Fraction:
    return sum((dividend.gross for lot in lots for dividend in lot.deferred), Fraction())


@given(LOTS, st.fractions(min_value=Fraction(1, 50), max_value=5, max_denominator=50))
def test_a_split_moves_no_cost_no_dividend_and_at_most_a_step_between_lots(lots, ratio):
    holding = holding_of(lots)
    fraction = holding.scale(ratio)
    exactly = ratio * sum(quantity for quantity, _, _ in lots)
    assert holding.quantity + fraction == exactly
    assert 0 <= fraction < 1
    assert holding.quantity == sum(lot.quantity for lot in holding.lots)
    assert holding.cost == sum(lot.cost for lot in holding.lots) == sum(cost for _, cost, _ in lots)
    assert gross_of(holding.lots) == sum(gross for _, _, gross in lots)
    wanted = {dt.date(2014, 1, 2) + dt.timedelta(n): ratio * lot[0] for n, lot in enumerate(lots)}
    assert all(abs(lot.quantity - wanted[lot.acquired]) < 1 for lot in holding.lots)
    if holding.quantity:
        assert all(lot.quantity for lot in holding.lots)


@given(LOTS, st.lists(st.integers(1, 400), max_size=12))
def test_taking_lots_out_first_in_first_out_loses_nothing(lots, sizes):
    holding = holding_of(lots)
    taken: list[Lot] = []
    for size in sizes:
        if size <= holding.quantity:
            taken += holding.take(size)
    everything = [*taken, *holding.lots]
    assert sum(lot.quantity for lot in everything) == sum(quantity for quantity, _, _ in lots)
    assert sum(lot.cost for lot in everything) == sum(cost for _, cost, _ in lots)
    assert gross_of(everything) == sum(gross for _, _, gross in lots)
    dates = [lot.acquired for lot in everything]
    assert dates == sorted(dates)
    assert all(lot.cost >= 0 for lot in everything)
