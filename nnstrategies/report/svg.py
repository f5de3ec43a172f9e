"""Matplotlib figures as inline SVG whose colours are CSS variables, so that one drawing serves light, dark and print.

A figure is drawn in stand-in colours (``INK``, ``MUTED``, ``GRID``, ``series(k)``), which become ``var(--ink)`` and
so on. Text stays text and takes the page's font.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

INK, MUTED, GRID = "#0a0b01", "#0a0b02", "#0a0b03"
SERIES_COUNT = 8
LINES = ("solid", "dashed", "dotted")
DASHES: dict[str, Any] = {"solid": "-", "dashed": (0, (5, 2)), "dotted": (0, (1, 1.5))}
WIDTH, HEIGHT = 520, 270  # user units; one unit is one CSS pixel at full size
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "nnstrategies",
    "font.family": "DejaVu Sans",
    "font.size": 11.5,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.major.pad": 7,
    "ytick.major.pad": 5,
    "axes.labelpad": 9,
    "lines.linewidth": 1.8,
    "lines.solid_joinstyle": "round",
    "path.simplify": True,
    "path.simplify_threshold": 0.3,
}


def series(k: int) -> str:
    """Stand-in for ``var(--s<k>)``, k from 0."""
    return f"#0a0c{k % SERIES_COUNT + 1:02x}"


def look(k: int, first: int = 0, colours: int = SERIES_COUNT) -> tuple[str, str]:
    """Colour and line of the k-th of many: colours repeat, from ``first`` on, and then with another line."""
    return series(first + k % colours), LINES[k // colours % len(LINES)]


_VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)"}
_VARIABLES |= {series(k): f"var(--s{k})" for k in range(SERIES_COUNT)}


@dataclass(frozen=True)
class Key:
    """One entry of a chart's legend; ``colour`` as in the drawing, ``line`` solid, dashed, dotted or box."""

    label: str
    colour: str
    line: str = "solid"

    @property
    def css(self) -> str:
        return _VARIABLES[self.colour]


@dataclass(frozen=True)
class Chart:
    """A drawing with its title and a sentence on how to read it."""

    title: str
    svg: str
    note: str = ""
    keys: list[Key] = field(default_factory=list)
    log_svg: str = ""


@contextmanager
def drawing(width: int = WIDTH, height: int = HEIGHT) -> Iterator[tuple[Figure, Axes]]:
    """A figure and its axes in the report's style; no pyplot, so no global state and no display."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width / 72, height / 72), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, figure.subplots()


def date_axis(axes: Axes) -> None:
    locator = AutoDateLocator(minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    axes.grid(False, axis="x")
    axes.margins(x=0.01)


def percent_axis(axis: XAxis | YAxis, digits: int | None = None) -> None:
    """Label an axis of shares in per cent."""
    axis.set_major_locator(MaxNLocator(6))
    axis.set_major_formatter(PercentFormatter(1.0, decimals=digits, symbol=" %"))


def to_svg(figure: Figure, name: str, label: str) -> str:
    """The figure as an ``<svg>`` element without fixed size; ``name`` makes its ids unique in the page."""
    buffer = io.StringIO()
    with matplotlib.rc_context(_STYLE):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r'(?<=id=")|(?<=url\(#)|(?<=xlink:href="#)', f"{name}-", text)
    text = re.sub(r"\s*\n\s*", "\n", text).strip()
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    box = re.search(r'viewBox="[^"]*"', text)
    attributes = f'{box.group(0) if box else ""} role="img" aria-label="{escape(label)}"'
    return re.sub(r"<svg[^>]*>", f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" {attributes}>', text, count=1)
