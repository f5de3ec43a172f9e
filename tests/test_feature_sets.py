"""The feature sets of the five systems: the contract over every feature, what is left out, what is marked as leaky."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from causality import ContractError, check_features, rough_panel, same_bytes
from input_panel import input_panel, with_events, with_fields

from nnstrategies.errors import ConfigError, MissingTableError
from nnstrategies.features import (
    CATALOGUE,
    FEATURES,
    SETS,
    FeatureSet,
    chosen_from,
    default_set,
    feature_names,
    feature_set,
    left_out,
    memo,
)
from nnstrategies.features.cleaning import interpolate_gaps, leaky_three_sigma
from nnstrategies.features.cross_sectional import member_rank
from nnstrategies.features.sets import LEAKY, S2_GROUPS
from nnstrategies.labels import forward_return
from nnstrategies.panel import Panel, Status
from nnstrategies.samples import Samples

ROOT = Path(__file__).resolve().parents[1]
BOUNDED = sorted(name for name in LEAKY if name.startswith("leaky_three_sigma_"))
GAPS = sorted(name for name in LEAKY if name.startswith("leaky_interpolated_") and "macro" not in name)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return input_panel()


# -- the contract -----------------------------------------------------------------------------------------------------


def test_every_feature_beside_the_default_ones_keeps_the_contract(panel: Panel) -> None:
    own = {name: function for name, function in CATALOGUE.items() if name not in FEATURES and name not in LEAKY}
    assert len(own) > 90
    check_features(own, panel, np.random.default_rng(11), rows=1)


@pytest.mark.parametrize("name", [*sorted(set(LEAKY) - set(GAPS) - set(BOUNDED))[::3], "leaky_wavelet_level_close"])
def test_contract_catches_the_leaks_that_see_the_whole_series(name: str, panel: Panel) -> None:
    with pytest.raises(ContractError, match=f"^leak: {name} looks ahead"):
        check_features({name: LEAKY[name]}, panel, np.random.default_rng(5))


def test_drawn_gaps_know_where_trading_resumes(panel: Panel) -> None:
    """Cut inside suspensions, the past of every feature of drawn prices changes."""
    inside = (panel.status[:-1] == Status.PAUSED) & (panel.status[1:] == Status.PAUSED)
    unseen = set(GAPS)
    for t in np.flatnonzero(inside[300:].any(axis=1)) + 300:
        cut = panel.upto(int(t))
        unseen -= {name for name in unseen if not same_bytes(LEAKY[name](panel)[: t + 1], LEAKY[name](cut))}
        if not unseen:
            return
    # flows are weighed by volume, and a gap has none; a straight line is seldom the highest or lowest of 25 sessions
    assert unseen <= {f"leaky_interpolated_{name}" for name in ("mfi_14", "aroon_up_25", "aroon_down_25")}


def test_gaps_are_straight_lines_of_adjusted_prices() -> None:
    P, status = int(Status.PAUSED), np.ones((6, 1), dtype=np.uint8)
    status[2:4] = P
    close = np.array([[10.0], [10.0], [10.0], [10.0], [6.5], [7.0]])
    fields = dict.fromkeys(("open", "high", "low", "close"), close)
    fields |= {"volume": close, "adj_factor": np.array([[1.0], [1], [1], [1], [2], [2]])}
    days = np.datetime64("2020-01-01", "D") + np.arange(6)
    drawn = interpolate_gaps(Panel(days, ["A"], fields, status)).adjusted("close")[:, 0]
    assert drawn == pytest.approx([10, 10, 11, 12, 13, 14])


def test_bounds_of_the_whole_sample_know_what_will_be_usual(panel: Panel) -> None:
    """Cut at the middle, the past of nearly every bounded feature changes; a bounded oscillator has no outliers."""
    half = panel.T // 2
    cut = panel.upto(half)
    moved = {name for name in BOUNDED if not same_bytes(LEAKY[name](panel)[: half + 1], LEAKY[name](cut))}
    assert {"leaky_three_sigma_ret_1", "leaky_three_sigma_volatility_20"} <= moved
    assert len(moved) > len(BOUNDED) / 2


def test_an_outlier_is_deleted_and_the_value_before_stands() -> None:
    calm = np.tile([0.01, -0.01], 20)
    values = np.concatenate([calm, [0.5], calm, [np.nan]])[:, None]
    bounded = leaky_three_sigma(lambda panel: values)(None)[:, 0]  # type: ignore[arg-type]
    kept = np.delete(np.arange(len(values)), 40)
    np.testing.assert_array_equal(bounded[kept], values[kept, 0])
    assert bounded[40] == values[39, 0]


def test_leaks_are_marked_by_name_by_the_set_and_by_the_features(panel: Panel) -> None:
    assert all(name.startswith("leaky_") for name in LEAKY)
    assert not any(name.startswith("leaky_") for name in CATALOGUE if name not in LEAKY)
    for name, names in SETS.items():
        leaks = FeatureSet({key: CATALOGUE[key] for key in names}).leaky
        assert bool(leaks) == name.startswith("leaky_")
        assert all(key in LEAKY for key in leaks)
    features = feature_set(["leaky_forward_adjusted_close", "ret_1"], panel)(panel)
    assert features.leaky == features.upto(9).leaky == ("leaky_forward_adjusted_close",)
    assert feature_set("s5", panel)(panel).leaky == ()


# -- the sets ---------------------------------------------------------------------------------------------------------


def test_sets_have_the_published_sizes() -> None:
    sizes = {name: len(names) for name, names in SETS.items() if not name.startswith("leaky_")}
    assert sizes == {"default": 80, "s1": 5, "s2": 86, "s3": 7, "s4": 53, "s4_factors": 5, "s5": 6, "s5_wavelet": 6}
    assert sum(len(names) for group, names in S2_GROUPS.items() if group != "news") == 81
    assert [len(S2_GROUPS[group]) for group in ("profitability", "growth", "value", "financial condition")] == [7] * 4
    for names in SETS.values():
        assert len(set(names)) == len(names)
        assert set(names) <= set(CATALOGUE)


def test_s4_has_value_rank_and_the_change_of_both_of_each_factor(panel: Panel) -> None:
    features = feature_set("s4", panel)(panel)
    for factor in ("rsi_14", "ret_5", "mfi_14"):
        value, rank = features.column(factor), features.column(f"rank_{factor}")
        np.testing.assert_allclose(rank, member_rank(value, panel.members), atol=1e-6)
        for name, base in ((f"{factor}_change_5", value), (f"rank_{factor}_change_5", rank)):
            np.testing.assert_allclose(features.column(name)[5:], base[5:] - base[:-5], atol=2e-6)
        assert np.nanmin(rank) >= -0.5
        assert np.nanmax(rank) <= 0.5
    assert panel not in memo._results


def test_set_of_a_cut_panel_is_the_cut_of_the_set(panel: Panel) -> None:
    whole, cut = feature_set("s2", panel), feature_set("s2", panel.upto(420))
    assert whole.hash == cut.hash
    assert same_bytes(cut(panel.upto(420)).values, whole(panel).upto(420).values)


def test_hashes_are_the_same_in_another_process_and_differ_between_sets() -> None:
    import subprocess
    import sys

    sets = {name: FeatureSet({key: CATALOGUE[key] for key in names}).hash for name, names in SETS.items()}
    assert len(set(sets.values())) == len(sets)
    code = (
        "from nnstrategies.features import CATALOGUE, SETS, FeatureSet\n"
        "for n, k in SETS.items(): print(n, FeatureSet({x: CATALOGUE[x] for x in k}).hash)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert dict(line.split() for line in done.stdout.splitlines()) == sets


def test_default_set_keeps_its_hash_whatever_is_optional() -> None:
    assert feature_set("all", rough_panel(3, 20, 0)).hash == default_set().hash
    assert FeatureSet(FEATURES, optional=["ret_1"]).hash != default_set().hash


def test_without_tables_a_set_is_smaller_and_says_so(panel: Panel) -> None:
    bare = with_events(panel, macro=None, news=None, fundamentals=panel.events("fundamentals").drop(columns=["roe"]))
    assert len(feature_set("s2", bare)) == 86 - 15 - 5 - 1
    lines = left_out("s2", bare)
    assert [line.split(":")[0] for line in lines] == [
        "Features left out for want of columns of table 'fundamentals'",
        "Features left out for want of table 'macro'",
        "Features left out for want of table 'news'",
    ]
    assert lines[0].endswith("1 (rank_roe); name a file with the columns roe under data.fundamentals.")
    assert left_out("s5", with_fields(panel, amount=None))[0].endswith(
        "(level_amount); add the column amount; of the Chinese tables with data.basics: true."
    )
    assert left_out("s2", panel) == left_out("s4", bare) == ()
    assert len(feature_set("s5", with_fields(panel, amount=None))) == 5


def test_feature_asked_for_by_name_must_be_there(panel: Panel) -> None:
    bare = with_events(panel, macro=None, news=None, fundamentals=None)
    with pytest.raises(MissingTableError, match=r"macro_cpi: rough has no column 'cpi' of table 'macro'; add it"):
        feature_set(["s2", "macro_cpi"], bare)
    with pytest.raises(MissingTableError, match=r"pb: .* column 'pb' of the prices or column 'pb' of table"):
        feature_set(["pb"], bare)
    with pytest.raises(MissingTableError, match="no table 'macro'; add one with the column 'cpi'"):
        CATALOGUE["macro_cpi"](bare)
    without_roe = with_events(panel, fundamentals=panel.events("fundamentals").drop(columns=["roe"]))
    with pytest.raises(MissingTableError, match="table 'fundamentals' has no column 'roe'; it has"):
        CATALOGUE["rank_roe"](without_roe)
    with pytest.raises(MissingTableError, match="no field 'amount'"):
        CATALOGUE["level_amount"](with_fields(panel, amount=None))
    with pytest.raises(MissingTableError, match="no field 'float_shares'"):
        CATALOGUE["log_float_value"](with_fields(panel, float_shares=None))


def test_names_of_sets_and_features_mix_and_unknown_ones_are_refused() -> None:
    assert feature_names("s1") == SETS["s1"]
    assert feature_names(["ret_5", "s1"]) == ("ret_5", *SETS["s1"])
    assert feature_names(["s4", "s4_factors"])[-5:] == SETS["s4_factors"]
    with pytest.raises(ConfigError, match=r"unknown feature 's44'; did you mean 's4'\?"):
        feature_names("s44")
    with pytest.raises(ConfigError, match="'ret_1' is listed twice"):
        feature_names(["ret_1", "ret_1"])


def test_a_recipe_sees_of_a_set_what_the_run_has(panel: Panel) -> None:
    bare = with_events(panel, fundamentals=None)
    run = feature_set(["s4", "s4_factors"], bare)
    assert chosen_from("s4_factors", run).names == ("log_float_value", "momentum_250_20")
    with pytest.raises(ConfigError, match="unknown feature 'pb'"):
        chosen_from(["pb"], run)


def test_samples_may_lack_optional_features_and_no_others(panel: Panel) -> None:
    labels = forward_return(panel, 5)
    sparse = with_events(panel, news=panel.events("news").iloc[:1])
    for wanted, usable in ((["ret_1", "news_sentiment"], True), (["momentum_250_20", "ret_1"], False)):
        features = feature_set(wanted, sparse)(sparse)
        mask = Samples.build(sparse, features, labels, window=3).mask
        assert mask[100].any() == usable
        assert mask[400].any()
    chosen = feature_set(["ret_1", "news_sentiment"], sparse)
    assert (
        chosen.optional == chosen(sparse).optional == chosen.select(["news_sentiment"]).optional == {"news_sentiment"}
    )


# -- levels, dates, flags ---------------------------------------------------------------------------------------------


def test_levels_share_one_divisor_and_forget_where_the_history_began(panel: Panel) -> None:
    features = feature_set("s5", panel)(panel)
    whole = int(np.flatnonzero(panel.listed.all(axis=0))[0])
    closes = panel.adjusted("close")[:, whole]
    expected = panel.adjusted("open")[300, whole] / closes[51:301].mean() - 1
    assert features.column("level_open")[300, whole] == pytest.approx(expected, abs=1e-6)
    later = Panel(
        panel.sessions[60:],
        panel.symbols,
        {key: panel[key][60:] for key in panel.field_names},
        panel.status[60:],
    )
    np.testing.assert_allclose(
        feature_set("s5", later)(later).values[:, 250:], features.values[:, 310:], rtol=1e-4, atol=1e-5
    )


def test_forward_adjusted_prices_move_with_a_dividend_to_come(panel: Panel) -> None:
    n = int(np.flatnonzero(panel.listed.all(axis=0))[0])
    factor = panel["adj_factor"].copy()
    factor[-5:, n] *= 2
    split = with_fields(panel, adj_factor=factor)
    name = "leaky_forward_adjusted_close"
    assert not np.allclose(CATALOGUE[name](panel)[100, n], CATALOGUE[name](split)[100, n])
    np.testing.assert_array_equal(CATALOGUE["level_close"](panel)[260, n], CATALOGUE["level_close"](split)[260, n])


def test_dates_are_parts_of_the_session(panel: Panel) -> None:
    t = int(np.flatnonzero(panel.sessions == np.datetime64("2015-03-11"))[0])  # a Wednesday
    n = int(np.flatnonzero(panel.listed[t])[0])
    got = {name: CATALOGUE[name](panel)[t, n] for name in SETS["s3"][2:]}
    assert got["day_of_month"] == pytest.approx(10 / 30)
    assert (got["weekday_sin"], got["weekday_cos"]) == pytest.approx((np.sin(4 * np.pi / 7), np.cos(4 * np.pi / 7)))
    assert (got["month_sin"], got["month_cos"]) == pytest.approx((np.sin(np.pi / 3), np.cos(np.pi / 3)))


def test_flags_compare_a_return_with_the_250_before_it(panel: Panel) -> None:
    returns = CATALOGUE["ret_1"](panel)
    n, t = int(np.flatnonzero(panel.listed.all(axis=0))[0]), 400
    before = returns[t - 250 : t, n]
    jump = with_fields(panel, **{key: panel[key].copy() for key in ("open", "high", "low", "close")})
    for size, sigma, box in ((0.5, 1, 1), (0.0, 0, 0)):
        close = panel["close"].copy()
        factor = panel["adj_factor"]
        close[t, n] = close[t - 1, n] * factor[t - 1, n] / factor[t, n] * (1 + before.mean() + size)
        jump = with_fields(panel, close=close)
        assert CATALOGUE["flag_three_sigma"](jump)[t, n] == sigma
        assert CATALOGUE["flag_box_plot"](jump)[t, n] == box
    low, high = np.quantile(before, (0.25, 0.75))
    expected = returns[t, n] < low - 1.5 * (high - low) or returns[t, n] > high + 1.5 * (high - low)
    assert CATALOGUE["flag_box_plot"](panel)[t, n] == expected


def test_documented_code_runs(panel: Panel, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "feature_sets.md").read_text(encoding="utf-8")
    space: dict[str, object] = {"panel": with_events(panel, news=None)}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, space)
    assert capsys.readouterr().out.startswith("Features left out for want of table 'news': 5 (news_sentiment")


def test_documentation_lists_every_feature_and_every_set() -> None:
    text = (ROOT / "docs" / "feature_sets.md").read_text(encoding="utf-8")
    text += (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    told = set(re.findall(r"[a-z0-9_]+", text))
    assert set(SETS) <= told
    for name in set(CATALOGUE) - set(FEATURES) - set(LEAKY):
        bare = name.removeprefix("rank_").removeprefix("macro_").removesuffix("_change_5")
        assert name in told or bare in told, name
