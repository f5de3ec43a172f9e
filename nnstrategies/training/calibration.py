"""One number that makes a classifier's probabilities as sure as they were right on rows it was not fitted to."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from nnstrategies.training.batches import Examples
from nnstrategies.typing import FloatArray, IntArray

LEAST, MOST = 0.1, 100.0  # temperature: ten times as sure as the network, and next to knowing nothing
_ROWS = 1024
_HALVINGS = 60


@torch.no_grad()
def fitted_temperature(network: nn.Module, examples: Examples) -> float:
    """The temperature of a network's class heads on these examples; the network is left in evaluation mode."""
    network.eval()
    parts = [(network(x).double().cpu().numpy(), y.cpu().numpy()) for x, y in examples.in_order(_ROWS)]
    return temperature(np.concatenate([head for head, _ in parts]), np.concatenate([y for _, y in parts]))


def temperature(head: FloatArray, classes: IntArray) -> float:
    """The T from 0.1 to 100 that gives softmax(head / T) of heads [M, C] the lowest cross-entropy against classes [M].

    Guo, Pleiss, Sun, Weinberger (2017), section 4.2. Cross-entropy is convex in 1 / T, so its slope, the mean head of
    the expected class less that of the true one, is halved down to its zero. No order of scores changes.
    """
    true = head[np.arange(len(head)), classes]
    low, high = 1 / MOST, 1 / LEAST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        scaled = middle * head
        share = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        too_sure = float(((share * head).sum(axis=1) - true).mean()) > 0
        low, high = (low, middle) if too_sure else (middle, high)
    return float(2 / (low + high))
