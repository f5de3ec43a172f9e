"""What a strategy has to beat: all members in equal weight, those of the first day held on, and the index itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from nnstrategies.errors import DataError
from nnstrategies.panel import Panel, Status
from nnstrategies.typing import FloatArray

Held = tuple[int, int, FloatArray, float]  # row from, row until, adjusted shares [N], cash


def equal_weight_returns(panel: Panel, first: int, last: int, at_once: bool = False) -> pd.Series:
    """Daily simple returns of all members in equal weight, sessions ``first`` to ``last``; no costs, no lots.

    Decided at the close of each month's first session among the members that traded, bought at the next open; what
    cannot trade there stays as it is. Dividends are reinvested in the stock that paid them; a delisted holding is cash
    until the next rebalance. In cash before the first rebalance, as a monthly strategy is. at_once: decided at the
    close of ``first`` too, for strategies that may decide then.
    """
    prices = carried_closes(panel, first, last)
    returns = _growth(prices, first, equal_weight_holdings(panel, first, last, prices, at_once))
    return _series(returns, panel, first, last, "equal_weight")


def equal_weight_holdings(
    panel: Panel, first: int, last: int, prices: FloatArray, at_once: bool = False
) -> Iterator[Held]:
    """What ``equal_weight_returns`` holds per unit of starting capital: row from, row until, adjusted shares [N], cash.

    A holding is bought at the open of its first row and kept to the close before its last; nothing before the first
    rebalance. prices: ``carried_closes`` of the same rows.
    """
    decided = panel.calendar.is_first_of_month[first:last].copy()
    decided[:1] |= at_once
    return _held(panel, first, last, prices, [int(t) + 1 for t in np.flatnonzero(decided) + first])


def buy_and_hold_returns(panel: Panel, first: int, last: int) -> pd.Series:
    """Daily simple returns of the members at the close of ``first``, bought in equal parts at the next open and kept.

    No costs, no lots; dividends are reinvested in the stock that paid them, what was paid for a delisted one is not.
    """
    prices = carried_closes(panel, first, last)
    returns = _growth(prices, first, _held(panel, first, last, prices, [first + 1]))
    return _series(returns, panel, first, last, "buy_and_hold")


def _held(panel: Panel, first: int, last: int, prices: FloatArray, begins: Sequence[int]) -> Iterator[Held]:
    held, cash = np.zeros(panel.N), 1.0
    for begin, end in zip(begins, [*begins, last + 1][1:], strict=True):
        held, cash = _rebalanced(panel, begin, held, cash, prices[max(begin - 1 - first, 0)])
        yield begin, end, held, cash


def _growth(prices: FloatArray, first: int, holdings: Iterable[Held]) -> FloatArray:
    value = np.ones(len(prices))
    for begin, end, held, cash in holdings:
        value[begin - first : end - first] = prices[begin - first : end - first] @ held + cash
    return np.concatenate([[0.0], value[1:] / value[:-1] - 1.0])


def index_returns(panel: Panel, first: int, last: int, series: str = "benchmark") -> pd.Series:
    """Daily simple returns of a panel series such as the index (no dividends in it); 0 on the first session."""
    if series not in panel.series:
        raise DataError(f"{panel.name}: no series {series!r}; it has {', '.join(panel.series) or 'none'}")
    level = panel.series[series][first : last + 1]
    return _series(np.concatenate([[0.0], level[1:] / level[:-1] - 1.0]), panel, first, last, series)


def _rebalanced(panel: Panel, t: int, held: FloatArray, cash: float, before: FloatArray) -> tuple[FloatArray, float]:
    """Adjusted shares [N] and cash after the open of ``t``, from a decision at the close of t - 1."""
    opens = panel.adjusted("open")[t]
    can = (panel.status[t] == Status.TRADING) & np.isfinite(opens)
    gone = panel.status[t] == Status.DELISTED
    price = np.where(can, np.nan_to_num(opens), before)  # [N]; the last close where there is no open
    cash += float(held[gone] @ before[gone])
    held = np.where(gone, 0.0, held)
    wanted = can & panel.members[t - 1] & (panel.status[t - 1] == Status.TRADING)
    if not wanted.any():
        return held, cash
    free = cash + float(held[can] @ price[can])
    fresh = np.where(can, 0.0, held)
    fresh[wanted] = free / wanted.sum() / price[wanted]
    return fresh, 0.0


def carried_closes(panel: Panel, first: int, last: int) -> FloatArray:
    """Adjusted closes [T', N]; after a delisting the last one, 0 before a listing."""
    return pd.DataFrame(panel.adjusted("close")[first : last + 1]).ffill().fillna(0.0).to_numpy()


def _series(values: FloatArray, panel: Panel, first: int, last: int, name: str) -> pd.Series:
    days = panel.sessions[first : last + 1].astype("datetime64[s]")
    return pd.Series(values, index=pd.DatetimeIndex(days, name="date"), name=name)
