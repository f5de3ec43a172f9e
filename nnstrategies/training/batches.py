"""Windows by index: one scaled table on the device, gathered batch by batch, never stored."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from nnstrategies.training.scaler import Scaler
from nnstrategies.typing import AnyArray, Float32Array, IntArray


class Windows:
    """Features of a span of sessions, from which scaled batches [B, L, F] are gathered on the device.

    On the CPU nothing is copied: rows are read from the features themselves, which processes share, and a batch is
    scaled when it is gathered. On a GPU the span is scaled once and lies there. Both give the same bytes.
    """

    def __init__(
        self, values: Float32Array, first: int, last: int, window: int, scaler: Scaler, device: torch.device
    ) -> None:
        """Take features [N, T, F]; windows may end on rows first..last."""
        begin = max(first - window + 1, 0)
        span = values[:, begin : last + 1]
        self._begin = begin
        self._scaler = scaler if device.type == "cpu" else None
        self._flat, self._apart = _as_rows(span if self._scaler else scaler(span))
        self._flat = self._flat.to(device)
        self.window = window
        self._steps = torch.arange(window, device=device)
        rows, count = self._flat.shape
        self._overlapping = self._flat.as_strided((max(rows - window + 1, 0), window * count), (count, 1))

    def starts(self, t: IntArray, n: IntArray, apart: int | None = None) -> Tensor:
        """[M] the rows at which the windows that end at (t, n) begin; apart: in a table [N, apart] of the same span."""
        start = n * (self._apart if apart is None else apart) + (t - self._begin) - self.window + 1
        return torch.from_numpy(np.ascontiguousarray(start)).to(self._flat.device)

    def gather(self, starts: Tensor) -> Tensor:
        """Scaled windows [B, L, F] beginning at ``starts`` [B]."""
        if self._scaler is not None:
            found = self._overlapping.index_select(0, starts)  # [B, L * F], one copy a window
            return torch.from_numpy(self._scaler(found.view(len(starts), self.window, -1).numpy()))
        index = starts[:, None] + self._steps  # [B, L]
        return self._flat.index_select(0, index.view(-1)).view(len(starts), self.window, -1)


def _as_rows(span: Float32Array) -> tuple[Tensor, int]:
    """[N, S, F] as rows of F, a symbol every so many rows; a view where rows are whole, which features' are."""
    symbols, sessions, count = span.shape
    size = span.itemsize
    if span.strides[1:] != (count * size, size) or span.strides[0] % (count * size):
        span = np.ascontiguousarray(span)
    apart = span.strides[0] // (count * size) if symbols > 1 else sessions  # rows from one symbol to the next
    rows = np.lib.stride_tricks.as_strided(
        span, ((symbols - 1) * apart + sessions, count), (count * size, size), writeable=False
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has no read-only tensors; this one is only gathered from
        return torch.from_numpy(rows), apart


class Examples:
    """Windows with targets; targets are classes [M] int64 or values [M] float32."""

    def __init__(self, windows: Windows, t: IntArray, n: IntArray, targets: AnyArray) -> None:
        self._windows = windows
        self._starts = windows.starts(t, n)
        self._targets = torch.from_numpy(np.ascontiguousarray(targets)).to(self._starts.device)

    def __len__(self) -> int:
        return len(self._starts)

    @property
    def window(self) -> int:
        return self._windows.window

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
