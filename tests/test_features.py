"""Features: the contract of causality over every one, what they mean, what their set refuses, their documentation."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import talib
from causality import ContractError, check_features, rough_panel, same_bytes
from hypothesis import given
from hypothesis import strategies as st

from nnstrategies.errors import ConfigError, DataError
from nnstrategies.features import FEATURES, FeatureFunction, FeatureSet, default_set
from nnstrategies.features import rolling as windows
from nnstrategies.features.cross_sectional import less_member_mean, member_rank
from nnstrategies.features.technical import TECHNICAL
from nnstrategies.panel import Panel, Status
from nnstrategies.typing import AnyArray, FloatArray

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def rough() -> Panel:
    return rough_panel(symbols=8, sessions=400, seed=3, pause_rate=0.03)


def with_fields(panel: Panel, **changed: AnyArray) -> Panel:
    """The panel with some fields replaced."""
    fields = {key: changed.get(key, panel[key]) for key in panel.field_names}
    events = {key: panel.events(key) for key in panel.event_names}
    return Panel(panel.sessions, panel.symbols, fields, panel.status, panel.series, events, panel.name)


def from_closes(closes: AnyArray, volume: AnyArray | None = None) -> Panel:
    """A panel of bars without range: open = high = low = close [T, N], all trading."""
    closes = np.asarray(closes, dtype=float)
    fields = dict.fromkeys(("open", "high", "low", "close"), closes)
    fields["volume"] = np.full(closes.shape, 1000.0) if volume is None else np.asarray(volume, dtype=float)
    sessions = np.datetime64("2020-01-01", "D") + np.arange(len(closes))
    names = [f"S{n}" for n in range(closes.shape[1])]
    return Panel(sessions, names, fields, np.full(closes.shape, Status.TRADING))


# -- the contract -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FEATURES)
def test_feature_is_causal_scale_free_and_mostly_finite(name: str, rough: Panel) -> None:
    check_features({name: FEATURES[name]}, rough, np.random.default_rng(11))


def test_features_of_the_simulated_market_keep_the_contract(tiny_panel: Panel) -> None:
    some = {name: FEATURES[name] for name in ("rsi_14", "volume_surprise_1", "rank_ret_5_change_1", "market_ret_5")}
    check_features(some, tiny_panel, np.random.default_rng(5), rows=1)


def centred_mean(panel: Panel) -> FloatArray:
    close = panel["close"]
    out = np.full(close.shape, np.nan)
    out[1:-1] = (close[:-2] + close[1:-1] + close[2:]) / 3 / close[1:-1]
    return out


def full_sample_z_score(panel: Panel) -> FloatArray:
    returns = FEATURES["ret_1"](panel)
    return (returns - np.nanmean(returns, axis=0)) / np.nanstd(returns, axis=0)


def future_rank(panel: Panel) -> AnyArray:
    returns = FEATURES["ret_1"](panel)
    return member_rank(np.vstack([returns[1:], returns[:1]]), panel.members)


def last_members(panel: Panel) -> FloatArray:
    return less_member_mean(FEATURES["ret_1"](panel), np.broadcast_to(panel.members[-1], panel.shape))


def benchmark_of_the_end(panel: Panel) -> FloatArray:
    return np.broadcast_to(panel.series["benchmark"][-1] / 1000, panel.shape)


def membership_known_too_early(panel: Panel) -> FloatArray:
    joins = panel.events("membership").groupby("symbol")["member"].last()
    return np.broadcast_to(joins.loc[list(panel.symbols)].to_numpy(float), panel.shape)


def days_to_the_end(panel: Panel) -> FloatArray:
    return np.broadcast_to(np.arange(panel.T, 0, -1.0)[:, None], panel.shape)


@pytest.mark.parametrize(
    "leak",
    [
        centred_mean,
        full_sample_z_score,
        future_rank,
        last_members,
        benchmark_of_the_end,
        membership_known_too_early,
        days_to_the_end,
    ],
)
def test_contract_names_a_planted_feature_that_looks_ahead(leak: FeatureFunction, rough: Panel) -> None:
    planted = {"ret_5": FEATURES["ret_5"], leak.__name__: leak}
    with pytest.raises(ContractError, match=f"^leak: {leak.__name__} looks ahead"):
        check_features(planted, rough, np.random.default_rng(2))


def test_contract_refuses_a_feature_that_is_hardly_ever_there(rough: Panel) -> None:
    with pytest.raises(ContractError, match="cannot judge: rare only 0% of the compared values are finite"):
        check_features({"rare": lambda panel: np.full(panel.shape, np.nan)}, rough, np.random.default_rng(2))


def test_contract_refuses_a_feature_that_depends_on_the_adjustment_base(rough: Panel) -> None:
    def price(panel: Panel) -> FloatArray:
        return np.nan_to_num(panel["close"] * panel["adj_factor"])

    with pytest.raises(ContractError, match="leak: price changes when adj_factor is multiplied by a constant"):
        check_features({"price": price}, rough, np.random.default_rng(2))


def test_whole_set_up_to_a_day_equals_the_set_of_the_panel_cut_there(rough: Panel) -> None:
    features = default_set()
    cut = features(rough.upto(320))
    assert same_bytes(cut.values, features(rough).upto(320).values)


# -- levels and starts ------------------------------------------------------------------------------------------------


def test_no_feature_depends_on_the_level_of_raw_price_or_volume(rough: Panel) -> None:
    prices = {key: rough[key] * 64 for key in ("open", "high", "low", "close")}
    bigger = with_fields(rough, **prices, volume=rough["volume"] * 512)
    before, after = default_set()(rough), default_set()(bigger)
    for f, name in enumerate(before.names):
        assert same_bytes(before.values[:, :, f], after.values[:, :, f]), name


def test_every_feature_forgets_where_its_history_began(rough: Panel) -> None:
    fields = {key: rough[key][60:] for key in rough.field_names}
    events = {key: rough.events(key) for key in rough.event_names}
    later = Panel(rough.sessions[60:], rough.symbols, fields, rough.status[60:], {}, events)
    long, short = default_set()(rough), default_set()(later)
    for f, name in enumerate(long.names):
        a, b = long.values[:, 60:, f], short.values[:, :, f]
        both = np.isfinite(a) & np.isfinite(b)
        assert both.any(), name
        assert np.abs(a - b)[both].max() < 0.15 * np.std(a[both]), name
        assert np.sqrt(np.mean((a - b)[both] ** 2)) < 0.02 * np.std(a[both]), name


# -- meaning ----------------------------------------------------------------------------------------------------------


def test_there_are_at_least_33_talib_outputs() -> None:
    assert len(TECHNICAL) >= 33


def test_rsi_is_talibs_after_its_warm_up(rough: Panel) -> None:
    whole = int(np.flatnonzero(rough.listed.all(axis=0))[0])
    expected = talib.RSI(np.ascontiguousarray(rough.adjusted("close")[:, whole]), 14) / 100
    got = FEATURES["rsi_14"](rough)[:, whole]
    np.testing.assert_allclose(got[65:], expected[65:], rtol=1e-9)
    assert np.isnan(got[:65]).all()


def test_momentum_leaves_out_the_last_20_days() -> None:
    closes = np.linspace(10, 20, 300)[:, None]
    got = FEATURES["momentum_250_20"](from_closes(closes))
    assert np.isnan(got[:250]).all()
    assert got[260, 0] == pytest.approx(closes[240, 0] / closes[10, 0] - 1)


def test_returns_ignore_a_split() -> None:
    closes = np.array([[10.0], [11.0], [5.5], [5.5]])
    panel = from_closes(closes)
    panel = Panel(
        panel.sessions,
        panel.symbols,
        {**{k: panel[k] for k in panel.field_names}, "adj_factor": np.array([[1.0], [1.0], [2.0], [2.0]])},
        panel.status,
    )
    assert FEATURES["ret_1"](panel)[:, 0] == pytest.approx([np.nan, 0.1, 0.0, 0.0], nan_ok=True)


def test_volume_surprise_is_log_volume_less_its_mean_over_traded_days() -> None:
    volume = np.exp(np.arange(30.0))[:, None]
    volume[25] = 0
    got = FEATURES["volume_surprise_1"](from_closes(np.full((30, 1), 10.0), volume))[:, 0]
    assert np.isnan(got[:19]).all()
    assert got[19] == pytest.approx(19 - np.mean(np.arange(20)))
    assert got[25] == 0
    assert got[29] == pytest.approx(29 - np.mean([x for x in range(10, 30) if x != 25]))


def test_volume_position_is_log_of_volume_over_its_mean() -> None:
    volume = np.arange(1.0, 31.0)[:, None]
    got = FEATURES["volume_position_20"](from_closes(np.full((30, 1), 10.0), volume))[:, 0]
    assert got[29] == pytest.approx(np.log(30 / np.mean(np.arange(11, 31))))


def test_long_suspension_gives_neutral_values_not_holes_or_extremes() -> None:
    rng = np.random.default_rng(0)
    closes = 10 * np.exp(np.cumsum(np.where(np.arange(420) < 320, rng.normal(0, 0.02, 420), 0)))[:, None]
    volume = np.where(np.arange(420) < 320, 1000.0, 0.0)[:, None]
    features = default_set()(
        from_closes(np.hstack([closes, 10 + rng.random((420, 1))]), np.hstack([volume, volume + 1]))
    )
    last = dict(zip(features.names, features.values[0, -1], strict=True))
    assert all(np.isfinite(value) for value in last.values())
    for name in ("rsi_6", "rsi_14", "stoch_k", "stoch_d", "ultosc", "mfi_14", "price_position_20", "aroon_up_25"):
        assert last[name] == 0.5, name
    for name in ("cci_14", "bollinger_position", "cmo_14", "adx_14", "adosc_3_10", "bop", "volume_surprise_1", "ret_5"):
        assert last[name] == 0, name
    assert last["volume_position_60"] == 0
    assert last["volatility_20"] == 0
    assert last["return_volume_fit_20"] == 0


def test_features_are_missing_before_listing_and_after_delisting(rough: Panel) -> None:
    values = default_set()(rough).values
    assert np.isnan(values[~rough.listed.T]).all()
    assert (rough.status == Status.DELISTED).any()
    assert (rough.status == Status.UNLISTED).any()


def test_rank_is_among_members_and_places_others_between_them() -> None:
    values = np.array([[1.0, 2.0, 3.0, 4.0, 2.5, 9.0, np.nan]])
    members = np.array([[True, True, True, True, False, False, True]])
    got = member_rank(values, members)[0]
    np.testing.assert_allclose(got, [-0.375, -0.125, 0.125, 0.375, 0.0, 0.5, np.nan])


def test_tied_ranks_share_the_middle_and_no_members_means_no_rank() -> None:
    values = np.array([[0.0, 0.0, 5.0], [1.0, 2.0, 3.0]])
    got = member_rank(values, np.array([[True, True, True], [False, False, False]]))
    np.testing.assert_allclose(got[0], [-1 / 6, -1 / 6, 1 / 3], rtol=1e-6)
    assert np.isnan(got[1]).all()


def test_market_return_is_less_the_mean_of_the_days_members() -> None:
    got = less_member_mean(np.array([[1.0, 3.0, 10.0]]), np.array([[True, True, False]]))
    np.testing.assert_allclose(got, [[-1, 1, 8]])


def test_rank_change_is_the_difference_of_ranks(rough: Panel) -> None:
    rank, change = FEATURES["rank_ret_5"](rough), FEATURES["rank_ret_5_change_5"](rough)
    np.testing.assert_array_equal(change[50:], rank[50:] - rank[45:-5])


# -- windows ----------------------------------------------------------------------------------------------------------


@given(length=st.integers(1, 70), sessions=st.integers(1, 80), seed=st.integers(0, 999))
def test_windows_equal_a_loop(length: int, sessions: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(2, sessions))
    if sessions > 3:
        x[0, sessions // 3] = np.nan
    for name, plain in (("sum", np.sum), ("max", np.max), ("min", np.min), ("mean", np.mean), ("std", np.std)):
        expected = np.full(x.shape, np.nan)
        for t in range(length - 1, sessions):
            expected[:, t] = plain(x[:, t - length + 1 : t + 1], axis=1)
        got = getattr(windows, f"rolling_{name}")(x, length)
        np.testing.assert_allclose(got, expected, rtol=1e-7, atol=1e-7, err_msg=name)


# -- the set ----------------------------------------------------------------------------------------------------------


def one(panel: Panel) -> FloatArray:
    return np.ones(panel.shape)


def two(panel: Panel) -> FloatArray:
    return np.ones(panel.shape) * 2


def test_features_are_float32_symbol_major_contiguous_and_read_only(rough: Panel) -> None:
    features = FeatureSet({"one": one, "two": two, "ret_1": FEATURES["ret_1"]})(rough)
    assert features.values.shape == (rough.N, rough.T, 3)
    assert features.values.dtype == np.float32
    assert features.values.flags.c_contiguous
    assert not features.values.flags.writeable
    assert (features.column("two") == 2).all()
    np.testing.assert_array_equal(features.column("ret_1"), FEATURES["ret_1"](rough).astype(np.float32))


def test_more_features_than_one_block_keep_their_order(rough: Panel) -> None:
    numbered = {f"f{i}": (lambda panel, i=i: np.full(panel.shape, float(i))) for i in range(37)}
    values = FeatureSet(numbered)(rough).values
    assert (values == np.arange(37)).all()


def test_upto_is_a_view_and_refuses_rows_outside(rough: Panel) -> None:
    features = FeatureSet({"one": one})(rough)
    cut = features.upto(10)
    assert cut.values.shape[1] == len(cut.sessions) == 11
    assert np.shares_memory(cut.values, features.values)
    with pytest.raises(DataError, match="upto"):
        features.upto(rough.T)


def test_infinite_values_count_as_missing(rough: Panel) -> None:
    values = FeatureSet({"inf": lambda panel: np.full(panel.shape, np.inf)})(rough).values
    assert np.isnan(values).all()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda panel: np.ones(panel.shape).T, r"feature 'mine': expected shape \[T, N\].*return the transpose"),
        (lambda panel: np.ones(panel.T), r"feature 'mine': expected shape"),
        (lambda panel: np.ones(panel.shape, dtype=int), "feature 'mine': expected a float array, got int64"),
        (lambda panel: 1.0, "feature 'mine': expected a float array, got float"),
    ],
)
def test_wrong_result_is_an_error_that_names_the_feature(function: FeatureFunction, message: str, rough: Panel) -> None:
    with pytest.raises(DataError, match=message):
        FeatureSet({"mine": function})(rough)


def test_select_keeps_the_given_order_and_suggests_names() -> None:
    assert default_set().select(["ret_5", "rsi_14"]).names == ("ret_5", "rsi_14")
    with pytest.raises(ConfigError, match=r"unknown feature 'rsi_41'; did you mean 'rsi_14'\?"):
        default_set().select(["rsi_41"])
    with pytest.raises(ConfigError, match="listed twice"):
        default_set().select(["ret_5", "ret_5"])
    with pytest.raises(ConfigError, match="at least one"):
        FeatureSet({})


def scaled_by(factor: float) -> FeatureFunction:
    return lambda panel: np.full(panel.shape, factor)


def test_hash_tells_names_sources_and_bound_values_apart() -> None:
    sets = [{"a": one}, {"b": one}, {"a": two}, {"a": scaled_by(1)}, {"a": scaled_by(2)}, {"a": one, "b": two}]
    hashes = [FeatureSet(functions).hash for functions in sets]
    assert len(set(hashes)) == len(sets)
    assert all(re.fullmatch("[0-9a-f]{64}", text) for text in hashes)
    assert FeatureSet({"a": scaled_by(2)}).hash == hashes[4]


def test_hash_changes_with_a_helper_that_the_feature_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    before = FeatureSet({"willr": FEATURES["willr_14"], "ret": FEATURES["ret_10"]})
    first = before.hash
    monkeypatch.setattr("nnstrategies.features.price_volume.past_return", two)
    assert FeatureSet({"willr": FEATURES["willr_14"], "ret": FEATURES["ret_10"]}).hash != first


def test_function_without_a_source_file_can_be_hashed() -> None:
    space: dict[str, FeatureFunction] = {}
    exec("def typed(panel): return panel['close'] * 1.0", {"__name__": "prompt"}, space)
    exec("def other(panel): return panel['close'] * 2.0", {"__name__": "prompt"}, space)
    assert FeatureSet({"x": space["typed"]}).hash != FeatureSet({"x": space["other"]}).hash


def test_shared_intermediate_results_are_freed_after_a_call(rough: Panel) -> None:
    from nnstrategies.features import memo

    default_set().select(["rank_ret_1", "rsi_14"])(rough)
    assert rough not in memo._results


# -- documentation and benchmark --------------------------------------------------------------------------------------


def documented() -> dict[str, int]:
    """First row of each feature by the table of docs/features.md."""
    text = (ROOT / "docs" / "features.md").read_text()
    return {name: int(row) for name, row in re.findall(r"^\| `(\w+)` \| (\d+) \|", text, re.MULTILINE)}


def test_documentation_lists_every_feature_with_its_first_row() -> None:
    panel = rough_panel(symbols=3, sessions=300, seed=1, delist=0)
    whole = int(np.flatnonzero(panel.listed.all(axis=0))[0])
    finite = np.isfinite(default_set()(panel).values[whole])  # [T, F]
    assert documented() == dict(zip(FEATURES, finite.argmax(axis=0).tolist(), strict=True))


def test_documented_way_to_add_a_feature_works(rough: Panel) -> None:
    text = (ROOT / "docs" / "features.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    space: dict[str, object] = {"panel": rough}
    for block in blocks:
        exec(block, space)
    features = space["features"]
    assert "overnight_share" in features.names  # type: ignore[attr-defined]


def test_benchmark_prints_cpu_seconds(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["features.py", "3", "300"])
    runpy.run_path(str(ROOT / "benchmarks" / "features.py"), run_name="__main__")
    assert f"{len(FEATURES)} features, 3 symbols x 300 sessions\nCPU s" in capsys.readouterr().out
