"""The stages of a run, one after the other through the run folder: train, trade, report."""

from __future__ import annotations

from pathlib import Path

from nnstrategies.errors import ConfigError
from nnstrategies.pipeline.console import console
from nnstrategies.pipeline.explaining import explain_in_full
from nnstrategies.pipeline.market import RuleCheck, check_rules, load_market, members_without_prices
from nnstrategies.pipeline.run import Run, reopen, start
from nnstrategies.pipeline.searching import search_first
from nnstrategies.pipeline.trading import trade
from nnstrategies.pipeline.training import train
from nnstrategies.pipeline.variants import check_variants, check_variants_on, run_variants
from nnstrategies.report import build_report
from nnstrategies.settings import RunConfig
from nnstrategies.trials import TrialLedger, listing

__all__ = [
    "Run",
    "check_data",
    "check_variants",
    "check_variants_on",
    "explain_in_full",
    "reopen",
    "report",
    "run_variants",
    "search",
    "start",
    "trade",
    "train",
    "trials",
]


def report(run: Run) -> Path:
    """Build report.html from the run folder alone and say where it is."""
    page = build_report(run.folder.path)
    console.print(f"report {page}", markup=False, soft_wrap=True)
    return page


def search(run: Run) -> None:
    """Search as of the session before the test; print every trial and the choice."""
    _say(search_first(run))


def trials(runs: Path) -> list[str]:
    """What the trial ledger below ``runs`` holds, in lines."""
    return listing(TrialLedger(runs).read())


def check_data(config: RunConfig, out: Path | None = None) -> None:
    """Load a config's data; print what was found and repaired, and what trades outside the limits of its rule book.

    out: a folder for findings.txt (everything, in full), outside_limits.csv and, for sources that know the members of
    an index by date, survivorship.csv. ConfigError when it cannot be written.
    """
    if out is not None:
        _make(out)  # before the long work
    market = load_market(config)
    found = [
        *market.findings,
        f"{market.source}: {market.panel!r}",
        *([] if market.findings else ["nothing to repair"]),
    ]
    _say(found)
    rules = check_rules(market.panel, config.market)
    _say([*rules.brief, *_doubt(rules, "" if out else "; --out FOLDER lists them")])
    if out is not None:
        doubts = [*_doubt(rules, ":"), *rules.entries, *rules.days]
        tables = {"outside_limits.csv": rules.outside, "survivorship.csv": members_without_prices(config, market.panel)}
        texts = {name: table.to_csv(index=False) for name, table in tables.items() if table is not None}
        texts["findings.txt"] = "\n".join([*found, *rules.lines, *doubts, ""])
        for name, text in texts.items():
            _write(out / name, text)
        _say([f"written to {out}: {', '.join(texts)}"])


def _doubt(rules: RuleCheck, end: str) -> list[str]:
    """A line that counts what of the book is not official, where anything is."""
    if not rules.entries and not rules.days:
        return []
    counted = f"{len(rules.entries):,} entries and {len(rules.days):,} single days of the rule book {rules.book.name}"
    return [f"{counted} that apply to these data are not official, see docs/markets.md{end}"]


def _say(lines: list[str]) -> None:
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {folder}: cannot be made: {error.strerror}; name another folder") from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out: {path} cannot be written: {error.strerror}; name another folder") from None
