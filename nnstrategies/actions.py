"""Corporate actions of a panel, by the session of their ex-date: from its table, else from the steps of adj_factor.

Whoever needs them reads them here: accounts book them, price limits and the adjustment factor start from the ex-rights
price.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from nnstrategies.errors import DataError
from nnstrategies.event_table import as_days, require_columns
from nnstrategies.panel import Panel
from nnstrategies.typing import DateArray, FloatArray

CASH_BELOW = 0.08  # an inferred rise of the factor below this is a dividend, above it new shares
_NOISE = 1e-5  # factors are often stored as float32 or with six digits
_EMPTY = {"cash": 0.0, "ratio": 1.0, "bonus": 0.0, "rights": 0.0, "rights_price": 0.0}  # what an empty cell means


class Action(NamedTuple):
    """Per share held before the ex-date: ``cash`` paid, and ``ratio`` shares after it, bonus shares included.

    bonus: the part of ratio - 1 that is a dividend in shares, taxed at par; capitalised reserves are not taxed.
    rights: new shares that may be bought at ``rights_price``; not in ratio. inferred: read from adj_factor, so that
    nobody knows what was cash and what was shares: never taxed.
    """

    column: int
    cash: float
    ratio: float
    inferred: bool
    bonus: float = 0.0
    rights: float = 0.0
    rights_price: float = 0.0


def reference(action: Action, close: float) -> float:
    """Ex-rights price per share after the last ``close`` before the ex-date; NaN stays NaN; not rounded to a tick.

    (close - cash + rights x rights_price) / (ratio + rights), at least 0.
    Source: trading rules of SSE and SZSE, ex-rights and ex-dividend reference price.
    """
    worth = close - action.cash + action.rights * action.rights_price
    return (0.0 if worth < 0 else worth) / (action.ratio + action.rights)


def actions_by_row(panel: Panel) -> dict[int, list[Action]]:
    """Actions by the row of their ex-date (or the next session): from the ``actions`` events, else from adj_factor.

    The table is read as in ``read_actions``. Raises DataError for a row that cannot be.
    """
    if "actions" in panel.event_names:
        return _from_events(panel)
    if "adj_factor" in panel:
        return _from_factor(panel)
    return {}


def read_actions(table: pd.DataFrame, symbols: Sequence[str], label: str) -> tuple[DateArray, list[Action]]:
    """Ex-dates [A] and actions [A] of a table, by ex-date and symbol; ``column`` is the place in ``symbols``.

    Columns symbol, ex_date, and optionally cash, ratio, bonus, rights, rights_price; empty = none. Rows of one symbol
    and ex-date become one, because each speaks of the shares held before. Raises DataError with the first row that
    cannot be.
    """
    require_columns(table, ("symbol", "ex_date"), label)
    table = table.assign(ex_date=as_days(table["ex_date"]).astype("datetime64[s]"), **_terms(table, label))
    table = table.sort_values(["ex_date", "symbol"], kind="stable")
    _check(table, label)
    table["column"] = pd.Index(symbols).get_indexer(pd.Index(table["symbol"]))
    table = _one_a_day(table[["column", "ex_date", *_EMPTY]])
    columns, terms = table["column"].tolist(), zip(*(table[name].tolist() for name in _EMPTY), strict=True)
    actions = [Action(at, cash, ratio, False, *more) for at, (cash, ratio, *more) in zip(columns, terms, strict=True)]
    return as_days(table["ex_date"]), actions


def last_traded(panel: Panel, column: int, before: int) -> int:
    """The last row before ``before`` with a trade and a close; -1 when there is none."""
    rows = np.flatnonzero(panel.trading[:before, column] & np.isfinite(panel["close"][:before, column]))
    return int(rows[-1]) if len(rows) else -1


# -- a table ----------------------------------------------------------------------------------------------------------


def _terms(table: pd.DataFrame, label: str) -> dict[str, FloatArray]:
    """Every term as [R] float64, whether or not the table has its column."""
    terms: dict[str, FloatArray] = {}
    for name, empty in _EMPTY.items():
        given = table[name] if name in table.columns else pd.Series(empty, index=table.index)
        try:
            terms[name] = np.asarray(given.astype(np.float64).fillna(empty), dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"{label}: {name}: expected numbers: {error}; correct it") from None
    return terms


def _check(table: pd.DataFrame, label: str) -> None:
    """Refuse the first row that cannot be, by symbol and ex-date."""
    numbers = table[list(_EMPTY)]
    wrong = [
        (table["ex_date"].isna(), "ex_date is empty; fill it in"),
        (~np.isfinite(numbers).all(axis=1), "expected finite numbers; correct it"),
        ((numbers.drop(columns="ratio") < 0).any(axis=1), "expected cash, bonus and rights of 0 or more; correct it"),
        (table["ratio"] <= 0, "ratio: expected shares after a share before, above 0; correct it"),
        (
            (table["bonus"] > 0) & (table["bonus"] > table["ratio"] - 1.0 + 1e-9),
            "bonus: more than ratio - 1; correct it",
        ),
        ((table["rights"] > 0) & (table["rights_price"] <= 0), "rights without a rights_price; fill it in"),
        (
            table.duplicated(["symbol", "ex_date", *_EMPTY]),
            "the same row twice; drop one, or add the two up in one row",
        ),
    ]
    for rows, message in wrong:
        if rows.any():
            row = table[rows].iloc[0]
            day = "" if pd.isna(row["ex_date"]) else f" {row['ex_date'].date()}"
            raise DataError(f"{label}: {row['symbol']}{day}: {message}")


def _one_a_day(table: pd.DataFrame) -> pd.DataFrame:
    if not table.duplicated(["column", "ex_date"]).any():
        return table
    table = table.assign(ratio=table["ratio"] - 1.0, rights_price=table["rights"] * table["rights_price"])
    table = table.groupby(["ex_date", "column"], sort=False, as_index=False).sum()
    price = (table["rights_price"] / table["rights"].where(table["rights"] > 0)).fillna(0.0)
    return table.assign(ratio=table["ratio"] + 1.0, rights_price=price)


def _from_events(panel: Panel) -> dict[int, list[Action]]:
    days, actions = read_actions(panel.events("actions"), panel.symbols, f"{panel.name}: events actions")
    rows = np.searchsorted(panel.sessions, days)
    inside = (rows < panel.T) & ((rows > 0) | (days == panel.sessions[0]))
    found: dict[int, list[Action]] = {}
    for at in np.flatnonzero(inside).tolist():
        found.setdefault(int(rows[at]), []).append(actions[at])
    return found


# -- adj_factor -------------------------------------------------------------------------------------------------------


def _from_factor(panel: Panel) -> dict[int, list[Action]]:
    """A factor that rises by r on the ex-date: reference price = last close / (1 + r).

    r < 8 %: a dividend of last close x r / (1 + r) per share. Otherwise 1 + r shares for one; so is a falling factor.
    """
    found: dict[int, list[Action]] = {}
    factor = panel["adj_factor"].T.astype(np.float64)  # [N, T]
    for column in range(panel.N):
        for row, step in _steps(factor[column]):
            action = Action(column, 0.0, step, inferred=True)
            if 0 < step - 1 < CASH_BELOW:
                traded = last_traded(panel, column, row)
                close = float(panel["close"][traded, column]) if traded >= 0 else 0.0
                # an earlier ex-date of the same suspension has already lowered what the last close is worth
                last = close * factor[column, traded] * step / factor[column, row]
                action = action._replace(cash=last * (1.0 - 1.0 / step), ratio=1.0)
            found.setdefault(row, []).append(action)
    return found


def _steps(factor: FloatArray) -> Iterator[tuple[int, float]]:
    """Rows and ratios at which the factor leaves its level by more than the noise of how it is stored.

    The level is that after the last step: held against the value before instead, a drift in small parts would be lost,
    and noise there and back would count twice.
    """
    known = np.flatnonzero(np.isfinite(factor))
    values = factor[known]
    level = float(values[0]) if len(values) else math.nan
    for at in np.flatnonzero(values[1:] != values[:-1]) + 1:
        if abs(values[at] / level - 1.0) > _NOISE:
            yield int(known[at]), float(values[at]) / level
            level = float(values[at])
