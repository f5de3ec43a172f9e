"""Macro series by publication date, and news sentiment: both tables of the user.

Table ``macro``: known_at, perhaps period_end, one column per series. Table ``news``: symbol, known_at, one column per
measure. What is not in a table is no feature; a value that is not published yet is missing.
"""

from __future__ import annotations

import numpy as np

from nnstrategies.features.as_of import known_values
from nnstrategies.features.feature_set import FeatureFunction, reads_the_future
from nnstrategies.features.inputs import Input
from nnstrategies.panel import Panel
from nnstrategies.typing import FloatArray

MACRO, NEWS = "macro", "news"
MACRO_AGE_DAYS = 140  # a quarterly figure stays the newest for a quarter and some weeks
NEWS_AGE_DAYS = 10  # calendar days for which the last news of a symbol still counts
Z_SCORE_DAYS = 252

# S2 has 15 monthly series and names GDP, CPI, PMI, money supply and interest rates; the rest is our choice.
SERIES = (
    "gdp_growth",
    "industrial_output_growth",
    "fixed_investment_growth",
    "retail_sales_growth",
    "export_growth",
    "import_growth",
    "cpi",
    "ppi",
    "pmi",
    "m1_growth",
    "m2_growth",
    "loan_growth",
    "interbank_rate",
    "bond_yield_10y",
    "usd_cny",
)
# S2 has 5 columns and names none of them.
MEASURES = ("news_sentiment", "news_positive", "news_negative", "news_count", "news_dispersion")


def z_score(series: FloatArray, days: int = Z_SCORE_DAYS) -> FloatArray:
    """[T] less the mean and over the standard deviation of the ``days`` sessions ending at t; 0 where nothing moved.

    NaN until the window is whole. Each window is summed alone, about its own mean: levels of any size are safe, and
    later rows cannot move a byte.
    """
    out = np.full(len(series), np.nan)
    if len(series) < days:
        return out
    windows = np.lib.stride_tricks.sliding_window_view(series, days)  # [T - days + 1, days]
    mean, last = windows.mean(axis=1), windows[:, -1]
    std = np.sqrt(((windows - mean[:, None]) ** 2).mean(axis=1))
    moves = std > 1e-12 * np.abs(mean)
    scaled = np.where(moves, (last - mean) / np.where(moves, std, 1.0), 0.0)
    out[days - 1 :] = np.where(np.isfinite(mean), scaled, np.nan)
    return out


def macro(series: str) -> FeatureFunction:
    """The feature that is a macro series, daily by publication date, as a z-score of its last 252 sessions."""

    def published(panel: Panel) -> FloatArray:
        return _spread(panel, z_score(_daily(panel, series)))

    return published


def interpolated(series: str) -> FeatureFunction:
    """Leaky: the series drawn as straight lines between its publications, as S2 made it daily; otherwise ``macro``."""

    def drawn(panel: Panel) -> FloatArray:
        values = _daily(panel, series)
        steps = np.flatnonzero(np.isfinite(values) & np.r_[True, values[1:] != values[:-1]])
        if len(steps):
            straight = np.interp(np.arange(panel.T), steps, values[steps])
            values = np.where(np.isfinite(values), straight, np.nan)
        return _spread(panel, z_score(values))

    return reads_the_future(drawn)


def news(measure: str) -> FeatureFunction:
    """The feature that is a measure of a symbol's news, as of the last day with any, for up to 10 days."""

    def published(panel: Panel) -> FloatArray:
        return known_values(panel, NEWS, measure, NEWS_AGE_DAYS)

    return published


def _daily(panel: Panel, series: str) -> FloatArray:
    """[T] the series as known at each close, whoever is listed."""
    any_listed = panel.listed.any(axis=1)
    values = known_values(panel, MACRO, series, MACRO_AGE_DAYS)
    first = panel.listed.argmax(axis=1)  # any listed symbol will do: all have the same value
    return np.where(any_listed, values[np.arange(panel.T), first], np.nan)


def _spread(panel: Panel, values: FloatArray) -> FloatArray:
    return np.where(panel.listed, values[:, None], np.nan)


MACRO_FEATURES = {f"macro_{series}": macro(series) for series in SERIES}
LEAKY_MACRO = {f"leaky_interpolated_macro_{series}": interpolated(series) for series in SERIES}
NEWS_FEATURES = {measure: news(measure) for measure in MEASURES}
INPUTS: dict[str, Input] = {
    **{f"macro_{series}": Input(series, MACRO) for series in SERIES},
    **{f"leaky_interpolated_macro_{series}": Input(series, MACRO) for series in SERIES},
    **{measure: Input(measure, NEWS) for measure in MEASURES},
}
