"""How often forecasts of single symbols name the right direction, with and without a threshold, and how near they are.

Source: system S5, II.C.3: a forecast counts only where its size reaches a threshold. How often that happens, the
coverage, belongs beside the accuracy, and so do the commoner direction and the accuracy of the price that no change at
all would have.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nnstrategies.typing import AnyArray

THRESHOLDS = (0.0, 0.001, 0.0025, 0.005, 0.01, 0.02)  # sizes of a forecast, as returns; S5 acts from 0.01 on
COLUMNS = {
    "symbol": "str",
    "threshold": "float64",
    "judged": "int64",
    "acted": "int64",
    "hits": "int64",
    "rises": "int64",
    "price_error": "float64",
}


def forecast_accuracy(
    symbols: AnyArray, forecast: AnyArray, actual: AnyArray, thresholds: Sequence[float] = THRESHOLDS
) -> pd.DataFrame:
    """A row for each symbol and threshold, of forecasts [M] and the returns [M] that came (0.01 = 1 %).

    judged: returns known and not 0: an unchanged price is right for no direction. acted: those of them with a forecast
    of at least the threshold in size, and not 0. hits: of these, the right direction. rises: of these, returns above 0.
    price_error: mean |forecast price - price| / price over all known returns, the same for every threshold.
    """
    known = np.isfinite(forecast) & np.isfinite(actual)
    names, f, r = np.asarray(symbols)[known], *(np.asarray(v, dtype=np.float64)[known] for v in (forecast, actual))
    rows = []
    for name in sorted(set(names)):
        own = names == name
        error = float(np.mean(np.abs(f[own] - r[own]) / (1 + r[own])))
        rows += [(name, a, *_counts(f[own], r[own], a), error) for a in thresholds]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _counts(forecast: AnyArray, actual: AnyArray, threshold: float) -> tuple[int, int, int, int]:
    """judged, acted, hits, rises."""
    moved = actual != 0
    acted = moved & (forecast != 0) & (np.abs(forecast) >= threshold)
    right = acted & (np.sign(forecast) == np.sign(actual))
    return int(moved.sum()), int(acted.sum()), int(right.sum()), int((acted & (actual > 0)).sum())
