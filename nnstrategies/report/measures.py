"""The figure that a recipe is judged by, date by date: share of right classes or directions, or else rank IC."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nnstrategies.report.formats import DASH, mean_text, percent, ratio
from nnstrategies.report.run_folder import RunFolder
from nnstrategies.typing import FloatArray

ACCURACY, RANK_IC = "accuracy", "rank IC"


@dataclass(frozen=True)
class Measure:
    """One recipe's figure: ``sums`` over ``counts`` of any dates, both [D, S], dates as index, a column a seed.

    name: accuracy (right over named) or rank IC (over dates). overlap: neighbouring dates that share part of a label.
    """

    recipe: str
    name: str
    sums: pd.DataFrame
    counts: pd.DataFrame
    overlap: int

    @property
    def dates(self) -> pd.DatetimeIndex:
        return pd.DatetimeIndex(self.sums.index)

    @property
    def daily(self) -> pd.Series:
        """[D] all seeds taken together."""
        return self.sums.sum(axis=1) / self.counts.sum(axis=1)

    def over(self, dates: Any) -> FloatArray:
        """The figure [S] of some of the dates; NaN without any."""
        sums, counts = (table.loc[dates].sum().to_numpy(dtype=np.float64) for table in (self.sums, self.counts))
        return np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)

    def text(self, dates: Any = slice(None)) -> str:
        """The figure as text, ± over seeds."""
        values = self.over(dates)
        return mean_text(values, self.style, 1 if self.style == "percent" else 3) if len(values) else DASH

    def value_text(self, value: float, signed: bool = False) -> str:
        return percent(value, 1, signed) if self.style == "percent" else ratio(value, 3, signed)

    @property
    def style(self) -> str:
        return "percent" if self.name == ACCURACY else "ratio"


def unmoved_note(run: RunFolder) -> str:
    """What a return of exactly zero counts as, where recipes of classes stand beside forecasts of returns."""
    if run.forecasts.empty or run.confusion.empty:
        return ""
    return " A price that did not move counts as down for recipes that name classes; forecasts are not judged on it."


def measure_of(run: RunFolder, recipe: str) -> Measure | None:
    """Accuracy where the recipe names classes or directions, else rank IC; None where it was judged on no date."""
    return accuracy_of(run, recipe) or rank_ic_of(run, recipe)


def accuracy_of(run: RunFolder, recipe: str) -> Measure | None:
    rows = run.judgements[run.judgements["recipe"] == recipe]
    if rows.empty or not rows["named"].sum():
        return None
    tables = [rows.pivot_table(index="date", columns="seed", values=name, aggfunc="sum") for name in ("right", "named")]
    return _measure(run, recipe, ACCURACY, *tables)


def rank_ic_of(run: RunFolder, recipe: str) -> Measure | None:
    rows = run.ic[(run.ic["recipe"] == recipe) & run.ic["rank_ic"].notna()]
    if rows.empty:
        return None
    table = rows.pivot_table(index="date", columns="seed", values="rank_ic")
    return _measure(run, recipe, RANK_IC, table, table.notna().astype(np.float64))


def _measure(run: RunFolder, recipe: str, name: str, sums: pd.DataFrame, counts: pd.DataFrame) -> Measure:
    sums, counts = (table.fillna(0.0).astype(np.float64) for table in (sums, counts))
    kept = counts.sum(axis=1) > 0
    sessions = pd.DatetimeIndex(run.returns.index).get_indexer(pd.DatetimeIndex(sums.index[kept]))
    apart = float(np.median(np.diff(sessions))) if len(sessions) > 1 else 1.0
    overlap = max(1, math.ceil(task_of(run, recipe)["overlap_days"] / max(apart, 1.0)))
    return Measure(recipe, name, sums[kept], counts[kept], overlap)


def task_of(run: RunFolder, recipe: str) -> dict[str, Any]:
    """Recipes that learn the same as ``recipe``, and over how many sessions their neighbouring labels overlap."""
    tasks: Iterable[dict[str, Any]] = run.manifest.get("tasks", {}).values()
    whole = {"recipes": list(run.evidence), "overlap_days": int(run.manifest["label"].get("horizon_days", 1))}
    return next((task for task in tasks if recipe in task["recipes"]), whole)


def measures(run: RunFolder) -> list[Measure]:
    """Of every recipe, the one that orders the headline first."""
    names = sorted(run.evidence, key=lambda name: name != run.judged)
    return [found for name in names if (found := measure_of(run, name)) is not None]
