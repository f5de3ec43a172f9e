"""The factor screen as a recipe: it reads training rows only, turns and joins what it kept, is stored like others."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from nnstrategies.config import parse
from nnstrategies.errors import ConfigError, DataError, FitError
from nnstrategies.evidence import mean_rank_ic, null_rank_ic, shuffled
from nnstrategies.factors import FactorSamples, composite, forward_returns
from nnstrategies.features import Features
from nnstrategies.labels import make_labels
from nnstrategies.panel import Panel, Status
from nnstrategies.predictors import score
from nnstrategies.samples import Samples
from nnstrategies.training import FactorScreenRecipe, load_version, save_version, walk_forward
from nnstrategies.typing import BoolArray
from tests.causality import check_finite, replace_future, rough_panel
from tests.small_samples import market_samples, samples_of

ASOF = 352
RECIPE = FactorScreenRecipe(stride_days=2)


def planted(reverse_after: int | None = None) -> tuple[Panel, FactorSamples]:
    """Returns that follow ``up``, its near copy ``twin``, and ``down`` with the opposite sign, but not ``noise``.

    From row ``reverse_after`` on, every sign is turned.
    """
    rng = np.random.default_rng(5)
    shape = (300, 40)
    slow = [np.cumsum(rng.normal(size=shape), axis=0) for _ in range(3)]
    z = [(x - x.mean(axis=1, keepdims=True)) / (1e-9 + x.std(axis=1, keepdims=True)) for x in slow]
    values = {"noise": z[2], "up": z[0], "twin": z[0] + 0.3 * rng.normal(size=shape), "down": z[1]}
    drift = 0.004 * (values["up"] - values["down"])
    if reverse_after is not None:
        drift[reverse_after:] *= -1
    moves = 0.02 * rng.normal(size=shape)
    moves[2:] += drift[:-2]  # the move from the open of t + 1 to that of t + 2
    price = 20 * np.exp(np.cumsum(moves, axis=0))
    days = np.busday_offset("2018-01-01", np.arange(shape[0]), roll="forward").astype("datetime64[D]")
    fields = dict.fromkeys(("open", "high", "low", "close"), price) | {"volume": np.ones(shape)}
    panel = Panel(days, [f"S{n:02d}" for n in range(shape[1])], fields, np.full(shape, Status.TRADING))
    table = np.stack([x.T for x in values.values()], axis=-1).astype(np.float32)
    features = Features(days, panel.symbols, tuple(values), table, "planted")
    labels, horizons = make_labels(panel, "return", 5, relative=False), forward_returns(panel, (3, 5, 10))
    return panel, FactorSamples.join(Samples.build(panel, features, labels, window=1), horizons)


def test_it_keeps_the_planted_factors_turns_them_and_frees_the_copy() -> None:
    _, samples = planted()
    version = RECIPE.fit(samples, 220, seed=1)
    kept = version.manifest["factors"]
    assert sorted(kept) == ["down", "twin", "up"]
    assert dict(zip(kept, version.arrays["direction"], strict=True)) == {"up": 1.0, "twin": 1.0, "down": -1.0}
    assert version.manifest["orthogonal"]
    told = {row["factor"]: row for row in version.manifest["screen"]}
    assert list(told["up"]["mean_ic"]) == ["3", "5", "10"]
    assert told["down"]["mean_ic"]["5"] < -0.1
    assert [name for name, row in told.items() if not row["passed"]] == ["noise"]


def test_the_score_is_the_composite_of_the_kept_factors_and_beats_each() -> None:
    panel, samples = planted()
    recipe = replace(RECIPE, orthogonal_above=1.0)
    timeline = walk_forward(samples, panel.calendar, recipe, [1], [220])[1]
    scores = score(samples, timeline).column()
    version = timeline.entries[0].version
    x = samples.features.values[:, 250, version.arrays["columns"]].T  # [K, N]
    expected = composite(x, version.arrays["direction"], "mad", False)
    np.testing.assert_allclose(scores[250], expected, rtol=1e-6)
    rows = range(221, 294)
    joined = mean_rank_ic(scores, samples, rows)
    assert all(
        joined > abs(mean_rank_ic(samples.features.column(name), samples, rows)) for name in samples.features.names
    )


@pytest.mark.parametrize("correlation", ["rank", "pearson"])
def test_the_direction_comes_from_training_rows_though_the_future_turns_it(correlation: str) -> None:
    _, samples = planted(reverse_after=225)
    recipe = replace(RECIPE, correlation=correlation)  # type: ignore[arg-type]
    assert recipe.fit(samples, 220, seed=1).id == recipe.fit(planted()[1], 220, seed=1).id
    late = replace(recipe, train_days=60).fit(samples, 299, seed=1)
    assert dict(zip(late.manifest["factors"], late.arrays["direction"], strict=True))["up"] == -1.0


@pytest.mark.parametrize("kind", ["buy_hold_sell", "return"])
def test_noise_after_asof_changes_no_byte_of_the_version_or_of_its_scores(kind: str) -> None:
    panel, samples = market_samples(kind)
    noisy = replace_future(panel, ASOF, np.random.default_rng(11))
    found = []
    for market, s in (
        (panel, samples),
        (noisy, samples_of(noisy, kind)),
        (panel.upto(ASOF), samples_of(panel.upto(ASOF), kind)),
    ):
        joined = FactorSamples.join(s, forward_returns(market, (5, 10, 15)))
        version = RECIPE.fit(joined, ASOF, seed=1)
        assert version.id == RECIPE.fit(joined, ASOF, seed=2).id
        rows = [version.predict(s.features, s.mask[t], t) for t in (ASOF - 20, ASOF)]
        check_finite("factor_screen", rows[1], s.mask[ASOF][:, None])
        found.append((version.id, b"".join(row.tobytes() for row in rows)))
    assert found[0] == found[1] == found[2]


def test_an_exit_that_a_suspension_delays_past_asof_is_not_known_at_any_horizon() -> None:
    panel = rough_panel(symbols=20, sessions=420, seed=8, pause_rate=0.2)
    joined = FactorSamples.join(samples_of(panel, "return"), forward_returns(panel, (5, 10)))

    def delayed(asof: int) -> list[BoolArray]:
        return [labels.end[: asof - labels.horizon_days] > asof for labels in joined.horizons]

    asof = next(t for t in range(ASOF, panel.T) if all((late & joined.mask[: len(late)]).any() for late in delayed(t)))
    for labels, late in zip(joined.upto(asof).horizons, delayed(asof), strict=True):
        assert labels.end.max() <= asof
        assert np.isnan(labels.returns[: len(late)][late]).all()
    noisy = replace_future(panel, asof, np.random.default_rng(1))
    other = FactorSamples.join(samples_of(noisy, "return"), forward_returns(noisy, (5, 10)))
    recipe = replace(RECIPE, stride_days=1)
    assert recipe.fit(joined, asof, 1).id == recipe.fit(other, asof, 1).id


def test_the_last_known_returns_matter_and_later_ones_do_not() -> None:
    samples = market_samples("return")[1]
    before = RECIPE.fit(samples, ASOF, seed=1).id
    for row, same in ((ASOF - 6, False), (ASOF - 5, True)):  # label of t ends at t + 1 + 5
        returns = samples.labels.returns.copy()
        returns[row] = returns[row][::-1]
        changed = replace(samples, labels=replace(samples.labels, returns=returns))
        assert (
            replace(RECIPE, stride_days=1).fit(changed, ASOF, 1).id
            == replace(RECIPE, stride_days=1).fit(samples, ASOF, 1).id
        ) is same
    assert before == RECIPE.fit(samples, ASOF, seed=1).id


def test_a_stored_version_scores_the_same_bytes(tmp_path: Path) -> None:
    _, samples = planted()
    version = RECIPE.fit(samples, 220, seed=1)
    loaded = load_version(save_version(version, tmp_path))
    a, b = (v.predict(samples.features, samples.mask[230], 230) for v in (version, loaded))
    assert a.tobytes() == b.tobytes()
    assert np.isfinite(a).all()


def test_shuffling_moves_the_returns_of_every_horizon_with_the_labels() -> None:
    _, samples = planted()
    order = np.random.default_rng(3).permutation(samples.N)
    moved = shuffled(samples, 3)
    assert isinstance(moved, FactorSamples)
    for before, after in zip((samples.labels, *samples.horizons), (moved.labels, *moved.horizons), strict=True):
        np.testing.assert_array_equal(after.returns, before.returns[:, order])
        np.testing.assert_array_equal(after.end, before.end[:, order])


def test_labels_cannot_be_exchanged_while_true_returns_stay_beside_them() -> None:
    panel, samples = planted()
    with pytest.raises(DataError, match="must change the horizons alike"):
        replace(samples, labels=samples.labels.of_columns(np.arange(samples.N)[::-1]))
    with pytest.raises(DataError, match="rising horizons"):
        FactorSamples.join(samples, forward_returns(panel, (3, 10)))
    with pytest.raises(DataError, match="horizon 3: expected shape"):
        FactorSamples.join(samples, [forward_returns(panel.upto(90), (3,))[0], samples.labels])


def test_a_null_of_shuffled_labels_can_be_made_at_the_labels_horizon() -> None:
    """Nothing passes there: the strongest factor fills up, or every null would be an error."""
    panel, samples = planted()
    plain = Samples(samples.features, samples.labels, samples.mask, samples.group, samples.window)
    nulls = [null_rank_ic(plain, panel.calendar, RECIPE, [150], range(160, 290, 5), seed) for seed in range(4)]
    assert np.isfinite(nulls).all()
    with pytest.raises(FitError, match="lower the limits or set least_factors"):
        replace(RECIPE, least_factors=0, least_ic_ir=5.0).fit(plain, 220, 1)


def test_settings_are_checked_and_a_config_may_name_the_recipe() -> None:
    for key, value in (
        ("least_ic", 1.0),
        ("least_ic_ir", -1.0),
        ("least_factors", -1),
        ("orthogonal_above", 1.1),
        ("stride_days", 0),
    ):
        with pytest.raises(ConfigError, match=key):
            replace(RECIPE, **{key: value})
    tree = {
        "name": "s4",
        "data": {"source": "simulated", "symbols": 20, "members": 20, "sessions": 300, "seed": 1},
        "walk_forward": {"first_test": "2016-01-04"},
        "recipes": {"multi_factor": {"kind": "factor_screen", "least_ic": 0.03, "outliers": "quantile"}},
        "headline": "multi_factor",
    }
    recipe = parse(tree, "here").recipes["multi_factor"]
    assert recipe == FactorScreenRecipe("multi_factor", least_ic=0.03, outliers="quantile")


def test_too_little_to_screen_says_so() -> None:
    _, samples = planted()
    with pytest.raises(FitError, match="no training rows"):
        RECIPE.fit(samples, 3, 1)


def test_the_code_of_the_page_runs(tiny_panel: Panel, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[1] / "docs" / "factors.md").read_text(encoding="utf-8")
    names = {"panel": tiny_panel}
    for code in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL):
        exec(code, names)
    assert "positive" in capsys.readouterr().out
    (block,) = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    tree = {"name": "page", "data": {"source": "simulated"}, "headline": "multi_factor", **yaml.safe_load(block)}
    tree["walk_forward"] = {"first_test": "2018-01-02"}
    assert list(parse(tree, "page").recipes) == ["multi_factor"]
