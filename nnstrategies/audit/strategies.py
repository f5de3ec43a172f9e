"""Strategies: orders, fills and holdings up to t must be the same whatever market comes after t."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnstrategies.audit.findings import Finding, Stage
from nnstrategies.audit.other_market import other_future, other_scores
from nnstrategies.backtest import BacktestResult
from nnstrategies.errors import NNStrategiesError
from nnstrategies.panel import Panel
from nnstrategies.scores import Scores
from nnstrategies.typing import IntArray

Trade = Callable[[Panel, Scores | None, int], BacktestResult]  # a backtest of a panel that ends with a row

_SESSIONS = 60  # of the other market after t: who peeks further finds nothing there and fails


@dataclass(frozen=True)
class _Done:
    """What was done by row: decisions, orders, fills and holdings, each a tuple that starts with its row."""

    kinds: dict[str, list[tuple[Any, ...]]]

    def upto(self, t: int) -> dict[str, Counter[tuple[Any, ...]]]:
        return {kind: Counter(row for row in rows if row[0] <= t) for kind, rows in self.kinds.items()}


def check_strategy(
    name: str,
    trade: Trade,
    panel: Panel,
    scores: Scores | None,
    first: int,
    last: int,
    dates: int = 3,
    seed: int = 0,
) -> Stage:
    """Trade from ``first`` to ``last``, then again with another market after t, and with none; compare up to t.

    t falls on days with orders, where there are any: a look one session ahead shows nowhere else. The other market goes
    on for 60 sessions; scores after t are exchanged too.
    """
    started = time.perf_counter()
    whole = _done(trade(panel, scores, last))
    rng = np.random.default_rng([seed, 7])
    rows = _rows(whole, first, last, dates, rng)
    found: list[Finding] = []
    compared = 0
    for t in rows.tolist():
        expected = whole.upto(t)
        compared += sum(counts.total() for counts in expected.values()) * 2
        end = min(t + _SESSIONS, panel.T - 1)
        other = other_future(panel, t, np.random.default_rng([seed, t])).upto(end)
        told = other_scores(scores, t, rng) if scores is not None else None
        for how, market, until in (("another market after", other, end), ("nothing after", panel.upto(t), t)):
            found += _compared(name, trade, market, told, until, t, how, expected, panel)
    note = "" if whole.kinds["orders"] else "it sent no orders"
    if not whole.kinds["orders"]:
        found.append(Finding("strategy", name, "cannot judge", "sent no orders, so there is nothing to compare"))
    days = tuple(str(panel.sessions[t]) for t in sorted(rows))
    findings = tuple(sorted(found, key=lambda one: (one.verdict != "leak", one.first or ""))[:1])
    return Stage("strategy", "strategies", 1, days, compared, findings, note, time.perf_counter() - started)


def _done(result: BacktestResult) -> _Done:
    journal = result.journal
    targets = [
        (one.t, n, float(one.target[n])) for one in result.decisions for n in np.flatnonzero(one.target).tolist()
    ]
    return _Done(
        {
            "targets": targets,
            "orders": [tuple(row) for row in journal.orders],
            "fills": [tuple(row) for row in journal.fills],
            "holdings": [tuple(row) for row in journal.positions],
        }
    )


def _rows(done: _Done, first: int, last: int, dates: int, rng: np.random.Generator) -> IntArray:
    """Days with orders, and one day of any kind."""
    busy = np.unique([row[0] for row in done.kinds["orders"] if first <= row[0] < last])
    any_day = rng.integers(first + (last - first) // 4, last, 1)
    chosen = rng.choice(busy, min(dates, len(busy)), replace=False) if len(busy) else any_day
    return np.unique(np.concatenate([chosen, any_day])).astype(np.int64)


def _compared(
    name: str,
    trade: Trade,
    market: Panel,
    scores: Scores | None,
    end: int,
    t: int,
    how: str,
    expected: dict[str, Counter[tuple[Any, ...]]],
    panel: Panel,
) -> list[Finding]:
    day = str(panel.sessions[t])
    try:
        got = _done(trade(market, scores, end)).upto(t)
    except NNStrategiesError as error:
        what = f"fails with {how} {day}, which it should not notice: {error}"
        return [Finding("strategy", name, "leak" if how.startswith("nothing") else "cannot judge", what, day)]
    for kind in expected:
        differ = [*(expected[kind] - got[kind]), *(got[kind] - expected[kind])]
        if differ:
            row = min(one[0] for one in differ)
            columns = dict.fromkeys(sorted(one[1] for one in differ if one[0] == row))
            what = f"looks ahead: its {kind} change with {how} {day}"
            share = min(len(differ) / max(expected[kind].total(), 1), 1.0)
            symbols = tuple(panel.symbols[n] for n in columns)
            return [
                Finding("strategy", name, "leak", what, str(panel.sessions[row]), symbols, share, ahead=t - row + 1)
            ]
    return []
