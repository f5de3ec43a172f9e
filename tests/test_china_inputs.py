"""Fundamentals, ratios, float and the index of the Chinese tables: what is known when, on real and on made data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnstrategies.errors import DataError, MissingTableError
from nnstrategies.features import feature_set, left_out
from nnstrategies.features.fundamental import fundamental
from nnstrategies.feeds.checks import LoadReport
from nnstrategies.feeds.china import load_china
from nnstrategies.feeds.china_index import load_china_index
from nnstrategies.feeds.china_inputs import PRICED, REPORTED, add_basics, monthly_fundamentals
from nnstrategies.panel import Panel

Loaded = tuple[Panel, LoadReport]


def months(*rows: dict[str, object]) -> pd.DataFrame:
    plain = {"symbol": "A", **dict.fromkeys((*PRICED, *REPORTED), np.nan)}
    table = pd.DataFrame([{**plain, **row} for row in rows])
    return table.assign(date=pd.to_datetime(table["date"]).dt.date)


SESSIONS = np.arange("2015-01-05", "2017-01-01", dtype="datetime64[D]")
SESSIONS = SESSIONS[np.is_busday(SESSIONS)]


@pytest.mark.parametrize(
    ("period", "known"),
    [
        ("2014-12-31", "2015-04-30"),
        ("2015-03-31", "2015-04-30"),
        ("2015-06-30", "2015-08-31"),
        ("2015-09-30", "2015-10-31"),
        ("2015-12-31", "2016-04-30"),
    ],
)
def test_reports_are_known_from_the_last_legal_day_of_disclosure_on(period: str, known: str, tmp_path: Path) -> None:
    months({"date": period, "roe_ttm2": 9.0}).to_parquet(tmp_path / "cn_fundamentals_monthly.parquet")
    table = monthly_fundamentals(tmp_path, ["A"], SESSIONS, LoadReport("x"))
    assert table[["known_at", "period_end"]].to_numpy().tolist() == [[pd.Timestamp(known), pd.Timestamp(period)]]
    assert table["roe"].tolist() == [9.0]


def test_ratios_are_known_once_their_month_has_ended_and_never_after_the_panel(tmp_path: Path) -> None:
    rows = [{"date": f"2015-0{month}-{day}", "pb_lf": float(month)} for month, day in ((1, 31), (2, 28), (5, 31))]
    months(*rows).to_parquet(tmp_path / "cn_fundamentals_monthly.parquet")
    whole = monthly_fundamentals(tmp_path, ["A"], SESSIONS, LoadReport("x"))
    assert whole["known_at"].dt.strftime("%m-%d").tolist() == ["02-01", "03-01", "06-01"]
    end = np.searchsorted(SESSIONS, np.datetime64("2015-05-29"), side="right")
    cut = monthly_fundamentals(tmp_path, ["A"], SESSIONS[:end], LoadReport("x"))
    assert cut["pb"].tolist() == [1.0, 2.0]  # May's is known after the panel's last session


def test_missing_tables_say_what_is_lost(tmp_path: Path) -> None:
    with pytest.raises(
        MissingTableError,
        match=r"cn_fundamentals_monthly\.parquet: table not found; .* roe_ttm2, .*data\.fundamentals: null, accepts",
    ):
        monthly_fundamentals(tmp_path, ["A"], SESSIONS, LoadReport("x"))
    with pytest.raises(MissingTableError, match=r"cn_basics.*no daily ratio; .*data\.basics: false, accepts"):
        add_basics(tmp_path, pd.DataFrame(), SESSIONS[0], SESSIONS[-1], LoadReport("x"))
    with pytest.raises(MissingTableError, match="without it no model can time the market"):
        load_china_index(tmp_path, "2015-01-01", "2015-12-31")


@pytest.fixture(scope="module")
def loaded(shared_data: Path) -> Loaded:
    return load_china(shared_data, "2016-01-01", "2020-06-30", basics=True, fundamentals="monthly")


def test_statements_of_a_real_company_change_on_the_deadlines(loaded: Loaded, shared_data: Path) -> None:
    panel, report = loaded
    n = panel.column("000538.SZ")
    roe = fundamental(panel, "roe")[:, n]
    steps = np.flatnonzero(np.r_[False, roe[1:] != roe[:-1]] & np.isfinite(roe))
    assert [str(panel.sessions[t]) for t in steps[:3]] == ["2016-05-03", "2016-08-31", "2016-10-31"]
    raw = pd.read_parquet(shared_data / "cn_fundamentals_monthly.parquet", filters=[("symbol", "==", "000538.SZ")])
    raw = raw.set_index(raw["date"].astype(str))["roe_ttm2"]
    assert roe[steps[0]] == pytest.approx(raw["2016-03-31"])
    assert roe[0] == pytest.approx(raw["2015-09-30"])
    assert any("last legal day of disclosure" in line for line in report.lines())


def test_ratios_are_monthly_then_absent_then_daily(loaded: Loaded) -> None:
    panel, _ = loaded
    n, pb = panel.column("000538.SZ"), fundamental(panel, "pb")
    assert pb[panel.calendar.index("2016-04-01"), n] == pytest.approx(4.752308)
    assert pb[panel.calendar.index("2016-04-28"), n] == pytest.approx(4.752308)
    covered = {year: np.isfinite(pb[panel.sessions.astype("datetime64[Y]").astype(str) == year]) for year in
               ("2018", "2019", "2020")}  # fmt: skip
    share = {year: there[:, panel.members.any(axis=0)].mean() for year, there in covered.items()}
    assert share["2018"] > 3 * share["2019"]
    assert share["2020"] > 3 * share["2019"]


def test_market_value_of_the_float_hardly_jumps_where_shares_are_split(loaded: Loaded) -> None:
    panel, report = loaded
    value = np.log(panel["float_shares"] * panel["close"].astype(float))
    jumps = np.diff(value, axis=0) - np.diff(np.log(panel.adjusted("close")), axis=0)
    step = panel["adj_factor"][1:] / panel["adj_factor"][:-1] > 1.5
    at_splits = jumps[step & panel.trading[1:] & np.isfinite(jumps)]
    assert len(at_splits) > 50
    assert (np.abs(at_splits) < 0.25).mean() > 0.85
    assert any("median shows the new shares later" in line for line in report.lines())


def test_s4_and_s2_can_be_computed_from_the_real_tables(loaded: Loaded) -> None:
    panel, _ = loaded
    cut = panel.select(panel.symbols[:25])
    features = feature_set(["s4", "s4_factors"], cut)(cut)
    assert features.names[-5:] == ("pb", "pe", "ps", "log_float_value", "momentum_250_20")
    assert len(feature_set("s2", cut)) == 38 + 13
    assert [line.split(":")[1].split()[0] for line in left_out("s2", cut)] == ["15", "15", "5"]


def test_index_is_a_panel_of_one_symbol(shared_data: Path) -> None:
    panel, report = load_china_index(shared_data, "2014-01-01", "2014-12-31")
    assert panel.symbols == ("000300.SH",)
    assert report.repairs == ()
    np.testing.assert_allclose(panel.series["benchmark"], panel["close"][:, 0])
    assert len(feature_set("s1", panel)) == 5
    with pytest.raises(DataError, match=r"no rows of 000999\.SH"):
        load_china_index(shared_data, "2014-01-01", "2014-12-31", "000999.SH")
