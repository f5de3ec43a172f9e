"""From a config's ``data`` section to a panel, what the loading found, and the truth where the market is simulated."""

from __future__ import annotations

from dataclasses import dataclass

from nnstrategies.config import ChinaTables, FileTables, RunConfig
from nnstrategies.feeds.checks import LoadReport
from nnstrategies.feeds.china import load_china
from nnstrategies.feeds.files import load_files
from nnstrategies.feeds.simulated import SimulatedMarket, simulate
from nnstrategies.feeds.truth import Truth
from nnstrategies.panel import Panel


@dataclass(frozen=True)
class Market:
    """findings: printed lines of the loading checks. cautions: those of them that bear on every result.

    truth: None unless the market is simulated.
    """

    panel: Panel
    source: str
    benchmark: str
    findings: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    truth: Truth | None = None


def load_market(config: RunConfig) -> Market:
    """Load the panel that a config names; raises DataError or MissingTableError."""
    data = config.data
    if isinstance(data, SimulatedMarket):
        panel, truth = simulate(data)
        return Market(panel, "simulated", "members' index (simulated)", truth=truth)
    if isinstance(data, ChinaTables):
        panel, report = load_china(data.folder, data.start, data.end, data.index)
        return Market(panel, "China A-share tables", data.index, tuple(report.lines()), _survivorship(report))
    assert isinstance(data, FileTables)
    panel, report = load_files(
        data.prices,
        calendar=data.calendar,
        benchmark=data.benchmark,
        membership=data.membership,
        actions=data.actions,
        fundamentals=data.fundamentals,
        strict=data.strict,
        name=config.name,
    )
    return Market(panel, "files", data.benchmark or "none", tuple(report.lines()))


def _survivorship(report: LoadReport) -> tuple[str, ...]:
    """What the loading found about stocks that are missing because they did not survive."""
    found = [problem for problem in report.cautions if problem.kind.startswith("survivorship")]
    return tuple(f"{p.kind[0].upper()}{p.kind[1:]}: {p.count:,} (first: {p.example})." for p in found)
