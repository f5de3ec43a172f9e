"""Legal sizes of orders, in whole quantity steps, and what is said where less can trade than was wanted."""

from __future__ import annotations

from typing import NamedTuple

from nnstrategies.market.book import OrderSize


class Size(NamedTuple):
    """Steps that may trade; reason, detail: why fewer than wanted, "" when all of them may."""

    steps: int
    reason: str
    detail: str


def whole_steps(size: float, held: int, scale: int) -> int:
    """Whole steps in a size of shares, ``scale`` to a share; off the holding by a float's rounding, it is the holding.

    A size just below a whole step is that step.
    """
    steps = size * scale
    return held if abs(steps - held) <= 1e-9 * held else int(steps + 1e-6)


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


def buyable(wanted: int, rule: OrderSize, scale: int) -> Size:
    """What of a purchase the board's sizes allow."""
    steps = legal_buy(wanted, rule)
    if steps == wanted > 0:
        return Size(steps, "", "")
    return Size(steps, "lot rounding", _lots(wanted, rule.buy_minimum, rule.buy_step, scale))


def sellable(wanted: int, held: int, settled: int, rule: OrderSize, scale: int) -> Size:
    """What of a sale the holding, what of it is settled, and the board's sizes allow."""
    if not held:
        return Size(0, "not held", "short sales are not offered")
    steps = legal_sale(wanted, settled, rule)
    if steps == wanted > 0:
        return Size(steps, "", "")
    if wanted > held:
        return Size(steps, "not held", f"{_wanted(wanted, scale)}, {held / scale:.6g} held")
    if steps == settled:
        today = f"{(held - settled) / scale:.6g} of {held / scale:.6g} were bought today"
        return Size(steps, "T+1", f"{_wanted(wanted, scale)}, {today}")
    return Size(steps, "lot rounding", _lots(wanted, rule.sell_minimum, rule.sell_step, scale))


def _lots(wanted: int, minimum: int, step: int, scale: int) -> str:
    return f"{_wanted(wanted, scale)}, at least {minimum / scale:g}, in steps of {step / scale:g}"


def _wanted(wanted: int, scale: int) -> str:
    return f"{wanted / scale:.6g} shares wanted"
