"""Draw a run's net values and its position ratio: python benchmarks/system_plot.py RUN_FOLDER OUT.png [NAMES]."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

COLOURS = ("#1f6fb4", "#d1661d", "#8a8a8a", "#3d8f4e", "#8d5bb0")


def draw(folder: Path, out: Path, names: list[str]) -> None:
    """Net values of ``names`` (start = 1), and the headline's invested share: achieved daily, wanted at rebalances."""
    returns = pd.read_parquet(folder / "returns.parquet").set_index("date")
    account, targets = (pd.read_parquet(folder / f"{name}.parquet") for name in ("account", "targets"))
    figure = Figure(figsize=(8.6, 5.6), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    for name, colour in zip(names, COLOURS, strict=False):
        upper.plot((1 + returns[name]).cumprod(), color=colour, linewidth=1.4, label=name)
    lower.plot(account["date"], account["position_ratio"], color=COLOURS[0], linewidth=1.2, label="achieved")
    wanted = targets.groupby("date")["target"].sum()
    lower.step(wanted.index, wanted, where="post", color=COLOURS[1], linewidth=1.0, label="wanted")
    lower.set_ylim(0, 1.05)
    lower.yaxis.set_major_formatter(PercentFormatter(1.0))
    upper.set_ylabel("net value")
    lower.set_ylabel("position ratio")
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    figure.savefig(out, dpi=90, metadata={"Software": None})


def main(words: list[str]) -> None:
    folder = Path(words[0])
    headline = json.loads((folder / "manifest.json").read_text())["headline"]
    draw(folder, Path(words[1]), words[2:] or [headline, "momentum", "benchmark"])


if __name__ == "__main__":
    main(sys.argv[1:])
