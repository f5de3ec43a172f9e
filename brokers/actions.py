"""Corporate actions and delistings: what a panel says of them, and how an account books them."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pandas as pd

from nnstrategies.brokers.action_table import as_days, read_actions, require_columns
from nnstrategies.brokers.ledger import DIVIDEND_TAX, Ledger, Transaction
from nnstrategies.brokers.taxes import half_up
from nnstrategies.errors import DataError
from nnstrategies.panel import Panel, Status
from nnstrategies.typing import FloatArray

CASH_BELOW = 0.08  # an inferred rise of the factor below this is a dividend, above it new shares
_NOISE = 1e-5  # factors are often stored as float32 or with six digits
_SIMPLE = 1_000_000  # denominators up to here are taken for what a float was meant to say: 1.3333333333333333 = 4/3


class Action(NamedTuple):
    """Per share held before the ex-date: ``cash`` paid, and ``ratio`` shares after it, bonus shares included.

    bonus: the part of ratio - 1 that is a dividend in shares, taxed at par; capitalised reserves are not taxed.
    rights: new shares that may be bought at ``rights_price``; not in ratio. inferred: read from adj_factor, so that
    nobody knows what was cash and what was shares: never taxed.
    """

    column: int
    cash: float
    ratio: float
    inferred: bool
    bonus: float = 0.0
    rights: float = 0.0
    rights_price: float = 0.0


class Delisting(NamedTuple):
    """A forced exit at ``price`` per share, 0 = worthless; assumed: no table says so, the price is the last close."""

    column: int
    price: float
    kind: str  # "delisting" or "merger"
    assumed: bool


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


def reference(action: Action, close: float) -> float:
    """Ex-rights price per share after the last ``close`` before the ex-date; NaN stays NaN; not rounded to a tick."""
    return float(_reference(action, close)) if math.isfinite(close) else math.nan


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
    fair = _reference(action, close)
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


def _reference(action: Action, close: float) -> Fraction:
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


# -- what a panel says ------------------------------------------------------------------------------------------------


def actions_by_row(panel: Panel) -> dict[int, list[Action]]:
    """Actions by the row of their ex-date (or the next session): from the ``actions`` events, else from adj_factor.

    The table's columns: symbol, ex_date, cash, ratio, and optionally bonus, rights, rights_price; empty = none. Rows of
    one symbol and ex-date are one action. Raises DataError for a row that cannot be.
    """
    if "actions" in panel.event_names:
        return _from_events(panel)
    if "adj_factor" in panel:
        return _from_factor(panel)
    return {}


def delistings_by_row(panel: Panel) -> dict[int, list[Delisting]]:
    """Forced exits by row: the first session after ``last_day`` on which the payout is known.

    From the ``delistings`` events: symbol, known_at, last_day, kind ("delisting" or "merger"), price (per share, empty
    = worthless). A symbol that is DELISTED without a row there exits on the first such session at its last close,
    corrected for actions since, and is marked assumed.
    Raises DataError for an unknown kind, a negative price, a symbol named twice, or one that trades after its last day.
    """
    found: dict[int, list[Delisting]] = {}
    named: set[int] = set()
    if "delistings" in panel.event_names:
        table = panel.events("delistings")
        require_columns(table, ("symbol", "last_day", "kind", "price"), f"{panel.name}: events delistings")
        after = np.searchsorted(panel.sessions, as_days(table["last_day"]), side="right")
        rows = np.maximum(after, panel.first_session_knowing(table["known_at"]))
        for at, row in enumerate(rows.tolist()):
            delisting = _delisting(panel, table.iloc[at], named)
            named.add(delisting.column)
            if row < panel.T:
                found.setdefault(row, []).append(delisting)
    for row, delisting in _assumed(panel, named):
        found.setdefault(row, []).append(delisting)
    return found


def _assumed(panel: Panel, named: set[int]) -> list[tuple[int, Delisting]]:
    gone = panel.status == Status.DELISTED
    columns = [column for column in np.flatnonzero(gone.any(axis=0)).tolist() if column not in named]
    actions = actions_by_row(panel) if columns else {}
    found = []
    for column in columns:
        row = int(np.argmax(gone[:, column]))
        traded = _last_traded(panel, column, row)
        price = float(panel["close"][traded, column]) if traded >= 0 else 0.0
        for later in range(traded + 1, row + 1):
            for action in actions.get(later, ()):
                price = reference(action, price) if action.column == column else price
        found.append((row, Delisting(column, price, "delisting", assumed=True)))
    return found


def _delisting(panel: Panel, entry: pd.Series, named: set[int]) -> Delisting:
    symbol, kind = entry["symbol"], entry["kind"]
    label = f"{panel.name}: events delistings: {symbol}"
    price = 0.0 if pd.isna(entry["price"]) else float(entry["price"])
    column = panel.column(symbol)
    if column in named:
        raise DataError(f"{label}: expected one row a symbol, got another; keep the last payout only")
    if kind not in ("delisting", "merger"):
        raise DataError(f"{label}: kind: expected delisting or merger, got {kind!r}; correct it")
    if not 0 <= price < math.inf:
        raise DataError(
            f"{label}: price: expected 0 or more per share, or empty for worthless, got {price}; correct it"
        )
    last = pd.Timestamp(entry["last_day"])
    if pd.isna(last):
        raise DataError(f"{label}: last_day is empty; fill it in")
    after = np.flatnonzero(panel.trading[:, column] & (panel.sessions > last.to_numpy()))
    if len(after):
        raise DataError(
            f"{label}: last_day: expected the last trading day, got {last.date()}, but it trades on "
            f"{panel.sessions[after[-1]]}; correct one of the two"
        )
    return Delisting(column, price, kind, assumed=False)


def _from_events(panel: Panel) -> dict[int, list[Action]]:
    found: dict[int, list[Action]] = {}
    table = read_actions(panel)
    days = as_days(table["ex_date"])
    rows = np.searchsorted(panel.sessions, days)
    inside = (rows < panel.T) & ((rows > 0) | (days == panel.sessions[0]))
    columns, numbers = table["column"].tolist(), table[["cash", "ratio", "bonus", "rights", "rights_price"]].to_numpy()
    for i in np.flatnonzero(inside):
        cash, ratio, *more = numbers[i].tolist()
        found.setdefault(int(rows[i]), []).append(Action(columns[i], cash, ratio, False, *more))
    return found


def _from_factor(panel: Panel) -> dict[int, list[Action]]:
    """A factor that rises by r on the ex-date: reference price = last close / (1 + r).

    r < 8 %: a dividend of last close x r / (1 + r) per share. Otherwise 1 + r shares for one; so is a falling factor.
    """
    found: dict[int, list[Action]] = {}
    factor = panel["adj_factor"].T.astype(np.float64)  # [N, T]
    for column in range(panel.N):
        for row, step in _steps(factor[column]):
            action = Action(column, 0.0, step, inferred=True)
            if 0 < step - 1 < CASH_BELOW:
                traded = _last_traded(panel, column, row)
                close = float(panel["close"][traded, column]) if traded >= 0 else 0.0
                # an earlier ex-date of the same suspension has already lowered what the last close is worth
                last = close * factor[column, traded] * step / factor[column, row]
                action = action._replace(cash=last * (1.0 - 1.0 / step), ratio=1.0)
            found.setdefault(row, []).append(action)
    return found


def _steps(factor: FloatArray) -> list[tuple[int, float]]:
    """Rows and ratios at which the factor leaves its level; noise below the threshold never adds up, nor is it lost."""
    known = np.flatnonzero(np.isfinite(factor))
    steps: list[tuple[int, float]] = []
    if len(known) < 2:
        return steps
    values = factor[known]
    level = float(values[0])
    for at in np.flatnonzero(values[1:] != values[:-1]) + 1:
        if abs(values[at] / level - 1.0) > _NOISE:
            steps.append((int(known[at]), float(values[at]) / level))
            level = float(values[at])
    return steps


def _last_traded(panel: Panel, column: int, before: int) -> int:
    """The last row before ``before`` with a trade and a close; -1 when there is none."""
    rows = np.flatnonzero(panel.trading[:before, column] & np.isfinite(panel["close"][:before, column]))
    return int(rows[-1]) if len(rows) else -1
