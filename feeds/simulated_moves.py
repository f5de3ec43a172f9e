"""Why prices of the simulated market move: shocks, the states they build up, the drift that follows, the market."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from nnstrategies.feeds.simulated_settings import SESSIONS_PER_YEAR, SimulatedMarket
from nnstrategies.feeds.truth import PARTS, Truth, decay, states
from nnstrategies.typing import BoolArray, FloatArray

_JUMP = (3.0, 6.0)  # daily volatilities
_JUMP_VARIANCE = (
    _JUMP[0] ** 2 + _JUMP[0] * _JUMP[1] + _JUMP[1] ** 2
) / 3.0  # mean square of an even draw from the range


class Moves:
    """Causes of every move [T, N]: shocks ``night`` and ``day`` of the return, whose sum is eps, and eta of log volume.

    All are 0 where the symbol does not trade; eps and eta are white in time, symmetric and of unit variance.
    """

    def __init__(self, market: SimulatedMarket, trading: BoolArray) -> None:
        self.market, self.trading = market, trading
        jumps = self._jumps()
        share, norm = market.overnight_share, np.sqrt(1.0 + market.jumps_per_year / SESSIONS_PER_YEAR * _JUMP_VARIANCE)
        self.night = np.where(trading, np.sqrt(share) * self._normal("night") + jumps, 0.0) / norm
        self.day = np.where(trading, np.sqrt(1.0 - share) * self._normal("day"), 0.0) / norm
        self.eta = np.where(trading, self._normal("volume"), 0.0)
        symbol = market.generator("symbols").random((market.symbols, 2))
        self.sigma = market.volatility[0] + (market.volatility[1] - market.volatility[0]) * symbol[:, 0]  # [N]
        self.beta = market.beta[0] + (market.beta[1] - market.beta[0]) * symbol[:, 1]  # [N]
        self.rho = decay(market.half_life_days)

    def _normal(self, purpose: str) -> FloatArray:
        return self.market.generator(purpose).standard_normal(self.trading.shape)

    def _jumps(self) -> FloatArray:
        happens = self.market.generator("jump").random(self.trading.shape)
        size = self.market.generator("jump size").random(self.trading.shape) * 2.0 - 1.0  # its sign is the jump's sign
        size = np.sign(size) * (_JUMP[0] + (_JUMP[1] - _JUMP[0]) * np.abs(size))
        return np.where(happens < self.market.jumps_per_year / SESSIONS_PER_YEAR, size, 0.0)

    @cached_property
    def eps(self) -> FloatArray:
        return self.night + self.day

    @cached_property
    def states(self) -> dict[str, FloatArray]:
        return states(self.eps, self.eta, self.rho)

    def drift(self) -> FloatArray:
        """[T, N] predictable part of the day's move in units of sigma: what the states of the day before say."""
        drift = np.zeros_like(self.eps)
        if self.market.signal:
            drift[1:] = sum(self.market.strengths[part] * self.states[part][:-1] for part in PARTS)
        return drift

    def log_prices(self) -> tuple[FloatArray, FloatArray]:
        """Latent adjusted log prices at open and close [T, N], 0 before the first trade; the drift is earned by day.

        The term -sigma^2 / 2 makes the drift that of the simple return.
        """
        factor_night, factor_day = (self.beta * part[:, None] for part in _factor(self.market))
        night = np.where(self.trading, self.sigma * self.night + factor_night, 0.0)
        day = self.sigma * (self.day + self.drift()) - self.sigma**2 / 2 + factor_day
        day = np.where(self.trading, day, 0.0)
        close = np.cumsum(night + day, axis=0)
        return close - day, close

    def truth(self, listed: BoolArray) -> Truth:
        """The generator's own knowledge; states are NaN where the symbol is not listed."""
        values = {part: np.where(listed, state, np.nan) for part, state in self.states.items()}
        for array in (self.sigma, *values.values()):
            array.flags.writeable = False
        market = self.market
        return Truth(market.strengths, self.sigma, values, self.rho, market.horizon_days, market.signal)


def _factor(market: SimulatedMarket) -> tuple[FloatArray, FloatArray]:
    """Log returns [T] of the market factor by night and by day, under its changing regimes."""
    change = market.generator("regime").random((market.sessions, 2))
    regimes = market.regimes
    state = np.zeros(market.sessions, dtype=np.int64)
    for t in range(1, market.sessions):
        state[t] = state[t - 1]
        if change[t, 0] < 1.0 / regimes[state[t]].mean_days:
            state[t] = (state[t] + 1 + int(change[t, 1] * (len(regimes) - 1))) % len(regimes)
    mean = np.array([regime.mean for regime in regimes])[state]
    volatility = np.array([regime.volatility for regime in regimes])[state]
    night, day = market.generator("factor").standard_normal((market.sessions, 2)).T
    share = market.overnight_share
    return volatility * np.sqrt(share) * night, mean + volatility * np.sqrt(1.0 - share) * day
