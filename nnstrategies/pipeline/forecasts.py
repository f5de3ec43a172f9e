"""The table of forecast accuracy: of recipes that forecast the return, or the direction, of each symbol by itself."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnstrategies.explain.forecasts import COLUMNS, THRESHOLDS, forecast_accuracy
from nnstrategies.pipeline.run import Run
from nnstrategies.training.targets import PERCENT
from nnstrategies.typing import AnyArray

TABLE = "forecasts"
_ANY = (0.0,)  # a probability of a rise has no size that a threshold in per cent could be compared with


def write_forecasts(run: Run) -> None:
    """Write forecasts.parquet (recipe, seed and the columns of ``forecast_accuracy``) where a run has such recipes.

    Such a recipe's task is measured through time, its label is not relative, and it says a return in per cent or the
    probability of a rise. Every row of the test counts. A price error needs a return in per cent.
    """
    frames, units = [], _units(run)
    table = run.folder.read_frame("scores")
    for name, unit in units.items():
        task = run.config.task_of(name)[1]
        if task.measure != "time" or task.label.relative:
            continue
        own = table[table["recipe"] == name]
        frames += [_of_one(run, name, seed, own[own["seed"] == seed], unit) for seed in own["seed"].unique().tolist()]
    if frames:
        run.folder.write_frame(TABLE, pd.concat(frames, ignore_index=True))


def _units(run: Run) -> dict[str, str]:
    """Recipe -> unit of its score, of those that name a direction."""
    found = {}
    for row in run.folder.read_json("timeline.json"):
        if row["recipe"] not in found:
            manifest = run.folder.read_json(f"versions/{row['version']}/manifest.json")
            found[row["recipe"]] = manifest["version"]["units"][0]
    return {name: unit for name, unit in found.items() if unit in (PERCENT, "P(up) - 1/2")}


def _of_one(run: Run, name: str, seed: int, rows: pd.DataFrame, unit: str) -> pd.DataFrame:
    samples, (first, last) = run.samples_of(name), run.test_rows
    symbols = rows["symbol"].to_numpy(dtype=object)
    t = np.searchsorted(samples.features.sessions, rows["date"].to_numpy().astype("datetime64[D]"))
    n = pd.Index(samples.features.symbols).get_indexer(pd.Index(symbols))
    tested = (t >= first) & (t <= last)
    actual: AnyArray = samples.labels.returns[t, n][tested]
    in_percent = unit == PERCENT
    forecast = rows["score"].to_numpy(dtype=np.float64)[tested] / (100 if in_percent else 1)
    frame = forecast_accuracy(symbols[tested], forecast, actual, THRESHOLDS if in_percent else _ANY)
    if not in_percent:
        frame["price_error"] = np.nan
    frame.insert(0, "recipe", pd.Series([name] * len(frame), dtype="str"))
    frame.insert(1, "seed", np.full(len(frame), seed, dtype=np.int64))
    return frame.astype(COLUMNS)
