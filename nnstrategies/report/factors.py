"""Factors that a screen chose from: what it saw at each refit, and what quintiles earned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from nnstrategies.report.definitions import recipe_label
from nnstrategies.report.formats import percent, ratio
from nnstrategies.report.run_folder import RunFolder
from nnstrategies.report.svg import (
    DASHES,
    INK,
    MUTED,
    Chart,
    Key,
    date_axis,
    drawing,
    look,
    percent_axis,
    series,
    to_svg,
)
from nnstrategies.report.tables import Row, Table

COMPOSITE = "composite"
_SPANS = {"before": "before the test", "test": "test"}


def screen_table(run: RunFolder) -> Table | None:
    """Each candidate: its ICs in the first screen of the test, and how often it was taken."""
    if run.screens.empty:
        return None
    horizons = sorted(set(run.screens["horizon_days"]))
    rows = []
    for recipe, screens in run.screens.groupby("recipe", sort=False):
        tested = _of_the_test(run, screens)
        count = tested["asof"].nunique()
        first = tested[tested["asof"] == tested["asof"].min()].set_index(["factor", "horizon_days"])
        for factor, every in tested.groupby("factor", sort=False):
            own = first.loc[factor]
            cells = [ratio(own.loc[days, key], 3, signed=True) for key in ("mean_ic", "ic_ir") for days in horizons]
            taken = every.drop_duplicates("asof")
            cells += [f"{int(taken[key].sum())} of {count}" for key in ("passed", "kept")]
            remark = recipe_label(str(recipe)) if run.screens["recipe"].nunique() > 1 else ""
            rows.append(Row(str(factor), cells, remark))
    head = [f"{what}, {days} sessions" for what in ("IC", "IC_IR") for days in horizons]
    note = "IC: mean over the dates that the first screen of the test saw, known by then; IC_IR: that mean over the "
    note += "standard deviation of the daily ICs. Passed: the limits, at every horizon; used: in the composite."
    return Table(["Factor", *head, "Passed", "Used"], rows, note=note)


def _of_the_test(run: RunFolder, screens: pd.DataFrame) -> pd.DataFrame:
    """The screens in force in the test; those before it made another model's samples."""
    first = pd.Timestamp(str(run.manifest["test"]["first"]))
    before = screens["asof"][screens["asof"] < first]
    return screens[screens["asof"] >= before.max()] if len(before) else screens


def quintile_table(run: RunFolder) -> Table | None:
    """Mean return of each quintile, before the test and in it."""
    if run.quintiles.empty:
        return None
    rows = []
    several = run.quintiles["recipe"].nunique() > 1
    for (recipe, factor, span), part in run.quintiles.groupby(["recipe", "factor", "span"], sort=False):
        means = part.sort_values("quintile")["mean_return"].to_numpy()
        cells = [_SPANS[str(span)], *(percent(value, 2) for value in means), percent(means[-1] - means[0], 2, True)]
        kind = "headline" if factor == COMPOSITE else ""
        remark = recipe_label(str(recipe)) if several else ""
        rows.append(Row(str(factor), [*cells, f"{int(part['dates'].max()):,}"], remark, kind))
    rows.sort(key=lambda row: row.cells[0] == _SPANS["test"])
    note = "Equal-weight mean returns over the label's horizon, without costs, of the members with a value on the day, "
    note += "lowest values first. Neighbouring days share most of their horizon. Before the test: the days that its "
    note += "first screen saw. Composite: the recipe's own scores, out of sample."
    return Table(["Factor", "Span", *(f"Q{q}" for q in range(1, 6)), "Q5 less Q1", "Dates"], rows, 1, note)


def factor_charts(run: RunFolder) -> list[Chart]:
    if run.screens.empty:
        return []
    charts = []
    for number, (recipe, screens) in enumerate(run.screens.groupby("recipe", sort=False)):
        drawn = [_ic_chart(run, str(recipe), screens, number)] if screens["asof"].nunique() > 1 else []
        own = run.quintiles[(run.quintiles["recipe"] == recipe) & (run.quintiles["span"] == "test")]
        drawn.append(_quintile_chart(str(recipe), own, number))
        whose = f", {recipe_label(str(recipe))}" if run.screens["recipe"].nunique() > 1 else ""
        charts += [replace(chart, title=f"{chart.title}{whose}") for chart in drawn]
    return charts


def _look(k: int) -> tuple[str, str]:
    """Colour and line of the k-th factor; the first colour is the composite's."""
    return look(k, first=1, colours=5)


def _ic_chart(run: RunFolder, recipe: str, screens: pd.DataFrame, number: int) -> Chart:
    days = int(run.manifest["label"].get("horizon_days", 0)) if isinstance(run.manifest["label"], dict) else 0
    horizons = sorted(set(screens["horizon_days"]))
    days = days if days in horizons else horizons[len(horizons) // 2]
    table = screens[screens["horizon_days"] == days].pivot(index="asof", columns="factor", values="mean_ic")
    table = table[list(dict.fromkeys(screens["factor"]))]
    keys: list[Key] = []
    with drawing() as (figure, axes):
        for k, factor in enumerate(table.columns):
            colour, line = _look(k)
            axes.plot(table.index, table[factor], color=colour, linestyle=DASHES[line], linewidth=1.6)
            keys.append(Key(str(factor), colour, line))
        axes.axhline(0, color=INK, linewidth=1)
        axes.set_ylabel(f"mean IC, {days} sessions")
        date_axis(axes)
        svg = to_svg(figure, f"screen{number}", f"Mean IC of each factor in every screen of {recipe_label(recipe)}")
    return Chart("What each screen saw", svg, "Each point is a refit: the mean IC of the days before it.", keys)


def _quintile_chart(recipe: str, rows: pd.DataFrame, number: int) -> Chart:
    keys: list[Key] = []
    with drawing() as (figure, axes):
        for k, (factor, part) in enumerate(rows.groupby("factor", sort=False)):
            own = factor == COMPOSITE
            colour, line = (series(0), "solid") if own else _look(k)
            _draw(axes, part, colour, line, 2.6 if own else 1.4)
            keys.insert(0 if own else len(keys), Key(str(factor), colour, line))
        middle = float(np.nanmean(rows["mean_return"]))
        axes.axhline(middle, color=MUTED, linewidth=1)
        axes.set_xticks(range(1, 6), [f"Q{q}" for q in range(1, 6)])
        axes.set_xlabel("quintile, lowest values first")
        axes.set_ylabel("mean return over the horizon")
        percent_axis(axes.yaxis)
        axes.grid(False, axis="x")
        svg = to_svg(figure, f"quintiles{number}", f"Quintile returns of the factors of {recipe_label(recipe)}")
    return Chart("Quintile returns in the test", svg, "Grey: the mean of all quintiles. Without costs.", keys)


def _draw(axes: Axes, part: pd.DataFrame, colour: str, line: str, width: float) -> None:
    ordered = part.sort_values("quintile")
    style = DASHES[line]
    axes.plot(ordered["quintile"], ordered["mean_return"], color=colour, linestyle=style, linewidth=width, marker="o")
