"""Corporate actions and delistings as a panel tells them: which row, which terms, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from nnstrategies.actions import Action, actions_by_row, reference
from nnstrategies.brokers.delistings import Delisting, delistings_by_row
from nnstrategies.errors import DataError
from nnstrategies.panel import Panel, Status
from nnstrategies.typing import AnyArray

DAYS = pd.bdate_range("2020-01-02", periods=8)  # 2 and 3, 6 to 10, 13 January


def made(
    close: AnyArray, status: AnyArray | None = None, factor: AnyArray | None = None, **events: pd.DataFrame
) -> Panel:
    close = np.asarray(close, dtype=np.float64)
    fields = {"close": close} if factor is None else {"close": close, "adj_factor": np.asarray(factor)}
    state = np.full(close.shape, Status.TRADING) if status is None else status
    symbols = [f"S{n:02d}" for n in range(close.shape[1])]
    days = DAYS[: len(close)].to_numpy().astype("datetime64[D]")
    return Panel(days, symbols, fields, state, {}, events, "hand-made")


def actions(*rows: dict[str, object]) -> pd.DataFrame:
    known = pd.Timestamp("2019-12-01")
    table = pd.DataFrame([{"symbol": "S00", "known_at": known, "cash": 0.0, "ratio": 1.0, **row} for row in rows])
    return table.assign(ex_date=pd.to_datetime(table["ex_date"]))


def delistings(*rows: dict[str, object]) -> pd.DataFrame:
    known = pd.Timestamp("2019-12-01")
    return pd.DataFrame([{"symbol": "S00", "known_at": known, "kind": "delisting", "price": None, **r} for r in rows])


FLAT = np.full((8, 1), 10.0)


def test_every_term_is_read_and_empty_cells_mean_none():
    table = actions(
        {"ex_date": "2020-01-06", "cash": 0.5, "ratio": 1.5, "bonus": 0.2, "rights": 0.3, "rights_price": 6.0},
        {"ex_date": "2020-01-08", "cash": None, "ratio": 2.0},
    )
    assert actions_by_row(made(FLAT, actions=table)) == {
        2: [Action(0, 0.5, 1.5, False, 0.2, 0.3, 6.0)],
        4: [Action(0, 0.0, 2.0, False)],
    }


def test_an_ex_date_without_a_session_counts_on_the_next_and_outside_the_panel_not_at_all():
    table = actions(
        {"ex_date": "2020-01-01", "cash": 0.1},  # before the panel
        {"ex_date": "2020-01-02", "cash": 0.2},  # its first session
        {"ex_date": "2020-01-04", "cash": 0.3},  # a Saturday
        {"ex_date": "2020-02-04", "cash": 0.4},  # after the panel
    )
    found = actions_by_row(made(FLAT, actions=table))
    assert {row: entries[0].cash for row, entries in found.items()} == {0: 0.2, 2: 0.3}


def test_rows_of_one_ex_date_are_one_action_because_each_speaks_of_the_shares_before():
    table = actions(
        {"ex_date": "2020-01-06", "ratio": 1.2, "bonus": 0.2},
        {"ex_date": "2020-01-06", "cash": 0.5},
        {"ex_date": "2020-01-06", "rights": 0.1, "rights_price": 4.0},
        {"ex_date": "2020-01-06", "rights": 0.3, "rights_price": 8.0},
    )
    ((action,),) = actions_by_row(made(FLAT, actions=table)).values()
    assert action == pytest.approx((0, 0.5, 1.2, False, 0.2, 0.4, 7.0))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"cash": -0.1}, "S00 2020-01-06: expected cash, bonus and rights of 0 or more"),
        ({"cash": math.inf}, "S00 2020-01-06: expected finite numbers"),
        ({"ratio": 0.0}, "S00 2020-01-06: ratio: expected shares after a share before, above 0"),
        ({"ratio": 1.2, "bonus": 0.3}, "S00 2020-01-06: bonus: more than ratio - 1"),
        ({"rights": 0.3}, "S00 2020-01-06: rights without a rights_price"),
        ({"ex_date": None, "cash": 0.1}, "S00: ex_date is empty"),
        ({"ratio": "3:2"}, "hand-made: events actions: ratio: expected numbers"),
    ],
)
def test_terms_that_cannot_be_are_refused_by_symbol_and_date(row, message):
    with pytest.raises(DataError, match=message):
        actions_by_row(made(FLAT, actions=actions({"ex_date": "2020-01-06", **row})))


def test_the_same_row_twice_is_refused_rather_than_paid_twice():
    row = {"ex_date": "2020-01-06", "cash": 0.5}
    with pytest.raises(DataError, match="S00 2020-01-06: the same row twice"):
        actions_by_row(made(FLAT, actions=actions(row, row)))


def test_the_reference_price_takes_cash_out_and_rights_in():
    assert reference(Action(0, 0.5, 1.5, False), 10.0) == pytest.approx(9.5 / 1.5)
    assert reference(Action(0, 0.0, 1.0, False, rights=0.3, rights_price=5.0), 10.0) == pytest.approx(11.5 / 1.3)
    assert math.isnan(reference(Action(0, 0.5, 1.0, False), math.nan))


def test_a_falling_factor_is_a_reverse_split_and_noise_is_nothing():
    factor = np.array([1.0, 1.0 + 3e-6, 1.0, 0.1, 0.1, 0.1, 0.1, 0.1])[:, None]
    found = actions_by_row(made(10.0 / factor, factor=factor))
    assert {row: entries[0][1:4] for row, entries in found.items()} == {3: (0.0, pytest.approx(0.1), True)}


def test_noise_in_the_factor_adds_up_to_an_action_rather_than_getting_lost():
    factor = 1.0 + 4e-6 * np.arange(8)[:, None]
    found = actions_by_row(made(FLAT, factor=factor))
    assert list(found) == [3, 6]
    assert sum(entries[0].cash for entries in found.values()) == pytest.approx(10.0 * 24e-6, rel=1e-3)


def test_the_second_ex_date_of_a_suspension_is_reckoned_from_the_first_ones_reference():
    status = np.full((8, 1), Status.TRADING)
    status[2:6] = Status.PAUSED  # the close repeats 10.00
    factor = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.1, 2.1, 2.1])[:, None]
    found = actions_by_row(made(np.full((8, 1), 10.0), status, factor))
    split, dividend = found[3][0], found[5][0]
    assert (split.cash, split.ratio) == (0.0, 2.0)
    assert dividend.cash == pytest.approx(5.0 - 5.0 / 1.05)
    growth = 10.0 / (reference(dividend, reference(split, 10.0)))
    assert growth == pytest.approx(2.1)


def test_a_table_says_when_and_at_what_price_holders_leave():
    gone = np.full((8, 3), Status.TRADING)
    gone[4:] = Status.DELISTED
    table = delistings(
        {"symbol": "S00", "last_day": "2020-01-07", "kind": "merger", "price": 12.5},
        {"symbol": "S01", "last_day": "2020-01-07"},  # no price: worthless
        {"symbol": "S02", "last_day": "2020-01-07", "price": 3.0, "known_at": pd.Timestamp("2020-01-10")},
    )
    found = delistings_by_row(made(np.full((8, 3), 10.0), gone, delistings=table))
    assert found == {
        4: [Delisting(0, 12.5, "merger", assumed=False), Delisting(1, 0.0, "delisting", assumed=False)],
        6: [Delisting(2, 3.0, "delisting", assumed=False)],  # nobody knew the payout before
    }


def test_without_a_table_a_delisted_symbol_leaves_at_its_last_traded_close_and_that_is_marked():
    status = np.full((8, 2), Status.TRADING)
    status[3:5, 0] = Status.PAUSED
    status[5:, 0] = Status.DELISTED
    close = np.array([10.0, 11.0, 12.0, 12.0, 12.0, np.nan, np.nan, np.nan])
    panel = made(np.column_stack([close, close]), status)
    assert delistings_by_row(panel) == {5: [Delisting(0, 12.0, "delisting", assumed=True)]}


def test_the_assumed_price_follows_a_split_during_the_last_suspension():
    status = np.full((8, 1), Status.TRADING)
    status[3:5] = Status.PAUSED
    status[5:] = Status.DELISTED
    close = np.array([10.0, 11.0, 12.0, 12.0, 12.0, np.nan, np.nan, np.nan])[:, None]
    table = actions({"ex_date": str(DAYS[4].date()), "ratio": 2.0})
    assert delistings_by_row(made(close, status, actions=table))[5][0].price == 6.0


def test_a_last_day_beyond_the_panel_lets_holders_stay():
    status = np.full((8, 1), Status.TRADING)
    status[6:] = Status.DELISTED
    table = delistings({"last_day": "2020-03-02", "price": 1.0})
    assert delistings_by_row(made(FLAT, status, delistings=table)) == {}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"last_day": "2020-01-13", "kind": "bankrupt"}], "S00: kind: expected delisting or merger, got 'bankrupt'"),
        ([{"last_day": "2020-01-13", "price": -1.0}], "S00: price: expected 0 or more per share"),
        ([{"last_day": None}], "S00: last_day is empty"),
        ([{"last_day": "2020-01-13"}] * 2, "S00: expected one row a symbol"),
        (
            [{"last_day": "2020-01-03"}],
            "last_day: expected the last trading day, got 2020-01-03, but it trades on 2020-01-13",
        ),
    ],
)
def test_a_delistings_table_that_cannot_be_is_refused(rows, message):
    with pytest.raises(DataError, match=message):
        delistings_by_row(made(FLAT, delistings=delistings(*rows)))


@pytest.mark.parametrize("name", ["actions", "delistings"])
def test_a_missing_column_is_named(name):
    table = pd.DataFrame({"symbol": ["S00"], "known_at": [pd.Timestamp("2020-01-01")]})
    panel = made(FLAT, **{name: table})
    with pytest.raises(DataError, match=f"events {name}: column '(ex_date|last_day)' is missing"):
        actions_by_row(panel) if name == "actions" else delistings_by_row(panel)
