"""How alike the chosen stocks move, and how much less to invest where they move as one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnstrategies.errors import ConfigError
from nnstrategies.typing import BoolArray, FloatArray

_BLOCK = 256  # columns compared at a time: bounds memory where thousands are chosen
_NO_SPREAD = 1e-12  # of the mean square of a column's returns: a variance below is rounding


@dataclass(frozen=True)
class CorrelationSettings:
    """Above an average pairwise correlation of ``limit`` the exposure is multiplied by limit / average.

    window_days: daily returns that count, ending at the close of the decision. floor: the least share of the exposure
    that is left. limit: 1 only watches.
    """

    window_days: int = 60
    limit: float = 0.5
    floor: float = 0.5

    def __post_init__(self) -> None:
        if self.window_days < 3:
            raise ConfigError(f"correlation: window_days: expected at least 3 sessions, got {self.window_days}")
        if not 0 < self.limit <= 1:
            raise ConfigError(f"correlation: limit: expected 0 < correlation <= 1, got {self.limit}")
        if not 0 <= self.floor <= 1:
            raise ConfigError(f"correlation: floor: expected 0 <= share <= 1, got {self.floor}")

    def allowed(self, average: float) -> float:
        """Share of the exposure that an average correlation leaves; 1 where it is not known."""
        return 1.0 if not average > self.limit else max(self.limit / average, self.floor)


def daily_returns(closes: FloatArray, traded: BoolArray) -> FloatArray:
    """Simple returns [L, N] of adjusted closes [L + 1, N]; NaN unless the symbol traded on both sessions.

    A suspended stock repeats its close, and its first return afterwards covers many days: neither is a daily return.
    """
    both = traded[1:] & traded[:-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(both, closes[1:] / closes[:-1] - 1.0, np.nan)


def average_correlation(returns: FloatArray, least: int) -> float:
    """Mean of the correlations of all pairs of columns of ``returns`` [L, M]; NaN where there is no pair.

    Each pair over the sessions on which both have a return; a pair with fewer than ``least`` of them, or one that
    does not vary on them, is left out.
    """
    known = np.isfinite(returns)
    raw, count = np.where(known, returns, 0.0), np.maximum(known.sum(axis=0), 1)
    least_variance = _NO_SPREAD * (raw**2).sum(axis=0) / count  # [M]
    centred = np.where(known, raw - raw.sum(axis=0) / count, 0.0)  # keeps the sums of products small
    total, pairs = 0.0, 0
    for begin in range(0, returns.shape[1], _BLOCK):
        block = slice(begin, begin + _BLOCK)
        found = _correlations(centred, known.astype(np.float64), block, least, least_variance)  # [B, M]
        found[np.arange(found.shape[0]), np.arange(begin, begin + found.shape[0])] = np.nan  # with itself
        total += float(np.nansum(found))
        pairs += int(np.isfinite(found).sum())
    return total / pairs if pairs else float("nan")


def _correlations(x: FloatArray, known: FloatArray, block: slice, least: int, noise: FloatArray) -> FloatArray:
    """[B, M] correlations of the columns in ``block`` with all columns, pair by pair over their common sessions."""
    own, own_known = x[:, block].T, known[:, block].T  # [B, L]
    common = own_known @ known
    n = np.maximum(common, 1.0)
    mean_own, mean_other = own @ known / n, own_known @ x / n
    variance_own = (own**2) @ known / n - mean_own**2
    variance_other = own_known @ (x**2) / n - mean_other**2
    usable = (common >= least) & (variance_own > noise[block, None]) & (variance_other > noise)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (own @ x / n - mean_own * mean_other) / np.sqrt(variance_own * variance_other)
    return np.where(usable, np.clip(found, -1.0, 1.0), np.nan)
