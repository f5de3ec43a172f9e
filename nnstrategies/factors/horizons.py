"""Returns over several horizons beside one set of features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnstrategies.errors import DataError
from nnstrategies.labels import Labels, forward_return
from nnstrategies.panel import Panel
from nnstrategies.samples import Samples
from nnstrategies.typing import IntArray


def forward_returns(panel: Panel, horizons_days: Sequence[int]) -> tuple[Labels, ...]:
    """One ``forward_return`` per horizon, from the open of t + 1 to the open of t + 1 + horizon_days."""
    return tuple(forward_return(panel, days) for days in horizons_days)


@dataclass(frozen=True)
class FactorSamples(Samples):
    """Samples that carry the returns of further horizons, which a factor screen needs.

    horizons: labels by rising horizon; one of them has the horizon and the returns of ``labels``, wherever both are
        known. It is checked, so that nobody exchanges the labels (shuffles them, say) and leaves true returns beside
        them. Empty: ``labels`` alone.
    """

    horizons: tuple[Labels, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.horizons:
            return
        days = [labels.horizon_days for labels in self.horizons]
        if days != sorted(set(days)) or self.labels.horizon_days not in days:
            raise DataError(
                f"factor samples: horizons: expected rising horizons, {self.labels.horizon_days} sessions of the "
                f"labels among them, got {days}"
            )
        for labels in self.horizons:
            if labels.returns.shape != self.mask.shape:
                raise DataError(
                    f"factor samples: horizon {labels.horizon_days}: expected shape [T, N] = {self.mask.shape}, got "
                    f"{labels.returns.shape}"
                )
        same = self.horizons[days.index(self.labels.horizon_days)]
        both = np.isfinite(same.returns) & np.isfinite(self.labels.returns)  # a median can make a label known later
        if (same.returns[both] != self.labels.returns[both]).any():
            raise DataError(
                f"factor samples: the labels' returns differ from those of the same horizon, {same.horizon_days} "
                f"sessions; whatever changes the labels must change the horizons alike"
            )

    @classmethod
    def join(cls, samples: Samples, horizons: Sequence[Labels]) -> FactorSamples:
        """``samples`` with further horizons, computed from the same panel."""
        return cls(samples.features, samples.labels, samples.mask, samples.group, samples.window, tuple(horizons))

    def only(self, symbols: IntArray) -> FactorSamples:
        """See ``Samples.only``."""
        plain = Samples(self.features, self.labels, self.mask, self.group, self.window).only(symbols)
        return self.join(plain, [labels.of_columns(symbols) for labels in self.horizons])

    def permuted(self, order: IntArray) -> FactorSamples:
        """See ``Samples.permuted``: every horizon moves with the labels."""
        horizons = tuple(labels.of_columns(order) for labels in self.horizons)
        return replace(self, labels=self.labels.of_columns(order), horizons=horizons)

    def moved(self, days: IntArray) -> FactorSamples:
        """See ``Samples.moved``: every horizon moves with the labels."""
        horizons = tuple(labels.moved(days) for labels in self.horizons)
        return replace(self, labels=self.labels.moved(days), horizons=horizons)

    def upto(self, t: int) -> FactorSamples:
        """What is known at the close of session t, of every horizon."""
        return replace(
            self,
            features=self.features.upto(t),
            labels=self.labels.upto(t),
            mask=self.mask[: t + 1],
            horizons=tuple(labels.upto(t) for labels in self.horizons),
        )
