"""What a fill may be: at which price, and how much of the wanted size. Pure functions; a refusal is a reason string."""

from __future__ import annotations

import math
from typing import NamedTuple

from nnstrategies.panel import Panel, Status

_LIMIT_TOLERANCE = 1e-5  # relative; float32 prices against limits, far below one tick
_UNTRADABLE = {
    Status.UNLISTED: "not listed",
    Status.PAUSED: "suspended",
    Status.MISSING: "suspended",
    Status.DELISTED: "delisted",
}


class Allowed(NamedTuple):
    """Shares that may trade; where that is less than wanted, the reason and its detail."""

    size: float
    reason: str
    detail: str


def untradable(panel: Panel, row: int, column: int) -> str:
    """Why a symbol cannot trade at all on a session: "" where it can."""
    status = Status(int(panel.status[row, column]))
    if status != Status.TRADING:
        return _UNTRADABLE[status]
    return "" if math.isfinite(float(panel["open"][row, column])) else "no price"


def locked(panel: Panel, row: int, column: int, buy: bool, price: float) -> str:
    """Say "limit-up" to a buy at the upper limit or above, "limit-down" to a sale at the lower or below, else ""."""
    bound = _limit(panel, row, column, buy)
    beyond = price - bound if buy else bound - price
    if math.isnan(bound) or beyond < -_LIMIT_TOLERANCE * bound:
        return ""
    return "limit-up" if buy else "limit-down"


def slipped(panel: Panel, row: int, column: int, buy: bool, price: float, slippage: float) -> float:
    """The price moved against the trader by a fraction of itself, but not beyond the session's price limit."""
    if not slippage:
        return price
    moved = price * (1 + slippage) if buy else price * (1 - slippage)
    bound = _limit(panel, row, column, buy)
    if math.isnan(bound):
        return moved
    return min(moved, bound) if buy else max(moved, bound)


def _limit(panel: Panel, row: int, column: int, buy: bool) -> float:
    name = "limit_up" if buy else "limit_down"
    return float(panel[name][row, column]) if name in panel else math.nan


def in_lots(size: float, lot: int | None) -> float:
    """The largest multiple of ``lot`` not above ``size``; ``size`` itself without lots."""
    return float(size) if lot is None else float(math.floor(size / lot + 1e-9) * lot)


def _affordable(cash: float, price: float, fee: float, lot: int | None) -> float:
    most = cash / (price * (1 + fee))
    if lot is None:
        return most * (1 - 1e-12)
    size = in_lots(most, lot)
    left = cash - size * price - size * price * fee  # in the order the books take it
    return size if left >= 0 else size - lot


def buy_size(wanted: float, cash: float, price: float, fee: float, lot: int | None) -> Allowed:
    """What ``cash`` buys of ``wanted`` shares at ``price`` and a fee (a fraction of the amount), in lots."""
    rounded = in_lots(wanted, lot)
    affordable = _affordable(cash, price, fee, lot)
    if rounded > affordable * (1 + 1e-9):
        return Allowed(affordable, "cash short", f"{cash:.2f} in cash for {wanted:.6g} shares at {price:.4g}")
    size = min(rounded, affordable)
    if lot is None or rounded == wanted:
        return Allowed(size, "", "")
    return Allowed(size, "lot rounding", f"{wanted:.6g} shares wanted, lots of {lot}")


def sale_size(wanted: float, held: float, lot: int | None) -> Allowed:
    """What may be sold of ``held`` shares: lots, or everything (an odd remainder is sold in one order)."""
    if held <= 0:
        return Allowed(0.0, "not held", "short sales are not offered")
    if wanted >= held:
        return Allowed(held, "not held" if wanted > held else "", f"{wanted:.6g} shares wanted, {held:.6g} held")
    rounded = in_lots(wanted, lot)
    if rounded == wanted:
        return Allowed(rounded, "", "")
    return Allowed(rounded, "lot rounding", f"{wanted:.6g} shares wanted, lots of {lot}")
