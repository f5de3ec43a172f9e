"""The tables of factors: what each screen saw, and what quintiles of its candidates and of its score earned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from nnstrategies.factors import factor_quantiles
from nnstrategies.pipeline.run import Run
from nnstrategies.samples import Samples
from nnstrategies.training import FactorScreenRecipe

SCREENS, QUINTILES = "screens", "quintiles"
COMPOSITE = "composite"
_COUNT = 5


def write_factors(run: Run) -> None:
    """Write screens.parquet and quintiles.parquet where a recipe screens factors.

    screens: recipe, asof, factor, horizon_days, mean_ic, ic_ir, passed, kept (the factor is in the composite).
    quintiles: recipe, factor (``composite``: the recipe's own score), span (``before``: the rows that the first screen
    of the test saw, by returns known then; ``test``), quintile (1 the lowest values), mean_return over the label's
    horizon, dates.
    """
    names = [name for name, recipe in run.config.recipes.items() if isinstance(recipe, FactorScreenRecipe)]
    if not names:
        return
    run.folder.write_frame(SCREENS, pd.DataFrame([row for name in names for row in _screens(run, name)]))
    run.folder.write_frame(QUINTILES, pd.DataFrame([row for name in names for row in _quintiles(run, name)]))


def _screens(run: Run, name: str) -> Iterator[dict[str, Any]]:
    entries = {row["version"]: row for row in run.folder.read_json("timeline.json") if row["recipe"] == name}
    for version, entry in entries.items():
        told = run.folder.read_json(f"versions/{version}/manifest.json")["version"]
        for seen in told["screen"]:
            for days, mean in seen["mean_ic"].items():
                yield {
                    "recipe": name,
                    "asof": pd.Timestamp(entry["asof"]),
                    "factor": seen["factor"],
                    "horizon_days": int(days),
                    "mean_ic": np.nan if mean is None else float(mean),
                    "ic_ir": np.nan if seen["ic_ir"][days] is None else float(seen["ic_ir"][days]),
                    "passed": bool(seen["passed"]),
                    "kept": seen["factor"] in told["factors"],
                }


def _quintiles(run: Run, name: str) -> Iterator[dict[str, Any]]:
    samples, (first, last) = run.samples_of(name), run.test_rows
    recipe = run.config.recipes[name]
    assert isinstance(recipe, FactorScreenRecipe)
    since = 0 if recipe.train_days is None else max(first - recipe.train_days, 0)
    known = samples.upto(first - 1)
    yield from _measured(known, np.arange(since, first), name, "before")
    values = run.scores_of(name).T[:, :, None]
    features = replace(samples.features, names=(COMPOSITE,), values=np.ascontiguousarray(values), optional=frozenset())
    rows = np.arange(first, last + 1)
    yield from _measured(samples, rows, name, "test")
    yield from _measured(replace(samples, features=features), rows, name, "test")


def _measured(samples: Samples, rows: np.ndarray, name: str, span: str) -> Iterator[dict[str, Any]]:
    found = factor_quantiles(samples.features, samples.labels, samples.mask, rows, _COUNT)
    dates = np.isfinite(found.returns).sum(axis=0)
    for f, factor in enumerate(found.names):
        for q in range(_COUNT):
            yield {
                "recipe": name,
                "factor": factor,
                "span": span,
                "quintile": q + 1,
                "mean_return": float(found.mean[f, q]),
                "dates": int(dates[f, q]),
            }
