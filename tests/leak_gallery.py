"""Planted leaks: features, labels, recipes and strategies that see the future, each in its own way.

Every one is a mistake that people make. Beside the features stands when the leak begins: a row, or None where it comes
and goes and the test looks itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from nnstrategies.evidence import rank_ic
from nnstrategies.features import FEATURES
from nnstrategies.features.cross_sectional import less_member_mean
from nnstrategies.features.feature_set import Features
from nnstrategies.labels import Labels, forward_return
from nnstrategies.panel import Panel, Status
from nnstrategies.samples import Samples
from nnstrategies.splits import trailing_split
from nnstrategies.strategies import RebalanceStrategy
from nnstrategies.training import MomentumRecipe, RidgeRecipe, Version
from nnstrategies.training.recipe import describe
from nnstrategies.training.scaler import Scaler
from nnstrategies.training.targets import within_date
from nnstrategies.typing import AnyArray, BoolArray, FloatArray, IntArray
from nnstrategies.view import View

FROM_THEN_ON = 250  # row from which ``honest_at_first`` looks ahead

# -- features ---------------------------------------------------------------------------------------------------------


def returns_of(panel: Panel) -> FloatArray:
    """[T, N] daily returns, 0 where there is none."""
    return np.nan_to_num(FEATURES["ret_1"](panel))


def full_sample_z_score(panel: Panel) -> FloatArray:
    x = returns_of(panel)
    return (x - x.mean(axis=0)) / x.std(axis=0)


def min_max_of_the_whole_series(panel: Panel) -> FloatArray:
    x = panel.adjusted("close")
    low, high = np.nanmin(x, axis=0), np.nanmax(x, axis=0)
    return (x - low) / (high - low)


def percentile_in_its_whole_history(panel: Panel) -> FloatArray:
    return np.argsort(np.argsort(returns_of(panel), axis=0), axis=0) / panel.T


def centred_moving_average(panel: Panel) -> FloatArray:
    x = panel.adjusted("close")
    out = np.full(x.shape, np.nan)
    out[2:-2] = (x[:-4] + x[1:-3] + x[2:-2] + x[3:-1] + x[4:]) / 5 / x[2:-2]
    return out


def whole_series_wavelet(panel: Panel) -> FloatArray:
    """Haar, three levels, soft universal threshold: the usual denoising of a series as a whole."""
    length = 1 << (panel.T - 1).bit_length()
    rest = np.pad(returns_of(panel), ((0, length - panel.T), (0, 0)), mode="edge")
    details = []
    for _ in range(3):
        details.append((rest[::2] - rest[1::2]) / np.sqrt(2))
        rest = (rest[::2] + rest[1::2]) / np.sqrt(2)
    bound = np.median(np.abs(details[0]), axis=0) / 0.6745 * np.sqrt(2 * np.log(length))
    for detail in reversed(details):
        kept = np.sign(detail) * np.maximum(np.abs(detail) - bound, 0)
        rest = np.stack([rest + kept, rest - kept], axis=1).reshape(-1, panel.N) / np.sqrt(2)
    return rest[: panel.T]


def _gaps(panel: Panel) -> pd.DataFrame:
    return pd.DataFrame(np.where(panel.trading, FEATURES["ret_1"](panel), np.nan))


def interpolated_over_suspensions(panel: Panel) -> FloatArray:
    return _gaps(panel).interpolate(limit_area="inside").to_numpy()


def filled_backwards(panel: Panel) -> FloatArray:
    return _gaps(panel).bfill().to_numpy()


def forward_adjusted_price(panel: Panel) -> FloatArray:
    """Prices adjusted to the last day: every earlier one is divided by splits that are yet to come."""
    factor = panel["adj_factor"]
    last = np.array([column[np.isfinite(column)][-1] for column in factor.T])
    return panel["close"] * factor / last


def tomorrows_open(panel: Panel) -> FloatArray:
    opens = panel.adjusted("open")
    return np.vstack([opens[1:], np.full((1, panel.N), np.nan)]) / panel.adjusted("close") - 1


def rolled_by_one(panel: Panel) -> AnyArray:
    return np.roll(returns_of(panel), -1, axis=0)


def todays_members(panel: Panel) -> FloatArray:
    return less_member_mean(FEATURES["ret_1"](panel), np.broadcast_to(panel.members[-1], panel.shape))


def mean_label_of_the_symbol(panel: Panel) -> FloatArray:
    """Target encoding over the whole sample."""
    returns = forward_return(panel, 5).returns.astype(np.float64)
    mean = np.nansum(returns, axis=0) / np.maximum(np.isfinite(returns).sum(axis=0), 1)
    return np.broadcast_to(mean, panel.shape)


def quarter_that_ended(panel: Panel) -> FloatArray:
    """Return on equity of the last period that has ended, disclosed or not."""
    return _fundamental(panel, "period_end")


def quarter_that_was_disclosed(panel: Panel) -> FloatArray:
    """The honest one."""
    return _fundamental(panel, "known_at")


def _fundamental(panel: Panel, by: str) -> FloatArray:
    table = panel.events("fundamentals").sort_values([by, "period_end"], kind="stable")
    rows = panel.first_session_knowing(table[by])
    out = np.full(panel.shape, np.nan)
    for symbol, row, value in zip(table["symbol"], rows, table["roe"], strict=True):
        out[row:, panel.column(symbol)] = value
    return out


def delisted_within_60_sessions(panel: Panel) -> FloatArray:
    gone = panel.status == Status.DELISTED
    soon = np.zeros(panel.shape)
    for t in range(panel.T):
        soon[t] = gone[t : t + 60].any(axis=0)
    return soon


def calm_against_the_whole_index(panel: Panel) -> FloatArray:
    """A regime by the median volatility of all of the benchmark's history."""
    moves = np.abs(np.diff(np.log(panel.series["benchmark"]), prepend=np.log(panel.series["benchmark"][0])))
    return np.broadcast_to((moves / np.nanmedian(moves))[:, None], panel.shape)


def first_principal_component(panel: Panel) -> FloatArray:
    """Loadings fitted on the whole sample."""
    x = returns_of(panel)
    loading = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][0]
    return x * loading


def sessions_to_the_end(panel: Panel) -> FloatArray:
    """Noise changes nothing here: only a panel that ends on the day shows it."""
    return np.broadcast_to(np.arange(panel.T, 0, -1.0)[:, None], panel.shape)


def honest_at_first(panel: Panel) -> FloatArray:
    x = returns_of(panel)
    out = x.copy()
    out[FROM_THEN_ON:-1] = x[FROM_THEN_ON + 1 :]
    return out


FEATURE_LEAKS: dict[Callable[[Panel], AnyArray], int | None] = {
    full_sample_z_score: 0,
    min_max_of_the_whole_series: 0,
    percentile_in_its_whole_history: 0,
    centred_moving_average: 2,
    whole_series_wavelet: 0,
    interpolated_over_suspensions: None,
    filled_backwards: None,
    forward_adjusted_price: 0,
    tomorrows_open: 0,
    rolled_by_one: 0,
    todays_members: 1,
    mean_label_of_the_symbol: 0,
    quarter_that_ended: None,
    delisted_within_60_sessions: None,
    calm_against_the_whole_index: 1,
    first_principal_component: 1,
    sessions_to_the_end: 0,
    honest_at_first: FROM_THEN_ON,
}


def bare_adjusted_price(panel: Panel) -> FloatArray:
    """Sees nothing ahead, but moves with the base of adj_factor."""
    return panel["close"] * panel["adj_factor"]


# -- labels -----------------------------------------------------------------------------------------------------------


def one_session_short(panel: Panel) -> Labels:
    """The exit is at the open of t + 1 + horizon; this says t + horizon."""
    labels = forward_return(panel, 5)
    return replace(labels, end=np.where(labels.end >= 0, labels.end - 1, -1))


def blind_to_suspensions(panel: Panel) -> Labels:
    """A constant horizon, though a suspended exit waits for the first trading session."""
    labels = forward_return(panel, 5)
    due = np.arange(panel.T)[:, None] + 6
    return replace(labels, end=np.where((labels.end >= 0) & (due < panel.T), due, -1))


def known_at_once(panel: Panel) -> Labels:
    """Known the day after its date; the day itself is refused by ``Labels``."""
    labels = forward_return(panel, 5)
    return replace(labels, end=np.where(labels.end >= 0, np.arange(panel.T)[:, None] + 1, -1))


# -- recipes ----------------------------------------------------------------------------------------------------------

Rows = tuple[IntArray, IntArray]


def ridge_on(recipe: Any, samples: Samples, rows: Rows, scaled_on: AnyArray, x: AnyArray | None = None) -> Version:
    """A ridge version from rows, scaler values and inputs chosen by the caller."""
    t, n = rows
    scaler = Scaler.fit(scaled_on)
    x = scaler(samples.features.values[n, t] if x is None else x).astype(np.float64)
    y = within_date(samples.labels.returns[t, n], t, "rank").astype(np.float64)
    coefficients = np.linalg.solve(x.T @ x / len(x) + 0.01 * np.eye(x.shape[1]), x.T @ y / len(x))
    manifest = describe(samples, rows, recipe.name, "ridge", 0)
    manifest |= {"window": 1, "outputs": ["score"], "units": ["rank"], "trained_through": ""}
    return Version(manifest, {"coefficients": coefficients, "intercept": np.zeros(1)}, scaler)


@dataclass(frozen=True)
class Held:
    """Settings of a recipe that validates on 40 sessions after an embargo of 10."""

    name: str = "planted"
    valid_days: int = 40
    embargo_days: int = 10
    seeded = False

    def rows(self, known: Samples, asof: int) -> Rows:
        return known.rows(*trailing_split(known.T, asof, None, self.valid_days, self.embargo_days).train)

    def fit(self, samples: Samples, asof: int, seed: int, incumbent: Any = None, progress: Any = None) -> Version:
        """The honest one."""
        known = samples.upto(asof)
        t, n = self.rows(known, asof)
        return ridge_on(self, known, (t, n), known.features.values[n, t])


class ScalerOfAllDays(Held):
    def fit(self, samples: Samples, asof: int, seed: int, incumbent: Any = None, progress: Any = None) -> Version:
        known = samples.upto(asof)
        everything = samples.features.values.reshape(-1, len(samples.features.names))
        return ridge_on(self, known, self.rows(known, asof), everything[np.isfinite(everything).all(axis=1)])


class ScalerOfValidationToo(Held):
    def fit(self, samples: Samples, asof: int, seed: int, incumbent: Any = None, progress: Any = None) -> Version:
        known = samples.upto(asof)
        t, n = known.rows(0, asof, asof)
        return ridge_on(self, known, self.rows(known, asof), known.features.values[n, t])


class EmbargoMissing(Held):
    def rows(self, known: Samples, asof: int) -> Rows:
        return known.rows(*trailing_split(known.T, asof, None, self.valid_days, 0).train)


class PurgeMissing(Held):
    """Training rows end in time; the labels of the last of them end inside the validation."""

    def rows(self, known: Samples, asof: int) -> Rows:
        last = trailing_split(known.T, asof, None, self.valid_days, self.embargo_days).train.last
        return known.rows(0, last, asof)


class ShiftedAcrossTheSplit(Held):
    """Augmented by windows that end up to 15 sessions later, and never asks where the validation begins."""

    def fit(self, samples: Samples, asof: int, seed: int, incumbent: Any = None, progress: Any = None) -> Version:
        known = samples.upto(asof)
        t, n = self.rows(known, asof)
        shift = np.random.default_rng(0).integers(0, 16, len(t))
        x = known.features.values[n, np.minimum(t + shift, asof)]
        return ridge_on(self, known, (t, n), known.features.values[n, t], x)


class TargetsNotYetKnown(Held):
    """Weighs each symbol by its mean label, those that nobody knows yet included."""

    def fit(self, samples: Samples, asof: int, seed: int, incumbent: Any = None, progress: Any = None) -> Version:
        version = super().fit(samples, asof, seed)
        mean = np.nanmean(samples.labels.returns[: asof + 1].astype(np.float64))
        return Version(version.manifest, {**version.arrays, "intercept": np.array([mean])}, version.scaler)


@dataclass(frozen=True)
class ScreenOfTheWholeSample(RidgeRecipe):
    """Momentum in the feature that turned out best over all dates."""

    name: str = "planted"

    def fit(self, samples: Samples, asof: int, seed: int, incumbent: Any = None, progress: Any = None) -> Version:
        returns, mask = samples.labels.returns[asof + 1 :], samples.mask[asof + 1 :]
        later = [rank_ic(samples.features.values[:, asof + 1 :, f].T, returns, mask) for f in (0, 1, 2)]
        means = [np.nan_to_num(np.nanmean(by_date)) if np.isfinite(by_date).any() else 0.0 for by_date in later]
        best = samples.features.names[int(np.argmax(means))]
        return replace(MomentumRecipe(feature=best).fit(samples, asof, seed), arrays={"means": np.array(means)})


class PredictsWithTomorrow(Version):
    def predict(self, features: Features, mask_row: BoolArray, t: int) -> Any:
        return super().predict(features, mask_row, min(t + 1, features.T - 1))


class ScoresOfTomorrow(Held):
    def fit(self, samples: Samples, asof: int, seed: int, incumbent: Any = None, progress: Any = None) -> Version:
        version = super().fit(samples, asof, seed)
        return PredictsWithTomorrow(version.manifest, version.arrays, version.scaler)


RECIPE_LEAKS: dict[type, str] = {
    ScalerOfAllDays: "its version changes with features after that day: scaler mean, scaler std",
    ScreenOfTheWholeSample: "its version changes with features and labels that end after that day",
    TargetsNotYetKnown: "its version changes with labels that end after that day: intercept",
    ScalerOfValidationToo: "which belong to the embargo or the validation",
    EmbargoMissing: "which belong to the embargo or the validation",
    PurgeMissing: "changes with labels that end after that day, which belong to the embargo or the validation",
    ShiftedAcrossTheSplit: "changes with features after that day, which belong to the embargo or the validation",
    ScoresOfTomorrow: "its scores change with what comes after their day",
}

# -- strategies -------------------------------------------------------------------------------------------------------


class PeeksAtThePanel(RebalanceStrategy):
    """Weighs by tomorrow's return."""

    def weigh(self, view: View) -> FloatArray:
        close = self.p.panel.adjusted("close")
        return np.nan_to_num(np.maximum(close[min(view.t + 1, len(close) - 1)] / close[view.t] - 1, 0)) + 1e-6


class PeeksAtTheFeed(RebalanceStrategy):
    """backtrader hands out line[1] without a word."""

    def exposure(self, view: View) -> float:
        tomorrow, today = (np.nanmean([data.close[k] for data in self.datas[:5]]) for k in (1, 0))
        return float(np.clip(0.5 + 5 * (tomorrow / today - 1), 0, 1))


class KnowsTheDelistings(RebalanceStrategy):
    def eligible(self, view: View) -> BoolArray:
        return super().eligible(view) & (self.p.panel.status[-1] != Status.DELISTED)


class SellsAtTheTop(RebalanceStrategy):
    """A stop that knows the highest close of all time."""

    def protect(self, view: View) -> FloatArray:
        best = np.fmax.reduce(self.p.panel.adjusted("close")[view.t :], axis=0)
        return np.where(view.adjusted("close") >= best, np.inf, np.nan)


class TradesOnTheLastSessionOfTheMonth(RebalanceStrategy):
    """Which session that is, only the next one tells."""

    def is_rebalance_day(self, view: View) -> bool:
        months = self.p.panel.calendar.months
        return view.t + 1 < len(months) and bool(months[view.t + 1] != months[view.t])


class TimesByTheWholeIndex(RebalanceStrategy):
    def exposure(self, view: View) -> float:
        index = self.p.panel.series["benchmark"]
        return 1.0 if index[view.t] < np.median(index) else 0.2


class ReadsTomorrowsScore(RebalanceStrategy):
    def weigh(self, view: View) -> FloatArray:
        values = self.p.scores.values[:, :, 0]
        return np.exp(np.nan_to_num(values[min(view.t + 1, len(values) - 1)].astype(float)))


STRATEGY_LEAKS = (
    PeeksAtThePanel,
    PeeksAtTheFeed,
    KnowsTheDelistings,
    SellsAtTheTop,
    TradesOnTheLastSessionOfTheMonth,
    TimesByTheWholeIndex,
    ReadsTomorrowsScore,
)
