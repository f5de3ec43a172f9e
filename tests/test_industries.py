"""Industries by symbol and date: from files, from the Chinese monthly table, from the simulated market."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnstrategies.config import parse, read_config, to_tree
from nnstrategies.errors import DataError, MissingTableError
from nnstrategies.feeds.checks import LoadReport
from nnstrategies.feeds.china import load_china
from nnstrategies.feeds.files import load_files
from nnstrategies.feeds.industries import china_industries
from nnstrategies.feeds.simulated import SimulatedMarket, simulate
from nnstrategies.panel import Panel
from nnstrategies.pipeline.market import load_market
from tests.small_market import sessions


def prices(folder: Path, symbols: tuple[str, ...] = ("000001", "000002", "600000")) -> Path:
    days = sessions(12)  # 2020-01-02 .. 2020-01-17
    frame = pd.DataFrame([(day, name) for name in symbols for day in days], columns=["date", "symbol"])
    for column in ("open", "high", "low", "close"):
        frame[column] = 10.0
    frame.assign(volume=1000, adj_factor=1.0, date=frame["date"].astype("datetime64[s]")).to_csv(
        folder / "prices.csv", index=False
    )
    return folder / "prices.csv"


def load(folder: Path, text: str) -> tuple[Panel, LoadReport]:
    (folder / "industries.csv").write_text(text, encoding="utf-8")
    return load_files(prices(folder), industries=folder / "industries.csv")


def named(panel: Panel, symbol: str) -> list[str]:
    return [panel.industry_names[k] for k in panel.industry[:, panel.column(symbol)]]


def test_an_industry_counts_from_its_day_to_the_next_row_of_the_symbol(tmp_path):
    panel, _ = load(tmp_path, "symbol,industry,known_at\n000001,bank,2020-01-04\n000001,steel,2020-01-08\n")
    assert named(panel, "000001") == ["unknown"] * 2 + ["bank"] * 2 + ["steel"] * 8
    assert named(panel, "000002") == ["unknown"] * 12
    early = panel.upto("2020-01-07")
    assert early.industry_names == ("unknown", "bank")
    assert named(early, "000001") == named(panel, "000001")[:4]


def test_the_day_may_be_called_start_and_an_empty_industry_means_unknown_again(tmp_path):
    panel, _ = load(tmp_path, "ticker,industry,start\n000001,bank,2020-01-02\n000001,,2020-01-03\n")
    assert named(panel, "000001") == ["bank"] + ["unknown"] * 11


def test_a_row_without_a_date_counts_always_and_the_report_of_the_run_says_so(tmp_path):
    panel, report = load(tmp_path, "symbol,industry\n000001,bank\n600000,0801\n")
    assert named(panel, "600000") == ["0801"] * 12  # text: the zero stays
    found = {problem.kind: problem.count for problem in report.cautions}
    assert found["industries without a date, taken for all time: a list of today knows the future"] == 2
    assert found["industries: symbols without any, together a group of their own"] == 1
    data = {"source": "files", "prices": str(tmp_path / "prices.csv"), "industries": str(tmp_path / "industries.csv")}
    tree = to_tree(read_config("quickstart")) | {"data": data, "market": "plain"}
    cautions = load_market(parse(tree, "x")).cautions
    assert cautions[0].startswith("Industries without a date, taken for all time")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "symbol,sector\n000001,bank\n",
            r"industries.csv: column 'industry' is missing; expected symbol, industry, got",
        ),
        ("symbol,industry,weight\n000001,bank,1\n", r"industries.csv: column 'weight' is unknown"),
        ("symbol,industry\n000001,bank\n000001,steel\n", r"000001 without a date: expected one row, got another"),
        (
            "symbol,industry,known_at\n000001,a,2020-01-02\n000001,b,2020-01-02\n",
            r"000001 2020-01-02: expected one row",
        ),
        ("symbol,industry,start,known_at\n000001,a,2019-01-02,2020-01-02\n", r"column 'start' is unknown"),
        ("symbol,industry\n,bank\n", r"symbol: expected text, got an empty cell in row 0"),
        ("symbol,industry,known_at\n000001,a,02/01/2020\n", r"industries.csv: known_at: .*is no date"),
        ("symbol,industry\n1.SZ,bank\n", r"events industries: none of its symbols has prices, first 1.SZ"),
    ],
)
def test_a_table_that_cannot_be_is_refused_with_file_column_and_mend(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        load(tmp_path, text)


def test_industries_that_are_fractions_are_refused(tmp_path):
    path = tmp_path / "industries.parquet"
    pd.DataFrame({"symbol": ["000001", "000002"], "industry": [801010.0, np.nan]}).to_parquet(path)
    with pytest.raises(DataError, match=r"industry: expected text or whole numbers, got float64; write text"):
        load_files(prices(tmp_path), industries=path)


def test_a_file_that_is_not_there_is_named_with_its_columns(tmp_path):
    with pytest.raises(MissingTableError, match=r"none.csv: table not found.*symbol, industry, known_at"):
        load_files(prices(tmp_path), industries=tmp_path / "none.csv")


def monthly(folder: Path, *rows: tuple[str, str, str]) -> None:
    table = pd.DataFrame(rows, columns=["date", "symbol", "industry_sw"])
    table.assign(date=pd.to_datetime(table["date"]).dt.date).to_parquet(folder / "cn_fundamentals_monthly.parquet")


def test_without_the_monthly_table_the_run_loses_the_attribution_and_is_told_how_to_go_on(tmp_path):
    said = r"no excess return by industry, and no max_industry; .*data\.industries: null, accepts that"
    with pytest.raises(MissingTableError, match=rf"cn_fundamentals_monthly\.parquet: table not found; .*{said}"):
        china_industries("monthly", tmp_path, np.array(["A"]), np.datetime64("2010-12-31"), LoadReport("x"))


def test_a_months_industry_is_known_after_the_months_end_and_carries_on(tmp_path):
    monthly(tmp_path, ("2010-01-31", "A", "bank"), ("2010-02-28", "A", "bank"), ("2010-03-31", "A", "steel"))
    notes = LoadReport("x")
    table = china_industries("monthly", tmp_path, np.array(["A", "B"]), np.datetime64("2010-12-31"), notes)
    assert table["industry"].tolist() == ["bank", "steel"]
    assert table["known_at"].tolist() == [pd.Timestamp("2010-02-01"), pd.Timestamp("2010-04-01")]
    (caution,) = notes.cautions
    assert (caution.kind, caution.count) == ("industries: calendar days after the end of the monthly table", 275)


def test_nothing_of_the_last_day_or_later_is_read(tmp_path):
    monthly(tmp_path, ("2010-01-31", "A", "bank"), ("2010-02-28", "A", "steel"), ("2010-03-31", "A", "coal"))
    table = china_industries("monthly", tmp_path, np.array(["A"]), np.datetime64("2010-02-28"), LoadReport("x"))
    assert table["industry"].tolist() == ["bank"]


def test_a_classification_that_never_changes_is_called_one_written_back(tmp_path):
    monthly(tmp_path, ("2010-01-31", "A", "bank"), ("2010-02-28", "A", "bank"))
    notes = LoadReport("x")
    china_industries("monthly", tmp_path, np.array(["A"]), np.datetime64("2010-03-05"), notes)
    assert [one.kind for one in notes.cautions] == [
        "industries of the monthly table that never change: a later classification, written back"
    ]


def test_the_real_monthly_table_gives_28_industries_by_date(shared_data):
    panel, report = load_china(
        shared_data, "2014-01-02", "2014-03-31", symbols=["000538.SZ", "601398.SH"], industries="monthly"
    )
    assert named(panel, "000538.SZ") == ["医药生物"] * panel.T
    assert {one.kind for one in report.cautions} >= {
        "industries of the monthly table that never change: a later classification, written back"
    }


def test_the_simulated_market_names_industries_on_request_and_is_otherwise_the_same():
    plain, _ = simulate(SimulatedMarket(symbols=20, sessions=80, members=10, seed=3))
    grouped, _ = simulate(SimulatedMarket(symbols=20, sessions=80, members=10, seed=3, industries=6))
    assert "industries" not in plain.event_names
    assert grouped.industry_names == ("unknown", *(f"Industry 0{k}" for k in range(1, 7)))
    counts = np.bincount(grouped.industry[0], minlength=7)
    assert counts[0] == 0
    assert set(counts[1:]) == {3, 4}
    for name in plain.field_names:
        np.testing.assert_array_equal(plain[name], grouped[name])
