"""Draw a run's net values, and its position ratio: python benchmarks/system_plot.py RUN_FOLDER OUT [NAMES] [--values].

NAMES are portfolios; --values leaves the position ratio out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from nnstrategies.report.definitions import recipe_label

LINES = (("#1f6fb4", "-"), ("#d1661d", "-"), ("#3d8f4e", "-"), ("#444444", "--"), ("#8a8a8a", ":"))
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
        axes.legend(frameon=False, ncols=2)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, dpi=90, metadata={"Software": None} if out.suffix == ".png" else {"Date": None})


def _invested(axes: Axes, folder: Path) -> None:
    account, targets = (pd.read_parquet(folder / f"{name}.parquet") for name in ("account", "targets"))
    axes.plot(account["date"], account["position_ratio"], color=LINES[0][0], linewidth=1.2, label="achieved")
    wanted = targets.groupby("date")["target"].sum()
    axes.step(wanted.index, wanted, where="post", color=LINES[1][0], linewidth=1.0, label="wanted")
    axes.set_ylim(0, 1.05)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylabel("invested share")


def main(words: list[str]) -> None:
    ratio = "--values" not in words
    folder, out, *names = [word for word in words if word != "--values"]
    headline = json.loads((Path(folder) / "manifest.json").read_text())["headline"]
    draw(Path(folder), Path(out), names or [headline, "momentum", "benchmark"], ratio)


if __name__ == "__main__":
    main(sys.argv[1:])
