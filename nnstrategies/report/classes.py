"""Class labels: how often each class was named when it came, and whether its probability was right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nnstrategies.report.definitions import recipe_label
from nnstrategies.report.formats import DASH, percent
from nnstrategies.report.run_folder import RunFolder
from nnstrategies.report.svg import MUTED, Chart, Key, drawing, percent_axis, series, to_svg
from nnstrategies.report.tables import Row, Table

_MARKERS = (("o", "●"), ("s", "■"), ("^", "▲"), ("D", "◆"))  # as drawn and as in the legend
_HALF_NORMAL = float(np.sqrt(2 / np.pi))  # E|x| of a standard normal x


@dataclass(frozen=True)
class Matrix:
    """Rows: actual class, (count, row per cent, strength 0..1) by predicted class, total."""

    title: str
    seeds: int
    classes: list[str]
    rows: list[tuple[str, list[tuple[str, str, float]], str]]


def _counts(run: RunFolder, recipe: str) -> tuple[list[str], np.ndarray]:
    """Class names and counts [seeds, actual, predicted] of one recipe."""
    rows = run.confusion[run.confusion["recipe"] == recipe]
    names = list(dict.fromkeys(rows["actual"]))
    tables = [part["count"].to_numpy(dtype=np.float64) for _, part in rows.groupby("seed")]
    return names, np.stack(tables).reshape(len(tables), len(names), len(names))


def _recipes(run: RunFolder, table: pd.DataFrame) -> list[str]:
    """Recipes of a table, the headline first."""
    found = list(dict.fromkeys(table["recipe"]))
    return sorted(found, key=lambda name: name != run.headline)


def matrices(run: RunFolder) -> list[Matrix]:
    return [_matrix(recipe, *_counts(run, recipe)) for recipe in _recipes(run, run.confusion)]


def _matrix(recipe: str, names: list[str], counts: np.ndarray) -> Matrix:
    shares = _over(counts, counts.sum(axis=2, keepdims=True))  # [seeds, actual, predicted]
    rows = []
    for a, actual in enumerate(names):
        cells = []
        for p in range(len(names)):
            strength = np.nan_to_num(shares[:, a, p].mean())
            cells.append((f"{counts[:, a, p].sum():,.0f}", _mean(shares[:, a, p]), float(strength)))
        rows.append((actual, cells, f"{counts[:, a].sum():,.0f}"))
    return Matrix(recipe_label(recipe), len(counts), names, rows)


def _over(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole > 0)


def _mean(values: Sequence[float] | np.ndarray) -> str:
    """Per cent, mean ± standard deviation over seeds."""
    found = np.asarray(values, dtype=np.float64)
    if not np.isfinite(found).all():
        return DASH
    if len(found) == 1:
        return percent(found[0])
    return f"{percent(found.mean()).removesuffix(chr(160) + '%')} ± {percent(found.std(ddof=1))}"


def accuracy_table(run: RunFolder) -> Table | None:
    """Accuracy of each recipe beside what guessing would reach."""
    rows = []
    for recipe in _recipes(run, run.confusion):
        _, counts = _counts(run, recipe)
        total = counts.sum(axis=(1, 2))
        base, named = counts.sum(axis=2) / total[:, None], counts.sum(axis=1) / total[:, None]  # [seeds, C]
        right = np.diagonal(counts, axis1=1, axis2=2)
        f1 = _over(2 * right, counts.sum(axis=2) + counts.sum(axis=1))
        cells = [_mean(right.sum(axis=1) / total), _mean((base * named).sum(axis=1)), _mean(base.max(axis=1))]
        cells += [_mean(f1.mean(axis=1)), f"{total[0]:,.0f}", str(len(counts))]
        rows.append(Row(recipe_label(recipe), cells, kind="headline" if recipe == run.headline else ""))
    head = ["Recipe", "Accuracy", "Guessing as often", "Most frequent class", "Mean F1", "Judged", "Seeds"]
    note = "Guessing as often: the accuracy of naming the classes as often as the recipe does, but at random. "
    note += "± is the standard deviation over seeds. Neighbouring rows share most of their label, so the rows count "
    return Table(head, rows, note=note + "for far less than their number.") if rows else None


def class_table(run: RunFolder) -> Table | None:
    """Precision, recall and F1 of each class beside its base rate, and its calibration error."""
    rows = []
    for recipe in _recipes(run, run.confusion):
        names, counts = _counts(run, recipe)
        total = counts.sum(axis=(1, 2))
        for c, name in enumerate(names):
            right, came, named = counts[:, c, c], counts[:, c].sum(axis=1), counts[:, :, c].sum(axis=1)
            cells = [_mean(came / total), _mean(named / total), _mean(_over(right, named))]
            cells += [_mean(_over(right, came)), _mean(_over(2 * right, came + named))]
            cells += _calibration_errors(run, recipe, name)
            rows.append(
                Row(f"{recipe_label(recipe)}: {name}", cells, kind="headline" if recipe == run.headline else "")
            )
    head = ["Class", "Base rate", "Named", "Precision", "Recall", "F1", "Calibration error", "By chance"]
    note = "Compare precision with the base rate and recall with the share of rows so named: guessing reaches those. "
    note += "Calibration error: mean |share that came − probability| over ten parts of equal size; by chance: what "
    return Table(head, rows, note=note + "perfect probabilities would show on these dates.") if rows else None


def _calibration_errors(run: RunFolder, recipe: str, name: str) -> list[str]:
    """Expected calibration error of one class, and its expectation for perfect probabilities."""
    rows = run.calibration[(run.calibration["recipe"] == recipe) & (run.calibration["class"] == name)]
    if rows.empty:
        return [DASH, DASH]
    found, chance = [], []
    for _, part in rows.groupby("seed"):
        found.append(np.average((part["share"] - part["probability"]).abs(), weights=part["count"]))
        chance.append(np.average(part["error"] * _HALF_NORMAL, weights=part["count"]))
    return [_mean(found), _mean([float(np.mean(chance))])]


def reliability(run: RunFolder) -> list[Chart]:
    """A reliability diagram per recipe with probabilities: the share that came over the probability, by class."""
    return [_reliability(run, recipe, k) for k, recipe in enumerate(_recipes(run, run.calibration))]


def _reliability(run: RunFolder, recipe: str, number: int) -> Chart:
    rows = run.calibration[run.calibration["recipe"] == recipe]
    seeds, names = rows["seed"].nunique(), list(dict.fromkeys(rows["class"]))
    parts = rows.groupby(["class", "bin"], sort=False)[["probability", "share", "error"]].mean()
    both = parts[["probability", "share"]].to_numpy()
    ends = [float(both.min()), float(both.max())]
    keys = []
    with drawing(height=330) as (figure, axes):
        axes.plot(ends, ends, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for c, name in enumerate(names):
            part, colour = parts.loc[name], series(c)
            two = 2 * part["error"]
            axes.errorbar(part["probability"], part["share"], yerr=two, fmt="none", ecolor=colour, elinewidth=0.9)
            marker, sign = _MARKERS[c % len(_MARKERS)]
            axes.plot(part["probability"], part["share"], color=colour, marker=marker, markersize=5.5, linewidth=1.2)
            keys.append(Key(f"{name} {sign}", colour))
        percent_axis(axes.yaxis, 0)
        percent_axis(axes.xaxis, 0)
        axes.set_xlabel("probability given")
        axes.set_ylabel("share that came")
        svg = to_svg(figure, f"cal{number}", f"Reliability diagram of {recipe_label(recipe)}")
    low, high = int(rows["count"].min()), int(rows["count"].max())
    held = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    note = f"Each point holds {held} rows; bars: ± 2 standard errors. On the dashed line probabilities are right."
    note += f" Mean over {seeds} seeds." if seeds > 1 else ""
    return Chart(f"Calibration, {recipe_label(recipe)}", svg, note, [*keys, Key("perfect", MUTED, "dashed")])
