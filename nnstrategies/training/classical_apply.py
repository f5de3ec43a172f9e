"""The stored arrays of forests and linear classifiers applied with numpy: no pickle, no scikit-learn, row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nnstrategies.typing import AnyArray, Float32Array, FloatArray

_ROWS = 100  # at a time: bounds the memory of the kernel

Apply = Callable[[Float32Array], Float32Array]  # scaled windows [M, L, F] -> outputs [M, K]


def forest_apply(manifest: Mapping[str, Any], arrays: Mapping[str, AnyArray], device_name: str) -> Apply:
    return lambda x: outputs_from_shares(walk_forest(arrays, x[:, -1]))


def classifier_apply(manifest: Mapping[str, Any], arrays: Mapping[str, AnyArray], device_name: str) -> Apply:
    """Linear in the last day's features, or in their kernel with ``landmarks``; softmax, or bare margins."""
    margins = manifest["link"] == "margin"

    def apply(x: Float32Array) -> Float32Array:
        found = linear(arrays, x[:, -1])
        return outputs_from_margins(found) if margins else outputs_from_shares(softmax(found))

    return apply


def walk_forest(arrays: Mapping[str, AnyArray], x: AnyArray) -> FloatArray:
    """Class shares [M, C] of rows [M, F]: the mean over the trees, summed in their order as scikit-learn does."""
    x = np.asarray(x, dtype=np.float32)
    at = np.repeat(arrays["root"][:, None], len(x), axis=1)  # [trees, M]
    row = np.arange(len(x))[None, :]
    while True:
        inner = arrays["left"][at] >= 0
        if not inner.any():
            break
        value = x[row, np.where(inner, arrays["feature"][at], 0)]
        down = np.where(value <= arrays["threshold"][at], arrays["left"][at], arrays["right"][at])
        at = np.where(inner, down, at)
    total = np.zeros((len(x), arrays["share"].shape[1]))
    for tree in at:
        total += arrays["share"][tree]  # [M, C]
    return total / len(at)


def linear(arrays: Mapping[str, AnyArray], x: AnyArray) -> FloatArray:
    """Decision values [M, C] of rows [M, F]; with ``landmarks`` [D, F] of exp(-gamma |x - landmark|^2) [M, D].

    Each row is summed alone, so that its bytes do not depend on the others.
    """
    out = np.empty((len(x), len(arrays["intercept"])))
    for first in range(0, len(x), _ROWS):
        part = np.asarray(x[first : first + _ROWS], dtype=np.float64)  # [R, F]
        if "landmarks" in arrays:
            distance = ((part[:, None, :] - arrays["landmarks"]) ** 2).sum(axis=2)  # [R, D, F] -> [R, D]
            part = np.exp(-arrays["gamma"][0] * distance)
        products = part[:, None, :] * arrays["coefficients"]  # [R, C, D]
        out[first : first + _ROWS] = products.sum(axis=2) + arrays["intercept"]
    return out


def softmax(decision: FloatArray) -> FloatArray:
    """Shares [M, C] of decision values [M, C]."""
    e = np.exp(decision - decision.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def outputs_from_shares(p: FloatArray) -> Float32Array:
    """Outputs [M, K] in the order of ``outputs_of``: score and P(up), or score and the three probabilities."""
    if p.shape[1] == 2:
        return np.column_stack([p[:, 1] - 0.5, p[:, 1]]).astype(np.float32)
    return np.column_stack([p[:, -1] - p[:, 0], p]).astype(np.float32)


def outputs_from_margins(m: FloatArray) -> Float32Array:
    """Outputs [M, 1 + C]: margin of the highest class less that of the lowest, then each margin."""
    return np.column_stack([m[:, -1] - m[:, 0], m]).astype(np.float32)
