"""Asking a strategy's hooks and checking what they answer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnstrategies.errors import DataError, NNStrategiesError
from nnstrategies.strategies.selection import normalise
from nnstrategies.typing import FloatArray
from nnstrategies.view import View


class Hooks:
    """The hooks of one strategy; what they raise, or return wrongly, is a DataError naming class, hook and date."""

    def __init__(self, strategy: object) -> None:
        self._strategy = strategy

    def ask(self, hook: str, view: View) -> Any:
        """Whatever the hook returns."""
        try:
            return getattr(self._strategy, hook)(view)
        except NNStrategiesError:
            raise
        except Exception as error:
            raise self._wrong(hook, view, f"{type(error).__name__}: {error}") from error

    def array(self, hook: str, view: View, kind: type = float) -> Any:
        """An array [N] of ``kind``."""
        values = self.ask(hook, view)
        try:
            array: Any = np.array(values, dtype=kind)
        except (TypeError, ValueError) as error:
            raise self._wrong(hook, view, f"expected an array of {kind.__name__}: {error}") from error
        if array.shape != (view.N,):
            raise self._wrong(hook, view, f"expected an array of shape ({view.N},), got {array.shape}")
        return array

    def weights(self, view: View) -> FloatArray:
        """``weigh``: [N] on the selected, with sum 1, or all 0."""
        view.short_history = False
        weights = self.array("weigh", view)
        chosen = weights[view.selected]
        if len(chosen) and not np.isfinite(chosen).any() and not view.short_history:
            raise self._wrong("weigh", view, f"no finite weight for the {len(chosen)} selected; 0 for all means cash")
        if (chosen < 0).any():
            symbol = view.symbols[int(np.flatnonzero(view.selected & (weights < 0))[0])]
            least = np.nanmin(chosen)
            raise self._wrong("weigh", view, f"expected weights of 0 or more, got {least:.6g}, first at {symbol}")
        return normalise(weights, view.selected)

    def exposure(self, view: View) -> float:
        """``exposure``: 0 to 1."""
        value = self.ask("exposure", view)
        try:
            share = float(value)
        except (TypeError, ValueError):
            share = math.nan
        if not 0.0 <= share <= 1.0:
            raise self._wrong("exposure", view, f"expected a number from 0 to 1, got {value}")
        return share

    def _wrong(self, hook: str, view: View, what: str) -> DataError:
        return DataError(f"{type(self._strategy).__name__}.{hook} on {view.date}: {what}")
