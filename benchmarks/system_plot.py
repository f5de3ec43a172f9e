"""Draw a run's net values, and its position ratio: python benchmarks/system_plot.py RUN_FOLDER OUT [NAMES] [--values].

NAMES are portfolios; --values leaves the position ratio out. --directions draws the forecasts of single symbols
instead, of the recipes NAMES: right ones and coverage by the size of the forecast.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from nnstrategies.report.definitions import recipe_label
from nnstrategies.report.threshold_chart import draw_coverage, draw_right, sized

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b85f94", "#d08c00", "#3d9fd6")
LINES = (("#1f6fb4", "-"), ("#d1661d", "-"), ("#3d8f4e", "-"), ("#444444", "--"), ("#8a8a8a", ":"))
LEGEND: dict[str, Any] = {"frameon": False, "ncols": 2}
BEHIND = ("equal_weight", "benchmark")  # always in the last two looks


def draw(folder: Path, out: Path, names: list[str], ratio: bool) -> None:
    """Net values of ``names`` (start = 1), and the headline's invested share: achieved daily, wanted at rebalances."""
    manifest = json.loads((folder / "manifest.json").read_text())
    returns = pd.read_parquet(folder / "returns.parquet").set_index("date")
    figure = Figure(figsize=(8.6, 5.6 if ratio else 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1)) if ratio else [figure.subplots()]
    looks = dict(zip([name for name in names if name not in BEHIND], LINES, strict=False))
    looks |= {name: look for name, look in zip(BEHIND, LINES[-2:], strict=True) if name in names}
    for name, (colour, line) in looks.items():
        rows[0].plot((1 + returns[name]).cumprod(), line, color=colour, linewidth=1.5, label=recipe_label(name))
    rows[0].set_title(str(manifest["title"]), loc="left", fontsize=11)
    rows[0].set_ylabel("net value, start = 1")
    if ratio:
        _invested(rows[1], folder)
    for axes in rows:
        axes.grid(alpha=0.3)
        axes.legend(**LEGEND)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, **_plain(out))


def _plain(out: Path) -> dict[str, Any]:
    """Without versions and dates, so that the same run draws the same file."""
    return {"dpi": 90, "metadata": {"Software": None} if out.suffix == ".png" else {"Date": None}}


def _invested(axes: Axes, folder: Path) -> None:
    account, targets = (pd.read_parquet(folder / f"{name}.parquet") for name in ("account", "targets"))
    axes.plot(account["date"], account["position_ratio"], color=LINES[0][0], linewidth=1.2, label="achieved")
    wanted = targets.groupby("date")["target"].sum()
    axes.step(wanted.index, wanted, where="post", color=LINES[1][0], linewidth=1.0, label="wanted")
    axes.set_ylim(0, 1.05)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylabel("invested share")


def draw_directions(folder: Path, out: Path, names: list[str]) -> None:
    """The report's two charts by size of forecast, above one another."""
    manifest = json.loads((folder / "manifest.json").read_text())
    forecasts = pd.read_parquet(folder / "forecasts.parquet")
    found = sized(forecasts[forecasts["recipe"].isin(names)] if names else forecasts)
    looks = dict(zip(dict.fromkeys(found["recipe"]), COLOURS, strict=False))
    figure = Figure(figsize=(8.6, 6.4), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    draw_right(above, found, (manifest["published"] or {}).get("directions", {}), looks, "#444444")
    draw_coverage(below, found, looks)
    above.set_xlabel("")
    said = "bars: published; points: measured, mean and spread over seeds; dashed: a coin"
    above.set_title(f"{manifest['title']}\n{said}", loc="left", fontsize=11)
    above.legend([Patch(color=colour) for colour in looks.values()], [recipe_label(n) for n in looks], **LEGEND)
    for axes in (above, below):
        axes.grid(alpha=0.3, axis="y")
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, **_plain(out))


def main(words: list[str]) -> None:
    folder, out, *names = [word for word in words if not word.startswith("--")]
    if "--directions" in words:
        draw_directions(Path(folder), Path(out), names)
        return
    ratio = "--values" not in words
    headline = json.loads((Path(folder) / "manifest.json").read_text())["headline"]
    draw(Path(folder), Path(out), names or [headline, "momentum", "benchmark"], ratio)


if __name__ == "__main__":
    main(sys.argv[1:])
