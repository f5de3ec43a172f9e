"""A market whose truth is known: raw prices with limits, suspensions and corporate actions, and why they move."""

from __future__ import annotations

import numpy as np

from nnstrategies.feeds.simulated_moves import Moves
from nnstrategies.feeds.simulated_quotes import quote, trade
from nnstrategies.feeds.simulated_settings import SESSIONS_PER_YEAR, Regime, SimulatedMarket
from nnstrategies.feeds.simulated_tables import (
    MARGIN,
    fundamentals_table,
    index_level,
    industries_table,
    membership_table,
    plan_actions,
    sessions_from,
)
from nnstrategies.feeds.truth import Truth
from nnstrategies.panel import Panel, Status
from nnstrategies.typing import AnyArray, BoolArray

__all__ = ["Regime", "SimulatedMarket", "simulate"]


def simulate(market: SimulatedMarket) -> tuple[Panel, Truth]:
    """Return the market's panel and the truth behind it.

    Fields: open, high, low, close, pre_close (the ex-rights reference), limit_up, limit_down (all raw, on a tick of
    0.01), volume (shares, multiples of 100), amount, adj_factor, float_shares; NaN where not listed. Series: benchmark,
    the price index of the members. Events: actions, membership, fundamentals, and
    industries where there are any. See docs/simulated_market.md.
    """
    T = market.sessions
    sessions = sessions_from(market.start, T + MARGIN, market.exchange)
    symbols = tuple(f"SIM{number:04d}" for number in range(1, market.symbols + 1))
    planned = _statuses(market)  # [T + MARGIN, N]
    actions = plan_actions(market, sessions, planned)
    days, status = sessions[:T], planned[:T]
    trading = status == Status.TRADING
    listed = trading | (status == Status.PAUSED)
    special = _lowest_share(market, "special treatment", market.special_treatment)

    moves = Moves(market, trading)
    prices = quote(market, trading, special, moves, actions)
    fields = prices | trade(market, trading, moves, prices)
    del fields["split"]
    fields = {name: np.where(listed, values, np.nan) for name, values in fields.items()}
    membership, member = membership_table(market, days, symbols, fields["amount"], listed & ~special)
    events = {
        "actions": actions.table(sessions, symbols, T),
        "membership": membership,
        "fundamentals": fundamentals_table(market, days, symbols, listed),
    }
    if market.industries:
        events["industries"] = industries_table(market, days, symbols)
    benchmark = index_level(fields["close"], fields["float_shares"], member)
    name = f"simulated-{market.seed}" if market.signal else f"simulated-{market.seed}-no-signal"
    return Panel(days, symbols, fields, status, {"benchmark": benchmark}, events, name), moves.truth(listed)


def _lowest_share(market: SimulatedMarket, purpose: str, share: float) -> BoolArray:
    """[N] True for a share of the symbols, drawn at random."""
    rank = np.argsort(np.argsort(market.generator(purpose).random(market.symbols)))
    return rank < round(share * market.symbols)


def _statuses(market: SimulatedMarket) -> AnyArray:
    """[T + MARGIN, N] of Status, planned ahead of prices: they tell nothing of returns."""
    shape = (market.sessions + MARGIN, market.symbols)
    day = np.arange(shape[0])[:, None]
    late = _lowest_share(market, "late listing", market.late_listings)
    listing = 20 + market.generator("listing").integers(market.listing_sessions - 20, size=market.symbols)
    listing = np.where(late, listing, 0)
    starts = market.generator("suspension").random(shape) < market.suspensions_per_year / SESSIONS_PER_YEAR
    length = np.ceil(market.generator("suspension length").exponential(market.suspension_days, shape)).astype(np.int64)
    until = np.maximum.accumulate(np.where(starts & (day >= listing + 5), day + length, 0), axis=0)
    leaves = market.generator("delisting").random(shape) < market.delistings_per_year / SESSIONS_PER_YEAR
    gone = np.logical_or.accumulate(leaves & (day > listing + 120), axis=0)
    status = np.where(until > day, Status.PAUSED, Status.TRADING)
    return np.where(gone, Status.DELISTED, np.where(day < listing, Status.UNLISTED, status)).astype(np.uint8)
