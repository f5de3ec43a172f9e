"""One symbol after another through a TA-Lib function, free of price and volume levels.

Each symbol's bars are adjusted and divided by its first close (its first volume), because TA-Lib treats absolute values
below 1e-14 (money flows below 1) as zero. Recursive indicators (exponential and Wilder averages) start from their first
bars; ``warm_up`` blanks the rows in which that start still weighs more than about 1 %. Where the price did not move at
all over the indicator's window (a long suspension) the result is 0/0 and its neutral value is given.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnstrategies.features.memo import once_per_panel
from nnstrategies.features.rolling import run_length
from nnstrategies.panel import Panel
from nnstrategies.typing import AnyArray, BoolArray, FloatArray, IntArray

_FIELDS = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume"}
_FIRST_VOLUME = 1e6


def each(
    panel: Panel,
    bars: str,
    indicator: Callable[..., FloatArray],
    warm_up: int,
    flat: tuple[int, float] | None = None,
) -> FloatArray:
    """Apply ``indicator`` to each symbol's bars and return [T, N].

    bars: letters of the arrays it takes, such as "hlc" (o h l c v). warm_up: rows blanked from the first bar on.
    flat: (rows, neutral): the value where the last ``rows`` rows had one and the same price.
    """
    adjusted = [panel.adjusted(_FIELDS[letter]).T for letter in bars]  # [N, T]
    still = unmoved_rows(panel).T
    out = np.full((panel.N, panel.T), np.nan)
    for n, (first, stop) in enumerate(listing_spans(panel)):
        if stop - first <= warm_up:
            continue
        first_close = panel.adjusted("close").T[n, first]
        arrays = [
            scaled_volume(x[n, first:stop]) if letter == "v" else x[n, first:stop] / first_close
            for letter, x in zip(bars, adjusted, strict=True)
        ]
        with np.errstate(divide="ignore", invalid="ignore"):
            values = indicator(*arrays)
        if flat is not None:
            values = np.where(still[n, first:stop] >= flat[0], flat[1], values)
        out[n, first + warm_up : stop] = values[warm_up:]
    return out.T


def scaled_volume(volume: FloatArray) -> FloatArray:
    """Volume times what makes its first value above 0 a million; as it is where there is none."""
    first = volume[int(np.argmax(volume > 0))]
    return volume * (_FIRST_VOLUME / first) if first > 0 else volume


@once_per_panel
def listing_spans(panel: Panel) -> IntArray:
    """[N, 2] first row with a complete bar, and the first row without one after it; 0, 0 without any.

    Bars must not have holes: TA-Lib goes on after a NaN with values that depend on how the comparison happened to fall.
    """
    present: BoolArray = np.ones((panel.N, panel.T), dtype=bool)
    for field in _FIELDS.values():
        present &= np.isfinite(panel.adjusted(field).T)
    first = present.argmax(axis=1)
    ended = ~present & (np.arange(panel.T) > first[:, None])
    stop = np.where(ended.any(axis=1), ended.argmax(axis=1), panel.T)
    return np.where(present.any(axis=1, keepdims=True), np.stack([first, stop], axis=1), 0)


@once_per_panel
def unmoved_rows(panel: Panel) -> AnyArray:
    """[T, N] rows ending at t that share one price (high = low): 0 where high differs from low."""
    high, low = panel.adjusted("high").T, panel.adjusted("low").T
    locked: AnyArray = np.equal(high, low)
    same = np.zeros_like(locked)
    same[:, 1:] = locked[:, 1:] & locked[:, :-1] & (high[:, 1:] == high[:, :-1])
    return np.where(locked, run_length(same) + 1, 0).T


def ema_warm_up(length: int) -> int:
    """Rows until an exponential average of ``length`` has forgotten 99 % of its start."""
    return int(np.ceil(2.3 * (length + 1)))


def wilder_warm_up(length: int) -> int:
    """Rows until a Wilder average (smoothing 1 / length) has forgotten 99 % of its start."""
    return int(np.ceil(4.6 * length))
