"""Figures of parts of the test: the periods that the config names, and every half-year."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnstrategies.report.definitions import recipe_label
from nnstrategies.report.formats import DASH, percent
from nnstrategies.report.measures import Measure, measure_of
from nnstrategies.report.metrics import max_drawdown, total_return
from nnstrategies.report.run_folder import RunFolder
from nnstrategies.report.tables import Row, Table
from nnstrategies.typing import FloatArray, IntArray


def period_table(run: RunFolder) -> Table | None:
    """For each named period what every portfolio made in it; None where the config names none."""
    said: dict[str, tuple[str, str]] = run.manifest.get("periods") or {}
    judged = measure_of(run, run.judged)
    rows = []
    for period, (first, last) in said.items():
        inside = run.returns.loc[first:last]
        title = period.replace("_", " ").capitalize()
        rows.append(Row(title, [], _where(run, inside, first, last, judged), "group"))
        for name in run.compared if len(inside) else []:
            kind = "headline" if name == run.headline else ""
            rows.append(Row(recipe_label(name), _figures(inside, name), kind=kind))
    head = ["Portfolio", "Return", "over benchmark", "over equal weight", "Max. drawdown"]
    note = "Returns are those of the whole period, after costs, not per year; a drawdown counts from the period's "
    note += "start. A few months are few: no test of them would say much."
    return Table(head, rows, note=note) if rows else None


def _where(run: RunFolder, inside: pd.DataFrame, first: str, last: str, judged: Measure | None) -> str:
    """Dates of a period, what of them lies in the test, and the judged recipe's figure in it."""
    test = run.manifest["test"]
    if inside.empty:
        return f"{first} to {last}: outside the test, {test['first']} to {test['last']}"
    text = f"{first} to {last}, {len(inside):,} sessions"
    if first < test["first"] or last > test["last"]:
        text += f", of which the test has {inside.index[0]:%Y-%m-%d} to {inside.index[-1]:%Y-%m-%d}"
    if judged is None:
        return text
    dates = judged.dates[(judged.dates >= pd.Timestamp(first)) & (judged.dates <= pd.Timestamp(last))]
    if not len(dates):
        return text
    return f"{text}; {judged.name} of {recipe_label(judged.recipe)} {judged.text(dates)} on {len(dates):,} dates"


def _figures(inside: pd.DataFrame, name: str) -> list[str]:
    own, known = inside[name].to_numpy(), inside["benchmark"].any()  # zero throughout where the data has none
    return [
        percent(total_return(own)),
        DASH if name == "benchmark" or not known else _ahead(own, inside["benchmark"].to_numpy()),
        DASH if name == "equal_weight" else _ahead(own, inside["equal_weight"].to_numpy()),
        percent(max_drawdown(own)),
    ]


def _ahead(own: FloatArray, other: FloatArray) -> str:
    return percent(total_return(own) - total_return(other), signed=True)


def half_year_table(run: RunFolder) -> Table:
    """The headline in each half-year of the test, beside benchmark and equal weight."""
    days = pd.DatetimeIndex(run.returns.index)
    judged = measure_of(run, run.judged)
    halves = _halves(days)
    rows = []
    for half in np.unique(halves):
        inside = run.returns[halves == half]
        dates = judged.dates[_halves(judged.dates) == half] if judged else []
        cells = [*_figures(inside, run.headline), f"{len(inside):,}"]
        cells.append(judged.text(dates) if judged and len(dates) else DASH)
        rows.append(Row(f"{half // 2}, {'second' if half % 2 else 'first'} half", cells))
    name = judged.name if judged else "score"
    head = ["Half-year", "Return", "over benchmark", "over equal weight", "Max. drawdown", "Sessions"]
    head.append(f"{name[0].upper()}{name[1:]}")
    note = f"{recipe_label(run.headline)}; returns of the half-year, or of what the test has of it, after costs."
    return Table(head, rows, note=note)


def _halves(days: pd.DatetimeIndex) -> IntArray:
    """[T] half-years, counted from the year 0."""
    return np.asarray(days.year * 2 + (days.month > 6))
