"""Technical indicators by TA-Lib, free of price and volume levels.

Every function maps a Panel to [T, N]; row t is known at the close of session t. How bars are prepared, why first rows
are blank and what stands where nothing moved is told in ``bars``. Source of all formulas: TA-Lib.
"""

from __future__ import annotations

import numpy as np
import talib

from nnstrategies.features.bars import each, ema_warm_up, wilder_warm_up
from nnstrategies.panel import Panel
from nnstrategies.typing import FloatArray


def bollinger(close: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Position between the bands and their distance; deviations below 1e-6 of the mean are rounding and count as 0."""
    middle, deviation = talib.SMA(close, 20), talib.STDDEV(close, 20)
    moves = deviation > 1e-6 * middle
    position = np.where(moves, (close - middle) / np.where(moves, 2 * deviation, 1.0), 0.0)
    known = np.isfinite(middle)
    return np.where(known, position, np.nan), np.where(known, np.where(moves, 4 * deviation / middle, 0.0), np.nan)


def money_flow(high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray) -> FloatArray:
    """MFI / 100; 0.5 where no session of the window had volume."""
    return np.where(talib.MAX(volume, 14) > 0, talib.MFI(high, low, close, volume, 14) / 100, 0.5)


def chaikin(high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray) -> FloatArray:
    """ADOSC in units of the 20-session mean volume; 0 where that is 0. The start of accumulation cancels."""
    traded = talib.MAX(volume, 20) > 0
    return np.where(
        traded, talib.ADOSC(high, low, close, volume, 3, 10) / np.where(traded, talib.SMA(volume, 20), 1), 0
    )


def rsi_6(panel: Panel) -> FloatArray:
    """Relative strength index over 6 sessions, 0 to 1; 0.5 without movement."""
    return each(panel, "c", lambda c: talib.RSI(c, 6) / 100, wilder_warm_up(6), (6, 0.5))


def rsi_14(panel: Panel) -> FloatArray:
    """Relative strength index over 14 sessions, 0 to 1; 0.5 without movement."""
    return each(panel, "c", lambda c: talib.RSI(c, 14) / 100, wilder_warm_up(14), (14, 0.5))


def stochrsi_k(panel: Panel) -> FloatArray:
    """Stochastic of the 14-session RSI over 5 sessions, smoothed over 3, 0 to 1; 0.5 without movement."""
    return each(panel, "c", lambda c: talib.STOCHRSI(c, 14, 5, 3)[0] / 100, wilder_warm_up(14) + 5, (8, 0.5))


def cmo_14(panel: Panel) -> FloatArray:
    """Chande momentum oscillator over 14 sessions, -1 to 1; 0 without movement."""
    return each(panel, "c", lambda c: talib.CMO(c, 14) / 100, wilder_warm_up(14), (14, 0.0))


def macd_diff(panel: Panel) -> FloatArray:
    """MACD line: EMA 12 less EMA 26, over close."""
    return each(panel, "c", lambda c: talib.MACD(c, 12, 26, 9)[0] / c, ema_warm_up(26))


def macd_signal(panel: Panel) -> FloatArray:
    """9-session EMA of the MACD line, over close."""
    return each(panel, "c", lambda c: talib.MACD(c, 12, 26, 9)[1] / c, ema_warm_up(26) + ema_warm_up(9))


def macd_hist(panel: Panel) -> FloatArray:
    """MACD line less its signal, over close."""
    return each(panel, "c", lambda c: talib.MACD(c, 12, 26, 9)[2] / c, ema_warm_up(26) + ema_warm_up(9))


def ppo_12_26(panel: Panel) -> FloatArray:
    """EMA 12 over EMA 26, minus 1."""
    return each(panel, "c", lambda c: talib.EMA(c, 12) / talib.EMA(c, 26) - 1, ema_warm_up(26))


def trix_15(panel: Panel) -> FloatArray:
    """1-session rate of change of a triple 15-session EMA, in percent."""
    return each(panel, "c", lambda c: talib.TRIX(c, 15), 3 * ema_warm_up(15))


def roc_12(panel: Panel) -> FloatArray:
    """Rate of change over 12 sessions."""
    return each(panel, "c", lambda c: talib.ROC(c, 12) / 100, 12)


def bollinger_position(panel: Panel) -> FloatArray:
    """Close less the 20-session mean, over 2 standard deviations: -1 and 1 are the bands; 0 without movement."""
    return each(panel, "c", lambda c: bollinger(c)[0], 19, (20, 0.0))


def bollinger_width(panel: Panel) -> FloatArray:
    """Distance between the bands (4 standard deviations) over the 20-session mean; 0 without movement."""
    return each(panel, "c", lambda c: bollinger(c)[1], 19, (20, 0.0))


def sma_5_ratio(panel: Panel) -> FloatArray:
    """5-session mean over close, minus 1."""
    return each(panel, "c", lambda c: talib.SMA(c, 5) / c - 1, 4)


def sma_20_ratio(panel: Panel) -> FloatArray:
    """20-session mean over close, minus 1."""
    return each(panel, "c", lambda c: talib.SMA(c, 20) / c - 1, 19)


def sma_60_ratio(panel: Panel) -> FloatArray:
    """60-session mean over close, minus 1."""
    return each(panel, "c", lambda c: talib.SMA(c, 60) / c - 1, 59)


def wma_20_ratio(panel: Panel) -> FloatArray:
    """20-session linearly weighted mean over close, minus 1."""
    return each(panel, "c", lambda c: talib.WMA(c, 20) / c - 1, 19)


def ema_10_ratio(panel: Panel) -> FloatArray:
    """10-session EMA over close, minus 1."""
    return each(panel, "c", lambda c: talib.EMA(c, 10) / c - 1, ema_warm_up(10))


def ema_50_ratio(panel: Panel) -> FloatArray:
    """50-session EMA over close, minus 1."""
    return each(panel, "c", lambda c: talib.EMA(c, 50) / c - 1, ema_warm_up(50))


def dema_20_ratio(panel: Panel) -> FloatArray:
    """Double 20-session EMA over close, minus 1."""
    return each(panel, "c", lambda c: talib.DEMA(c, 20) / c - 1, 2 * ema_warm_up(20))


def tema_20_ratio(panel: Panel) -> FloatArray:
    """Triple 20-session EMA over close, minus 1."""
    return each(panel, "c", lambda c: talib.TEMA(c, 20) / c - 1, 3 * ema_warm_up(20))


def kama_10_ratio(panel: Panel) -> FloatArray:
    """Kaufman's adaptive mean over 10 sessions, over close, minus 1."""
    return each(panel, "c", lambda c: talib.KAMA(c, 10) / c - 1, ema_warm_up(30))


def linearreg_slope_20(panel: Panel) -> FloatArray:
    """Slope per session of the 20-session regression line, over close."""
    return each(panel, "c", lambda c: talib.LINEARREG_SLOPE(c, 20) / c, 19)


def linearreg_20_ratio(panel: Panel) -> FloatArray:
    """End of the 20-session regression line over close, minus 1."""
    return each(panel, "c", lambda c: talib.LINEARREG(c, 20) / c - 1, 19)


def midprice_14_ratio(panel: Panel) -> FloatArray:
    """Middle of the 14-session range over close, minus 1."""
    return each(panel, "hlc", lambda hi, lo, c: talib.MIDPRICE(hi, lo, 14) / c - 1, 13)


def stoch_k(panel: Panel) -> FloatArray:
    """Stochastic over 14 sessions, smoothed over 3, 0 to 1; 0.5 without movement."""
    return each(panel, "hlc", lambda hi, lo, c: talib.STOCH(hi, lo, c, 14)[0] / 100, 17, (14, 0.5))


def stoch_d(panel: Panel) -> FloatArray:
    """3-session mean of stoch_k; 0.5 without movement."""
    return each(panel, "hlc", lambda hi, lo, c: talib.STOCH(hi, lo, c, 14)[1] / 100, 17, (14, 0.5))


def willr_14(panel: Panel) -> FloatArray:
    """Williams %R over 14 sessions, -1 to 0; -0.5 without movement."""
    return each(panel, "hlc", lambda hi, lo, c: talib.WILLR(hi, lo, c, 14) / 100, 13, (14, -0.5))


def cci_14(panel: Panel) -> FloatArray:
    """Commodity channel index over 14 sessions, / 100; 0 without movement."""
    return each(panel, "hlc", lambda hi, lo, c: talib.CCI(hi, lo, c, 14) / 100, 13, (14, 0.0))


def ultosc(panel: Panel) -> FloatArray:
    """Ultimate oscillator over 7, 14 and 28 sessions, 0 to 1; 0.5 without movement."""
    return each(panel, "hlc", lambda hi, lo, c: talib.ULTOSC(hi, lo, c, 7, 14, 28) / 100, 28, (28, 0.5))


def adx_14(panel: Panel) -> FloatArray:
    """Average directional index over 14 sessions, 0 to 1; 0 without movement."""
    return each(panel, "hlc", lambda hi, lo, c: talib.ADX(hi, lo, c, 14) / 100, 2 * wilder_warm_up(14), (28, 0.0))


def dx_14(panel: Panel) -> FloatArray:
    """Directional index over 14 sessions, 0 to 1; 0 without movement."""
    return each(panel, "hlc", lambda hi, lo, c: talib.DX(hi, lo, c, 14) / 100, wilder_warm_up(14), (28, 0.0))


def plus_di_14(panel: Panel) -> FloatArray:
    """Positive directional indicator over 14 sessions, 0 to 1; 0 without movement."""
    return each(panel, "hlc", lambda hi, lo, c: talib.PLUS_DI(hi, lo, c, 14) / 100, wilder_warm_up(14), (28, 0.0))


def minus_di_14(panel: Panel) -> FloatArray:
    """Negative directional indicator over 14 sessions, 0 to 1; 0 without movement."""
    return each(panel, "hlc", lambda hi, lo, c: talib.MINUS_DI(hi, lo, c, 14) / 100, wilder_warm_up(14), (28, 0.0))


def natr_14(panel: Panel) -> FloatArray:
    """Average true range over 14 sessions, over close."""
    return each(panel, "hlc", lambda hi, lo, c: talib.NATR(hi, lo, c, 14) / 100, wilder_warm_up(14))


def true_range_1(panel: Panel) -> FloatArray:
    """True range of one session, over close."""
    return each(panel, "hlc", lambda hi, lo, c: talib.TRANGE(hi, lo, c) / c, 1)


def aroon_up_25(panel: Panel) -> FloatArray:
    """1 at a new 25-session high, falling to 0 as that high grows 25 sessions old; 0.5 without movement."""
    return each(panel, "hl", lambda hi, lo: talib.AROON(hi, lo, 25)[1] / 100, 25, (26, 0.5))


def aroon_down_25(panel: Panel) -> FloatArray:
    """1 at a new 25-session low, falling to 0 as that low grows 25 sessions old; 0.5 without movement."""
    return each(panel, "hl", lambda hi, lo: talib.AROON(hi, lo, 25)[0] / 100, 25, (26, 0.5))


def bop(panel: Panel) -> FloatArray:
    """Balance of power: (close - open) / (high - low), -1 to 1; 0 when high = low."""
    return each(panel, "ohlc", talib.BOP, 0)


def mfi_14(panel: Panel) -> FloatArray:
    """Money flow index over 14 sessions, 0 to 1; 0.5 without movement or volume."""
    return each(panel, "hlcv", money_flow, 14, (14, 0.5))


def adosc_3_10(panel: Panel) -> FloatArray:
    """Chaikin oscillator (EMA 3 less EMA 10 of accumulation) over the 20-session mean volume; 0 without volume."""
    return each(panel, "hlcv", chaikin, ema_warm_up(10))


TECHNICAL = {
    function.__name__: function
    for function in (
        rsi_6,
        rsi_14,
        stochrsi_k,
        cmo_14,
        macd_diff,
        macd_signal,
        macd_hist,
        ppo_12_26,
        trix_15,
        roc_12,
        bollinger_position,
        bollinger_width,
        sma_5_ratio,
        sma_20_ratio,
        sma_60_ratio,
        wma_20_ratio,
        ema_10_ratio,
        ema_50_ratio,
        dema_20_ratio,
        tema_20_ratio,
        kama_10_ratio,
        linearreg_slope_20,
        linearreg_20_ratio,
        midprice_14_ratio,
        stoch_k,
        stoch_d,
        willr_14,
        cci_14,
        ultosc,
        adx_14,
        dx_14,
        plus_di_14,
        minus_di_14,
        natr_14,
        true_range_1,
        aroon_up_25,
        aroon_down_25,
        bop,
        mfi_14,
        adosc_3_10,
    )
}
