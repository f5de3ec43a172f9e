"""What each recipe was worth in blocks of time before the test, beside the test itself."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnstrategies.report.definitions import recipe_label
from nnstrategies.report.formats import DASH, percent, ratio
from nnstrategies.report.run_folder import RunFolder
from nnstrategies.report.tables import Row, Table
from nnstrategies.typing import FloatArray

_TEST = 0  # number of the test's row; folds count from 1
_NOTE = (
    "Each fold is a block of sessions before the test, judged by a fit on what lies before it; labels end inside "
    "their block, so no fold shares a day of returns with another or with the test. Mean ± standard deviation over "
    "folds. All figures, the test's too, are of one seed ({seed}). "
)
_ACCURACY = "Accuracy: share of right classes, or of right directions where the forecast is a return."
_RANK_IC = "Rank IC as in the table of evidence."


def fold_figures(run: RunFolder) -> list[Table]:
    """Rank IC by fold, and accuracy where a recipe has one; nothing where the run was not cross-validated."""
    folds = run.cross_validation
    if folds.empty:
        return []
    tables = [_table(run, folds, "rank_ic", "Rank IC", _RANK_IC)]
    judged = folds[folds.groupby("recipe")["accuracy"].transform("count") > 0]
    return tables if judged.empty else [*tables, _table(run, judged, "accuracy", "Accuracy", _ACCURACY)]


def _table(run: RunFolder, folds: pd.DataFrame, figure: str, title: str, remark: str) -> Table:
    head = [title, *(_span(row) for _, row in folds[folds["recipe"] == folds["recipe"].iloc[0]].iterrows())]
    rows = []
    for name, own in folds.groupby("recipe", sort=False):
        test = own["fold"] == _TEST
        values = own.loc[~test, figure].to_numpy(dtype=np.float64)
        cells = [*(_text(value, figure) for value in values), _spread(values, figure)]
        cells += [_text(value, figure) for value in own.loc[test, figure]]
        rows.append(Row(recipe_label(str(name)), cells, kind="headline" if name == run.judged else ""))
    head.insert(len(head) - 1, "Folds, mean")
    return Table(head, rows, note=_NOTE.format(seed=folds["seed"].iloc[0]) + remark)


def _span(row: pd.Series) -> str:
    days = f"{row['first']:%Y-%m-%d} to {row['last']:%Y-%m-%d}"
    return f"Test, {days}" if row["fold"] == _TEST else days


def _text(value: float, figure: str) -> str:
    return percent(value) if figure == "accuracy" else ratio(value, 4)


def _spread(values: FloatArray, figure: str) -> str:
    known = values[np.isfinite(values)]
    if not len(known):
        return DASH
    spread = f" ± {_text(float(known.std(ddof=1)), figure)}" if len(known) > 1 else ""
    return _text(float(known.mean()), figure) + spread
