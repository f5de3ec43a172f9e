"""Risk against return: one point a portfolio, named beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from nnstrategies.report.charts import recipe_look
from nnstrategies.report.definitions import BASELINES, recipe_label
from nnstrategies.report.metrics import annual_return_geometric, volatility
from nnstrategies.report.run_folder import RunFolder
from nnstrategies.report.svg import INK, MUTED, Chart, drawing, percent_axis, series, to_svg
from nnstrategies.typing import FloatArray

Place = tuple[float, float, str, str]
_PLACES: list[Place] = [  # of a name beside its point: offset in points, alignment; the first of the free is taken
    *((8, 0, "left", "center"), (-8, 0, "right", "center"), (0, 8, "center", "bottom"), (0, -8, "center", "top")),
    *((7, 7, "left", "bottom"), (7, -7, "left", "top"), (-7, 7, "right", "bottom"), (-7, -7, "right", "top")),
    *((9, 18, "left", "bottom"), (9, -18, "left", "top"), (-9, 18, "right", "bottom"), (-9, -18, "right", "top")),
    *((12, 32, "left", "bottom"), (12, -32, "left", "top"), (-12, 32, "right", "bottom"), (-12, -32, "right", "top")),
]


def risk_and_return(run: RunFolder) -> Chart:
    """Annual volatility against annual return of every portfolio, the single seeds of the headline as small points."""
    names = run.compared
    points = _points(run, names)
    seeds = run.seeds_of(run.headline)
    with drawing(width=1000, height=400) as (figure, axes):
        axes.axhline(0, color=MUTED, linewidth=0.8)
        for name in seeds:
            axes.plot(*_points(run, [name])[0], "o", color=series(0), markersize=4.5, alpha=0.55, markeredgewidth=0)
        for name, (x, y) in zip(names, points, strict=True):
            marker, size = ("D", 7) if name in BASELINES else ("o", 10 if name == run.headline else 7.5)
            axes.plot(x, y, marker, color=_colour(run, name), markersize=size, markeredgewidth=0)
        percent_axis(axes.xaxis)
        percent_axis(axes.yaxis)
        axes.margins(0.12, 0.14)
        axes.set_xlabel("volatility, a year")
        axes.set_ylabel("return, a year")
        name_points(figure, axes, points, names, run.headline)
        svg = to_svg(figure, "risk", "Volatility and return of all portfolios")
    note = "Up and to the left is better. Circles: recipes; diamonds: what they have to beat."
    note += f" Small points: the {len(seeds)} single seeds of {recipe_label(run.headline)}." if len(seeds) > 1 else ""
    return Chart("Volatility and return", svg, note)


def _points(run: RunFolder, names: Sequence[str]) -> FloatArray:
    """[P, 2] volatility and geometric annual return."""
    columns = [run.returns[name].to_numpy() for name in names]
    return np.array([(np.nan_to_num(volatility(own)), annual_return_geometric(own)) for own in columns])


def _colour(run: RunFolder, name: str) -> str:
    if name in ("equal_weight", "benchmark"):
        return INK
    return series(0) if name == run.headline else recipe_look(run, name)[0]


def name_points(figure: Figure, axes: Axes, points: FloatArray, names: Sequence[str], headline: str) -> list[Bbox]:
    """Write each name beside its point where it covers least of other points and names; return the names' boxes."""
    figure.canvas.draw()  # the layout must be settled before sizes are known
    figure.set_layout_engine("none")
    size = 7 * figure.dpi / 72
    dots = [Bbox.from_bounds(x - size, y - size, 2 * size, 2 * size) for x, y in axes.transData.transform(points)]
    boxes: list[Bbox] = []
    for k, name in enumerate(names):
        others = [*dots[:k], *dots[k + 1 :], *boxes]
        covered = [_covered(figure, axes, points[k], name, place, others) for place in _PLACES]
        text = _written(axes, points[k], name, _PLACES[int(np.argmin(covered))])
        text.set_fontweight("bold" if name == headline else "normal")
        boxes.append(_box(figure, text))
    return boxes


def _written(axes: Axes, point: FloatArray, name: str, place: Place) -> Annotation:
    x, y, horizontal, vertical = place
    far = max(abs(x), abs(y)) > 10
    return axes.annotate(
        recipe_label(name),
        (float(point[0]), float(point[1])),
        xytext=(x, y),
        textcoords="offset points",
        ha=horizontal,
        va=vertical,
        color=INK,
        arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.7} if far else None,
    )


def _covered(
    figure: Figure,
    axes: Axes,
    point: FloatArray,
    name: str,
    place: Place,
    others: Sequence[Bbox],
) -> float:
    """Area of other names and points that a name would cover, and of itself that would lie outside the axes."""
    text = _written(axes, point, name, place)
    box = _box(figure, text)
    text.remove()
    inside = Bbox.intersection(box, axes.bbox)
    outside = box.width * box.height - (inside.width * inside.height if inside else 0.0)
    common = [Bbox.intersection(box, other) for other in others]
    return outside + sum(one.width * one.height for one in common if one)


def _box(figure: Figure, text: Annotation) -> Bbox:
    """The text alone, without its line, a little wider than drawn: a page's font may be."""
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    text.update_positions(renderer)
    return Text.get_window_extent(text, renderer).expanded(1.12, 1.1)
