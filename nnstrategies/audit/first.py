"""From one row that a leak was seen on back to the first one it changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnstrategies.audit.compare import Change, compare
from nnstrategies.audit.noise import Future
from nnstrategies.panel import Panel
from nnstrategies.typing import AnyArray

Known = Callable[[Panel, int], AnyArray]  # what a panel says at the close of row t of rows 0..t, [t + 1, N]


def first_change(
    known: Known, panel: Panel, expected: Callable[[int], AnyArray], seen: Change, future: Future, seed: int
) -> Change:
    """The change at the earliest row, found by bisection over the day after which the future is another one.

    expected: what ``known(panel, t)`` gives, for ``panel`` itself. Exact for a leak that goes on once it has begun; for
    one that comes and goes, such as a filled gap, the earliest found.
    """
    finite = np.isfinite(expected(seen.row)).any(axis=1)
    low, high, earliest = int(np.argmax(finite)), seen.row, seen
    while low <= high:
        t = (low + high) // 2
        change = _change(known, panel, expected(t), t, future, seed)
        if change is None or change.rounding:
            low = t + 1
        else:
            earliest = change if change.row <= earliest.row else earliest
            high = min(change.row, t) - 1
    return earliest


def _change(known: Known, panel: Panel, expected: AnyArray, t: int, future: Future, seed: int) -> Change | None:
    try:
        return compare(expected, known(future(panel, t, np.random.default_rng([seed, t])), t))
    except Exception:  # a user's function may need more rows than the first t: this row tells nothing then
        return None
