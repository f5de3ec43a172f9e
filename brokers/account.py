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
from nnstrategies.brokers.fees import Costs, Trade
from nnstrategies.brokers.ledger import Ledger, Transaction
from nnstrategies.brokers.liquidity import Liquidity
from nnstrategies.brokers.sizes import legal_buy, legal_sale
from nnstrategies.brokers.slippage import NoSlippage, Quote, Slippage
from nnstrategies.brokers.terms import check_terms, usual_costs
from nnstrategies.errors import ConfigError
from nnstrategies.market.bands import NO_LIMIT_UP
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
        self._costs: Costs = costs or usual_costs(book)
        self._slippage: Slippage = slippage or NoSlippage()
        self._participation, self._reinvest = participation, reinvest
        self._money = 10**book.money_decimals
        self._boards = [book.boards[number] for number in rules.boards]
        self._scales = [10**board.quantity_decimals for board in self._boards]
        self._units = [Units(self._money, 10**board.quantity_decimals, board.par) for board in self._boards]
        self._actions, self._delistings = actions_by_row(panel), delistings_by_row(panel)
        self._liquidity = Liquidity(panel)
        self._taken: dict[int, int] = {}  # steps traded this session
        tax = book.dividend_tax if dividend_tax else None
        self.ledger = Ledger(math.floor(cash * self._money + 0.5), rules.day(first), dividend_tax=tax)
        self.marks: FloatArray = (
            on_ticks(panel["close"][first - 1], rules.ticks_per_unit) if first else np.full(panel.N, np.nan)
        )

    # -- reading --------------------------------------------------------------------------------------------------

    @property
    def cash(self) -> float:
        return self.ledger.cash / self._money

    def shares(self, column: int) -> float:
        return self.ledger.quantity(column) / self._scales[column]

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
        fill = self._slipped(column, buy, size, price)
        rate = self._costs.rate_bound(self.ledger.day, self._boards[column], True, price) if buy else 0.0
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
        wanted = self._steps(column, size)
        steps, reason, detail = self._buyable(column, wanted) if buy else self._sellable(column, wanted)
        capped = self._volume_cap(column, price)
        if steps > capped:
            rule = self.rules.order_size(self.t, column)
            steps = legal_buy(capped, rule) if buy else legal_sale(capped, steps, rule)
            reason, detail = (
                "participation cap",
                f"{size:.6g} shares wanted, {capped / self._scales[column]:.6g} at most",
            )
        if buy and steps:
            paid = self._affordable(column, steps, price, slips, maker)
            dust = steps - paid <= _DUST * steps  # a cent's rounding, in fractions of shares
            if paid < steps and not dust:
                reason = "cash short"
                detail = f"{self.cash:.2f} in cash for {size:.6g} shares at {price:.6g}"
            steps = paid
        if not steps:
            return Outcome(0.0, price, 0.0, 0.0, reason, detail)
        done = self._book(column, buy, steps, price, slips, maker)
        return done if done.reason else done._replace(reason=reason, detail=detail)

    def _steps(self, column: int, size: float) -> int:
        """Whole steps in a size; what differs from the holding by a float's rounding is the holding."""
        held, steps = self.ledger.quantity(column), size * self._scales[column]
        return held if abs(steps - held) <= 1e-9 * held else int(steps + 1e-6)

    def _buyable(self, column: int, wanted: int) -> tuple[int, str, str]:
        rule = self.rules.order_size(self.t, column)
        steps = legal_buy(wanted, rule)
        if steps == wanted > 0:
            return steps, "", ""
        return steps, "lot rounding", self._lots(column, wanted, rule.buy_minimum, rule.buy_step)

    def _sellable(self, column: int, wanted: int) -> tuple[int, str, str]:
        held, sellable = self.ledger.quantity(column), self.ledger.sellable(column)
        if not held:
            return 0, "not held", "short sales are not offered"
        rule = self.rules.order_size(self.t, column)
        steps = legal_sale(wanted, sellable, rule)
        if steps == wanted > 0:
            return steps, "", ""
        if wanted > held:
            return steps, "not held", self._of(column, wanted, f"{held / self._scales[column]:.6g} held")
        if steps == sellable:
            bought = (held - sellable) / self._scales[column]
            return (
                steps,
                "T+1",
                self._of(column, wanted, f"{bought:.6g} of {self.shares(column):.6g} were bought today"),
            )
        return steps, "lot rounding", self._lots(column, wanted, rule.sell_minimum, rule.sell_step)

    def _of(self, column: int, wanted: int, rest: str) -> str:
        return f"{wanted / self._scales[column]:.6g} shares wanted, {rest}"

    def _lots(self, column: int, wanted: int, minimum: int, step: int) -> str:
        scale = self._scales[column]
        return self._of(column, wanted, f"at least {minimum / scale:g}, in steps of {step / scale:g}")

    def _volume_cap(self, column: int, price: float) -> int:
        if self._participation is None:
            return 1 << 62
        volume = self._liquidity.volume(self.t, column, price)
        most = int(self._participation * volume * self._scales[column]) if volume > 0 else 0
        return max(most - self._taken.get(column, 0), 0)

    def _affordable(self, column: int, steps: int, price: float, slips: bool, maker: bool) -> int:
        """The largest legal size not above ``steps`` that cash pays for, fees included; a larger one costs no less."""
        cash, due = self.ledger.cash, self._due(column, steps, price, slips, maker)
        if due <= cash:
            return steps
        rule = self.rules.order_size(self.t, column)
        least, step = rule.buy_minimum, rule.buy_step
        low, high = -1, (steps - least) // step  # sizes least + k x step: k = low can be paid, k = high cannot
        probe, guesses = (steps * cash // due - least) // step, 2  # in proportion, then the one beside it
        while high - low > 1:
            probe = min(max(probe, low + 1), high - 1) if guesses else (low + high) // 2
            guesses = max(guesses - 1, 0)
            if self._due(column, least + probe * step, price, slips, maker) <= cash:
                low, probe = probe, probe + 1
            else:
                high, probe = probe, probe - 1
        return least + low * step if low >= 0 else 0

    def _due(self, column: int, steps: int, price: float, slips: bool, maker: bool) -> int:
        """What a purchase takes in all, in minor units."""
        fill = self._price(column, True, steps, price, slips)
        amount, fees = self._cost(column, True, steps, fill, maker)
        return amount + sum(fees.values())

    def _book(self, column: int, buy: bool, steps: int, price: float, slips: bool, maker: bool) -> Outcome:
        fill = self._price(column, buy, steps, price, slips)
        amount, fees = self._cost(column, buy, steps, fill, maker)
        board, size = self._boards[column], steps / self._scales[column]
        if amount < board.minimum_notional:
            least = board.minimum_notional / self._money
            return Outcome(0.0, price, 0.0, 0.0, "below minimum value", f"orders of at least {least:g}")
        self._taken[column] = self._taken.get(column, 0) + steps
        if buy:
            days = self.rules.settlement(self.t, column)
            self.ledger.buy(column, steps, amount, fees, days)
        else:
            self.ledger.sell(column, steps, amount, fees)
        return Outcome(size, fill, sum(fees.values()) / self._money, abs(fill - price) * size, "", "")

    def _cost(self, column: int, buy: bool, steps: int, price: float, maker: bool) -> tuple[int, dict[str, int]]:
        amount = math.floor(price * steps * self._money / self._scales[column] + 0.5)
        return amount, self._costs.fees(Trade(self.ledger.day, self._boards[column], buy, steps, amount, maker))

    def _price(self, column: int, buy: bool, steps: int, price: float, slips: bool) -> float:
        return self._slipped(column, buy, steps / self._scales[column], price) if slips else price

    def _slipped(self, column: int, buy: bool, size: float, price: float) -> float:
        """The model's price, never beyond the session's limits."""
        model = self._slippage
        if isinstance(model, NoSlippage):
            return price
        unit = int(self.rules.ticks_per_unit[column])
        volume, volatility = self._liquidity.volume(self.t, column, price), self._liquidity.volatility(self.t, column)
        moved = float(model(Quote(buy, price, size, 1 / unit, volume, volatility)))
        if not (math.isfinite(moved) and moved > 0):
            raise ConfigError(
                f"slippage: {type(model).__name__}: expected a price above 0, got {moved} for {size:g} shares of "
                f"{self.panel.symbols[column]} at {price:g} on {self.ledger.day}"
            )
        bounds = self.rules.limits(self.t)
        if buy:
            up = int(bounds.up[column])
            return min(moved, up / unit) if up < NO_LIMIT_UP else moved
        return max(moved, int(bounds.down[column]) / unit)
