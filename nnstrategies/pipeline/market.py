"""From a config's ``data`` section to a panel, what the loading and the rule book found, and the simulated truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from nnstrategies.errors import DataError, MissingTableError
from nnstrategies.feeds.checks import LoadReport
from nnstrategies.feeds.china import load_china, member_spans, survivorship
from nnstrategies.feeds.china_index import load_china_index
from nnstrategies.feeds.files import load_files
from nnstrategies.feeds.simulated import SimulatedMarket, simulate
from nnstrategies.feeds.truth import Truth
from nnstrategies.index_panel import index_panel
from nnstrategies.market.audit import UNEXPLAINED, off_tick, outside_limits, summary, uncovered_rows
from nnstrategies.market.book import Book, MarketEvent, sureness
from nnstrategies.market.read import read_book, read_events
from nnstrategies.panel import PRICE_FIELDS, Panel
from nnstrategies.settings import ChinaTables, FileTables, RunConfig

_LIMITS = ("limit_up", "limit_down")
_BEARING = ("survivorship", "industries")  # beginnings of what loading says that goes into the report
_SHOWN = 20  # unexplained rows on the console; all of them go into the file


@dataclass(frozen=True)
class RuleCheck:
    """A panel held against a rule book.

    outside: rows that trade outside the ordinary limits, by cause. lines: what the audit says in full; brief: the same
    for a console. entries, days: of the book's entries in force and of its single days that apply to the panel, those
    that are not official, a line each.
    """

    book: Book
    outside: pd.DataFrame
    lines: list[str]
    brief: list[str]
    entries: list[str]
    days: list[str]


@dataclass(frozen=True)
class Market:
    """findings: printed lines of the loading checks. cautions: those of them that bear on every result.

    truth: None unless the market is simulated. timed: the index's own bars, where the source has them.
    """

    panel: Panel
    source: str
    benchmark: str
    findings: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    truth: Truth | None = None
    timed: Callable[[], Panel] | None = None

    @cached_property
    def index(self) -> Panel:
        """The benchmark as a panel of one symbol over the same sessions, for models that time the market."""
        panel = self.timed() if self.timed else index_panel(self.panel)
        if not np.array_equal(panel.sessions, self.panel.sessions):
            raise DataError(f"{panel.name}: expected the sessions of {self.panel!r}, got {panel!r}; complete the table")
        return panel


def load_market(config: RunConfig) -> Market:
    """Load the panel that a config names; raises DataError or MissingTableError."""
    data = config.data
    if isinstance(data, SimulatedMarket):
        panel, truth = simulate(data)
        return Market(panel, "simulated", "members' index (simulated)", truth=truth)
    if isinstance(data, ChinaTables):
        if not Path(data.folder).is_dir():
            raise MissingTableError(
                f"data.folder: {data.folder}: no such folder, seen from {Path.cwd()}; expected the one with "
                f"cn_daily.parquet and the other tables (docs/data.md): name it with --set data.folder=FOLDER, or go "
                f"on with a run from the directory in which it began"
            )
        panel, report = load_china(
            data.folder,
            data.start,
            data.end,
            data.index,
            symbols=data.symbols,
            delisted=data.delisted,
            basics=data.basics,
            fundamentals=data.fundamentals,
            macro=data.macro,
            news=data.news,
            industries=data.industries,
            leaky_members_on=data.leaky_members_on,
        )
        return Market(
            panel,
            "China A-share tables",
            data.index,
            tuple(report.lines()),
            _bearing(report),
            timed=lambda: load_china_index(data.folder, data.start, data.end, data.index)[0],
        )
    assert isinstance(data, FileTables)
    panel, report = load_files(
        data.prices,
        calendar=read_book(config.market).calendar if data.calendar == "book" else data.calendar,
        benchmark=data.benchmark,
        membership=data.membership,
        actions=data.actions,
        listings=data.listings,
        delistings=data.delistings,
        fundamentals=data.fundamentals,
        macro=data.macro,
        news=data.news,
        industries=data.industries,
        strict=data.strict,
        name=config.name,
    )
    return Market(panel, "files", data.benchmark or "none", tuple(report.lines()), _bearing(report))


def _bearing(report: LoadReport) -> tuple[str, ...]:
    """What the loading found that bears on every result: stocks that did not survive, industries known too early."""
    found = [problem for problem in report.cautions if problem.kind.startswith(_BEARING)]
    return tuple(f"{p.kind[0].upper()}{p.kind[1:]}: {p.count:,} (first: {p.example})." for p in found)


def members_without_prices(config: RunConfig, panel: Panel) -> pd.DataFrame | None:
    """The index members of each session that have no prices; None where the source does not know its members."""
    data = config.data
    if not isinstance(data, ChinaTables):
        return None
    spans = member_spans(data.folder, data.start, data.end, data.index, data.symbols, data.leaky_members_on)
    return survivorship(spans, panel)


def check_rules(panel: Panel, market: str) -> RuleCheck:
    """Hold a panel against a rule book (a name or a file).

    Rows before the book begins are counted and not checked. Raises DataError for a symbol of no board, ConfigError
    when the book begins after all the data.
    """
    book, events = read_book(market), read_events(market)
    outside = outside_limits(panel, book, events)
    outside = outside.astype({name: panel[name].dtype for name in PRICE_FIELDS})  # float32 prints as it came
    lines = _limits_of_the_data(book, panel) if book.limits_from == "panel" else []
    lines += _not_checked(panel, book)
    if book.limits_from == "book" or _has_limits(panel):
        lines += summary(outside)
    hidden = max(int((outside["cause"] == UNEXPLAINED).sum()) - _SHOWN, 0)  # they are the audit's last lines
    brief = [*lines[: len(lines) - hidden], f"    and {hidden:,} more"] if hidden else lines
    first, last = panel.sessions[0].item(), panel.sessions[-1].item()
    return RuleCheck(book, outside, lines, brief, sureness(book, first, last), _unsure_days(events, panel))


def _not_checked(panel: Panel, book: Book) -> list[str]:
    """Lines on rows before the book begins, and on prices that no order of the book can have."""
    early, (off, first) = uncovered_rows(panel, book), off_tick(panel, book)
    return [
        *([f"{early:,} rows before the book begins, not checked"] if early else []),
        *([f"{off:,} trading prices are off the board's tick (first {first})"] if off else []),
    ]


def _has_limits(panel: Panel) -> bool:
    return any(name in panel for name in _LIMITS)


def _limits_of_the_data(book: Book, panel: Panel) -> list[str]:
    own = f"the rule book {book.name} has no price limits of its own"
    if _has_limits(panel):
        return [f"{own}: those of the data count, {' and '.join(name for name in _LIMITS if name in panel)}"]
    return [f"{own}, and the data have none: nothing to check"]


def _unsure_days(events: tuple[MarketEvent, ...], panel: Panel) -> list[str]:
    """A line for each event of the panel's symbols within its span that is not official."""
    first, last, known = panel.sessions[0].item(), panel.sessions[-1].item(), set(panel.symbols)
    return [
        f"event {event.kind}, {event.symbol}, {event.day}..{event.until or event.day}: {event.sure}: {event.source}"
        for event in events
        if event.sure != "official" and event.symbol in known
        if first <= (event.until or event.day) and event.day <= last
    ]
