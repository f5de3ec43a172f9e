"""scikit-learn's gradient boosting as plain arrays: stored without pickle, walked with numpy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from nnstrategies.typing import AnyArray, FloatArray

_FIELDS = {
    "value": np.float64,
    "feature_idx": np.int64,
    "num_threshold": np.float64,
    "missing_go_to_left": np.uint8,
    "left": np.int64,
    "right": np.int64,
    "is_leaf": np.uint8,
}


def export_trees(model: HistGradientBoostingRegressor) -> dict[str, AnyArray]:
    """All nodes of all trees, one array per field [M], children renumbered; ``root`` [trees]; ``baseline`` [1].

    Numerical features only, which is all we train on.
    """
    nodes = [stage[0].nodes for stage in model._predictors]
    sizes = np.array([len(tree) for tree in nodes], dtype=np.int64)
    root = np.cumsum(sizes) - sizes
    arrays: dict[str, AnyArray] = {
        name: np.concatenate([tree[name] for tree in nodes]).astype(kind) for name, kind in _FIELDS.items()
    }
    shift = np.repeat(root, sizes)
    arrays["left"] += shift
    arrays["right"] += shift
    arrays["root"] = root
    arrays["baseline"] = np.asarray(model._baseline_prediction, dtype=np.float64).reshape(1)
    return arrays


def walk_trees(arrays: Mapping[str, AnyArray], x: AnyArray) -> FloatArray:
    """Predictions [M] for rows [M, F]: equal to the model's own, bit by bit."""
    x = np.asarray(x, dtype=np.float64)
    at = np.repeat(arrays["root"][:, None], len(x), axis=1)  # [trees, M]
    row = np.arange(len(x))[None, :]
    while True:
        inner = arrays["is_leaf"][at] == 0
        if not inner.any():
            break
        value = x[row, arrays["feature_idx"][at]]
        left = np.where(np.isnan(value), arrays["missing_go_to_left"][at] == 1, value <= arrays["num_threshold"][at])
        at = np.where(inner, np.where(left, arrays["left"][at], arrays["right"][at]), at)
    total = np.full(len(x), arrays["baseline"][0])
    for tree in arrays["value"][at]:  # in the order of the stages, as scikit-learn sums
        total += tree
    return total
