"""Variations of training windows. Validation and prediction never see them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nnstrategies.errors import ConfigError
from nnstrategies.training.batches import Examples, Windows
from nnstrategies.typing import AnyArray, BoolArray, IntArray


@dataclass(frozen=True)
class Augment:
    """What S2 adds to its windows (3.2.2, 4.2); the paper gives no strengths, so 0 is the default of all.

    noise: standard deviation of Gaussian noise, in standard deviations of a feature. mixup: both parameters of the Beta
    distribution of the share (Zhang et al., 2018). time_shift: up to how many sessions earlier a window may end.
    fgsm: how far each value moves along the sign of the loss's gradient (Goodfellow et al., 2015); half of the loss is
    then that of the moved window. leaky_time_shift: up to how many sessions later a window may end too, inside its own
    label and, at the end of the training rows, across the split; 0 in everything honest.
    """

    noise: float = 0.0
    mixup: float = 0.0
    time_shift: int = 0
    fgsm: float = 0.0
    leaky_time_shift: int = 0

    def __post_init__(self) -> None:
        for key in ("noise", "mixup", "time_shift", "fgsm", "leaky_time_shift"):
            if not 0 <= getattr(self, key) < float("inf"):
                raise ConfigError(f"augment: {key}: expected 0 or more, got {getattr(self, key)}")

    @property
    def shifts(self) -> bool:
        """Whether windows end at other sessions than their samples' own."""
        return bool(self.time_shift or self.leaky_time_shift)


@dataclass(frozen=True)
class Mixed:
    """A batch x [B, L, F] whose targets are y with weight ``share`` and ``other`` with the rest."""

    x: Tensor
    y: Tensor
    other: Tensor
    share: float


def vary(augment: Augment, x: Tensor, y: Tensor) -> Mixed:
    """Noise, then mixup with a random permutation of the batch; draws from torch's global generators."""
    if augment.noise:
        x = x + augment.noise * torch.randn_like(x)
    if not augment.mixup:
        return Mixed(x, y, y, 1.0)
    share = float(torch.distributions.Beta(augment.mixup, augment.mixup).sample())
    order = torch.randperm(len(x)).to(x.device)
    return Mixed(share * x + (1 - share) * x[order], y, y[order], share)


def adversarial(x: Tensor, gradient: Tensor, size: float) -> Tensor:
    """x moved by ``size`` where the loss rises fastest: the fast gradient sign method."""
    return x.detach() + size * gradient.sign()


def shift_room(mask: BoolArray, t: IntArray, n: IntArray, most: int, step: int = -1) -> IntArray:
    """[M] by how many sessions, at most ``most``, the window of (t, n) may end earlier with every end usable.

    mask [T, N] is the samples' own: each of those earlier windows is whole and was known before t. step 1: later.
    """
    room = np.zeros(len(t), dtype=np.int64)
    open_ = np.ones(len(t), dtype=bool)
    for moved in range(1, most + 1):
        row = t + step * moved
        open_ &= (row >= 0) & (row < len(mask)) & mask[np.clip(row, 0, len(mask) - 1), n]
        room += open_
    return room


class ShiftedExamples(Examples):
    """Windows that end up to ``room`` [M] sessions before their sample's date, anew in every epoch.

    A window that ended later would hold prices that its label, or the validation span, begins with: ``later`` [M] is
    the leak that lets it.
    """

    def __init__(
        self,
        windows: Windows,
        t: IntArray,
        n: IntArray,
        targets: AnyArray,
        room: IntArray,
        later: IntArray | None = None,
    ) -> None:
        super().__init__(windows, t, n, targets)
        self._later = torch.from_numpy(np.zeros_like(room) if later is None else later)
        self._room = torch.from_numpy(room) + self._later

    def shuffled(self, batch: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches in a random order with random shifts, both drawn from ``generator``."""
        drawn = torch.rand(len(self), generator=generator, dtype=torch.float64) * (self._room + 1)
        starts = self._starts + (self._later - drawn.long()).to(self._starts.device)  # [M]
        order = torch.randperm(len(self), generator=generator).to(self._starts.device)
        for first in range(0, len(self), batch):
            pick = order[first : first + batch]
            yield self._windows.gather(starts[pick]), self._targets[pick]
