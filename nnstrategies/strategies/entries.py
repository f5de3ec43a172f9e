"""What the shares that a strategy holds were bought for."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from nnstrategies.panel import Panel
from nnstrategies.typing import AnyArray, FloatArray


class EntryPrices:
    """Average entry price of each symbol in adjusted terms: ``values`` [N], NaN where nothing is held."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self.values: FloatArray = np.full(panel.N, np.nan)

    def book(self, t: int, column: int, price: float, size: float, held: float) -> None:
        """A fill at row ``t``, negative when sold, that left ``held`` shares."""
        if held == 0:
            self.values[column] = np.nan
        elif size > 0:
            opened, adjusted = self._opens
            scale = float(adjusted[t, column]) / float(opened[t, column])
            before = held - size
            known = self.values[column] * before if before else 0.0
            self.values[column] = (known + price * scale * size) / held

    @cached_property
    def _opens(self) -> tuple[AnyArray, AnyArray]:
        """[T, N] raw and adjusted."""
        return self._panel["open"], self._panel.adjusted("open")
