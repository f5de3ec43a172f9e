"""Tables of the Chinese market that cannot be used are refused by table, column and value, whatever is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from nnstrategies.errors import DataError, MissingTableError
from nnstrategies.features import feature_set, left_out
from nnstrategies.feeds.china import load_china
from nnstrategies.feeds.china_index import load_china_index
from nnstrategies.feeds.read_file import read_table
from tests.china_tables import write_china_tables

SPAN = ("2019-01-02", "2019-03-29")
Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_china_tables(tmp_path, *SPAN)


def load(folder: Path, **options: object):
    return load_china(folder, *SPAN, delisted=False, basics=True, **options)


def test_the_tables_of_these_tests_load(folder: Path) -> None:
    panel, report = load(folder)
    assert panel.shape == (58, 5)
    assert panel.members.all()
    assert not report.repairs
    assert load_china_index(folder, *SPAN)[0].shape == (58, 1)


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        ("cn_daily", lambda t: t.assign(date=t["date"].astype(str)), "column 'date': expected dates .* got .*string"),
        ("cn_index", lambda t: t.assign(date=20190102), "column 'date': expected dates .* got int64"),
        (
            "cn_basics",
            lambda t: t.assign(date=pd.to_datetime(t["date"]).dt.tz_localize("UTC")),
            "column 'date': expected dates without time zone, got timestamp.*UTC",
        ),
        ("cn_daily", lambda t: t.assign(symbol=1), "column 'symbol': expected text, got int64; write it as 000538.SZ"),
        ("cn_index", lambda t: t.assign(symbol=300), "column 'symbol': expected text, got int64"),
        ("cn_membership", lambda t: t.assign(symbol=1), "column 'symbol': expected text, got int64"),
        ("cn_membership", lambda t: t.assign(symbol=["A", None, "B", "C", "D"]), "symbol: empty in 1 rows"),
        ("cn_daily", lambda t: t.assign(date=t["date"].where(t.index != 7)), "date: empty in 1 rows; fill them in"),
        ("cn_basics", lambda t: t.assign(date=t["date"].where(t.index > 2)), "date: empty in 3 rows; fill them in"),
        (
            "cn_membership",
            lambda t: t.assign(start=3.5),
            "column 'start': expected dates without time zone, got double",
        ),
        ("cn_basics", lambda t: t.assign(amount="many"), "column 'amount': expected numbers, got .*string; convert it"),
        ("cn_daily", lambda t: t.assign(close="12"), "column 'close': expected numbers, got .*string; convert it"),
        (
            "cn_basics",
            lambda t: pd.concat([t, t.tail(1)]),
            r"601318\.SH 2019-03-29: expected one row, got another \(1 such rows\); keep the right one",
        ),
        (
            "cn_daily",
            lambda t: t.drop(columns=["open", "is_st"]),
            "no column open, is_st; expected date, .* got date, symbol, .*; add what is missing: without it there are",
        ),
    ],
)
def test_a_column_that_cannot_be_used_is_named(table: str, change: Change, said: str, folder: Path) -> None:
    path = folder / f"{table}.parquet"
    change(pd.read_parquet(path)).to_parquet(path)
    with pytest.raises(DataError, match=rf"{table}\.parquet: {said}"):
        load(folder)


@pytest.mark.parametrize("table", ["cn_daily", "cn_index", "cn_membership", "cn_basics"])
@pytest.mark.parametrize("content", [b"", b"date,symbol,close\n2019-01-02,000538.SZ,1\n", None])
def test_a_file_that_is_no_whole_parquet_file_is_named(table: str, content: bytes | None, folder: Path) -> None:
    path = folder / f"{table}.parquet"
    path.write_bytes(path.read_bytes()[:900] if content is None else content)
    with pytest.raises(DataError, match=rf"{table}\.parquet: cannot be read as Parquet \(.*write or copy it again"):
        load(folder)
    with pytest.raises(DataError, match=rf"{table}\.parquet: cannot be read as parquet"):
        read_table(path, "date, close")


def test_a_damaged_middle_is_no_traceback_either(folder: Path) -> None:
    path = folder / "cn_index.parquet"
    whole = bytearray(path.read_bytes())
    whole[4:400] = b"\xff" * 396
    path.write_bytes(bytes(whole))
    with pytest.raises(DataError, match=r"cn_index\.parquet: cannot be read as Parquet"):
        load(folder)


@pytest.mark.parametrize(
    ("symbols", "said"),
    [
        (["999999.SZ"], r"data\.symbols: 999999\.SZ not in the table; symbols are written like 000538\.SZ"),
        (["000538.SZ", "600000"], r"data\.symbols: 600000 not in the table; did you mean 600000\.SH\?"),
    ],
)
def test_chosen_symbols_that_the_table_does_not_have_are_named(symbols: list[str], said: str, folder: Path) -> None:
    with pytest.raises(DataError, match=said):
        load(folder, symbols=symbols)


def test_chosen_symbols_without_prices_in_the_span_are_named_with_their_own(folder: Path) -> None:
    path = folder / "cn_daily.parquet"
    table = pd.read_parquet(path)
    table[(table["symbol"] != "000538.SZ") | (table["date"] < pd.Timestamp("2019-02-01").date())].to_parquet(path)
    said = r"no prices of 000538\.SZ within 2019-03-01\.\.2019-03-29, of 000538\.SZ from 2019-01-02 to 2019-01-31"
    for symbols in (["000538.SZ"], ["000538.SZ", "600000.SH"]):
        with pytest.raises(DataError, match=said):
            load_china(folder, "2019-03-01", "2019-03-29", symbols=symbols, delisted=False)


def test_a_row_on_a_day_without_a_session_names_a_mend_that_exists(folder: Path) -> None:
    path = folder / "cn_daily.parquet"
    table = pd.read_parquet(path)
    pd.concat([table, table.tail(1).assign(date=pd.Timestamp("2019-02-02").date())]).to_parquet(path)
    with pytest.raises(
        DataError, match=r"1 dates are no session of XSHG, first 2019-02-02; remove those rows, or take"
    ):
        load(folder)


def test_features_of_the_turnover_say_how_the_tables_give_it(folder: Path) -> None:
    panel, _ = load_china(folder, *SPAN, delisted=False)
    assert left_out("s5", panel)[0].endswith("add the column amount; of the Chinese tables with data.basics: true.")
    with pytest.raises(MissingTableError, match=r"level_amount: .*of the Chinese tables with data\.basics: true"):
        feature_set(["level_amount"], panel)
    assert not left_out("s5", load(folder)[0])


def test_an_index_without_bars_says_who_needs_them(folder: Path) -> None:
    path = folder / "cn_index.parquet"
    pd.read_parquet(path)[["date", "symbol", "close"]].to_parquet(path)
    load(folder)
    with pytest.raises(DataError, match=r"no column open, high, low, volume; .*subject: benchmark, as S1 has"):
        load_china_index(folder, *SPAN)
