"""When each refit learned, validated and was in force: a chart and a table."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import date2num

from nnstrategies.report.definitions import recipe_label
from nnstrategies.report.formats import DASH
from nnstrategies.report.run_folder import FOLD_DATES, RunFolder
from nnstrategies.report.svg import INK, MUTED, Chart, Key, date_axis, drawing, series, to_svg
from nnstrategies.report.tables import Row, Table

MOST_ROWS = 24
_TRAIN, _VALID, _IN_FORCE = series(0), series(4), series(2)
_BAR = 0.62  # of the height of a row


def fold_timelines(run: RunFolder) -> list[Chart]:
    """One chart per set of equal folds; recipes that never train have none."""
    groups: dict[tuple[object, ...], list[str]] = {}
    tables: dict[tuple[object, ...], pd.DataFrame] = {}
    for recipe, rows in run.folds.groupby("recipe", sort=False):
        first = rows[rows["seed"] == rows["seed"].iloc[0]]
        if not first["train_rows"].any():
            continue
        key = tuple(first[["asof", *FOLD_DATES, "in_force_from"]].astype(str).to_numpy().ravel())
        groups.setdefault(key, []).append(str(recipe))
        tables.setdefault(key, rows)
    return [_timeline(tables[key], names, number) for number, (key, names) in enumerate(groups.items())]


def _timeline(rows: pd.DataFrame, recipes: list[str], number: int) -> Chart:
    every = rows.groupby("asof", sort=True).agg({name: "first" for name in rows.columns if name != "asof"})
    kept = rows.assign(kept=rows["decision"] != "promoted").groupby("asof")["kept"].all()
    pick = np.unique(np.linspace(0, len(every) - 1, min(len(every), MOST_ROWS)).round().astype(int))
    shown, held = every.iloc[pick], kept.iloc[pick].to_numpy()
    label = ", ".join(recipe_label(name) for name in recipes)
    with drawing(height=74 + 19 * max(len(shown), 4)) as (figure, axes):
        for y, (_, fold) in enumerate(shown.iterrows()):
            _draw(axes, y, fold, bool(held[y]))
        axes.set_yticks(range(len(shown)), [f"{day:%Y-%m-%d}" for day in pd.DatetimeIndex(shown.index)])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_ylabel("refit as of")
        axes.xaxis_date()
        date_axis(axes)
        axes.grid(False)
        svg = to_svg(figure, f"folds{number}", f"Training, validation and days in force of each refit of {label}")
    keys = [Key("training", _TRAIN, "box"), Key("purge gap", MUTED)]
    keys += [Key("validation", _VALID, "box")] if every["valid_rows"].any() else []
    note = f"{len(shown)} of {len(every)} refits, evenly spaced. " if len(shown) < len(every) else ""
    note += _gap_text(every) + (" Outlined: the incumbent stayed." if held.any() else "")
    return Chart(f"Folds, {label}", svg, note, [*keys, Key("in force", _IN_FORCE, "box")])


def _gap_text(folds: pd.DataFrame) -> str:
    """How long the purge gap is: between the last day learned from and the first validated on, or in force."""
    if (folds[["train_last", "valid_last"]].max(axis=1) >= folds["in_force_from"]).any():
        return "Learned, on purpose, from days on which it is in force."
    after = folds["valid_first"].fillna(folds["in_force_from"])
    days = (after - folds["train_last"]).dt.days
    low, high = int(days.min()), int(days.max())
    return f"Purge gap: {low} days." if low == high else f"Purge gap: {low} to {high} days."


def _draw(axes: Axes, y: int, fold: pd.Series, kept: bool) -> None:
    """One refit: training, gap, validation, gap, days in force, from left to right."""
    spans = [(fold["train_first"], fold["train_last"], _TRAIN), (fold["valid_first"], fold["valid_last"], _VALID)]
    spans = [span for span in spans if pd.notna(span[0])]
    spans.append((fold["in_force_from"], fold["in_force_until"], _IN_FORCE))
    for first, last, colour in spans:
        _bar(axes, y, first, last, colour, kept and colour == _IN_FORCE)
    for (_, last, _), (first, _, _) in pairwise(spans):
        if last < first:  # but not of a leaky refit, which has read days on which it is in force
            axes.plot([date2num(last) + 1, date2num(first)], [y, y], color=MUTED, linewidth=1.2)


def _bar(axes: Axes, y: int, first: pd.Timestamp, last: pd.Timestamp, colour: str, hollow: bool) -> None:
    left, width = date2num(first), date2num(last) - date2num(first) + 1
    face = "none" if hollow else colour
    edge = {"edgecolor": INK, "linewidth": 0.8} if hollow else {"linewidth": 0, "alpha": 0.75}
    axes.barh(y, width, left=left, height=_BAR, color=face, zorder=2, **edge)


def fold_table(run: RunFolder) -> Table | None:
    """Every refit's days, seeds together."""
    if run.folds.empty:
        return None
    rows = []
    for _, fold in run.folds.groupby(["recipe", "asof"], sort=False):
        one = fold.iloc[0]
        spans = [_span(one["train_first"], one["train_last"]), _day(one["labels_until"])]
        spans += [_span(one["valid_first"], one["valid_last"]), _span(one["in_force_from"], one["in_force_until"])]
        counts = [f"{int(one[name]):,}" if one[name] else DASH for name in ("train_rows", "valid_rows")]
        rows.append(Row(recipe_label(str(one["recipe"])), [_day(one["asof"]), *spans, *counts]))
    head = ["Recipe", "As of", "Training", "Its labels known by", "Validation", "In force"]
    return Table([*head, "Training samples", "Validation samples"], rows, text_columns=5)


def _day(day: pd.Timestamp) -> str:
    return DASH if pd.isna(day) else f"{day:%Y-%m-%d}"


def _span(first: pd.Timestamp, last: pd.Timestamp) -> str:
    return DASH if pd.isna(first) else f"{_day(first)} to {_day(last)}"
