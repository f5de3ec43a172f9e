"""The tables by which a synthetic run folder's models are judged; their figures mean nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

NAMES = ("sell", "hold", "buy")
EVERY = 5  # sessions from one judged date to the next
PERIODS = {"early_crash": ["2017-01-16", "2017-02-28"], "long_ago": ["2011-01-03", "2011-03-31"]}
PUBLISHED = {
    "source": "a paper",
    "figures": {},
    "directions": {},
    "classes": {"cnn_lstm": {"accuracy": 0.685, "precision": 0.712, "hours": 12.3, "buy": 0.736, "bear": 0.613}},
}


def judged(
    rng: np.random.Generator, days: pd.DatetimeIndex, seeds: Mapping[str, Sequence[int]]
) -> dict[str, pd.DataFrame]:
    """By name: right classes by date of the networks, regimes in thirds, seconds of fits, one stock's prices."""
    hits, fits = [], []
    for recipe in seeds:
        for seed in seeds[recipe]:
            fits.append((recipe, seed, days[0], 30.0 + seed))
            if recipe.endswith("lstm"):
                edge = 0.45 if recipe == "cnn_lstm" else 0.38
                for day in days[::EVERY]:
                    named = rng.multinomial(30, [0.3, 0.4, 0.3])
                    right = rng.binomial(named, edge)
                    hits += [(recipe, seed, day, *row) for row in zip(NAMES, named, right, strict=True)]
    regime = np.repeat(["bull", "volatile", "bear"], -(-len(days) // 3))[: len(days)]
    before = days.insert(0, days[0] - pd.offsets.BDay(1))
    trailing = np.concatenate([[0.1], np.select([regime == "bull", regime == "bear"], [0.1, -0.1], 0.0)])
    regimes = {"date": before.as_unit("s"), "trailing": trailing, "regime": ["bull", *regime]}
    last = days[-60:]
    price = 20 * np.exp(np.cumsum(rng.normal(0, 0.015, len(last) + 1)))
    path = {"recipe": "cnn_lstm", "symbol": "600000.SH", "field": "close", "date": last, "price": price[1:]}
    path |= {"forecast": price[:-1] * (1 + rng.normal(0, 0.004, len(last))), "unchanged": price[:-1]}
    return {
        "judged": pd.DataFrame(hits, columns=["recipe", "seed", "date", "predicted", "named", "right"]),
        "regimes": pd.DataFrame(regimes),
        "fit_seconds": pd.DataFrame(fits, columns=["recipe", "seed", "asof", "seconds"]),
        "forecast_path": pd.DataFrame(path),
    }
