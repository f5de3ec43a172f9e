"""What a trade would take or bring: the price after slippage, the amount and the fees, and how much cash pays for."""

from __future__ import annotations

import math
from typing import NamedTuple

from nnstrategies.brokers.fees import Costs, Trade
from nnstrategies.brokers.liquidity import Liquidity
from nnstrategies.brokers.slippage import NoSlippage, Quote, Slippage
from nnstrategies.errors import ConfigError
from nnstrategies.market.bands import NO_LIMIT_UP
from nnstrategies.market.rules import MarketRules


class Attempt(NamedTuple):
    """An order tried at ``price``. slips: whether the model moves the price. maker: a resting order, for the fee."""

    column: int
    buy: bool
    price: float
    slips: bool = True
    maker: bool = False


class Deal(NamedTuple):
    """A trade of some size: the fill's price in currency; amount and fees by component in minor units."""

    price: float
    amount: int
    fees: dict[str, int]

    @property
    def fee(self) -> int:
        return sum(self.fees.values())


class Pricing:
    """Slippage and costs on one session after another: ``begin`` names the session that all else speaks of."""

    def __init__(self, rules: MarketRules, liquidity: Liquidity, costs: Costs, slippage: Slippage) -> None:
        self._rules, self._liquidity, self._costs, self._slippage = rules, liquidity, costs, slippage
        self._money = 10**rules.book.money_decimals
        self._boards = [rules.book.boards[number] for number in rules.boards]
        self._scales = [10**board.quantity_decimals for board in self._boards]

    def begin(self, t: int) -> None:
        self._t, self._day = t, self._rules.day(t)

    def deal(self, attempt: Attempt, steps: int) -> Deal:
        """What ``steps`` of an attempt come to."""
        column, buy, price, slips, maker = attempt
        fill = self.fill(column, buy, steps / self._scales[column], price) if slips else price
        amount = math.floor(fill * steps * self._money / self._scales[column] + 0.5)
        return Deal(fill, amount, self._costs.fees(Trade(self._day, self._boards[column], buy, steps, amount, maker)))

    def fill(self, column: int, buy: bool, size: float, price: float) -> float:
        """The price of ``size`` shares after slippage, never beyond the session's limits."""
        if isinstance(self._slippage, NoSlippage):
            return price
        unit = int(self._rules.ticks_per_unit[column])
        volume, volatility = self._liquidity.volume(self._t, column, price), self._liquidity.volatility(self._t, column)
        moved = float(self._slippage(Quote(buy, price, size, 1 / unit, volume, volatility)))
        if not (math.isfinite(moved) and moved > 0):
            raise ConfigError(
                f"slippage: {type(self._slippage).__name__}: expected a price above 0, got {moved} for {size:g} shares"
                f" of {self._rules.panel.symbols[column]} at {price:g} on {self._day}; mend the model"
            )
        limits = self._rules.limits(self._t)
        if buy:
            up = int(limits.up[column])
            return min(moved, up / unit) if up < NO_LIMIT_UP else moved
        return max(moved, int(limits.down[column]) / unit)

    def buying_rate(self, column: int, price: float) -> float:
        """No purchase at ``price`` costs a larger share of its amount in fees, but for a minimum."""
        return self._costs.rate_bound(self._day, self._boards[column], True, price)

    def affordable(self, attempt: Attempt, steps: int, cash: int) -> int:
        """The largest legal purchase not above ``steps`` that ``cash`` pays for with fees; a larger costs no less."""
        due = self._due(attempt, steps)
        if due <= cash:
            return steps
        rule = self._rules.order_size(self._t, attempt.column)
        least, step = rule.buy_minimum, rule.buy_step
        low, high = -1, (steps - least) // step  # sizes least + k x step: k = low can be paid, k = high cannot
        probe, guesses = (steps * cash // due - least) // step, 2  # in proportion, then the one beside it
        while high - low > 1:
            probe = min(max(probe, low + 1), high - 1) if guesses else (low + high) // 2
            guesses = max(guesses - 1, 0)
            if self._due(attempt, least + probe * step) <= cash:
                low, probe = probe, probe + 1
            else:
                high, probe = probe, probe - 1
        return least + low * step if low >= 0 else 0

    def _due(self, attempt: Attempt, steps: int) -> int:
        """What a purchase takes in all, in minor units."""
        deal = self.deal(attempt, steps)
        return deal.amount + deal.fee
