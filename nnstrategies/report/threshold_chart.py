"""Directions of single symbols by the size of the forecast: how many are right, and how many are left."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

from nnstrategies.report.definitions import recipe_label
from nnstrategies.report.forecasts import shares
from nnstrategies.report.formats import percent
from nnstrategies.report.run_folder import RunFolder
from nnstrategies.report.svg import INK, MUTED, SERIES_COUNT, Chart, Key, drawing, percent_axis, series, to_svg

LEAST = 30  # forecasts of a seed, on average, below which a share of right ones is not drawn
Ranges = Mapping[str, Mapping[str, tuple[float, float]]]


def threshold_charts(run: RunFolder) -> list[Chart]:
    """Two charts; none where no recipe forecasts sizes."""
    found = sized(run.forecasts)
    if found.empty:
        return []
    names = list(dict.fromkeys(found["recipe"]))[:SERIES_COUNT]
    looks = {name: series(k) for k, name in enumerate(names)}
    said = (run.manifest.get("published") or {}).get("directions") or {}
    with drawing() as (figure, axes):
        draw_right(axes, found, said, looks, INK)
        right = to_svg(figure, "directions", "Share of right directions by the size of the forecast")
    with drawing() as (figure, axes):
        draw_coverage(axes, found, looks)
        coverage = to_svg(figure, "coverage", "Share of days with a forecast of at least that size")
    keys = [Key(recipe_label(name), colour) for name, colour in looks.items()]
    published = [Key("published", MUTED, "box")] if said else []
    note = f"Mean and standard deviation over seeds, where a seed has {LEAST} such forecasts or more on average. "
    note += "Dashed: a coin."
    if said:
        note += " Wide bars: the range that the source publishes, in the recipe's colour."
    return [
        Chart("Right directions, by size of forecast", right, note, [*keys, *published]),
        Chart("Coverage, by size of forecast", coverage, "Of the days on which the price moved.", keys),
    ]


def sized(forecasts: pd.DataFrame) -> pd.DataFrame:
    """``shares`` of the recipes that forecast sizes; a class has none."""
    found = shares(forecasts)
    reached = found[found["threshold"] > 0].groupby("recipe")["acted"].sum() > 0
    return found[found["recipe"].isin(reached[reached].index)].reset_index(drop=True)


def draw_right(axes: Axes, found: pd.DataFrame, said: Ranges, looks: Mapping[str, str], ink: str) -> None:
    """Shares of right directions with their spread over seeds, and what is published of them.

    looks: recipe -> colour. ink: that of the line of a coin.
    """
    places = _places(axes, found)
    axes.axhline(0.5, color=ink, linewidth=1, linestyle=(0, (4, 3)))
    width = 0.7 / max(len(looks), 1)
    for k, (name, colour) in enumerate(looks.items()):
        own = found[(found["recipe"] == name) & (found["acted"] >= LEAST)]
        aside = (k - (len(looks) - 1) / 2) * width
        at = own["threshold"].map(places) + aside
        axes.plot(at, own["right"], color=colour, marker="o", markersize=4, linewidth=1.2)
        axes.errorbar(at, own["right"], yerr=own["spread"].fillna(0.0), fmt="none", ecolor=colour, elinewidth=1.2)
        for threshold, (low, high) in said.get(name, {}).items():
            if float(threshold) in places:
                at_published = places[float(threshold)] + aside
                axes.bar(at_published, high - low, width * 0.9, low, color=colour, alpha=0.45, linewidth=0)
    axes.set_ylabel("right directions")
    percent_axis(axes.yaxis, 0)


def draw_coverage(axes: Axes, found: pd.DataFrame, looks: Mapping[str, str]) -> None:
    """Share of the days with a forecast of at least each size."""
    places = _places(axes, found)
    for name, colour in looks.items():
        own = found[found["recipe"] == name]
        axes.plot(own["threshold"].map(places), own["coverage"], color=colour, marker="o", markersize=4)
    axes.set_ylabel("days with such a forecast")
    axes.set_ylim(bottom=0)
    percent_axis(axes.yaxis, 0)


def _places(axes: Axes, found: pd.DataFrame) -> dict[float, int]:
    """Thresholds as evenly spaced places along x, labelled."""
    thresholds = sorted(set(found["threshold"]))
    labels = ["all", *(percent(threshold, 2) for threshold in thresholds[1:])]
    axes.set_xticks(range(len(thresholds)), labels)
    axes.set_xlabel("forecast change of at least")
    axes.grid(False, axis="x")
    return {threshold: place for place, threshold in enumerate(thresholds)}
