"""Parquet and CSV, one file or one a symbol, with side tables, give the same panel and name the file that is wrong."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnstrategies.actions import Action, actions_by_row
from nnstrategies.brokers.delistings import Delisting, delistings_by_row
from nnstrategies.errors import DataError, MissingTableError
from nnstrategies.feeds.files import load_files
from nnstrategies.feeds.table import panel_from_table
from nnstrategies.market.read import read_book
from nnstrategies.market.rules import MarketRules

DAYS = pd.date_range("2020-01-06", periods=5, freq="D")


def rows() -> pd.DataFrame:
    table = pd.MultiIndex.from_product([("000001", "NA"), DAYS], names=["symbol", "date"]).to_frame(index=False)
    close = 10 + 0.25 * np.arange(len(table))
    bars = table.assign(open=close, high=close + 1, low=close - 1, close=close, volume=1000 + np.arange(len(table)))
    return bars.assign(adj_factor=1.0, paused=False)


def fingerprint(table: pd.DataFrame | None = None) -> str:
    return panel_from_table(rows() if table is None else table, calendar=None, name="x")[0].fingerprint


def test_csv_and_parquet_round_trip_to_the_same_panel_with_symbols_as_text(tmp_path: Path) -> None:
    rows().to_csv(tmp_path / "bars.csv", index=False)
    rows().to_csv(tmp_path / "bom.csv", index=False, encoding="utf-8-sig")
    rows().to_parquet(tmp_path / "bars.parquet")
    for file in ("bars.csv", "bom.csv", "bars.parquet"):
        panel, report = load_files(tmp_path / file)
        assert panel.fingerprint == fingerprint()
        assert panel.symbols == ("000001", "NA")
        assert report.lines() == [f"{Path(file).stem}: no repairs, no cautions"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_folder_or_pattern_of_one_file_a_symbol_takes_symbols_from_file_names(tmp_path: Path, kind: str) -> None:
    for symbol, table in rows().groupby("symbol"):
        bare = table.drop(columns="symbol")
        file = tmp_path / f"{symbol}.{kind}"
        if kind == "csv":
            bare.to_csv(file, index=False)
        else:
            bare.to_parquet(file)
    (tmp_path / "notes.txt").write_text("not a table")
    for path in (tmp_path, tmp_path / f"*.{kind}"):
        panel, report = load_files(path, name="mine")
        assert panel.fingerprint == fingerprint()
        assert report.lines() == [
            "mine: caution: files without a column of symbols: 2 (first: 000001): file name taken"
        ]


def test_start_and_end_are_included(tmp_path: Path) -> None:
    rows().to_parquet(tmp_path / "bars.parquet")
    panel, _ = load_files(tmp_path / "bars.parquet", start="2020-01-07", end="2020-01-09")
    assert panel.sessions.tolist() == [day.date() for day in DAYS[1:4]]
    with pytest.raises(DataError, match=r"no rows within 2021-01-01\.\.None; the table spans 2020-01-06\.\.2020-01-10"):
        load_files(tmp_path / "bars.parquet", start="2021-01-01")


def test_side_tables_in_the_same_folder_become_series_and_events(tmp_path: Path) -> None:
    rows().to_csv(tmp_path / "bars.csv", index=False)
    (tmp_path / "index.csv").write_text("trade_date,close\n" + "".join(f"{day:%Y%m%d},{3000}\n" for day in DAYS))
    (tmp_path / "members.csv").write_text("code,start,end\n000001,2020-01-01,2020-01-08\nNA,2020-01-08,\n")
    (tmp_path / "actions.csv").write_text("symbol,ex_date,cash,ratio\nNA,2020-01-08,0.1,1\n")
    (tmp_path / "items.csv").write_text("symbol,ann_date,period_end,roe\n000001,2020-01-07,2019-12-31,0.1\n")
    panel, _ = load_files(
        tmp_path,
        benchmark=tmp_path / "index.csv",
        membership=tmp_path / "members.csv",
        actions=tmp_path / "actions.csv",
        fundamentals=tmp_path / "items.csv",
    )
    assert panel.series["benchmark"].tolist() == [3000.0] * 5
    assert panel.members.T.tolist() == [[True, True, False, False, False], [False, False, True, True, True]]
    assert panel.events("actions").loc[0, "known_at"] == pd.Timestamp("2020-01-08")
    assert panel.events("fundamentals").loc[0, "known_at"] == pd.Timestamp("2020-01-07")


def test_membership_may_be_given_as_events(tmp_path: Path) -> None:
    rows().to_csv(tmp_path / "bars.csv", index=False)
    (tmp_path / "m.csv").write_text("symbol,known_at,member\nNA,2020-01-07,True\nNA,2020-01-09,False\n")
    panel, _ = load_files(tmp_path / "bars.csv", membership=tmp_path / "m.csv")
    assert panel.members[:, 1].tolist() == [False, True, True, False, False]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"date,symbol\n2020-01-06,\xd6\xd0\n", "bad.csv: not UTF-8 .*gb18030"),
        (b"", "bad.csv: cannot be read as csv: No columns"),
        (b"date,close\n2020-01-06,1\n2020-01-07,1,2,3\n", "bad.csv: cannot be read as csv: .*Expected 2 fields"),
        (b"date,close\n2020-13-06,1\n", "bad.csv: date: '2020-13-06' is no date"),
        (b"date;close\n2020-01-06;1,5\n", 'bad.csv: one column only: is the separator ";". Save the file with commas'),
        (b"date\tclose\n2020-01-06\t1\n", "bad.csv: one column only: is the separator a tab. Save the file with"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "bad.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_files(tmp_path)


def test_a_broken_parquet_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match=r"bad\.parquet: cannot be read as parquet"):
        load_files(tmp_path)


def test_a_missing_table_says_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(
        MissingTableError, match=r"prices: table not found; put it there with columns date, symbol, open"
    ):
        load_files(tmp_path / "prices")
    rows().to_csv(tmp_path / "bars.csv", index=False)
    with pytest.raises(MissingTableError, match=r"index\.csv: table not found; .* columns date, close; without it"):
        load_files(tmp_path / "bars.csv", benchmark=tmp_path / "index.csv")


@pytest.mark.parametrize("path", ["", " "])
def test_an_empty_path_is_refused_instead_of_reading_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    rows().to_csv(tmp_path / "bars.csv", index=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="prices: expected a file, a folder or a pattern, got the empty path"):
        load_files(path)


def test_an_action_may_leave_cash_or_ratio_empty(tmp_path: Path) -> None:
    rows().to_csv(tmp_path / "bars.csv", index=False)
    (tmp_path / "side.csv").write_text("symbol,ex_date,cash,ratio\nNA,2020-01-07,,2\nNA,2020-01-08,0.1,\n")
    panel, _ = load_files(tmp_path / "bars.csv", actions=tmp_path / "side.csv")
    assert np.isnan(panel.events("actions").loc[0, "cash"])
    assert np.isnan(panel.events("actions").loc[1, "ratio"])


def test_bonus_and_rights_reach_the_event_table_and_stay_out_when_the_file_has_none(tmp_path: Path) -> None:
    rows().to_csv(tmp_path / "bars.csv", index=False)
    head = "symbol,ex_date,cash,ratio,bonus,rights,rights_price\n"
    (tmp_path / "side.csv").write_text(head + "NA,2020-01-07,0.1,1.3,0.3,,\n000001,2020-01-08,,,,0.2,5.5\n")
    table = load_files(tmp_path / "bars.csv", actions=tmp_path / "side.csv")[0].events("actions")
    assert table.columns.tolist() == [
        "symbol",
        "known_at",
        "ex_date",
        "cash",
        "ratio",
        "bonus",
        "rights",
        "rights_price",
    ]
    assert (table.loc[0, "bonus"], table.loc[1, "rights"], table.loc[1, "rights_price"]) == (0.3, 0.2, 5.5)
    (tmp_path / "side.csv").write_text("symbol,ex_date,cash,ratio\nNA,2020-01-07,0.1,1\n")
    table = load_files(tmp_path / "bars.csv", actions=tmp_path / "side.csv")[0].events("actions")
    assert table.columns.tolist() == ["symbol", "known_at", "ex_date", "cash", "ratio"]


def test_the_broker_reads_what_the_files_say(tmp_path: Path) -> None:
    """Bonus, rights, payout and an empty payout, through the panel to the broker's own readers."""
    table = rows()
    table[~((table["symbol"] == "NA") & (table["date"] > DAYS[3]))].to_csv(tmp_path / "bars.csv", index=False)
    head = "symbol,ex_date,cash,ratio,bonus,rights,rights_price\n"
    (tmp_path / "actions.csv").write_text(head + "000001,2020-01-08,0.1,1.5,0.2,0.3,4\n")
    (tmp_path / "gone.csv").write_text("symbol,last_day,kind,price\nNA,2020-01-09,merger,9.5\n")
    panel, _ = load_files(tmp_path, actions=tmp_path / "actions.csv", delistings=tmp_path / "gone.csv")
    assert actions_by_row(panel) == {2: [Action(0, 0.1, 1.5, False, 0.2, 0.3, 4.0)]}
    assert delistings_by_row(panel) == {4: [Delisting(1, 9.5, "merger", assumed=False)]}
    (tmp_path / "gone.csv").write_text("symbol,last_day,kind\nNA,2020-01-09,delisting\n")
    panel, _ = load_files(tmp_path, actions=tmp_path / "actions.csv", delistings=tmp_path / "gone.csv")
    assert delistings_by_row(panel) == {4: [Delisting(1, 0.0, "delisting", assumed=False)]}


def test_a_payout_that_is_known_later_is_booked_later(tmp_path: Path) -> None:
    table = rows()
    table[~((table["symbol"] == "NA") & (table["date"] > DAYS[1]))].to_csv(tmp_path / "bars.csv", index=False)
    (tmp_path / "gone.csv").write_text("symbol,last_day,known_at,kind,price\nNA,2020-01-07,2020-01-10,delisting,1\n")
    panel, _ = load_files(tmp_path, delistings=tmp_path / "gone.csv", name="x")
    assert list(delistings_by_row(panel)) == [4]
    assert panel.upto(3).events("delistings").empty


def test_listings_tell_the_rules_the_listing_day_and_the_issue_price(tmp_path: Path) -> None:
    table = rows().replace({"symbol": {"000001": "600000.SH", "NA": "600001.SH"}})
    late = (table["symbol"] == "600001.SH") & (table["date"] < DAYS[2])
    table[~late].to_csv(tmp_path / "bars.csv", index=False)
    (tmp_path / "new.csv").write_text(
        "symbol,listed,issue_price\n600001.SH,2020-01-08,7.5\n600000.SH,2019-12-02,\n300750.SZ,2018-06-11,25.14\n"
    )
    panel, report = load_files(tmp_path, listings=tmp_path / "new.csv", name="x")
    table = panel.events("listings")
    assert table["known_at"].tolist() == table["listed"].tolist() == [pd.Timestamp("2019-12-02"), DAYS[2]]
    rules = MarketRules(read_book("cn_a"), panel)
    assert [rules.listings.day(column) for column in (0, 1)] == [date(2019, 12, 2), date(2020, 1, 8)]
    assert rules.base(2)[1] == 750
    assert rules.limits(2).up[1] == 1080  # 7.50 and 44 %
    assert "1 (first: 300750.SZ): dropped" in report.lines()[0]


def test_prices_that_begin_after_the_listing_day_are_a_caution(tmp_path: Path) -> None:
    table = rows()
    table[~((table["symbol"] == "NA") & (table["date"] < DAYS[2]))].to_csv(tmp_path / "bars.csv", index=False)
    (tmp_path / "new.csv").write_text("symbol,listed\nNA,2020-01-07\n000001,2001-01-02\n")
    _, report = load_files(tmp_path, listings=tmp_path / "new.csv", name="x")
    assert report.lines() == [
        "x: caution: events listings: prices begin after the listing day: 1 (first: NA 2020-01-08):"
        " kept: the rules of its first sessions are applied to the first prices there are"
    ]


def test_a_parquet_table_with_an_index_of_its_own_keeps_its_rows_together(tmp_path: Path) -> None:
    rows().to_csv(tmp_path / "bars.csv", index=False)
    table = pd.DataFrame(
        {"symbol": ["B", "NA"], "ex_date": ["2020-01-07"] * 2, "cash": [0.5, 0.25], "ratio": [1.0, 2.0]}
    )
    table[table["symbol"] == "NA"].to_parquet(tmp_path / "side.parquet")  # index 1
    found = load_files(tmp_path / "bars.csv", actions=tmp_path / "side.parquet")[0].events("actions")
    assert found[["symbol", "cash", "ratio"]].to_numpy().tolist() == [["NA", 0.25, 2.0]]


def test_a_csv_whose_symbols_lost_their_zeros_is_a_caution(tmp_path: Path) -> None:
    table = rows().replace({"symbol": {"000001": "1", "NA": "600000"}})
    table.to_csv(tmp_path / "bars.csv", index=False)
    _, report = load_files(tmp_path / "bars.csv")
    assert report.lines() == [
        "bars: caution: symbols of 1 to 6 digits: leading zeros may be lost: 1 (first: 1):"
        " kept; if so, quote them or store them as text (000001)"
    ]


@pytest.mark.parametrize(
    ("side", "content", "message"),
    [
        (
            "membership",
            "symbol,start,end\nNA,2020-01-06,2020-01-08\nNA,2020-01-07,\n",
            "NA: span 2020-01-07.. is empty or",
        ),
        ("membership", "symbol,since\nNA,2020-01-06\n", "column 'known_at' is missing"),
        ("membership", "symbol,known_at,member\nNA,2020-01-06,perhaps\n", "member: expected True/False or 0/1"),
        ("fundamentals", "symbol,period_end,roe\nNA,2019-12-31,1\n", "no disclosure date"),
        ("actions", "symbol,ex_date,cash\nNA,2020-01-07,1\n", "column 'ratio' is missing"),
        (
            "actions",
            "symbol,ex_date,cash,ratio\nNA,2020-01-07,x,1\n",
            "side.csv: cash: expected numbers, got 'x' in row 0",
        ),
        (
            "actions",
            "symbol,ex_date,cash,ratio\nNA,2020-01-07,1,10:3\n",
            "side.csv: ratio: expected numbers, got '10:3'",
        ),
        (
            "actions",
            "symbol,ex_date,cash,ratio\nNA,2020-01-07,-1,1\n",
            "side.csv: cash: expected 0 or more .*got -1 in row",
        ),
        (
            "actions",
            "symbol,ex_date,cash,ratio\nNA,2020-01-07,1,0\n",
            "side.csv: ratio: expected .*above 0, got 0 in row",
        ),
        ("actions", "symbol,ex_date,cash,ratio\nB,2020-01-07,1,1\n", "events actions: none of its symbols has prices"),
        ("actions", "symbol,cash,ratio\nNA,1,1\n", "side.csv: column 'ex_date' is missing"),
        (
            "actions",
            "symbol,ex_date,cash,ratio\nNA,,1,1\n",
            "ex_date: expected a date, got an empty cell for NA in row 0",
        ),
        (
            "actions",
            "symbol,ex_date,known_at,cash,ratio\nNA,2020-01-07,2020-01-08,1,1\n",
            "known_at: expected ex_date or earlier, got a later day for NA in row 0",
        ),
        (
            "actions",
            "symbol,ex_date,cash,ratio\nNA,2020-01-07,1,1\nNA,2020-01-07,1,1\n",
            "side.csv: NA 2020-01-07: expected one such row, got another; drop one, or add them up",
        ),
        (
            "actions",
            "symbol,ex_date,cash,ratio,bonus\nNA,2020-01-07,1,1.2,0.3\n",
            "bonus: expected at most ratio - 1.*got 0.3 in row 0",
        ),
        ("actions", "symbol,ex_date,cash,ratio,bonus\nNA,2020-01-07,1,,0.3\n", "bonus: expected at most ratio - 1"),
        ("actions", "symbol,ex_date,cash,ratio,bonus\nNA,2020-01-07,1,1,-1\n", "bonus: expected 0 or more shares"),
        ("actions", "symbol,ex_date,cash,ratio,rights\nNA,2020-01-07,1,1,-1\n", "rights: expected 0 or more shares"),
        (
            "actions",
            "symbol,ex_date,cash,ratio,rights\nNA,2020-01-07,1,1,0.3\n",
            "rights_price: expected a price above 0 where there are rights, got 0 in row 0",
        ),
        (
            "actions",
            "symbol,ex_date,cash,ratio,rights_price\nNA,2020-01-07,1,1,5\n",
            "rights_price: expected no price where there are no rights, got 5",
        ),
        ("listings", "symbol,issue_price\nNA,3\n", "side.csv: column 'listed' is missing; expected symbol, listed"),
        ("listings", "symbol,listed\nNA,soon\n", "side.csv: listed: 'soon' is no date"),
        ("listings", "symbol,listed\nNA,\n", "side.csv: listed: expected a date, got an empty cell for NA in row 0"),
        ("listings", "symbol,listed,issue_price\nNA,2020-01-06,0\n", "issue_price: expected a price above 0.*got 0"),
        (
            "listings",
            "symbol,listed\nNA,2019-01-07\nNA,2020-01-06\n",
            "side.csv: NA 2020-01-06: expected one such row, got another; keep one row a symbol",
        ),
        (
            "listings",
            "symbol,listed,known_at\nNA,2020-01-06,2020-01-07\n",
            "known_at: expected listed or earlier, got a later day",
        ),
        (
            "listings",
            "symbol,listed\nNA,2020-01-08\n",
            "NA: listed: expected the first day of trading, got 2020-01-08, but its prices begin on 2020-01-06",
        ),
        ("delistings", "symbol,kind\nNA,merger\n", "side.csv: column 'last_day' is missing"),
        ("delistings", "symbol,last_day\nNA,2020-01-10\n", "side.csv: column 'kind' is missing"),
        (
            "delistings",
            "symbol,last_day,kind\nNA,2020-01-10,bankrupt\n",
            "side.csv: kind: expected delisting or merger, got 'bankrupt' for NA",
        ),
        ("delistings", "symbol,last_day,kind,price\nNA,2020-01-10,merger,-1\n", "price: expected 0 or more a share"),
        (
            "delistings",
            "symbol,last_day,kind\nNA,2020-01-10,merger\nNA,2020-01-10,delisting\n",
            "side.csv: NA 2020-01-10: expected one such row, got another; keep one row a symbol",
        ),
        (
            "delistings",
            "symbol,last_day,kind\nNA,2020-01-08,merger\n",
            "NA: last_day: expected the last day of trading, got 2020-01-08, but it trades on 2020-01-10",
        ),
        (
            "membership",
            "symbol,start,end\n1,2020-01-06,\n",
            "events membership: none of its symbols has prices, first 1;",
        ),
        (
            "benchmark",
            "date,close\n2020-01-06,1\n2020-01-07,x\n",
            "side.csv: close: expected numbers, got 'x' in row 1",
        ),
        ("benchmark", "date,close\n2020-01-06,x\n", "side.csv: close: expected numbers, got 'x' in row 0"),
        ("benchmark", "date,close\n2020-01-06,0\n", "side.csv: close: expected values above 0, got 0 in row 0"),
        ("benchmark", "date;close\n2020-01-06;1\n", 'side.csv: one column only: is the separator ";"'),
        ("benchmark", "date,close\n2020-01-06,1\n2020-01-06,1\n", "2020-01-06 appears twice"),
        ("benchmark", "date,close\n2019-01-06,1\n", "no value on any session"),
    ],
)
def test_wrong_side_tables_are_refused(tmp_path: Path, side: str, content: str, message: str) -> None:
    rows().to_csv(tmp_path / "bars.csv", index=False)
    (tmp_path / "side.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        load_files(tmp_path / "bars.csv", **{side: tmp_path / "side.csv"})


def test_the_examples_of_the_documentation_run_and_print_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parents[1] / "docs" / "data.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    code = "".join(part.split("```")[0] for part in page.split("```python\n")[1:])
    exec(compile(code, "docs/data.md", "exec"), {})
    assert capsys.readouterr().out == page.split("```text\n")[1].split("```")[0]
