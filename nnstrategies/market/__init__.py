"""Rules of a market by board and date, bound to a panel: price limits, order sizes, settlement, fees, taxes."""

from __future__ import annotations

from pathlib import Path

from nnstrategies.market.book import Book
from nnstrategies.market.read import read_book, read_events
from nnstrategies.market.rules import MarketRules
from nnstrategies.panel import Panel

__all__ = ["Book", "MarketRules", "market_rules", "read_book", "read_events"]


def market_rules(market: str | Path | Book, panel: Panel) -> MarketRules:
    """The rules of a book (by name, by file, or in memory) and its events, for the symbols and sessions of a panel."""
    if isinstance(market, Book):
        return MarketRules(market, panel)
    return MarketRules(read_book(market), panel, read_events(market))
