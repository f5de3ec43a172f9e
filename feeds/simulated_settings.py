"""Settings of the simulated market, and the random streams that follow from its seed."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from nnstrategies.errors import ConfigError

SESSIONS_PER_YEAR = 243


@dataclass(frozen=True)
class Regime:
    """A mood of the market factor: mean and volatility of its daily log return, and how long it lasts on average."""

    name: str
    mean: float
    volatility: float
    mean_days: float


BULL = Regime("bull", 0.0010, 0.009, 160.0)
BEAR = Regime("bear", -0.0007, 0.012, 110.0)
VOLATILE = Regime("volatile", 0.0, 0.020, 40.0)

_SHARES = ("overnight_share", "late_listings", "special_treatment", "dividends_per_year", "splits_per_year")
_AT_LEAST = {"symbols": 3, "sessions": 2, "members": 1, "horizon_days": 1, "seed": 0, "listing_sessions": 21}
_NOT_NEGATIVE = (
    "jumps_per_year",
    "volume_shock",
    "volume_on_move",
    "suspensions_per_year",
    "delistings_per_year",
    "industries",
)


@dataclass(frozen=True)
class SimulatedMarket:
    """Settings of ``simulate``; the same settings always give the same bytes.

    ``sessions`` only says where to stop: a shorter market is the beginning of a longer one. ``linear``, ``non_linear``
    and ``order`` are the strengths of the three predictable parts: the drift of the next session, in units of the
    symbol's daily volatility, per unit of state (see ``truth.states``); ``signal=False`` leaves them out of the prices.
    They are far above anything that a real market offers. Rates are per symbol and year; volatility (daily,
    idiosyncratic) and beta are drawn evenly from their ranges. leaky_members_on: the members of that day all along,
    which is survivorship: only to measure what it gains. Raises ConfigError for impossible settings.
    """

    symbols: int = 120
    sessions: int = 1250
    members: int = 80
    start: str = "2015-01-05"
    exchange: str = "XSHG"
    seed: int = 0
    # -- what can be predicted
    signal: bool = True
    horizon_days: int = 10
    linear: float = 0.07
    non_linear: float = 0.11
    order: float = 0.10
    half_life_days: float = 4.5
    # -- what cannot
    volatility: tuple[float, float] = (0.016, 0.024)
    beta: tuple[float, float] = (0.9, 1.1)
    regimes: tuple[Regime, ...] = (BULL, BEAR, VOLATILE)
    overnight_share: float = 0.25  # of the variance of a day's return
    jumps_per_year: float = 0.75  # news overnight, of 3 to 6 daily volatilities
    volume_shock: float = 0.5  # standard deviation of log volume
    volume_on_move: float = 0.05  # log volume per |move| of one daily volatility
    # -- what happens to symbols
    suspensions_per_year: float = 0.5
    suspension_days: float = 6.0
    late_listings: float = 0.15  # share of the symbols that list during the first ``listing_sessions``
    listing_sessions: int = 300
    delistings_per_year: float = 0.03
    special_treatment: float = 0.03  # share of the symbols with a price limit of 5 % instead of 10 %; never members
    dividends_per_year: float = 0.7
    splits_per_year: float = 0.15
    industries: int = 0  # how many names the symbols are given, evenly by chance; prices know nothing of them
    leaky_members_on: dt.date | None = None

    def __post_init__(self) -> None:
        for name, least in _AT_LEAST.items():
            self._expect(getattr(self, name) >= least, name, f"at least {least}")
        self._expect(self.members <= self.symbols, "members", f"at most symbols = {self.symbols}")
        for name in _SHARES:
            self._expect(0.0 <= getattr(self, name) <= 1.0, name, "a share from 0 to 1")
        for name in _NOT_NEGATIVE:
            self._expect(getattr(self, name) >= 0.0, name, "0 or more")
        self._expect(self.half_life_days > 0, "half_life_days", "more than 0")
        self._expect(self.suspension_days > 0, "suspension_days", "more than 0")
        self._expect(0 < self.volatility[0] <= self.volatility[1], "volatility", "(low, high), both above 0")
        self._expect(self.beta[0] <= self.beta[1], "beta", "(low, high)")
        self._expect(len(self.regimes) > 0, "regimes", "at least one")

    def _expect(self, holds: bool, name: str, expected: str) -> None:
        if not holds:
            raise ConfigError(f"simulated market: {name}: expected {expected}, got {getattr(self, name)}")

    @property
    def strengths(self) -> dict[str, float]:
        """Part -> strength."""
        return {"linear": self.linear, "non_linear": self.non_linear, "order": self.order}

    def generator(self, purpose: str) -> np.random.Generator:
        """A random stream of its own for each purpose, to be drawn row by row: so a prefix stays a prefix."""
        return np.random.default_rng([self.seed, *purpose.encode()])
