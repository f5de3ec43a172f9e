"""What the simulated market knows about itself: the best possible forecast, in closed form, before any training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nnstrategies.errors import DataError
from nnstrategies.panel import Panel
from nnstrategies.typing import BoolArray, FloatArray

PARTS = ("linear", "non_linear", "order")


def decay(half_life_days: float) -> float:
    """Return rho, the share of a state that is left after one session."""
    return float(0.5 ** (1.0 / half_life_days))


def states(
    eps: FloatArray, eta: FloatArray, rho: float, strengths: Mapping[str, float] | None = None
) -> dict[str, FloatArray]:
    """Return the state of each part [T, N], each of mean 0 and variance about 1, known at the close of its row.

    eps, eta: standardised shocks of return and log volume [T, N], 0 where the symbol did not trade. s^2 = 1 - rho^2;

        u_t = rho u_{t-1} + s eps_t,   w_t = rho w_{t-1} + s eta_t
        linear_t = -u_t,   non_linear_t = u_t w_t
        order_t = rho order_{t-1} + s (eps_t eta_{t-1} - eta_t eps_{t-1}) / sqrt(2)

    Swapping return and volume leaves ``non_linear`` as it is and turns the sign of ``order``, so they are uncorrelated.
    With ``strengths``, eps is taken for the whole move; the drift that the states of the day before imply is removed.
    """
    scale = np.sqrt(1.0 - rho**2)
    found = {part: np.empty_like(eps) for part in PARTS}
    u, w, order, shock, surprise = np.zeros((5, eps.shape[1]))
    for t in range(len(eps)):
        drift = np.zeros_like(u)
        if strengths is not None:
            drift = strengths["linear"] * -u + strengths["non_linear"] * u * w + strengths["order"] * order
        now = np.where(eps[t] == 0.0, 0.0, eps[t] - drift)
        order = rho * order + scale * (now * surprise - eta[t] * shock) / np.sqrt(2.0)
        u, w = rho * u + scale * now, rho * w + scale * eta[t]
        shock, surprise = now, eta[t]
        found["linear"][t], found["non_linear"][t], found["order"][t] = -u, u * w, order
    return found


def recover_shocks(panel: Panel, warm_up: int = 20) -> tuple[FloatArray, FloatArray]:
    """Return estimates of a day's move and volume shock [T, N] from prices and volumes alone, known at the row's close.

    Log return less the cross-section's mean, over its own volatility; log volume less its own mean, over its own
    deviation; all taken from the 250 sessions before. 0 without a trade or with less than ``warm_up`` days of history.
    """
    traded = np.where(panel.trading, 1.0, np.nan)
    move = np.diff(np.log(panel.adjusted("close")), axis=0, prepend=np.nan) * traded
    move = move - pd.DataFrame(move).mean(axis=1).to_numpy()[:, None]
    log_volume = np.log(panel.adjusted("volume") * traded)
    past_move, past_volume = _trailing(move, warm_up), _trailing(log_volume, warm_up)
    eps = move / past_move.std().to_numpy()
    eta = (log_volume - past_volume.mean().to_numpy()) / past_volume.std().to_numpy()
    return np.nan_to_num(eps), np.nan_to_num(eta)


def _trailing(values: FloatArray, warm_up: int) -> pd.api.typing.Rolling:
    return pd.DataFrame(values).shift(1).rolling(250, min_periods=warm_up)


@dataclass(frozen=True)
class Truth:
    """The states that drive the drift, and the conditional expectations that follow from them.

    strengths: part -> drift of the next session per unit of state, in units of the symbol's daily volatility.
    sigma: [N] daily idiosyncratic volatility. values: part -> state [T, N], NaN where the symbol is not listed.
    signal: False when the market was made without the drift; scores then say what would have been, and the best
        possible rank IC is 0 by construction.
    """

    strengths: Mapping[str, float]
    sigma: FloatArray
    values: Mapping[str, FloatArray]
    rho: float
    horizon_days: int
    signal: bool

    def recompute(self, panel: Panel) -> dict[str, FloatArray]:
        """Estimate the states [T, N] from the panel's prices and volumes alone, row by row: all of it could be known.

        The first year is a warm-up. The parts of the drift are removed from the moves before they count as shocks.
        """
        return states(*recover_shocks(panel), self.rho, self.strengths if self.signal else None)

    @property
    def parts(self) -> dict[str, FloatArray]:
        """Oracle scores [T, N] of each part and of their sum ``total`` for the market's own horizon."""
        return self.oracle(self.horizon_days)

    def oracle(self, horizon_days: int) -> dict[str, FloatArray]:
        """Return each part of the expected return from the open of t + 1 to that of t + 1 + horizon_days, [T, N].

        Given the close of t, for a symbol that trades throughout and to first order; the market's own mean is left out.
        The drift of a session is earned between its open and its close, so exactly ``horizon_days`` drifts lie inside.
        E[x_{t+k}] is rho^k x_t for ``linear`` and ``order``, rho^{2k} x_t for ``non_linear``: a geometric sum.
        """
        scores = {}
        for part in PARTS:
            keep = self.rho**2 if part == "non_linear" else self.rho
            days = (1.0 - keep**horizon_days) / (1.0 - keep)
            scores[part] = self.sigma * (self.strengths[part] * days) * self.values[part]
        scores["total"] = scores["linear"] + scores["non_linear"] + scores["order"]
        return scores

    def rank_ic(self, returns: FloatArray, mask: BoolArray, first: int, last: int) -> dict[str, float]:
        """Mean rank correlation by date of each part's oracle with ``returns`` [T, N] over rows first..last.

        Only cells with ``mask`` and a finite return count; dates with fewer than 3 of them are left out. NaN when no
        date is left. Without the signal this measures chance.
        """
        return {part: mean_rank_ic(score, returns, mask, first, last) for part, score in self.parts.items()}

    def best_rank_ic(self, returns: FloatArray, mask: BoolArray, first: int, last: int) -> dict[str, float]:
        """What a perfect forecaster of each part would score on these labels: ``rank_ic``, or 0 without the signal."""
        if not self.signal:
            return dict.fromkeys((*PARTS, "total"), 0.0)
        return self.rank_ic(returns, mask, first, last)

    def found(self, scores: FloatArray, mask: BoolArray, first: int, last: int) -> dict[str, float]:
        """Mean rank correlation by date of a model's ``scores`` [T, N] with each part's oracle: what it found."""
        return {part: mean_rank_ic(scores, score, mask, first, last) for part, score in self.parts.items()}


def mean_rank_ic(scores: FloatArray, returns: FloatArray, mask: BoolArray, first: int, last: int) -> float:
    """Mean over rows first..last of the Spearman correlation across symbols; NaN when no row has 3 usable symbols."""
    if not scores.shape == returns.shape == mask.shape:
        raise DataError(f"rank IC: expected equal shapes [T, N], got {scores.shape}, {returns.shape} and {mask.shape}")
    rows = slice(first, last + 1)
    usable = mask[rows] & np.isfinite(scores[rows]) & np.isfinite(returns[rows])
    x = _centred_ranks(scores[rows], usable)
    y = _centred_ranks(returns[rows], usable)
    norm = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    valid = (usable.sum(axis=1) >= 3) & (norm > 0)
    return float(np.mean((x * y).sum(axis=1)[valid] / norm[valid])) if valid.any() else float("nan")


def _centred_ranks(values: FloatArray, usable: BoolArray) -> FloatArray:
    ranks = pd.DataFrame(np.where(usable, values, np.nan)).rank(axis=1)
    return np.nan_to_num(ranks.sub(ranks.mean(axis=1), axis=0).to_numpy())
