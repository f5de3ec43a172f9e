"""Legal sizes of orders, in whole quantity steps."""

from __future__ import annotations

from nnstrategies.market.book import OrderSize


def legal_buy(wanted: int, rule: OrderSize) -> int:
    """The largest legal purchase not above ``wanted``; 0 when that is below the minimum."""
    if wanted < rule.buy_minimum:
        return 0
    return rule.buy_minimum + (wanted - rule.buy_minimum) // rule.buy_step * rule.buy_step


def legal_sale(wanted: int, sellable: int, rule: OrderSize) -> int:
    """The largest legal sale not above ``wanted``; everything that can be sold is always legal, an odd rest with it."""
    if wanted >= sellable:
        return sellable
    if wanted < rule.sell_minimum:
        return 0
    return rule.sell_minimum + (wanted - rule.sell_minimum) // rule.sell_step * rule.sell_step
