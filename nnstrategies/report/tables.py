"""Tables of the report as rows of ready text, from what a run recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from nnstrategies.report.definitions import BASELINES, DEFINITIONS, recipe_label
from nnstrategies.report.formats import DASH, by_style, p_text, percent, ratio, value_text
from nnstrategies.report.metrics import Metric, monthly_returns
from nnstrategies.report.run_folder import RunFolder

PARTS = {"linear": "Linear", "non_linear": "Non-linear", "order": "Order-dependent", "total": "Total"}
COMPARED = (
    ("total_return", "Total return"),
    ("annual_return_geometric", "Annual return"),
    ("excess_over_equal_weight", "vs equal weight"),
    ("volatility", "Volatility"),
    ("sharpe", "Sharpe"),
    ("max_drawdown", "Max. drawdown"),
    ("information_ratio", "Inf. ratio"),
    ("alpha", "Alpha"),
    ("beta", "Beta"),
)
TRADED = (
    ("turnover", "Turnover"),
    ("sales", "Sales"),
    ("win_rate_sales", "Won, sales"),
    ("win_rate_months", "Won, months"),
    ("skew_months", "Skew, months"),
    ("excess_kurtosis_months", "Kurtosis (excess), months"),
)
Columns = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Row:
    """A label, an optional remark below it, cells of text, and ``kind`` for the style sheet."""

    label: str
    cells: list[str]
    remark: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """``text_columns`` counts the leading cells that hold words and are set flush left."""

    head: list[str]
    rows: list[Row]
    text_columns: int = 0
    note: str = ""
    shares: list[float] = field(default_factory=list)


def _style(key: str) -> str:
    return next(entry.style for entry in DEFINITIONS if entry.key == key)


def comparison(run: RunFolder, metrics: dict[str, dict[str, Metric]]) -> Table:
    """Every portfolio once; below a recipe with several seeds their mean and standard deviation."""
    kind = str(run.manifest["benchmark"].get("kind", "benchmark"))
    note = "Returns, volatility, Sharpe, information ratio and alpha are per year; information ratio, alpha and beta "
    note += f"against the {kind}. Seeds: mean ± standard deviation over the single seeds."
    return Table(["Portfolio", *(label for _, label in COMPARED)], _portfolios(run, metrics, COMPARED), note=note)


def trades(run: RunFolder, metrics: dict[str, dict[str, Metric]]) -> Table:
    """The same rows: how much every portfolio traded, how often it won, and the shape of its months."""
    rows = [replace(row, remark="") for row in _portfolios(run, metrics, TRADED)]
    note = "Turnover is one-sided and per year. Won, sales: share of sales that brought more after their fees than the "
    note += "shares had cost. Skew and kurtosis of few months say little. A dash where nothing is traded."
    return Table(["Portfolio", *(label for _, label in TRADED)], rows, note=note)


def _portfolios(run: RunFolder, metrics: dict[str, dict[str, Metric]], columns: Columns) -> list[Row]:
    rows = []
    for name in [run.headline, *(n for n in run.recipes if n != run.headline)]:
        seeds = run.seeds_of(name)
        remark = f"ensemble of {len(seeds)} seeds, after costs" if seeds else "after costs"
        kind = "headline" if name == run.headline else ""
        rows.append(Row(recipe_label(name), _cells(metrics[name], columns), remark, kind))
        if seeds:
            rows.append(_seed_row([metrics[seed] for seed in seeds], columns))
    for name, (label, remark) in BASELINES.items():
        if name in metrics:
            rows.append(Row(label, _cells(metrics[name], columns), remark, "baseline"))
    return rows


def _cells(figures: dict[str, Metric], columns: Columns) -> list[str]:
    cells = []
    for key, _ in columns:
        value, signed = figures.get(key), key == "excess_over_equal_weight"
        cells.append(percent(value, signed=True) if signed else by_style(value, _style(key)))
    return cells


def _seed_row(seeds: list[dict[str, Metric]], columns: Columns) -> Row:
    cells = []
    for key, _ in columns:
        values = [float(value) for figures in seeds if isinstance(value := figures.get(key), float)]
        if not values:
            cells.append(DASH)
            continue
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
        (mean,) = _cells({key: float(np.mean(values))}, [(key, "")])
        cells.append(f"{mean.removesuffix(chr(160) + '%')} ± {by_style(spread, _style(key))}")
    return Row(f"single seeds ({len(seeds)})", cells, kind="seeds")


def all_figures(run: RunFolder, metrics: dict[str, dict[str, Metric]]) -> Table:
    """Every metric as a row, every portfolio but the single seeds as a column."""
    names = [run.headline, *(n for n in run.portfolios if n != run.headline and "/" not in n)]
    rows = []
    for entry in DEFINITIONS:
        rows.append(Row(entry.label, [by_style(metrics[name].get(entry.key), entry.style) for name in names]))
    return Table(["Figure", *(recipe_label(name) for name in names)], rows)


def evidence(run: RunFolder) -> Table:
    rows = []
    for name, entry in run.evidence.items():
        null = np.array([value for value in entry.get("null") or [] if value is not None], dtype=np.float64)
        spread = entry.get("seed_spread") if len(entry.get("seeds") or {}) > 1 else None
        cells = [
            ratio(entry.get("rank_ic"), 4),
            ratio(spread, 4),
            str(len(entry.get("seeds") or {})),
            ratio(entry.get("ic"), 4),
            ratio(float(null.mean()), 4) if len(null) else DASH,
            ratio(float(np.quantile(null, 0.95)), 4) if len(null) else DASH,
            str(len(null)),
            p_text(entry.get("p_value")) if len(null) else DASH,
        ]
        rows.append(Row(recipe_label(name), cells, kind="headline" if name == run.judged else ""))
    head = ["Recipe", "Rank IC", "Seed spread", "Seeds", "IC", "Null mean", "Null 95 % point", "Null refits", "p value"]
    return Table(head, rows)


def known_truth(run: RunFolder) -> Table | None:
    """Simulated markets: the best reachable rank IC per part, and what each model found with its share of it."""
    if run.truth is None:
        return None
    parts = [part for part in PARTS if part in run.truth["parts"]]
    best = {part: float(run.truth["parts"][part]["best_rank_ic"]) for part in parts}
    rows = [Row("Best reachable", [ratio(best[part], 4) for part in parts], "computed from the generator", "baseline")]
    for name, found in run.truth["models"].items():
        cells = []
        for part in parts:
            value = found.get(part)
            share = percent(value / best[part], 0) if value is not None and best[part] > 1e-9 else ""
            cells.append(ratio(value, 4) + (f" ({share})" if share else ""))
        rows.append(Row(recipe_label(name), cells, kind="headline" if name == run.judged else ""))
    return Table(["Model", *(PARTS[part] for part in parts)], rows)


def monthly_heat_map(run: RunFolder) -> tuple[list[tuple[int, list[tuple[str, float]], str]], float]:
    """Rows (year, twelve cells (text, strength in -1..1), year's return) and the return at full strength."""
    months = monthly_returns(run.returns[run.headline])
    scale = max(float(months.abs().quantile(0.95)), 0.001)
    rows = []
    for year, values in months.groupby(pd.PeriodIndex(months.index).year):
        by_month = dict(zip(pd.PeriodIndex(values.index).month, values, strict=True))
        cells = [_heat_cell(by_month.get(month), scale) for month in range(1, 13)]
        rows.append((int(str(year)), cells, percent(float(np.prod(1 + values.to_numpy()) - 1))))
    return rows, scale


def _heat_cell(value: float | None, scale: float) -> tuple[str, float]:
    if value is None:
        return "", 0.0
    return percent(value).removesuffix("\u00a0%"), round(max(-1.0, min(1.0, value / scale)), 2)


def refusals(run: RunFolder) -> Table | None:
    if run.refusals.empty:
        return None
    table = run.refusals.assign(reason=run.refusals["reason"].replace("", "not stated"))
    counts = table.groupby("reason").size().sort_values(ascending=False, kind="stable")
    buys = table[table["side"].str.lower() == "buy"].groupby("reason").size()
    total = int(counts.sum())
    rows = [
        Row(str(k), [str(n), str(buys.get(k, 0)), str(n - buys.get(k, 0)), percent(n / total)])
        for k, n in counts.items()
    ]
    note = f"{total} refused against {len(run.orders)} recorded orders."
    return Table(["Reason", "Refused", "Buys", "Sells", "Share"], rows, note=note, shares=(counts / total).tolist())


def target_differences(run: RunFolder) -> Table | None:
    """Differences of achieved and target weights, by reason, in percent of the account."""
    if run.targets.empty:
        return None
    table = run.targets.assign(
        gap=(run.targets["achieved"] - run.targets["target"]).abs(),
        reason=run.targets["reason"].replace("", "no obstacle (rounding, price moves)"),
    )
    rebalances = table["date"].nunique()
    groups = table.groupby("reason")["gap"].agg(["size", "mean", "max", "sum"])
    groups = groups.sort_values("sum", ascending=False, kind="stable")
    total = max(float(groups["sum"].sum()), 1e-12)
    rows = []
    for reason, row in groups.iterrows():
        per_date = percent(row["sum"] / 2 / rebalances, 2)
        cells = [
            str(int(row["size"])),
            percent(row["mean"], 2),
            percent(row["max"], 2),
            per_date,
            percent(row["sum"] / total),
        ]
        rows.append(Row(str(reason), cells))
    head = ["Reason", "Targets", "Mean difference", "Largest", "Half sum per rebalance", "Share"]
    note = f"{rebalances} rebalances; absolute differences of weights at the close of the execution day."
    return Table(head, rows, note=note, shares=(groups["sum"] / total).tolist())


def top_holdings(run: RunFolder, count: int = 15) -> Table | None:
    """Symbols with the largest mean weight over the whole run."""
    if run.positions.empty:
        return None
    value = run.account.set_index("date")["value"]
    held = run.positions.assign(weight=run.positions["value"] / run.positions["date"].map(value))
    groups = held.groupby("symbol").agg(mean=("weight", "sum"), top=("weight", "max"), days=("date", "nunique"))
    last = held[held["date"] == value.index[-1]].set_index("symbol")["weight"]
    groups = groups.sort_values(["mean", "days"], ascending=False, kind="stable").head(count)
    rows = []
    for symbol, row in groups.iterrows():
        cells = [percent(row["mean"] / len(value), 2), percent(row["top"], 2), percent(row["days"] / len(value), 0)]
        rows.append(Row(str(symbol), [*cells, percent(last.get(symbol, 0.0), 2)]))
    note = f"{held['symbol'].nunique()} symbols were held at some time; mean over all sessions, zero when not held."
    return Table(["Symbol", "Mean weight", "Largest", "Sessions held", "Last session"], rows, note=note)


def timeline(run: RunFolder) -> Table | None:
    """One row per recipe and refit, seeds together; metrics are means over the seeds."""
    if not run.timeline:
        return None
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for entry in run.timeline:
        groups.setdefault((str(entry.get("recipe", "")), str(entry.get("asof", ""))), []).append(entry)
    rows = []
    for (recipe, asof), entries in groups.items():
        decisions = [str(entry.get("decision", "")) for entry in entries]
        counted = ", ".join(f"{name} ({decisions.count(name)})" for name in dict.fromkeys(decisions))
        first, versions = entries[0], [str(entry.get("version", "")) for entry in entries]
        cells = [asof, *(str(first.get(key, "")) for key in ("trained_through", "effective_from")), counted]
        cells += [", ".join(versions), _mean_metrics(entries)]
        rows.append(Row(recipe_label(recipe), [cell or DASH for cell in cells]))
    head = ["Recipe", "As of", "Trained through", "In force from", "Decision (seeds)", "Versions", "Validation (mean)"]
    return Table(head, rows, text_columns=6)


def _mean_metrics(entries: list[dict[str, Any]]) -> str:
    tables = [entry.get("metrics") or {} for entry in entries]
    texts = []
    for key in tables[0]:
        values = [table[key] for table in tables if isinstance(table.get(key), int | float)]
        if values:
            texts.append(f"{key} {np.mean(values):.4g}")
    return ", ".join(texts)


def key_values(mapping: dict[str, Any]) -> list[tuple[str, str]]:
    """A JSON object as label and text; lists are joined, objects flattened by one level."""
    rows = []
    for key, value in mapping.items():
        label = str(key).replace("_", " ")
        if isinstance(value, dict):
            rows.append((label, ", ".join(f"{k} {value_text(v)}" for k, v in value.items()) or DASH))
        elif isinstance(value, list):
            rows.append((label, "; ".join(value_text(item) for item in value) or "none"))
        else:
            rows.append((label, value_text(value)))
    return rows
