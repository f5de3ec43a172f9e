"""Recipes without a network: ridge, gradient boosting, momentum."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from nnstrategies.errors import ConfigError, FitError
from nnstrategies.samples import Samples
from nnstrategies.training.progress import Progress
from nnstrategies.training.recipe import Incumbent, RowPair, describe, training_rows
from nnstrategies.training.scaler import Scaler
from nnstrategies.training.targets import Target, unit_of, within_date
from nnstrategies.training.trees import export_trees
from nnstrategies.training.version import Version
from nnstrategies.typing import Float32Array


@dataclass(frozen=True)
class RidgeRecipe:
    """Linear regression with an L2 penalty of the return's place within its date on the window's last day.

    target: ``percent`` learns the return itself, in per cent, as models of a single symbol must.
    penalty is in units of the number of rows: coefficients = (X'X / M + penalty I)^-1 X'y / M with standardised X.
    """

    name: str = "ridge"
    penalty: float = 0.01
    target: Target = "rank"
    train_days: int | None = None
    embargo_days: int = 0
    stride_days: int = 1
    seeded: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.penalty >= 0:
            raise ConfigError(f"recipe {self.name}: penalty: expected 0 or more, got {self.penalty}")

    def fit(
        self,
        samples: Samples,
        asof: int,
        seed: int,
        incumbent: Incumbent | None = None,
        progress: Progress | None = None,
    ) -> Version:
        """Closed form, so neither seed nor incumbent matters; see Recipe."""
        known = samples.upto(asof)
        rows = training_rows(self, known)
        scaler, x, y = _tables(known, rows, self.target)
        x64 = x.astype(np.float64)
        gram = x64.T @ x64 / len(x64) + self.penalty * np.eye(x.shape[1])  # [F, F]
        level = float(y.mean(dtype=np.float64)) if self.target == "percent" else 0.0  # within a date it is 0
        coefficients = np.linalg.solve(gram, x64.T @ (y.astype(np.float64) - level) / len(x64))
        manifest = describe(known, rows, self.name, "ridge", 0) | {
            "config": dataclasses.asdict(self),
            "window": 1,
            "outputs": ["score"],
            "units": [unit_of(self.target)],
        }
        return Version(manifest, {"coefficients": coefficients, "intercept": np.array([level])}, scaler)


@dataclass(frozen=True)
class GradientBoostingRecipe:
    """scikit-learn's histogram gradient boosting of the same target on the same features as ridge.

    target: as of ridge, or ``percent``: the return itself, whose sign can confirm a pick.
    """

    name: str = "gradient_boosting"
    iterations: int = 100
    learning_rate: float = 0.05
    leaves: int = 15
    min_leaf: int = 200
    l2: float = 1.0
    target: Target = "rank"
    train_days: int | None = None
    embargo_days: int = 0
    stride_days: int = 1
    seeded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for key, holds, expected in (
            ("iterations", self.iterations >= 1, "at least 1"),
            ("learning_rate", self.learning_rate > 0, "more than 0"),
            ("leaves", self.leaves >= 2, "at least 2"),
            ("min_leaf", self.min_leaf >= 1, "at least 1"),
            ("l2", self.l2 >= 0, "0 or more"),
        ):
            if not holds:
                raise ConfigError(f"recipe {self.name}: {key}: expected {expected}, got {getattr(self, key)}")

    def fit(
        self,
        samples: Samples,
        asof: int,
        seed: int,
        incumbent: Incumbent | None = None,
        progress: Progress | None = None,
    ) -> Version:
        """Fit anew each time, whatever the incumbent; see Recipe."""
        known = samples.upto(asof)
        rows = training_rows(self, known)
        scaler, x, y = _tables(known, rows, self.target)
        model = HistGradientBoostingRegressor(
            max_iter=self.iterations,
            learning_rate=self.learning_rate,
            max_leaf_nodes=self.leaves,
            min_samples_leaf=min(self.min_leaf, max(1, len(x) // 20)),
            l2_regularization=self.l2,
            max_features=0.5,
            early_stopping=False,
            random_state=seed,
        )
        with threadpool_limits(1):
            model.fit(x, y)
        manifest = describe(known, rows, self.name, "trees", seed) | {
            "config": dataclasses.asdict(self),
            "window": 1,
            "outputs": ["score"],
            "units": [unit_of(self.target)],
        }
        return Version(manifest, export_trees(model), scaler)


@dataclass(frozen=True)
class MomentumRecipe:
    """The score is a feature as it stands; nothing is fitted."""

    name: str = "momentum"
    feature: str = "momentum_250_20"
    seeded: ClassVar[bool] = False

    def fit(
        self,
        samples: Samples,
        asof: int,
        seed: int,
        incumbent: Incumbent | None = None,
        progress: Progress | None = None,
    ) -> Version:
        """Raises FitError when the samples have no such feature; see Recipe."""
        known = samples.upto(asof)
        if self.feature not in known.features.names:
            raise FitError(f"{self.name}: the samples have no feature {self.feature!r}; add it to the features")
        nothing = np.zeros(0, dtype=np.int64)
        manifest = describe(known, (nothing, nothing), self.name, "feature", 0) | {
            "config": dataclasses.asdict(self),
            "feature": self.feature,
            "window": 1,
            "outputs": ["score"],
            "units": [self.feature],
        }
        return Version(manifest, {}, None)


def _tables(known: Samples, rows: RowPair, target: Target) -> tuple[Scaler, Float32Array, Float32Array]:
    """Scaler, scaled last-day features [M, F] and targets [M]."""
    t, n = rows
    x = known.features.values[n, t]
    scaler = Scaler.fit(x)
    returns = known.labels.returns[t, n] if known.labels.n_classes else known.labels.values[t, n]
    y = returns * np.float32(100) if target == "percent" else within_date(returns, t, target)
    return scaler, scaler(x), y
