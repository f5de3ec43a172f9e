"""How the stored arrays of a version turn windows into outputs; one function per kind of version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from nnstrategies.factors.combine import composite
from nnstrategies.models import build_model
from nnstrategies.training.classical_apply import classifier_apply, forest_apply
from nnstrategies.training.device import one_thread, resolve_device
from nnstrategies.training.trees import walk_trees
from nnstrategies.typing import AnyArray, Float32Array

# Rows per forward pass. A constant shape makes the outputs independent of how many symbols a market has.
CHUNK = {"cpu": 100, "cuda": 512}

Apply = Callable[[Float32Array], Float32Array]  # scaled windows [M, L, F] -> outputs [M, K]


def outputs_of(n_classes: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and units of a network's outputs; the first, ``score``, orders the cross-section."""
    if n_classes == 0:
        return ("score",), ("return standardised within its date",)
    if n_classes == 2:
        return ("score", "p_up"), ("P(up) - 1/2", "probability")
    names = ("score", "p_sell", "p_hold", "p_buy")
    return names, ("P(buy) - P(sell)", *["probability"] * 3)


def head_to_outputs(head: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """Head outputs [B, O] -> outputs [B, K], in the order of ``outputs_of``; above 1 probabilities are less sure."""
    if head.shape[1] == 1:
        return head
    p = torch.softmax(head.float() / temperature, dim=1)  # [B, C]
    score = p[:, 1] - 0.5 if head.shape[1] == 2 else p[:, -1] - p[:, 0]
    return torch.cat([score[:, None], p[:, 1:] if head.shape[1] == 2 else p], dim=1)


def load_network(manifest: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> nn.Module:
    """A version's network with its weights, ready to predict: scaled windows [B, L, F] -> head outputs [B, O]."""
    with torch.random.fork_rng(devices=[]):
        network = build_model(manifest["model"], manifest["n_features"], manifest["n_head"], manifest["settings"])
    network.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in arrays.items()})
    return network.eval()


def network_apply(manifest: Mapping[str, Any], arrays: Mapping[str, AnyArray], device_name: str) -> Apply:
    device = resolve_device(device_name)
    network, temperature = load_network(manifest, arrays).to(device), manifest.get("temperature", 1.0)
    chunk = CHUNK[device.type]

    @torch.inference_mode()
    def apply(x: Float32Array) -> Float32Array:
        out = []
        with one_thread():
            for first in range(0, len(x), chunk):
                part = x[first : first + chunk]
                padded = np.zeros((chunk, *x.shape[1:]), dtype=np.float32)
                padded[: len(part)] = part
                head = network(torch.from_numpy(padded).to(device))  # [chunk, L, F] -> [chunk, O]
                out.append(head_to_outputs(head, temperature)[: len(part)].cpu().numpy())
        return np.concatenate(out)

    return apply


def ridge_apply(manifest: Mapping[str, Any], arrays: Mapping[str, AnyArray], device_name: str) -> Apply:
    coefficients, intercept = arrays["coefficients"], arrays["intercept"]

    def apply(x: Float32Array) -> Float32Array:
        products = x[:, -1].astype(np.float64) * coefficients  # [M, F], summed row by row: no BLAS, no blocking
        return (products.sum(axis=1, keepdims=True) + intercept).astype(np.float32)

    return apply


def trees_apply(manifest: Mapping[str, Any], arrays: Mapping[str, AnyArray], device_name: str) -> Apply:
    return lambda x: walk_trees(arrays, x[:, -1])[:, None].astype(np.float32)


def feature_apply(manifest: Mapping[str, Any], arrays: Mapping[str, AnyArray], device_name: str) -> Apply:
    column = manifest["features"]["names"].index(manifest["feature"])
    return lambda x: x[:, -1, column : column + 1].astype(np.float32)


def factor_screen_apply(manifest: Mapping[str, Any], arrays: Mapping[str, AnyArray], device_name: str) -> Apply:
    columns, direction = arrays["columns"], arrays["direction"]
    outliers, orthogonal = manifest["outliers"], manifest["orthogonal"]

    def apply(x: Float32Array) -> Float32Array:
        factors = np.ascontiguousarray(x[:, -1, columns].T)  # one date's cross-section [M, 1, F] -> [K, M]
        return composite(factors, direction, outliers, orthogonal)[:, None].astype(np.float32)

    return apply


KINDS: dict[str, Callable[[Mapping[str, Any], Mapping[str, AnyArray], str], Apply]] = {
    "network": network_apply,
    "ridge": ridge_apply,
    "trees": trees_apply,
    "forest": forest_apply,
    "classifier": classifier_apply,
    "feature": feature_apply,
    "factor_screen": factor_screen_apply,
}
