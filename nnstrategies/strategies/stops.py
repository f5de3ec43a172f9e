"""Stop-loss distances that follow volatility: tight when it is high, loose when it is calm.

Source: system S2 (Shen, Zhuo, 2026), "dynamic stop-loss": distance = base x reference volatility / volatility, within
bounds; the constants are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnstrategies.errors import ConfigError
from nnstrategies.typing import FloatArray


@dataclass(frozen=True)
class StopSettings:
    """Distances are fractions of the entry price (0.10 = 10 %); volatilities are daily standard deviations.

    base: distance at the reference volatility. window_days: returns that measure volatility, ending at this close.
    take_profit: gain over the entry price at which to sell, None for never.
    """

    base: float = 0.10
    reference_volatility: float = 0.02
    min_distance: float = 0.04
    max_distance: float = 0.20
    window_days: int = 20
    take_profit: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.min_distance <= self.max_distance < 1:
            raise ConfigError(
                f"stop: expected 0 < min_distance <= max_distance < 1, got {self.min_distance} and {self.max_distance}"
            )
        if self.base <= 0 or self.reference_volatility <= 0 or self.window_days < 2:
            raise ConfigError("stop: base and reference_volatility must be positive, window_days at least 2")
        if self.take_profit is not None and self.take_profit <= 0:
            raise ConfigError(f"stop: take_profit must be positive or none, got {self.take_profit}")


def volatility(closes: FloatArray) -> FloatArray:
    """Standard deviation [N] of daily simple returns over adjusted closes [L, N]; NaN where a close is missing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        returns = closes[1:] / closes[:-1] - 1.0
        return returns.std(axis=0, ddof=1)


def stop_distance(vol: FloatArray, settings: StopSettings) -> FloatArray:
    """Distance [N] below the entry price: base x reference / vol, clipped; ``base`` where volatility is unknown."""
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = settings.base * settings.reference_volatility / vol
    known = np.where(np.isnan(distance), settings.base, distance)
    return np.clip(known, settings.min_distance, settings.max_distance)
