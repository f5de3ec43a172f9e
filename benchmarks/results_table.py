"""Print a run folder's figures as the tables of docs/results.md: python benchmarks/results_table.py RUN_FOLDER."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import mean, stdev
from typing import Any

PERCENT = ("annual_return_geometric", "volatility", "max_drawdown", "tracking_error")
PLAIN = ("sharpe", "information_ratio", "alpha", "beta")


def spread(values: list[float], percent: bool) -> str:
    """Mean and, over several seeds, standard deviation."""
    scale, digits = (100, 1) if percent else (1, 2)
    text = f"{scale * mean(values):.{digits}f}"
    return f"{text} ± {scale * stdev(values):.{digits}f}" if len(values) > 1 else text


def evidence_table(evidence: dict[str, Any]) -> list[str]:
    lines = ["| recipe | rank IC | over seeds | null: mean, largest | p | refits |", "|---|---|---|---|---|---|"]
    for name, row in evidence.items():
        seeds = ", ".join(f"{value:.4f}" for value in row["seeds"].values())
        null = f"{mean(row['null']):.4f}, {max(row['null']):.4f}" if row["null"] else "–"
        p = "–" if row["p_value"] is None else f"{row['p_value']:.3f}"
        lines.append(f"| {name} | {row['rank_ic']:.4f} | {seeds} | {null} | {p} | {row['refits']} |")
    return lines


def portfolio_table(metrics: dict[str, dict[str, Any]]) -> list[str]:
    names = [name for name in metrics if "/" not in name]
    head = [
        "annual return, %",
        "volatility, %",
        "max drawdown, %",
        "tracking error, %",
        "Sharpe",
        "IR",
        "alpha",
        "beta",
    ]
    lines = ["| portfolio | " + " | ".join(head) + " |", "|" + "---|" * (len(head) + 1)]
    for name in names:
        seeds = [key for key in metrics if key.startswith(f"{name}/")]
        for label, keys in ((name, [name]), (f"{name}, single seeds", seeds)):
            if keys:
                cells = [
                    "–"
                    if any(metrics[key][item] is None for key in keys)
                    else spread([metrics[key][item] for key in keys], item in PERCENT)
                    for item in (*PERCENT, *PLAIN)
                ]
                lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return lines


def variants_table(headline: dict[str, Any], judged: dict[str, Any], rows: dict[str, Any]) -> list[str]:
    """The headline portfolio of the run and of each variant, with the rank IC of the recipe that orders it."""
    head = ["annual return, %", "volatility, %", "max drawdown, %", "Sharpe", "rank IC", "p"]
    lines = ["| variant | " + " | ".join(head) + " |", "|" + "---|" * (len(head) + 1)]
    own = {"as configured": {"metrics": headline, "evidence": judged}}
    for name, row in (own | rows).items():
        if "error" in row:
            lines.append(f"| {name} | {row['error']} |" + " |" * (len(head) - 1))
            continue
        figures, found = row["metrics"], row["evidence"]
        cells = [f"{100 * figures[key]:.1f}" for key in PERCENT[:3]] + [f"{figures['sharpe']:.2f}"]
        cells += [f"{found['rank_ic']:.4f}", "–" if found["p_value"] is None else f"{found['p_value']:.3f}"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def main(folder: Path) -> None:
    evidence = json.loads((folder / "evidence.json").read_text())
    metrics = json.loads((folder / "metrics.json").read_text())
    lines = [*evidence_table(evidence), "", *portfolio_table(metrics)]
    if (folder / "variants.json").is_file():
        manifest = json.loads((folder / "manifest.json").read_text())
        rows = json.loads((folder / "variants.json").read_text())
        lines += ["", *variants_table(metrics[manifest["headline"]], evidence[manifest["judged"]], rows)]
    print("\n".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
