"""What a run's test needs of the data, on made-up Chinese tables: prices and a benchmark up to its last day."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nnstrategies.config import parse
from nnstrategies.errors import ConfigError, DataError
from nnstrategies.pipeline import start
from nnstrategies.pipeline.run import Run
from tests.china_tables import write_china_tables


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_china_tables(tmp_path_factory.mktemp("tables"), "2018-01-02", "2019-12-30")


def begun(folder: Path, runs: Path, data: dict[str, Any] | None = None, **walk: str) -> Run:
    tree = {
        "name": "span",
        "data": {
            "source": "china",
            "folder": str(folder),
            "start": "2018-01-02",
            "end": "2019-12-31",
            "delisted": False,
            **(data or {}),
        },
        "features": ["ret_1", "ret_5"],
        "window": 5,
        "walk_forward": {"first_test": "2019-06-03", "refit": "once", **walk},
        "recipes": {"ridge": {"kind": "ridge"}},
        "headline": "ridge",
    }
    return start(parse(tree, "x"), runs)


def test_a_test_that_the_data_do_not_reach_is_refused_and_a_holiday_is_no_reason(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"last_test: .* got 2020-06-30; they end on 2019-12-30: .*last_test: 2019-12"
    ):
        begun(folder, tmp_path / "runs", last_test="2020-06-30")
    assert not list(tmp_path.iterdir())
    run = begun(folder, tmp_path / "runs", last_test="2020-01-05")
    assert str(run.panel.sessions[run.test_rows[1]]) == "2019-12-30"
    log = (run.folder.path / "log.txt").read_text()
    assert "the test ends on 2019-12-30, with the data; last_test is 2020-01-05" in log


def test_a_benchmark_that_ends_inside_the_test_is_refused_and_never_carried_on(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "cn_index.parquet").unlink()
    index = pd.read_parquet(folder / "cn_index.parquet")
    index[index["date"] <= pd.Timestamp("2019-08-30").date()].to_parquet(tmp_path / "cn_index.parquet")
    said = (
        r"benchmark 000300\.SH, cn_index: expected a value on every session of the test, 2019-06-03\.\.2019-12-30, got "
        r"values from 2018-01-02 to 2019-08-30; complete the table or set walk_forward\.last_test: 2019-08-30"
    )
    with pytest.raises(DataError, match=said):
        begun(tmp_path, tmp_path / "runs")
    assert begun(tmp_path, tmp_path / "runs", last_test="2019-08-30").test_rows[0] > 0
    index[index["date"] >= pd.Timestamp("2019-08-01").date()].to_parquet(tmp_path / "cn_index.parquet")
    with pytest.raises(DataError, match=r"set walk_forward\.first_test: 2019-08-01"):
        begun(tmp_path, tmp_path / "runs")


def test_data_of_a_single_session_are_no_calendar_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"must lie inside the data, 2019-12-30\.\.2019-12-30"):
        begun(folder, tmp_path, {"start": "2019-12-30"})
