"""What a trade costs: a fee on both sides, and slippage against the trader."""

from __future__ import annotations

from dataclasses import dataclass

import backtrader as bt

from nnstrategies.errors import ConfigError


@dataclass(frozen=True)
class Costs:
    """fee_bps of the traded amount on each side (8 = 8/10,000); slippage_bps of the price, never past a price limit."""

    fee_bps: float = 8.0
    slippage_bps: float = 0.0

    def __post_init__(self) -> None:
        for name in ("fee_bps", "slippage_bps"):
            value = getattr(self, name)
            if not 0 <= value < 10_000:
                raise ConfigError(f"costs: {name}: expected 0 <= bps < 10000, got {value}")

    @property
    def fee(self) -> float:
        """The fee as a fraction of the amount."""
        return self.fee_bps / 1e4

    @property
    def slippage(self) -> float:
        """The slippage as a fraction of the price."""
        return self.slippage_bps / 1e4


def commission(costs: Costs) -> bt.CommInfoBase:
    """The same fee in backtrader's terms, for stocks paid in full."""
    return bt.CommInfoBase(
        commission=costs.fee, commtype=bt.CommInfoBase.COMM_PERC, percabs=True, stocklike=True, interest=0.0
    )
