"""Brokers: who turns a strategy's orders into fills, under which rules and at what cost."""

from nnstrategies.brokers.backtest import MarketBroker
from nnstrategies.brokers.costs import Costs
from nnstrategies.brokers.journal import Journal

__all__ = ["Costs", "Journal", "MarketBroker"]
