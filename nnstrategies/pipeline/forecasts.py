"""What single symbols' forecasts were worth: tables of accuracy, of right directions by date, and the prices named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nnstrategies.explain.forecasts import COLUMNS, THRESHOLDS, forecast_accuracy
from nnstrategies.explain.hits import hits_by_date
from nnstrategies.labels import LabelKind
from nnstrategies.panel import Panel
from nnstrategies.pipeline.run import Run
from nnstrategies.training.targets import PERCENT
from nnstrategies.typing import AnyArray, IntArray

TABLE = "forecasts"
PATH_SESSIONS = 60  # of the first symbol's prices, at the end of the test
_ANY = (0.0,)  # a probability of a rise has no size that a threshold in per cent could be compared with


@dataclass(frozen=True)
class _Forecasts:
    """One recipe and seed: rows t [M] of the test, symbols n [M], forecasts and returns that came [M] (0.01 = 1 %).

    in_percent: whether a forecast has a size. names_price: whether it also counts from a price that is known by then.
    """

    recipe: str
    seed: int
    kind: LabelKind
    in_percent: bool
    names_price: bool
    t: IntArray
    n: IntArray
    symbols: AnyArray
    forecast: AnyArray
    actual: AnyArray

    def labelled(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame with recipe and seed in front."""
        frame.insert(0, "recipe", pd.Series([self.recipe] * len(frame), dtype="str"))
        frame.insert(1, "seed", np.full(len(frame), self.seed, dtype=np.int64))
        return frame


def write_forecasts(run: Run) -> None:
    """Write forecasts, judged_forecasts and forecast_path, where a run has recipes that forecast single symbols.

    Such a recipe's task is measured through time, its label is not relative, and it says a return in per cent or the
    probability of a rise. Every row of the test counts. A price needs a return in per cent, from the close of the
    decision on: the next open, from which a label of price ``open`` counts, is not known yet.
    """
    found = list(_found(run))
    if found:
        run.folder.write_frame(TABLE, pd.concat([_accuracy(one) for one in found], ignore_index=True))
    returns = [_directions(run, one) for one in found if one.kind == "return"]  # of class labels, ``judged`` says it
    if returns:
        run.folder.write_frame("judged_forecasts", pd.concat(returns, ignore_index=True))
    paths = [_path(run, one) for one in found if one.names_price]
    if paths:
        keys = ["recipe", "symbol", "field", "date"]
        joined = pd.concat(paths, ignore_index=True).groupby(keys, sort=False, as_index=False).mean()
        run.folder.write_frame("forecast_path", joined)


def _found(run: Run) -> Iterator[_Forecasts]:
    table = run.folder.read_frame("scores")
    for name, unit in _units(run).items():
        task = run.config.task_of(name)[1]
        if task.measure != "time" or task.label.relative:
            continue
        own = table[table["recipe"] == name]
        for seed in own["seed"].unique().tolist():
            yield _of_one(run, name, seed, own[own["seed"] == seed], unit)


def _units(run: Run) -> dict[str, str]:
    """Recipe -> unit of its score, of those that name a direction."""
    found = {}
    for row in run.folder.read_json("timeline.json"):
        if row["recipe"] not in found:
            manifest = run.folder.read_json(f"versions/{row['version']}/manifest.json")
            found[row["recipe"]] = manifest["version"]["units"][0]
    return {name: unit for name, unit in found.items() if unit in (PERCENT, "P(up) - 1/2")}


def _of_one(run: Run, name: str, seed: int, rows: pd.DataFrame, unit: str) -> _Forecasts:
    samples, (first, last) = run.samples_of(name), run.test_rows
    symbols = rows["symbol"].to_numpy(dtype=object)
    t = np.searchsorted(samples.features.sessions, rows["date"].to_numpy().astype("datetime64[D]"))
    n = pd.Index(samples.features.symbols).get_indexer(pd.Index(symbols))
    tested = (t >= first) & (t <= last)
    forecast = rows["score"].to_numpy(dtype=np.float64)[tested] / (100 if unit == PERCENT else 1)
    t, n = t[tested], n[tested]
    label, in_percent = run.config.task_of(name)[1].label, unit == PERCENT
    known = in_percent and label.holding.entry == "close"
    returns = samples.labels.returns[t, n]
    return _Forecasts(name, seed, label.kind, in_percent, known, t, n, symbols[tested], forecast, returns)


def _accuracy(one: _Forecasts) -> pd.DataFrame:
    frame = forecast_accuracy(one.symbols, one.forecast, one.actual, THRESHOLDS if one.in_percent else _ANY)
    if not one.names_price:
        frame["price_error"] = np.nan
    return one.labelled(frame).astype(COLUMNS)


def _directions(run: Run, one: _Forecasts) -> pd.DataFrame:
    """Right directions by date; a return of 0 is right for none, and a forecast of 0 names none."""
    known = np.isfinite(one.actual) & np.isfinite(one.forecast) & (one.actual != 0) & (one.forecast != 0)
    rose, came = (one.forecast[known] > 0).astype(np.int64), (one.actual[known] > 0).astype(np.int64)
    return one.labelled(hits_by_date(run.panel.sessions[one.t[known]], rose, came, ("down", "up")))


def _path(run: Run, one: _Forecasts) -> pd.DataFrame:
    """Price named for each of the last sessions of the first symbol, beside what came and the price of no change.

    Adjusted prices, at the last session's own scale; ``date`` is the session whose price was forecast. An open
    (``field``) is always the next one, of a label of price ``overnight``.
    """
    task, settings = run.config.task_of(one.recipe)
    panel = run.task(task).panel
    held = settings.label.holding
    enter, leave = held.rows(panel)  # sessions at whose prices the forecast return begins and ends
    first = int(one.n.min(initial=panel.N - 1))
    own = np.flatnonzero((one.n == first) & (leave[one.t] < panel.T))[-PATH_SESSIONS:]
    begin, end = enter[one.t[own]], leave[one.t[own]]
    before, prices = (_scaled_prices(panel, field, first, run.test_rows[1]) for field in (held.entry, held.exit))
    columns = {
        "recipe": one.recipe,
        "symbol": panel.symbols[first] if len(begin) else "",
        "field": held.exit,
        "date": panel.sessions[end].astype("datetime64[s]"),
        "price": prices[end],
        "forecast": before[begin] * (1 + one.forecast[own]),
        "unchanged": before[begin],
    }
    return pd.DataFrame(columns).astype({"recipe": "str", "symbol": "str", "field": "str"})


def _scaled_prices(panel: Panel, price: str, n: int, last: int) -> AnyArray:
    """[T] adjusted prices of a symbol, equal to its quotes at row ``last``, the end of the test."""
    adjusted = panel.adjusted(price)[:, n].astype(np.float64)
    quoted = np.asarray(panel[price])[:, n].astype(np.float64)
    known = np.flatnonzero(np.isfinite(adjusted) & np.isfinite(quoted))
    at = known[known <= last][-1]
    return np.asarray(adjusted * (quoted[at] / adjusted[at]))
