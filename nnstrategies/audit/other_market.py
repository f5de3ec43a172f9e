"""A future that could have happened: symbols exchange theirs, under another move of the whole market.

Wild noise would upset a broker, which has to trade in what comes after t. Here bars stay bars, statuses stay possible,
and limits, splits and dividends stay those of one symbol.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnstrategies.panel import PRICE_FIELDS, Panel, Status
from nnstrategies.scores import Scores
from nnstrategies.typing import AnyArray, FloatArray, IntArray

_OF_THE_CLOSE = (*PRICE_FIELDS, "limit_up", "limit_down", "pre_close")
_MONEY = ("cash", "rights_price", "price", "issue_price")
_DAILY_MOVE = 0.03


def other_future(panel: Panel, t: int, rng: np.random.Generator) -> Panel:
    """The panel whose every symbol goes on after ``t`` as another one did, all times a random walk of 3 % a day.

    Prices and factors continue from the symbol's own level at t; events known later move with their symbol. Rows up to
    t, and events known by the close of t, stay byte-equal.
    """
    donor = _donors(panel, t, rng)
    walk = np.exp(np.cumsum(rng.normal(0, _DAILY_MOVE, panel.T - t - 1)))[:, None]  # [T - t - 1, 1]
    price = _ratio(panel["close"][t].astype(np.float64), donor)
    fields = {}
    for key in panel.field_names:
        values = panel[key].copy()
        later = values[t + 1 :, donor]
        if key in _OF_THE_CLOSE:
            later = (later * price * walk).astype(values.dtype)
        elif key == "adj_factor":
            later = (later * _ratio(panel["adj_factor"][t].astype(np.float64), donor)).astype(values.dtype)
        values[t + 1 :] = later
        fields[key] = values
    status = panel.status.copy()
    status[t + 1 :] = status[t + 1 :, donor]
    series = {key: _walked(values, t, walk[:, 0]) for key, values in panel.series.items()}
    events = {key: _moved(panel, key, t, donor, price) for key in panel.event_names}
    return Panel(panel.sessions, panel.symbols, fields, status, series, events, f"{panel.name}, other after {t}")


def other_scores(scores: Scores, t: int, rng: np.random.Generator) -> Scores:
    """The scores with those after ``t`` exchanged among the symbols, a day at a time."""
    values = scores.values.copy()
    for row in range(t + 1, len(values)):
        values[row] = values[row, rng.permutation(values.shape[1])]
    return Scores(scores.sessions, scores.symbols, scores.names, scores.units, values, scores.versions, scores.version)


def _donors(panel: Panel, t: int, rng: np.random.Generator) -> IntArray:
    """[N] whose future each symbol gets: another one of those that are listed, gone, or not yet listed like it."""
    donor = np.arange(panel.N)
    state = np.where(panel.listed[t], -1, panel.status[t].astype(np.int64))
    for kind in (-1, int(Status.UNLISTED), int(Status.DELISTED)):
        alike = rng.permutation(np.flatnonzero(state == kind))
        donor[alike] = np.roll(alike, 1)
    return donor


def _ratio(level: FloatArray, donor: IntArray) -> FloatArray:
    """[N] own level over the donor's, 1 where either is missing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = level / level[donor]
    return np.where(np.isfinite(ratio) & (ratio > 0), ratio, 1.0)


def _walked(values: AnyArray, t: int, walk: FloatArray) -> AnyArray:
    out = values.copy()
    out[t + 1 :] *= walk
    return out


def _moved(panel: Panel, key: str, t: int, donor: IntArray, price: FloatArray) -> pd.DataFrame:
    """An event table whose later rows belong to the symbols that got the future they are part of."""
    table = panel.events(key)
    if "symbol" not in table.columns:
        return table
    later = (table["known_at"] > pd.Timestamp(panel.sessions[t])).to_numpy()
    receiver = np.empty(panel.N, dtype=np.int64)
    receiver[donor] = np.arange(panel.N)
    columns = np.array([panel.column(symbol) for symbol in table["symbol"]], dtype=np.int64)
    to = np.where(later, receiver[columns], columns)
    table["symbol"] = pd.Series(np.asarray(panel.symbols, dtype=object)[to], dtype=table["symbol"].dtype)
    for name in _MONEY:
        if name in table.columns:
            table[name] = table[name] * np.where(later, price[to], 1.0)
    return table
