"""The report's parts on classes, importance and folds say what the recorded tables say."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from run_folder_sample import HEADLINE, Sample, write_run_folder
from sklearn.metrics import precision_recall_fscore_support

from nnstrategies.errors import RunFolderError
from nnstrategies.report import build_report
from nnstrategies.report.classes import accuracy_table, class_table, matrices, reliability
from nnstrategies.report.folds import MOST_ROWS, fold_table, fold_timelines
from nnstrategies.report.importance import importance_charts, importance_table, quick_note
from nnstrategies.report.run_folder import RunFolder, read_run_folder

SMALL = Sample(symbols=20, sessions=110, held=6, seeds=2, null=39)  # too short for pyfolio, which takes long


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run_folder(tmp_path_factory.mktemp("runs") / "20240506-120000-sample", SMALL)


@pytest.fixture(scope="module")
def run(root: Path) -> RunFolder:
    return read_run_folder(root)


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return build_report(root).read_text(encoding="utf-8")


def number(cell: str) -> float:
    """The mean of a cell such as ``41.2 ± 0.8 %``, as a share."""
    return float(cell.split("±")[0].replace("\u00a0%", "").replace("\u2212", "-")) / 100


def test_figures_by_class_are_those_of_scikit_learn(run: RunFolder) -> None:
    one = run.confusion[(run.confusion["recipe"] == HEADLINE) & (run.confusion["seed"] == 0)]
    alone = replace(run, confusion=one)
    actual = np.repeat(one["actual"].to_numpy(), one["count"])
    predicted = np.repeat(one["predicted"].to_numpy(), one["count"])
    names = ["sell", "hold", "buy"]
    expected = precision_recall_fscore_support(actual, predicted, labels=names)
    table, accuracy = class_table(alone), accuracy_table(alone)
    assert table is not None
    assert accuracy is not None
    for c, row in enumerate(table.rows):
        assert row.label == f"CNN-LSTM: {names[c]}"
        base, _, *figures = [number(cell) for cell in row.cells[:5]]
        assert base == pytest.approx((actual == names[c]).mean(), abs=0.0006)
        assert figures == pytest.approx([expected[k][c] for k in range(3)], abs=0.0006)
    cells = next(row.cells for row in accuracy.rows if row.kind == "headline")
    assert number(cells[0]) == pytest.approx((actual == predicted).mean(), abs=0.0006)
    for k in range(3):
        assert number(cells[1 + k]) == pytest.approx(np.mean(expected[k]), abs=0.0006)
    assert cells[-1] == f"{len(actual):,}"


def test_several_seeds_give_a_mean_and_its_spread(run: RunFolder) -> None:
    table = accuracy_table(run)
    assert table is not None
    shares = []
    for _, part in run.confusion[run.confusion["recipe"] == HEADLINE].groupby("seed"):
        shares.append(part.loc[part["actual"] == part["predicted"], "count"].sum() / part["count"].sum())
    published, own = table.rows[:2]
    assert (published.remark, own.kind) == ("published", "headline")
    expected = f"{100 * np.mean(shares):.1f} ± {100 * np.std(shares, ddof=1):.1f}\u00a0%"
    assert own.cells[0] == expected


def test_the_matrix_shows_counts_and_shares_of_what_came(run: RunFolder, page: str) -> None:
    found = matrices(run)
    assert [one.title for one in found] == ["CNN-LSTM", "LSTM"]
    rows = run.confusion[run.confusion["recipe"] == HEADLINE]
    counts = rows.groupby(["actual", "predicted"])["count"].sum()
    for actual, cells, total in found[0].rows:
        assert total == f"{counts[actual].sum():,}"
        assert [cell[0] for cell in cells] == [f"{counts[actual, name]:,}" for name in found[0].classes]
        assert sum(cell[2] for cell in cells) == pytest.approx(1)
    assert "Counts are sums over 2 seeds" in page


def test_a_class_that_was_never_named_has_no_precision(run: RunFolder) -> None:
    never = run.confusion.copy()
    never.loc[never["predicted"] == "hold", "count"] = 0
    table = class_table(replace(run, confusion=never))
    assert table is not None
    assert table.rows[1].cells[1] == "0.0 ± 0.0\u00a0%"
    assert table.rows[1].cells[2] == "–"


def test_the_calibration_error_is_the_mean_distance_from_the_diagonal(run: RunFolder) -> None:
    table = class_table(run)
    assert table is not None
    part = run.calibration[(run.calibration["recipe"] == HEADLINE) & (run.calibration["class"] == "sell")]
    by_seed = part.assign(gap=(part["share"] - part["probability"]).abs()).groupby("seed")["gap"].mean()
    assert number(table.rows[0].cells[5]) == pytest.approx(by_seed.mean(), abs=0.0006)
    assert number(table.rows[0].cells[6]) == pytest.approx(0.012 * np.sqrt(2 / np.pi), abs=0.0006)
    chart = reliability(run)[0]
    assert "Each point holds 500 rows" in chart.note
    assert [key.label for key in chart.keys] == ["sell ●", "hold ■", "buy ▲", "perfect"]


def test_margins_leave_the_calibration_out(run: RunFolder) -> None:
    without = replace(run, calibration=run.calibration.iloc[:0])
    table = class_table(without)
    assert table is not None
    assert table.rows[0].cells[5:] == ["–", "–"]
    assert reliability(without) == []


def test_a_run_without_classes_has_no_such_part(root: Path, tmp_path: Path) -> None:
    copy = write_run_folder(tmp_path / "20240506-120000-plain", SMALL)
    for name in ("confusion", "calibration"):
        pd.read_parquet(copy / f"{name}.parquet").iloc[:0].to_parquet(copy / f"{name}.parquet")
    page = build_report(copy).read_text(encoding="utf-8")
    assert 'id="classes"' not in page
    assert 'href="#classes"' not in page


def test_importance_is_drawn_by_feature_lag_and_gradient_and_listed_in_full(run: RunFolder, page: str) -> None:
    (group,) = importance_charts(run)
    assert [chart.title for chart in group.pair] == [
        "CNN-LSTM: drop in rank IC, by feature",
        "CNN-LSTM: drop in rank IC, by lag",
    ]
    assert "0.050 untouched; 30 dates, 2 permutations" in group.pair[0].note
    assert "add up to the score but for 2.0\u00a0% of it" in group.wide[0].note
    svg = group.pair[0].svg
    assert [svg.index(name) for name in ("volatility_20", "return_5", "macd", "rsi_14")] == sorted(
        svg.index(name) for name in ("volatility_20", "return_5", "macd", "rsi_14")
    )  # strongest on top: drawn last
    table = importance_table(run)
    assert table is not None
    assert [row.cells[0] for row in table.rows][4:] == ["lag 0", "lag 1", "lag 2–3", "lag 4–7"]
    shares = [number(row.cells[-1]) for row in table.rows[:4]]
    assert sum(shares) == pytest.approx(1, abs=0.002)
    assert "nnstrategies explain runs/20240506-120000-sample" in page


def test_the_quick_note_goes_once_everything_is_measured(run: RunFolder) -> None:
    parts = [run.importance.assign(recipe=name) for name in run.folds["recipe"].unique()]
    assert quick_note(run)
    assert quick_note(replace(run, importance=pd.concat(parts, ignore_index=True))) == ""


def test_a_recipe_that_sees_one_day_only_has_no_chart_by_lag(run: RunFolder) -> None:
    flat = run.importance[(run.importance["by"] == "feature") & (run.importance["method"] == "permutation")]
    both = pd.concat([run.importance, flat.assign(recipe="ridge"), flat.assign(recipe="svm")], ignore_index=True)
    groups = importance_charts(replace(run, importance=both))
    assert [len(group.pair) for group in groups] == [2, 2]
    assert groups[1].wide == []
    empty = replace(run, importance=run.importance.iloc[:0])
    assert importance_charts(empty) == []
    assert importance_table(empty) is None


def test_many_lags_share_cells_and_every_cell_has_its_place(run: RunFolder) -> None:
    rows = run.importance[run.importance["by"] == "feature_lag"]
    long = pd.concat([rows.assign(lag_first=rows["lag_first"] + 8 * k) for k in range(15)], ignore_index=True)
    more = run.importance[run.importance["by"] != "feature_lag"]
    (group,) = importance_charts(replace(run, importance=pd.concat([more, long], ignore_index=True)))
    assert group.wide[0].svg.count("var(--s0)") == 4 * 40


def test_recipes_of_equal_folds_share_a_chart_and_each_refit_has_its_row(run: RunFolder) -> None:
    charts = fold_timelines(run)
    assert [chart.title for chart in charts] == ["Folds, Ridge, Gradient boosting", "Folds, LSTM, CNN-LSTM"]
    assert "validation" in [key.label for key in charts[1].keys]
    assert "validation" not in [key.label for key in charts[0].keys]
    assert charts[1].note.startswith("Purge gap: 28 days.")
    for day in run.folds["asof"].unique():
        assert f"{day:%Y-%m-%d}" in charts[1].svg
    table = fold_table(run)
    assert table is not None
    assert len(table.rows) == 4 * SMALL.refits
    assert table.rows[-1].cells[-2:] == ["40,000", "3,000"]
    assert table.rows[0].cells[3] == "–"


def test_a_refit_that_read_days_on_which_it_is_in_force_is_said_to(run: RunFolder) -> None:
    late = run.folds["in_force_from"] + pd.Timedelta(days=30)
    for columns in ({"train_last": late}, {"valid_last": late}):
        chart = fold_timelines(replace(run, folds=run.folds.assign(**columns)))[1]
        assert chart.note.startswith("Learned, on purpose, from days on which it is in force.")
        assert "Purge gap" not in chart.note


def test_many_refits_are_thinned_and_kept_incumbents_outlined(tmp_path: Path) -> None:
    folder = write_run_folder(tmp_path / "many", replace(SMALL, refits=60))
    chart = fold_timelines(read_run_folder(folder))[1]
    assert chart.note.startswith(f"{MOST_ROWS} of 60 refits, evenly spaced.")
    assert "Outlined: the incumbent stayed." in chart.note
    assert len(set(re.findall(r">(\d{4}-\d\d-\d\d)<", chart.svg))) == MOST_ROWS


def test_a_rule_that_learns_nothing_has_no_fold_chart(run: RunFolder) -> None:
    rule = run.folds[run.folds["recipe"] == "ridge"].assign(recipe="momentum", train_rows=0)
    charts = fold_timelines(replace(run, folds=pd.concat([run.folds, rule], ignore_index=True)))
    assert all("Momentum" not in chart.title for chart in charts)


def test_a_damaged_table_is_named(root: Path, tmp_path: Path) -> None:
    folder = write_run_folder(tmp_path / "damaged", SMALL)
    frame = pd.read_parquet(folder / "calibration.parquet").drop(columns="share")
    frame.to_parquet(folder / "calibration.parquet")
    with pytest.raises(RunFolderError, match=r"calibration.parquet: expected columns .* got none named share"):
        build_report(folder)
