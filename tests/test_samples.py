"""Samples: which windows count, and what is known of them when."""

from __future__ import annotations

import numpy as np
import pytest
from causality import replace_future, rough_panel, same_bytes
from hypothesis import given
from hypothesis import strategies as st

from nnstrategies.errors import DataError
from nnstrategies.features import FEATURES, Features, FeatureSet
from nnstrategies.labels import make_labels
from nnstrategies.panel import Panel
from nnstrategies.samples import Samples
from nnstrategies.typing import AnyArray, FloatArray

SESSIONS = 90


def patchy(panel: Panel) -> FloatArray:
    """A feature with holes."""
    values = FEATURES["ret_1"](panel).copy()
    values[:: panel.T // 3] = np.nan
    return values


SET = FeatureSet({"ret_1": FEATURES["ret_1"], "ret_5": FEATURES["ret_5"]})


def build(panel: Panel, window: int = 6, horizon_days: int = 4, functions: FeatureSet = SET) -> Samples:
    return Samples.build(panel, functions(panel), make_labels(panel, "return", horizon_days), window)


@pytest.fixture(scope="module")
def rough() -> Panel:
    return rough_panel(symbols=8, sessions=SESSIONS, seed=6, pause_rate=0.05)


@pytest.fixture(scope="module")
def samples(rough: Panel) -> Samples:
    return build(rough)


def slow_mask(panel: Panel, features: Features, window: int) -> AnyArray:
    mask = np.zeros(panel.shape, dtype=bool)
    for t in range(window - 1, panel.T):
        for n in range(panel.N):
            complete = np.isfinite(features.values[n, t - window + 1 : t + 1]).all()
            mask[t, n] = panel.members[t, n] and panel.trading[t, n] and complete
    return mask


@pytest.mark.parametrize("window", [1, 6, 20])
def test_mask_needs_membership_trading_and_a_complete_window(rough: Panel, window: int) -> None:
    functions = FeatureSet({"ret_1": FEATURES["ret_1"], "patchy": patchy})
    samples = build(rough, window, functions=functions)
    np.testing.assert_array_equal(samples.mask, slow_mask(rough, samples.features, window))
    assert samples.mask.any()


def test_upto_shows_what_was_known_and_copies_no_feature(samples: Samples) -> None:
    cut = samples.upto(50)
    assert cut.T == 51
    assert np.shares_memory(cut.features.values, samples.features.values)
    assert np.shares_memory(cut.mask, samples.mask)
    assert cut.labels.end.max() <= 50
    assert (samples.labels.end[:51] > 50).any()


def test_samples_up_to_a_day_are_the_same_whatever_comes_later(rough: Panel, samples: Samples) -> None:
    expected = samples.upto(60)
    for panel in (replace_future(rough, 60, np.random.default_rng(0)), rough.upto(60)):
        got = build(panel).upto(60)
        assert same_bytes(got.mask, expected.mask)
        assert same_bytes(got.features.values, expected.features.values)
        assert same_bytes(got.labels.values, expected.labels.values)
        assert same_bytes(got.labels.end, expected.labels.end)


@given(
    first=st.integers(-5, SESSIONS - 1),
    last=st.integers(0, SESSIONS - 1),
    known_by=st.integers(0, SESSIONS - 1),
    stride=st.integers(1, 9),
)
def test_rows_equal_a_loop(first: int, last: int, known_by: int, stride: int) -> None:
    samples = _SAMPLES
    t, n = samples.rows(first, last, known_by, stride)
    expected = [
        (row, column)
        for row in range(max(first, 0), last + 1)
        for column in range(samples.N)
        if (last - row) % stride == 0
        and samples.mask[row, column]
        and 0 <= samples.labels.end[row, column] <= known_by
        and np.isfinite(samples.labels.values[row, column])
    ]
    assert list(zip(t.tolist(), n.tolist(), strict=True)) == expected
    assert t.dtype == n.dtype == np.int64


_SAMPLES = build(rough_panel(symbols=5, sessions=SESSIONS, seed=6, pause_rate=0.05))


def test_rows_of_the_cut_are_the_rows_known_by_then(samples: Samples) -> None:
    for whole, cut in zip(samples.rows(0, 60, 60), samples.upto(60).rows(0, 60, 60), strict=True):
        np.testing.assert_array_equal(whole, cut)


def test_one_group_unless_told_otherwise(rough: Panel, samples: Samples) -> None:
    assert samples.group.tolist() == [0] * rough.N
    own = Samples.build(rough, samples.features, samples.labels, 6, group=np.arange(rough.N))
    assert own.group.tolist() == list(range(rough.N))


def test_what_does_not_belong_together_is_refused(rough: Panel, samples: Samples) -> None:
    with pytest.raises(DataError, match="features have other sessions"):
        Samples.build(rough.upto(50), samples.features, samples.labels, 6)
    with pytest.raises(DataError, match="features have other symbols"):
        Samples.build(rough.select(rough.symbols[::-1]), samples.features, samples.labels, 6)
    with pytest.raises(DataError, match="labels: expected shape"):
        Samples.build(rough, samples.features, samples.labels.upto(50), 6)
    with pytest.raises(DataError, match="window: expected at least 1"):
        Samples.build(rough, samples.features, samples.labels, 0)
    with pytest.raises(DataError, match="group"):
        Samples.build(rough, samples.features, samples.labels, 6, group=np.arange(3))
    with pytest.raises(DataError, match=r"rows\(0, 90"):
        samples.rows(0, SESSIONS, 50)
