"""Classifiers that the papers compare with: random forest, support vector machine, logistic regression; persistence.

All see the last day of a window, scaled as for ridge (NaN becomes the mean). With class labels they learn the classes;
of a ``return`` label they learn whether it lies above its date's median.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from nnstrategies.errors import ConfigError, FitError
from nnstrategies.samples import Samples
from nnstrategies.training.apply import outputs_of
from nnstrategies.training.progress import Progress
from nnstrategies.training.recipe import Incumbent, RowPair, Trailing, date_of, describe, training_rows
from nnstrategies.training.scaler import Scaler
from nnstrategies.training.targets import PERCENT, within_date
from nnstrategies.training.version import Version
from nnstrategies.typing import AnyArray, Float32Array, IntArray


@dataclass(frozen=True)
class Table:
    """The training rows of one fit: scaled last-day features x [M, F], classes y [M] from 0 to C - 1."""

    known: Samples
    rows: RowPair
    scaler: Scaler
    x: Float32Array
    y: IntArray
    n_classes: int


@dataclass(frozen=True)
class RandomForestRecipe:
    """scikit-learn's random forest of classification trees, its leaves' class shares averaged. A baseline of S2.

    S2 gives no settings. min_leaf: rows a leaf; rows_per_tree: size of each tree's bootstrap, at most.
    """

    name: str = "random_forest"
    trees: int = 100
    depth: int = 12
    min_leaf: int = 100
    rows_per_tree: int = 50_000
    train_days: int | None = None
    embargo_days: int = 0
    stride_days: int = 1
    seeded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _at_least_one(self, "trees", "depth", "min_leaf", "rows_per_tree", "stride_days")

    def fit(
        self,
        samples: Samples,
        asof: int,
        seed: int,
        incumbent: Incumbent | None = None,
        progress: Progress | None = None,
    ) -> Version:
        """Fit anew each time, whatever the incumbent; see Recipe."""
        table = _table(self, samples.upto(asof))
        model = RandomForestClassifier(
            n_estimators=self.trees,
            max_depth=self.depth,
            min_samples_leaf=min(self.min_leaf, max(1, len(table.x) // 20)),
            max_samples=min(self.rows_per_tree, len(table.x)),
            n_jobs=1,
            random_state=seed,
        )
        with threadpool_limits(1):
            model.fit(table.x, table.y)
        return _version(self, table, "forest", seed, _export_forest(model, table.n_classes), _outputs(table))


@dataclass(frozen=True)
class LogisticRecipe:
    """Multinomial logistic regression, a baseline of S2. The L2 penalty is in units of the number of rows."""

    name: str = "logistic"
    penalty: float = 0.01
    iterations: int = 200
    train_days: int | None = None
    embargo_days: int = 0
    stride_days: int = 1
    seeded: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _at_least_one(self, "iterations", "stride_days")
        _more_than_zero(self, "penalty")

    def fit(
        self,
        samples: Samples,
        asof: int,
        seed: int,
        incumbent: Incumbent | None = None,
        progress: Progress | None = None,
    ) -> Version:
        """A convex problem solved from 0, so neither seed nor incumbent matters; see Recipe."""
        table = _table(self, samples.upto(asof))
        model = LogisticRegression(C=1 / (self.penalty * len(table.x)), max_iter=self.iterations)
        with threadpool_limits(1):
            model.fit(table.x.astype(np.float64), table.y)
        # An absent class has share 0: exp(-inf). Two classes come as one row, the second's; the first's is 0.
        arrays = _spread(model.coef_, model.intercept_, model.classes_, table.n_classes, absent=-np.inf, mirror=0.0)
        return _version(self, table, "classifier", 0, arrays, _outputs(table), {"link": "softmax"})


@dataclass(frozen=True)
class SVMRecipe:
    """A support vector machine: radial kernel by Nystroem's landmarks, linear squared-hinge machine, one against rest.

    An exact kernel machine is quadratic in the rows (S2 has 672,000). gamma: of exp(-gamma |x - z|^2), None = 1 / F;
    penalty: C of the linear machine; most_rows: every k-th row beyond. S2 gives no settings. Outputs are margins, which
    are no probabilities.
    """

    name: str = "svm"
    landmarks: int = 300
    gamma: float | None = None
    penalty: float = 1.0
    most_rows: int = 100_000
    iterations: int = 1000
    train_days: int | None = None
    embargo_days: int = 0
    stride_days: int = 1
    seeded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _at_least_one(self, "landmarks", "most_rows", "iterations", "stride_days")
        _more_than_zero(self, "penalty", *(["gamma"] if self.gamma is not None else []))

    def fit(
        self,
        samples: Samples,
        asof: int,
        seed: int,
        incumbent: Incumbent | None = None,
        progress: Progress | None = None,
    ) -> Version:
        """Landmarks drawn by ``seed`` from the training rows; anew each time, whatever the incumbent; see Recipe."""
        table = _table(self, samples.upto(asof))
        every = 1 + (len(table.x) - 1) // self.most_rows
        x, y = table.x[::every].astype(np.float64), table.y[::every]
        gamma = self.gamma or 1 / x.shape[1]
        kernel = Nystroem(gamma=gamma, n_components=min(self.landmarks, len(x)), random_state=seed)
        machine = LinearSVC(C=self.penalty, dual=False, max_iter=self.iterations, random_state=seed)
        with threadpool_limits(1):
            machine.fit(kernel.fit_transform(x), y)
        coefficients = machine.coef_ @ kernel.normalization_  # [C, D]: of the kernel itself
        # One against rest with nothing on the one side says -1 everywhere.
        arrays = _spread(coefficients, machine.intercept_, machine.classes_, table.n_classes, absent=-1.0, mirror=-1.0)
        arrays |= {"landmarks": kernel.components_, "gamma": np.array([gamma])}
        return _version(self, table, "classifier", seed, arrays, _margins(table), {"link": "margin"})


@dataclass(frozen=True)
class PersistenceRecipe:
    """Tomorrow's price is today's: a forecast of no change for every symbol. What S3 and S5 have to beat.

    Nothing is fitted. Its price accuracy is high and it orders nothing; the last return continued is ``momentum`` with
    the feature ret_1.
    """

    name: str = "persistence"
    seeded: ClassVar[bool] = False

    def fit(
        self,
        samples: Samples,
        asof: int,
        seed: int,
        incumbent: Incumbent | None = None,
        progress: Progress | None = None,
    ) -> Version:
        """A linear forecast with all coefficients 0; see Recipe."""
        known = samples.upto(asof)
        nothing = np.zeros(0, dtype=np.int64)
        manifest = describe(known, (nothing, nothing), self.name, "ridge", 0) | {
            "config": dataclasses.asdict(self),
            "window": 1,
            "outputs": ["score"],
            "units": [PERCENT],
        }
        count = len(known.features.names)
        unscaled = Scaler(np.zeros(count, dtype=np.float32), np.ones(count, dtype=np.float32))
        return Version(manifest, {"coefficients": np.zeros(count), "intercept": np.zeros(1)}, unscaled)


def _table(recipe: Trailing, known: Samples) -> Table:
    t, n = rows = training_rows(recipe, known)
    x = known.features.values[n, t]
    scaler = Scaler.fit(x)
    if known.labels.n_classes:
        return Table(known, rows, scaler, scaler(x), known.labels.values[t, n].astype(np.int64), known.labels.n_classes)
    y = (within_date(known.labels.returns[t, n], t, "rank") > 0).astype(np.int64)
    if len(np.unique(y)) < 2:
        raise FitError(
            f"{recipe.name}: fit as of {date_of(known, known.T - 1)}: no return of {len(t)} training rows lies above "
            f"its date's median; expected different returns on a date; train on more symbols or give class labels"
        )
    return Table(known, rows, scaler, scaler(x), y, 2)


def _version(
    recipe: Any,
    table: Table,
    kind: str,
    seed: int,
    arrays: dict[str, AnyArray],
    outputs: dict[str, Any],
    extra: dict[str, Any] | None = None,
) -> Version:
    shared = describe(table.known, table.rows, recipe.name, kind, seed)
    return Version(
        shared | {"config": dataclasses.asdict(recipe), "window": 1} | outputs | (extra or {}), arrays, table.scaler
    )


def _outputs(table: Table) -> dict[str, Any]:
    names, units = outputs_of(table.n_classes)
    return {"outputs": list(names), "units": list(units)}


def _margins(table: Table) -> dict[str, Any]:
    classes = ("sell", "hold", "buy") if table.n_classes == 3 else ("down", "up")
    return {"outputs": ["score", *(f"margin_{c}" for c in classes)], "units": ["margin"] * (1 + len(classes))}


def _export_forest(model: RandomForestClassifier, n_classes: int) -> dict[str, AnyArray]:
    """All nodes of all trees, one array per field, children renumbered (-1 at a leaf); ``root`` [trees]."""
    trees = [one.tree_ for one in model.estimators_]
    sizes = np.array([tree.node_count for tree in trees], dtype=np.int64)
    root = np.cumsum(sizes) - sizes
    shift = np.repeat(root, sizes)
    left, right = (np.concatenate([getattr(tree, f"children_{side}") for tree in trees]) for side in ("left", "right"))
    share = np.zeros((int(sizes.sum()), n_classes))
    share[:, model.classes_] = np.concatenate([tree.value[:, 0, :] for tree in trees])  # shares since scikit-learn 1.3
    return {
        "root": root,
        "left": np.where(left >= 0, left + shift, -1),
        "right": np.where(right >= 0, right + shift, -1),
        "feature": np.concatenate([tree.feature for tree in trees]).astype(np.int64),
        "threshold": np.concatenate([tree.threshold for tree in trees]),
        "share": share,
    }


def _spread(
    coefficients: AnyArray, intercept: AnyArray, classes: IntArray, n_classes: int, absent: float, mirror: float
) -> dict[str, AnyArray]:
    """A row for each class [C, D]: absent ones constant; of two classes the first is ``mirror`` times the second."""
    if len(classes) == 2:
        coefficients = np.vstack([mirror * coefficients, coefficients])
        intercept = np.concatenate([mirror * intercept, intercept])
    whole, constant = np.zeros((n_classes, coefficients.shape[1])), np.full(n_classes, absent)
    whole[classes], constant[classes] = coefficients, intercept
    return {"coefficients": whole, "intercept": constant}


def _at_least_one(recipe: Any, *keys: str) -> None:
    for key in keys:
        if getattr(recipe, key) < 1:
            raise ConfigError(f"recipe {recipe.name}: {key}: expected at least 1, got {getattr(recipe, key)}")


def _more_than_zero(recipe: Any, *keys: str) -> None:
    for key in keys:
        if not getattr(recipe, key) > 0:
            raise ConfigError(f"recipe {recipe.name}: {key}: expected more than 0, got {getattr(recipe, key)}")
