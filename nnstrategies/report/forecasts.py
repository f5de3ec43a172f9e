"""Forecasts of single symbols: right directions with and without a threshold, and prices beside those of no change."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnstrategies.report.definitions import recipe_label
from nnstrategies.report.formats import DASH, percent
from nnstrategies.report.run_folder import RunFolder
from nnstrategies.report.tables import Row, Table


def directions(forecasts: pd.DataFrame, recipe: str) -> dict[str, tuple[float, float]]:
    """Threshold -> share of right directions and coverage of one recipe, all symbols and seeds taken together.

    A threshold that no forecast reached is left out.
    """
    rows = shares(forecasts[forecasts["recipe"] == recipe]).dropna(subset="right")
    columns = (rows[name].tolist() for name in ("threshold", "right", "coverage"))
    return {f"{threshold:g}": (right, coverage) for threshold, right, coverage in zip(*columns, strict=True)}


def shares(forecasts: pd.DataFrame) -> pd.DataFrame:
    """A row a recipe and threshold: acted (forecasts a seed), right and spread (of hits, over seeds), coverage.

    right is NaN where no forecast reached the threshold, spread where fewer than two seeds have any.
    """
    by_seed = forecasts.groupby(["recipe", "threshold", "seed"], sort=False)[["judged", "acted", "hits"]].sum()
    by_seed["right"] = by_seed["hits"] / by_seed["acted"].where(by_seed["acted"] > 0)
    grouped = by_seed.groupby(["recipe", "threshold"], sort=False)
    sums = grouped[["judged", "acted", "hits"]].sum()
    found = {
        "acted": grouped["acted"].mean(),
        "right": sums["hits"] / sums["acted"].where(sums["acted"] > 0),
        "spread": grouped["right"].std(),
        "coverage": sums["acted"] / sums["judged"],
    }
    return pd.DataFrame(found).reset_index()


def forecast_table(run: RunFolder) -> Table | None:
    """A row a recipe, and one above it with what the paper says; None where no recipe forecasts single symbols."""
    if run.forecasts.empty:
        return None
    published = run.manifest.get("published") or {}
    prices, said = published.get("prices") or {}, published.get("directions") or {}
    thresholds = sorted(set(run.forecasts["threshold"]))
    opens = set(run.forecast_path.loc[run.forecast_path["field"] == "open", "recipe"])
    rows = []
    for name, table in run.forecasts.groupby("recipe", sort=False):
        if name in said or name in prices:
            ranges = {float(a): _range(low, high) for a, (low, high) in said.get(name, {}).items()}
            price = _range(*prices[name]) if name in prices else DASH
            cells = [price, DASH, *(ranges.get(a, DASH) for a in thresholds)]
            rows.append(Row(recipe_label(str(name)), cells, "published", "baseline"))
        cells = [_price(table), commoner(table), *(_direction(table[table["threshold"] == a]) for a in thresholds)]
        remark = "measured, of opens" if name in opens else "measured"
        rows.append(Row(recipe_label(str(name)), cells, remark, "headline" if name == run.judged else ""))
    head = ["Recipe", "Price", "Commoner direction", "Direction", *(f"from {percent(a, 2)}" for a in thresholds[1:])]
    note = (
        "Price: 1 − mean |forecast − price| / price; persistence, the forecast that nothing changes, is what to beat. "
    )
    note += "Direction: share of right ones among the days on which the forecast is at least that large, ± the "
    note += "standard deviation over seeds; in brackets how many days those are of all whose price moved. Commoner "
    note += "direction: what naming the same direction every day would reach, chosen afterwards. Stocks move together, "
    note += "so the days count for fewer than their number."
    if any(row.cells[0] == DASH for row in rows if row.kind != "baseline"):
        note += " No price (–) is named by a probability, nor by a return that counts from an open not known yet."
    if opens:
        note += " Opens are nearer to what was known than closes: compare them with their own persistence only."
    return Table(head, rows, note=note)


def _range(low: float, high: float) -> str:
    return f"{percent(low, 0)} to {percent(high, 0)}"


def symbol_table(run: RunFolder) -> Table | None:
    """The judged recipe's forecasts by symbol, and by exchange where symbols name several; mean over seeds."""
    if (table := run.forecasts[run.forecasts["recipe"] == run.judged]).empty:
        return None
    thresholds = sorted(set(table["threshold"]))
    rows = []
    for name, part in parts(table):
        cells = [_price(part), commoner(part), *(_direction(part[part["threshold"] == a]) for a in thresholds)]
        rows.append(Row(name, cells, kind="headline" if name == "All" else ""))
    head = ["Symbol", "Price", "Commoner direction", "Direction", *(f"from {percent(a, 2)}" for a in thresholds[1:])]
    return Table(head, rows, note=f"Forecasts of {recipe_label(run.judged)}; figures as in the table above.")


def parts(forecasts: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each symbol, of each exchange where symbols name several, and all of them, by label."""
    found = [(str(name), part) for name, part in forecasts.groupby("symbol", sort=True)]
    exchange = forecasts["symbol"].str.rpartition(".")[2]
    if exchange.nunique() > 1:
        found += [(f"All of {name}", part) for name, part in forecasts.groupby(exchange)]
    return [*found, ("All", forecasts)]


def _price(table: pd.DataFrame) -> str:
    """Mean over symbols and seeds, weighted by days."""
    own = table[table["threshold"] == table["threshold"].min()]
    known = own[own["price_error"].notna() & (own["judged"] > 0)]
    return percent(1 - np.average(known["price_error"], weights=known["judged"]), 2) if len(known) else DASH


def commoner(table: pd.DataFrame) -> str:
    """Share of the commoner direction, symbol by symbol, among the days without a threshold; of one seed."""
    own = table[(table["threshold"] == table["threshold"].min()) & (table["seed"] == table["seed"].iloc[0])]
    commoner = np.maximum(own["rises"], own["acted"] - own["rises"]).sum()
    return percent(commoner / own["acted"].sum()) if own["acted"].sum() else DASH


def _direction(table: pd.DataFrame) -> str:
    """Share of right directions (± over seeds) and, in brackets on a line of its own, the coverage."""
    if table.empty or not table["acted"].sum():
        return DASH
    found = shares(table).iloc[0]
    text = percent(found["right"])
    if np.isfinite(found["spread"]):
        text = f"{text.removesuffix(chr(160) + '%')} ± {percent(found['spread'], 1)}"
    return f"{text}\n({percent(found['coverage'], 0)})"
