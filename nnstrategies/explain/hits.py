"""How often each date's classes were right, by the class that was named."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnstrategies.explain.classes import ClassOutputs
from nnstrategies.typing import AnyArray, DateArray

COLUMNS = {"date": "datetime64[s]", "predicted": "str", "named": "int64", "right": "int64"}


def hits(found: ClassOutputs, sessions: DateArray) -> pd.DataFrame:
    """C rows for each judged date: the class, how many symbols it was named for, and for how many it came.

    The sums over dates are those of the confusion matrix.
    """
    return hits_by_date(sessions[found.t], found.predicted, found.actual, found.names)


def hits_by_date(dates: AnyArray, predicted: AnyArray, actual: AnyArray, names: tuple[str, ...]) -> pd.DataFrame:
    """``hits`` of classes [M], numbers into ``names``, on dates [M]."""
    days, at = np.unique(dates, return_inverse=True)
    counts = np.zeros((2, len(days), len(names)), dtype=np.int64)  # named and right, [D, C] each
    np.add.at(counts[0], (at, predicted), 1)
    np.add.at(counts[1], (at, predicted), predicted == actual)
    columns = {
        "date": np.repeat(days, len(names)),
        "predicted": np.tile(np.asarray(names, dtype=object), len(days)),
        "named": counts[0].ravel(),
        "right": counts[1].ravel(),
    }
    return pd.DataFrame(columns).astype(COLUMNS)
