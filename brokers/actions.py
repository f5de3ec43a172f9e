"""How an account books corporate actions and delistings: in whole minor units, from exact fractions."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from nnstrategies.actions import Action
from nnstrategies.brokers.delistings import Delisting
from nnstrategies.brokers.ledger import DIVIDEND_TAX, Ledger, Transaction
from nnstrategies.brokers.taxes import half_up
from nnstrategies.errors import DataError

_SIMPLE = 1_000_000  # denominators up to here are taken for what a float was meant to say: 1.3333333333333333 = 4/3


class Units(NamedTuple):
    """What the ledger counts in: minor units of money in one unit, steps in one share, and a share's par value."""

    money: int = 100
    steps: int = 1
    par: Decimal | None = None

    def price(self, value: Fraction) -> Fraction:
        """A price per share as minor units per step."""
        return value * self.money / self.steps


class ActionResult(NamedTuple):
    """What one action did to an account; ``cash`` and ``tax`` in minor units, quantities in steps.

    reference: the ex-rights price per share. cash: change of the balance. tax: what was due at once, in or on top of
    it. lapsed: rights not subscribed to for want of cash.
    """

    column: int
    reference: float
    cash: int
    tax: int
    before: int
    after: int
    lapsed: int
    inferred: bool


def exact(value: float) -> Fraction:
    """The number a float was meant to say: the simplest fraction that rounds to it, else its shortest decimal."""
    simple = Fraction(value).limit_denominator(_SIMPLE)
    return simple if float(simple) == value else Fraction(repr(float(value)))


def apply_action(
    ledger: Ledger, action: Action, close: float, units: Units, *, frictionless: bool = False, sell_after_days: int = 0
) -> ActionResult | None:
    """Book an action on what is held at the start of its ex-date, before any trade; None when nothing is held.

    close: the last finite close before, per share. Cash and taxes first, then the shares (the fraction of a step in
    cash, at the ex-rights price), then rights as far as cash allows; those can be sold ``sell_after_days`` later.
    frictionless: what the action gives (rights at their worth) is untaxed and buys shares at the ex-rights price, so
    that a holding earns the adjusted return. DataError without a close.
    """
    before = ledger.quantity(action.column)
    if not before:
        return None
    if not (math.isfinite(close) and close > 0):
        raise DataError(
            f"corporate action: column {action.column}: expected a close above 0 before {ledger.day}, got {close}; "
            "an account holds it, so it must have had a price"
        )
    fair = _exact_reference(action, close)
    first = len(ledger.transactions)
    offered = 0 if frictionless else int(before * exact(action.rights))
    if frictionless:
        _reinvest(ledger, action, fair, units)
    else:
        _distribute(ledger, action, fair, units)
    if offered and exact(action.rights_price) < fair:  # nobody pays more than the market asks
        ledger.rights(action.column, offered, units.price(exact(action.rights_price)), sell_after_days)
    return _result(ledger, action, fair, before, ledger.transactions[first:], offered)


def apply_delisting(ledger: Ledger, delisting: Delisting, units: Units) -> Transaction | None:
    """Close the holding at the payout, or write it off; None when nothing is held."""
    held = ledger.quantity(delisting.column)
    if not held:
        return None
    amount = half_up(held * units.price(exact(delisting.price)))
    return ledger.pay_out(delisting.column, amount, delisting.kind) if amount else ledger.write_off(delisting.column)


def _exact_reference(action: Action, close: float) -> Fraction:
    worth = exact(close) - exact(action.cash) + exact(action.rights) * exact(action.rights_price)
    return max(worth, Fraction()) / (exact(action.ratio) + exact(action.rights))


def _distribute(ledger: Ledger, action: Action, fair: Fraction, units: Units) -> None:
    """Cash, the tax on bonus shares, then the shares: all by what was held before."""
    if action.cash:
        ledger.dividend(action.column, units.price(exact(action.cash)), taxed=not action.inferred)
    if action.bonus and units.par is not None:
        ledger.bonus(action.column, units.price(exact(action.bonus) * Fraction(units.par)))
    if action.ratio != 1.0:
        ledger.split(action.column, exact(action.ratio), units.price(fair))


def _reinvest(ledger: Ledger, action: Action, fair: Fraction, units: Units) -> None:
    """The shares first, then everything of value buys more of them: the holding grows by close / ex-rights price."""
    ratio = exact(action.ratio)
    given = exact(action.cash) + exact(action.rights) * max(fair - exact(action.rights_price), Fraction())
    if ratio != 1:
        ledger.split(action.column, ratio, units.price(fair))
    if given and ledger.quantity(action.column):
        ledger.reinvest(action.column, units.price(given / ratio), units.price(fair))


def _result(
    ledger: Ledger, action: Action, fair: Fraction, before: int, booked: list[Transaction], offered: int
) -> ActionResult:
    after = ledger.quantity(action.column)
    cash, tax = sum(t.cash for t in booked), sum(t.amount(DIVIDEND_TAX) for t in booked)
    lapsed = offered - sum(t.quantity for t in booked if t.kind == "rights")
    return ActionResult(action.column, float(fair), cash, tax, before, after, lapsed, action.inferred)
