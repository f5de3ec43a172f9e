"""A long table becomes a Panel: every check shows its message, every repair is counted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnstrategies.calendar import Calendar
from nnstrategies.errors import DataError
from nnstrategies.feeds.table import panel_from_table
from nnstrategies.panel import PRICE_FIELDS, Status

DAYS = pd.date_range("2020-01-06", periods=6, freq="D")  # Monday..Saturday
SYMBOLS = ("000001", "000002", "600000")


def rows(symbols: tuple[str, ...] = SYMBOLS, days: pd.DatetimeIndex = DAYS) -> pd.DataFrame:
    """A clean table: one row a symbol and day, all prices different."""
    table = pd.MultiIndex.from_product([symbols, days], names=["symbol", "date"]).to_frame(index=False)
    close = 10 + 0.1 * np.arange(len(table))
    return table.assign(
        open=close - 0.05, high=close + 0.2, low=close - 0.2, close=close, volume=1000 + np.arange(len(table)),
        adj_factor=1.0, paused=False,
    )  # fmt: skip


def load(table: pd.DataFrame, calendar: str | Calendar | None = None, strict: bool = False):
    return panel_from_table(table, calendar=calendar, name="mine", strict=strict)


def changed(row: int, **values: object) -> pd.DataFrame:
    table = rows()
    for column, value in values.items():
        if value is None or isinstance(value, str | bool):
            table[column] = table[column].astype(object)
        table.loc[row, column] = value
    return table


def test_a_clean_table_is_taken_unchanged_and_the_report_says_so() -> None:
    table = rows()
    panel, report = load(table)
    assert report.lines() == ["mine: no repairs, no cautions"]
    assert panel.symbols == SYMBOLS
    assert panel.shape == (6, 3)
    np.testing.assert_array_equal(panel["close"].T.ravel(), table["close"])
    assert (panel.status == Status.TRADING).all()


def test_float32_prices_stay_float32_and_large_volumes_stay_exact() -> None:
    table = rows().astype(dict.fromkeys(PRICE_FIELDS, np.float32))
    table.loc[0, "volume"] = 2**40 + 1
    panel, _ = load(table)
    assert panel["close"].dtype == np.float32
    assert panel["volume"][0, 0] == 2**40 + 1


def test_aliases_are_renamed_and_each_is_counted() -> None:
    names = {
        "date": "trade_date", "symbol": "Code", "volume": "vol", "adj_factor": "factor", "paused": "is_suspended",
    }  # fmt: skip
    table = rows().rename(columns=names).assign(total_turnover=5.0)
    panel, report = load(table)
    for alias, name in (*((alias, name) for name, alias in names.items()), ("total_turnover", "amount")):
        assert f"mine: repair: column {alias!r}: 18: renamed to {name!r}" in report.lines()
    assert panel["amount"][0, 0] == 5.0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (rows().assign(vol=1.0), "columns 'volume' and 'vol' both mean 'volume'"),
        (rows().rename(columns={"close": "clos"}), "column 'close' is missing .*did you mean 'clos'"),
        (rows().drop(columns="volume"), "column 'volume' is missing .*add it"),
        (rows().iloc[:0], "the table has no rows"),
        (rows().assign(symbol=1), "expected text, got 1 .int64.: leading zeros"),
        (changed(4, symbol=""), "symbol: empty in 1 rows, first row 4"),
        (rows().assign(date="06/01/2020"), "date: '06/01/2020' is no date; write the year first"),
        (rows().assign(date=rows()["date"].dt.tz_localize("UTC")), "expected dates without time zone"),
        (changed(3, date=pd.NaT), "date: empty in row 3"),
        (changed(7, close=-1.0), "close is not positive in 1 rows, first 000002 2020-01-07 .open 10.65,.* close -1"),
        (changed(7, low=0.0), "low is not positive in 1 rows, first 000002 2020-01-07"),
        (changed(7, high=10.0, low=10.9), "high is below low in 1 rows, first 000002 2020-01-07"),
        (changed(2, volume=-5), "volume is negative in 1 rows, first 000001 2020-01-08 .volume -5."),
        (changed(2, adj_factor=0.0), "adj_factor is not positive in 1 rows, first 000001 2020-01-08"),
        (changed(0, adj_factor=np.nan), "adj_factor is empty at the start of a listing in 1 rows, first 000001"),
        (changed(2, close=np.inf), "close: 1 infinite values"),
        (changed(2, close="n/a"), "close: expected numbers, got 'n/a' in row 2"),
        (rows().assign(paused="maybe"), "paused: expected True/False or 0/1, got 'maybe'"),
        (rows().assign(close=np.nan), "no symbol has a row with all of open, high, low and close"),
    ],
)
def test_what_cannot_be_mended_is_refused_with_object_and_place(table: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=f"^mine: {message}" if not message.startswith("expected") else message):
        load(table)


@pytest.mark.parametrize(
    ("table", "line"),
    [
        (rows().iloc[::-1], "repair: rows not in order of date: 15 (first: 000001 2020-01-07): sorted"),
        (
            pd.concat([rows(), rows().iloc[[7]]]),
            "repair: identical duplicate rows: 1 (first: 000002 2020-01-07): dropped",
        ),
        (
            rows().drop(index=8),
            "repair: sessions without a row inside a listing: 1 (first: 000002 2020-01-08): missing",
        ),
        (changed(8, open=np.nan), "repair: NaN prices inside a listing: 1 (first: 000002 2020-01-08): missing"),
        (
            changed(6, close=np.nan),
            "repair: rows without prices before or after a listing: 1 (first: 000002 2020-01-06)",
        ),
        (changed(8, close=11.5), "repair: close beyond high: 1 (first: 000002 2020-01-08): high moved to the close"),
        (changed(8, open=1.5), "repair: open beyond low: 1 (first: 000002 2020-01-08): low moved to the open"),
        (
            changed(8, adj_factor=np.nan),
            "repair: NaN in adj_factor: 1 (first: 000002 2020-01-08): last factor repeated",
        ),
        (changed(8, volume=np.nan), "repair: NaN in volume: 1 (first: 000002 2020-01-08): set to 0"),
        (changed(8, paused=True), "repair: suspended rows with volume: 1 (first: 000002 2020-01-08): volume set to 0"),
        (changed(8, paused=True), "repair: suspended rows with another close: 1 (first: 000002 2020-01-08)"),
        (
            changed(8, paused=True, adj_factor=2.0),
            "repair: suspended rows with another close (ex-dates in a suspension): 1 (first: 000002 2020-01-08)",
        ),
        (
            rows(("1", "600000")),
            "caution: symbols of 1 to 6 digits: leading zeros may be lost: 1 (first: 1): kept; if so, quote them or",
        ),
        (changed(8, paused=True, close=0.0), "repair: suspended rows with price 0: 1 (first: 000002 2020-01-08)"),
        (rows().assign(date=rows()["date"] + pd.Timedelta("15h")), "repair: time of day: 18 (first: 2020-01-06T15:00"),
        (rows().assign(name="x"), "repair: unknown column 'name': 18: dropped: it holds no numbers"),
        (rows().drop(columns="paused").assign(volume=0), "repair: rows with volume 0: 18 (first: 000001 2020-01-06)"),
        (changed(8, volume=0), "caution: rows with volume 0 that are not paused: 1 (first: 000002 2020-01-08): left"),
        (rows().assign(beta=3.0), "caution: unknown column 'beta': 18: kept as an extra field"),
        (rows().drop(columns="adj_factor"), "caution: column 'adj_factor' absent: 1: factor 1"),
        (rows().assign(limit_up=np.nan), "caution: NaN in limit_up: 18 (first: 000001 2020-01-06): kept"),
        (
            rows().drop(index=[11]),
            "caution: symbols whose rows end before the last session: 1 (first: 000002 2020-01-10)",
        ),
        (rows().assign(amount=rows()["volume"] * rows()["close"] * 100), "caution: unit of volume or amount: 1"),
        (
            pd.concat([rows(), rows(("7",)).assign(open=np.nan)]),
            "repair: symbols without any price: 1 (first: 7): dropped",
        ),
    ],
)
def test_every_repair_and_caution_is_counted_and_printed(table: pd.DataFrame, line: str) -> None:
    _, report = load(table)
    assert any(printed.startswith(f"mine: {line}") for printed in report.lines()), report.lines()


def test_strict_refuses_repairs_but_not_cautions() -> None:
    with pytest.raises(DataError, match=r"strict: .* got 1 kinds of repair(.|\n)*sessions without a row"):
        load(rows().drop(index=8), strict=True)
    _, report = load(rows().assign(beta=3.0), strict=True)
    assert len(report.cautions) == 1


def test_conflicting_duplicates_name_symbol_date_and_both_values() -> None:
    twice = pd.concat([rows(), changed(7, close=10.71).iloc[[7]]])
    with pytest.raises(DataError, match=r"conflicting rows for 000002 2020-01-07: close 10\.7 and 10\.71"):
        load(twice)


def test_dates_outside_the_exchange_calendar_are_refused() -> None:
    with pytest.raises(DataError, match="1 dates are no session of XSHG, first 2020-01-11"):
        load(rows(), "XSHG")
    with pytest.raises(DataError, match="2 dates are no session of the calendar given, first 2020-01-06, 2020-01-11"):
        load(rows(), Calendar(DAYS[1:5].to_numpy()))


def test_a_session_of_the_calendar_without_rows_is_missing_for_everyone() -> None:
    table = rows()
    panel, report = load(table[~table["date"].isin(DAYS[[2, 5]])], "XSHG")
    assert (panel.status[2] == Status.MISSING).all()
    assert any("caution: sessions of XSHG without any row: 1 (first: 2020-01-08)" in line for line in report.lines())


def test_listing_runs_from_the_first_priced_row_to_the_last_row() -> None:
    table = rows().drop(index=[6, 7, 16, 17])  # 000002 listed late, 600000 delisted early
    panel, _ = load(table)
    assert panel.status[:, 1].tolist() == [Status.UNLISTED] * 2 + [Status.TRADING] * 4
    assert panel.status[:, 2].tolist() == [Status.TRADING] * 4 + [Status.DELISTED] * 2
    for field in panel.field_names:
        assert np.isnan(panel[field][:2, 1]).all()
        assert np.isnan(panel[field][4:, 2]).all()


def test_suspended_and_missing_sessions_repeat_the_last_close_and_factor_with_volume_0() -> None:
    table = rows().assign(float_shares=7.0, amount=5.0, limit_up=99.0)
    table.loc[8, ["paused", "open", "adj_factor"]] = [True, np.nan, 3.0]
    table = table.drop(index=9)
    panel, _ = load(table)
    assert panel.status[1:5, 1].tolist() == [Status.TRADING, Status.PAUSED, Status.MISSING, Status.TRADING]
    for price in PRICE_FIELDS:
        assert (panel[price][2:4, 1] == panel["close"][1, 1]).all()
    for flow in ("volume", "amount"):
        assert (panel[flow][2:4, 1] == 0).all()
    assert panel["adj_factor"][:, 1].tolist() == [1.0] * 6
    assert panel["float_shares"][3, 1] == 7.0
    assert np.isnan(panel["limit_up"][3, 1])


def test_a_symbol_suspended_on_the_last_session_without_prices_is_still_listed() -> None:
    panel, _ = load(changed(11, paused=True, open=np.nan, high=np.nan, low=np.nan, close=np.nan, volume=0))
    assert panel.status[5, 1] == Status.PAUSED
    assert panel["close"][5, 1] == panel["close"][4, 1]


@pytest.mark.parametrize("text", ["%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%Y-%m-%d 00:00:00"])
def test_dates_may_be_text_or_numbers_written_year_first(text: str) -> None:
    expected = load(rows())[0].fingerprint
    written = rows()["date"].dt.strftime(text)
    assert load(rows().assign(date=written))[0].fingerprint == expected
    if text == "%Y%m%d":
        assert load(rows().assign(date=written.astype(int)))[0].fingerprint == expected


@given(order=st.permutations(range(18)), again=st.lists(st.integers(0, 17), max_size=6), category=st.booleans())
def test_any_order_and_duplication_of_rows_gives_the_same_panel(
    order: list[int], again: list[int], category: bool
) -> None:
    table = rows().assign(beta=np.arange(18.0), is_st=pd.array([0, 1, pd.NA] * 6, dtype="Int8"))
    shuffled = table.iloc[[*order, *again]]
    if category:
        shuffled = shuffled.astype({"symbol": "category"})
    panel, report = load(shuffled)
    assert panel.fingerprint == load(table)[0].fingerprint
    dropped = [problem.count for problem in report.repairs if problem.kind == "identical duplicate rows"]
    assert dropped == ([len(again)] if again else [])


def test_series_are_put_on_the_sessions_and_gaps_counted() -> None:
    values = pd.Series([1.0, 3.0], index=[DAYS[1], DAYS[3]])
    panel, report = panel_from_table(rows(), calendar=None, name="mine", series={"benchmark": values})
    np.testing.assert_array_equal(panel.series["benchmark"], [np.nan, 1, 1, 3, np.nan, np.nan])
    assert report.lines() == [
        "mine: caution: series benchmark: sessions before its first value: 1 (first: 2020-01-06): kept as NaN",
        "mine: caution: series benchmark: sessions after its last value: 2 (first: 2020-01-10): kept as NaN",
        "mine: repair: series benchmark: sessions without a value: 1 (first: 2020-01-08): last value repeated",
    ]


def test_events_of_symbols_without_prices_are_dropped_and_counted() -> None:
    table = pd.DataFrame({"symbol": ["000001", "999999"], "known_at": ["2020-01-07", "2020-01-07"], "member": True})
    panel, report = panel_from_table(rows(), calendar=None, name="mine", events={"membership": table})
    assert panel.members.sum() == 5
    assert report.lines() == [
        "mine: repair: events membership: rows of symbols without prices: 1 (first: 999999): dropped"
    ]


def test_symbols_that_are_not_all_digits_or_are_equally_long_are_no_caution() -> None:
    for symbols in (("000001", "600000"), ("1", "600000.SH"), ("A", "BRK")):
        assert load(rows(symbols))[1].lines() == ["mine: no repairs, no cautions"]


def test_events_none_of_whose_symbols_has_prices_are_refused() -> None:
    table = pd.DataFrame({"symbol": ["000001.SZ", "000002.SZ"], "known_at": "2020-01-07", "member": True})
    message = (
        "mine: events membership: none of its symbols has prices, first 000001.SZ, 000002.SZ;"
        " the prices have 000001, 000002, 600000: write the symbols in the same way"
    )
    with pytest.raises(DataError, match=message):
        panel_from_table(rows(), calendar=None, name="mine", events={"membership": table})
    panel, report = panel_from_table(rows(), calendar=None, name="mine", events={"membership": table.iloc[:0]})
    assert len(panel.events("membership")) == 0
    assert report.lines() == ["mine: no repairs, no cautions"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("n/a", "close: expected numbers, got 'n/a' in row 1"),
        (np.inf, "close: expected finite numbers, got inf in row 1"),
        (0.0, "close: expected values above 0, got 0 on 2020-01-07"),
        (-3.0, "close: expected values above 0, got -3 on 2020-01-07"),
    ],
)
def test_a_benchmark_of_text_infinity_or_not_above_0_is_refused(value: object, message: str) -> None:
    table = pd.DataFrame({"date": DAYS, "close": pd.Series([1.0, value, 3.0, 4.0, 5.0, 6.0], dtype=object)})
    with pytest.raises(DataError, match=f"^mine: series benchmark: {message}"):
        panel_from_table(rows(), calendar=None, name="mine", series={"benchmark": table})


def test_an_empty_benchmark_value_repeats_the_last_one_and_a_spread_may_be_negative() -> None:
    table = pd.DataFrame({"date": DAYS, "close": [1.0, np.nan, 3.0, 4.0, 5.0, 6.0]})
    spread = pd.Series(-1.0, index=DAYS)
    series = {"benchmark": table, "spread": spread}
    panel, report = panel_from_table(rows(), calendar=None, name="mine", series=series)
    assert panel.series["benchmark"].tolist() == [1.0, 1.0, 3.0, 4.0, 5.0, 6.0]
    assert report.lines() == [
        "mine: repair: series benchmark: sessions without a value: 1 (first: 2020-01-07): last value repeated"
    ]
