"""A recipe that screens factors on training rows and scores by their equal-weight mean (system S4)."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nnstrategies.errors import ConfigError
from nnstrategies.factors.blocks import cross_sections, date_blocks
from nnstrategies.factors.cross_section import Outliers, limit_outliers, standardise
from nnstrategies.factors.factor_ics import Correlation, FactorICs, factor_ics
from nnstrategies.factors.horizons import FactorSamples
from nnstrategies.factors.orthogonal import mean_correlation
from nnstrategies.factors.screen import Screen, screen
from nnstrategies.samples import Samples
from nnstrategies.training.progress import Progress
from nnstrategies.training.recipe import Incumbent, date_of, describe, leaky_row, training_rows
from nnstrategies.training.version import Version
from nnstrategies.typing import FloatArray, IntArray


@dataclass(frozen=True)
class FactorScreenRecipe:
    """Every feature of the samples is a candidate factor; those that pass the screen are joined with equal weight.

    The screen reads ICs on training rows at the horizons of ``FactorSamples``, or at the label's alone. A label of any
    kind will do: only its return counts.

    correlation: rank (Spearman) or pearson. least_ic, least_ic_ir, least_factors: see ``screen``.
    outliers: how a cross-section is limited before it is standardised. orthogonal_above: the kept factors are freed
        from each other, strongest first, where the mean cross-sectional correlation of any two is above this in
        absolute value; 0 always, 1 never.
    leaky_until: a fit before this day reads returns up to it all the same, as a paper does that screens on a span which
        overlaps its test; only to measure what that gains.
    Source: Wu and Tang (2021), section 3; open there and our choice: rank, mad, 0.5.
    """

    name: str = "factor_screen"
    correlation: Correlation = "rank"
    least_ic: float = 0.02
    least_ic_ir: float = 0.6
    least_factors: int = 1
    outliers: Outliers = "mad"
    orthogonal_above: float = 0.5
    train_days: int | None = None
    embargo_days: int = 0
    stride_days: int = 1
    leaky_until: dt.date | None = None
    seeded: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for key, holds, expected in (
            ("least_ic", 0 <= self.least_ic < 1, "a number from 0 to below 1"),
            ("least_ic_ir", self.least_ic_ir >= 0, "0 or more"),
            ("least_factors", self.least_factors >= 0, "0 or more"),
            ("orthogonal_above", 0 <= self.orthogonal_above <= 1, "a number from 0 to 1"),
            ("stride_days", self.stride_days >= 1, "at least 1 session"),
        ):
            if not holds:
                raise ConfigError(f"{self.name}: {key}: expected {expected}, got {getattr(self, key)}")

    def fit(
        self,
        samples: Samples,
        asof: int,
        seed: int,
        incumbent: Incumbent | None = None,
        progress: Progress | None = None,
    ) -> Version:
        """Neither seed nor incumbent matters; FitError where no factor is left; see Recipe."""
        known = samples.upto(max(asof, leaky_row(samples, self.leaky_until)))
        rows = training_rows(self, known)
        dates = np.unique(rows[0])
        horizons = (isinstance(known, FactorSamples) and known.horizons) or (known.labels,)
        ics = factor_ics(known.features, horizons, known.mask, dates, self.correlation)
        decided = screen(ics, self.least_ic, self.least_ic_ir, self.least_factors)
        alike = _likeness(known, dates, decided, self.outliers)
        orthogonal = bool((alike > self.orthogonal_above).any()) or self.orthogonal_above == 0
        manifest = describe(known, rows, self.name, "factor_screen", 0) | {
            "config": dataclasses.asdict(self) | {"leaky_until": self.leaky_until and self.leaky_until.isoformat()},
            "trained_through": date_of(samples, asof).isoformat(),
            "window": 1,
            "outputs": ["score"],
            "units": ["mean of standardised factors"],
            "factors": list(decided.chosen_names),
            "orthogonal": orthogonal,
            "outliers": self.outliers,
            "screen": _told(ics, decided),
            "metrics": {"factors": len(decided.chosen), "passed": int(decided.passed.sum())},
        }
        return Version(manifest, {"columns": decided.chosen, "direction": decided.direction}, None)


def _likeness(known: Samples, dates: IntArray, decided: Screen, outliers: Outliers) -> FloatArray:
    """[pairs] absolute mean correlation of the kept factors, over at most 250 evenly spaced training dates."""
    some = dates[:: 1 + len(dates) // 250]
    blocks = [
        limit_outliers(cross_sections(known.features, known.mask, some[part])[:, decided.chosen], outliers)
        for part in date_blocks(known.features, some)
    ]
    pairs = mean_correlation(standardise(np.concatenate(blocks)))
    return np.nan_to_num(np.abs(pairs[np.triu_indices(len(decided.chosen), 1)]))


def _told(ics: FactorICs, decided: Screen) -> list[dict[str, Any]]:
    """What the screen saw of every factor, as plain values, NaN as None."""
    mean, ratio = ics.mean, ics.ic_ir
    return [
        {
            "factor": name,
            "passed": bool(decided.passed[f]),
            "mean_ic": {str(days): _plain(mean[h, f]) for h, days in enumerate(ics.horizons_days)},
            "ic_ir": {str(days): _plain(ratio[h, f]) for h, days in enumerate(ics.horizons_days)},
        }
        for f, name in enumerate(ics.names)
    ]


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
