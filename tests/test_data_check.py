"""`nnstrategies data check`: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from nnstrategies import cli
from nnstrategies.config import read_config
from nnstrategies.errors import DataError
from nnstrategies.market.book import sureness
from nnstrategies.market.read import read_book
from nnstrategies.market.rules import MarketRules
from nnstrategies.pipeline.market import check_rules, load_market
from nnstrategies.pipeline.market import members_without_prices as without_prices

SYMBOLS = ("600000.SH", "000001.SZ", "600001.SH")
DAYS = pd.date_range("2019-08-01", periods=8, freq="B")
REST: dict[str, Any] = {
    "name": "mine",
    "walk_forward": {"first_test": "2019-08-05"},
    "recipes": {"ridge": {"kind": "ridge"}},
    "headline": "ridge",
}


def bars(closes: dict[str, list[float]] | None = None) -> pd.DataFrame:
    """Every day trades at its close alone; 10.00 throughout unless ``closes`` says otherwise."""
    given = dict.fromkeys(SYMBOLS, [10.0] * len(DAYS)) | (closes or {})
    table = pd.concat([pd.DataFrame({"date": DAYS, "symbol": s, "close": given[s]}) for s in SYMBOLS])
    close = table["close"]
    return table.assign(open=close, high=close, low=close, volume=1000.0, adj_factor=1.0, paused=False, is_st=0)


def files(folder: Path, table: pd.DataFrame, market: str | None = "cn_a", **data: object) -> Path:
    table.to_csv(folder / "prices.csv", index=False)
    tree = REST | {"data": {"source": "files", "prices": str(folder / "prices.csv"), "calendar": None, **data}}
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(tree | ({} if market is None else {"market": market})), encoding="utf-8")
    return path


def china(folder: Path) -> Path:
    """000001.SZ and 600001.SH are members, the latter without prices; 600485.SH is delisted and has adjusted prices."""
    table = bars()[lambda t: t["symbol"] != "600001.SH"]
    table = table.assign(pre_close=10.0, limit_up=11.0, limit_down=9.0, date=table["date"].dt.date)
    table.to_parquet(folder / "cn_daily.parquet")
    gone = table[table["symbol"] == "000001.SZ"].head(6).assign(symbol="600485.SH", amount=1e4, turn=1.0)
    gone.drop(columns=["adj_factor", "limit_up", "limit_down"]).to_parquet(folder / "cn_delisted.parquet")
    table[table["symbol"] == "000001.SZ"].assign(symbol="000300.SH").to_parquet(folder / "cn_index.parquet")
    spans = [
        ("000001.SZ", "2019-01-02", None),
        ("600001.SH", "2019-01-02", "2019-08-06"),
        ("600485.SH", "2019-08-02", None),
    ]
    spans += [("600000.SH", "2019-08-01", "2019-08-02")]
    members = pd.DataFrame(spans, columns=["symbol", "start", "end"]).assign(index="000300.SH")
    members.astype({"start": "datetime64[s]", "end": "datetime64[s]"}).to_parquet(folder / "cn_membership.parquet")
    data = {"source": "china", "folder": str(folder), "start": DAYS[0].date(), "end": DAYS[-1].date()}
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(REST | {"data": data}), encoding="utf-8")
    return path


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: object) -> tuple[int, list[str]]:
        monkeypatch.setattr(sys, "argv", ["nnstrategies", "data", "check", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return int(stopped.value.code or 0), capsys.readouterr().err.splitlines()

    return run


JUMP = {"600000.SH": [10.0, 10.0, 11.5, 11.5, 11.5, 11.5, 11.5, 11.5]}


def test_rows_beyond_the_limits_of_the_book_are_printed_after_the_findings_and_no_run_is_made(
    tmp_path: Path, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = command(files(tmp_path, bars(JUMP)))
    assert code == 0
    assert said[:5] == [
        "mine: no repairs, no cautions",
        "files: Panel(mine: 3 symbols, 8 sessions 2019-08-01..2019-08-12)",
        "1 rows trade outside the book's ordinary price limits",
        "  1 unexplained",
        "    600000.SH 2019-08-05 traded 11.5 to 11.5, base 10, limits 9 to 11",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml", "prices.csv"]


def test_what_a_rule_explains_is_counted_by_its_cause(tmp_path: Path, command: Any) -> None:
    table = bars({"600001.SH": [1.0, 1.0, 10.0, 13.0, 13.0, 13.0, 13.0, 13.0]})
    table = table[~((table["symbol"] == "600001.SH") & (table["date"] < DAYS[3]))]
    listed = (table["symbol"] == "600001.SH") & (table["date"] == DAYS[3])
    code, said = command(files(tmp_path, table.assign(pre_close=np.where(listed, 10.0, table["close"]))))
    assert code == 0
    assert "  1 first-day band of 44/36 %: first 600001.SH 2019-08-06 traded 13 to 13, base 10, limits 9 to 11" in said
    assert "  0 unexplained" in said


def test_the_issue_price_of_the_listings_table_explains_a_first_day(tmp_path: Path, command: Any) -> None:
    """Without pre_close nothing is known of a first day; with the issue price its band is."""
    table = bars({"600001.SH": [1.0, 1.0, 1.0, 15.0, 15.0, 15.0, 15.0, 15.0]})
    table = table[~((table["symbol"] == "600001.SH") & (table["date"] < DAYS[3]))]
    (tmp_path / "new.csv").write_text("symbol,listed,issue_price\n600001.SH,2019-08-06,10\n")
    panel = load_market(read_config(files(tmp_path, table, listings=str(tmp_path / "new.csv")))).panel
    assert check_rules(panel, "cn_a").outside.empty  # without a previous close there is no plain limit to leave
    rules = MarketRules(read_book("cn_a"), panel)
    assert (rules.limits(3).down[2], rules.limits(3).up[2]) == (640, 1440)


def test_entries_that_are_not_official_are_counted_and_listed_in_the_folder_only(tmp_path: Path, command: Any) -> None:
    config = files(tmp_path, bars())
    _, said = command(config)
    (line,) = [line for line in said if "not official" in line]
    found = re.fullmatch(
        r"(\d+) entries and (\d+) single days of the rule book cn_a that apply to these data are not official,"
        r" see docs/markets.md; --out FOLDER lists them",
        line,
    )
    assert found
    expected = sureness(read_book("cn_a"), DAYS[0].date(), DAYS[-1].date())
    assert (int(found[1]), int(found[2])) == (len(expected), 0)
    assert not set(expected) & set(said)
    _, said = command(config, "--out", tmp_path / "out")
    text = (tmp_path / "out" / "findings.txt").read_text(encoding="utf-8").splitlines()
    assert text[-len(expected) :] == expected
    assert text[-len(expected) - 1] == line.replace("; --out FOLDER lists them", ":")
    assert not set(expected) & set(said)


def test_single_days_count_where_they_meet_the_data(tmp_path: Path) -> None:
    days = pd.date_range("2010-01-21", periods=4, freq="B")
    table = bars().head(4).assign(symbol="000709.SZ", date=days)  # an event of 2010-01-25
    panel = load_market(read_config(files(tmp_path, table))).panel
    assert [line.split(":")[0] for line in check_rules(panel, "cn_a").days] == [
        "event no_limit, 000709.SZ, 2010-01-25..2010-01-25"
    ]
    assert check_rules(panel.upto(1), "cn_a").days == []


def test_the_console_shows_the_first_twenty_unexplained_rows_and_the_file_all(tmp_path: Path, command: Any) -> None:
    text = [5.0 * 2 ** (i % 2) for i in range(60)]  # doubles and halves from day to day
    long = pd.concat([bars().head(1)] * 60).assign(date=pd.date_range("2019-08-01", periods=60, freq="B"))
    long = long.assign(**dict.fromkeys(("open", "high", "low", "close"), text))
    _, said = command(files(tmp_path, long), "--out", tmp_path)
    assert sum(line.startswith("    600000.SH") for line in said) == 20
    assert said[said.index("    and 39 more") - 1].startswith("    600000.SH")
    lines = (tmp_path / "findings.txt").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("    600000.SH") for line in lines) == 59
    assert not any("more" in line for line in lines if line.startswith("    and"))


def test_the_folder_holds_the_rows_with_prices_as_they_came(tmp_path: Path, command: Any) -> None:
    code, said = command(files(tmp_path, bars(JUMP)), "--out", tmp_path / "new" / "out")
    assert code == 0
    assert said[-1] == f"written to {tmp_path / 'new' / 'out'}: outside_limits.csv, findings.txt"
    text = (tmp_path / "new" / "out" / "outside_limits.csv").read_text(encoding="utf-8").splitlines()
    assert text == [
        "date,symbol,open,high,low,close,base,limit_down,limit_up,cause",
        "2019-08-05,600000.SH,11.5,11.5,11.5,11.5,10.0,9.0,11.0,unexplained",
    ]
    single = bars({"600000.SH": [10.0, 10.0, 11.01, 11.01, 11.01, 11.01, 11.01, 11.01]})
    single = single.astype(dict.fromkeys(("open", "high", "low", "close"), "float32"))
    single.to_parquet(tmp_path / "prices.parquet")
    command(files(tmp_path, single, prices=str(tmp_path / "prices.parquet")), "--out", tmp_path)
    assert ",11.01,11.01,11.01,11.01,10.0,9.0,11.0," in (tmp_path / "outside_limits.csv").read_text(encoding="utf-8")


def test_a_book_that_takes_limits_from_the_data_says_so(tmp_path: Path, command: Any) -> None:
    own = "the rule book plain has no price limits of its own"
    _, said = command(files(tmp_path, bars(JUMP), market=None))
    assert f"{own}, and the data have none: nothing to check" in said
    assert not any("outside" in line for line in said)
    with_limits = bars(JUMP).assign(limit_up=11.0, limit_down=9.0)
    _, said = command(files(tmp_path, with_limits, market=None))
    assert f"{own}: those of the data count, limit_up and limit_down" in said
    assert "6 rows trade outside the book's ordinary price limits" in said


def test_the_china_tables_give_a_survivorship_report(tmp_path: Path, command: Any) -> None:
    code, said = command(china(tmp_path), "--out", tmp_path / "out")
    assert code == 0
    assert said[-1].endswith(": outside_limits.csv, survivorship.csv, findings.txt")
    table = pd.read_csv(tmp_path / "out" / "survivorship.csv", keep_default_na=False)
    assert table["date"].tolist() == [str(day.date()) for day in DAYS]
    assert table["members"].tolist() == [3, 3, 3, 2, 2, 2, 2, 2]
    assert table["symbols"].tolist() == ["600001.SH"] * 3 + [""] * 3 + ["600485.SH"] * 2
    assert table["without_prices"].tolist() == [1, 1, 1, 0, 0, 0, 1, 1]


def test_other_sources_leave_the_survivorship_report_out(tmp_path: Path) -> None:
    config = read_config(files(tmp_path, bars()))
    assert without_prices(config, load_market(config).panel) is None


@pytest.mark.parametrize(
    ("symbol", "first", "code", "message"),
    [
        ("600000", "2019-08-01", 3, "symbol '600000': no board of the rule book 'cn_a' matches it"),
        ("600000.SH", "2001-08-01", 2, "sse_main opens on 2005-01-01, but 600000.SH has prices on 2001-08-01"),
    ],
)
def test_data_that_do_not_fit_the_book_end_with_their_own_exit_code(
    tmp_path: Path, command: Any, symbol: str, first: str, code: int, message: str
) -> None:
    table = bars().head(8).assign(symbol=symbol, date=pd.date_range(first, periods=8, freq="B"))
    stopped, said = command(files(tmp_path, table))
    assert stopped == code
    assert message in " ".join(said)
    assert said[0] == "mine: no repairs, no cautions"


def test_rows_before_the_book_begins_are_counted_and_the_rest_is_checked(tmp_path: Path, command: Any) -> None:
    """The board opens on 2005-01-01, the data three days before."""
    days = pd.date_range("2004-12-29", periods=8, freq="B")
    jumps = {"600000.SH": [10.0, 20.0, 20.0, 20.0, 20.0, 30.0, 30.0, 30.0]}
    table = bars(jumps)[lambda t: t["symbol"] == "600000.SH"].assign(date=days)
    code, said = command(files(tmp_path, table))
    assert code == 0
    assert said[2:5] == [
        "3 rows before the book begins, not checked",
        "1 rows trade outside the book's ordinary price limits",
        "  1 unexplained",
    ]


def test_prices_off_the_tick_are_counted(tmp_path: Path, command: Any) -> None:
    moved = {"600000.SH": [10.0, 10.0, 10.003, 10.0, 10.0, 10.0, 10.0, 10.0]}
    for market in ("cn_a", None):
        _, said = command(files(tmp_path, bars(moved), market=market))
        line = "4 trading prices are off the board's tick (first 600000.SH 2019-08-05 open 10.003, tick 0.01)"
        assert line in said
    _, said = command(files(tmp_path, bars(JUMP)))
    assert not any("tick" in line for line in said)


def test_the_calendar_is_by_default_that_of_the_rule_book(tmp_path: Path) -> None:
    """The plain book takes the dates of the table, Sundays too; the Chinese one the sessions of the exchange."""
    table = bars().assign(date=list(pd.date_range("2019-08-01", periods=8)) * 3)
    config = files(tmp_path, table, market=None, calendar="book")
    assert len(load_market(read_config(config)).panel.sessions) == 8
    stripped = yaml.safe_load(config.read_text(encoding="utf-8"))
    del stripped["data"]["calendar"]
    config.write_text(yaml.safe_dump(stripped), encoding="utf-8")
    assert len(load_market(read_config(config)).panel.sessions) == 8
    message = "2 dates are no session of XSHG, first 2019-08-03, 2019-08-04; .*data.calendar: null .source files."
    with pytest.raises(DataError, match=message):
        load_market(read_config(config, ["market=cn_a"]))
    with pytest.raises(DataError, match="no session of XNYS"):
        load_market(read_config(config, ["market=us_equity"]))
    with pytest.raises(DataError, match="no session of XSHG"):
        load_market(read_config(config, ["data.calendar=XSHG"]))
    assert len(load_market(read_config(config, ["market=cn_a", "data.calendar=null"])).panel.sessions) == 8


def test_the_survivorship_line_shows_the_last_session_too(tmp_path: Path, command: Any) -> None:
    _, said = command(china(tmp_path))
    (line,) = [line for line in said if "survivorship: sessions with members without prices" in line]
    assert "by date: 2019-08-01 1, 2019-08-12 1; most: 1 on 2019-08-01" in line


def test_a_folder_that_cannot_be_made_is_known_before_the_data_are_read(tmp_path: Path, command: Any) -> None:
    (tmp_path / "taken").write_text("a file")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(REST | {"data": {"source": "files", "prices": "nowhere"}}))
    code, said = command(tmp_path / "mine.yaml", "--out", tmp_path / "taken")
    assert code == 2
    assert "taken: cannot be made: File exists; name another folder" in "".join(said)


def test_a_side_table_that_contradicts_the_prices_ends_with_exit_code_3(tmp_path: Path, command: Any) -> None:
    (tmp_path / "gone.csv").write_text("symbol,last_day,kind,price\n600000.SH,2019-08-05,merger,11\n")
    code, said = command(files(tmp_path, bars(), delistings=str(tmp_path / "gone.csv")))
    assert code == 3
    assert "600000.SH: last_day: expected the last day of trading, got 2019-08-05" in " ".join(said)
