"""Strategies: orders, fills and holdings up to t must be the same whatever market comes after t."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from nnstrategies.audit.findings import Finding, Stage
from nnstrategies.audit.other_market import other_future, other_scores
from nnstrategies.backtest import BacktestResult
from nnstrategies.panel import Panel
from nnstrategies.scores import Scores
from nnstrategies.typing import IntArray

Trade = Callable[[Panel, Scores | None, int], BacktestResult]  # a backtest of a panel that ends with a row

_FUTURES = ("another market after", "nothing after")
_SESSIONS = 60  # of the other market after t: who peeks further finds nothing there and fails


@dataclass(frozen=True)
class _Done:
    """What was done by row: decisions, orders, fills and holdings, each a tuple that starts with its row."""

    kinds: dict[str, list[tuple[Any, ...]]]

    @property
    def busy(self) -> list[int]:
        """Rows with orders, rising."""
        return sorted({row[0] for row in self.kinds["orders"]})

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
    looks = [partial(_look, name, trade, panel, scores, whole, how, seed) for how in _FUTURES]
    seen = [sorted((finding for t in rows.tolist() for finding in look(t)), key=_order) for look in looks]
    if any(seen) and _done(trade(panel, scores, last)) != whole:
        found.append(_unsure(name, "trades otherwise when it is run again on the same panel"))
    else:
        found += [_first(look, whole, leaks[0], panel) for look, leaks in zip(looks, seen, strict=True) if leaks][:1]
    compared = 2 * sum(counts.total() for t in rows.tolist() for counts in whole.upto(t).values())
    days = tuple(str(panel.sessions[t]) for t in sorted(rows))
    seconds = time.perf_counter() - started
    return Stage("strategy", "strategy", 1, days, compared, tuple(sorted(found, key=_order)[:1]), seconds=seconds)


def _order(finding: Finding) -> tuple[bool, str]:
    return finding.verdict != "leak", finding.first or ""


def _first(look: Callable[[int], list[Finding]], whole: _Done, seen: Finding, panel: Panel) -> Finding:
    """The finding of the earliest day, by bisection over the days with orders before the one that was seen."""
    before = [t for t in whole.busy if seen.first is not None and str(panel.sessions[t]) < seen.first]
    low, high, earliest = 0, len(before) - 1, seen
    while low <= high and seen.verdict == "leak":
        middle = (low + high) // 2
        leaks = [finding for finding in look(before[middle]) if finding.verdict == "leak"]
        if leaks:
            earliest, high = min([earliest, *leaks], key=_order), middle - 1
        else:
            low = middle + 1
    return earliest


def _unsure(name: str, what: str) -> Finding:
    return Finding("strategy", name, "cannot judge", what)


def _market(panel: Panel, scores: Scores | None, t: int, how: str, seed: int) -> tuple[Panel, Scores | None]:
    rng = np.random.default_rng([seed, t])
    other = other_future(panel, t, rng).upto(min(t + _SESSIONS, panel.T - 1)) if how == _FUTURES[0] else panel.upto(t)
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
    busy = [row for row in done.busy if first <= row < last]
    any_day = rng.integers(first + (last - first) // 4, last, 1)
    chosen = rng.choice(busy, min(dates, len(busy)), replace=False) if len(busy) else any_day
    return np.unique(np.concatenate([chosen, any_day])).astype(np.int64)


def _look(
    name: str, trade: Trade, panel: Panel, scores: Scores | None, whole: _Done, how: str, seed: int, t: int
) -> list[Finding]:
    """What changes up to t under one kind of future."""
    panel, scores = _market(panel, scores, t, how, seed)
    expected = whole.upto(t)
    day = str(panel.sessions[t])
    try:
        got = _done(trade(panel, scores, panel.T - 1)).upto(t)
    except Exception as error:  # whatever a user's strategy raises
        what = f"fails with {how} {day}, which it should not notice: {type(error).__name__}: {error}"
        return [Finding("strategy", name, "leak" if how == _FUTURES[1] else "cannot judge", what, day)]
    for kind in expected:
        differ = [*(expected[kind] - got[kind]), *(got[kind] - expected[kind])]
        if differ:
            row = min(one[0] for one in differ)
            symbols = tuple(panel.symbols[n] for n in sorted({one[1] for one in differ if one[0] == row}))
            what = f"looks ahead: its {kind} change with {how} {day}"
            share, first = min(len(differ) / max(expected[kind].total(), 1), 1.0), str(panel.sessions[row])
            return [Finding("strategy", name, "leak", what, first, symbols, share, ahead=t - row + 1)]
    return []
