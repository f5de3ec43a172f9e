"""Intermediate results that several features of one panel share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from weakref import WeakKeyDictionary

from nnstrategies.panel import Panel
from nnstrategies.typing import AnyArray

PanelFunction = Callable[[Panel], AnyArray]

_results: WeakKeyDictionary[Panel, dict[str, AnyArray]] = WeakKeyDictionary()


def once_per_panel(function: PanelFunction) -> PanelFunction:
    """Compute ``function(panel)`` once as long as the panel lives or until ``forget``; panels never change."""
    key = f"{function.__module__}.{function.__qualname__}"

    @wraps(function)
    def remembered(panel: Panel) -> AnyArray:
        known = _results.setdefault(panel, {})
        if key not in known:
            result = function(panel)
            result.flags.writeable = False
            known[key] = result
        return known[key]

    return remembered


def forget(panel: Panel) -> None:
    """Free what is remembered of ``panel``."""
    _results.pop(panel, None)
