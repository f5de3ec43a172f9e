"""Slippage: the price a trade gets instead of the open, never a better one.

A model is any ``Callable[[Quote], float]`` that returns the fill price. It is an average over the pieces a trade fills
in, so it need not lie on a tick; the broker keeps it within the session's price limits. Prices: currency per share.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from nnstrategies.errors import ConfigError


class Quote(NamedTuple):
    """What is known of a trade just before it fills.

    price: the open. size: shares, > 0. tick: the price step. average_volume: mean shares per session; volatility:
    standard deviation of daily returns (0.02 = 2 %). Both over the 20 sessions before the fill's own; NaN where the
    stock has no such history.
    """

    buy: bool
    price: float
    size: float
    tick: float
    average_volume: float
    volatility: float

    @property
    def share(self) -> float:
        """Size over average volume, may exceed 1; exactly 1 where the volume is unknown or zero."""
        return self.size / self.average_volume if self.average_volume > 0 else 1.0  # NaN > 0 is false

    def worse_by(self, distance: float) -> float:
        """The price moved against the trader; a sale never falls below one tick, or below the open if that is lower."""
        if self.buy:
            return self.price + distance
        return max(self.price - distance, min(self.price, self.tick))


Slippage = Callable[[Quote], float]


def _require(name: str, value: float, below: float = math.inf) -> None:
    if not 0 <= value < below:  # also refuses NaN
        limit = f" < {below:g}" if below < math.inf else ", finite"
        raise ConfigError(f"slippage: {name}: expected 0 <= {name}{limit}, got {value}")


@dataclass(frozen=True)
class NoSlippage:
    """The open itself."""

    def __call__(self, quote: Quote) -> float:
        return quote.price


@dataclass(frozen=True)
class BpsSlippage:
    """A constant share of the price: price x (1 +- bps / 10,000)."""

    bps: float = 5.0

    def __post_init__(self) -> None:
        _require("bps", self.bps, 10_000)

    def __call__(self, quote: Quote) -> float:
        return quote.worse_by(quote.price * self.bps / 1e4)


@dataclass(frozen=True)
class TickSlippage:
    """A constant number of price steps: price +- ticks x tick; half a spread of one tick is 0.5."""

    ticks: float = 1.0

    def __post_init__(self) -> None:
        _require("ticks", self.ticks)

    def __call__(self, quote: Quote) -> float:
        return quote.worse_by(self.ticks * quote.tick)


@dataclass(frozen=True)
class VolumeShareSlippage:
    """price x (1 +- impact x share**2), share = size / average volume, at most 1.

    An unknown or zero volume counts as share 1, the worst case. Source: the quadratic model of zipline's
    VolumeShareSlippage, whose default impact is 0.1; there the share is of the bar's own volume.
    """

    impact: float = 0.1

    def __post_init__(self) -> None:
        _require("impact", self.impact)

    def __call__(self, quote: Quote) -> float:
        return quote.worse_by(quote.price * self.impact * min(quote.share, 1.0) ** 2)


@dataclass(frozen=True)
class SquareRootSlippage:
    """price x (1 +- coefficient x volatility x sqrt(size / average volume)).

    An unknown or zero volume counts as share 1. ``unknown_volatility`` (daily) stands in where the stock has none yet.
    Source: the square-root law in Torre and Ferrari's Market Impact Model Handbook (BARRA, 1997); Almgren, Thum,
    Hauptmann and Li, "Direct Estimation of Equity Market Impact" (2005), fit the exponent 3/5 to executed trades.
    """

    coefficient: float = 1.0
    unknown_volatility: float = 0.03

    def __post_init__(self) -> None:
        _require("coefficient", self.coefficient)
        _require("unknown_volatility", self.unknown_volatility)

    def __call__(self, quote: Quote) -> float:
        volatility = quote.volatility if quote.volatility >= 0 else self.unknown_volatility  # NaN >= 0 is false
        return quote.worse_by(quote.price * self.coefficient * volatility * math.sqrt(quote.share))
