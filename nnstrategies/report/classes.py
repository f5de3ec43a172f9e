"""Class labels: how often each class was named when it came, and whether its probability was right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from nnstrategies.report.definitions import CLASS_FIGURES, recipe_label
from nnstrategies.report.formats import DASH, mean_text, percent
from nnstrategies.report.measures import unmoved_note
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
    """Recipes of a table, the one that orders the headline first."""
    found = list(dict.fromkeys(table["recipe"]))
    return sorted(found, key=lambda name: name != run.judged)


def matrices(run: RunFolder) -> list[Matrix]:
    return [_matrix(recipe, *_counts(run, recipe)) for recipe in _recipes(run, run.confusion)]


def _matrix(recipe: str, names: list[str], counts: np.ndarray) -> Matrix:
    shares = _over(counts, counts.sum(axis=2, keepdims=True))  # [seeds, actual, predicted]
    rows = []
    for a, actual in enumerate(names):
        cells = []
        for p in range(len(names)):
            strength = np.nan_to_num(shares[:, a, p].mean())
            cells.append((f"{counts[:, a, p].sum():,.0f}", mean_text(shares[:, a, p]), float(strength)))
        rows.append((actual, cells, f"{counts[:, a].sum():,.0f}"))
    return Matrix(recipe_label(recipe), len(counts), names, rows)


def _over(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole > 0)


def accuracy_table(run: RunFolder) -> Table | None:
    """Accuracy, macro precision, recall and F1 of each recipe, what a paper says of it, and what guessing reaches."""
    rows = []
    for recipe in _recipes(run, run.confusion):
        counts = _counts(run, recipe)[1]
        said = published_classes(run, recipe)
        if any(key in said for key in CLASS_FIGURES):
            cells = [percent(said.get(key)) for key in CLASS_FIGURES[:4]]
            hours = f"{said['hours']:g}\u00a0h" if "hours" in said else DASH
            rows.append(Row(recipe_label(recipe), [*cells, DASH, DASH, hours, DASH], "published", "baseline"))
        total = counts.sum(axis=(1, 2))
        base, named = counts.sum(axis=2) / total[:, None], counts.sum(axis=1) / total[:, None]  # [seeds, C]
        cells = [mean_text(figures) for figures in macro_figures(counts)]
        cells += [mean_text((base * named).sum(axis=1)), mean_text(base.max(axis=1))]
        cells += [_fit_time(run, recipe), f"{total[0]:,.0f}"]
        seeds = f"{len(counts)} seeds" if len(counts) > 1 else "1 seed"
        rows.append(Row(recipe_label(recipe), cells, seeds, "headline" if recipe == run.judged else ""))
    head = ["Recipe", "Accuracy", "Precision", "Recall", "F1", "Guessing as often", "Most frequent class", "One fit"]
    note = "Precision, recall and F1 are means over the classes. Guessing as often: the accuracy of naming the classes "
    note += "as often as the recipe does, but at random. ± is the standard deviation over seeds. One fit: median time "
    note += "of a fit on this machine, beside others. Neighbouring rows share most of their label, so the rows count "
    note += "for far less than their number." + unmoved_note(run)
    source = (run.manifest.get("published") or {}).get("source")
    note += (
        f" Published: {source}; how it means over classes is not said."
        if any(row.remark == "published" for row in rows)
        else ""
    )
    return Table([*head, "Judged"], rows, note=note) if rows else None


def macro_figures(counts: np.ndarray) -> tuple[np.ndarray, ...]:
    """Accuracy, and means over classes of precision, recall and F1, [seeds] each, of counts [seeds, actual, predicted].

    As scikit-learn does: a class that was never named has precision 0, one that neither came nor was named has none.
    """
    right = np.diagonal(counts, axis1=1, axis2=2)
    came, named = counts.sum(axis=2), counts.sum(axis=1)
    known = came + named > 0
    shares = [_over(right, named), _over(right, came), _over(2 * right, came + named)]
    means = [np.where(known, np.nan_to_num(share), 0.0).sum(axis=1) / known.sum(axis=1) for share in shares]
    return (right.sum(axis=1) / counts.sum(axis=(1, 2)), *means)


def published_classes(run: RunFolder, recipe: str) -> dict[str, float]:
    """What a paper says of a recipe's classes; empty where it says nothing."""
    said = (run.manifest.get("published") or {}).get("classes") or {}
    return dict(said.get(recipe, {}))


def _fit_time(run: RunFolder, recipe: str) -> str:
    """Median seconds of one fit; minutes or hours where it took so long."""
    seconds = float(run.fit_seconds.loc[run.fit_seconds["recipe"] == recipe, "seconds"].median())
    if not np.isfinite(seconds):
        return DASH
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f}\u00a0{unit}"
    return f"{seconds:.1f}\u00a0s"


def class_table(run: RunFolder) -> Table | None:
    """Precision, recall and F1 of each class beside its base rate, and its calibration error."""
    rows = []
    for recipe in _recipes(run, run.confusion):
        names, counts = _counts(run, recipe)
        total = counts.sum(axis=(1, 2))
        for c, name in enumerate(names):
            right, came, named = counts[:, c, c], counts[:, c].sum(axis=1), counts[:, :, c].sum(axis=1)
            cells = [mean_text(came / total), mean_text(named / total), mean_text(_over(right, named))]
            cells += [mean_text(_over(right, came)), mean_text(_over(2 * right, came + named))]
            cells += _calibration_errors(run, recipe, name)
            rows.append(Row(f"{recipe_label(recipe)}: {name}", cells, kind="headline" if recipe == run.judged else ""))
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
    return [mean_text(found), mean_text([float(np.mean(chance))])]


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
