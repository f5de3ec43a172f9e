"""Wavelet denoising (S5): small wavelet coefficients are taken for noise and shrunk to zero.

Daubechies 4, three levels, soft threshold sigma sqrt(2 log W) with sigma the median absolute coefficient of the finest
level over 0.6745 (Donoho and Johnstone 1994). A threshold and a boundary see a whole series at once, so that denoising
it whole looks ahead at every row. Here the value at t is the last one of the denoised window of W sessions that ends
at t. The paper's way, the whole series at once, is the leaky variant. Both need PyWavelets.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np

from nnstrategies.errors import ConfigError
from nnstrategies.features.feature_set import FeatureFunction, reads_the_future
from nnstrategies.features.inputs import Input
from nnstrategies.features.levels import FIELDS, divisor, first_close, last_day_prices, over, series
from nnstrategies.features.rolling import run_length
from nnstrategies.panel import Panel
from nnstrategies.typing import FloatArray

WINDOW_DAYS = 128
_WAVELET, _LEVELS, _MODE = "db4", 3, "symmetric"
_ROWS = 1024  # windows transformed together


def denoise(x: FloatArray) -> FloatArray:
    """Denoise each of the series [..., L] as a whole; every one by itself, so that others cannot move a byte."""
    pywt = _library()
    parts = pywt.wavedec(x, _WAVELET, mode=_MODE, level=_LEVELS, axis=-1)
    sigma = np.median(np.abs(parts[-1]), axis=-1, keepdims=True) / 0.6745
    threshold = sigma * np.sqrt(2 * np.log(x.shape[-1]))
    shrunk = [np.sign(part) * np.maximum(np.abs(part) - threshold, 0.0) for part in parts[1:]]
    whole: FloatArray = pywt.waverec([parts[0], *shrunk], _WAVELET, mode=_MODE, axis=-1)
    return whole[..., : x.shape[-1]]  # an odd length comes back one longer


def denoise_causally(x: FloatArray, window: int = WINDOW_DAYS) -> FloatArray:
    """[L] the last value of the denoised window that ends at each row; NaN where the window is not whole."""
    out = np.full(len(x), np.nan)
    if len(x) < window:
        return out
    windows = np.lib.stride_tricks.sliding_window_view(x, window)
    ends = np.flatnonzero(run_length(np.isfinite(x))[window - 1 :] >= window)
    for first in range(0, len(ends), _ROWS):
        rows = ends[first : first + _ROWS]
        out[window - 1 + rows] = denoise(windows[rows])[:, -1]
    return out


def denoised_level(field: str) -> FeatureFunction:
    """The feature that is a field's denoised value over the divisor of its level, minus 1."""

    def relative(panel: Panel) -> FloatArray:
        return over(_each(series(panel, field), causal=True), divisor(panel, field)).T

    return relative


def leaky_denoised_level(field: str) -> FeatureFunction:
    """Leaky: the same with the whole series denoised at once, as the paper has it."""

    def relative(panel: Panel) -> FloatArray:
        return over(_each(series(panel, field), causal=False), divisor(panel, field)).T

    return reads_the_future(relative)


def denoised_forward_adjusted(field: str) -> FeatureFunction:
    """Leaky: a price adjusted to the symbol's last day, denoised over the trailing window, over the first close."""

    def relative(panel: Panel) -> FloatArray:
        return over(_each(last_day_prices(panel, field), causal=True), first_close(panel)).T

    return reads_the_future(relative)


def _each(values: FloatArray, causal: bool) -> FloatArray:
    """[N, T] every symbol's series denoised: window by window, or from its first to its last value at once."""
    out = np.full(values.shape, np.nan)
    for n in range(len(values)):
        if causal:
            out[n] = denoise_causally(values[n])
            continue
        known = np.flatnonzero(np.isfinite(values[n]))
        if len(known) >= WINDOW_DAYS and len(known) == known[-1] - known[0] + 1:
            out[n, known] = denoise(values[n, known])
    return out


def _library() -> ModuleType:
    try:
        import pywt
    except ImportError:
        raise ConfigError(
            "features: wavelet features need PyWavelets, which is not installed; install nnstrategies[wavelet]"
        ) from None
    return pywt


WAVELET = {f"wavelet_level_{field}": denoised_level(field) for field in FIELDS}
LEAKY_WAVELET = {
    **{f"leaky_wavelet_level_{field}": leaky_denoised_level(field) for field in FIELDS},
    **{f"leaky_wavelet_forward_adjusted_{field}": denoised_forward_adjusted(field) for field in FIELDS[:4]},
}
INPUTS: dict[str, Input] = {
    name: Input("amount", field="amount") for name in ("wavelet_level_amount", "leaky_wavelet_level_amount")
}
