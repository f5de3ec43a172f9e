"""Windows by index: one scaled table on the device, gathered batch by batch, never stored."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from nnstrategies.training.scaler import Scaler
from nnstrategies.typing import AnyArray, Float32Array, IntArray


class Windows:
    """Scaled features of a span of sessions, [N, S, F] on the device, from which batches [B, L, F] are gathered."""

    def __init__(
        self, values: Float32Array, first: int, last: int, window: int, scaler: Scaler, device: torch.device
    ) -> None:
        """Take features [N, T, F]; windows may end on rows first..last."""
        self._begin = first - window + 1
        table = scaler(values[:, max(self._begin, 0) : last + 1])
        self._begin = max(self._begin, 0)
        self.sessions = table.shape[1]
        self.window = window
        self._flat = torch.from_numpy(table).to(device).view(-1, table.shape[2])  # [N, S, F] -> [N * S, F]
        self._steps = torch.arange(window, device=device)

    def starts(self, t: IntArray, n: IntArray) -> Tensor:
        """[M] where in the table the windows that end at (t, n) begin."""
        start = n * self.sessions + (t - self._begin) - self.window + 1
        return torch.from_numpy(np.ascontiguousarray(start)).to(self._flat.device)

    def gather(self, starts: Tensor) -> Tensor:
        """Windows [B, L, F] beginning at ``starts`` [B]."""
        index = starts[:, None] + self._steps  # [B, L]
        return self._flat.index_select(0, index.view(-1)).view(len(starts), self.window, -1)


class Examples:
    """Windows with targets; targets are classes [M] int64 or values [M] float32."""

    def __init__(self, windows: Windows, t: IntArray, n: IntArray, targets: AnyArray) -> None:
        self._windows = windows
        self._starts = windows.starts(t, n)
        self._targets = torch.from_numpy(np.ascontiguousarray(targets)).to(self._starts.device)

    def __len__(self) -> int:
        return len(self._starts)

    def in_order(self, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches (x [B, L, F], y [B]) in the order given."""
        for first in range(0, len(self), batch):
            span = slice(first, first + batch)
            yield self._windows.gather(self._starts[span]), self._targets[span]

    def shuffled(self, batch: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches in a random order drawn from ``generator`` (a CPU generator, whatever the device)."""
        order = torch.randperm(len(self), generator=generator).to(self._starts.device)
        for first in range(0, len(self), batch):
            pick = order[first : first + batch]
            yield self._windows.gather(self._starts[pick]), self._targets[pick]
