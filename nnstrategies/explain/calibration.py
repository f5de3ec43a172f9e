"""Whether a class comes as often as its probability says."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnstrategies.explain.classes import ClassOutputs
from nnstrategies.explain.stretches import share_error, stretch_of
from nnstrategies.typing import FloatArray, IntArray

BINS = 10
COLUMNS = ("class", "bin", "low", "high", "count", "probability", "share", "error")


def calibration(found: ClassOutputs, bins: int = BINS) -> pd.DataFrame:
    """For each class, its rows sorted by probability and cut into ``bins`` parts of equal size (ties stay together).

    low, high: the part's smallest and largest probability; probability: the mean one; share: how often the class came;
    error: standard error of (share - probability), by stretches of dates. Equal parts, because probabilities of
    returns crowd around the base rate, where bins of equal width would hold nearly everything in one. No rows for
    margins.
    """
    rows: list[tuple[object, ...]] = []
    if found.meaning == "probability" and len(found.actual):
        stretch = stretch_of(found.t)
        for c, name in enumerate(found.names):
            came = (found.actual == c).astype(np.float64)
            rows += [(name, *row) for row in _parts(found.values[:, c], came, stretch, bins)]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"class": "str"} | {name: "float64" for name in COLUMNS[2:] if name != "count"})


def _parts(p: FloatArray, came: FloatArray, stretch: IntArray, bins: int) -> list[tuple[object, ...]]:
    order = np.argsort(p, kind="stable")
    edges = p[order[(np.arange(1, bins) * len(p)) // bins]]  # smallest probability of each part but the first
    part = np.searchsorted(np.unique(edges), p, side="right")  # [M]
    rows: list[tuple[object, ...]] = []
    for number in np.unique(part):
        inside = part == number
        q, y = p[inside], came[inside]
        error = share_error(y - q, stretch[inside])
        rows.append((len(rows), q.min(), q.max(), len(q), q.mean(), y.mean(), error))
    return rows
