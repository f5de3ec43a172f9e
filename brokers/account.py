"""One account on one market, a session at a time: what may trade, how much, at which price, and what it costs.

It knows nothing of backtrader: the backtest broker and a paper account ask it the same questions.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from nnstrategies.actions import Action, actions_by_row, reference
from nnstrategies.brokers.actions import ActionResult, Units, apply_action, apply_delisting
from nnstrategies.brokers.delistings import Delisting, delistings_by_row
from nnstrategies.brokers.fees import Costs
from nnstrategies.brokers.ledger import Ledger, Transaction
from nnstrategies.brokers.liquidity import Liquidity
from nnstrategies.brokers.pricing import Attempt, Pricing
from nnstrategies.brokers.sizes import Size, buyable, legal_buy, legal_sale, sellable, whole_steps
from nnstrategies.brokers.slippage import NoSlippage, Slippage
from nnstrategies.brokers.terms import check_terms, usual_costs
from nnstrategies.errors import ConfigError
from nnstrategies.market.rules import MarketRules
from nnstrategies.market.ticks import on_tick, on_ticks
from nnstrategies.panel import Status
from nnstrategies.typing import FloatArray

_DUST = 1e-6  # of the size


class Outcome(NamedTuple):
    """What came of an order: shares traded (0 = refused), the price, the fee and what slippage took, in currency.

    reason, detail: why it was less than wanted; "" when all of it traded.
    """

    size: float
    price: float
    fee: float
    slippage_cost: float
    reason: str
    detail: str


class Account:
    """Cash and holdings under a market's rules.

    rules: of the panel that is traded. cash: in currency, paid in on the day of ``first``, the row the account starts
    at. costs: by default the book's usual ones (``Book.usual_costs``). participation: the largest share of a
    stock's average volume of the last 20 sessions that one session may trade; None = no cap. dividend_tax: whether the
    book's tax on dividends is taken. reinvest: dividends buy shares at the ex-rights price, untaxed, for checks.

    A session runs ``begin`` (corporate actions, delistings), ``trade`` any number of times, ``end`` (marking). Nothing
    is sold short, nothing bought on credit.
    """

    def __init__(
        self,
        rules: MarketRules,
        cash: float,
        first: int = 0,
        *,
        costs: Costs | None = None,
        slippage: Slippage | None = None,
        participation: float | None = None,
        dividend_tax: bool = True,
        reinvest: bool = False,
    ) -> None:
        check_terms(costs, slippage, participation)
        if not cash >= 0:
            raise ConfigError(f"account: cash: expected 0 or more, got {cash}")
        book, panel = rules.book, rules.panel
        self.rules, self.panel = rules, panel
        self.t = first
        self._participation, self._reinvest = participation, reinvest
        self._money = 10**book.money_decimals
        self._boards = [book.boards[number] for number in rules.boards]
        self._scales = [10**board.quantity_decimals for board in self._boards]
        self._units = [Units(self._money, 10**board.quantity_decimals, board.par) for board in self._boards]
        self._actions, self._delistings = actions_by_row(panel), delistings_by_row(panel)
        self._liquidity = Liquidity(panel)
        self._pricing = Pricing(rules, self._liquidity, costs or usual_costs(book), slippage or NoSlippage())
        self._pricing.begin(first)
        self._taken: dict[int, int] = {}  # steps traded this session
        tax = book.dividend_tax if dividend_tax else None
        self.ledger = Ledger(math.floor(cash * self._money + 0.5), rules.day(first), dividend_tax=tax)
        before = panel["close"][first - 1] if first else np.full(panel.N, np.nan)
        self.marks: FloatArray = on_ticks(before, rules.ticks_per_unit)

    # -- reading --------------------------------------------------------------------------------------------------

    @property
    def cash(self) -> float:
        return self.ledger.cash / self._money

    def shares(self, column: int) -> float:
        return self.in_shares(column, self.ledger.quantity(column))

    def in_shares(self, column: int, steps: int) -> float:
        """Steps of the ledger as shares."""
        return steps / self._scales[column]

    def lot(self, column: int) -> float:
        """Shares in one step of a purchase on this session."""
        return self.in_shares(column, self.rules.order_size(self.t, column).buy_step)

    def worth(self, column: int) -> float:
        """A holding at its mark: the last close, corrected for actions since."""
        return self.shares(column) * self._mark(column)

    def value(self) -> float:
        """Cash less what is owed, and holdings at their marks, before the dividend tax that a sale would bring."""
        return self._total({})

    def value_at_open(self) -> float:
        """The same at this session's opens, where there is one."""
        opens = {c: p for c in self.ledger.holdings if not math.isnan(p := self.open_price(c))}
        return self._total(opens)

    def _total(self, prices: dict[int, float]) -> float:
        worth = 0.0
        for column, holding in self.ledger.holdings.items():
            worth += holding.quantity / self._scales[column] * prices.get(column, self._mark(column))
        return (self.ledger.cash - self.ledger.owed) / self._money + worth

    def _mark(self, column: int) -> float:
        mark = float(self.marks[column])
        if math.isfinite(mark):
            return mark
        return self.ledger.cost(column) * self._scales[column] / self._money / (self.ledger.quantity(column) or 1)

    def open_price(self, column: int) -> float:
        """This session's open on its tick; NaN where the symbol does not trade."""
        if self.rules.untradable(self.t, column):
            return math.nan
        return on_tick(float(self.panel["open"][self.t, column]), int(self.rules.ticks_per_unit[column]))

    # -- a session ------------------------------------------------------------------------------------------------

    def begin(self, t: int) -> tuple[list[ActionResult], list[tuple[Delisting, Transaction]]]:
        """Start session t: corporate actions of its ex-date, then forced exits; what of it touched a holding."""
        self.t = t
        self._taken.clear()
        self._pricing.begin(t)
        self.ledger.begin(self.rules.day(t))
        booked = [result for action in self._actions.get(t, ()) if (result := self._apply(action)) is not None]
        exits = []
        for delisting in self._delistings.get(t, ()):
            transaction = apply_delisting(self.ledger, delisting, self._units[delisting.column])
            if transaction is not None:
                exits.append((delisting, transaction))
        return booked, exits

    def _apply(self, action: Action) -> ActionResult | None:
        column, close = action.column, float(self.marks[action.column])
        self.marks[column] = reference(action, close)
        if not self.ledger.quantity(column):
            return None
        days = self.rules.settlement(self.t, column)
        units = self._units[column]
        return apply_action(self.ledger, action, close, units, frictionless=self._reinvest, sell_after_days=days)

    def end(self) -> None:
        """Mark every symbol that traded at its close."""
        close = self.panel["close"][self.t]
        traded = (self.panel.status[self.t] == Status.TRADING) & np.isfinite(close)
        np.copyto(self.marks, on_ticks(close, self.rules.ticks_per_unit), where=traded)

    def deposit(self, amount: float) -> None:
        """Pay money in, or take it out with a negative amount."""
        minor = math.floor(abs(amount) * self._money + 0.5)
        if amount >= 0:
            self.ledger.deposit(minor)
        else:
            self.ledger.withdraw(minor)

    # -- trading --------------------------------------------------------------------------------------------------

    def refuse(self, column: int, buy: bool, price: float) -> str:
        """Why nothing of a symbol can trade on this session at ``price``: "" where it can."""
        return self.rules.untradable(self.t, column) or self.rules.locked(self.t, column, buy, price)

    def refusal_detail(self, column: int, price: float) -> str:
        """What a refused order's line says besides the reason: the price, and the limits with the rule behind them."""
        if math.isnan(price):
            return "no price on the session of the fill"
        return f"at {price:.6g}; {self.rules.explain(self.t, column)}"

    def wanted(self, column: int, target: float, value: float, buy: bool, price: float) -> float:
        """Shares to trade so that the holding is worth ``target`` x ``value``; a purchase's fee is part of its budget.

        price: the open; slippage of the size it leads to is reckoned with. 0 when the price has gone past the target.
        """
        held = self.shares(column)
        if not buy and not target:
            return held
        gap = target * value - held * price
        size = gap / price if buy else -gap / price
        if size <= 0:
            return 0.0
        fill = self._pricing.fill(column, buy, size, price)
        rate = self._pricing.buying_rate(column, price) if buy else 0.0
        gap = target * value - held * fill
        return max(gap, 0.0) / (fill * (1 + rate)) if buy else min(max(-gap / fill, 0.0), held)

    def trade(
        self, column: int, buy: bool, size: float, price: float, *, slips: bool = True, maker: bool = False
    ) -> Outcome:
        """Trade up to ``size`` shares at ``price`` on this session, as far as rules, volume, holding and cash allow.

        slips: whether the slippage model moves the price. maker: a resting order, for the fee.
        """
        if reason := self.refuse(column, buy, price):
            return Outcome(0.0, price, 0.0, 0.0, reason, self.refusal_detail(column, price))
        attempt = Attempt(column, buy, price, slips, maker)
        allowed = self._capped(attempt, size, self._allowed(attempt, size))
        if buy and allowed.steps:
            allowed = self._paid(attempt, size, allowed)
        if not allowed.steps:
            return Outcome(0.0, price, 0.0, 0.0, allowed.reason, allowed.detail)
        done = self._book(attempt, allowed.steps)
        return done if done.reason else done._replace(reason=allowed.reason, detail=allowed.detail)

    def _allowed(self, attempt: Attempt, size: float) -> Size:
        """What of the size the board and the holding allow."""
        column, scale = attempt.column, self._scales[attempt.column]
        held, rule = self.ledger.quantity(column), self.rules.order_size(self.t, column)
        wanted = whole_steps(size, held, scale)
        if attempt.buy:
            return buyable(wanted, rule, scale)
        return sellable(wanted, held, self.ledger.sellable(column), rule, scale)

    def _capped(self, attempt: Attempt, size: float, allowed: Size) -> Size:
        """What of that the cap by volume leaves."""
        column = attempt.column
        if self._participation is None:
            return allowed
        volume = self._liquidity.volume(self.t, column, attempt.price)
        most = int(self._participation * volume * self._scales[column]) if volume > 0 else 0
        left = max(most - self._taken.get(column, 0), 0)
        if allowed.steps <= left:
            return allowed
        rule = self.rules.order_size(self.t, column)
        steps = legal_buy(left, rule) if attempt.buy else legal_sale(left, allowed.steps, rule)
        most_shares = f"{left / self._scales[column]:.6g} at most"
        return Size(steps, "participation cap", f"{size:.6g} shares wanted, {most_shares}")

    def _paid(self, attempt: Attempt, size: float, allowed: Size) -> Size:
        """What of that cash pays for."""
        steps = self._pricing.affordable(attempt, allowed.steps, self.ledger.cash)
        if allowed.steps - steps <= _DUST * allowed.steps:  # a cent's rounding, in fractions of shares
            return allowed._replace(steps=steps)
        return Size(steps, "cash short", f"{self.cash:.2f} in cash for {size:.6g} shares at {attempt.price:.6g}")

    def _book(self, attempt: Attempt, steps: int) -> Outcome:
        column, deal = attempt.column, self._pricing.deal(attempt, steps)
        board, size = self._boards[column], steps / self._scales[column]
        if deal.amount < board.minimum_notional:
            least = board.minimum_notional / self._money
            return Outcome(0.0, attempt.price, 0.0, 0.0, "below minimum value", f"orders of at least {least:g}")
        self._taken[column] = self._taken.get(column, 0) + steps
        if attempt.buy:
            days = self.rules.settlement(self.t, column)
            self.ledger.buy(column, steps, deal.amount, deal.fees, days)
        else:
            self.ledger.sell(column, steps, deal.amount, deal.fees)
        return Outcome(size, deal.price, deal.fee / self._money, abs(deal.price - attempt.price) * size, "", "")
