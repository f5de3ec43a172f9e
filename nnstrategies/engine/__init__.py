"""A bt.Cerebro that runs panels of thousands of symbols at numpy speed, with backtrader's own results."""

from nnstrategies.engine.broker import PanelBroker
from nnstrategies.engine.cerebro import Cerebro
from nnstrategies.engine.cross import Cross
from nnstrategies.engine.feed import PanelFeed, add_panel

__all__ = ["Cerebro", "Cross", "PanelBroker", "PanelFeed", "add_panel"]
