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

from nnstrategies.actions import Action, read_actions, reference
from nnstrategies.errors import DataError
from nnstrategies.feeds.checks import Cells, LoadReport
from nnstrategies.feeds.columns import require_numbers
from nnstrategies.panel import Status
from nnstrategies.typing import AnyArray, BoolArray, FloatArray

_Dated = tuple[np.datetime64, Action]  # on its ex-date; the action's column is the symbol's row
_TOLERANCE = 0.005  # relative: above what rounding an ex-rights price to the cent can explain


class Step(NamedTuple):
    """The factor of symbol ``row`` is multiplied by ``step`` on session ``t``, the first it trades on from ``day``."""

    row: int
    t: int
    day: np.datetime64
    step: float


def action_steps(
    table: pd.DataFrame, close: AnyArray, status: AnyArray, cells: Cells, report: LoadReport
) -> list[Step]:
    """The steps that a table of actions implies, by symbol and ex-date; close [N, T] repeats through suspensions.

    The table is read as by ``read_actions``. In a suspension the second action starts from the price after the first.
    Cautions: an ex-date that is no session, or that is not after the symbol's first price (no step).
    Raises DataError for a row that cannot be, such as cash of the close before or more.
    """
    actions = _actions(table, cells, report)
    _report_days(actions, close, cells, report)
    steps: list[Step] = []
    for row, own in groupby(actions, key=lambda dated: dated[1].column):
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


def _actions(table: pd.DataFrame, cells: Cells, report: LoadReport) -> list[_Dated]:
    """(ex-date, action), by symbol and ex-date."""
    label = f"{report.name}: events actions"
    terms = table.columns.intersection(["cash", "ratio", "bonus", "rights", "rights_price"])
    table = table.assign(**{name: require_numbers(table[name], f"{label}: {name}") for name in terms})
    days, actions = read_actions(table, cells.symbols, label)
    return sorted(zip(days, actions, strict=True), key=lambda dated: dated[1].column)


def _report_days(actions: list[_Dated], close: AnyArray, cells: Cells, report: LoadReport) -> None:
    starts = cells.sessions[np.argmax(np.isfinite(close), axis=1)]  # [N]
    early = [(day, action) for day, action in actions if day <= starts[action.column]]
    between = [(day, action) for day, action in actions if starts[action.column] < day <= cells.sessions[-1]]
    sessions = set(cells.sessions.tolist())
    strange = [(day, action) for day, action in between if day.item() not in sessions]
    for found, kind, mend in (
        (early, "ex_date not after the first price", "without effect"),
        (strange, "ex_date is no session", "taken on the next session"),
    ):
        first = f"{cells.symbols[found[0][1].column]} {found[0][0]}" if found else ""
        report.caution(f"events actions: {kind}", len(found), first, mend)


def _steps(actions: list[_Dated], close: FloatArray, trading: AnyArray, cells: Cells, name: str) -> Iterator[Step]:
    """Steps of one symbol, ex-dates rising; none before its first price or after its last trading session."""
    until, before = -1, np.nan
    for day, action in actions:
        session = int(np.searchsorted(cells.sessions, day))
        after = int(np.searchsorted(trading, session))
        if session == 0 or after == len(trading) or not np.isfinite(close[session - 1]):
            continue
        if session > until:  # traded since the ex-date before: start from that close
            before = float(close[session - 1])
        if action.cash >= before:
            raise DataError(
                f"{name}: events actions: {cells.symbols[action.column]} {day}: cash: expected less than the close"
                f" before, {before:g}, got {action.cash:g}; correct it: cash is per share held before"
            )
        until, ex_rights = int(trading[after]), reference(action, before)
        yield Step(action.column, until, day, before / ex_rights)
        before = ex_rights
