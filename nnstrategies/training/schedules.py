"""How far and where each update goes: the learning rate by epoch, the optimiser, S5's step length and direction."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from nnstrategies.errors import ConfigError


@dataclass(frozen=True)
class Schedule:
    """The learning rate by epoch.

    step: times the recipe's ``lr_decay`` after every ``epochs`` epochs (None: each). cosine: half a cosine from lr to
    ``floor`` times lr over ``epochs`` epochs (None: the recipe's), there it stays (Loshchilov, Hutter, 2017; S2, 4.2,
    which gives neither length nor floor).
    """

    kind: Literal["step", "cosine"] = "step"
    epochs: int | None = None
    floor: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in ("step", "cosine"):
            raise ConfigError(f"schedule: kind: expected step or cosine, got {self.kind!r}")
        if self.epochs is not None and self.epochs < 1:
            raise ConfigError(f"schedule: epochs: expected at least 1, got {self.epochs}")
        if not 0 <= self.floor < 1:
            raise ConfigError(f"schedule: floor: expected from 0 to below 1, got {self.floor}")
        if self.kind == "step" and self.floor:
            raise ConfigError(f"schedule: floor: belongs to kind cosine, got {self.floor} with step; leave it out")

    def rate(self, lr: float, decay: float, epoch: int, epochs: int) -> float:
        """The learning rate of ``epoch``, counted from 1."""
        if self.kind == "step":
            return lr * decay ** ((epoch - 1) // (self.epochs or 1))
        done = min(1.0, (epoch - 1) / (self.epochs or epochs))
        return lr * (self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * done)))


@dataclass(frozen=True)
class Optimiser:
    """adam: Adam with decoupled weight decay. descent: S5's gradient descent (III.B).

    Its k-th step has length lr / (loss_k + alpha), the paper's own with lr = 1; with probability ``random_direction`` a
    random direction, of the gradient's norm, and a random share of that length take the gradient's place. The paper
    gives neither number.
    """

    kind: Literal["adam", "descent"] = "adam"
    alpha: float = 1.0
    random_direction: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in ("adam", "descent"):
            raise ConfigError(f"optimiser: kind: expected adam or descent, got {self.kind!r}")
        if not 0 < self.alpha < math.inf:
            raise ConfigError(f"optimiser: alpha: expected more than 0, got {self.alpha}")
        if not 0 <= self.random_direction <= 1:
            raise ConfigError(f"optimiser: random_direction: expected from 0 to 1, got {self.random_direction}")
        if self.kind == "adam" and (self.alpha != 1.0 or self.random_direction):
            raise ConfigError("optimiser: alpha and random_direction belong to kind descent; leave them out with adam")

    def build(self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float) -> torch.optim.Optimizer:
        if self.kind == "adam":
            return torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay)
        return torch.optim.SGD(parameters, lr=lr, weight_decay=weight_decay)

    def step(self, optimiser: torch.optim.Optimizer, lr: float, loss: Tensor) -> None:
        """One update with the gradients at hand; ``loss`` is the batch's."""
        if self.kind == "descent":
            length = lr / (float(loss) + self.alpha)
            if self.random_direction and float(torch.rand(())) < self.random_direction:
                length *= float(torch.rand(()))
                _turn_at_random([p for group in optimiser.param_groups for p in group["params"]])
            set_rate(optimiser, length)
        optimiser.step()


def set_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = lr


def _turn_at_random(parameters: list[nn.Parameter]) -> None:
    """Replace the gradient, all parameters taken together, by a random direction of the same norm."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in gradients]))
    for gradient in gradients:
        gradient.normal_()
    drawn = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in gradients]))
    for gradient in gradients:
        gradient.mul_(norm / drawn)
