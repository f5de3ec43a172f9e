"""The report on position management and on the industries that made the excess return."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from run_folder_sample import Sample, write_run_folder

from nnstrategies.errors import RunFolderError
from nnstrategies.report import build_report
from nnstrategies.report.formats import percent
from nnstrategies.report.positions import SHOWN, attribution_table, correlation_chart, position_table
from nnstrategies.report.run_folder import RunFolder, read_run_folder

SMALL = Sample(symbols=20, sessions=200, held=6, seeds=2, null=39)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run_folder(tmp_path_factory.mktemp("runs") / "20240506-120000-sample", SMALL)


@pytest.fixture(scope="module")
def run(built: Path) -> RunFolder:
    return read_run_folder(built)


def test_the_largest_contributions_have_rows_and_all_rows_add_up_to_the_sum(run):
    table = attribution_table(run)
    data = run.attribution
    largest = data[data["kind"] == "industry"].set_index("industry")["total"].abs().nlargest(SHOWN)
    assert [row.label for row in table.rows[:SHOWN]] == largest.index.tolist()
    assert [row.label for row in table.rows[SHOWN:]] == [
        "3 other industries",
        "Cash",
        "Fees and slippage",
        "Not explained",
        "Total return over equal weight",
    ]
    shown = [float(row.cells[-1].removesuffix("\u00a0%").replace("\u2212", "-")) for row in table.rows]
    assert sum(shown[:-1]) == pytest.approx(shown[-1], abs=0.1)
    assert table.rows[-1].cells[-1] == percent(data["total"].sum(), 2, signed=True)
    assert table.rows[-3].cells == ["–", "–", "–", "–", "–", "\u22123.00\u00a0%"]


def test_the_monitor_shows_correlation_exposure_industry_and_turnover(run):
    rows = {row.label: row for row in position_table(run).rows}
    decided = run.decisions
    assert rows["Average pairwise correlation"].cells[2] == f"{decided['correlation'].max():.2f}"
    assert rows["Turnover decided, one-sided"].cells[3] == percent(decided["turnover"].iloc[-1])
    heaviest = decided.loc[decided["industry_weight"].idxmax()]
    assert (
        rows["Largest weight of an industry"].remark == f"largest: {heaviest['industry']}, {heaviest['date']:%Y-%m-%d}"
    )


def test_what_nobody_watched_is_left_out(run):
    unwatched = run.decisions.assign(correlation=np.nan, industry_weight=np.nan, industry="")
    plain = replace(run, decisions=unwatched, attribution=run.attribution.iloc[:0])
    assert correlation_chart(plain) is None
    assert attribution_table(plain) is None
    labels = [row.label for row in position_table(plain).rows]
    assert "Average pairwise correlation" not in labels
    assert "Share of the exposure that it left" not in labels
    assert "Largest weight of an industry" not in labels


def test_the_page_has_the_parts_that_the_run_recorded(built):
    page = build_report(built).read_text(encoding="utf-8")
    for text in ("Excess return by industry", "Position management", "Average pairwise correlation of holdings"):
        assert text in page
    for name in ("decisions", "attribution"):
        (built / f"{name}.parquet").rename(built / f"{name}.kept")
    page = build_report(built).read_text(encoding="utf-8")
    for name in ("decisions", "attribution"):
        (built / f"{name}.kept").rename(built / f"{name}.parquet")
    assert "Excess return by industry" not in page
    assert "Position management" not in page


def test_a_damaged_attribution_is_refused_with_the_column(built, tmp_path):
    table = pd.read_parquet(built / "attribution.parquet")
    damaged = write_run_folder(tmp_path / "20240506-120000-other", SMALL)
    table.drop(columns="total").to_parquet(damaged / "attribution.parquet")
    with pytest.raises(RunFolderError, match=r"attribution.parquet: expected columns .*none named total"):
        read_run_folder(damaged)
