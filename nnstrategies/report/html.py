"""Put figures, charts and tables into one self-contained page."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from nnstrategies.report import charts, formats, tables
from nnstrategies.report.blocked import blocked_orders, worst_day
from nnstrategies.report.classes import accuracy_table, class_table, matrices, reliability
from nnstrategies.report.cross_validation import fold_figures
from nnstrategies.report.definitions import DEFINITIONS, EVIDENCE, NOTATION, recipe_label
from nnstrategies.report.factors import factor_charts, quintile_table, screen_table
from nnstrategies.report.folds import fold_table, fold_timelines
from nnstrategies.report.forecast_path import forecast_paths
from nnstrategies.report.forecasts import forecast_table, symbol_table
from nnstrategies.report.importance import importance_charts, importance_table, quick_note
from nnstrategies.report.ledger import corporate_actions, costs
from nnstrategies.report.metrics import Metric, metrics_bytes, run_metrics
from nnstrategies.report.periods import half_year_table, period_table
from nnstrategies.report.positions import attribution_table, correlation_chart, position_table
from nnstrategies.report.published import published, variants
from nnstrategies.report.regimes import portfolio_regimes, regime_table
from nnstrategies.report.resampled import resampled_table
from nnstrategies.report.run_folder import RunFolder, read_run_folder
from nnstrategies.report.sales import sales_table
from nnstrategies.report.scatter import risk_and_return
from nnstrategies.report.selection import ensembles, searched, trials_note
from nnstrategies.report.stamp import stamp
from nnstrategies.report.svg import Chart
from nnstrategies.report.symbols import direction_symbols
from nnstrategies.report.tearsheet import tear_sheet
from nnstrategies.report.threshold_chart import threshold_charts
from nnstrategies.report.verdict import result_finding, score_finding, verdict
from nnstrategies.report.versus import model_table, portfolio_table

TEMPLATES = Path(__file__).parent / "templates"


def write_report(root: Path) -> Path:
    """Write metrics.json and report.html into ``root``; raises RunFolderError before writing anything."""
    run = read_run_folder(root)
    metrics = run_metrics(run)
    page = render(run, metrics)
    (root / "metrics.json").write_bytes(metrics_bytes(metrics))
    path = root / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def report_tables(root: Path) -> dict[str, tables.Table]:
    """The tables of a run's report by name, those that it has."""
    run = read_run_folder(root)
    return {name: table for name, table in _tables(run, run_metrics(run)).items() if table is not None}


def render(run: RunFolder, metrics: dict[str, dict[str, Metric]]) -> str:
    """The page as text; the only script opens collapsed parts before printing."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(_context(run, metrics))


def _context(run: RunFolder, metrics: dict[str, dict[str, Metric]]) -> dict[str, Any]:
    score = score_finding(run.judged, run.evidence.get(run.judged))
    result = result_finding(run, metrics)
    heat_rows, heat_scale = tables.monthly_heat_map(run)
    return {
        "manifest": run.manifest,
        "label": recipe_label(run.headline),
        "judged": recipe_label(run.judged),
        "stamp": stamp(run.manifest["leaks"]),
        "verdict": verdict(run, score, result, metrics),
        "findings": [score, result],
        "tiles": _tiles(run, metrics),
        "cautions": [str(text) for text in run.manifest.get("cautions", [])],
        "charts": _charts(run),
        "heat": {"rows": heat_rows, "scale": formats.percent(heat_scale)},
        "tables": _tables(run, metrics),
        "cross_validation": fold_figures(run),
        "matrices": matrices(run),
        "importance": importance_charts(run),
        "quick_note": quick_note(run),
        "trials_note": trials_note(run),
        "market": market_rules(run),
        "worst_day": worst_day(run),
        "truth": run.truth,
        "sheet": tear_sheet(run),
        "definitions": DEFINITIONS,
        "evidence_terms": EVIDENCE,
        "notation": NOTATION,
        "provenance": _provenance(run),
        "config": run.config,
        "commands": _commands(run),
    }


def _charts(run: RunFolder) -> dict[str, list[Chart]]:
    """Charts by section; those without data are left out."""
    single: dict[str, list[Callable[[RunFolder], Chart | None]]] = {
        "value": [charts.net_value],
        "risk": [charts.relative_value, charts.drawdown, charts.rolling_sharpe, charts.return_histogram],
        "trading": [charts.position_ratio, charts.monthly_turnover, charts.target_gap, correlation_chart],
        "ic": [charts.rank_ic],
    }
    result = {key: [chart for draw in draws if (chart := draw(run)) is not None] for key, draws in single.items()}
    return result | {
        "null": charts.null_histograms(run),
        "losses": charts.loss_curves(run),
        "reliability": reliability(run),
        "folds": fold_timelines(run),
        "factors": factor_charts(run),
        "scatter": [risk_and_return(run)],
        "forecasts": forecast_paths(run),
        "thresholds": threshold_charts(run),
    }


def _tables(run: RunFolder, metrics: dict[str, dict[str, Metric]]) -> dict[str, tables.Table | None]:
    return {
        "comparison": tables.comparison(run, metrics),
        "trades": tables.trades(run, metrics),
        "published": published(run, metrics),
        "variants": variants(run, metrics),
        "ensembles": ensembles(run),
        "searched": searched(run),
        "figures": tables.all_figures(run, metrics),
        "evidence": tables.evidence(run),
        "truth": tables.known_truth(run),
        "refusals": tables.refusals(run),
        "targets": tables.target_differences(run),
        "holdings": tables.top_holdings(run),
        "costs": costs(run),
        "sales": sales_table(run),
        "positions": position_table(run),
        "attribution": attribution_table(run),
        "blocked": blocked_orders(run),
        "actions": corporate_actions(run),
        "timeline": tables.timeline(run),
        "folds": fold_table(run),
        "accuracy": accuracy_table(run),
        "classes": class_table(run),
        "importance": importance_table(run),
        "forecasts": forecast_table(run),
        "symbols": direction_symbols(run),
        "forecast_symbols": symbol_table(run),
        "screens": screen_table(run),
        "quintiles": quintile_table(run),
        "models": model_table(run),
        "against": portfolio_table(run),
        "resampled": resampled_table(run),
        "regimes": regime_table(run),
        "portfolio_regimes": portfolio_regimes(run),
        "periods": period_table(run),
        "half_years": half_year_table(run),
    }


def _tiles(run: RunFolder, metrics: dict[str, dict[str, Metric]]) -> list[tuple[str, str, str]]:
    """Label, value and remark of the key figures."""
    own, equal = metrics[run.headline], metrics["equal_weight"]
    entry = run.evidence.get(run.judged, {})
    p_value = formats.p_text(entry.get("p_value")) if entry.get("null") else "no null"
    per_year = [own["fees_per_year"], own["slippage_per_year"]]
    cost = sum(float(x) for x in per_year if x is not None)
    peak, trough = own["max_drawdown_peak"] or formats.DASH, own["max_drawdown_trough"] or formats.DASH
    percent, ratio = formats.percent, formats.ratio
    return [
        ("Annual return, net", percent(own["annual_return_geometric"]), f"total {percent(own['total_return'])}"),
        (
            "Against equal weight",
            percent(own["excess_over_equal_weight"], signed=True),
            f"per year; equal weight {percent(equal['annual_return_geometric'])}",
        ),
        ("Sharpe ratio", ratio(own["sharpe"]), f"equal weight {ratio(equal['sharpe'])}"),
        ("Maximum drawdown", percent(own["max_drawdown"]), f"{peak} to {trough}".replace("-", "\u2011")),
        ("Rank IC", ratio(entry.get("rank_ic"), 3), f"p = {p_value}" if p_value != "no null" else "no null computed"),
        ("Turnover, one-sided", percent(own["turnover"], 0), f"per year; costs {percent(cost, 2)}"),
    ]


def market_rules(run: RunFolder) -> tuple[str, list[str]]:
    """One line on the rules the account traded under, and the entries behind them that are not official."""
    market = run.manifest["market"]
    unsure = [str(line) for line in market["unsure"]]
    if not unsure:
        said = "every entry used is from an official text"
    else:
        said = f"{len(unsure)} of the entries used {'is' if len(unsure) == 1 else 'are'} not from an official text"
    return f"Market rules: {market['title']} (rule book {market['book']}); {said}.", unsure


def _provenance(run: RunFolder) -> list[tuple[str, list[tuple[str, str]]]]:
    """Model, data and code versions: groups of label and text."""
    manifest = run.manifest
    versions = {entry.get("version") for entry in run.timeline}
    features = manifest["features"]
    model = {
        "headline": manifest["headline"],
        "recipes": [recipe_label(name) for name in run.recipes],
        "versions": f"{len(versions)} (listed under refits)",
        "label": manifest["label"],
        "features": f"{len(features.get('names', []))}, set {features.get('hash', formats.DASH)}",
        "device": manifest.get("device"),
    }
    code = manifest["code"] | {"packages": manifest["packages"], "created": manifest.get("created")}
    market = {key: value for key, value in manifest["market"].items() if key != "unsure"}
    market |= {"costs": manifest["costs"], "entries not official": len(manifest["market"]["unsure"])}
    groups = [("Model", model), ("Data", manifest["data"]), ("Market", market), ("Code", code)]
    if manifest.get("seconds"):
        seconds = {stage: f"{float(value):.1f} s" for stage, value in manifest["seconds"].items()}
        groups.append(("Time taken", seconds))
    return [(title, tables.key_values(values)) for title, values in groups]


def _commands(run: RunFolder) -> list[tuple[str, str]]:
    """The commands that rebuild this run and this page; the manifest's own ``command`` wins."""
    folder = shlex.quote(f"runs/{run.root.resolve().name}")
    again = run.manifest.get("command") or f"nnstrategies run {folder}/config.yaml"
    return [("The run", str(again)), ("This page", f"nnstrategies report {folder}")]
