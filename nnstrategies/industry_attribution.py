"""Excess return over equal weight by industry: Brinson-Fachler on every night and every day, linked by Carino.

Both portfolios trade at the open. Each session is therefore two periods with fixed holdings: from the close before to
the open, and from the open to the close; so weights need no approximation on days with trades.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nnstrategies.baselines import carried_closes, equal_weight_holdings
from nnstrategies.brinson import Effects, brinson_fachler, linking
from nnstrategies.panel import Panel, Status
from nnstrategies.typing import FloatArray, IntArray

COLUMNS = ("kind", "industry", "weight", "benchmark_weight", "allocation", "selection", "interaction", "total")


@dataclass(frozen=True)
class _Periods:
    """A portfolio over 2 T periods, nights and days in turn: weights and contributions [2T, G], returns [2T]."""

    weights: FloatArray
    gains: FloatArray
    returns: FloatArray


@dataclass(frozen=True)
class _Moves:
    """Sessions ``first`` to ``last``: adjusted prices and returns by night and by day [T, N], and the industries."""

    closes: FloatArray
    opens: FloatArray
    night: FloatArray
    day: FloatArray
    group: IntArray  # [T, N] as known at the close before
    groups: int

    def sums(self, values: FloatArray) -> FloatArray:
        """[T, N] -> [T, G]"""
        cells = np.arange(len(values))[:, None] * self.groups + self.group
        sums = np.bincount(cells.ravel(), values.ravel(), len(values) * self.groups)
        return sums.astype(np.float64, copy=False).reshape(len(values), self.groups)


def attribution(
    panel: Panel, tables: Mapping[str, pd.DataFrame], cash: float, first: int, last: int, at_once: bool = False
) -> pd.DataFrame:
    """Rows by kind: an ``industry`` each, ``cash``, ``costs`` (fees and slippage) and ``other``; columns COLUMNS.

    tables: positions, account and fills of the test, as ``recording.frames`` gives them; cash: of the start. weight,
    benchmark_weight: means over the sessions, after the open. The sum of ``total`` is the portfolio's total return less
    that of ``equal_weight_returns``, with the same ``at_once``. other: what prices and holdings do not explain, such as
    dividend tax, payouts of delisted holdings, and dividends paid out where adjusted prices reinvest them.
    """
    moves = _moves(panel, first, last)
    own, costs = _portfolio(panel, moves, tables, cash, first)
    base = _equal_weight(panel, moves, first, last, at_once)
    effects = brinson_fachler(own.weights, own.gains, base.weights, base.gains)
    link = linking(own.returns, base.returns)
    other = own.returns - own.gains.sum(axis=1) - costs
    days = slice(1, None, 2)
    return _table(panel, effects, link, own.weights[days], base.weights[days], float(costs @ link), float(other @ link))


def _table(
    panel: Panel, effects: Effects, link: FloatArray, own: FloatArray, base: FloatArray, costs: float, other: float
) -> pd.DataFrame:
    parts = {name: link @ getattr(effects, name) for name in COLUMNS[4:]}  # [G + 1]
    table = pd.DataFrame({"kind": "industry", "industry": [*panel.industry_names, ""], **parts})
    table.insert(2, "weight", np.append(own.mean(axis=0), 1.0 - own.sum(axis=1).mean()))
    table.insert(3, "benchmark_weight", np.append(base.mean(axis=0), 1.0 - base.sum(axis=1).mean()))
    table.loc[len(table) - 1, "kind"] = "cash"
    held = (table[["weight", "benchmark_weight"]] != 0).any(axis=1)
    rest = pd.DataFrame({"kind": ["costs", "other"], "industry": "", "total": [costs, other]})
    return pd.concat([table[held | (table["kind"] == "cash")], rest], ignore_index=True)[list(COLUMNS)]


def _moves(panel: Panel, first: int, last: int) -> _Moves:
    closes = carried_closes(panel, first, last)
    before = np.vstack([closes[:1], closes[:-1]])
    opens = panel.adjusted("open")[first : last + 1]
    opens = np.where((panel.status[first : last + 1] == Status.TRADING) & np.isfinite(opens), opens, before)
    night, day = (
        np.where(start > 0, end / np.where(start > 0, start, 1.0) - 1.0, 0.0)
        for start, end in ((before, opens), (opens, closes))
    )
    return _Moves(closes, opens, night, day, panel.industry[first - 1 : last], len(panel.industry_names))


def _portfolio(
    panel: Panel, moves: _Moves, tables: Mapping[str, pd.DataFrame], cash: float, first: int
) -> tuple[_Periods, FloatArray]:
    """The account's periods, and its trading costs [2T] as shares of its value."""
    account = tables["account"].set_index("date")
    value = account["value"].to_numpy(np.float64)  # [T] at the close
    before = np.append(cash, value[:-1])
    worth = np.zeros(moves.closes.shape)
    held = tables["positions"]
    columns = np.array([panel.column(symbol) for symbol in held["symbol"]], dtype=np.int64)
    worth[account.index.get_indexer(pd.Index(held["date"])), columns] = held["value"]
    opened = worth / (1.0 + moves.day)  # what is held at the close, at the open
    at_open = value - worth.sum(axis=1) + opened.sum(axis=1)
    fills = tables["fills"].groupby("date")[["fee", "slippage_cost"]].sum().sum(axis=1)
    paid = fills.reindex(account.index, fill_value=0.0).to_numpy(np.float64)
    returns = _in_turn(at_open / before - 1.0, value / at_open - 1.0)
    periods = _periods(moves, np.vstack([np.zeros(panel.N), worth[:-1]]), before, opened, at_open, returns)
    return periods, _in_turn(-paid / before, np.zeros(len(paid)))


def _equal_weight(panel: Panel, moves: _Moves, first: int, last: int, at_once: bool) -> _Periods:
    shares, cash = np.zeros(moves.closes.shape), np.ones(len(moves.closes))
    for begin, end, held, left in equal_weight_holdings(panel, first, last, moves.closes, at_once):
        shares[begin - first : end - first], cash[begin - first : end - first] = held, left
    value = (shares * moves.closes).sum(axis=1) + cash
    before = np.append(1.0, value[:-1])
    at_open = (shares * moves.opens).sum(axis=1) + cash
    returns = _in_turn(at_open / before - 1.0, value / at_open - 1.0)
    worth = np.vstack([np.zeros(panel.N), (shares * moves.closes)[:-1]])
    return _periods(moves, worth, before, shares * moves.opens, at_open, returns)


def _periods(
    moves: _Moves, worth: FloatArray, before: FloatArray, opened: FloatArray, at_open: FloatArray, returns: FloatArray
) -> _Periods:
    """From holdings [T, N] at the close before and after the open, and the portfolio's value [T] at both."""
    night, day = worth / before[:, None], opened / at_open[:, None]
    weights = _in_turn(moves.sums(night), moves.sums(day))
    return _Periods(weights, _in_turn(moves.sums(night * moves.night), moves.sums(day * moves.day)), returns)


def _in_turn(nights: FloatArray, days: FloatArray) -> FloatArray:
    """[T, ...] and [T, ...] -> [2T, ...], night before day."""
    return np.stack([nights, days], axis=1).reshape(-1, *nights.shape[1:])
