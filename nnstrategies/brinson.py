"""Performance attribution by group: what weights and what choices inside the groups added to an excess return.

Sources: Brinson, G. P., Fachler, N. (1985), "Measuring non-US equity portfolio performance", Journal of Portfolio
Management 11(3), 73-76, for one period; Carino, D. R. (1999), "Combining attribution effects over time", Journal of
Performance Measurement 3(4), 5-14, for the sum over periods.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnstrategies.typing import FloatArray

_EQUAL = 1e-12  # returns closer than this are equal


@dataclass(frozen=True)
class Effects:
    """Allocation, selection and interaction [K, G + 1] by period and group; the last group is cash."""

    allocation: FloatArray
    selection: FloatArray
    interaction: FloatArray

    @property
    def total(self) -> FloatArray:
        """[K, G + 1] their sum; over the groups it is the excess return that the groups explain."""
        return self.allocation + self.selection + self.interaction


def brinson_fachler(
    weights: FloatArray, gains: FloatArray, base_weights: FloatArray, base_gains: FloatArray
) -> Effects:
    """Effects of K periods from weights [K, G] at their beginning and contributions to the return [K, G].

    allocation = (w - v)(b_g - b), selection = v (r_g - b_g), interaction = (w - v)(r_g - b_g), with w, r_g of the
    portfolio and v, b_g, b of the benchmark. What the weights leave over is cash, which earns nothing. Where the
    benchmark holds nothing of a group, b_g is b: what the portfolio gains there is interaction.
    """
    w, v = _with_cash(weights), _with_cash(base_weights)
    gained, base = (np.hstack([x, np.zeros((len(x), 1))]) for x in (gains, base_gains))
    market = base.sum(axis=1, keepdims=True)
    benchmark = np.where(v != 0, base / np.where(v != 0, v, 1.0), market)
    benchmark[:, -1] = 0.0
    own = np.where(w != 0, gained / np.where(w != 0, w, 1.0), benchmark)
    ahead = own - benchmark
    return Effects((w - v) * (benchmark - market), v * ahead, (w - v) * ahead)


def _with_cash(weights: FloatArray) -> FloatArray:
    return np.hstack([weights, 1.0 - weights.sum(axis=1, keepdims=True)])


def linking(portfolio: FloatArray, benchmark: FloatArray) -> FloatArray:
    """Carino's factors [K]: effects of each period times these add up to the difference of the compounded returns.

    portfolio, benchmark: returns [K], above -1.
    """
    whole = [np.expm1(np.log1p(returns).sum(keepdims=True)) for returns in (portfolio, benchmark)]
    return _factor(portfolio, benchmark) / _factor(*whole)


def _factor(portfolio: FloatArray, benchmark: FloatArray) -> FloatArray:
    """(ln(1 + r) - ln(1 + b)) / (r - b), whose limit for r = b is 1 / (1 + r)."""
    gap = portfolio - benchmark
    alike = np.abs(gap) < _EQUAL
    return np.where(alike, 1.0 / (1.0 + portfolio), np.log1p(gap / (1.0 + benchmark)) / np.where(alike, 1.0, gap))
