"""Bull, bear or volatile: what kind of market it is, by what the benchmark did up to that day."""

from __future__ import annotations

import numpy as np

from nnstrategies.typing import AnyArray, FloatArray

WINDOW = 60  # sessions
BOUND = 0.05


def trailing_return(level: FloatArray) -> FloatArray:
    """Return [T] of an index level [T] over the last 60 sessions, known at each close; NaN before there are so many."""
    found = np.full(len(level), np.nan)
    found[WINDOW:] = level[WINDOW:] / level[:-WINDOW] - 1
    return found


def regimes(trailing: FloatArray) -> AnyArray:
    """Names [T]: ``bull`` above +5 %, ``bear`` below -5 %, else ``volatile``; empty where the return is not known.

    The papers name the three and define none. This choice looks back only, so that a trader could have acted on it.
    """
    names = np.where(trailing > BOUND, "bull", np.where(trailing < -BOUND, "bear", "volatile"))
    return np.where(np.isfinite(trailing), names, "")
