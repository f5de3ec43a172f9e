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
    rows = _rows(whole, first, last, dates, np.random.default_rng([seed, 7]))
    found = [] if whole.kinds["orders"] else [_unsure(name, "sent no orders, so there is nothing to compare")]
    for t in rows.tolist():
        for how in ("another market after", "nothing after"):
            found += _compared(name, trade, _market(panel, scores, t, how, seed), t, how, whole.upto(t))
    if found and _done(trade(panel, scores, last)) != whole:
        found = [_unsure(name, "trades otherwise when it is run again on the same panel")]
    compared = 2 * sum(counts.total() for t in rows.tolist() for counts in whole.upto(t).values())
    days = tuple(str(panel.sessions[t]) for t in sorted(rows))
    findings = tuple(sorted(found, key=lambda one: (one.verdict != "leak", one.first or ""))[:1])
    seconds = time.perf_counter() - started
    return Stage("strategy", "strategy", 1, days, compared, findings, seconds=seconds)


def _unsure(name: str, what: str) -> Finding:
    return Finding("strategy", name, "cannot judge", what)


def _market(panel: Panel, scores: Scores | None, t: int, how: str, seed: int) -> tuple[Panel, Scores | None]:
    rng = np.random.default_rng([seed, t])
    other = other_future(panel, t, rng).upto(min(t + _SESSIONS, panel.T - 1)) if "another" in how else panel.upto(t)
    return other, other_scores(scores, t, rng) if scores is not None else None


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
    market: tuple[Panel, Scores | None],
    t: int,
    how: str,
    expected: dict[str, Counter[tuple[Any, ...]]],
) -> list[Finding]:
    panel, scores = market
    day = str(panel.sessions[t])
    try:
        got = _done(trade(panel, scores, panel.T - 1)).upto(t)
    except NNStrategiesError as error:
        what = f"fails with {how} {day}, which it should not notice: {error}"
        return [Finding("strategy", name, "leak" if how.startswith("nothing") else "cannot judge", what, day)]
    for kind in expected:
        differ = [*(expected[kind] - got[kind]), *(got[kind] - expected[kind])]
        if differ:
            row = min(one[0] for one in differ)
            symbols = tuple(panel.symbols[n] for n in sorted({one[1] for one in differ if one[0] == row}))
            what = f"looks ahead: its {kind} change with {how} {day}"
            share, first = min(len(differ) / max(expected[kind].total(), 1), 1.0), str(panel.sessions[row])
            return [Finding("strategy", name, "leak", what, first, symbols, share, ahead=t - row + 1)]
    return []
