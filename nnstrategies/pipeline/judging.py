"""Tables by which a report judges what a run made: the regime of every session, and how long each fit took."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnstrategies.pipeline.run import Run
from nnstrategies.regimes import regimes, trailing_return
from nnstrategies.training import FitStore


def write_regimes(run: Run) -> None:
    """Write regimes.parquet: date, trailing return of the benchmark and regime, known at that close.

    From the session before the test on, whose regime holds for the first return; empty without a benchmark.
    """
    first, last = run.test_rows
    level = run.panel.series.get("benchmark", np.full(run.panel.T, np.nan))
    trailing = trailing_return(np.asarray(level, dtype=np.float64))
    columns = {
        "date": run.panel.sessions.astype("datetime64[s]"),
        "trailing": trailing,
        "regime": pd.Series(regimes(trailing), dtype="str"),
    }
    table = pd.DataFrame(columns).iloc[first - 1 : last + 1]
    run.folder.write_frame("regimes", table[table["regime"] != ""])


def write_fit_seconds(run: Run) -> None:
    """Write fit_seconds.parquet: recipe, seed, asof and the seconds its fit took on this machine."""
    store = FitStore(run.folder.path, run.config.device)
    rows = [(name, *row) for name in run.config.recipes for row in store.seconds(name)]
    table = pd.DataFrame(rows, columns=["recipe", "seed", "asof", "seconds"])
    table["asof"] = pd.to_datetime(table["asof"]).astype("datetime64[s]")
    run.folder.write_frame("fit_seconds", table.astype({"recipe": "str", "seed": "int64", "seconds": "float64"}))
