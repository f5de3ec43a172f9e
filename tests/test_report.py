"""A report comes from the run folder alone, says no more than the run allows, and refuses a damaged folder."""

from __future__ import annotations

import html
import json
import re
import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from run_folder_sample import HEADLINE, Sample, write_run_folder

from nnstrategies.errors import RunFolderError
from nnstrategies.report import build_report
from nnstrategies.report.blocked import blocked_orders, worst_day
from nnstrategies.report.definitions import DEFINITIONS
from nnstrategies.report.formats import p_text, percent, ratio
from nnstrategies.report.html import market_rules, report_tables
from nnstrategies.report.ledger import corporate_actions, costs
from nnstrategies.report.metrics import per_year, run_metrics
from nnstrategies.report.run_folder import COLUMNS, RunFolder, read_run_folder
from nnstrategies.report.stamp import LEAKY, stamp
from nnstrategies.report.tables import comparison, known_truth, monthly_heat_map, refusals, target_differences
from nnstrategies.report.verdict import result_finding, score_finding, verdict

ROOT = Path(__file__).parents[1]
SMALL = Sample(symbols=20, sessions=200, held=6, seeds=2, null=39)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_run_folder(tmp_path_factory.mktemp("runs") / "20240506-120000-sample", SMALL)
    build_report(root)
    return root


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(built, tmp_path / built.name))


@pytest.fixture(scope="module")
def page(built: Path) -> str:
    return (built / "report.html").read_text(encoding="utf-8")


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.ids: list[str] = []
        self.depth: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "srcset", "action") and value:
                self.found.append(value)
            if name == "id" and value:
                self.ids.append(value)


def test_the_page_asks_for_nothing_outside_itself(page: str) -> None:
    links = _Links()
    links.feed(page)
    assert links.found
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links.found)
    assert not re.search(r"url\((?!#)|@import", page)


def test_ids_in_the_page_are_unique_and_every_internal_link_has_its_target(page: str) -> None:
    links = _Links()
    links.feed(page)
    assert len(links.ids) == len(set(links.ids))
    assert {link[1:] for link in links.found if link.startswith("#")} <= set(links.ids)
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(links.ids)


def test_every_definition_and_formula_is_printed(page: str) -> None:
    from markupsafe import escape

    for entry in DEFINITIONS:
        assert str(escape(entry.label)) in page
        assert str(escape(entry.formula)) in page


def test_charts_take_their_colours_from_the_page_so_that_dark_mode_works(page: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(drawings) >= 12
    for svg in drawings:
        colours = set(re.findall(r"(?:fill|stroke): ([^;\"]+)", svg))
        assert {c for c in colours if c.startswith("#")} == set(), colours
        assert "var(--" in svg


def test_metrics_json_has_every_portfolio_and_the_same_bytes_each_time(folder: Path) -> None:
    first, page = (folder / "metrics.json").read_bytes(), (folder / "report.html").read_bytes()
    build_report(folder)
    assert (folder / "metrics.json").read_bytes() == first
    assert (folder / "report.html").read_bytes() == page
    columns = [c for c in pd.read_parquet(folder / "returns.parquet").columns if c != "date"]
    assert list(json.loads(first)) == columns
    assert set(json.loads(first)[HEADLINE]) == {entry.key for entry in DEFINITIONS}


def test_headline_figures_on_the_page_are_those_of_metrics_json(built: Path, page: str) -> None:
    figures = json.loads((built / "metrics.json").read_text())[HEADLINE]
    for text in (
        percent(figures["annual_return_geometric"]),
        percent(figures["max_drawdown"]),
        ratio(figures["sharpe"]),
    ):
        assert f"<dd>{text}</dd>" in page
    dates = f"{figures['max_drawdown_peak']} to {figures['max_drawdown_trough']}"
    assert dates.replace("-", "\u2011") in page


def test_tables_for_the_docs_are_those_of_the_page(
    built: Path, page: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = report_tables(built)
    assert {"comparison", "evidence", "costs"} <= set(found)
    for row in found["comparison"].rows:
        assert all(html.escape(cell) in page for cell in row.cells)
    script = ROOT / "benchmarks" / "results_table.py"
    monkeypatch.setattr(sys, "argv", [str(script), str(built), "comparison"])
    runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out.count("\n| ") == len(found["comparison"].rows) + 1


def test_tables_of_a_run_that_reads_the_future_say_so_above(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = json.loads((folder / "manifest.json").read_text()) | {"leaks": ["leaky_until of lstm"]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    script = ROOT / "benchmarks" / "results_table.py"
    monkeypatch.setattr(sys, "argv", [str(script), str(folder), "evidence"])
    runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out.startswith(f"**{stamp(['leaky_until of lstm'])}**\n\n## evidence")


def test_the_position_ratio_is_drawn_beside_what_was_asked_for(page: str) -> None:
    shown = page[page.index("Position ratio") :]
    drawing = re.search(r'<svg[^>]*aria-label="Position ratio over time".*?</svg>', shown, flags=re.DOTALL).group(0)
    assert {"var(--s0)", "var(--s1)"} <= set(re.findall(r"var\(--s\d\)", drawing))
    assert "achieved" in shown
    assert "wanted" in shown


def test_the_benchmark_is_said_to_be_a_price_index(page: str) -> None:
    assert "Simulated index is a price index: it leaves dividends out" in page


def test_a_run_that_reads_the_future_is_stamped_on_screen_and_on_every_printed_page(folder: Path, page: str) -> None:
    assert '<aside class="stamp">' not in page
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["leaks"] = ["leaky_minmax of lstm"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    stamped = build_report(folder).read_text(encoding="utf-8")
    said = LEAKY.format("scaling over the whole sample (leaky_minmax of lstm)")
    assert f'<body class="stamped">\n<aside class="stamp"><p>{said}</p></aside>' in stamped
    assert "<title>Reads the future: Synthetic run" in stamped
    screen, printed = stamped[stamped.index("<style>") :].split("@media print", 1)
    assert re.search(r"\.stamp\{position:sticky;top:0", screen)
    assert re.search(r"\.stamp\{position:fixed;top:0", printed)
    assert re.search(r"\.stamped\{padding-top:17mm;box-decoration-break:clone\}", printed)  # room on every page


def test_the_stamp_says_every_kind_of_leak_in_words_and_counts_many_of_one() -> None:
    several = [f"leaky_interpolated_{k}" for k in range(4)]
    said = stamp([*several, "leaky_zscore of cnn", "leaky_members_on 2017-03-31", "mine"])
    assert said == LEAKY.format(
        "gaps filled from what came after (leaky_interpolated_0 and 3 more); "
        "scaling over the whole sample (leaky_zscore of cnn); "
        "the members of a later day all along (leaky_members_on 2017-03-31); features that look ahead (mine)"
    )
    assert stamp([]) == ""
    assert "windows that end after their own date (leaky_time_shift of net)" in stamp(["leaky_time_shift of net"])
    assert "bounds of the whole sample (leaky_three_sigma_ret_1)" in stamp(["leaky_three_sigma_ret_1"])


def test_names_from_the_run_are_escaped(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["title"] = "<script>alert(1)</script>"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert "<script>alert" not in build_report(folder).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name", [*(f"{table}.parquet" for table in COLUMNS), "manifest.json", "timeline.json", "evidence.json"]
)
def test_a_missing_file_is_named_with_the_mend(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(RunFolderError, match=rf"{name}: expected .* got none \(missing\); repeat the run"):
        build_report(folder)


@pytest.mark.parametrize("name", ["returns.parquet", "fills.parquet", "manifest.json", "truth.json"])
def test_a_damaged_file_is_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"not what it should be")
    with pytest.raises(RunFolderError, match=name):
        build_report(folder)


def test_a_missing_column_is_named(folder: Path) -> None:
    frame = pd.read_parquet(folder / "fills.parquet").drop(columns="fee")
    frame.to_parquet(folder / "fills.parquet")
    with pytest.raises(RunFolderError, match=r"fills.parquet: expected columns .* got none named fee"):
        build_report(folder)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.5])
def test_a_return_that_cannot_be_is_refused_with_its_date_before_anything_is_written(folder: Path, bad: float) -> None:
    frame = pd.read_parquet(folder / "returns.parquet")
    frame.loc[3, "momentum"] = bad
    frame.to_parquet(folder / "returns.parquet")
    (folder / "metrics.json").unlink()
    with pytest.raises(RunFolderError, match=r"column momentum, got .* on 2017-01-06"):
        build_report(folder)
    assert not (folder / "metrics.json").exists()


def test_repeated_dates_are_refused(folder: Path) -> None:
    frame = pd.read_parquet(folder / "returns.parquet")
    pd.concat([frame, frame.tail(1)]).to_parquet(folder / "returns.parquet")
    with pytest.raises(RunFolderError, match="strictly increasing dates"):
        build_report(folder)


def test_a_headline_without_returns_is_refused(folder: Path) -> None:
    frame = pd.read_parquet(folder / "returns.parquet").drop(columns=HEADLINE)
    frame.to_parquet(folder / "returns.parquet")
    with pytest.raises(RunFolderError, match=f"a column {HEADLINE}"):
        build_report(folder)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="expected a run folder, found none"):
        build_report(tmp_path / "nowhere")


ENTRY = {"rank_ic": 0.03, "ic": 0.02, "seeds": {"0": 0.03}, "null": [0.0] * 39, "p_value": 0.025}


def test_a_score_counts_as_evidence_only_when_it_beats_the_null() -> None:
    assert score_finding("lstm", ENTRY).tone == "good"
    failed = score_finding("lstm", ENTRY | {"p_value": 0.2})
    assert failed.tone == "bad"
    assert "no evidence" in failed.text


def test_without_a_null_nothing_is_said_about_significance() -> None:
    finding = score_finding("lstm", ENTRY | {"null": [], "p_value": 0.01})
    assert finding.tone == "open"
    assert "nothing can be said" in finding.text
    assert "0.01" not in finding.text


def test_too_few_null_refits_leave_the_question_open_whatever_p_says() -> None:
    finding = score_finding("lstm", ENTRY | {"null": [0.0] * 9, "p_value": 0.1})
    assert finding.tone == "open"
    assert "cannot fall below 0.100" in finding.text


def test_a_result_inside_its_sampling_error_is_called_noise(built: Path) -> None:
    run = read_run_folder(built)
    figures = run_metrics(run)
    figures[HEADLINE] |= {"excess_over_equal_weight": 0.01, "tracking_error_equal_weight": 0.08}
    finding = result_finding(run, figures)
    assert finding.tone == "open"
    assert finding.answer.endswith("within noise")
    figures[HEADLINE]["excess_over_equal_weight"] = -0.4
    behind = result_finding(run, figures)
    assert behind.tone == "bad"
    assert behind.answer.startswith("Behind by 40.0")
    score = score_finding(HEADLINE, ENTRY)
    assert "but after costs" in verdict(run, score, behind, figures)


def test_the_comparison_shows_seeds_as_mean_and_sample_deviation(built: Path) -> None:
    run = read_run_folder(built)
    figures = run_metrics(run)
    table = comparison(run, figures)
    seeds = [float(figures[f"{HEADLINE}/{k}"]["sharpe"]) for k in range(2)]
    row = table.rows[1]
    assert row.label == "single seeds (2)"
    assert row.cells[table.head.index("Sharpe") - 1] == f"{np.mean(seeds):.2f} ± {np.std(seeds, ddof=1):.2f}"
    assert [r.label for r in table.rows][-3:] == ["Momentum", "Equal weight", "Benchmark"]


def test_every_portfolio_shows_its_turnover_win_rate_and_months_and_a_dash_where_nothing_is_traded(built: Path) -> None:
    run = read_run_folder(built)
    figures = run_metrics(run)
    rows = {row.label: row.cells for row in report_tables(built)["trades"].rows}
    for name, label in (("ridge", "Ridge"), ("momentum", "Momentum")):
        own = figures[name]
        traded = [percent(own["turnover"]), ratio(own["sales"], 0), percent(own["win_rate_sales"])]
        assert rows[label][:3] == traded
        assert rows[label][4:] == [ratio(own["skew_months"]), ratio(own["excess_kurtosis_months"])]
    assert rows["Equal weight"][:3] == ["\u2013"] * 3
    assert "\u2013" not in rows["Equal weight"][3:]
    assert rows["single seeds (2)"][1] == f"{figures['lstm/0']['sales']:.0f} ± 0"


def test_a_papers_win_rate_and_turnover_stand_beside_those_of_any_portfolio(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["published"]["figures"] = {"ridge": {"turnover": 3.1, "win_rate_sales": 0.547}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    table = report_tables(folder)["published"]
    assert table.head == ["Portfolio", "Turnover (one-sided)", "Win rate, sales"]
    figures = run_metrics(read_run_folder(folder))["ridge"]
    assert [row.cells for row in table.rows] == [
        [percent(3.1), percent(0.547)],
        [percent(figures["turnover"]), percent(figures["win_rate_sales"])],
    ]


def test_known_truth_shows_each_models_share_of_the_best_reachable(built: Path) -> None:
    table = known_truth(read_run_folder(built))
    assert table is not None
    ridge = next(row for row in table.rows if row.label == "Ridge")
    assert ridge.cells == [
        "0.0240 (80\u00a0%)",
        "0.0010 (4\u00a0%)",
        "\u22120.0010 (\u22124\u00a0%)",
        "0.0160 (33\u00a0%)",
    ]


def test_differences_and_refusals_are_counted_by_reason(built: Path) -> None:
    run = read_run_folder(built)
    refused, gaps = refusals(run), target_differences(run)
    assert refused is not None
    assert gaps is not None
    assert sum(int(row.cells[0]) for row in refused.rows) == len(run.refusals)
    assert {row.label for row in refused.rows} == set(run.refusals["reason"])
    assert sum(int(row.cells[0]) for row in gaps.rows) == len(run.targets)
    assert sum(refused.shares) == pytest.approx(1)
    assert sum(gaps.shares) == pytest.approx(1)


def _with(run: RunFolder, **tables: list[dict[str, Any]]) -> RunFolder:
    """The run with rows of its own in some tables; columns that a row leaves out are empty text, zero or no date."""
    frames = {}
    for name, rows in tables.items():
        known = getattr(run, name).iloc[:0]
        frames[name] = pd.DataFrame(rows, columns=known.columns).astype(known.dtypes)
    return replace(run, **frames)


def _account(run: RunFolder, value: float, years: float) -> RunFolder:
    days = pd.bdate_range("2020-01-01", periods=int(252 * years))
    account = pd.DataFrame({"date": days, "value": value, "cash": 0.0, "position_ratio": 1.0})
    return replace(run, account=account, returns=pd.DataFrame({"x": 0.0}, index=days))


def _posting(transaction: int, kind: str, account: str, amount: float) -> dict[str, Any]:
    day = pd.Timestamp("2020-03-02")
    entry = {"date": day, "transaction": transaction, "kind": kind, "symbol": "600000.SH"}
    return entry | {"account": account, "amount": amount}


def test_costs_are_shown_by_component_per_traded_value_and_year(built: Path) -> None:
    run = _account(read_run_folder(built), value=100_000.0, years=2)
    fill = {"date": pd.Timestamp("2020-03-02"), "symbol": "600000.SH", "side": "sell", "size": 1_000.0}
    run = _with(
        run,
        fills=[fill | {"price": 20.0, "fee": 26.2, "slippage_cost": 10.0}],
        ledger=[
            _posting(1, "sell", "expenses:stamp_duty", 20.0),
            _posting(1, "sell", "expenses:transfer_fee", 0.2),
            _posting(1, "sell", "expenses:commission", 6.0),
            _posting(1, "sell", "expenses:dividend_tax", 50.0),
            _posting(2, "write_off", "expenses:write_off", 7_000.0),
        ],
    )
    # 20,000 traded: 6.00 = 3 bps; over 2 years of an account of 100,000: 6 / 200,000 = 0.003 %
    assert [(row.label, row.cells[0], row.cells[1]) for row in costs(run).rows] == [
        ("Commission", "6.00", "3.00"),
        ("Stamp duty", "20.00", "10.00"),
        ("Transfer fee", "0.20", "0.10"),
        ("Slippage", "10.00", "5.00"),
        ("Trading costs", "36.20", "18.10"),
        ("Dividend tax", "50.00", "\u2013"),
        ("All", "86.20", "\u2013"),
    ]
    assert [row.cells[2] for row in costs(run).rows][-3:] == ["0.02\u00a0%", "0.03\u00a0%", "0.04\u00a0%"]


def test_costs_on_the_page_add_up_to_the_figures_of_metrics_json(built: Path) -> None:
    run = read_run_folder(built)
    figures = run_metrics(run)[HEADLINE]
    rows = {row.label: row.cells[2] for row in costs(run).rows}
    assert rows["Trading costs"] == percent(figures["fees_per_year"] + figures["slippage_per_year"], 2)
    assert rows["Dividend tax"] == percent(figures["dividend_tax_per_year"], 2)


def test_corporate_actions_say_what_came_what_was_taxed_and_what_was_inferred(built: Path) -> None:
    day = pd.Timestamp("2020-03-02")
    action = {"date": day, "cash": 0.0, "size_before": 100.0}
    run = _with(
        _account(read_run_folder(built), value=100_000.0, years=1),
        actions=[
            action | {"symbol": "600000.SH", "size_after": 100.0, "inferred": True},
            action | {"symbol": "600001.SH", "size_after": 150.0, "inferred": False},
        ],
        ledger=[
            _posting(1, "dividend", "income:dividends", -300.0),
            _posting(1, "dividend", "expenses:dividend_tax", 30.0),
            _posting(2, "sell", "expenses:dividend_tax", 12.0),
            _posting(3, "delisting", "assets:shares", -900.0),
            _posting(3, "delisting", "income:realised", 200.0),
            _posting(4, "write_off", "expenses:write_off", 500.0),
        ],
    )
    table = corporate_actions(run)
    assert table is not None
    assert [(row.label, row.cells[:3], row.remark) for row in table.rows] == [
        ("Dividends", ["1", "1", "300.00"], ""),
        ("Dividend tax", ["2", "\u2013", "\u221242.00"], "of it 12 when shares were sold"),
        ("Changes of the share count", ["1", "0", "0.00"], "splits, bonus shares, rights; fractions paid in cash"),
        ("Payouts of delisted holdings", ["1", "\u2013", "700.00"], ""),
        ("Delisted without a payout", ["1", "\u2013", "0.00"], "bought for 500"),
    ]
    assert table.rows[0].cells[3] == "0.30\u00a0%"


def test_blocked_orders_are_counted_by_reason_with_waits_and_the_worst_day(built: Path) -> None:
    run = _account(read_run_folder(built), value=100_000.0, years=1)
    days = run.returns.index

    def row(at: int, reason: str, side: str, wait: int | None, cost: float) -> dict[str, Any]:
        entry = {"date": days[at - 1], "symbol": "600000.SH", "side": side, "reason": reason, "size": 100.0}
        until = pd.NaT if wait is None else days[at + wait]
        price = {"blocked_on": days[at], "blocked_price": 10.0, "repaired_on": until, "repaired_price": 11.0}
        return entry | price | {"cost": cost}

    run = _with(
        run,
        blocked=[
            row(10, "limit-up", "buy", 1, 100.0),
            row(20, "limit-up", "buy", 4, -40.0),
            row(20, "limit-down", "sell", None, np.nan),
            row(20, "limit-up", "buy", None, np.nan),
        ],
    )
    table = blocked_orders(run)
    assert table is not None
    assert [(line.label, line.cells) for line in table.rows] == [
        ("limit-up", ["3", "3", "0", "2", "2.5", "1", "60.00", "0.06\u00a0%"]),
        ("limit-down", ["1", "0", "1", "0", "\u2013", "1", "\u2013", "\u2013"]),
        ("All", ["4", "3", "1", "2", "2.5", "2", "60.00", "0.06\u00a0%"]),
    ]
    assert worst_day(run) == f"Worst day: {days[20]:%Y-%m-%d}, when 3 orders were blocked; having to wait gained 40.00."
    assert "No cost is known for 2 of the orders." in table.note
    assert per_year(run, float(run.blocked["cost"].sum())) == pytest.approx(60 / 100_000)


def test_the_worst_day_is_the_one_with_most_blocked_orders_whatever_is_known_of_their_cost(built: Path) -> None:
    run = read_run_folder(built)
    assert worst_day(replace(run, blocked=run.blocked.iloc[:0])) == ""
    alone = run.blocked.head(1)
    assert "when 1 order was blocked; having to wait cost 1,234.50." in worst_day(
        replace(run, blocked=alone.assign(cost=1_234.5))
    )
    assert worst_day(replace(run, blocked=alone.assign(cost=np.nan))).endswith("what having to wait cost is not known.")


def test_the_rules_of_the_market_are_named_with_what_is_not_official(built: Path, page: str) -> None:
    said = "Market rules: China A-shares (rule book cn_a); 2 of the entries used are not from an official text."
    assert said in page
    lines = json.loads((built / "manifest.json").read_text())["market"]["unsure"]
    assert all(f"<li>{line}</li>" in page for line in lines)
    run = read_run_folder(built)
    market = run.manifest["market"] | {"unsure": []}
    said = "Market rules: China A-shares (rule book cn_a); every entry used is from an official text."
    assert market_rules(replace(run, manifest=run.manifest | {"market": market})) == (said, [])


def test_a_manifest_without_its_market_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["market"]["unsure"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(
        RunFolderError, match=r"manifest.json: expected the keys .* under market, got none named unsure"
    ):
        read_run_folder(folder)


def test_a_ledger_that_does_not_balance_is_refused_with_the_transaction(folder: Path) -> None:
    ledger = pd.read_parquet(folder / "ledger.parquet")
    ledger.loc[ledger["transaction"] == 3, "amount"] += 0.01
    ledger.to_parquet(folder / "ledger.parquet")
    with pytest.raises(RunFolderError, match=r"postings that add up to zero, got 0\.0\d in transaction 3"):
        read_run_folder(folder)


def test_fees_that_the_fills_do_not_show_are_refused(folder: Path) -> None:
    fills = pd.read_parquet(folder / "fills.parquet").assign(fee=0.0)
    fills.to_parquet(folder / "fills.parquet")
    with pytest.raises(RunFolderError, match=r"ledger.parquet: expected fees as in fills.parquet, 0.00 in all"):
        read_run_folder(folder)


def test_a_repair_may_be_missing_but_no_day_of_the_block(folder: Path) -> None:
    table = pd.read_parquet(folder / "blocked.parquet")
    assert table["repaired_on"].isna().any()
    table.assign(repaired_on=pd.NaT).to_parquet(folder / "blocked.parquet")
    none = blocked_orders(read_run_folder(folder))
    assert none is not None
    assert {row.cells[3] for row in none.rows} == {"0"}
    table.loc[0, "blocked_on"] = pd.NaT
    table.to_parquet(folder / "blocked.parquet")
    with pytest.raises(RunFolderError, match=r"blocked.parquet: expected .*column blocked_on"):
        read_run_folder(folder)


def test_the_heat_map_has_a_cell_for_each_month_traded(built: Path) -> None:
    run = read_run_folder(built)
    rows, _ = monthly_heat_map(run)
    texts = [text for _, cells, _ in rows for text, _ in cells if text]
    assert len(texts) == pd.DatetimeIndex(run.returns.index).to_period("M").nunique()
    assert all(-1 <= strength <= 1 for _, cells, _ in rows for _, strength in cells)


def test_a_run_of_five_sessions_with_empty_tables_still_makes_a_page(tmp_path: Path) -> None:
    root = write_run_folder(
        tmp_path / "short", Sample(symbols=8, sessions=5, held=3, seeds=1, null=0, refits=1, simulated=False)
    )
    empty = ("targets", "orders", "fills", "refusals", "blocked", "ledger", "actions", "positions", "losses", "ic")
    for name in empty:
        frame = pd.read_parquet(root / f"{name}.parquet")
        frame.iloc[:0].to_parquet(root / f"{name}.parquet")
    (root / "timeline.json").write_text("[]")
    (root / "evidence.json").write_text("{}")
    text = build_report(root).read_text(encoding="utf-8")
    assert "No order was refused" in text
    assert "No order was blocked" in text
    assert "Nothing held paid a dividend" in text
    assert "Known truth" not in text
    assert "no statement on significance" in text


def test_the_report_loads_no_model_feed_broker_or_strategy(built: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from nnstrategies.report import build_report;"
        f"build_report(Path({str(built)!r}));"
        "bad = [m for m in sys.modules if m.split('.')[0] in ('torch', 'backtrader', 'ccxt')"
        " or m.startswith(('nnstrategies.feeds', 'nnstrategies.brokers', 'nnstrategies.strategies'))];"
        "assert not bad, bad"
    )
    root = str(Path(__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr


def test_numbers_are_written_with_a_real_minus_and_a_dash_for_nothing() -> None:
    assert percent(-0.1234) == "\u221212.3\u00a0%"
    assert percent(-0.00001) == "0.0\u00a0%"
    assert percent(float("nan")) == ratio(None) == "\u2013"
    assert percent(0.05, signed=True) == "+5.0\u00a0%"
    assert p_text(0.025) == "0.025"
    assert p_text(0.0002) == "0.0002"
