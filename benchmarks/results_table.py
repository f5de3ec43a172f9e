"""Print tables of a run's report as Markdown, for docs/: python benchmarks/results_table.py RUN_FOLDER [TABLE ...]."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nnstrategies.report.html import report_tables
from nnstrategies.report.stamp import stamp
from nnstrategies.report.tables import Table

USUAL = ("published", "comparison", "trades", "evidence", "forecasts", "variants")


def markdown(table: Table) -> list[str]:
    """Its lines, remarks behind the labels; the note below."""
    rows = [(f"{row.label}, {row.remark}" if row.remark else row.label, *row.cells) for row in table.rows]
    lines = [_line(table.head), "|" + "---|" * len(table.head), *(_line(cells) for cells in rows)]
    return [*lines, "", table.note] if table.note else lines


def _line(cells: list[str] | tuple[str, ...]) -> str:
    plain = (cell.replace("\u00a0", " ").replace("\n", " ").replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(plain)} |"


def main(folder: Path, names: list[str]) -> None:
    tables = report_tables(folder)
    if unknown := [name for name in names if name not in tables]:
        sys.exit(f"no table {', '.join(unknown)}; there are {', '.join(tables)}")
    if said := stamp(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["leaks"]):
        print(f"**{said}**\n")
    for name in names or [name for name in USUAL if name in tables]:
        print(f"## {name}", "", *markdown(tables[name]), "", sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
