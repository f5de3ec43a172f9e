"""The leak check: every planted leak is named with its first date, nothing of our own raises an alarm."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest

from nnstrategies.audit import (
    Stage,
    check_features,
    check_gap,
    check_labels,
    check_mask,
    check_recipe,
    check_scale,
    check_shuffled,
    check_single_features,
    check_strategy,
    check_tables,
    replace_future,
    short_noise,
)
from nnstrategies.backtest import BacktestResult, backtest
from nnstrategies.errors import LeakError
from nnstrategies.features import FEATURES, FeatureSet, default_set
from nnstrategies.feeds.simulated import SimulatedMarket, simulate
from nnstrategies.labels import make_labels
from nnstrategies.panel import Panel
from nnstrategies.samples import Samples
from nnstrategies.scores import Scores
from nnstrategies.strategies import RebalanceStrategy
from nnstrategies.strategies.stops import StopSettings
from nnstrategies.training import (
    RECIPES,
    EnsembleRecipe,
    FactorScreenRecipe,
    GroupedRecipe,
    RandomForestRecipe,
    SVMRecipe,
)
from nnstrategies.training.augment import Augment
from tests import leak_gallery as gallery
from tests.small_market import random_scores
from tests.small_samples import ALL, LSTM, market_samples

CUTS = (290, 350)
ASOF = 330
START = 230  # of trading


@cache
def market() -> Panel:
    """30 symbols, 400 sessions, with suspensions, delistings, splits, changing members, fundamentals."""
    settings = SimulatedMarket(symbols=30, sessions=400, members=20, seed=7, delistings_per_year=0.3)
    return simulate(settings)[0]


def only(stage: Stage):
    assert len(stage.findings) == 1, stage.findings
    return stage.findings[0]


# -- features ---------------------------------------------------------------------------------------------------------


@cache
def audited() -> Stage:
    """All planted features at once, between honest ones."""
    planted = {function.__name__: function for function in gallery.FEATURE_LEAKS}
    honest = {name: FEATURES[name] for name in ("ret_5", "rsi_14", "rank_ret_5")}
    honest["quarter_that_was_disclosed"] = gallery.quarter_that_was_disclosed
    return check_features(FeatureSet({**honest, **planted}), market(), CUTS)


def looks_ahead_at(function, t: int) -> bool:
    """Whether row t is another one when the panel ends there, or goes on otherwise."""
    rng = np.random.default_rng(5)
    whole, *others = (
        np.asarray(function(panel), np.float32)[t]
        for panel in (market(), market().upto(t), *(replace_future(market(), t, rng) for _ in range(5)))
    )
    return not all(np.array_equal(whole, other, equal_nan=True) for other in others)


@pytest.mark.parametrize("leak", gallery.FEATURE_LEAKS, ids=lambda leak: leak.__name__)
def test_a_planted_feature_is_named_with_its_first_date_and_size(leak):
    (finding,) = [finding for finding in audited().findings if finding.name == leak.__name__]
    assert finding.verdict == "leak"
    assert "looks ahead" in finding.what
    days, first = [str(day) for day in market().sessions], gallery.FEATURE_LEAKS[leak]
    if first is None:
        assert looks_ahead_at(leak, days.index(finding.first))
    else:
        assert finding.first == days[first]
    assert finding.symbols
    assert 0 < finding.share <= 1
    assert finding.ahead >= 1


def test_the_honest_features_beside_them_are_clean():
    assert {finding.name for finding in audited().findings} == {leak.__name__ for leak in gallery.FEATURE_LEAKS}


def test_how_far_a_feature_looks_ahead_is_measured():
    by_name = {finding.name: finding for finding in audited().findings}
    assert by_name["rolled_by_one"].ahead == 1
    assert by_name["centred_moving_average"].ahead == 2


def test_the_quick_part_names_the_same_features():
    planted = FeatureSet({function.__name__: function for function in gallery.FEATURE_LEAKS})
    stage = check_features(planted, market(), CUTS, futures={"noise or nothing after": short_noise})
    assert {f.name for f in stage.findings if f.verdict == "leak"} == set(planted.names)


def test_a_base_of_adj_factor_is_noticed():
    stage = check_scale(FeatureSet({"ret_5": FEATURES["ret_5"], "price": gallery.bare_adjusted_price}), market())
    finding = only(stage)
    assert (finding.name, finding.verdict) == ("price", "leak")


def test_what_cannot_be_judged_is_said_and_is_no_leak():
    def hardly_ever(panel):
        return np.where(np.arange(panel.T)[:, None] % 3 == 0, panel.adjusted("close"), np.nan)

    def fragile(panel):
        if panel.T < 400:
            raise IndexError("too short")
        return panel.adjusted("close")

    stage = check_features(FeatureSet({"hardly_ever": hardly_ever, "fragile": fragile}), market(), CUTS)
    found = {finding.name: finding for finding in stage.findings}
    assert stage.verdict == "cannot judge"
    assert "are finite" in found["hardly_ever"].what
    assert "IndexError: too short" in found["fragile"].what


def test_values_that_no_one_can_repeat_are_no_leak():
    rng = np.random.default_rng(0)

    def by_chance(panel):
        return rng.random(panel.shape)

    finding = only(check_features(FeatureSet({"by_chance": by_chance}), market(), CUTS))
    assert finding.verdict == "cannot judge"
    assert "when it is computed again" in finding.what


def test_rounding_that_depends_on_the_length_is_no_leak():
    def mean_of_blocks(panel):
        x = np.nan_to_num(FEATURES["ret_1"](panel))
        return x * np.float32(1 + 1e-7 * (panel.T % 2))

    stage = check_features(FeatureSet({"mean_of_blocks": mean_of_blocks}), market(), (290, 351))
    assert only(stage).verdict == "rounding"


def test_all_features_of_our_own_are_clean():
    known = default_set()(market())
    assert check_features(default_set(), market(), (380,), known=known).findings == ()
    assert check_scale(default_set(), market(), known=known).findings == ()


# -- tables, labels, samples ------------------------------------------------------------------------------------------


def test_fundamentals_dated_by_period_are_noticed_in_the_table_itself():
    panel = market()
    assert check_tables(panel).findings == ()
    events = {name: panel.events(name) for name in panel.event_names}
    events["fundamentals"]["known_at"] = events["fundamentals"]["period_end"]
    fields = {name: panel[name] for name in panel.field_names}
    wrong = Panel(panel.sessions, panel.symbols, fields, panel.status, panel.series, events)
    finding = only(check_tables(wrong))
    assert (finding.name, finding.verdict, finding.share) == ("fundamentals", "leak", 1.0)


LABEL_ROWS = tuple(range(100, 390, 24))


@pytest.mark.parametrize(
    ("make", "later"),
    [
        (gallery.one_session_short, "1 session later"),
        (gallery.blind_to_suspensions, "later"),
        (gallery.known_at_once, "5 sessions later"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_label_that_claims_to_be_known_too_early_is_named(make, later):
    stage = check_labels(make, market(), LABEL_ROWS)
    finding = stage.findings[-1]
    assert finding.verdict == "leak"
    assert "says too early that it is known" in finding.what
    assert later in finding.what
    if make is not gallery.blind_to_suspensions:
        assert finding.first == str(market().sessions[0])
    assert len(stage.findings) == 1


@pytest.mark.parametrize(
    ("kind", "relative", "thresholds"),
    [
        ("return", False, None),
        ("return", True, None),
        ("up_down", False, None),
        ("up_down", True, None),
        ("buy_hold_sell", True, None),
        ("buy_hold_sell", False, (-0.02, 0.03)),
    ],
)
def test_labels_of_every_kind_and_the_mask_are_clean(kind, relative, thresholds):
    make = partial(make_labels, kind=kind, holding=5, relative=relative, thresholds=thresholds)
    assert check_labels(make, market(), LABEL_ROWS[::3]).findings == ()
    assert check_mask(market(), 8, CUTS).findings == ()


# -- recipes ----------------------------------------------------------------------------------------------------------


def samples(kind: str = "buy_hold_sell") -> Samples:
    return market_samples(kind)[1]


def day(t: int) -> str:
    return str(samples().features.sessions[t])


@pytest.mark.parametrize("leak", gallery.RECIPE_LEAKS, ids=lambda leak: leak.__name__)
def test_a_planted_recipe_is_named_with_what_it_sees(leak):
    stage = check_recipe(leak(), samples(), (ASOF,))
    assert stage.verdict == "leak"
    assert any(gallery.RECIPE_LEAKS[leak] in finding.what for finding in stage.findings), stage.findings
    first = {"its version changes": day(ASOF + 1), "which belong": day(ASOF - 49), "its scores": day(ASOF)}
    (expected,) = [date for words, date in first.items() if words in gallery.RECIPE_LEAKS[leak]]
    assert expected in {finding.first for finding in stage.findings}


def test_a_scaler_of_other_rows_than_those_trained_on_is_named():
    finding = check_recipe(gallery.ScalerOfValidationToo(), samples(), (ASOF,)).findings[-1]
    assert "its scaler is not that of its" in finding.what
    assert finding.size > 0


def test_the_honest_recipe_behind_the_planted_ones_is_clean():
    assert check_recipe(gallery.Held(), samples(), (ASOF,)).findings == ()


SMALL = {
    **ALL,
    "random_forest": RandomForestRecipe(trees=4, depth=4),
    "svm": SVMRecipe(landmarks=10),
    "logistic": RECIPES["logistic"](),
    "persistence": RECIPES["persistence"](),
    "factor_screen": FactorScreenRecipe(least_ic=0.0, least_ic_ir=0.0),
    "ensemble": EnsembleRecipe({"plain": LSTM, "noisy": replace(LSTM, augment=Augment(noise=0.1))}, seeds=(1,)),
    "grouped": GroupedRecipe(replace(LSTM, target="percent", valid_days=20)),
    "shifted": replace(LSTM, name="shifted", augment=Augment(time_shift=3), embargo_days=5),
}


def test_every_kind_of_recipe_is_audited():
    assert {type(recipe) for recipe in SMALL.values()} == {*RECIPES.values(), GroupedRecipe}


@pytest.mark.parametrize("name", SMALL)
def test_recipes_of_our_own_are_clean(name):
    kind = "return" if name in ("ridge", "factor_screen") else "buy_hold_sell"
    seen = samples(kind)
    if name == "grouped":
        seen = seen.only(np.flatnonzero(seen.mask[285:].all(axis=0))[:3])
        seen = replace(seen, group=np.arange(3))
    stage = check_recipe(SMALL[name], seen, (ASOF,), warm=name in ("lstm", "ridge"))
    assert stage.findings == ()
    assert stage.compared > 0 or name == "momentum"


def test_recipes_that_read_several_horizons_are_clean():
    from nnstrategies.factors import FactorSamples, forward_returns

    panel, plain = market_samples("return")
    joined = FactorSamples.join(plain, forward_returns(panel, (1, 5, 10)))
    assert check_recipe(SMALL["factor_screen"], joined, (ASOF,)).findings == ()


def test_a_fit_that_no_one_can_repeat_is_no_leak():
    seeds = iter(range(100))

    class ByChance(gallery.Held):
        def fit(self, samples, asof, seed, incumbent=None, progress=None):
            version = super().fit(samples, asof, seed)
            return replace(version, arrays={**version.arrays, "intercept": np.array([float(next(seeds))])})

    finding = only(check_recipe(ByChance(), samples(), (ASOF,)))
    assert finding.verdict == "cannot judge"
    assert "fitted again" in finding.what


def test_the_gap_of_the_split_is_counted():
    stage = check_gap({"lstm": LSTM, "held": gallery.Held()}, samples(), (ASOF, 370))
    assert stage.findings == ()
    assert stage.compared > 1000
    assert stage.note.endswith("its validation: 1 or more sessions")


def test_shuffled_labels_are_not_predicted_by_an_honest_recipe_but_by_one_that_read_them():
    panel, known = market_samples("return")
    assert check_shuffled(ALL["ridge"], known, panel.calendar, (ASOF,)).findings == ()

    class Reader(gallery.Held):
        """Keeps the labels of all days and says them again."""

        def fit(self, samples, asof, seed, incumbent=None, progress=None):
            version = super().fit(samples, asof, seed)
            return Told(version.manifest, {**version.arrays, "labels": samples.labels.returns}, version.scaler)

    class Told(gallery.Version):
        def predict(self, features, mask_row, t):
            return np.where(mask_row, self.arrays["labels"][t], np.nan)[:, None].astype(np.float32)

    finding = only(check_shuffled(Reader(), known, panel.calendar, (ASOF,)))
    assert finding.verdict == "suspicious"
    assert "predicts shuffled labels" in finding.what


def test_a_feature_that_is_the_return_itself_is_suspicious():
    panel, known = market_samples("return")
    assert check_single_features(known).findings == ()
    values = known.features.values.copy()
    values[:, :, 0] = np.nan_to_num(known.labels.returns.T)
    finding = only(check_single_features(replace(known, features=replace(known.features, values=values))))
    assert finding.name == known.features.names[0]
    assert finding.verdict == "suspicious"


# -- strategies -------------------------------------------------------------------------------------------------------


def strategy_orders(strategy: type[RebalanceStrategy]) -> list[str]:
    """Days with orders."""
    result = weekly(strategy, market(), random_scores(market(), 3), market().T - 1)
    return [str(market().sessions[order.row]) for order in result.journal.orders]


def weekly(strategy, panel, scores, end, **settings) -> BacktestResult:
    settings = {"top_n": 8, "rebalance": "week", **settings}
    start, last = panel.sessions[START], panel.sessions[end]
    return backtest(panel, strategy, scores, settings=settings, market="simulated", start=start, end=last)


def strategy_stage(strategy: type[RebalanceStrategy], **settings: object) -> Stage:
    panel = market()

    def trade(panel: Panel, scores: Scores | None, end: int) -> BacktestResult:
        return weekly(strategy, panel, scores, end, **settings)

    return check_strategy(strategy.__name__, trade, panel, random_scores(panel, 3), START, panel.T - 1, dates=2)


@pytest.mark.parametrize("leak", gallery.STRATEGY_LEAKS, ids=lambda leak: leak.__name__)
def test_a_planted_strategy_is_named(leak):
    stage = strategy_stage(leak)
    finding = only(stage)
    assert (finding.name, finding.verdict) == (leak.__name__, "leak")
    orders = strategy_orders(leak)
    assert min(orders) <= finding.first <= max(stage.dates)
    if leak in (gallery.PeeksAtThePanel, gallery.TradesOnTheLastSessionOfTheMonth, gallery.ReadsTomorrowsScore):
        assert finding.first == min(orders)
        assert finding.ahead == 1


@pytest.mark.parametrize("settings", [{"rebalance": "month"}, {"stop": StopSettings(base=0.1), "exclude_st": True}])
def test_the_stock_strategy_is_clean(settings):
    stage = strategy_stage(RebalanceStrategy, **settings)
    assert stage.findings == ()
    assert stage.compared > 300


def test_a_strategy_without_orders_cannot_be_judged():
    class Idle(RebalanceStrategy):
        def exposure(self, view):
            return 0.0

    assert strategy_stage(Idle).verdict == "cannot judge"


def test_a_strategy_that_trades_by_chance_cannot_be_judged():
    rng = np.random.default_rng(0)

    class ByChance(RebalanceStrategy):
        def weigh(self, view):
            return rng.random(view.N)

    assert "run again" in only(strategy_stage(ByChance)).what


def test_the_error_names_the_leaks_and_has_its_own_exit_code():
    from nnstrategies.audit import Audit

    with pytest.raises(LeakError, match=r"mine: .* features: .* looks ahead: .*; and \d+ more; mend it") as raised:
        Audit("mine", 0, (audited(),)).refuse_leaks("mend it")
    assert raised.value.exit_code == 7
