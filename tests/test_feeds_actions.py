"""Corporate actions against prices: adj_factor derived where it is absent, doubts said where it is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnstrategies.errors import DataError
from nnstrategies.feeds.checks import LoadReport
from nnstrategies.feeds.files import load_files
from nnstrategies.feeds.table import panel_from_table
from nnstrategies.panel import Panel

DAYS = pd.date_range("2020-01-06", periods=5, freq="D")
HEAD = "symbol,ex_date,cash,ratio"


def prices(**closes: list[float]) -> pd.DataFrame:
    """Bars at the close alone, one symbol each; no adj_factor. A negative close is a suspended row without a price."""
    frames = [pd.DataFrame({"date": DAYS[: len(c)], "symbol": s, "close": c}) for s, c in closes.items()]
    table = pd.concat(frames, ignore_index=True)
    paused = table["close"] < 0
    close = table["close"].where(~paused)
    return table.assign(open=close, high=close, low=close, close=close, volume=np.where(paused, 0, 9.0), paused=paused)


def action(symbol: str, day: int, **values: float) -> dict[str, Any]:
    ex_date = DAYS[0] + pd.Timedelta(days=day)
    return {"symbol": symbol, "ex_date": ex_date, "known_at": ex_date, "cash": 0.0, "ratio": 1.0} | values


def load(table: pd.DataFrame, *actions: dict[str, Any], strict: bool = False) -> tuple[Panel, LoadReport]:
    events = {"actions": pd.DataFrame(list(actions))}
    return panel_from_table(table, calendar=None, name="x", events=events, strict=strict)


def test_a_split_and_a_dividend_of_two_symbols_give_the_factor_that_keeps_adjusted_prices_still() -> None:
    panel, report = load(
        prices(A=[10, 10, 5, 5, 4.5], B=[20, 20, 20, 19, 19]), action("A", 2, ratio=2.0), action("A", 4, cash=0.5),
        action("B", 3, cash=1.0),
    )  # fmt: skip
    np.testing.assert_allclose(panel["adj_factor"][:, 0], [1, 1, 2, 2, 2 * 5 / 4.5])
    np.testing.assert_allclose(panel["adj_factor"][:, 1], [1, 1, 1, 20 / 19, 20 / 19])
    np.testing.assert_allclose(panel.adjusted("close"), np.tile([10.0, 20.0], (5, 1)))
    assert report.lines() == [
        "x: repair: column 'adj_factor' absent: 3 (first: A 2020-01-08):"
        " derived from the actions and the closes before their ex-dates"
    ]


def test_rights_and_several_rows_of_one_day_are_one_action() -> None:
    rows = (action("A", 2, cash=1.0), action("A", 2, ratio=1.5, rights=0.5, rights_price=4.0))
    panel, _ = load(prices(A=[10, 10, 5.5, 5.5, 5.5]), *rows)
    step = 10 * (1.5 + 0.5) / (10 - 1 + 0.5 * 4)  # the ex-rights price is 5.50
    np.testing.assert_allclose(panel["adj_factor"][:, 0], [1, 1, step, step, step])


def test_the_derived_factor_equals_a_given_one_also_through_a_suspension() -> None:
    """Two ex-dates in a suspension: the second starts from the price after the first; both count on resumption."""
    table = prices(A=[10, -1, -1, 4.5, 4.5], B=[20, 20, 19, 19, 19])
    actions = (action("A", 1, ratio=2.0), action("A", 2, cash=0.5), action("B", 2, cash=1.0))
    derived, _ = load(table, *actions)
    factor = np.array([1, 2, 20 / 9, 20 / 9, 20 / 9, 1, 1, 20 / 19, 20 / 19, 20 / 19])
    known, report = load(table.assign(adj_factor=factor), *actions)
    np.testing.assert_allclose(derived["adj_factor"], known["adj_factor"])
    np.testing.assert_allclose(derived["adj_factor"][:, 0], [1, 1, 1, 20 / 9, 20 / 9])
    assert report.lines() == ["x: no repairs, no cautions"]


def test_an_ex_date_that_is_no_session_counts_on_the_next_one_and_is_a_caution() -> None:
    table = prices(A=[10, 10, 10, 5, 5])
    panel, report = load(table[table["date"] != DAYS[2]], action("A", 2, ratio=2.0))
    np.testing.assert_allclose(panel["adj_factor"][:, 0], [1, 1, 2, 2])
    expected = "x: caution: events actions: ex_date is no session: 1 (first: A 2020-01-08): taken on the next session"
    assert expected in report.lines()


def test_actions_before_the_first_price_have_no_effect_and_are_a_caution() -> None:
    late = prices(A=[10] * 5, B=[10, 10, 10, 10, 10])
    late = late[~((late["symbol"] == "B") & (late["date"] < DAYS[2]))]
    panel, report = load(late, action("A", -300, cash=1.0), action("B", 2, cash=1.0), action("A", 900, cash=1.0))
    assert set(panel["adj_factor"][2:].ravel()) == {1.0}
    assert np.isnan(panel["adj_factor"][0, 1])
    assert report.lines() == [
        "x: caution: events actions: ex_date not after the first price: 2 (first: A 2019-03-12): without effect",
        "x: caution: column 'adj_factor' absent: 1: factor 1: no action lies within the prices",
    ]


def test_an_action_on_which_a_given_factor_does_not_jump_is_a_caution() -> None:
    table = prices(A=[10, 10, 5, 5, 5], B=[10, 10, 9, 9, 9]).assign(adj_factor=1.0)
    _, report = load(table, action("A", 2, ratio=2.0), action("B", 2, cash=1.0))
    assert report.lines() == [
        "x: caution: events actions: rows that disagree with the jump of adj_factor by more than 0.5 %: 2"
        " (first: A 2020-01-08: table says 2, factor says 1):"
        " kept: accounts follow the actions, features and labels the factor; correct one"
    ]
    _, report = load(prices(A=[10, 10, 9, 9, 9]).assign(adj_factor=[1, 1, 1.115, 1.115, 1.115]), action("A", 2, cash=1))
    assert report.lines() == ["x: no repairs, no cautions"]  # 1.1111 within 0.5 %


@pytest.mark.parametrize("cash", [10.0, 25.0])
def test_cash_of_the_close_before_or_more_is_refused(cash: float) -> None:
    message = (
        rf"x: events actions: A 2020-01-08: cash: expected less than the close before, 10, got {cash:g}; correct it"
    )
    for table in (prices(A=[10, 10, 5, 5, 5]), prices(A=[10, 10, 5, 5, 5]).assign(adj_factor=1.0)):
        with pytest.raises(DataError, match=message):
            load(table, action("A", 2, cash=cash))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cash": -1.0}, "A 2020-01-08: expected cash, bonus and rights of 0 or more"),
        ({"ratio": 0.0}, "A 2020-01-08: ratio: expected shares after a share before, above 0"),
        ({"rights": 0.3}, "A 2020-01-08: rights without a rights_price"),
    ],
)
def test_what_an_account_could_not_book_is_refused_when_it_is_loaded(values: dict[str, float], message: str) -> None:
    with pytest.raises(DataError, match=f"x: events actions: {message}"):
        load(prices(A=[10, 10, 5, 5, 5]).assign(adj_factor=1.0), action("A", 2, **values))


def test_strict_refuses_a_derived_factor() -> None:
    with pytest.raises(DataError, match="column 'adj_factor' absent: 1"):
        load(prices(A=[10, 10, 5, 5, 5]), action("A", 2, ratio=2.0), strict=True)


parts = st.fixed_dictionaries(
    {
        "cash": st.sampled_from([0.0, 0.05, 0.5]),
        "ratio": st.sampled_from([0.2, 1.0, 1.3, 2.0, 5.0]),
        "rights": st.sampled_from([0.0, 0.3]),
        "rights_price": st.just(1.0),
    }
)


@given(
    days=st.lists(st.integers(1, 4), min_size=1, max_size=4, unique=True), own=st.lists(parts, min_size=4, max_size=4)
)
def test_prices_that_move_by_their_actions_alone_have_one_adjusted_price(
    days: list[int], own: list[dict[str, float]]
) -> None:
    close, actions = [100.0], []
    for day in range(1, 5):
        price = close[-1]
        if day in days:
            part = own[day - 1]
            actions.append(action("A", day, **part))
            worth = price - part["cash"] + part["rights"] * part["rights_price"]
            price = worth / (part["ratio"] + part["rights"])
        close.append(price)
    panel, _ = load(prices(A=close), *actions)
    np.testing.assert_allclose(panel.adjusted("close"), 100.0)
    table = prices(A=close).assign(adj_factor=panel["adj_factor"][:, 0])
    assert load(table, *actions)[1].lines() == ["x: no repairs, no cautions"]


# -- the files --------------------------------------------------------------------------------------------------------


def write(folder: Path, side: str) -> dict[str, Path]:
    prices(NA=[10.0] * 5).assign(adj_factor=1.0).to_csv(folder / "bars.csv", index=False)
    (folder / "side.csv").write_text(side)
    return {"path": folder / "bars.csv", "side": folder / "side.csv"}


def test_a_reverse_split_is_taken(tmp_path: Path) -> None:
    prices(NA=[2, 2, 10, 10, 10]).to_csv(tmp_path / "bars.csv", index=False)
    for side in (f"{HEAD}\nNA,2020-01-08,,0.2\n", f"{HEAD},bonus\nNA,2020-01-08,,0.2,\n"):
        (tmp_path / "side.csv").write_text(side)
        panel, _ = load_files(tmp_path / "bars.csv", actions=tmp_path / "side.csv")
        np.testing.assert_allclose(panel["adj_factor"][:, 0], [1, 1, 0.2, 0.2, 0.2])
    (tmp_path / "side.csv").write_text(f"{HEAD},bonus\nNA,2020-01-08,,0.2,0.1\n")
    with pytest.raises(DataError, match=r"bonus: expected at most ratio - 1.*got 0\.1"):
        load_files(tmp_path / "bars.csv", actions=tmp_path / "side.csv")


@pytest.mark.parametrize(
    ("side", "content", "message"),
    [
        ("delistings", "symbol,last_day,kind,payout\n", "column 'payout' is unknown; did you mean 'price'? Rename it"),
        ("delistings", "symbol,last_day,kind,Price\n", "column 'Price' is unknown; did you mean 'price'? Rename it"),
        ("actions", f"{HEAD},rigths\n", "column 'rigths' is unknown; did you mean 'rights'? Rename it"),
        (
            "actions",
            f"{HEAD},xyz\n",
            "column 'xyz' is unknown; known are symbol, ex_date, cash, ratio, bonus, rights, rights_price, known_at;"
            " rename or remove it",
        ),
        ("listings", "symbol,listed,ipo_price\n", "column 'ipo_price' is unknown; did you mean 'issue_price'?"),
        (
            "actions",
            "symbol,ex_date,csh,ratio\n",
            "column 'cash' is missing; expected symbol, ex_date, cash, ratio, got symbol, ex_date, csh, ratio;"
            " did you mean 'csh'? Rename it",
        ),
        (
            "delistings",
            "symbol,date,kind,price\n",
            "column 'last_day' is missing; expected symbol, last_day, kind, got symbol, date, kind, price;"
            " did you mean 'date'? Rename it",
        ),
        (
            "listings",
            "symbol,issue_price\n",
            "column 'listed' is missing; expected symbol, listed, got symbol, issue_price; add it",
        ),
    ],
)
def test_a_misspelt_column_is_refused_with_what_was_probably_meant(
    tmp_path: Path, side: str, content: str, message: str
) -> None:
    given = write(tmp_path, content)
    with pytest.raises(DataError) as refused:
        load_files(given["path"], **{side: given["side"]})
    assert str(refused.value).startswith(f"{given['side']}: {message}")


def test_a_merger_without_a_price_is_a_caution_and_a_delisting_is_not(tmp_path: Path) -> None:
    expected = [
        "bars: caution: events delistings: mergers without a price: 1 (first: NA 2020-01-10):"
        " kept: holders are paid nothing; fill in what a share was worth"
    ]
    for content, lines in (
        ("symbol,last_day,kind\nNA,2020-01-10,merger\n", expected),
        ("symbol,last_day,kind,price\nNA,2020-01-10,merger,\n", expected),
        ("symbol,last_day,kind,price\nNA,2020-01-10,merger,3\n", ["bars: no repairs, no cautions"]),
        ("symbol,last_day,kind\nNA,2020-01-10,delisting\n", ["bars: no repairs, no cautions"]),
    ):
        given = write(tmp_path, content)
        assert load_files(given["path"], delistings=given["side"])[1].lines() == lines
