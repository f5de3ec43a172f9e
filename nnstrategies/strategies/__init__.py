"""Strategies for backtrader that think in arrays over all symbols."""

from nnstrategies.strategies.base import RebalanceStrategy
from nnstrategies.strategies.selection import cap_weights, top_n
from nnstrategies.strategies.stops import StopSettings

__all__ = ["RebalanceStrategy", "StopSettings", "cap_weights", "top_n"]
