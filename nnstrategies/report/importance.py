"""Which features and days the scores rest on: charts and a table."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from nnstrategies.report.definitions import recipe_label
from nnstrategies.report.formats import DASH, percent, ratio
from nnstrategies.report.run_folder import RunFolder
from nnstrategies.report.svg import INK, Chart, drawing, series, to_svg
from nnstrategies.report.tables import Row, Table

MOST_FEATURES = 16
MOST_LAGS = 40
_PLACE = ["by", "feature", "lag_first", "lag_last"]


@dataclass(frozen=True)
class Group:
    """Charts that stand together: ``pair`` side by side, ``wide`` below them."""

    pair: list[Chart]
    wide: list[Chart] = field(default_factory=list)


def importance_charts(run: RunFolder) -> list[Group]:
    """Per recipe: the drop in rank IC by feature and by lag, and integrated gradients by feature and lag.

    Recipes that see one day only, and so have the first of these charts only, share the last group.
    """
    groups, one_day = [], []
    for number, recipe in enumerate(_recipes(run)):
        rows = run.importance[run.importance["recipe"] == recipe]
        shuffled = rows[(rows["method"] == "permutation") & (rows["metric"] == "rank_ic")]
        by_feature = _features(shuffled[shuffled["by"] == "feature"], recipe, number)
        by_lag, gradients = shuffled[shuffled["by"] == "lag"], _gradients(rows)
        if len(by_lag):
            wide = [_heat(gradients, recipe, number)] if len(gradients) else []
            groups.append(Group([by_feature, _lags(by_lag, recipe, number)], wide))
        else:
            one_day.append(by_feature)
    return [*groups, Group(one_day)] if one_day else groups


def _recipes(run: RunFolder) -> list[str]:
    return sorted(dict.fromkeys(run.importance["recipe"]), key=lambda name: name != run.headline)


def _gradients(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["method"] == "integrated_gradients"]


def _over_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds of value, error and baseline; the labels of one place stay in the order recorded."""
    return rows.groupby(_PLACE, sort=False)[["value", "error", "baseline"]].mean().reset_index()


def _features(rows: pd.DataFrame, recipe: str, number: int) -> Chart:
    table = _over_seeds(rows).sort_values("value", ascending=False, kind="stable")
    shown = table.head(MOST_FEATURES).iloc[::-1]
    with drawing(height=90 + 21 * max(len(shown), 3)) as (figure, axes):
        error = 2 * np.nan_to_num(shown["error"].to_numpy())
        axes.barh(shown["feature"], shown["value"], height=0.66, color=series(0), alpha=0.75)
        axes.errorbar(shown["value"], shown["feature"], xerr=error, fmt="none", ecolor=INK, elinewidth=1)
        if rows["seed"].nunique() > 1:
            dots = rows[rows["feature"].isin(shown["feature"])]
            axes.plot(dots["value"], dots["feature"], "|", color=INK, markersize=9)
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_xlabel("drop in rank IC")
        axes.grid(False, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(6))
        _leave_room(figure, list(shown["feature"]))
        svg = to_svg(figure, f"perm{number}", f"Permutation importance by feature, {recipe_label(recipe)}")
    note = f"{_effort(rows)} Bars: ± 2 standard errors." + _seeds(rows)
    left = len(table) - len(shown)
    note += f" {left} weaker features are in the table." if left else ""
    return Chart(f"{recipe_label(recipe)}: drop in rank IC, by feature", svg, note)


def _leave_room(figure: Figure, labels: list[str]) -> None:
    """Room at the left for labels in a larger type: the page sets it on narrow screens."""
    units = 1.4 * max(len(label) for label in labels)
    left = units / (72 * figure.get_figwidth())
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    engine.set(rect=(left, 0.0, 1.0 - left, 1.0))


def _effort(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    untouched = ratio(rows.groupby("seed")["baseline"].first().mean(), 3)
    return f"Of {untouched} untouched; {int(first['dates'])} dates, {int(first['repeats'])} permutations of each."


def _seeds(rows: pd.DataFrame) -> str:
    count = rows["seed"].nunique()
    return f" Mean over {count} seeds, ticks: each of them." if count > 1 else ""


def _lags(rows: pd.DataFrame, recipe: str, number: int) -> Chart:
    table = _over_seeds(rows).sort_values("lag_first", ascending=False)
    labels = [lag_text(int(a), int(b)) for a, b in zip(table["lag_first"], table["lag_last"], strict=True)]
    with drawing() as (figure, axes):
        error = 2 * np.nan_to_num(table["error"].to_numpy())
        axes.bar(labels, table["value"], width=0.66, color=series(0), alpha=0.75)
        axes.errorbar(labels, table["value"], yerr=error, fmt="none", ecolor=INK, elinewidth=1)
        axes.axhline(0, color=INK, linewidth=1)
        axes.set_xlabel("sessions before the decision")
        axes.set_ylabel("drop in rank IC")
        axes.grid(False, axis="x")
        svg = to_svg(figure, f"lag{number}", f"Permutation importance by lag, {recipe_label(recipe)}")
    note = f"All features of these sessions shuffled together. {_effort(rows)} Bars: ± 2 standard errors."
    return Chart(f"{recipe_label(recipe)}: drop in rank IC, by lag", svg, note)


def lag_text(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}\u2013{last}"


def _heat(rows: pd.DataFrame, recipe: str, number: int) -> Chart:
    """Features by lags; the colour's strength is the mean absolute attribution of a session."""
    gap, rows = float(rows.loc[rows["by"] == "gap", "value"].mean()), rows[rows["by"] == "feature_lag"]
    table = rows.pivot_table(index="feature", columns="lag_first", values="value")  # mean over seeds, lag 0 first
    table = table.loc[table.sum(axis=1).sort_values(ascending=False, kind="stable").index[:MOST_FEATURES]]
    with drawing(width=1000, height=80 + 24 * max(len(table), 3)) as (figure, axes):
        top = _cells(axes, table)
        axes.set_xlim(table.shape[1] - 0.5, -0.5)
        axes.set_ylim(len(table) - 0.5, -0.5)
        axes.set_yticks(range(len(table)), list(table.index))
        axes.xaxis.set_major_locator(MaxNLocator(20, integer=True))
        axes.set_xlabel("sessions before the decision")
        axes.grid(False)
        _leave_room(figure, list(table.index))
        svg = to_svg(figure, f"grad{number}", f"Integrated gradients by feature and lag, {recipe_label(recipe)}")
    base = float(rows["baseline"].mean())
    note = f"Mean |part of the score| of a feature on one session; full colour is {percent(top / base)} of the mean "
    note += (
        f"|score less its date\u2019s mean|. {int(rows['dates'].iloc[0])} dates; the baseline is each feature\u2019s "
    )
    note += f"training mean. The parts add up to the score but for {percent(gap / base)} of it."
    return Chart(f"{recipe_label(recipe)}: integrated gradients", svg, note)


def _cells(axes: Axes, table: pd.DataFrame) -> float:
    """Draw a table [features, lags], neighbouring lags sharing a cell where they are many; the value of full colour."""
    lags = np.arange(table.shape[1])
    group = lags * min(MOST_LAGS, len(lags)) // len(lags)
    means = table.T.groupby(group).mean().T.to_numpy()  # [features, cells]
    edges = np.searchsorted(group, np.arange(means.shape[1] + 1))
    top = max(float(means.max()), 1e-12)
    for (f, k), value in np.ndenumerate(means):
        corner, width = (float(edges[k]) - 0.5, f - 0.47), float(edges[k + 1] - edges[k])
        axes.add_patch(Rectangle(corner, width, 0.94, color=series(0), alpha=max(value / top, 0.02), linewidth=0))
    return top


def importance_table(run: RunFolder) -> Table | None:
    """Every block: drops with their spread over permutations and error over dates, and its integrated gradient."""
    if run.importance.empty:
        return None
    rows = []
    for recipe in _recipes(run):
        mine = run.importance[(run.importance["recipe"] == recipe) & (run.importance["method"] == "permutation")]
        shares = _gradient_shares(run, recipe)
        for _, part in mine.groupby(_PLACE, sort=False):
            by, feature, first, last = part.iloc[0][_PLACE]
            what = f"lag {lag_text(int(first), int(last))}" if by == "lag" else str(feature)
            cells = [*_drop(part, "rank_ic"), *_drop(part, "accuracy")[:2]]
            rows.append(Row(recipe_label(recipe), [what, *cells, percent(shares.get(what))]))
    head = ["Recipe", "Shuffled", "Drop in rank IC", "Standard error", "Spread", "Drop in accuracy", "Standard error"]
    note = "Spread: standard deviation over permutations. Gradients: share of the features\u2019 integrated gradients."
    return Table([*head, "Gradients"], rows, text_columns=1, note=note)


def _gradient_shares(run: RunFolder, recipe: str) -> dict[str, float]:
    """Feature -> its share of all features' integrated gradients, mean over seeds; empty where none were taken."""
    rows = run.importance[(run.importance["recipe"] == recipe) & (run.importance["by"] == "feature")]
    means = rows[rows["method"] == "integrated_gradients"].groupby("feature")["value"].mean()
    return {str(name): float(value) for name, value in (means / means.sum()).items()}


def _drop(part: pd.DataFrame, metric: str) -> list[str]:
    """Value, error and spread of one metric, means over seeds."""
    rows = part[part["metric"] == metric]
    if rows.empty:
        return [DASH] * 3
    means = [float(rows[name].mean()) for name in ("value", "error", "spread")]
    if metric == "accuracy":
        return [percent(value, 2) for value in means]
    return [ratio(value, 4) for value in means]


def quick_note(run: RunFolder) -> str:
    """How to have it in full, where a recipe or a network's gradients were left out."""
    learned = set(run.folds.loc[run.folds["train_rows"] > 0, "recipe"])
    gradients = set(run.importance.loc[run.importance["method"] == "integrated_gradients", "recipe"])
    if learned <= set(run.importance["recipe"]) and set(run.losses["recipe"]) <= gradients:
        return ""
    return (
        f"A quick look. The command nnstrategies explain runs/{run.root.resolve().name} takes the other recipes, more "
        "dates and gradients, and rebuilds this page."
    )
