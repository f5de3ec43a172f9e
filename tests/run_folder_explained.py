"""The tables of folds, classes and importance of a synthetic run folder; their figures mean nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

FEATURES = ("rsi_14", "macd", "return_5", "volatility_20")
NAMES = ("sell", "hold", "buy")
LAGS = ((0, 0), (1, 1), (2, 3), (4, 7))


def explained(
    rng: np.random.Generator, days: pd.DatetimeIndex, refit_rows: Any, seeds: Mapping[str, Sequence[int]], headline: str
) -> dict[str, pd.DataFrame]:
    """Tables by name; ``seeds`` of each recipe, those of several seeds being networks."""
    networks = [recipe for recipe in seeds if recipe.endswith("lstm")]
    folds = [row for recipe in seeds for seed in seeds[recipe] for row in _folds(recipe, seed, days, refit_rows)]
    confusion, calibration = [], []
    for recipe in networks:
        for seed in seeds[recipe]:
            counts = rng.integers(200, 400, (3, 3)) + 300 * np.eye(3, dtype=np.int64)
            confusion += [
                (recipe, seed, a, p, int(counts[i, k])) for i, a in enumerate(NAMES) for k, p in enumerate(NAMES)
            ]
            calibration += [(recipe, seed, name, *row) for name in NAMES for row in _calibration(rng)]
    importance = [row for seed in seeds[headline] for row in _importance(rng, headline, seed)]
    label = ["recipe", "seed"]
    return {
        "folds": _frame(folds, [*label, *FOLD_COLUMNS]),
        "confusion": _frame(confusion, [*label, "actual", "predicted", "count"]),
        "calibration": _frame(
            calibration, [*label, "class", "bin", "low", "high", "count", "probability", "share", "error"]
        ),
        "importance": _frame(importance, [*label, *IMPORTANCE_COLUMNS]),
    }


FOLD_COLUMNS = (
    *("asof", "decision", "train_first", "train_last", "labels_until", "train_rows"),
    *("valid_first", "valid_last", "valid_rows", "in_force_from", "in_force_until"),
)
IMPORTANCE_COLUMNS = (
    *("method", "by", "feature", "lag_first", "lag_last", "metric", "value", "spread", "error", "baseline"),
    *("dates", "repeats"),
)


def _frame(rows: list[Any], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns)


def _folds(recipe: str, seed: int, days: pd.DatetimeIndex, refit_rows: Any) -> list[tuple[Any, ...]]:
    rows, first = [], days[0] - pd.offsets.BDay(700)
    ends = [*(days[row - 1] for row in refit_rows[1:]), days[-1]]
    for k, (row, until) in enumerate(zip(refit_rows, ends, strict=True)):
        asof = days[row] - pd.offsets.BDay(1)
        learns = asof - pd.offsets.BDay(100), asof - pd.offsets.BDay(90), 40_000
        validates = asof - pd.offsets.BDay(80), asof - pd.offsets.BDay(11), 3_000
        if not recipe.endswith("lstm"):
            learns, validates = (asof - pd.offsets.BDay(11), asof, 44_000), (pd.NaT, pd.NaT, 0)
        decision = "kept incumbent" if k % 4 == 3 else "promoted"
        rows.append((recipe, seed, asof, decision, first, *learns, *validates, days[row], until))
    return rows


def _calibration(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    p = np.linspace(0.2, 0.5, 10)
    share = p + rng.normal(0, 0.015, 10)
    return [(k, p[k] - 0.015, p[k] + 0.015, 500, p[k], share[k], 0.012) for k in range(10)]


def _importance(rng: np.random.Generator, recipe: str, seed: int) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    blocks = [("feature", name, 0, 7, 0.04 / (k + 1)) for k, name in enumerate(FEATURES)]
    blocks += [("lag", "", *lags, 0.01) for lags in LAGS]
    for by, name, first, last, value in blocks:
        for metric, base in (("rank_ic", 0.05), ("accuracy", 0.38)):
            drop = value + rng.normal(0, 0.002)
            rows.append((recipe, seed, "permutation", by, name, first, last, metric, drop, 0.001, 0.004, base, 30, 2))
    gradient = ("integrated_gradients",)
    for k, name in enumerate(FEATURES):
        rows.append((recipe, seed, *gradient, "feature", name, 0, 7, "score", 0.1 / (k + 1), np.nan, 0.004, 0.2, 30, 1))
        for lag in range(8):
            value = 0.04 / (k + 1) / (lag + 1)
            place = ("feature_lag", name, lag, lag, "score")
            rows.append((recipe, seed, *gradient, *place, value, np.nan, 0.001, 0.2, 30, 1))
    rows.append((recipe, seed, *gradient, "gap", "", 0, 7, "score", 0.004, np.nan, 0.0, 0.2, 30, 1))
    return rows
