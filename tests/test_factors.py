"""Factor evaluation: its numbers are those of scipy, pandas and alphalens, and none of them needs the future."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr, rankdata, spearmanr

from nnstrategies import evidence
from nnstrategies.errors import ConfigError, DataError, FitError
from nnstrategies.factors import (
    FactorICs,
    composite,
    factor_ics,
    factor_quantiles,
    forward_returns,
    gram_schmidt,
    ic,
    limit_outliers,
    mean_correlation,
    quantile,
    quantile_of,
    quantile_returns,
    rank_autocorrelation,
    rank_ic,
    ranks,
    screen,
    standardise,
    turnover,
)
from nnstrategies.factors.blocks import cross_sections
from nnstrategies.features import Features
from nnstrategies.panel import Panel, Status
from nnstrategies.typing import AnyArray, FloatArray
from tests.alphalens_reference import DATES, FILE, PERIODS, QUANTILES, inputs
from tests.causality import replace_future, rough_panel
from tests.small_samples import samples_of

REFERENCE = json.loads(FILE.read_text(encoding="utf-8"))
NAMES = ("plain", "rounded", "holes")


def reference(name: str, key: str) -> FloatArray:
    return np.array(REFERENCE[name][key], dtype=np.float64)  # None becomes NaN


def close(ours: AnyArray, theirs: AnyArray, rtol: float = 1e-10) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol * 1e-2)


def rough_values(seed: int, shape: tuple[int, ...] = (30, 4, 17)) -> FloatArray:
    """Values with ties and holes, a constant and an empty cross-section among them."""
    rng = np.random.default_rng(seed)
    x = np.where(rng.random(shape) < 0.5, rng.normal(size=shape), rng.integers(-2, 3, shape))
    x[rng.random(shape) < 0.2] = np.nan
    x[0, 0], x[1, 0] = 0.1, np.nan
    return x


# -- the same numbers as alphalens -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_ics_groups_returns_and_turnover_are_those_of_alphalens(name: str) -> None:
    prices, factors = inputs()
    factor = factors[name]  # [T, N]
    groups = quantile_of(factor, QUANTILES)
    np.testing.assert_array_equal(groups, reference(name, "groups"))
    close(rank_autocorrelation(factor), reference(name, "autocorrelation"))
    for lag, key in ((1, "turnover"), (5, "turnover_5")):
        close(turnover(groups, QUANTILES, lag), reference(name, key))
    for h, days in enumerate(PERIODS):
        later = (prices[days:] / prices[:-days] - 1)[:DATES]
        close(rank_ic(factor, later), reference(name, "rank_ic")[h])
        for key, relative in (("returns", False), ("relative", True)):
            earned = quantile_returns(groups, later, QUANTILES, relative)
            close(earned.mean(axis=0), reference(name, f"{key}_mean")[h])
            close((earned[:, -1] - earned[:, 0]) / 2, reference(name, f"{key}_spread")[h])  # theirs is 50 % a side


def reference_market() -> tuple[Panel, Features]:
    """A market whose returns from the next open are the reference's, and its three factors as features."""
    prices, factors = inputs()
    price = np.vstack([prices[:1], prices])  # the open of t + 1 is the reference's price of t
    days = np.busday_offset("2020-01-01", np.arange(len(price)), roll="forward").astype("datetime64[D]")
    fields = dict.fromkeys(("open", "high", "low", "close"), price) | {"volume": np.ones_like(price)}
    panel = Panel(days, [f"S{n:02d}" for n in range(price.shape[1])], fields, np.full(price.shape, Status.TRADING))
    values = np.full((panel.N, panel.T, len(NAMES)), np.nan, dtype=np.float32)
    for f, name in enumerate(NAMES):
        values[:, :DATES, f] = factors[name].T
    return panel, Features(days, panel.symbols, NAMES, values, "reference")


def test_a_panels_ics_and_quantiles_are_those_of_alphalens() -> None:
    panel, features = reference_market()
    horizons, rows = forward_returns(panel, PERIODS), np.arange(DATES)
    ics = factor_ics(features, horizons, panel.members, rows)
    assert ics.horizons_days == PERIODS
    for f, name in enumerate(NAMES):
        close(ics.values[:, :, f], reference(name, "rank_ic"))
        close(ics.mean[:, f], reference(name, "mean_ic"))
        close(ics.ic_ir[:, f], reference(name, "ic_ir"))
    for h, labels in enumerate(horizons):  # returns are float32 there
        for key, relative in (("returns", False), ("relative", True)):
            groups = factor_quantiles(features, labels, panel.members, rows, relative=relative)
            for f, name in enumerate(NAMES):
                close(groups.mean[f], reference(name, f"{key}_mean")[h], rtol=2e-5)
                close(groups.std_error[f], reference(name, f"{key}_error")[h], rtol=2e-5)
                np.testing.assert_allclose(groups.spread[:, f] / 2, reference(name, f"{key}_spread")[h], atol=1e-7)
                close(groups.turnover[:, f], reference(name, "turnover"))
                close(groups.mean_turnover[f], np.nanmean(reference(name, "turnover"), axis=0))


# -- correlations and ranks --------------------------------------------------------------------------------------------


def test_of_no_symbols_or_no_dates_there_is_no_rank_ic() -> None:
    """Such as that of the dates after a search on the last day of the test."""
    for shape in ((0, 3), (3, 0)):
        assert np.isnan(rank_ic(np.zeros(shape), np.zeros(shape))).tolist() == [True] * shape[0]


def test_ranks_are_those_of_scipy() -> None:
    for kind in (np.float64, np.float32):
        x = rough_values(1).astype(kind)
        np.testing.assert_array_equal(ranks(x), rankdata(x, axis=-1, nan_policy="omit"))
        assert (ranks(x, absent=0.0)[np.isnan(x)] == 0).all()


def test_ics_are_those_of_scipy_pair_by_pair() -> None:
    x, y = rough_values(2), rough_values(3)[:, :1]
    plain, ranked = ic(x, y), rank_ic(x, y)
    assert plain.shape == ranked.shape == (30, 4)
    for t, f in np.ndindex(plain.shape):
        both = np.isfinite(x[t, f]) & np.isfinite(y[t, 0])
        a, b = x[t, f, both], y[t, 0, both]
        if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
            assert np.isnan(plain[t, f])
            assert np.isnan(ranked[t, f])
        else:
            close(plain[t, f], pearsonr(a, b)[0])
            close(ranked[t, f], spearmanr(a, b)[0])
    assert np.isnan(plain).any()
    assert np.isfinite(plain).mean() > 0.9


def test_two_pairs_have_no_correlation() -> None:
    x, y = np.array([1.0, 2, np.nan, 4]), np.array([3.0, 5, 1, np.nan])
    assert np.isnan(ic(x, y))
    assert np.isnan(rank_ic(x, y))
    assert rank_ic(np.array([1.0, 2, 9]), np.array([5.0, 7, 8])) == 1


def test_ics_are_those_of_the_evidence() -> None:
    x, y = rough_values(4)[:, 0], rough_values(5)[:, 0]
    mask = np.random.default_rng(0).random(x.shape) < 0.8
    close(ic(np.where(mask, x, np.nan), y), evidence.ic(x, y, mask))
    close(rank_ic(np.where(mask, x, np.nan), y), evidence.rank_ic(x, y, mask))


def test_a_column_of_another_length_is_refused() -> None:
    with pytest.raises(DataError, match="broadcast"):
        ic(np.zeros((5, 3, 7)), np.zeros((5, 1, 8)))


# -- cross-sections ----------------------------------------------------------------------------------------------------


def test_quantiles_are_those_of_numpy() -> None:
    x = rough_values(6)
    filled = np.isfinite(x).any(axis=-1)
    for share in (0.0, 0.01, 0.5, 0.77, 1.0):
        np.testing.assert_allclose(quantile(x, share)[filled], np.nanquantile(x[filled], share, axis=-1), rtol=1e-14)
    assert np.isnan(quantile(x, 0.5)[~filled]).all()
    assert quantile(x, np.array([0.2, 0.8])).shape == (30, 4, 2)


def exact_groups(x: AnyArray, count: int) -> list[int]:
    """By the definition, in fractions: one more than the number of inner quantiles that the value exceeds."""
    rises = [Fraction(float(v)) for v in np.sort(x)]
    edges = []
    for q in range(1, count):
        place = Fraction((len(x) - 1) * q, count)
        below = int(place)
        above = min(below + 1, len(x) - 1)
        edges.append(rises[below] + (rises[above] - rises[below]) * (place - below))
    return [1 + sum(Fraction(float(v)) > edge for edge in edges) for v in x]


def test_groups_follow_the_definition_and_pandas_qcut_and_never_part_equal_values() -> None:
    rng = np.random.default_rng(7)
    for size in (1, 2, 3, 5, 11, 16, 21, 26, 31, 56, 300):
        x = rng.normal(size=size).astype(np.float32)
        for count in (2, 3, 5, 10):
            found = quantile_of(x, count)
            assert found.tolist() == exact_groups(x, count)
            if size > 2 and all((size - 1) * q % count for q in range(1, count)):  # on edges, pandas' releases differ
                np.testing.assert_array_equal(found, pd.qcut(x.astype(float), count, labels=False) + 1)
    tied = np.array([1.0, 1, 1, 1, 1, 1, 2, 3, np.nan])
    assert quantile_of(tied).tolist() == [1, 1, 1, 1, 1, 1, 5, 5, 0]
    with pytest.raises(ConfigError, match="2 to 100 groups"):
        quantile_of(tied, 1)


def test_standardised_cross_sections_have_mean_0_and_deviation_1() -> None:
    x = rough_values(8)
    z = standardise(x)
    np.testing.assert_array_equal(np.isnan(z), np.isnan(x))
    assert (z[0, 0][np.isfinite(x[0, 0])] == 0).all()  # equal values say nothing
    varied = z[2:]
    np.testing.assert_allclose(np.nanmean(varied, axis=-1), 0, atol=1e-13)
    np.testing.assert_allclose(np.nanstd(varied, axis=-1), 1, rtol=1e-12)


def test_outliers_are_pulled_to_the_limit_of_their_own_cross_section() -> None:
    x = np.random.default_rng(9).normal(size=(3, 2, 101))
    x[0, 0, 0], x[1, 1, 5] = 1e6, np.nan
    winsorised = limit_outliers(x, "quantile")
    edges = np.nanquantile(x, [0.01, 0.99], axis=-1)[..., None]
    np.testing.assert_allclose(winsorised, np.clip(x, *edges), rtol=1e-12)
    limited = limit_outliers(x, "mad")
    row = x[0, 0]
    middle = np.median(row)
    reach = 3 * 1.4826 * np.median(np.abs(row - middle))
    np.testing.assert_allclose(limited[0, 0], np.clip(row, middle - reach, middle + reach), rtol=1e-12)
    assert np.isnan(limited[1, 1, 5])
    mostly = np.array([0.0] * 8 + [1.0, 9.0])  # the median deviation is 0: a limit would leave nothing
    np.testing.assert_array_equal(limit_outliers(mostly, "mad"), mostly)
    np.testing.assert_array_equal(limit_outliers(x, "none"), x)
    with pytest.raises(ConfigError, match="mad, quantile or none"):
        limit_outliers(x, "sigma")  # type: ignore[arg-type]


def test_gram_schmidt_frees_each_factor_from_those_before_it() -> None:
    rng = np.random.default_rng(10)
    x = rng.normal(size=(6, 5, 80))
    x[:, 1] = x[:, 0] + 1e-4 * x[:, 1]  # nearly the same
    x[:, 3] = 2 * x[:, 0] - x[:, 2]  # explained wholly
    x[2, 4, 7] = np.nan
    free = gram_schmidt(x)
    assert np.isnan(free[2, :, 7]).all()  # lacking one factor, a symbol has none
    assert np.isfinite(np.delete(free[2], 7, axis=-1)).all()
    there = np.nan_to_num(free)
    gram = np.einsum("tfn,tgn->tfg", there, there) / np.isfinite(free[:, :1]).sum(axis=-1)[:, :, None]
    np.testing.assert_allclose(gram, np.broadcast_to(np.diag([1, 1, 1, 0, 1.0]), gram.shape), atol=1e-12)
    np.testing.assert_allclose(free[0, 0], standardise(x[0, 0]), atol=1e-12)
    rest = x[0, 4] - x[0, 4].mean()
    basis = np.vstack([np.ones(80), x[0, :3]]).T
    residual = rest - basis @ np.linalg.lstsq(basis, rest, rcond=None)[0]
    np.testing.assert_allclose(free[0, 4], residual / residual.std(), atol=1e-9)


def test_mean_correlation_is_the_mean_of_each_dates_correlation() -> None:
    x = np.random.default_rng(11).normal(size=(9, 3, 40))
    x[:, 1] += x[:, 0]
    x[4, 2] = 1.0  # does not vary on that date
    found = mean_correlation(x)
    close(found[0, 1], np.mean([np.corrcoef(day[:2])[0, 1] for day in x]))
    close(found[0, 2], np.mean([np.corrcoef(day)[0, 2] for day in np.delete(x, 4, axis=0)]))


def test_the_composite_is_the_equal_weight_mean_of_turned_z_scores() -> None:
    x = np.random.default_rng(12).normal(size=(4, 2, 50))
    direction = np.array([1.0, -1.0])
    z = standardise(x)
    close(composite(x, direction, "none", False), (z[:, 0] - z[:, 1]) / 2)
    x[1, 0, 3] = 1e5
    limited = standardise(limit_outliers(x, "mad"))
    close(composite(x, direction, "mad", False), (limited[:, 0] - limited[:, 1]) / 2)
    x[1, 0, 3] = 0.0
    z = standardise(x)
    free = gram_schmidt(np.stack([z[:, 0], -z[:, 1]], axis=1))
    close(composite(x, direction, "none", True), free.mean(axis=1))


# -- the screen --------------------------------------------------------------------------------------------------------


def planned_ics(**means: tuple[float, float]) -> FactorICs:
    """ICs at two horizons with these means and standard deviation 0.05."""
    wave = np.tile([1.0, -1.0], 50)
    wave *= 0.05 / wave.std(ddof=1)
    values = np.stack([np.array(m)[:, None] + wave for m in means.values()], axis=-1)  # [H, R, F]
    return FactorICs(tuple(means), (5, 15), np.arange(100), values)


def test_the_screen_keeps_what_is_strong_and_of_one_sign_at_every_horizon() -> None:
    ics = planned_ics(
        weak=(0.01, 0.01), unstable=(0.025, 0.025), good=(0.04, 0.05), turns=(0.05, -0.05), best=(-0.06, -0.04),
        once=(0.09, 0.0),
    )  # fmt: skip
    found = screen(ics, least_ic=0.02, least_ic_ir=0.6)
    assert found.chosen_names == ("best", "good")
    assert found.direction.tolist() == [-1, 1]
    assert [name for name, passed in zip(ics.names, found.passed, strict=True) if passed] == ["good", "best"]
    assert screen(ics, 0.02, 0.4).chosen_names == ("best", "good", "unstable")


def test_the_strongest_fill_up_where_too_few_pass_unless_that_is_forbidden() -> None:
    ics = planned_ics(a=(0.01, 0.01), b=(-0.02, -0.03))
    found = screen(ics, least_factors=1)
    assert found.chosen_names == ("b",)
    assert not found.passed.any()
    with pytest.raises(FitError, match=r"strongest is b \(5 sessions: -0.020, -0.40, 15 sessions: -0.030, -0.60\)"):
        screen(ics, least_factors=0)
    with pytest.raises(FitError, match="none of 2 factors has an IC that varies"):
        screen(replace(ics, values=np.full_like(ics.values, np.nan)))
    with pytest.raises(ConfigError, match="least_ic"):
        screen(ics, least_ic=1.5)


# -- over a history ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rough() -> Panel:
    return rough_panel(symbols=14, sessions=420, seed=3, pause_rate=0.03)


def everything(panel: Panel, t: int) -> dict[str, AnyArray]:
    """What is computed of rows up to t from what is known at t."""
    samples = samples_of(panel)
    known = forward_returns(panel, (3, 10))
    features, mask = samples.features, samples.mask
    rows = np.arange(t + 1)
    cut = [labels.upto(t) for labels in known]
    ics = factor_ics(features.upto(t), cut, mask[: t + 1])
    groups = factor_quantiles(features.upto(t), cut[0], mask[: t + 1])
    x = cross_sections(features, mask, rows)
    parts: dict[str, Any] = {"ics": ics.values, "returns": groups.returns, "turnover": groups.turnover}
    parts |= {"groups": quantile_of(x), "free": gram_schmidt(standardise(x))}
    parts |= {how: composite(x, np.ones(5), how, True) for how in ("mad", "quantile")}
    return parts


@pytest.mark.parametrize("t", [340, 401])
def test_noise_after_t_changes_nothing_up_to_t(rough: Panel, t: int) -> None:
    expected = everything(rough, t)
    noisy = everything(replace_future(rough, t, np.random.default_rng(t)), t)
    for key, values in expected.items():
        assert values.tobytes() == noisy[key].tobytes(), key
    assert np.isfinite(expected["ics"][:, 280 : t - 12]).mean() > 0.9
    assert np.isfinite(expected["mad"][280:]).mean() > 0.4  # members that trade


def test_ics_do_not_depend_on_the_other_dates_asked_for(rough: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    samples, horizons = samples_of(rough), forward_returns(rough, (5, 15))
    whole = factor_ics(samples.features, horizons, samples.mask)
    some = np.arange(290, 400, 7)
    assert (
        factor_ics(samples.features, horizons, samples.mask, some).values.tobytes() == whole.values[:, some].tobytes()
    )
    monkeypatch.setattr("nnstrategies.factors.blocks._CELLS", 1)
    again = factor_ics(samples.features, horizons, samples.mask, some)
    assert again.values.tobytes() == whole.values[:, some].tobytes()


def test_a_date_counts_only_when_its_whole_horizon_has_passed(rough: Panel) -> None:
    """Later dates have returns of those symbols only that were delisted early: the losers."""
    samples, (labels,) = samples_of(rough), forward_returns(rough, (10,))
    losses = -np.random.default_rng(0).random(labels.returns.shape).astype(np.float32)
    early = replace(labels, returns=np.where(np.isnan(labels.returns), losses, labels.returns))
    found = factor_ics(samples.features, [early], samples.mask).values[0]
    assert np.isnan(found[rough.T - 11 :]).all()
    assert np.isfinite(found[rough.T - 12]).any()


def test_a_group_is_cut_by_what_was_known_not_by_who_has_a_return_later() -> None:
    groups = quantile_of(np.arange(10.0))
    later = np.where(np.arange(10) < 6, np.nan, 0.1)
    earned = quantile_returns(groups, later, 5)
    np.testing.assert_allclose(earned, [np.nan, np.nan, np.nan, 0.1, 0.1])


def test_turnover_counts_new_names() -> None:
    groups = np.array([[1, 1, 2, 2], [1, 2, 1, 2], [1, 2, 1, 0], [0, 0, 1, 0], [1, 2, 0, 0]], dtype=np.int8)
    expected = [[np.nan, np.nan], [0.5, 0.5], [0, 0], [0, np.nan], [1, np.nan]]  # none in group 2 before or after
    np.testing.assert_allclose(turnover(groups, 2), expected)
    with pytest.raises(DataError, match="lag"):
        turnover(groups, 2, 0)


def test_the_table_of_ics_has_a_row_per_factor_and_horizon(rough: Panel) -> None:
    samples = samples_of(rough)
    table = factor_ics(samples.features, forward_returns(rough, (5, 15)), samples.mask).table()
    assert table.index.nlevels == 2
    assert len(table) == 10
    assert table["positive"].between(0, 1).all()
    assert all(table.loc[(name, 5), "dates"] > table.loc[(name, 15), "dates"] for name in samples.features.names)


def test_what_does_not_belong_together_is_refused(rough: Panel) -> None:
    samples = samples_of(rough)
    horizons = forward_returns(rough, (5,))
    for call, match in (
        (lambda: factor_ics(samples.features, [], samples.mask), "one or more labels"),
        (lambda: factor_ics(samples.features, horizons, samples.mask[:-1]), "mask: expected shape"),
        (lambda: factor_ics(samples.features, horizons, samples.mask, [5, 3]), "rising rows"),
        (lambda: factor_ics(samples.features, horizons, samples.mask, [rough.T]), "rising rows"),
        (lambda: factor_quantiles(samples.features, horizons[0].upto(9), samples.mask), "labels: expected shape"),
    ):
        with pytest.raises(DataError, match=match):
            call()
    with pytest.raises(ConfigError, match="rank or pearson"):
        factor_ics(samples.features, horizons, samples.mask, correlation="kendall")  # type: ignore[arg-type]
