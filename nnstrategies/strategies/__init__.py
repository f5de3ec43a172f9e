"""Strategies for backtrader that think in arrays over all symbols."""

from nnstrategies.strategies.base import RebalanceStrategy
from nnstrategies.strategies.caps import cap_industries, cap_weights
from nnstrategies.strategies.correlation import CorrelationSettings
from nnstrategies.strategies.selection import top_n
from nnstrategies.strategies.stops import StopSettings

__all__ = ["CorrelationSettings", "RebalanceStrategy", "StopSettings", "cap_industries", "cap_weights", "top_n"]
