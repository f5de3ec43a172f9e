"""The report of a run: figures, charts and one HTML page, made from its run folder alone."""

from __future__ import annotations

from pathlib import Path


def build_report(run_folder: Path) -> Path:
    """Write ``metrics.json`` and ``report.html`` into ``run_folder`` and return the page's path.

    Reads only the folder's own files. Raises RunFolderError for a missing or damaged one, before anything is written.
    """
    from nnstrategies.report.html import write_report  # matplotlib and pyfolio load only when a report is wanted

    return write_report(Path(run_folder))
