"""What a model is to predict, and the session whose prices make it known.

A decision at the close of session t enters at the open of t + 1 and leaves at the open of t + 1 + horizon_days. Purging
needs the session at which a label became known, which is no constant: a suspension at the exit moves it, a delisting
brings it forward. ``Labels.end`` holds it for each label.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from nnstrategies.errors import ConfigError, DataError
from nnstrategies.panel import Panel, Status
from nnstrategies.typing import AnyArray, BoolArray, Float32Array, FloatArray, IntArray

LabelKind = Literal["return", "up_down", "buy_hold_sell"]
Pair = tuple[float, float]


@dataclass(frozen=True)
class Labels:
    """Labels [T, N] of decisions at the close of session t.

    values: float32, NaN = none. kind ``return``: a return; ``up_down``: 0 down, 1 up; ``buy_hold_sell``: 0 sell,
        1 hold, 2 buy.
    end: int64 row of the session by whose close the label is known, -1 = none. Always greater than t.
    returns: float32, the forward return before any median is taken off, NaN where values are.
    Raises DataError for an end that is not after its row or lies past the data.
    """

    values: Float32Array
    end: IntArray
    kind: LabelKind
    horizon_days: int
    n_classes: int
    returns: Float32Array

    def __post_init__(self) -> None:
        if not self.values.shape == self.end.shape == self.returns.shape:
            raise DataError(
                f"labels: expected values, end and returns of one shape [T, N], got {self.values.shape}, "
                f"{self.end.shape} and {self.returns.shape}"
            )
        self._check_end()
        for array in (self.values, self.end, self.returns):
            array.flags.writeable = False

    def _check_end(self) -> None:
        """Purging trusts ``end``: one that is not after its row, or lies past the data, would let the future in."""
        total = len(self.end)
        wrong = (self.end >= 0) & (self.end <= np.arange(total)[:, None]) | (self.end >= total) | (self.end < -1)
        if wrong.any():
            t, n = (int(axis[0]) for axis in np.nonzero(wrong))
            raise DataError(
                f"labels: end: expected the row by whose close a label is known, from {t + 1} to {total - 1} for row "
                f"{t}, or -1 for none; got {int(self.end[t, n])} in column {n}"
            )

    def upto(self, t: int) -> Labels:
        """What is known of labels at the close of session t: rows 0..t; labels that end later become NaN / -1."""
        if not 0 <= t < len(self.end):
            raise DataError(f"labels: upto({t}): expected a row from 0 to {len(self.end) - 1}")
        end = self.end[: t + 1]
        known = end <= t
        return replace(
            self,
            values=np.where(known, self.values[: t + 1], np.float32(np.nan)),
            end=np.where(known, end, -1),
            returns=np.where(known, self.returns[: t + 1], np.float32(np.nan)),
        )

    def of_columns(self, columns: IntArray | slice) -> Labels:
        """The labels of these columns, in this order."""
        return replace(self, values=self.values[:, columns], end=self.end[:, columns], returns=self.returns[:, columns])


def forward_return(panel: Panel, horizon_days: int, relative: bool = False) -> Labels:
    """Return from the open of t + 1 to the open of t + 1 + horizon_days, of adjusted prices.

    No label where the symbol is not listed at t or does not trade at t + 1. An exit falls on the first trading session
    from t + 1 + horizon_days on, which is the label's end. A symbol delisted before its exit leaves at its last close;
    the end is then the first session on which it is gone. relative=True takes off the median of ``reference``.
    """
    returns, end = _forward(panel, horizon_days)
    if not relative:
        return _labels(returns, returns, end, "return", horizon_days, 0)
    excess, end = _excess(panel, returns, end, horizon_days)
    return _labels(excess, returns, end, "return", horizon_days, 0)


def up_down(panel: Panel, horizon_days: int, relative: bool) -> Labels:
    """1 where the forward return (relative=True: minus the reference median) is above 0, else 0."""
    returns, end = _forward(panel, horizon_days)
    judged = returns
    if relative:
        judged, end = _excess(panel, returns, end, horizon_days)
    return _labels(np.where(np.isfinite(judged), judged > 0, np.nan), returns, end, "up_down", horizon_days, 2)


def buy_hold_sell(
    panel: Panel,
    horizon_days: int,
    thresholds: Pair | None = None,
    relative: bool = False,
    quantiles: Pair | None = None,
) -> Labels:
    """0 sell, 1 hold, 2 buy: return below, within or above two bounds (a return on a bound is a hold).

    thresholds: two returns, compared with the forward return (relative=True: minus the reference median).
    quantiles: two shares such as (1/3, 2/3); the bounds are these quantiles of the reference at each date. It needs the
        whole cross-section, so ``relative`` makes no difference. Exactly one of the two must be given.
    """
    if (thresholds is None) == (quantiles is None):
        raise ConfigError("labels: buy_hold_sell: expected either thresholds or quantiles; give exactly one")
    returns, end = _forward(panel, horizon_days)
    judged = returns
    low: AnyArray | float
    high: AnyArray | float
    if quantiles is not None:
        _check_pair("quantiles", quantiles, 0.0, 1.0)
        bounds = _reference_quantiles(panel, returns, end, horizon_days, quantiles)  # [T, 2]
        end = _with_reference(end, horizon_days, np.isfinite(bounds[:, 0]))
        low, high = bounds[:, :1], bounds[:, 1:]
    else:
        assert thresholds is not None
        _check_pair("thresholds", thresholds, -np.inf, np.inf)
        if relative:
            judged, end = _excess(panel, returns, end, horizon_days)
        low, high = thresholds
    classes = 1.0 + (judged > high) - (judged < low)
    return _labels(np.where(np.isfinite(judged), classes, np.nan), returns, end, "buy_hold_sell", horizon_days, 3)


def make_labels(
    panel: Panel, kind: LabelKind, horizon_days: int, relative: bool = True, thresholds: Pair | None = None
) -> Labels:
    """Labels by name; buy_hold_sell without thresholds takes terciles of each date's reference."""
    if thresholds is not None and kind != "buy_hold_sell":
        raise ConfigError(f"labels: thresholds belong to buy_hold_sell, got kind {kind!r}; leave them out")
    if kind == "return":
        return forward_return(panel, horizon_days, relative)
    if kind == "up_down":
        return up_down(panel, horizon_days, relative)
    if kind == "buy_hold_sell":
        return buy_hold_sell(panel, horizon_days, thresholds, relative, None if thresholds else (1 / 3, 2 / 3))
    raise ConfigError(f"labels: expected kind return, up_down or buy_hold_sell, got {kind!r}")


def reference(panel: Panel, end: IntArray, horizon_days: int) -> BoolArray:
    """[T, N] the members at t whose exit was not delayed: all of it is known at t + 1 + horizon_days.

    Were the median taken over delayed exits too, every label of a date would have to wait for the longest suspension.
    """
    due = np.arange(panel.T)[:, None] + 1 + horizon_days
    return panel.members & (end >= 0) & (end <= due)


def _forward(panel: Panel, horizon_days: int) -> tuple[FloatArray, IntArray]:
    """Forward returns [T, N] and their ends, before any comparison across symbols."""
    if horizon_days < 1:
        raise ConfigError(f"labels: horizon_days: expected at least 1, got {horizon_days}")
    rows, columns = np.arange(panel.T)[:, None], np.arange(panel.N)[None, :]
    opens, closes = panel.adjusted("open"), panel.adjusted("close")
    trading = _next_row(panel.trading)  # [T + 1, N]: row T means "none"
    gone = _next_row(panel.status == Status.DELISTED)
    entry = np.minimum(rows + 1, panel.T - 1)
    enters = panel.listed & (rows + 1 < panel.T) & panel.trading[entry[:, 0]]
    leaves = trading[np.minimum(rows[:, 0] + 1 + horizon_days, panel.T)]
    delisted = gone[np.minimum(rows[:, 0] + 2, panel.T)]
    end = np.minimum(leaves, delisted)
    paid = opens[entry, columns]
    last_close = closes[np.clip(delisted - 1, 0, panel.T - 1), columns]
    got = np.where(leaves < delisted, opens[np.minimum(leaves, panel.T - 1), columns], last_close)
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = got / paid - 1
    known = enters & (end < panel.T) & np.isfinite(returns)
    return np.where(known, returns, np.nan), np.where(known, end, -1)


def _next_row(true: BoolArray) -> IntArray:
    """[T + 1, N] the first row from t on where ``true`` holds, T where none does."""
    total = len(true)
    at = np.full((total + 1, true.shape[1]), total, dtype=np.int64)
    at[:-1] = np.where(true, np.arange(total)[:, None], total)
    return np.minimum.accumulate(at[::-1], axis=0)[::-1]


def _reference_quantiles(
    panel: Panel, returns: FloatArray, end: IntArray, horizon_days: int, shares: tuple[float, ...]
) -> FloatArray:
    """[T, len(shares)] quantiles of the reference's returns, NaN on dates without a reference."""
    compared = np.where(reference(panel, end, horizon_days), returns, np.nan)
    out = np.full((panel.T, len(shares)), np.nan)
    for t in range(max(panel.T - 1 - horizon_days, 0)):
        present = compared[t][np.isfinite(compared[t])]
        if len(present):
            out[t] = np.quantile(present, shares)
    return out


def _with_reference(end: IntArray, horizon_days: int, has_reference: BoolArray) -> IntArray:
    """Ends of labels that are compared with a date's reference, which is known at t + 1 + horizon_days."""
    due = np.arange(len(end))[:, None] + 1 + horizon_days
    return np.where((end >= 0) & has_reference[:, None], np.maximum(end, due), -1)


def _excess(panel: Panel, returns: FloatArray, end: IntArray, horizon_days: int) -> tuple[FloatArray, IntArray]:
    median = _reference_quantiles(panel, returns, end, horizon_days, (0.5,))[:, 0]
    return returns - median[:, None], _with_reference(end, horizon_days, np.isfinite(median))


def _labels(
    values: FloatArray, returns: FloatArray, end: IntArray, kind: LabelKind, horizon_days: int, n_classes: int
) -> Labels:
    none = end < 0
    return Labels(
        values=np.where(none, np.nan, values).astype(np.float32),
        end=end,
        kind=kind,
        horizon_days=horizon_days,
        n_classes=n_classes,
        returns=np.where(none, np.nan, returns).astype(np.float32),
    )


def _check_pair(name: str, pair: Pair, lowest: float, highest: float) -> None:
    if not (len(pair) == 2 and lowest < pair[0] < pair[1] < highest):
        raise ConfigError(f"labels: {name}: expected two rising numbers in ({lowest}, {highest}), got {pair}")
