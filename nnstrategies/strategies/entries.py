"""What the shares that a strategy holds were bought for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from nnstrategies.panel import Panel
from nnstrategies.typing import AnyArray, FloatArray


class EntryPrices:
    """Average entry price of each symbol in adjusted terms: ``values`` [N], NaN where nothing is held."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self.values: FloatArray = np.full(panel.N, np.nan)

    def book(self, t: int, columns: Sequence[int], prices: FloatArray, sizes: FloatArray, held: FloatArray) -> None:
        """Fills of different symbols at row ``t``, [K] each: sizes are negative when sold, ``held`` is what is left."""
        opens, adjusted = self._opens
        entry = self.values[columns]
        scale = adjusted[t, columns].astype(np.float64) / opens[t, columns].astype(np.float64)
        before = held - sizes
        with np.errstate(divide="ignore", invalid="ignore"):
            known = np.where(before != 0, entry * before, 0.0)
            bought = (known + prices * scale * sizes) / held
        self.values[columns] = np.where(held == 0, np.nan, np.where(sizes > 0, bought, entry))

    @cached_property
    def _opens(self) -> tuple[AnyArray, AnyArray]:
        """[T, N] raw and adjusted."""
        return self._panel["open"], self._panel.adjusted("open")
