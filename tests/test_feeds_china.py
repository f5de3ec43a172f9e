"""The CSI 300 panel against known facts of the real data, and its errors on folders made here."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnstrategies.brokers.delistings import delistings_by_row
from nnstrategies.config import parse
from nnstrategies.errors import DataError, MissingTableError
from nnstrategies.feeds.checks import LoadReport
from nnstrategies.feeds.china import load_china, member_spans, survivorship
from nnstrategies.feeds.table import panel_from_table
from nnstrategies.market.audit import outside_limits
from nnstrategies.market.read import read_book, read_events
from nnstrategies.market.rules import MarketRules
from nnstrategies.panel import Panel, Status
from nnstrategies.pipeline.market import load_market

Loaded = tuple[Panel, LoadReport]


@pytest.fixture(scope="module")
def loaded(shared_data: Path) -> Loaded:
    return load_china(shared_data, "2014-01-01", "2017-12-31")


def _line(report: LoadReport, kind: str) -> str:
    found = [line for line in report.lines() if kind in line]
    assert len(found) == 1, report.lines()
    return found[0]


def test_298_of_300_members_are_priced_in_june_2022(shared_data: Path) -> None:
    panel, report = load_china(shared_data, "2022-05-04", "2022-06-30", delisted=False)
    t = panel.calendar.index("2022-06-01")
    assert panel.members[t].sum() == 298
    assert "2022-05-05 2" in _line(report, "sessions with members without prices")


def test_members_are_300_on_change_days_because_a_span_ends_the_day_after_membership(shared_data: Path) -> None:
    spans = member_spans(shared_data, "2010-01-01", "2023-12-29")
    days = np.array(["2013-12-16", "2017-06-12", "2022-06-10"], dtype="datetime64[D]")
    bars = pd.DataFrame({"date": days, "symbol": "A", "volume": 1.0})
    bars = bars.assign(**dict.fromkeys(("open", "high", "low", "close"), 1.0))
    panel, _ = panel_from_table(bars, calendar=None, name="x")
    assert survivorship(spans, panel)["members"].tolist() == [300 + 1, 300, 300]  # 301 at times in the source itself
    later = spans.assign(end=spans["end"] + pd.Timedelta("1D"))
    assert (survivorship(later, panel)["members"] > 310).all()


def test_survivorship_counts_what_the_report_says_and_names_the_symbols(shared_data: Path, loaded: Loaded) -> None:
    panel, report = loaded
    table = survivorship(member_spans(shared_data, "2014-01-01", "2017-12-31"), panel)
    assert table["date"].to_numpy().astype("datetime64[D]").tolist() == panel.sessions.tolist()
    first = table.iloc[0]
    assert (first["members"], first["without_prices"]) == (301, 5)
    assert len(first["symbols"].split()) == 5
    assert not set(first["symbols"].split()) & set(panel.symbols)
    assert (table["members"] - table["without_prices"]).tolist() == panel.members.sum(axis=1).tolist()
    assert f"{panel.sessions[0]} 5, " in _line(report, "sessions with members without prices")


@given(
    st.lists(st.tuples(st.sampled_from("ABCD"), st.integers(-3, 9), st.integers(-3, 12)), max_size=8),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_survivorship_is_what_it_says_cell_by_cell(found: list[tuple[str, int, int]], starts: int, length: int) -> None:
    """A always trades, B on sessions starts..starts + length, C and D never; an end beyond the panel is left open."""
    days = np.arange("2020-01-06", "2020-01-14", dtype="datetime64[D]")
    rows = [("A", day) for day in days] + [("B", day) for day in days[starts : starts + length + 1]]
    bars = pd.DataFrame(rows, columns=["symbol", "date"]).assign(volume=1.0, adj_factor=1.0, paused=False)
    bars = bars.assign(**dict.fromkeys(("open", "high", "low", "close"), 1.0))
    spans = pd.DataFrame(
        [(s, days[0] + a, np.datetime64("NaT") if b > 10 else days[0] + b) for s, a, b in found if a < b],
        columns=["symbol", "start", "end"],
    ).astype({"symbol": object, "start": "datetime64[s]", "end": "datetime64[s]"})
    joins = spans.assign(known_at=spans["start"], member=True)[["symbol", "known_at", "member"]]
    priced = joins[joins["symbol"].isin(["A", "B"])].assign(known_at=pd.Timestamp("2019-01-01"))
    panel, _ = panel_from_table(bars, calendar=None, name="x", events={"membership": priced})
    table = survivorship(spans, panel)
    for t, day in enumerate(panel.sessions):
        inside = {s for s, a, b in found if a < b and days[0] + a <= day and (b > 10 or day < days[0] + b)}
        absent = {s for s in inside if s in "CD" or (s == "B" and not starts <= t <= starts + length)}
        row = table.iloc[t]
        assert (row["members"], row["without_prices"]) == (len(inside), len(absent))
        assert row["symbols"].split() == sorted(absent)


def test_delisted_companies_are_members_while_they_lasted(loaded: Loaded) -> None:
    panel, report = loaded
    column = panel.column("600485.SH")
    assert panel.members[:, column].any()
    assert (panel["adj_factor"][panel.listed[:, column], column] == 1).all()
    assert "factor 1, raw prices unknown" in _line(report, "forward-adjusted prices only (cn_delisted)")
    assert "estimated" in _line(report, "limit_up and limit_down absent (cn_delisted)")


def test_stocks_cut_off_by_the_end_of_the_delisted_table_are_counted_only_where_they_are(
    shared_data: Path, loaded: Loaded
) -> None:
    assert not any("stop with the table" in line for line in loaded[1].lines())  # the window ends on a Sunday
    _, report = load_china(shared_data, "2020-06-01", "2020-12-31")
    assert "2020-08-24: shown as delisted from then on" in _line(report, "stop with the table cn_delisted").replace(
        ")", ""
    )


def test_limits_of_adjusted_prices_are_the_estimates_of_the_panel(shared_data: Path, loaded: Loaded) -> None:
    panel, _ = loaded
    table = panel.events("adjusted_prices")
    gone = pd.read_parquet(shared_data / "cn_delisted.parquet", columns=["symbol"])["symbol"].unique()
    assert set(table["symbol"]) == set(gone) & set(panel.symbols)
    firsts = [panel.sessions[np.argmax(panel.listed[:, panel.column(symbol)])] for symbol in table["symbol"]]
    assert table["known_at"].to_numpy().astype("datetime64[D]").tolist() == [first.item() for first in firsts]
    rules = MarketRules(read_book("cn_a"), panel, read_events("cn_a"))
    column, t = panel.column("600485.SH"), panel.calendar.index("2014-06-03")
    assert rules.estimated(t)[column]
    assert rules.limits(t).up[column] == round(float(panel["limit_up"][t, column]) * 100)
    causes = outside_limits(panel, rules.book, read_events("cn_a"))["cause"].tolist()
    assert "unexplained" not in causes


def test_exits_of_delisted_companies_are_assumed_because_no_table_tells_the_payout(
    shared_data: Path, loaded: Loaded
) -> None:
    assert "delistings" not in loaded[0].event_names
    panel, report = load_china(shared_data, "2018-01-01", "2020-12-31")
    exits = [exit for found in delistings_by_row(panel).values() for exit in found]
    assert {panel.symbols[exit.column] for exit in exits} == set(panel.events("adjusted_prices")["symbol"])
    assert all(exit.assumed and exit.price > 0 for exit in exits)
    gone = _line(report, "delisted stocks whose payout is unknown")
    assert "leaves at the last close, marked assumed" in gone
    cut = int(re.search(r"cn_delisted: (\d+)", _line(report, "stop with the table"))[1])
    assert int(re.search(r"cn_delisted\): (\d+)", gone)[1]) + cut == len(exits)


def test_unknown_special_treatment_stays_unknown(shared_data: Path) -> None:
    panel, _ = load_china(shared_data, "2020-08-03", "2020-09-30")
    raw = pd.read_parquet(shared_data / "cn_daily.parquet", columns=["date", "symbol", "is_st"])
    raw = raw[raw["symbol"].isin(panel.symbols) & raw["date"].isin(panel.sessions.tolist())]
    expected = raw.pivot(index="date", columns="symbol", values="is_st").astype(np.float32)
    columns = [panel.column(symbol) for symbol in expected.columns]
    trading = panel.trading[:, columns]
    np.testing.assert_array_equal(panel["is_st"][:, columns][trading], expected.to_numpy()[trading])
    assert 0.1 < np.isnan(expected.to_numpy()[trading]).mean() < 0.5
    dead = [panel.column(symbol) for symbol in panel.events("adjusted_prices")["symbol"]]
    assert np.isfinite(panel["is_st"][:, dead][panel.trading[:, dead]]).all()


def test_closes_at_the_limit_of_delisted_companies_are_recognised(shared_data: Path, loaded: Loaded) -> None:
    panel, _ = loaded
    raw = pd.read_parquet(shared_data / "cn_delisted.parquet")
    raw = raw[(raw["pct_chg"] >= 9.9) & raw["symbol"].isin(panel.symbols)]
    raw = raw[raw["date"].isin(panel.sessions.tolist())]
    rows = [panel.calendar.index(str(day)) for day in raw["date"]]
    columns = [panel.column(symbol) for symbol in raw["symbol"]]
    assert len(rows) > 300
    assert (panel["close"][rows, columns] >= panel["limit_up"][rows, columns]).mean() > 0.97


def test_without_delisted_companies_fewer_members_have_prices(shared_data: Path, loaded: Loaded) -> None:
    survivors, _ = load_china(shared_data, "2014-01-01", "2017-12-31", delisted=False)
    whole = loaded[0]
    assert survivors.N < whole.N
    assert survivors.members[0].sum() < whole.members[0].sum() <= 300


def test_the_panel_agrees_with_the_files(shared_data: Path, loaded: Loaded) -> None:
    panel, report = loaded
    raw = pd.read_parquet(shared_data / "cn_daily.parquet", filters=[("symbol", "==", "000538.SZ")])
    raw = raw[(raw["date"] >= pd.Timestamp("2014-01-01").date()) & (raw["date"] <= pd.Timestamp("2017-12-31").date())]
    column = panel.column("000538.SZ")
    assert panel.sessions.tolist() == raw["date"].tolist()
    trading = ~raw["paused"].to_numpy()
    np.testing.assert_array_equal(panel["close"][trading, column], raw["close"].to_numpy()[trading])
    np.testing.assert_array_equal(panel["adj_factor"][trading, column], raw["adj_factor"].to_numpy()[trading])
    np.testing.assert_array_equal(panel.status[:, column] == Status.PAUSED, ~trading)
    index = pd.read_parquet(shared_data / "cn_index.parquet", filters=[("symbol", "==", "000300.SH")])
    first = index.loc[index["date"] == panel.sessions[0].item(), "close"].iloc[0]
    assert panel.series["benchmark"][0] == pytest.approx(first)
    assert not np.isnan(panel.series["benchmark"]).any()
    assert "ex-dates in a suspension" in _line(report, "suspended rows with another close")


def test_suspended_rows_repeat_close_and_factor_so_that_adjusted_prices_stand_still(loaded: Loaded) -> None:
    panel, _ = loaded
    paused = (panel.status[1:] == Status.PAUSED) & panel.listed[:-1]
    for field in ("close", "adj_factor"):
        np.testing.assert_array_equal(panel[field][1:][paused], panel[field][:-1][paused])
    assert (panel["volume"][1:][paused] == 0).all()


def test_basics_add_turnover_value_and_float(shared_data: Path) -> None:
    panel, _ = load_china(shared_data, "2016-01-01", "2016-03-31", delisted=False, basics=True)
    trading = panel.trading & np.isfinite(panel["amount"])
    assert trading.sum() > 0.7 * panel.trading.sum()
    ratio = panel["amount"][trading] / (panel["volume"][trading] * panel["close"][trading])
    assert np.median(ratio) == pytest.approx(1, abs=0.01)
    assert not panel.members[0, ~np.isfinite(panel["amount"][0])].any()


def test_days_on_which_factor_and_pre_close_disagree_are_a_caution(shared_data: Path, tmp_path: Path) -> None:
    _, report = load_china(shared_data, "2019-11-01", "2020-01-31", delisted=False)
    assert ": kept: the adjusted return of that day may be wrong" in _line(report, "adj_factor and pre_close disagree")
    days = pd.to_datetime(["2020-01-06", "2020-01-07", "2020-01-08"])
    bars = pd.DataFrame({"date": days.date, "symbol": "A", "volume": 1.0, "paused": False, "is_st": 0})
    bars = bars.assign(**{price: [10.0, 5.0, 5.0] for price in ("open", "high", "low", "close")})
    bars = bars.assign(limit_up=11.0, limit_down=4.0, pre_close=[10.0, 5.0, 5.0])
    _spans().to_parquet(tmp_path / "cn_membership.parquet")
    index = bars[["date", "close"]].assign(symbol="000300.SH")
    index.to_parquet(tmp_path / "cn_index.parquet")
    for factor, expected in (([1.0, 2.0, 2.0], 0), ([1.0, 2.008, 2.008], 0), ([1.0, 2.02, 2.02], 1), ([1.0] * 3, 1)):
        # a split of 1 into 2 on 2020-01-07, of which the factor knows all, nearly all, too much, nothing
        bars.assign(adj_factor=factor).to_parquet(tmp_path / "cn_daily.parquet")
        _, report = load_china(tmp_path, "2020-01-06", "2020-01-08", delisted=False)
        found = [problem for problem in report.cautions if "disagree" in problem.kind]
        assert [problem.example for problem in found] == ["A 2020-01-07"] * expected


def test_loading_twice_gives_the_same_fingerprint(shared_data: Path) -> None:
    one, other = (load_china(shared_data, "2015-01-01", "2015-02-28")[0] for _ in range(2))
    assert one.fingerprint == other.fingerprint


def _spans() -> pd.DataFrame:
    return pd.DataFrame(
        {"index": ["000300.SH"], "symbol": ["A"], "start": [pd.Timestamp("2019-01-01")], "end": [pd.NaT]}
    )


def test_a_missing_table_names_its_columns_place_and_what_is_lost(tmp_path: Path) -> None:
    with pytest.raises(
        MissingTableError, match=r"cn_membership\.parquet: table not found; put it there with columns index"
    ):
        load_china(tmp_path, "2020-01-01", "2020-12-31")
    _spans().to_parquet(tmp_path / "cn_membership.parquet")
    with pytest.raises(
        MissingTableError, match=r"cn_daily\.parquet: .* columns date, symbol, .*; without it there are no"
    ):
        load_china(tmp_path, "2020-01-01", "2020-12-31")


def test_a_config_may_do_without_the_table_of_delisted_stocks(shared_data: Path, tmp_path: Path) -> None:
    for table in ("cn_daily", "cn_index", "cn_membership"):
        (tmp_path / f"{table}.parquet").symlink_to(shared_data / f"{table}.parquet")
    data = {"source": "china", "folder": str(tmp_path), "start": "2016-01-04", "end": "2016-03-31"}
    tree = {"name": "x", "data": data, "walk_forward": {"first_test": "2016-03-01"}, "headline": "ridge"}
    tree["recipes"] = {"ridge": {"kind": "ridge"}}
    with pytest.raises(MissingTableError, match=r"cn_delisted.*survivors.*data\.delisted: false, accepts that"):
        load_market(parse(tree, "x.yaml"))
    survivors = load_market(parse({**tree, "data": {**data, "delisted": False}}, "x.yaml")).panel
    assert survivors.symbols == load_china(shared_data, data["start"], data["end"], delisted=False)[0].symbols


def test_an_unknown_index_and_an_empty_window_are_refused(tmp_path: Path) -> None:
    _spans().to_parquet(tmp_path / "cn_membership.parquet")
    with pytest.raises(DataError, match=r"no index '000905.SH'; it has 000300.SH"):
        load_china(tmp_path, "2020-01-01", "2020-12-31", index="000905.SH")
    with pytest.raises(DataError, match=r"has no members within 2018-01-01\.\.2018-12-31"):
        load_china(tmp_path, "2018-01-01", "2018-12-31")
    with pytest.raises(DataError, match=r"has no members on 2018-06-01"):
        load_china(tmp_path, "2018-01-01", "2018-12-31", leaky_members_on="2018-06-01")
