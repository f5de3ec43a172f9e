"""What a model is to predict, and the session whose prices make it known.

A decision at the close of session t is held as ``Holding`` says: usually from the open of t + 1 to the open of
t + 1 + horizon_days. Purging needs the session at which a label became known, which is no constant: months differ, a
suspension at the exit moves it, a delisting brings it forward. ``Labels.end`` holds it for each label.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from nnstrategies.errors import ConfigError, DataError
from nnstrategies.features.rolling import lag, rolling_std
from nnstrategies.holding import Holding, Outcome, outcome
from nnstrategies.panel import Panel
from nnstrategies.typing import AnyArray, BoolArray, Float32Array, FloatArray, IntArray

LabelKind = Literal["return", "up_down", "buy_hold_sell"]
Pair = tuple[float, float]

_VOLATILITY_DAYS = 60


@dataclass(frozen=True)
class Labels:
    """Labels [T, N] of decisions at the close of session t.

    values: float32, NaN = none. kind ``return``: a return; ``up_down``: 0 down, 1 up; ``buy_hold_sell``: 0 sell,
        1 hold, 2 buy.
    end: int64 row of the session by whose close the label is known, -1 = none. Always greater than t.
    horizon_days: sessions from entry to exit; of months and weeks the most there can be.
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

    def moved(self, days: IntArray) -> Labels:
        """Each column moved on by days[n] rows, around the end; an end past the last row becomes none."""
        total = len(self.end)
        rows = (np.arange(total)[:, None] - days) % total  # [T, N] where each label comes from
        columns = np.arange(self.end.shape[1])
        later = self.end[rows, columns] - rows
        end = np.where(self.end[rows, columns] >= 0, np.arange(total)[:, None] + later, -1)
        known = (end >= 0) & (end < total)
        values, returns = (
            np.where(known, array[rows, columns], np.float32(np.nan)) for array in (self.values, self.returns)
        )
        return replace(self, values=values, end=np.where(known, end, -1), returns=returns)

    def of_columns(self, columns: IntArray | slice) -> Labels:
        """The labels of these columns, in this order."""
        return replace(self, values=self.values[:, columns], end=self.end[:, columns], returns=self.returns[:, columns])


def forward_return(panel: Panel, holding: int | Holding, relative: bool = False) -> Labels:
    """The return of ``holding`` (a number: so many sessions, from open to open), of adjusted prices.

    What has no label, and which session ends one, is told in ``holding.outcome``. relative=True takes off the median
    of ``reference``.
    """
    found = _found(panel, holding, relative)
    return _labels(found.judged, found, "return", 0)


def up_down(panel: Panel, holding: int | Holding, relative: bool) -> Labels:
    """1 where the forward return (relative=True: minus the reference median) is above 0, else 0."""
    found = _found(panel, holding, relative)
    return _labels(np.where(np.isfinite(found.judged), found.judged > 0, np.nan), found, "up_down", 2)


def buy_hold_sell(
    panel: Panel,
    holding: int | Holding,
    thresholds: Pair | None = None,
    relative: bool = False,
    quantiles: Pair | None = None,
    volatility_scaled: bool = False,
) -> Labels:
    """0 sell, 1 hold, 2 buy: return below, within or above two bounds (a return on a bound is a hold).

    thresholds: two returns, compared with the forward return (relative=True: minus the reference median).
    volatility_scaled: ``thresholds`` count in standard deviations that the symbol's own last 60 sessions let one expect
        over the horizon; no label before there are 60, or where nothing moved in them.
    quantiles: two shares such as (1/3, 2/3); the bounds are these quantiles of the reference at each date. It needs the
        whole cross-section, so ``relative`` makes no difference. Exactly one of the two must be given.
    """
    if (thresholds is None) == (quantiles is None):
        raise ConfigError("labels: buy_hold_sell: expected either thresholds or quantiles; give exactly one")
    if quantiles is not None:
        if volatility_scaled:
            raise ConfigError("labels: volatility_scaled belongs to thresholds, got quantiles; leave one of them out")
        _check_pair("quantiles", quantiles, 0.0, 1.0)
        return _by_quantiles(panel, holding, quantiles)
    assert thresholds is not None
    _check_pair("thresholds", thresholds, -np.inf, np.inf)
    found = _found(panel, holding, relative)
    unit = _expected_move(panel, _holding(holding).usual_days) if volatility_scaled else np.ones((1, 1))
    return _classes(found, thresholds[0] * unit, thresholds[1] * unit)


def make_labels(
    panel: Panel,
    kind: LabelKind,
    holding: int | Holding,
    relative: bool = True,
    thresholds: Pair | None = None,
    volatility_scaled: bool = False,
) -> Labels:
    """Labels by name; buy_hold_sell without thresholds takes terciles of each date's reference."""
    if thresholds is not None and kind != "buy_hold_sell":
        raise ConfigError(f"labels: thresholds belong to buy_hold_sell, got kind {kind!r}; leave them out")
    if volatility_scaled and thresholds is None:
        raise ConfigError("labels: volatility_scaled belongs to thresholds, got none; give thresholds or leave it out")
    if kind == "return":
        return forward_return(panel, holding, relative)
    if kind == "up_down":
        return up_down(panel, holding, relative)
    if kind == "buy_hold_sell":
        quantiles = None if thresholds else (1 / 3, 2 / 3)
        return buy_hold_sell(panel, holding, thresholds, relative, quantiles, volatility_scaled)
    raise ConfigError(f"labels: expected kind return, up_down or buy_hold_sell, got {kind!r}")


def reference(panel: Panel, result: Outcome) -> BoolArray:
    """[T, N] the members at t whose exit was not delayed: all of it is known at the row ``due`` of t.

    Were the median taken over delayed exits too, every label of a date would have to wait for the longest suspension.
    """
    return panel.members & (result.end >= 0) & (result.end <= result.due[:, None])


@dataclass(frozen=True)
class _Found:
    """Forward returns [T, N], what is judged of them, when each label is known, and the horizon in sessions."""

    judged: FloatArray
    returns: FloatArray
    end: IntArray
    days: int


def _found(panel: Panel, holding: int | Holding, relative: bool) -> _Found:
    held = _holding(holding)
    result = outcome(panel, held)
    if not relative:
        return _Found(result.returns, result.returns, result.end, held.most_days)
    median = _reference_quantiles(panel, result, (0.5,))[:, 0]
    end = _with_reference(result, np.isfinite(median))
    return _Found(result.returns - median[:, None], result.returns, end, held.most_days)


def _holding(holding: int | Holding) -> Holding:
    return holding if isinstance(holding, Holding) else Holding(holding)


def _by_quantiles(panel: Panel, holding: int | Holding, shares: Pair) -> Labels:
    held = _holding(holding)
    result = outcome(panel, held)
    bounds = _reference_quantiles(panel, result, shares)  # [T, 2]
    end = _with_reference(result, np.isfinite(bounds[:, 0]))
    return _classes(_Found(result.returns, result.returns, end, held.most_days), bounds[:, :1], bounds[:, 1:])


def _classes(found: _Found, low: AnyArray, high: AnyArray) -> Labels:
    bounded = np.isfinite(found.judged) & np.isfinite(low) & np.isfinite(high)
    classes = np.where(bounded, 1.0 + (found.judged > high) - (found.judged < low), np.nan)
    return _labels(classes, replace(found, end=np.where(bounded, found.end, -1)), "buy_hold_sell", 3)


def _expected_move(panel: Panel, days: int) -> FloatArray:
    """[T, N] standard deviation of the last 60 daily returns times the root of ``days``; NaN where it is 0."""
    closes = panel.adjusted("close").T
    std = rolling_std(closes / lag(closes, 1) - 1, _VOLATILITY_DAYS).T
    return np.where(std > 1e-9, std * np.sqrt(days), np.nan)


def _reference_quantiles(panel: Panel, result: Outcome, shares: tuple[float, ...]) -> FloatArray:
    """[T, len(shares)] quantiles of the reference's returns, NaN on dates without a reference."""
    compared = np.where(reference(panel, result), result.returns, np.nan)
    out = np.full((panel.T, len(shares)), np.nan)
    for t in np.flatnonzero(result.due < panel.T):
        present = compared[t][np.isfinite(compared[t])]
        if len(present):
            out[t] = np.quantile(present, shares)
    return out


def _with_reference(result: Outcome, has_reference: BoolArray) -> IntArray:
    """Ends of labels that are compared with a date's reference, which is known at the row ``due``."""
    return np.where((result.end >= 0) & has_reference[:, None], np.maximum(result.end, result.due[:, None]), -1)


def _labels(values: FloatArray, found: _Found, kind: LabelKind, n_classes: int) -> Labels:
    none = found.end < 0
    return Labels(
        values=np.where(none, np.nan, values).astype(np.float32),
        end=found.end,
        kind=kind,
        horizon_days=found.days,
        n_classes=n_classes,
        returns=np.where(none, np.nan, found.returns).astype(np.float32),
    )


def _check_pair(name: str, pair: Pair, lowest: float, highest: float) -> None:
    if not (len(pair) == 2 and lowest < pair[0] < pair[1] < highest):
        raise ConfigError(f"labels: {name}: expected two rising numbers in ({lowest}, {highest}), got {pair}")
