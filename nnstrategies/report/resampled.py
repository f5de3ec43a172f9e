"""How far the figures move when the test's dates are drawn anew: a 95 % interval for each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnstrategies.report.definitions import recipe_label
from nnstrategies.report.formats import percent, ratio
from nnstrategies.report.measures import Measure, measures, unmoved_note
from nnstrategies.report.metrics import SESSIONS_PER_YEAR
from nnstrategies.report.run_folder import RunFolder
from nnstrategies.report.tables import Row, Table
from nnstrategies.resampling import DRAWS, interval, stationary_rows
from nnstrategies.typing import FloatArray

LEAST_DATES = 20
_Figure = tuple[str, Callable[..., FloatArray], tuple[FloatArray, ...], Callable[[float], str]]
_YARDSTICKS = ("equal_weight", "benchmark")


def resampled_table(run: RunFolder) -> Table:
    """A row for each recipe's accuracy or rank IC, then for the headline, alone and against yardsticks."""
    rows = [_of_measure(run, one) for one in measures(run)]
    rows += _of_portfolio(run)
    note = f"{DRAWS:,} times the dates of the test are drawn anew, in runs that begin anywhere and are on average as "
    note += "long as a label (stationary bootstrap, fixed seed); the interval holds the middle 95 % of the figures. It "
    note += "says how much rests on which dates the test has, not how another test or another seed would come out; "
    note += "refits on shuffled labels say whether a score means anything at all." + unmoved_note(run)
    return Table(["Figure", "Measured", "95 % interval", "Dates", "Mean run"], rows, text_columns=0, note=note)


def _of_measure(run: RunFolder, one: Measure) -> Row:
    sums, counts = (table.sum(axis=1).to_numpy(dtype=np.float64) for table in (one.sums, one.counts))
    label, kind = f"{recipe_label(one.recipe)}: {one.name}", "headline" if one.recipe == run.judged else ""
    measured = one.value_text(float(sums.sum() / counts.sum()))
    if len(sums) < LEAST_DATES:
        return _too_few(label, measured, len(sums), one.overlap, kind)
    low, high = interval(_share, stationary_rows(len(sums), one.overlap), sums, counts)
    between = f"{one.value_text(low)} to {one.value_text(high)}"
    return Row(label, [measured, between, f"{len(sums):,}", str(one.overlap)], kind=kind)


def _too_few(label: str, measured: str, dates: int, block: int, kind: str = "") -> Row:
    return Row(label, [measured, "–", f"{dates:,}", str(block)], f"{LEAST_DATES} dates are needed", kind)


def _of_portfolio(run: RunFolder) -> list[Row]:
    own, name = run.returns[run.headline].to_numpy(), recipe_label(run.headline)
    block = int(run.manifest["label"].get("horizon_days", 1))
    figures: list[_Figure] = [
        (f"{name}: Sharpe ratio", _sharpe, (own,), ratio),
        (f"{name}: annual return", _annual, (own,), percent),
    ]
    for other in _YARDSTICKS:
        if run.returns[other].any():
            against = f"{name}: annual return − {recipe_label(other).lower()}"
            figures.append((against, _ahead, (own, run.returns[other].to_numpy()), percent))
    rows = []
    draws = stationary_rows(len(own), block)
    for label, statistic, columns, write in figures:
        measured = write(float(statistic(*(column[None, :] for column in columns))[0]))
        if len(own) < LEAST_DATES:
            rows.append(_too_few(label, measured, len(own), block))
            continue
        low, high = interval(statistic, draws, *columns)
        rows.append(Row(label, [measured, f"{write(low)} to {write(high)}", f"{len(own):,}", str(block)]))
    return rows


def _share(sums: FloatArray, counts: FloatArray) -> FloatArray:
    return np.asarray(sums.sum(axis=1) / counts.sum(axis=1))


def _sharpe(returns: FloatArray) -> FloatArray:
    spread = returns.std(axis=1, ddof=1)
    mean = returns.mean(axis=1) * np.sqrt(SESSIONS_PER_YEAR)
    return np.divide(mean, spread, out=np.full(len(mean), np.nan), where=spread > 0)


def _annual(returns: FloatArray) -> FloatArray:
    grown = np.log1p(np.maximum(returns, -1 + 1e-12)).mean(axis=1)
    return np.asarray(np.expm1(grown * SESSIONS_PER_YEAR))


def _ahead(returns: FloatArray, others: FloatArray) -> FloatArray:
    return _annual(returns) - _annual(others)
