"""The terms an account trades on: what a book usually costs, and checks of what a user passes instead."""

from __future__ import annotations

from nnstrategies.brokers.fees import Costs, FlatCosts, NoCosts, ScheduleCosts
from nnstrategies.errors import ConfigError
from nnstrategies.market.book import Book


def usual_costs(book: Book) -> Costs:
    """What is paid unless told otherwise: by ``Book.usual_costs`` the book's schedule, a flat 8 bps, or nothing."""
    if book.usual_costs == "schedule":
        return ScheduleCosts(book)
    return FlatCosts(money_decimals=book.money_decimals) if book.usual_costs == "flat" else NoCosts()


def check_terms(costs: object, slippage: object, participation: object) -> None:
    """Raise ConfigError for an object that cannot be what it is passed as; None leaves each at its default."""
    if costs is not None and not (hasattr(costs, "fees") and hasattr(costs, "rate_bound")):
        raise ConfigError(f"costs: expected an object with fees and rate_bound, such as FlatCosts(8), got {costs!r}")
    if slippage is not None and not callable(slippage):
        raise ConfigError(f"slippage: expected a function of a Quote, such as BpsSlippage(5), got {slippage!r}")
    number = isinstance(participation, int | float) and not isinstance(participation, bool)
    if participation is not None and not (number and 0 < participation <= 1):  # type: ignore[operator]
        raise ConfigError(f"participation: expected 0 < share <= 1 or none, got {participation!r}")
