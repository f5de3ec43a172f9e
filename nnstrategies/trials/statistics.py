"""What having tried many things does to the best of them. Sharpe ratios here are per return, not per year."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import norm, rankdata

from nnstrategies.errors import DataError
from nnstrategies.trials.record import TrialRecord
from nnstrategies.typing import FloatArray

_EULER = 0.5772156649015329
_LEAST_SHARED = 20  # dates on which a correlation of two trials means something


def sharpe(returns: FloatArray) -> float:
    """Mean over standard deviation; NaN for fewer than 2 returns or none that vary."""
    if len(returns) < 2 or not (deviation := float(np.std(returns, ddof=1))) > 0:
        return float("nan")
    return float(np.mean(returns)) / deviation


def expected_best(trials: float, variance: float) -> float:
    """The Sharpe ratio to expect of the best of ``trials`` independent ones that are all worth nothing.

    variance: of the Sharpe ratios over trials. Source: Bailey and Lopez de Prado, The Deflated Sharpe Ratio (2014),
    equation 1, around a mean of 0. 0 for a single trial.
    """
    if trials <= 1:
        return 0.0
    highest = (1 - _EULER) * norm.ppf(1 - 1 / trials) + _EULER * norm.ppf(1 - 1 / (trials * math.e))
    return math.sqrt(variance) * max(float(highest), 0.0)  # the approximation falls below 0 close to one trial


def probabilistic_sharpe(found: float, threshold: float, count: int, skew: float = 0.0, kurtosis: float = 3.0) -> float:
    """Probability that the true Sharpe ratio is above ``threshold``, given ``found`` over ``count`` returns.

    kurtosis: 3 for a normal distribution. Source: the same, equation 2.
    """
    scale = 1 - skew * found + (kurtosis - 1) / 4 * found**2
    if count < 2 or not scale > 0:
        return float("nan")
    return float(norm.cdf((found - threshold) * math.sqrt(count - 1) / math.sqrt(scale)))


def deflated_sharpe(returns: FloatArray, trials: float, variance: float) -> float:
    """Probability that the best of ``trials`` trials has a true Sharpe ratio above 0, given its returns [M].

    It is held against what the best of as many worthless ones would show. ``trials`` should be an effective number,
    ``variance`` that of the trials' Sharpe ratios. Source: the same. NaN where the returns do not vary.
    """
    values = np.asarray(returns, dtype=np.float64)
    found = sharpe(values)
    if not math.isfinite(found):
        return float("nan")
    z = (values - values.mean()) / values.std()
    skew, kurtosis = float(np.mean(z**3)), float(np.mean(z**4))
    return probabilistic_sharpe(found, expected_best(trials, variance), len(values), skew, kurtosis)


def effective_number(trials: Sequence[TrialRecord]) -> float:
    """How many independent trials so many correlated ones are worth: rho + (1 - rho) M, rho their mean correlation.

    Pairs with fewer than 20 dates in common count as uncorrelated, and so does a negative mean: both make the number
    larger, never smaller. Source: Bailey and Lopez de Prado (2014), appendix 3.
    """
    count = len(trials)
    if count < 2:
        return float(count)
    spans = {trial.span_days for trial in trials}
    total = sum(_correlations([trial for trial in trials if trial.span_days == span]) for span in spans)
    rho = max(2 * total / (count * (count - 1)), 0.0)
    return rho + (1 - rho) * count


class Standing(NamedTuple):
    """A trial among its peers: their number, the effective one, its Sharpe ratio a year, and that deflated."""

    trials: int
    effective: float
    sharpe: float
    deflated: float


def standing(trial: TrialRecord, peers: Sequence[TrialRecord]) -> Standing:
    """What ``trial`` is worth as one of ``peers``, all of its kind and it among them; see ``deflated_sharpe``.

    The variance of Sharpe ratios is that of the finished peers whose returns span as many sessions.
    """
    like = [one for one in peers if one.span_days == trial.span_days and one.state == "complete"]
    ratios = [ratio for one in like if math.isfinite(ratio := sharpe(one.returns))]
    variance = float(np.var(ratios, ddof=1)) if len(ratios) > 1 else 0.0
    effective = effective_number(peers)
    chance = deflated_sharpe(trial.returns, effective, variance)
    return Standing(len(peers), effective, sharpe(trial.returns) * math.sqrt(trial.per_year), chance)


class Overfitting(NamedTuple):
    """probability: share of splits whose best trial is in the lower half outside; logits: one a split."""

    probability: float
    logits: FloatArray


def probability_of_backtest_overfitting(returns: FloatArray, blocks: int = 16) -> Overfitting:
    """Combinatorially symmetric cross-validation of returns [T, N]: T dates of N trials.

    The dates are cut into ``blocks`` equal blocks (an even number; the first T mod blocks dates are left out). For each
    choice of half of them, the trial with the best Sharpe ratio there is ranked among all on the other half: relative
    rank w = rank / (N + 1), logit ln(w / (1 - w)). Source: Bailey, Borwein, Lopez de Prado and Zhu, The Probability of
    Backtest Overfitting (2015), section 3. DataError where there is too little to compare.
    """
    values = np.asarray(returns, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 2 or blocks < 2 or blocks % 2 or len(values) < 2 * blocks:
        raise DataError(
            f"overfitting: expected returns [T, N] of at least 2 trials over an even number of blocks of at least 2 "
            f"dates, got shape {values.shape} and {blocks} blocks"
        )
    if not np.isfinite(values).all():
        raise DataError("overfitting: expected a return of every trial on every date; leave dates out that lack some")
    size = len(values) // blocks
    parts = values[len(values) - size * blocks :].reshape(blocks, size, -1)  # [T, N] -> [S, T / S, N]
    sums, squares = parts.sum(axis=1), (parts**2).sum(axis=1)  # [S, N]
    logits = []
    for chosen in itertools.combinations(range(blocks), blocks // 2):
        inside = np.zeros(blocks, dtype=bool)
        inside[list(chosen)] = True
        best = int(np.argmax(_sharpes(sums[inside], squares[inside], size)))
        outside = _sharpes(sums[~inside], squares[~inside], size)
        rank = rankdata(outside)[best] / (values.shape[1] + 1)
        logits.append(math.log(rank / (1 - rank)))
    found = np.asarray(logits)
    return Overfitting(float(np.mean(found <= 0)), found)


def _sharpes(sums: FloatArray, squares: FloatArray, size: int) -> FloatArray:
    """Sharpe ratios [N] from sums and sums of squares [S / 2, N] of blocks of ``size`` dates; 0 for a constant."""
    count = size * len(sums)
    mean = sums.sum(axis=0) / count
    variance = (squares.sum(axis=0) - count * mean**2) / (count - 1)
    return np.divide(mean, np.sqrt(np.maximum(variance, 0)), out=np.zeros_like(mean), where=variance > 1e-18)


def _correlations(trials: Sequence[TrialRecord]) -> float:
    """Sum over pairs of the correlation on the dates that both have."""
    days, place = np.unique(np.concatenate([trial.dates for trial in trials]), return_inverse=True)
    has = np.zeros((len(trials), len(days)))
    x = np.zeros_like(has)
    bounds = np.cumsum([0, *(len(trial.dates) for trial in trials)])
    for row, (trial, first, last) in enumerate(zip(trials, bounds[:-1], bounds[1:], strict=True)):
        has[row, place[first:last]] = 1.0
        x[row, place[first:last]] = trial.returns / (np.abs(trial.returns).max(initial=0.0) or 1.0)
    count = np.maximum(has @ has.T, 1)  # [M, M], all sums over the shared dates
    mean = (x @ has.T) / count
    variance = ((x**2) @ has.T) / count - mean**2
    covariance = (x @ x.T) / count - mean * mean.T
    scale = variance * variance.T
    usable = (count >= _LEAST_SHARED) & (scale > 1e-24)
    rho = np.divide(covariance, np.sqrt(np.where(usable, scale, 1.0)), out=np.zeros_like(scale), where=usable)
    return float(np.triu(rho, 1).sum())
