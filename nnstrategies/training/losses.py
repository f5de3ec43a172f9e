"""What training minimises and validation measures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from nnstrategies.errors import ConfigError, FitError

NO_CLASS = -1  # a step without a known label; of values, NaN says the same


@dataclass(frozen=True)
class LossSettings:
    """How cross-entropy is changed in training; validation, early stop and promotion use it plain.

    label_smoothing: share of the target spread evenly over all classes (S2: 0.1). class_weights: ``equal`` (S4),
    ``balanced`` (inverse to the frequency among the training rows), or one number a class.
    """

    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | Literal["equal", "balanced"] = "equal"

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(f"loss: label_smoothing: expected from 0 to below 1, got {self.label_smoothing}")
        if isinstance(self.class_weights, str):
            if self.class_weights not in ("equal", "balanced"):
                raise ConfigError(
                    f"loss: class_weights: expected equal, balanced or numbers, got {self.class_weights!r}"
                )
            return
        object.__setattr__(self, "class_weights", tuple(self.class_weights))
        if len(self.class_weights) < 2 or not all(math.isfinite(w) and w > 0 for w in self.class_weights):
            raise ConfigError(f"loss: class_weights: expected positive numbers, got {list(self.class_weights)}")


class Objective:
    """The training loss of heads [B, O] and targets [B], or [B, K, O] and [B, K]: its mean over known targets."""

    def __init__(self, label_smoothing: float = 0.0, weights: Tensor | None = None) -> None:
        self.label_smoothing = label_smoothing
        self.weights = weights

    def __call__(self, head: Tensor, y: Tensor) -> Tensor:
        if y.dim() == 2:
            head, y = head.flatten(0, 1), y.flatten()  # [B, K, O], [B, K] -> [B * K, O], [B * K]
            known = y.isfinite() if y.is_floating_point() else y != NO_CLASS
            head, y = head[known], y[known]
        if y.is_floating_point():
            return loss_of(head, y)
        return nn.functional.cross_entropy(head.float(), y, self.weights, label_smoothing=self.label_smoothing)


def objective(settings: LossSettings, classes: Tensor, n_classes: int, where: str) -> Objective:
    """The loss of a fit whose training rows have these ``classes`` [M]; n_classes 0: values, squared error.

    Raises FitError where the settings do not fit the labels.
    """
    if n_classes == 0:
        if settings != LossSettings():
            raise FitError(
                f"{where}: label_smoothing and class_weights need class labels, got a return label; leave them out or "
                f"choose another label kind"
            )
        return Objective()
    return Objective(settings.label_smoothing, class_weights(settings, classes, n_classes, where))


def class_weights(settings: LossSettings, classes: Tensor, n_classes: int, where: str) -> Tensor | None:
    """[C] weights, or None for equal ones. balanced: M / (C * count), 0 for a class that no training row has."""
    if settings.class_weights == "equal":
        return None
    if settings.class_weights == "balanced":
        count = torch.bincount(classes.cpu(), minlength=n_classes).double()
        balanced = torch.where(count > 0, count.sum() / (n_classes * count.clamp(min=1)), 0.0)
        return balanced.float().to(classes.device)
    if len(settings.class_weights) != n_classes:
        raise FitError(
            f"{where}: class_weights: expected {n_classes} numbers, one a class, got {len(settings.class_weights)}; "
            f"give one for each class of the label"
        )
    return torch.tensor(settings.class_weights, dtype=torch.float32, device=classes.device)


def loss_of(head: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy for heads [B, C] and classes [B]; mean squared error for heads [B, 1] and values [B]."""
    if head.shape[1] == 1:
        return nn.functional.mse_loss(head.squeeze(-1).float(), y)
    return nn.functional.cross_entropy(head.float(), y)
