"""S2's rules for odd prices: what a day is flagged for, and the paper's filling and deleting, which look ahead.

The causal rules for gaps are those of every panel: a session without trading repeats the last close, its volume is 0
and stays 0. Flags compare a day with the 250 sessions before it, never with the whole sample. Both keep the value: a
flagged return may be an error (beyond 3 standard deviations) or only extreme (outside the box plot), and with daily
price limits of 10 % most are true, so the network is told and nothing is deleted.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnstrategies.features.feature_set import FeatureFunction, reads_the_future
from nnstrategies.features.price_volume import ret_1
from nnstrategies.features.rolling import lag, rolling_mean, rolling_std
from nnstrategies.panel import PRICE_FIELDS, Panel
from nnstrategies.typing import AnyArray, BoolArray, FloatArray

TRAILING_DAYS = 250
_SIGMAS, _WHISKER = 3.0, 1.5
_ROUNDING = 1e-12


def flag_three_sigma(panel: Panel) -> FloatArray:
    """1 where the return lies beyond 3 standard deviations of the 250 sessions before it, else 0."""
    returns = ret_1(panel).T
    mean, std = (lag(part(returns, TRAILING_DAYS), 1) for part in (rolling_mean, rolling_std))
    return _flag(np.abs(returns - mean) > _SIGMAS * std + _ROUNDING, returns, std)


def flag_box_plot(panel: Panel) -> FloatArray:
    """1 where the return lies beyond the whiskers (1.5 quartile ranges) of the 250 sessions before it, else 0."""
    returns = ret_1(panel).T
    low, high = np.full(returns.shape, np.nan), np.full(returns.shape, np.nan)
    for n in range(panel.N):
        low[n], high[n] = _quartiles(returns[n])
    reach = _WHISKER * (high - low) + _ROUNDING
    return _flag((returns < low - reach) | (returns > high + reach), returns, low)


def _quartiles(returns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """[T] quartiles of the rows before each one; NaN until there are 250."""
    out = np.full((2, len(returns)), np.nan)
    if len(returns) > TRAILING_DAYS:
        before = np.lib.stride_tricks.sliding_window_view(returns[:-1], TRAILING_DAYS)
        whole = np.isfinite(before).all(axis=1)
        out[:, TRAILING_DAYS:][:, whole] = np.quantile(before[whole], (0.25, 0.75), axis=1)
    return out[0], out[1]


def _flag(beyond: BoolArray, returns: FloatArray, statistic: FloatArray) -> FloatArray:
    return np.where(np.isfinite(returns) & np.isfinite(statistic), beyond.astype(np.float64), np.nan).T


def leaky_interpolated(feature: FeatureFunction) -> FeatureFunction:
    """Leaky: a feature of prices that run in straight lines through sessions without trading, to the next true price.

    S2 fills several missing days in a row this way. The line knows where the price will resume.
    """

    def drawn(panel: Panel) -> AnyArray:
        return feature(interpolate_gaps(panel))

    return reads_the_future(drawn)


def interpolate_gaps(panel: Panel) -> Panel:
    """The panel with adjusted prices of its gaps drawn as straight lines; a gap at the end of the data stays flat."""
    fields = {name: panel[name] for name in panel.field_names}
    factor = panel["adj_factor"].astype(np.float64) if "adj_factor" in panel else np.ones(panel.shape)
    gap = panel.listed & ~panel.trading
    closes = panel["close"].astype(np.float64) * factor
    lines = closes.copy()
    for n in np.flatnonzero(gap.any(axis=0)):
        known = np.flatnonzero(panel.trading[:, n])
        inside = np.flatnonzero(gap[:, n])
        if len(known):
            lines[inside, n] = np.interp(inside, known, closes[known, n])
    for name in PRICE_FIELDS:
        fields[name] = np.where(gap, lines / factor, panel[name]).astype(panel[name].dtype)
    events = {name: panel.events(name) for name in panel.event_names}
    return Panel(panel.sessions, panel.symbols, fields, panel.status, panel.series, events, panel.name)


def leaky_three_sigma(feature: FeatureFunction) -> FeatureFunction:
    """Leaky: a feature whose values beyond 3 standard deviations are deleted; the value before stands in their place.

    S2 deletes them as errors of recording. Mean and deviation are those of the symbol's whole sample, so that the past
    is judged by what the future will find usual.
    """

    def kept(panel: Panel) -> AnyArray:
        values = pd.DataFrame(feature(panel), dtype=np.float64)
        beyond = (values - values.mean()).abs() > _SIGMAS * values.std() + _ROUNDING
        return values.where(~beyond, values.mask(beyond).ffill()).to_numpy()

    return reads_the_future(kept)


CLEANING = {function.__name__: function for function in (flag_three_sigma, flag_box_plot)}
