"""Quantile returns and turnover of all features over a history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnstrategies.errors import DataError
from nnstrategies.factors.blocks import chosen_rows, cross_sections, date_blocks
from nnstrategies.factors.quantiles import quantile_of, quantile_returns, turnover
from nnstrategies.features.feature_set import Features
from nnstrategies.labels import Labels
from nnstrategies.typing import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class FactorQuantiles:
    """returns, turnover: [R, F, Q] of R dates (``rows`` [R] of the panel), F factors, Q groups, lowest first."""

    names: tuple[str, ...]
    horizon_days: int
    rows: IntArray
    returns: FloatArray
    turnover: FloatArray

    @property
    def mean(self) -> FloatArray:
        """[F, Q] mean return over dates."""
        return _mean(self.returns)

    @property
    def std_error(self) -> FloatArray:
        """[F, Q] standard error of that mean as if dates were independent: too small where horizons overlap."""
        count = np.isfinite(self.returns).sum(axis=0)
        apart = np.where(np.isfinite(self.returns), self.returns - self.mean, 0.0)
        valid = count > 1
        variance = np.divide((apart**2).sum(axis=0), count - 1, out=np.full(count.shape, np.nan), where=valid)
        return np.sqrt(variance / np.maximum(count, 1))

    @property
    def spread(self) -> FloatArray:
        """[R, F] return of the highest group less that of the lowest: long and short at 100 % each."""
        return self.returns[:, :, -1] - self.returns[:, :, 0]

    @property
    def mean_turnover(self) -> FloatArray:
        """[F, Q] mean over dates of the share of names that are new."""
        return _mean(self.turnover)


def factor_quantiles(
    features: Features,
    labels: Labels,
    mask: BoolArray,
    rows: Sequence[int] | IntArray | None = None,
    count: int = 5,
    lag: int = 1,
    relative: bool = False,
) -> FactorQuantiles:
    """Group the symbols of ``mask`` by every feature on the dates ``rows`` (default: all) and measure the groups.

    Groups are cut by what was known at t: a symbol without a later return keeps its place and leaves the mean only.
    lag: rows of ``rows`` between the two dates that turnover compares; pass month-ends and 1 for a monthly portfolio.
    """
    chosen = chosen_rows(features, mask, None if rows is None else np.asarray(rows, dtype=np.int64))
    if labels.returns.shape != mask.shape:
        raise DataError(f"factor quantiles: labels: expected shape {mask.shape}, got {labels.returns.shape}")
    shape = (len(chosen), len(features.names))
    groups = np.zeros((*shape, len(features.symbols)), dtype=np.int8)
    returns = np.full((*shape, count), np.nan)
    for part in date_blocks(features, chosen):
        groups[part] = quantile_of(cross_sections(features, mask, chosen[part]), count)
        whole = chosen[part] + 1 + labels.horizon_days < features.T
        if whole.any():
            later = labels.returns[chosen[part][whole]][:, None, :]  # [B, 1, N]
            returns[part][whole] = quantile_returns(groups[part][whole], later, count, relative)
    names_new = turnover(groups, count, lag)
    return FactorQuantiles(features.names, labels.horizon_days, chosen, returns, names_new)


def _mean(values: FloatArray) -> FloatArray:
    count = np.isfinite(values).sum(axis=0)
    total = np.where(np.isfinite(values), values, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
