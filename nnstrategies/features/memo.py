"""Intermediate results that several features of one panel share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from weakref import WeakKeyDictionary

from nnstrategies.panel import Panel
from nnstrategies.typing import AnyArray

PanelFunction = Callable[[Panel], AnyArray]

_results: WeakKeyDictionary[Panel, dict[PanelFunction, AnyArray]] = WeakKeyDictionary()


def once_per_panel(function: PanelFunction) -> PanelFunction:
    """Compute ``function(panel)`` once as long as the panel lives or until ``forget``; panels never change.

    Known by the function itself, not by its name: closures made by one maker share their name.
    """

    @wraps(function)
    def remembered(panel: Panel) -> AnyArray:
        known = _results.setdefault(panel, {})
        if function not in known:
            result = function(panel)
            result.flags.writeable = False
            known[function] = result
        return known[function]

    return remembered


def forget(panel: Panel) -> None:
    """Free what is remembered of ``panel``."""
    _results.pop(panel, None)
