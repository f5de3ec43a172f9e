"""What a change of pandas could break without an error: the same tables give the same panel, whatever the version."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd

from nnstrategies.feeds.simulated import SimulatedMarket, simulate
from nnstrategies.feeds.table import panel_from_table


def test_the_simulated_market_is_the_same_under_every_supported_pandas():
    """The expected digest was printed by pandas 3.1.1; 2.2.3 must give it too."""
    panel, _ = simulate(SimulatedMarket(symbols=12, sessions=120, members=8, seed=5))
    values = np.concatenate([np.nan_to_num(panel[name]).ravel() for name in ("close", "volume", "adj_factor")])
    assert f"{values.sum():.6e}" == "8.984170e+09"


def test_the_pandas_that_make_asked_for_is_the_one_under_test():
    if "build/pandas2" in os.environ.get("PYTHONPATH", ""):
        assert pd.__version__.startswith("2.2.")
    else:
        assert int(pd.__version__.split(".")[0]) >= 3


def test_dates_of_every_resolution_mean_the_same_session():
    days = pd.date_range("2024-01-02", periods=5, freq="B")
    tables = []
    for unit in ("s", "ms", "us", "ns"):
        frame = pd.DataFrame({"date": days.as_unit(unit), "symbol": "A", "volume": 100.0})
        for name in ("open", "high", "low", "close"):
            frame[name] = 10.0
        tables.append(panel_from_table(frame, calendar=None, name="x")[0].fingerprint)
    assert len(set(tables)) == 1
