"""Files of fundamentals, macro series and news: read into events, refused with words; named in a config."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnstrategies.config import parse, to_tree
from nnstrategies.errors import ConfigError, DataError, MissingTableError
from nnstrategies.features import SETS, feature_set, left_out
from nnstrategies.feeds.files import load_files
from nnstrategies.feeds.side_inputs import read_fundamentals, read_macro, read_news
from nnstrategies.pipeline.run import start

PRICES = "date,symbol,open,high,low,close,volume,adj_factor\n" + "".join(
    f"2020-01-{day:02d},{symbol},10,11,9,10.5,1000,1\n" for day in (6, 7, 8, 9, 10) for symbol in ("000001", "600000")
)
REPORTS = (
    "ts_code,ann_date,period_end,roe,industry\n000001,20200107,20190930,12.5,bank\n600000,20200109,20190930,,bank\n"
)
MACRO = "known_at,period_end,cpi,pmi\n2020-01-06,2019-12-31,4.5,\n2020-01-08,2019-12-31,,50.2\n"
NEWS = "symbol,known_at,news_sentiment,news_count\n000001,2020-01-06,0.4,3\n600000,2020-01-08,-0.2,1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    texts = {"prices": PRICES, "reports": REPORTS, "macro": MACRO, "news": NEWS}
    for name, text in texts.items():
        (tmp_path / f"{name}.csv").write_text(text)
    return tmp_path


def test_tables_become_events_and_features(folder: Path) -> None:
    panel, report = load_files(
        folder / "prices.csv",
        fundamentals=folder / "reports.csv",
        macro=folder / "macro.csv",
        news=folder / "news.csv",
        strict=True,
    )
    assert report.repairs == ()
    assert panel.events("fundamentals")["symbol"].tolist() == ["000001", "600000"]
    features = feature_set(["rank_roe", "news_count"], panel)(panel)
    assert np.isfinite(features.column("rank_roe")[:, 0]).tolist() == [False, True, True, True, True]
    assert np.isnan(features.column("rank_roe")[:, 1]).all()  # an empty cell is no zero
    assert np.nan_to_num(features.column("news_count"), nan=-1).tolist() == [[3, -1], [3, -1], [3, 1], [3, 1], [3, 1]]
    assert "table 'macro': 13 " in left_out("s2", panel)[1]


def test_text_columns_stay_and_empty_ones_are_missing_numbers(folder: Path) -> None:
    table = read_fundamentals(folder / "reports.csv")
    assert table["industry"].tolist() == ["bank", "bank"]
    assert list(table.columns[:3]) == ["symbol", "known_at", "period_end"]
    (folder / "empty.csv").write_text("symbol,known_at,period_end,roe\n000001,2020-01-01,2019-12-31,\n")
    assert np.isnan(read_fundamentals(folder / "empty.csv")["roe"]).all()


READERS = {"fundamentals": read_fundamentals, "macro": read_macro, "news": read_news}


@pytest.mark.parametrize(
    ("reader", "text", "message"),
    [
        ("fundamentals", "symbol,period_end,roe\nA,2020-01-01,1\n", "no disclosure date .* add known_at"),
        ("fundamentals", "symbol,known_at,roe\nA,2020-01-01,1\n", "column 'period_end' is missing"),
        ("macro", "date,cpi\n2020-01-01,1\n", "no disclosure date"),
        ("macro", "symbol,known_at,cpi\nA,2020-01-01,1\n", "'symbol' is unknown: macro series are the same for all"),
        ("macro", "known_at\n2020-01-01\n", "expected columns beside known_at, got none; add the series"),
        ("macro", "known_at,cpi\n,1\n", "known_at: expected a date, got an empty cell in row 0"),
        ("macro", "known_at,cpi\n2020-01-01,1\n2020-01-02,high\n", "cpi: expected numbers, got 'high' in row 1"),
        ("macro", "known_at,cpi\n2020-01-01,inf\n", "cpi: expected finite numbers, got inf in row 0"),
        ("macro", "known_at,cpi\n2020-01-01,1\n2020-01-01,2\n", "2020-01-01: expected one such row, got another"),
        ("macro", "known_at,cpi\n01.02.2020,1\n", "'01.02.2020' is no date"),
        ("news", "known_at,news_count\n2020-01-01,1\n", "column 'symbol' is missing"),
        ("news", "symbol,known_at,news_count\nA,2020-01-01,1\nA,2020-01-01,2\n", "A 2020-01-01: expected one such row"),
    ],
)
def test_bad_tables_are_refused_by_file_column_and_row(reader: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(DataError, match=rf"table\.csv.*{message}"):
        READERS[reader](tmp_path / "table.csv")


def test_missing_file_names_its_columns(tmp_path: Path) -> None:
    with pytest.raises(MissingTableError, match=r"macro\.csv: table not found; put it there with columns known_at and"):
        read_macro(tmp_path / "macro.csv")


def test_parquet_tables_with_dates_are_read(tmp_path: Path) -> None:
    table = pd.DataFrame({"known_at": pd.to_datetime(["2020-01-06"]).date, "cpi": np.array([1.5], dtype=np.float32)})
    table.to_parquet(tmp_path / "macro.parquet")
    assert read_macro(tmp_path / "macro.parquet")["cpi"].tolist() == [1.5]


# -- in a config ------------------------------------------------------------------------------------------------------


def tree(**changed: object) -> dict[str, object]:
    return {
        "name": "mine",
        "data": {"source": "files", "prices": "p.csv", "macro": "m.csv", "news": "n.csv"},
        "walk_forward": {"first_test": "2020-01-01"},
        "recipes": {"filter": {"kind": "network", "scaling": "minmax"}, "screen": {"kind": "factor_screen"}},
        "headline": "filter",
        **changed,
    }


def test_sets_inputs_tables_and_holdings_of_a_config_go_there_and_back() -> None:
    config = parse(
        tree(
            features=["s4", "s4_factors"],
            inputs={"filter": "s4", "screen": ["s4_factors"]},
            label={"kind": "up_down", "relative": False, "horizon": "month"},
        ),
        "mine.yaml",
    )
    assert config.features == ("s4", "s4_factors")
    assert config.inputs == {"filter": "s4", "screen": ("s4_factors",)}
    assert (config.data.macro, config.data.news) == ("m.csv", "n.csv")  # type: ignore[union-attr]
    assert config.label.holding.horizon == "month"
    assert config.recipes["filter"].scaling == "minmax"  # type: ignore[union-attr]
    assert parse(to_tree(config), "again") == config
    china = {"source": "china", "folder": "f", "start": "2010-01-04", "end": "2011-01-04", "fundamentals": "monthly"}
    assert parse(tree(data={**china, "basics": True}), "x").data.fundamentals == "monthly"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"features": "s7"}, r"mine\.yaml: features: features: unknown feature 's7'"),
        ({"features": "s4", "inputs": {"filter": "s1"}}, "inputs.filter: 'gap_1' is not among the features of the run"),
        ({"label": {"horizon": "month", "price": "close"}}, "label: .*horizon month belongs to price open"),
        ({"label": {"price": "mid"}}, r"label\.price: expected 'open', 'close' or 'overnight', got 'mid'"),
        ({"data": {"source": "files", "prices": "p", "makro": "m"}}, r"makro: unknown key; did you mean 'macro'\?"),
    ],
)
def test_what_a_config_gets_wrong_is_named(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(tree(**changed), "mine.yaml")


def test_every_set_can_be_named_in_a_config() -> None:
    for name in SETS:
        assert parse(tree(features=name), "mine.yaml").features == name


def test_run_computes_its_sets_and_gives_each_recipe_its_own(tmp_path: Path) -> None:
    market = {"source": "simulated", "symbols": 12, "members": 8, "sessions": 420, "seed": 3}
    config = parse(
        tree(
            data=market,
            features=["s4", "s4_factors", "leaky_forward_adjusted_close"],
            inputs={"filter": "s4", "screen": "s4_factors"},
            label={"kind": "up_down", "relative": False, "horizon": "month"},
            walk_forward={"first_test": "2016-06-01", "valid_days": 0},
        ),
        "mine.yaml",
    )
    run = start(config, tmp_path)
    assert run.feature_set.leaky == run.samples.features.leaky == ("leaky_forward_adjusted_close",)
    assert run.samples_of("filter").features.names == SETS["s4"]
    factors = run.samples_of("screen").features
    assert factors.names == ("log_float_value", "momentum_250_20")  # the simulated market has no price ratios
    assert (factors.leaky, factors.optional) == ((), {"log_float_value"})
    decided = np.flatnonzero((run.samples.labels.end >= 0).any(axis=1))
    assert set(decided) <= set(np.flatnonzero(run.panel.calendar.is_first_of_month))
