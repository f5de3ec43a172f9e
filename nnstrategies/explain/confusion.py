"""How often each class was predicted when each class came."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnstrategies.explain.classes import ClassOutputs


def confusion(found: ClassOutputs) -> pd.DataFrame:
    """Columns actual, predicted (names) and count: C x C rows in the order of the classes, zeros included.

    Accuracy, precision, recall and F1 follow from it; see docs/explain.md.
    """
    size = len(found.names)
    counts = np.zeros((size, size), dtype=np.int64)
    np.add.at(counts, (found.actual, found.predicted), 1)  # [actual, predicted]
    names = np.asarray(found.names, dtype=object)
    columns = {"actual": np.repeat(names, size), "predicted": np.tile(names, size), "count": counts.ravel()}
    return pd.DataFrame(columns).astype({"actual": "str", "predicted": "str"})
