"""The report's parts on how models are judged and compared say what the recorded tables say."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.transforms import Bbox
from run_folder_sample import HEADLINE, Sample, write_run_folder
from scipy import stats
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from nnstrategies.comparison import compare, holm
from nnstrategies.report import build_report
from nnstrategies.report.classes import accuracy_table, macro_figures
from nnstrategies.report.factors import factor_charts, quintile_table
from nnstrategies.report.forecast_path import forecast_paths
from nnstrategies.report.measures import ACCURACY, RANK_IC, accuracy_of, measure_of
from nnstrategies.report.metrics import max_drawdown, monthly_returns, total_return
from nnstrategies.report.periods import half_year_table, period_table
from nnstrategies.report.regimes import portfolio_regimes, regime_table
from nnstrategies.report.resampled import resampled_table
from nnstrategies.report.run_folder import OPTIONAL, RunFolder, read_run_folder
from nnstrategies.report.scatter import name_points, risk_and_return
from nnstrategies.report.svg import drawing
from nnstrategies.report.versus import model_table, portfolio_table

SMALL = Sample(symbols=20, sessions=240, held=6, seeds=2, null=19)
MINUS = "\u2212"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return read_run_folder(write_run_folder(tmp_path_factory.mktemp("runs") / "20240506-120000-sample", SMALL))


def number(cell: str) -> float:
    """The mean of a cell such as ``41.2 ± 0.8 %``, as a share where it is one."""
    text = cell.split("±")[0].replace(MINUS, "-").replace(",", "")
    return float(text.replace("\u00a0%", "")) / (100 if "%" in cell else 1)


def rows_of(table) -> dict[str, list[str]]:
    return {row.label: row.cells for row in table.rows}


# -- classes -----------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize("never", [None, "named", "came", "both"])
def test_macro_figures_are_those_of_scikit_learn_whatever_is_missing(never):
    counts = np.random.default_rng(1).integers(1, 40, (2, 3, 3)).astype(np.float64)
    if never in ("named", "both"):
        counts[:, :, 1] = 0
    if never in ("came", "both"):
        counts[:, 1, :] = 0
    found = macro_figures(counts)
    for seed, table in enumerate(counts.astype(int)):
        actual, predicted = (np.repeat(axis.ravel(), table.ravel()) for axis in np.indices((3, 3)))
        expected = precision_recall_fscore_support(actual, predicted, average="macro")[:3]
        assert [one[seed] for one in found] == pytest.approx([accuracy_score(actual, predicted), *expected])


def test_a_papers_figures_stand_above_the_measured_ones_with_the_time_of_a_fit(run):
    table = accuracy_table(run)
    published, own = table.rows[:2]
    assert (published.remark, own.remark) == ("published", "2 seeds")
    assert published.cells == ["68.5\u00a0%", "71.2\u00a0%", "–", "–", "–", "–", "12.3\u00a0h", "–"]
    assert own.cells[-2] == "30.5\u00a0s"
    slow = replace(run, fit_seconds=run.fit_seconds.assign(seconds=7300.0))
    assert accuracy_table(slow).rows[1].cells[-2] == "2.0\u00a0h"
    assert accuracy_table(replace(run, fit_seconds=run.fit_seconds.iloc[:0])).rows[1].cells[-2] == "–"
    assert "Published: a paper" in table.note


# -- measures ----------------------------------------------------------------------------------------------------------


def test_a_recipe_is_judged_by_accuracy_where_it_names_classes_and_else_by_rank_ic(run):
    own, ridge = measure_of(run, HEADLINE), measure_of(run, "ridge")
    assert (own.name, ridge.name) == (ACCURACY, RANK_IC)
    assert (own.overlap, ridge.overlap) == (2, 10)  # labels of 10 sessions, judged every 5th and every session
    rows = run.judgements[run.judgements["recipe"] == HEADLINE]
    sums = rows.groupby("seed")[["right", "named"]].sum()
    assert own.over(own.dates) == pytest.approx((sums["right"] / sums["named"]).tolist())
    ics = run.ic[run.ic["recipe"] == "ridge"]["rank_ic"]
    assert ridge.over(ridge.dates) == pytest.approx([ics.mean()])
    assert measure_of(run, "nothing") is None


# -- differences -------------------------------------------------------------------------------------------------------


def test_models_are_compared_on_the_same_dates_and_figure_and_holm_holds_for_all_rows(run):
    table = model_table(run)
    assert [row.label for row in table.rows] == [f"CNN-LSTM − {x}" for x in ("Ridge", "Gradient boosting", "LSTM")]
    assert [row.cells[0] for row in table.rows] == ["rank IC", "rank IC", "accuracy"]
    gap = accuracy_of(run, HEADLINE).daily - accuracy_of(run, "lstm").daily
    expected = compare(gap.to_numpy(), 2)
    cells = table.rows[2].cells
    assert number(cells[1]) == pytest.approx(gap.mean(), abs=0.0006)
    assert cells[2:5] == ["48", f"{expected.t:.2f}".replace("-", MINUS), str(expected.degrees)]
    assert number(cells[5]) == pytest.approx(expected.t_p, abs=0.001)
    assert cells[7] == "24"
    assert number(cells[8]) == pytest.approx(stats.wilcoxon(gap.to_numpy()[::2]).pvalue, abs=0.001)
    for plain, adjusted in ((5, 6), (8, 9)):
        found = holm([number(row.cells[plain]) for row in table.rows])
        assert [number(row.cells[adjusted]) for row in table.rows] == pytest.approx(found, abs=0.004)


def test_recipes_of_another_task_are_not_compared_and_too_few_dates_say_so(run):
    tasks = {"main": {"recipes": [HEADLINE, "lstm"], "overlap_days": 10}, "other": {"recipes": ["ridge"]}}
    alone = replace(run, manifest=run.manifest | {"tasks": tasks})
    few = replace(alone, judgements=run.judgements[run.judgements["date"] < "2017-03-01"], ic=run.ic.iloc[:0])
    assert [row.label for row in model_table(alone).rows] == ["CNN-LSTM − LSTM"]
    (row,) = model_table(few).rows
    assert row.remark == "5 differences without overlap, 10 are needed"
    assert row.cells[3:7] == ["–"] * 4
    single = {"main": {"recipes": [HEADLINE], "overlap_days": 10}}
    assert model_table(replace(run, manifest=run.manifest | {"tasks": single})) is None


def test_portfolios_are_compared_by_monthly_log_returns(run):
    found = rows_of(portfolio_table(run))["CNN-LSTM − Equal weight"]
    gap = [np.log1p(monthly_returns(run.returns[name])) for name in (HEADLINE, "equal_weight")]
    expected = stats.ttest_rel(*gap)
    assert number(found[0]) == pytest.approx((gap[0] - gap[1]).mean(), abs=0.00006)
    figures = [expected.statistic, len(gap[0]) - 1, expected.pvalue]
    assert [number(cell) for cell in found[2:5]] == pytest.approx(figures, abs=0.006)
    flat = replace(run, returns=run.returns.assign(benchmark=0.0))  # the data has no benchmark
    assert "CNN-LSTM − Benchmark" not in rows_of(portfolio_table(flat))


def test_the_test_drawn_anew_holds_each_figure_and_repeats(run):
    table = resampled_table(run)
    assert resampled_table(run) == table
    for row in table.rows:
        low, high = (number(part) for part in row.cells[1].split(" to "))
        assert low <= number(row.cells[0]) <= high, row.label
    found = rows_of(table)
    assert found["CNN-LSTM: accuracy"][2:] == ["48", "2"]
    assert found["Ridge: rank IC"][2:] == ["240", "10"]
    assert found["CNN-LSTM: annual return − equal weight"][2:] == ["240", "10"]
    short = replace(run, judgements=run.judgements[run.judgements["date"] < "2017-03-01"])
    (row,) = [row for row in resampled_table(short).rows if row.label == "LSTM: accuracy"]
    assert (row.cells[1], row.remark) == ("–", "20 dates are needed")


# -- regimes and periods -----------------------------------------------------------------------------------------------


def test_scores_by_regime_and_class_stand_below_what_the_paper_says(run):
    table = regime_table(run)
    published, own = table.rows[:2]
    assert table.head[3:] == ["Sell, right", "Hold, right", "Buy, right", "Bull", "Volatile", "Bear"]
    assert published.cells == ["accuracy", "68.5\u00a0%", "–", "–", "73.6\u00a0%", "–", "–", "61.3\u00a0%"]
    assert own.remark == "48 dates: 16 bull, 16 volatile, 16 bear"
    rows = run.judgements[(run.judgements["recipe"] == HEADLINE) & (run.judgements["seed"] == 0)]
    alone = replace(run, judgements=rows)
    cells = rows_of(regime_table(alone))["CNN-LSTM"]
    buys = rows[rows["predicted"] == "buy"]
    assert number(cells[4]) == pytest.approx(buys["right"].sum() / buys["named"].sum(), abs=0.0006)
    bear = run.regimes.loc[run.regimes["regime"] == "bear", "date"]
    inside = rows[rows["date"].isin(bear)]
    assert number(cells[-1]) == pytest.approx(inside["right"].sum() / inside["named"].sum(), abs=0.0006)
    assert rows_of(regime_table(run))["Ridge"][0] == "rank IC"


def test_a_return_belongs_to_the_regime_of_the_close_before(run):
    days = run.returns.index
    only = run.regimes.assign(regime=np.where(run.regimes["date"] == days[9], "bear", "bull"))
    table = portfolio_regimes(replace(run, regimes=only))
    cells, benchmark = (rows_of(table)[name] for name in ("CNN-LSTM", "Benchmark"))
    own, index = (run.returns[name].iloc[10] for name in (HEADLINE, "benchmark"))
    assert table.head[5] == "Bear (1 sessions)"
    assert number(cells[4]) == pytest.approx(252 * own, abs=0.0006)
    assert number(cells[5]) == pytest.approx(252 * (own - index), abs=0.0006)
    assert (cells[2], benchmark[1]) == ("–", "–")


def test_periods_are_figured_from_the_returns_inside_them_and_one_outside_says_so(run):
    table = period_table(run)
    group, own = table.rows[:2]
    inside = run.returns.loc["2017-01-16":"2017-02-28"]
    assert group.kind == "group"
    assert re.match(r"2017-01-16 to 2017-02-28, 32 sessions; accuracy of CNN-LSTM .* on 7 dates", group.remark)
    made, index = (total_return(inside[name].to_numpy()) for name in (HEADLINE, "benchmark"))
    expected = [made, made - index, max_drawdown(inside[HEADLINE].to_numpy())]
    assert [number(own.cells[k]) for k in (0, 1, 3)] == pytest.approx(expected, abs=0.0006)
    last = table.rows[-1]
    assert (last.label, last.cells) == ("Long ago", [])
    assert last.remark == "2011-01-03 to 2011-03-31: outside the test, 2017-01-03 to 2017-12-04"
    half = {"x": ["2016-12-01", "2017-01-05"]}
    partly = period_table(replace(run, manifest=run.manifest | {"periods": half})).rows[0].remark
    assert "3 sessions, of which the test has 2017-01-03 to 2017-01-05" in partly
    assert period_table(replace(run, manifest=run.manifest | {"periods": {}})) is None
    without = period_table(replace(run, returns=run.returns.assign(benchmark=0.0)))
    assert without.rows[1].cells[1] == "–"
    assert "Benchmark" not in rows_of(without)


def test_half_years_multiply_to_the_whole_test(run):
    table = half_year_table(run)
    assert [row.label for row in table.rows] == ["2017, first half", "2017, second half"]
    whole = np.prod([1 + number(row.cells[0]) for row in table.rows]) - 1
    assert whole == pytest.approx(total_return(run.returns[HEADLINE].to_numpy()), abs=0.002)
    assert sum(int(row.cells[4]) for row in table.rows) == 240
    assert table.head[-1] == "Accuracy"


def test_quintiles_of_two_screens_say_whose_they_are(run):
    keys = [(recipe, "size", "test", q, 0.01 * q, 50) for recipe in ("factors", "few") for q in range(1, 6)]
    table = pd.DataFrame(keys, columns=OPTIONAL["quintiles"])
    assert [row.remark for row in quintile_table(replace(run, quintiles=table)).rows] == ["Factors", "Few"]
    (alone,) = quintile_table(replace(run, quintiles=table[table["recipe"] == "few"])).rows
    assert (alone.remark, alone.cells[-2]) == ("", "+4.00\u00a0%")


def test_charts_of_two_screens_say_whose_they_are(run):
    keys = [(recipe, "size", "test", q, 0.01 * q, 50) for recipe in ("factors", "few") for q in range(1, 6)]
    seen = [(recipe, day, "size", 5, 0.02, 0.3, True, True) for recipe in ("factors", "few") for day in (1, 2)]
    quintiles = pd.DataFrame(keys, columns=OPTIONAL["quintiles"])
    screens = pd.DataFrame(seen, columns=OPTIONAL["screens"])
    screens["asof"] = pd.to_datetime(screens["asof"].map({1: "2024-01-31", 2: "2024-02-29"}))
    both = factor_charts(replace(run, quintiles=quintiles, screens=screens))
    assert [chart.title for chart in both] == [
        "What each screen saw, Factors",
        "Quintile returns in the test, Factors",
        "What each screen saw, Few",
        "Quintile returns in the test, Few",
    ]
    alone = factor_charts(replace(run, quintiles=quintiles, screens=screens[screens["recipe"] == "few"]))
    assert [chart.title for chart in alone] == ["What each screen saw", "Quintile returns in the test"]


# -- charts and the page -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_no_name_covers_another_even_where_points_crowd(seed):
    points = np.random.default_rng(seed).normal(0.2, 0.02, (8, 2))
    points[0] = points[1] = points[2]
    names = ["cnn_lstm", "lstm", "random_forest", "gradient_boosting", "ridge", "momentum", "equal_weight", "benchmark"]
    with drawing(width=1000, height=400) as (figure, axes):
        axes.plot(*points.T, "o")
        axes.margins(0.12, 0.14)
        boxes = name_points(figure, axes, points, names, "cnn_lstm")
    for k, box in enumerate(boxes):
        assert all(Bbox.intersection(box, other) is None for other in boxes[:k])
        assert axes.bbox.expanded(1.001, 1.001).contains(*box.min)
        assert axes.bbox.expanded(1.001, 1.001).contains(*box.max)


def test_every_portfolio_is_named_once(run):
    chart = risk_and_return(run)
    for name in ("CNN-LSTM", "LSTM", "Ridge", "Gradient boosting", "Momentum", "Equal weight", "Benchmark"):
        assert chart.svg.count(f">{name}<") == 1
    flat = replace(run, returns=run.returns.assign(benchmark=0.0))
    assert ">Benchmark<" not in risk_and_return(flat).svg  # the data has none, there is nothing to beat at 0 %


def test_prices_are_drawn_as_they_came_as_forecast_and_unchanged(run):
    (chart,) = forecast_paths(run)
    assert chart.title == "Close of 600000.SH, forecast and actual"
    assert [key.label for key in chart.keys] == ["CNN-LSTM", "as it came", "persistence: no change"]
    assert run.forecast_path[["price", "forecast", "unchanged"]].dtypes.eq("float64").all()
    both = pd.concat([run.forecast_path, run.forecast_path.assign(field="open", recipe="ridge")])
    assert [one.keys[0].label for one in forecast_paths(replace(run, forecast_path=both))] == ["CNN-LSTM", "Ridge"]


def test_a_run_without_the_optional_tables_still_makes_a_page(tmp_path: Path):
    folder = write_run_folder(tmp_path / "20240506-120000-plain", replace(SMALL, sessions=110))
    for name in OPTIONAL:
        (folder / f"{name}.parquet").unlink(missing_ok=True)
    page = build_report(folder).read_text(encoding="utf-8")
    assert "Regimes are not known: the data has no benchmark" in page
    assert "CNN-LSTM: rank IC" in page
    assert "forecast and actual" not in page
    assert "12.3\u00a0h" in page


def test_the_page_has_the_new_parts_and_every_link_a_target(tmp_path: Path):
    folder = write_run_folder(tmp_path / "20240506-120000-whole", replace(SMALL, sessions=110))
    page = build_report(folder).read_text(encoding="utf-8")
    for title in ("Model against model", "The test drawn anew", "Volatility and return", "Named periods", "Half-years"):
        assert title in page
    for target in re.findall(r'href="#([\w-]+)"', page):
        assert f'id="{target}"' in page
