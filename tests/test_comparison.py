"""Paired tests equal scipy's without overlap, keep their size with it, and say when they cannot be made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nnstrategies.comparison import compare, cosine_error, holm


@given(st.integers(10, 80), st.integers(0, 10_000))
def test_without_overlap_both_tests_are_those_of_scipy(count, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0.1, 1, (2, count))
    found = compare(a - b)
    assert (found.count, found.apart, found.degrees) == (count, count, count - 1)
    expected = stats.ttest_rel(a, b)
    assert (found.t, found.t_p) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.wilcoxon_p == pytest.approx(stats.wilcoxon(a, b).pvalue)


def overlapping(rng: np.random.Generator, count: int, overlap: int) -> np.ndarray:
    """Sums of ``overlap`` neighbouring draws, mean zero."""
    draws = rng.normal(size=count + overlap - 1)
    return np.convolve(draws, np.ones(overlap), "valid")


@pytest.mark.parametrize(("count", "overlap"), [(100, 2), (120, 4), (250, 10)])
def test_differences_of_overlapping_labels_are_rejected_as_often_as_the_level_says(count, overlap):
    rng = np.random.default_rng(7)
    found = [compare(overlapping(rng, count, overlap), overlap) for _ in range(1000)]
    low, high = stats.binom.ppf([0.0005, 0.9995], 1000, 0.055)  # measured with 20,000 draws: 5.0 to 5.8 %
    assert low <= sum(one.t_p < 0.05 for one in found) <= high
    assert low - 10 <= sum(one.wilcoxon_p < 0.05 for one in found) <= high
    naive = sum(stats.ttest_1samp(overlapping(rng, count, overlap), 0).pvalue < 0.05 for _ in range(300))
    assert naive > 0.12 * 300  # what the overlap is allowed for


def test_a_difference_that_is_there_is_found_through_the_overlap():
    rng = np.random.default_rng(3)
    found = compare(overlapping(rng, 400, 2) + 0.6, 2)
    assert found.t_p < 0.01
    assert found.wilcoxon_p < 0.01
    assert found.mean == pytest.approx(0.6, abs=0.25)


def test_the_error_of_independent_values_is_near_the_usual_one():
    values = np.random.default_rng(1).normal(size=4000)
    error, degrees = cosine_error(values, 1)
    assert degrees == 1000
    assert error == pytest.approx(values.std() / np.sqrt(4000), rel=0.1)


def test_the_signed_rank_test_takes_dates_that_share_nothing():
    values = np.random.default_rng(2).normal(size=60)
    assert compare(values, 4).wilcoxon_p == pytest.approx(stats.wilcoxon(values[::4]).pvalue)
    assert compare(values, 4).apart == 15


def test_too_few_dates_and_equal_differences_have_a_reason_and_no_test():
    few = compare(np.random.default_rng(0).normal(size=30), 4)
    assert few.reason == "8 differences without overlap, 10 are needed"
    assert np.isnan([few.t, few.t_p, few.wilcoxon_p]).all()
    assert compare(np.zeros(50)).reason == "the same difference on every date"
    assert np.isnan(compare(np.zeros(0)).mean)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holms_values_are_the_largest_over_the_smaller_ones(p_values):
    found, count = holm(p_values), len(p_values)
    order = np.argsort(p_values, kind="stable")
    for rank, k in enumerate(order):
        expected = max(min(1.0, (count - j) * p_values[order[j]]) for j in range(rank + 1))
        assert found[k] == pytest.approx(expected)
    assert all(a >= p for a, p in zip(found, p_values, strict=True))


def test_rows_without_a_test_do_not_count_in_the_correction():
    assert holm([0.01, float("nan"), 0.04]) == pytest.approx([0.02, float("nan"), 0.04], nan_ok=True)
