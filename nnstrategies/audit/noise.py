"""Panels whose future is another one: noise, an end, or both; and panels whose adjustment has another base."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from nnstrategies.panel import Panel, Status
from nnstrategies.typing import AnyArray

Future = Callable[[Panel, int, np.random.Generator], Panel]  # a panel with the same rows 0..t and other ones after

_SHORT = 30  # sessions of noise before the end in ``short_noise``


def replace_future(panel: Panel, t: int, rng: np.random.Generator) -> Panel:
    """The panel with every row after ``t`` replaced by noise in all tables: fields, status, series, events by known_at.

    Sessions and symbols stay; rows up to t, and events known by the close of t, stay byte-equal. The noise is wild on
    purpose: prices over many orders of magnitude, 5 % of them missing, any status on any day.
    """
    fields = {key: _noisy(panel[key], t, rng) for key in panel.field_names}
    status = panel.status.copy()
    status[t + 1 :] = rng.choice([int(s) for s in Status], size=status[t + 1 :].shape)
    series = {key: _noisy(values, t, rng) for key, values in panel.series.items()}
    day = pd.Timestamp(panel.sessions[t])
    events = {key: _noisy_events(panel.events(key), day, rng) for key in panel.event_names}
    return Panel(panel.sessions, panel.symbols, fields, status, series, events, name=f"{panel.name}, noise after {t}")


def cut(panel: Panel, t: int, rng: np.random.Generator) -> Panel:
    """The panel as it was at the close of ``t``: no future at all."""
    return panel.upto(t)


def short_noise(panel: Panel, t: int, rng: np.random.Generator) -> Panel:
    """30 sessions of noise after ``t``, then the end: noise and cut in one, at half the cost."""
    return replace_future(panel.upto(min(t + _SHORT, panel.T - 1)), t, rng)


def _noisy(values: AnyArray, t: int, rng: np.random.Generator) -> AnyArray:
    out = values.copy()
    shape = out[t + 1 :].shape
    if out.dtype == bool:
        out[t + 1 :] = rng.random(shape) < 0.5
    elif out.dtype.kind in "iu":
        out[t + 1 :] = rng.integers(0, 100, shape)
    else:
        noise = np.exp(rng.normal(0, 3, shape))
        out[t + 1 :] = np.where(rng.random(shape) < 0.05, np.nan, noise)
    return out


def _noisy_events(table: pd.DataFrame, day: pd.Timestamp, rng: np.random.Generator) -> pd.DataFrame:
    """Events known by ``day``, and as many made-up ones as there were in all, known on random later days."""
    past = table[table["known_at"] <= day]
    if table.empty:
        return past
    future = table.iloc[rng.integers(0, len(table), len(table))].reset_index(drop=True)
    for column in future.columns:
        kind = future[column].dtype.kind
        if kind == "b":
            future[column] = rng.random(len(future)) < 0.5
        elif kind == "f":
            future[column] = np.exp(rng.normal(0, 3, len(future)))
        elif kind in "iu":
            future[column] = rng.integers(0, 100, len(future))
        elif column != "known_at":  # names and other dates: exchanged among the rows
            future[column] = future[column].to_numpy()[rng.permutation(len(future))]
    later = pd.to_timedelta(rng.integers(1, 200, len(future)), unit="D")
    future["known_at"] = (day + later).astype(table["known_at"].dtype)
    return pd.concat([past, future], ignore_index=True)


def scale_adj_factor(panel: Panel, constants: Mapping[str, float]) -> Panel:
    """The panel with the adj_factor of each named symbol multiplied by a constant."""
    fields = {key: panel[key] for key in panel.field_names}
    factor = panel["adj_factor"].copy()
    for symbol, constant in constants.items():
        factor[:, panel.column(symbol)] *= constant
    fields["adj_factor"] = factor
    events = {key: panel.events(key) for key in panel.event_names}
    return Panel(panel.sessions, panel.symbols, fields, panel.status, panel.series, events, panel.name)
