"""The information coefficients of all features at several horizons, and their means over dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from nnstrategies.errors import ConfigError, DataError
from nnstrategies.factors.blocks import chosen_rows, cross_sections, date_blocks
from nnstrategies.factors.ic import ic, rank_ic
from nnstrategies.features.feature_set import Features
from nnstrategies.labels import Labels
from nnstrategies.typing import BoolArray, FloatArray, IntArray

Correlation = Literal["rank", "pearson"]

_HOW = {"rank": rank_ic, "pearson": ic}


@dataclass(frozen=True)
class FactorICs:
    """values: [H, R, F] of H horizons, R dates and F factors, NaN where there is none; rows: [R] of the panel."""

    names: tuple[str, ...]
    horizons_days: tuple[int, ...]
    rows: IntArray
    values: FloatArray

    @property
    def dates(self) -> IntArray:
        """[H, F] number of dates with a value."""
        return np.isfinite(self.values).sum(axis=1)

    @property
    def mean(self) -> FloatArray:
        """[H, F] mean over dates, NaN without any."""
        total = np.where(np.isfinite(self.values), self.values, 0.0).sum(axis=1)
        return np.divide(total, self.dates, out=np.full(total.shape, np.nan), where=self.dates > 0)

    @property
    def std(self) -> FloatArray:
        """[H, F] sample standard deviation over dates (n - 1), NaN with fewer than two."""
        apart = np.where(np.isfinite(self.values), self.values - self.mean[:, None], 0.0)
        count = self.dates - 1
        total = (apart**2).sum(axis=1)
        return np.sqrt(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))

    @property
    def ic_ir(self) -> FloatArray:
        """[H, F] mean over standard deviation, per date and not annualised; NaN where the IC never varied."""
        std = self.std
        return np.divide(self.mean, std, out=np.full(std.shape, np.nan), where=std > 1e-12)

    def table(self) -> pd.DataFrame:
        """A row per factor and horizon: dates, mean, std, ic_ir, and the share of dates with an IC above 0."""
        with np.errstate(invalid="ignore"):
            positive = np.where(self.dates > 0, (self.values > 0).sum(axis=1) / np.maximum(self.dates, 1), np.nan)
        columns = {"dates": self.dates, "mean": self.mean, "std": self.std, "ic_ir": self.ic_ir, "positive": positive}
        index = pd.MultiIndex.from_product([self.names, self.horizons_days], names=["factor", "horizon_days"])
        return pd.DataFrame({name: values.T.ravel() for name, values in columns.items()}, index=index)


def factor_ics(
    features: Features,
    horizons: Sequence[Labels],
    mask: BoolArray,
    rows: Sequence[int] | IntArray | None = None,
    correlation: Correlation = "rank",
) -> FactorICs:
    """ICs of every feature with the returns of every horizon, on the dates ``rows`` (default: all), within ``mask``.

    A date counts at a horizon only if t + 1 + horizon_days lies within the labels' sessions: later dates have returns
    of those symbols only that left early. Raises DataError for shapes that do not belong together.
    """
    if correlation not in _HOW:
        raise ConfigError(f"factors: correlation: expected rank or pearson, got {correlation!r}")
    chosen = chosen_rows(features, mask, None if rows is None else np.asarray(rows, dtype=np.int64))
    if not horizons or any(labels.returns.shape != mask.shape for labels in horizons):
        got = [labels.returns.shape for labels in horizons]
        raise DataError(f"factor ics: horizons: expected one or more labels of shape [T, N] = {mask.shape}, got {got}")
    out = np.full((len(horizons), len(chosen), len(features.names)), np.nan)
    for part in date_blocks(features, chosen):
        block = cross_sections(features, mask, chosen[part])  # [B, F, N]
        for h, labels in enumerate(horizons):
            whole = chosen[part] + 1 + labels.horizon_days < features.T
            if whole.any():
                returns = labels.returns[chosen[part][whole]][:, None, :]  # [B, 1, N]
                out[h, part][whole] = _HOW[correlation](block if whole.all() else block[whole], returns)
    return FactorICs(features.names, tuple(labels.horizon_days for labels in horizons), chosen, out)
