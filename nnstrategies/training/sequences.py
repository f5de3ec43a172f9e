"""Targets inside the window, for networks that forecast at several of its days (S5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from nnstrategies.samples import Samples
from nnstrategies.training.batches import Examples, Windows
from nnstrategies.training.losses import NO_CLASS
from nnstrategies.training.targets import Target, targets_of
from nnstrategies.typing import AnyArray, IntArray


def target_table(known: Samples, first: int, last: int, known_by: int, target: Target) -> AnyArray:
    """[N, last - first + 1] targets of the days first..last; NaN, or NO_CLASS, where none was known by ``known_by``.

    The purge holds for each step: a label that ends after ``known_by`` is no target, wherever in a window it lies. A
    target within its date compares usable samples only; others need no whole window before them.
    """
    labels = known.labels
    days = slice(first, last + 1)
    end = labels.end[days]
    usable = (end >= 0) & (end <= known_by) & np.isfinite(labels.values[days])
    if not labels.n_classes and target != "percent":
        usable &= known.mask[days]
    at, n = np.nonzero(usable)
    found = targets_of(known, (at + first, n), target)
    table = np.full((known.N, last - first + 1), NO_CLASS if labels.n_classes else np.nan, dtype=found.dtype)
    table[n, at] = found
    return table


class SequenceExamples(Examples):
    """Windows with targets [B, K] at K places inside each; ``table`` [N, S] has the sessions of ``windows``."""

    def __init__(self, windows: Windows, t: IntArray, n: IntArray, table: AnyArray, steps: Sequence[int]) -> None:
        super().__init__(windows, t, n, np.zeros(len(t), dtype=table.dtype))
        self._table = torch.from_numpy(table.reshape(-1)).to(self._starts.device)  # [N, S] -> [N * S]
        self._cells = windows.starts(t, n, table.shape[1])
        self._places = torch.tensor(list(steps), device=self._starts.device)

    def shuffled(self, batch: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches (x [B, L, F], y [B, K]) in a random order."""
        order = torch.randperm(len(self), generator=generator).to(self._starts.device)
        for first in range(0, len(self), batch):
            pick = order[first : first + batch]
            yield self._windows.gather(self._starts[pick]), self._table[self._cells[pick][:, None] + self._places]
