"""Prices and volumes as levels, for networks that forecast one symbol (S1, S3, S5), and the parts of a date.

A level needs a scale, and the usual ones look ahead or never forget: prices adjusted to the last day hold the dividends
and splits to come, prices adjusted from the first day depend on where the history began. Here prices are adjusted by
the factors known on the day and divided by the mean close of the 250 sessions ending that day, the same divisor for
open, high, low and close, so that a bar keeps its shape. A constant factor cancels, and after 250 sessions the start of
the history is forgotten. Every function maps a Panel to [T, N]; row t is known at the close of session t.
"""

from __future__ import annotations

import numpy as np

from nnstrategies.errors import MissingTableError
from nnstrategies.features.feature_set import FeatureFunction, reads_the_future
from nnstrategies.features.inputs import Input
from nnstrategies.features.memo import once_per_panel
from nnstrategies.features.rolling import lag, ratio, rolling_mean
from nnstrategies.panel import Panel
from nnstrategies.typing import FloatArray

LEVEL_DAYS = 250
FIELDS = ("open", "high", "low", "close", "volume", "amount")  # the six inputs of S5


def divisor(panel: Panel, field: str) -> FloatArray:
    """[N, T] what a field's level is divided by: the mean close for prices, the field's own mean for others."""
    own = field in ("volume", "amount")
    return rolling_mean(series(panel, field), LEVEL_DAYS) if own else _mean_close(panel)


def series(panel: Panel, field: str) -> FloatArray:
    """[N, T] a field free of splits and dividends; MissingTableError where the panel has none of that name."""
    if field not in panel:
        raise MissingTableError(
            f"{panel.name}: no field {field!r}; add a column {field} to the prices, or leave level_{field} out"
        )
    values: FloatArray = panel.adjusted(field).T
    return values


def level(field: str) -> FeatureFunction:
    """The feature that is a field over its divisor, minus 1."""

    def relative(panel: Panel) -> FloatArray:
        return over(series(panel, field), divisor(panel, field)).T

    return relative


def over(values: FloatArray, below: FloatArray) -> FloatArray:
    """values / below - 1; 0 where below is 0 (no volume in 250 sessions)."""
    relative: FloatArray = ratio(values, below, neutral=1.0) - 1
    return relative


@once_per_panel
def _mean_close(panel: Panel) -> FloatArray:
    return rolling_mean(panel.adjusted("close").T, LEVEL_DAYS)


def forward_adjusted(field: str) -> FeatureFunction:
    """Leaky: a price adjusted to the symbol's last day, over its first such close, as charts and the papers have it."""

    def relative(panel: Panel) -> FloatArray:
        return over(last_day_prices(panel, field), first_close(panel)).T

    return reads_the_future(relative)


def last_day_prices(panel: Panel, field: str) -> FloatArray:
    """[N, T] adjusted so that the last listed day has its raw price: earlier ones fall with every dividend to come."""
    prices = series(panel, field)
    raw = panel["close"].T.astype(np.float64)
    last = panel.T - 1 - panel.listed.T[:, ::-1].argmax(axis=1)
    rows = np.arange(panel.N)
    return prices * (raw[rows, last] / panel.adjusted("close").T[rows, last])[:, None]


def first_close(panel: Panel) -> FloatArray:
    """[N, 1] the first close as it was: a divisor that what comes later cannot move."""
    raw = panel["close"].T.astype(np.float64)
    return raw[np.arange(panel.N), panel.listed.T.argmax(axis=1)][:, None]


def high_1(panel: Panel) -> FloatArray:
    """High over the close before, minus 1."""
    return (panel.adjusted("high").T / lag(panel.adjusted("close").T, 1) - 1).T


def low_1(panel: Panel) -> FloatArray:
    """Low over the close before, minus 1."""
    return (panel.adjusted("low").T / lag(panel.adjusted("close").T, 1) - 1).T


def weekday_sin(panel: Panel) -> FloatArray:
    """Sine of the day of the week as an angle."""
    return _on_listed(panel, np.sin(_weekday(panel)))


def weekday_cos(panel: Panel) -> FloatArray:
    """Cosine of the day of the week as an angle."""
    return _on_listed(panel, np.cos(_weekday(panel)))


def month_sin(panel: Panel) -> FloatArray:
    """Sine of the month as an angle."""
    return _on_listed(panel, np.sin(_month(panel)))


def month_cos(panel: Panel) -> FloatArray:
    """Cosine of the month as an angle."""
    return _on_listed(panel, np.cos(_month(panel)))


def day_of_month(panel: Panel) -> FloatArray:
    """Day of the month, 0 on the first to 1 on the 31st."""
    days = panel.sessions.astype("datetime64[D]")
    return _on_listed(panel, (days - days.astype("datetime64[M]")).astype(np.float64) / 30)


def _weekday(panel: Panel) -> FloatArray:
    return 2 * np.pi * ((panel.sessions.astype("datetime64[D]").astype(np.int64) + 3) % 7) / 7  # 1970-01-01: Thursday


def _month(panel: Panel) -> FloatArray:
    return 2 * np.pi * (panel.sessions.astype("datetime64[M]").astype(np.int64) % 12) / 12


def _on_listed(panel: Panel, values: FloatArray) -> FloatArray:
    return np.where(panel.listed, values[:, None], np.nan)


LEVELS = {f"level_{field}": level(field) for field in FIELDS}
LEAKY_LEVELS = {f"leaky_forward_adjusted_{field}": forward_adjusted(field) for field in ("open", "close")}
BARS: dict[str, FeatureFunction] = {"high_1": high_1, "low_1": low_1}
DATES: dict[str, FeatureFunction] = {
    function.__name__: function for function in (weekday_sin, weekday_cos, month_sin, month_cos, day_of_month)
}
INPUTS: dict[str, Input] = {"level_amount": Input("amount", field="amount")}
