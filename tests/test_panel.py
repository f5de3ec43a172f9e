"""Panel, calendar and scores: alignment, read-only storage, adjustment, membership, and cutting at a date."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnstrategies.calendar import Calendar
from nnstrategies.errors import DataError
from nnstrategies.panel import Panel, Status
from nnstrategies.scores import Scores

DAYS = np.arange("2024-01-29", "2024-02-08", dtype="datetime64[D]")  # ten days, a month's turn among them


def make_panel(**changes: object) -> Panel:
    close = np.tile(np.array([10.0, 20.0], dtype=np.float32), (10, 1))  # [T=10, N=2]
    factor = np.ones((10, 2))
    factor[5:, 0] = 2.0  # a 1-for-1 bonus on the sixth session
    close[5:, 0] = 5.0
    status = np.full((10, 2), Status.TRADING, dtype=np.uint8)
    status[:2, 1] = Status.UNLISTED
    events = {
        "membership": pd.DataFrame(
            {
                "symbol": ["A", "B", "A"],
                "known_at": pd.to_datetime(["2024-01-01", "2024-02-03", "2024-02-05"]),
                "member": [True, True, False],
            }
        )
    }
    arguments: dict = {
        "sessions": DAYS,
        "symbols": ["A", "B"],
        "fields": {"close": close, "adj_factor": factor, "volume": np.full((10, 2), 100.0)},
        "status": status,
        "series": {"benchmark": np.arange(10.0)},
        "events": events,
    }
    return Panel(**{**arguments, **changes})


def test_adjusted_prices_are_continuous_across_a_bonus_issue_and_volume_moves_the_other_way():
    panel = make_panel()
    assert np.allclose(panel.adjusted("close")[:, 0], 10.0)
    assert np.allclose(panel.adjusted("volume")[:, 0], [100] * 5 + [50] * 5)


@given(constant=st.floats(1e-3, 1e3))
def test_a_constant_factor_cancels_in_adjusted_prices(constant):
    panel = make_panel()
    scaled = make_panel(
        fields={"close": panel["close"], "adj_factor": panel["adj_factor"] * constant, "volume": panel["volume"]}
    )
    assert np.allclose(scaled.adjusted("close"), panel.adjusted("close"), rtol=1e-12)


def test_fields_cannot_be_written():
    panel = make_panel()
    for array in (panel["close"], panel.status, panel.series["benchmark"], panel.adjusted("close")):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_fields_are_stored_contiguous_per_symbol_without_a_copy_when_given_that_way():
    stored = np.ones((2, 10), dtype=np.float32)  # [N, T]
    panel = make_panel(fields={"close": stored.T})
    assert panel["close"].T.flags.c_contiguous
    assert np.shares_memory(panel["close"], stored)
    assert panel["close"].dtype == np.float32


def test_membership_counts_from_the_first_session_on_or_after_known_at_and_only_while_listed():
    members = make_panel().members
    assert members[:, 0].tolist() == [True] * 7 + [False] * 3
    assert members[:, 1].tolist() == [False] * 5 + [True] * 5


def test_without_a_membership_table_every_listed_symbol_is_a_member():
    panel = make_panel(events={})
    assert (panel.members == panel.listed).all()
    assert not panel.members[0, 1]


def test_upto_cuts_fields_series_and_events_by_known_at():
    cut = make_panel().upto("2024-02-04")
    assert cut.T == 7
    assert len(cut.series["benchmark"]) == 7
    assert cut.events("membership")["known_at"].max() <= pd.Timestamp("2024-02-04")
    assert cut.members[-1].tolist() == [True, True]


def test_upto_of_a_row_and_of_its_date_are_the_same_panel():
    panel = make_panel()
    assert panel.upto(4).fingerprint == panel.upto(DAYS[4]).fingerprint != panel.fingerprint


def test_fingerprint_depends_on_every_table():
    panel = make_panel()
    changed = [
        make_panel(series={"benchmark": np.arange(10.0) + 1e-9}),
        make_panel(events={}),
        make_panel(symbols=["A", "B2"], events={}),
        make_panel(fields={"close": panel["close"], "adj_factor": panel["adj_factor"], "volume": panel["volume"] + 1}),
    ]
    assert len({panel.fingerprint, *(other.fingerprint for other in changed)}) == 5
    assert make_panel().fingerprint == panel.fingerprint


def test_select_keeps_the_wanted_symbols_in_the_wanted_order():
    chosen = make_panel().select(["B"])
    assert chosen.symbols == ("B",)
    assert set(chosen.events("membership")["symbol"]) == {"B"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fields": {"close": np.ones((9, 2))}}, r"close: expected shape \[T, N\] = \(10, 2\), got \(9, 2\)"),
        ({"series": {"vix": np.ones(3)}}, "series vix: expected 10 values"),
        ({"symbols": ["A", "A"]}, "symbols must be unique"),
        ({"events": {"actions": pd.DataFrame({"symbol": ["A"]})}}, "column known_at is missing"),
        (
            {"events": {"actions": pd.DataFrame({"symbol": ["Z"], "known_at": [pd.Timestamp("2024-01-01")]})}},
            r"\['Z'\] are not symbols of the panel",
        ),
    ],
)
def test_tables_that_do_not_fit_are_refused_by_name(changes, message):
    with pytest.raises(DataError, match=message):
        make_panel(**changes)


def test_asking_for_what_is_not_there_names_what_is():
    panel = make_panel()
    with pytest.raises(DataError, match="no field 'opne'; it has close, adj_factor, volume"):
        panel["opne"]
    with pytest.raises(DataError, match="no event table 'actions'; it has membership"):
        panel.events("actions")
    with pytest.raises(DataError, match="outside"):
        panel.upto("2020-01-01")


def test_first_session_of_a_month_is_known_without_looking_ahead():
    calendar = Calendar(DAYS)
    first = calendar.is_first_of_month
    assert DAYS[first].astype(str).tolist() == ["2024-02-01"]
    assert Calendar(DAYS[:4]).is_first_of_month.tolist() == first[:4].tolist()


def test_sessions_must_increase():
    with pytest.raises(DataError, match="2024-01-02 follows 2024-01-03"):
        Calendar(np.array(["2024-01-03", "2024-01-02"], dtype="datetime64[D]"))


def test_exchange_calendar_knows_the_spring_festival():
    sessions = Calendar.exchange("XSHG", "2024-02-05", "2024-02-23").sessions.astype(str)
    assert "2024-02-08" in sessions
    assert "2024-02-12" not in sessions
    with pytest.raises(DataError, match="unknown exchange 'XXXX'"):
        Calendar.exchange("XXXX", "2024-01-01", "2024-02-01")
    assert Calendar.exchange("XSHG", "2024-02-05", "2024-02-05").sessions.astype(str).tolist() == ["2024-02-05"]
    for day in ("2024-02-10", "2024-02-11", "1890-01-06", "2200-01-06"):
        with pytest.raises(DataError, match="calendar: "):
            Calendar.exchange("XSHG", day, day)


def test_scores_at_a_date_that_was_not_scored_are_nan():
    values = np.zeros((2, 3, 1), dtype=np.float32)
    scores = Scores(DAYS[:2], ("A", "B", "C"), ("score",), ("return",), values, ("v1",), np.zeros(2, dtype=np.int64))
    assert scores.at(DAYS[1]).tolist() == [0, 0, 0]
    assert np.isnan(scores.at(DAYS[5])).all()
    assert len(scores.to_frame()) == 6
