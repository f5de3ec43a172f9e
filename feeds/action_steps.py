"""Corporate actions held against the closes: the step of adj_factor that each implies, derived where there is none.

An action multiplies the backward factor by close x (ratio + rights) / (close - cash + rights x rights_price), with the
last close before its ex-date: what keeps the adjusted price still when nothing but the action happens.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

import numpy as np
import pandas as pd

from nnstrategies.errors import DataError
from nnstrategies.feeds.checks import Cells, LoadReport
from nnstrategies.feeds.columns import require_numbers
from nnstrategies.feeds.side_tables import require_columns
from nnstrategies.panel import Status
from nnstrategies.typing import AnyArray, BoolArray, FloatArray

_EMPTY = {"cash": 0.0, "ratio": 1.0, "rights": 0.0, "rights_price": 0.0}  # what an empty cell means
_TOLERANCE = 0.005  # relative: above what rounding an ex-rights price to the cent can explain


class Step(NamedTuple):
    """The factor of symbol ``row`` is multiplied by ``step`` on session ``t``, the first it trades on from ``day``."""

    row: int
    t: int
    day: np.datetime64
    step: float


class _Action(NamedTuple):
    """One symbol and ex-date; ``paid`` is rights x rights_price."""

    row: int
    day: np.datetime64
    cash: float
    ratio: float
    rights: float
    paid: float


def action_steps(
    table: pd.DataFrame, close: AnyArray, status: AnyArray, cells: Cells, report: LoadReport
) -> list[Step]:
    """The steps that a table of actions implies, by symbol and ex-date; close [N, T] repeats through suspensions.

    Rows of one symbol and ex-date are one action. In a suspension the second action starts from the price after the
    first. Cautions: an ex-date that is no session, or that is not after the symbol's first price (no step).
    Raises DataError for cash of the close before or more, and for a ratio of 0 or less.
    """
    actions = _actions(table, cells, report)
    _report_days(actions, close, cells, report)
    steps: list[Step] = []
    for row, own in groupby(actions, key=lambda action: action.row):
        trading = np.flatnonzero(status[row] == Status.TRADING)
        steps += _steps(list(own), np.asarray(close[row], dtype=np.float64), trading, cells, report.name)
    return steps


def derive_factor(steps: list[Step], listed: BoolArray, cells: Cells, report: LoadReport) -> FloatArray:
    """adj_factor [N, T] from the steps: 1 at the start of each listing, NaN outside it; a counted repair."""
    jumps = np.ones(listed.shape)
    for step in steps:
        jumps[step.row, step.t] *= step.step
    kind = "column 'adj_factor' absent"
    if steps:
        first = f"{cells.symbols[steps[0].row]} {steps[0].day}"
        report.repair(kind, len(steps), first, "derived from the actions and the closes before their ex-dates")
    else:
        report.caution(kind, 1, "", "factor 1: no action lies within the prices")
    return np.where(listed, np.cumprod(jumps, axis=1), np.nan)


def compare_factor(steps: list[Step], factor: AnyArray, cells: Cells, report: LoadReport) -> None:
    """Caution where adj_factor [N, T] jumps by another step than the actions of the session imply together."""
    wrong, first = 0, ""
    for (row, t), together in groupby(steps, key=lambda step: (step.row, step.t)):
        own = list(together)
        said = float(np.prod([step.step for step in own]))
        found = float(factor[row, t]) / float(factor[row, t - 1])
        if abs(found / said - 1) > _TOLERANCE:
            first = first or f"{cells.symbols[row]} {own[0].day}: table says {said:.6g}, factor says {found:.6g}"
            wrong += len(own)
    kind = "events actions: rows that disagree with the jump of adj_factor by more than 0.5 %"
    report.caution(kind, wrong, first, "kept: accounts follow the actions, features and labels the factor; correct one")


def _actions(table: pd.DataFrame, cells: Cells, report: LoadReport) -> list[_Action]:
    label = f"{report.name}: events actions"
    require_columns(table, ("symbol", "ex_date"), label)
    values = {
        name: require_numbers(table[name], f"{label}: {name}") if name in table.columns else np.full(len(table), np.nan)
        for name in _EMPTY
    }
    numbers = pd.DataFrame(values).fillna(_EMPTY)
    numbers["row"] = pd.Index(cells.symbols).get_indexer(pd.Index(table["symbol"]))
    numbers["day"] = table["ex_date"].to_numpy()
    numbers["paid"] = numbers["rights"] * numbers["rights_price"]
    numbers["ratio"] -= 1.0  # each row speaks of the shares held before: the parts of a day add up
    summed = numbers.dropna(subset="day").groupby(["row", "day"], as_index=False).sum()
    days = summed["day"].to_numpy().astype("datetime64[D]")
    rest = zip(summed["cash"], summed["ratio"] + 1.0, summed["rights"], summed["paid"], strict=True)
    return [_Action(int(row), day, *own) for row, day, own in zip(summed["row"], days, rest, strict=True)]


def _report_days(actions: list[_Action], close: AnyArray, cells: Cells, report: LoadReport) -> None:
    starts = cells.sessions[np.argmax(np.isfinite(close), axis=1)]  # [N]
    early = [action for action in actions if action.day <= starts[action.row]]
    between = [action for action in actions if starts[action.row] < action.day <= cells.sessions[-1]]
    sessions = set(cells.sessions.tolist())
    strange = [action for action in between if action.day.item() not in sessions]
    for found, kind, mend in (
        (early, "ex_date not after the first price", "without effect"),
        (strange, "ex_date is no session", "taken on the next session"),
    ):
        first = f"{cells.symbols[found[0].row]} {found[0].day}" if found else ""
        report.caution(f"events actions: {kind}", len(found), first, mend)


def _steps(actions: list[_Action], close: FloatArray, trading: AnyArray, cells: Cells, name: str) -> Iterator[Step]:
    """Steps of one symbol, ex-dates rising; none before its first price or after its last trading session."""
    until, reference = -1, np.nan
    for action in actions:
        session = int(np.searchsorted(cells.sessions, action.day))
        after = int(np.searchsorted(trading, session))
        if session == 0 or after == len(trading) or not np.isfinite(close[session - 1]):
            continue
        before = reference if session <= until else float(close[session - 1])
        _refuse_impossible(action, before, cells, name)
        step = before * (action.ratio + action.rights) / (before - action.cash + action.paid)
        until, reference = int(trading[after]), before / step
        yield Step(action.row, until, action.day, step)


def _refuse_impossible(action: _Action, before: float, cells: Cells, name: str) -> None:
    where = f"{name}: events actions: {cells.symbols[action.row]} {action.day}"
    if action.cash >= before:
        raise DataError(
            f"{where}: cash: expected less than the close before, {before:g}, got {action.cash:g};"
            " correct it: cash is per share held before"
        )
    if action.ratio <= 0:
        raise DataError(
            f"{where}: ratio: expected shares after a share before, above 0, got {action.ratio:g}; correct it"
        )
