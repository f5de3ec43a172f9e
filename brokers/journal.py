"""What a broker did, as it happened: plain rows, by the panel's row (session) and column (symbol)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from nnstrategies.brokers.ledger import Transaction


class OrderRow(NamedTuple):
    row: int  # session of the decision
    column: int
    side: str  # "buy" or "sell"
    size: float  # shares wanted at the decision's close
    reason: str


class FillRow(NamedTuple):
    row: int
    column: int
    side: str
    size: float
    price: float
    fee: float
    slippage_cost: float  # currency lost to slippage, included in the price
    reason: str
    shortfall: str  # "", or why it was less than wanted: "cash short", "lot rounding", "participation cap", "T+1"


class RefusalRow(NamedTuple):
    row: int
    column: int
    side: str
    size: float  # shares not traded
    reason: str
    detail: str
    price: float  # at which it would have traded; NaN where there was none
    why: str  # the order's own reason: "rebalance", "stop-loss", "repair"


class ActionRow(NamedTuple):
    row: int  # ex-date
    column: int
    cash: float  # currency received in all, after the tax due at once
    size_before: float
    size_after: float
    inferred: bool  # from the adjustment factor, not from an event table


class AccountRow(NamedTuple):
    row: int
    value: float
    cash: float


class PositionRow(NamedTuple):
    row: int
    column: int
    size: float
    price: float


@dataclass
class Journal:
    """Append-only lists in the order things happened. transactions: the ledger's, amounts in 1 / ``money`` units.

    lots: by column, the shares of one order step when it was last traded or tried.
    """

    orders: list[OrderRow] = field(default_factory=list)
    fills: list[FillRow] = field(default_factory=list)
    refusals: list[RefusalRow] = field(default_factory=list)
    actions: list[ActionRow] = field(default_factory=list)
    account: list[AccountRow] = field(default_factory=list)
    positions: list[PositionRow] = field(default_factory=list)
    transactions: list[Transaction] = field(default_factory=list)
    lots: dict[int, float] = field(default_factory=dict)
    money: int = 100
