"""The stages of a run, one after the other through the run folder: train, trade, report."""

from __future__ import annotations

from pathlib import Path

from nnstrategies.config import RunConfig
from nnstrategies.pipeline.console import console
from nnstrategies.pipeline.market import load_market
from nnstrategies.pipeline.run import Run, reopen, start
from nnstrategies.pipeline.trading import trade
from nnstrategies.pipeline.training import train
from nnstrategies.report import build_report

__all__ = ["Run", "check_data", "reopen", "report", "start", "trade", "train"]


def report(run: Run) -> Path:
    """Build report.html from the run folder alone and say where it is."""
    page = build_report(run.folder.path)
    console.print(f"report {page}", markup=False, soft_wrap=True)
    return page


def check_data(config: RunConfig) -> None:
    """Load a config's data and print what was found and repaired."""
    market = load_market(config)
    for line in market.findings:
        console.print(line, markup=False, soft_wrap=True)
    console.print(f"{market.source}: {market.panel!r}", markup=False, soft_wrap=True)
    if not market.findings:
        console.print("nothing to repair")
