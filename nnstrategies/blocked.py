"""Orders that limits, suspensions, volume or blocked sales kept from filling: when they filled, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from nnstrategies.actions import actions_by_row, last_traded
from nnstrategies.brokers.journal import FillRow, Journal, RefusalRow
from nnstrategies.panel import Panel
from nnstrategies.strategies.targets import Decision
from nnstrategies.typing import AnyArray

_BLOCKING = frozenset({"limit-up", "limit-down", "suspended", "no price", "T+1", "participation cap", "cash short"})
_Splits = dict[int, list[tuple[int, float]]]  # column -> (row of the ex-date, shares after per share before)


@dataclass
class _Blocked:
    """A refusal of ``size`` shares, and what later fills made up for: (fill, shares), all in shares of its session."""

    refusal: RefusalRow
    until: int  # row of the decision that ends the waiting, or of the run's end
    size: float
    exits: bool  # a sale of all that was held
    parts: list[tuple[FillRow, float]] = field(default_factory=list)

    @property
    def left(self) -> float:
        rest = self.size - sum(shares for _, shares in self.parts)
        return rest if rest > 1e-9 * self.size else 0.0


def blocked(journal: Journal, panel: Panel, decisions: Sequence[Decision]) -> pd.DataFrame:
    """One row per blocked order: date (of the decision), symbol, side, reason, blocked_on, blocked_price, repaired_on,
    repaired_price, size (shares) and cost (currency, positive = lost by waiting).

    Later fills of the same side, whatever their reason, make up for it, the earliest refusal first. A purchase waits
    until the next rebalance, which decides anew; a sale through every rebalance that gives the symbol a target of 0,
    until one that wants it. The cost is the move from the price refused at to that of the fills, dividends and splits
    taken out; for the rest, the move to the close of the decision that ended the waiting, or of the run. Suspended
    stocks count at their last traded close.
    A refusal of an order that tries again is part of the first one. A purchase cut for want of cash counts where a
    sale was refused on the same session.
    """
    refusals = _first_refusals(journal)
    last = journal.account[-1].row if journal.account else 0
    splits = _splits(panel) if refusals else {}
    ends, exits = _Ends(decisions, last), _exits(journal, refusals)
    fills: dict[tuple[int, str], list[FillRow]] = {}
    for fill in journal.fills:
        fills.setdefault((fill.column, fill.side), []).append(fill)
    found: list[_Blocked] = []
    waiting: dict[tuple[int, str], list[_Blocked]] = {}
    for refusal in refusals:
        key = refusal.column, refusal.side
        until = ends.of(refusal)
        earlier = [entry for entry in waiting.get(key, ()) if entry.until == until]
        _make_up(earlier, fills.get(key, ()), refusal.row, splits)
        size = _not_counted(refusal, [entry for entry in earlier if entry.left], splits)
        if size:
            whole = (refusal.row, refusal.column) in exits and refusal.side == "sell"
            found.append(_Blocked(refusal, until, size, whole))
            waiting.setdefault(key, []).append(found[-1])
    for key, entries in waiting.items():
        _make_up(entries, fills.get(key, ()), last, splits)
    return _table([_entry(entry, panel) for entry in found], panel)


class _Ends:
    """Until when a refused order waits: a purchase for the next decision, a sale for the next that wants the symbol."""

    def __init__(self, decisions: Sequence[Decision], last: int) -> None:
        self._rows = np.array([decision.t for decision in decisions], dtype=np.int64)
        self._wanted: AnyArray = np.array([decision.target != 0 for decision in decisions])  # [decisions, N]
        self._last = last

    def of(self, refusal: RefusalRow) -> int:
        first = int(np.searchsorted(self._rows, refusal.row))
        ends = self._rows[first:]
        if refusal.side == "sell" and len(ends):
            ends = ends[self._wanted[first:, refusal.column]]
        return int(ends[0]) if len(ends) else self._last


def _exits(journal: Journal, refusals: Sequence[RefusalRow]) -> set[tuple[int, int]]:
    """(row, column) of the refused sales that left all of the holding unsold."""
    sizes = {(refusal.row, refusal.column): refusal.size for refusal in refusals if refusal.side == "sell"}
    return {
        (entry.row, entry.column)
        for entry in journal.positions
        if sizes.get((entry.row, entry.column), 0.0) >= entry.size * (1 - 1e-9)
    }


def _not_counted(refusal: RefusalRow, waiting: Sequence[_Blocked], splits: _Splits) -> float:
    """The shares of a refusal that no order still waiting accounts for; 0 where it only tries one of them again."""
    if any(entry.exits or (refusal.side == "buy" and entry.refusal.why == refusal.why) for entry in waiting):
        return 0.0
    size = refusal.size - sum(entry.left * _ratio(splits, entry.refusal, refusal.row) for entry in waiting)
    return size if size > 1e-9 * refusal.size else 0.0


def _first_refusals(journal: Journal) -> list[RefusalRow]:
    without_sale = {r.row for r in journal.refusals if r.side == "sell" and r.reason in _BLOCKING}
    return [
        refusal
        for refusal in journal.refusals
        if refusal.reason in _BLOCKING
        and refusal.why != "repair"
        and (refusal.reason != "cash short" or refusal.row in without_sale)
    ]


def _make_up(entries: Sequence[_Blocked], fills: Sequence[FillRow], upto: int, splits: _Splits) -> None:
    """Deal the fills up to row ``upto`` out to the refusals before them, the earliest first."""
    for entry in entries:
        entry.parts.clear()
    for fill in fills:
        if fill.row > upto:
            break
        left = fill.size
        for entry in entries:
            if left > 0 and entry.refusal.row < fill.row <= entry.until and entry.left > 0:
                ratio = _ratio(splits, entry.refusal, fill.row)
                shares = min(entry.left, left / ratio)
                entry.parts.append((fill, shares))
                left -= shares * ratio


def _splits(panel: Panel) -> _Splits:
    found: _Splits = {}
    for row, actions in actions_by_row(panel).items():
        for action in actions:
            if action.ratio != 1.0:
                found.setdefault(action.column, []).append((row, action.ratio))
    return found


def _ratio(splits: _Splits, refusal: RefusalRow, row: int) -> float:
    """Shares of session ``row`` that one share of the refusal's session has become."""
    return float(np.prod([ratio for at, ratio in splits.get(refusal.column, ()) if refusal.row < at <= row]))


def _entry(entry: _Blocked, panel: Panel) -> tuple[object, ...]:
    refusal, t, column = entry.refusal, entry.refusal.row, entry.refusal.column
    then = refusal.price if np.isfinite(refusal.price) else _close(panel, t, t, column)
    made_up = sum(shares for _, shares in entry.parts)
    sign = 1.0 if refusal.side == "buy" else -1.0
    price, cost = float("nan"), 0.0
    if entry.parts:
        worth = [shares * fill.price * _grown(panel, t, fill.row, column) for fill, shares in entry.parts]
        price = sum(worth) / made_up
        cost = sign * (price - then) * made_up
    close = _close(panel, entry.until, t, column)
    if np.isfinite(close) and np.isfinite(then):
        cost += sign * (close - then) * entry.left
    done = entry.parts[-1][0].row if entry.parts else -1
    return t - 1, column, refusal.side, refusal.reason, t, then, done, price, entry.size, cost


def _close(panel: Panel, at: int, before: int, column: int) -> float:
    """The last traded close up to row ``at``, in shares of row ``before``; NaN where there is none."""
    row = last_traded(panel, column, at + 1)
    return float(panel["close"][row, column]) * _grown(panel, before, row, column) if row >= 0 else float("nan")


def _grown(panel: Panel, before: int, after: int, column: int) -> float:
    """What a price of ``after`` is worth in shares of ``before``: the growth of the adjustment factor."""
    if "adj_factor" not in panel:
        return 1.0
    factor = panel["adj_factor"]
    return float(factor[after, column] / factor[before, column])


def _table(rows: list[tuple[object, ...]], panel: Panel) -> pd.DataFrame:
    names = ("decided", "column", "side", "reason", "blocked", "price", "done", "repaired_price", "size", "cost")
    columns = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())
    days = panel.sessions.astype("datetime64[s]")

    def dates(name: str) -> object:
        at = np.array(columns[name], dtype=np.int64)
        return np.where(at < 0, np.datetime64("NaT"), days[at])

    symbols = np.array(panel.symbols, dtype=object)[np.array(columns["column"], dtype=np.int64)]
    table = {
        "date": dates("decided"),
        "symbol": pd.Series(symbols, dtype="str"),
        "side": pd.Series(columns["side"], dtype="str"),
        "reason": pd.Series(columns["reason"], dtype="str"),
        "blocked_on": dates("blocked"),
        "blocked_price": pd.Series(columns["price"], dtype="float64"),
        "repaired_on": dates("done"),
        "repaired_price": pd.Series(columns["repaired_price"], dtype="float64"),
        "size": pd.Series(columns["size"], dtype="float64"),
        "cost": pd.Series(columns["cost"], dtype="float64"),
    }
    return pd.DataFrame(table)
