"""Splits: nothing trained on reaches into validation, nothing validated on into the future; refits come in time."""

from __future__ import annotations

import numpy as np
import pytest
from causality import rough_panel
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstrategies.calendar import Calendar
from nnstrategies.errors import ConfigError, DataError, FitError
from nnstrategies.features import FEATURES, FeatureSet
from nnstrategies.labels import make_labels
from nnstrategies.samples import Samples
from nnstrategies.splits import Rows, refit_rows, trailing_split

PANEL = rough_panel(symbols=8, sessions=120, seed=8, pause_rate=0.1)
FEATURE_SET = FeatureSet({"ret_1": FEATURES["ret_1"]})
FEATURE_VALUES = FEATURE_SET(PANEL)


@settings(max_examples=150)
@given(
    asof=st.integers(60, 119),
    valid_days=st.integers(0, 30),
    train_days=st.one_of(st.none(), st.integers(1, 200)),
    embargo_days=st.integers(0, 10),
    horizon_days=st.integers(1, 10),
)
def test_no_label_of_training_or_validation_reaches_past_its_bound(
    asof: int, valid_days: int, train_days: int | None, embargo_days: int, horizon_days: int
) -> None:
    samples = Samples.build(PANEL, FEATURE_VALUES, make_labels(PANEL, "return", horizon_days), window=3)
    split = trailing_split(samples.T, asof, train_days, valid_days, embargo_days)
    train, valid = samples.rows(*split.train), samples.rows(*split.valid)
    first_valid = asof - valid_days + 1
    assert (samples.labels.end[train] < first_valid - embargo_days).all()
    assert (samples.labels.end[valid] <= asof).all()
    assert (train[0] < first_valid).all()
    assert ((valid[0] >= first_valid) & (valid[0] <= asof)).all()
    if train_days is not None:
        assert (train[0] > first_valid - 1 - embargo_days - train_days).all()
    np.testing.assert_array_equal(train[0], samples.upto(asof).rows(*split.train)[0])


def test_split_lays_validation_at_the_end_and_training_before_it() -> None:
    split = trailing_split(1000, asof=499, train_days=252, valid_days=60)
    assert split.valid == Rows(first=440, last=499, known_by=499)
    assert split.train == Rows(first=188, last=439, known_by=439)
    assert trailing_split(1000, 499, None, 60, embargo_days=5).train == Rows(0, 434, 434)
    assert trailing_split(1000, 499, 2000, 60).train.first == 0


def test_split_without_validation_trains_up_to_asof() -> None:
    split = trailing_split(1000, 499, None, 0)
    assert split.train == Rows(0, 499, 499)
    assert split.valid.last < split.valid.first


def test_split_says_when_nothing_is_left_to_train_on() -> None:
    with pytest.raises(FitError, match="leave none to train on beside 60 validation"):
        trailing_split(1000, 59, None, 60)
    with pytest.raises(DataError, match="asof: expected a row from 0 to 999, got 1000"):
        trailing_split(1000, 1000, None, 60)
    with pytest.raises(ConfigError, match="train_days >= 1"):
        trailing_split(1000, 500, 0, 60)


CALENDAR = Calendar(np.busday_offset("2019-12-16", np.arange(400), roll="forward"))


@pytest.mark.parametrize(("every", "months"), [("month", range(1, 13)), ("quarter", (1, 4, 7, 10)), ("year", (1,))])
def test_refits_are_as_of_the_session_before_each_period(every: str, months: tuple[int, ...]) -> None:
    rows = refit_rows(CALENDAR, "2020-01-01", "2020-12-31", every)  # type: ignore[arg-type]
    expected = [CALENDAR.first_on_or_after(f"2020-{month:02d}-01") - 1 for month in months]
    assert rows == expected


def test_a_test_that_begins_inside_a_month_has_its_first_refit_the_day_before() -> None:
    first, last = CALENDAR.index("2020-02-12"), CALENDAR.index("2020-04-01")
    days = [str(CALENDAR.sessions[row]) for row in refit_rows(CALENDAR, first, last, "month")]
    assert days == ["2020-02-11", "2020-02-28", "2020-03-31"]


def test_refits_need_a_session_before_the_test_and_a_known_period() -> None:
    with pytest.raises(DataError, match="session before it"):
        refit_rows(CALENDAR, 0, 50, "month")
    with pytest.raises(DataError, match="must lie within"):
        refit_rows(CALENDAR, "2030-01-01", "2030-12-31", "month")
    with pytest.raises(ConfigError, match="once, every month, quarter or year, or a number of sessions, got 'week'"):
        refit_rows(CALENDAR, 10, 50, "week")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="got 0"):
        refit_rows(CALENDAR, 10, 50, 0)


def test_refits_once_and_every_so_many_sessions() -> None:
    assert refit_rows(CALENDAR, 10, 50, "once") == [9]
    assert refit_rows(CALENDAR, 10, 50, 63) == [9]
    assert refit_rows(CALENDAR, 10, 150, 63) == [9, 72, 135]
    assert refit_rows(CALENDAR, 10, 72, 63) == [9]  # the version of row 9 still serves row 72
    assert refit_rows(CALENDAR, 10, 73, 63) == [9, 72]
