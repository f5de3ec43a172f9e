"""Returns, volatility, and where price and volume stand in their recent range; all free of price and volume levels.

Every function maps a Panel to [T, N]; row t is known at the close of session t and uses adjusted prices. A suspended
day repeats the close: its return is 0, its volume features take their neutral value 0.
"""

from __future__ import annotations

import numpy as np

from nnstrategies.features.memo import once_per_panel
from nnstrategies.features.rolling import (
    lag,
    ratio,
    rolling_max,
    rolling_mean,
    rolling_min,
    rolling_std,
    rolling_sum,
)
from nnstrategies.panel import Panel
from nnstrategies.typing import FloatArray


def past_return(panel: Panel, days: int, skip: int = 0) -> FloatArray:
    """Close of t - skip over close of t - days, minus 1."""
    close = panel.adjusted("close").T  # [N, T]
    recent = lag(close, skip) if skip else close
    return np.where(np.isfinite(close), recent / lag(close, days) - 1, np.nan).T  # none once delisted


@once_per_panel
def ret_1(panel: Panel) -> FloatArray:
    """Return over 1 session."""
    return past_return(panel, 1)


@once_per_panel
def ret_5(panel: Panel) -> FloatArray:
    """Return over 5 sessions."""
    return past_return(panel, 5)


def ret_10(panel: Panel) -> FloatArray:
    """Return over 10 sessions."""
    return past_return(panel, 10)


@once_per_panel
def ret_20(panel: Panel) -> FloatArray:
    """Return over 20 sessions."""
    return past_return(panel, 20)


@once_per_panel
def momentum_250_20(panel: Panel) -> FloatArray:
    """Return from t - 250 to t - 20 (Jegadeesh and Titman 1993: the last month left out)."""
    return past_return(panel, 250, skip=20)


def gap_1(panel: Panel) -> FloatArray:
    """Open over the close before, minus 1."""
    return (panel.adjusted("open").T / lag(panel.adjusted("close").T, 1) - 1).T


def intraday_1(panel: Panel) -> FloatArray:
    """Close over open of the same session, minus 1."""
    return panel.adjusted("close") / panel.adjusted("open") - 1


def volatility_1(panel: Panel) -> FloatArray:
    """log(high / low) / sqrt(4 log 2): one session's standard deviation from its range (Parkinson 1980)."""
    return np.log(panel.adjusted("high") / panel.adjusted("low")) / np.sqrt(4 * np.log(2))


def past_volatility(panel: Panel, days: int) -> FloatArray:
    """Population standard deviation of the last ``days`` daily returns."""
    return rolling_std(ret_1(panel).T, days).T


def volatility_5(panel: Panel) -> FloatArray:
    """Standard deviation of daily returns over 5 sessions."""
    return past_volatility(panel, 5)


def volatility_10(panel: Panel) -> FloatArray:
    """Standard deviation of daily returns over 10 sessions."""
    return past_volatility(panel, 10)


@once_per_panel
def volatility_20(panel: Panel) -> FloatArray:
    """Standard deviation of daily returns over 20 sessions."""
    return past_volatility(panel, 20)


def price_position(panel: Panel, days: int) -> FloatArray:
    """Where the close lies between the lowest low (0) and the highest high (1); 0.5 where they are equal."""
    low = rolling_min(panel.adjusted("low").T, days)
    high = rolling_max(panel.adjusted("high").T, days)
    return ratio(panel.adjusted("close").T - low, high - low, neutral=0.5).T


def price_position_20(panel: Panel) -> FloatArray:
    """Close within the 20-session range, 0 (low) to 1 (high); 0.5 when the range is empty."""
    return price_position(panel, 20)


def price_position_60(panel: Panel) -> FloatArray:
    """Close within the 60-session range, 0 (low) to 1 (high); 0.5 when the range is empty."""
    return price_position(panel, 60)


def volume_position(panel: Panel, days: int) -> FloatArray:
    """log(volume / its mean over ``days`` sessions, today included); 0 on a day without volume."""
    volume = panel.adjusted("volume").T
    traded = volume > 0
    mean = rolling_mean(volume, days)
    relative = np.log(np.where(traded, volume, 1.0) / np.where(traded, mean, 1.0))
    return np.where(traded | ~np.isfinite(mean), relative + 0 * mean, 0.0).T


@once_per_panel
def volume_position_20(panel: Panel) -> FloatArray:
    """log(volume / 20-session mean); 0 on a day without volume."""
    return volume_position(panel, 20)


def volume_position_60(panel: Panel) -> FloatArray:
    """log(volume / 60-session mean); 0 on a day without volume."""
    return volume_position(panel, 60)


@once_per_panel
def volume_surprise_1(panel: Panel) -> FloatArray:
    """log volume minus the mean log volume of the traded days among the 20 sessions ending today; 0 without volume."""
    volume = panel.adjusted("volume").T
    traded = volume > 0
    log_volume = np.where(np.isfinite(volume), np.log(np.where(traded, volume, 1.0)), np.nan)
    days = rolling_sum(np.where(np.isfinite(volume), traded.astype(np.float64), np.nan), 20)
    mean = ratio(rolling_sum(log_volume, 20), days, neutral=0.0)
    return np.where(traded | ~np.isfinite(mean), log_volume - mean, 0.0).T


def return_volume_fit_20(panel: Panel) -> FloatArray:
    """Correlation of the daily return with the volume surprise over 20 sessions; 0 when either is constant."""
    returns, surprise = ret_1(panel).T, volume_surprise_1(panel).T
    joint = rolling_mean(returns * surprise, 20) - rolling_mean(returns, 20) * rolling_mean(surprise, 20)
    spread = rolling_std(returns, 20) * rolling_std(surprise, 20)
    return np.clip(ratio(joint, np.where(spread > 1e-12, spread, 0 * spread), neutral=0.0), -1, 1).T


PRICE_VOLUME = {
    function.__name__: function
    for function in (
        ret_1,
        ret_5,
        ret_10,
        ret_20,
        momentum_250_20,
        gap_1,
        intraday_1,
        volatility_1,
        volatility_5,
        volatility_10,
        volatility_20,
        price_position_20,
        price_position_60,
        volume_position_20,
        volume_position_60,
        volume_surprise_1,
        return_volume_fit_20,
    )
}
