"""Dates on which tables say that they became known: noise after a date believes them, so they are checked too."""

from __future__ import annotations

import time

import pandas as pd

from nnstrategies.audit.findings import Finding, Stage, Verdict
from nnstrategies.panel import Panel

# A row cannot be known before what it is about has happened: (table, date of the happening, in words).
_A_FEW = 0.05  # of the rows may be profit warnings or typing errors
_HAPPENED = (("fundamentals", "period_end", "the period they report on has ended"),)


def check_tables(panel: Panel) -> Stage:
    """Fundamentals known by the end of the very period they report on were dated by period, not by disclosure."""
    started = time.perf_counter()
    findings, compared, checked = [], 0, 0
    for name, column, words in _HAPPENED:
        if name not in panel.event_names or column not in (table := panel.events(name)).columns:
            continue
        checked, compared = checked + 1, compared + len(table)
        early = table[(table["known_at"] <= pd.to_datetime(table[column])).to_numpy()]
        if len(early):
            rows = f"{len(early):,} of {len(table):,} rows"
            what = f"say in {rows} that they were known before {words}: use disclosure dates"
            symbols = tuple(dict.fromkeys(early["symbol"])) if "symbol" in early.columns else ()
            first = str(pd.Timestamp(early["known_at"].iloc[0]).date())
            share = len(early) / len(table)
            verdict: Verdict = (
                "leak" if share > _A_FEW else "suspicious"
            )  # a few may be profit warnings, or typing errors
            findings.append(Finding("tables", name, verdict, what, first, symbols, share))
    dates = (str(panel.sessions[0]), str(panel.sessions[-1])) if checked else ()
    note = "" if checked else "the panel has no fundamentals"
    return Stage("tables", "table", checked, dates, compared, tuple(findings), note, time.perf_counter() - started)
