"""The headline against every other model and portfolio: mean difference, and two paired tests of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nnstrategies.comparison import Comparison, compare, holm
from nnstrategies.report.definitions import recipe_label
from nnstrategies.report.formats import DASH, p_text, percent, ratio
from nnstrategies.report.measures import Measure, accuracy_of, rank_ic_of, task_of
from nnstrategies.report.metrics import monthly_returns
from nnstrategies.report.run_folder import RunFolder
from nnstrategies.report.tables import Row, Table

_TESTS = ("t", "Degrees", "p, t-test", "Holm", "Apart", "p, signed-rank", "Holm")
_SAID = "Both tests are two-sided; Holm: p values that hold for all rows of the table together. "


def model_table(run: RunFolder) -> Table | None:
    """The recipe that orders the headline against the others of its task, on the dates on which both were judged."""
    found = []
    for other in task_of(run, run.judged)["recipes"]:
        pair = _pair(run, other) if other != run.judged else None
        if pair is not None:
            own, their = pair
            both = own.dates.intersection(their.dates)
            gap = (own.daily.loc[both] - their.daily.loc[both]).to_numpy(dtype=np.float64)
            found.append((other, own, compare(gap, max(own.overlap, their.overlap))))
    if not found:
        return None
    tests = _tests([one for *_, one in found])
    rows = []
    for (other, own, one), cells in zip(found, tests, strict=True):
        difference = own.value_text(one.mean, signed=True)
        name = f"{recipe_label(run.judged)} − {recipe_label(other)}"
        rows.append(Row(name, [own.name, difference, f"{one.count:,}", *cells], one.reason))
    note = "Differences by date, all seeds taken together. " + _SAID
    note += "Where labels overlap, the paired t-test takes its error from slow changes alone, which leaves few degrees "
    note += "of freedom, and Wilcoxon's signed-rank test takes dates apart, which share no label."
    return Table(["Models", "By", "Difference", "Dates", *_TESTS], rows, text_columns=1, note=note)


def _pair(run: RunFolder, other: str) -> tuple[Measure, Measure] | None:
    """Both by accuracy where both have one, else both by rank IC."""
    for measure in (accuracy_of, rank_ic_of):
        own, their = measure(run, run.judged), measure(run, other)
        if own is not None and their is not None:
            return own, their
    return None


def portfolio_table(run: RunFolder) -> Table | None:
    """The headline's monthly log returns against those of every other portfolio."""
    logs = {name: _monthly_logs(run.returns[name]) for name in run.compared}
    others = run.compared[1:]
    found = [(name, compare((logs[run.headline] - logs[name]).to_numpy(dtype=np.float64))) for name in others]
    rows = []
    for (other, one), cells in zip(found, _tests([one for _, one in found]), strict=True):
        name = f"{recipe_label(run.headline)} − {recipe_label(other)}"
        rows.append(Row(name, [percent(one.mean, 2, signed=True), f"{one.count:,}", *cells], one.reason))
    note = "Differences of log returns by month, after costs. " + _SAID + "Part months at either end count as months. "
    note += "A price index leaves dividends out."
    return Table(["Portfolios", "A month", "Months", *_TESTS], rows, note=note) if rows else None


def _monthly_logs(returns: pd.Series) -> pd.Series:
    return pd.Series(np.log1p(monthly_returns(returns).clip(lower=-1 + 1e-12)))  # a total loss has no logarithm


def _tests(found: Sequence[Comparison]) -> list[list[str]]:
    """Cells of each comparison, its p values beside what Holm makes of them over all rows."""
    by_t, by_rank = holm([one.t_p for one in found]), holm([one.wilcoxon_p for one in found])
    rows = []
    for one, t, rank in zip(found, by_t, by_rank, strict=True):
        degrees = str(one.degrees) if one.degrees else DASH
        cells = [ratio(one.t), degrees, p_text(one.t_p), p_text(t)]
        rows.append([*cells, f"{one.apart:,}", p_text(one.wilcoxon_p), p_text(rank)])
    return rows
