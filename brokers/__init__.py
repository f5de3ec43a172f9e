"""Brokers: who turns a strategy's orders into fills, under which rules and at what cost."""

from nnstrategies.brokers.account import Account
from nnstrategies.brokers.backtest import MarketBroker
from nnstrategies.brokers.fees import Costs, FlatCosts, MakerTakerCosts, NoCosts, ScheduleCosts
from nnstrategies.brokers.journal import Journal
from nnstrategies.brokers.ledger import Ledger
from nnstrategies.brokers.slippage import (
    BpsSlippage,
    NoSlippage,
    Quote,
    Slippage,
    SquareRootSlippage,
    TickSlippage,
    VolumeShareSlippage,
)

__all__ = [
    "Account",
    "BpsSlippage",
    "Costs",
    "FlatCosts",
    "Journal",
    "Ledger",
    "MakerTakerCosts",
    "MarketBroker",
    "NoCosts",
    "NoSlippage",
    "Quote",
    "ScheduleCosts",
    "Slippage",
    "SquareRootSlippage",
    "TickSlippage",
    "VolumeShareSlippage",
]
