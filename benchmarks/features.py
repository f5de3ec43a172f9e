"""CPU seconds to compute the default feature set: python benchmarks/features.py [symbols sessions]."""

from __future__ import annotations

import resource
import statistics
import sys
import time

import numpy as np

from nnstrategies.features import default_set
from nnstrategies.panel import Panel


def random_walks(symbols: int, sessions: int, seed: int = 0) -> Panel:
    """Random walks with daily ranges, log-normal volumes and one split each."""
    rng = np.random.default_rng(seed)
    shape = (symbols, sessions)  # stored as the panel stores it: no copy
    close = 20 * np.exp(np.cumsum(rng.normal(0, 0.02, shape), axis=1))
    open_ = close * np.exp(rng.normal(0, 0.005, shape))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, 0.005, shape)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, 0.005, shape)))
    factor = np.where(np.arange(sessions) < rng.integers(1, sessions, symbols)[:, None], 1.0, 2.0)
    fields = {"open": open_, "high": high, "low": low, "close": close, "adj_factor": factor}
    fields["volume"] = np.floor(np.exp(rng.normal(13, 0.5, shape)))
    days = np.busday_offset("2010-01-01", np.arange(sessions), roll="forward").astype("datetime64[D]")
    names = [f"S{n:04d}" for n in range(symbols)]
    return Panel(days, names, {key: x.T for key, x in fields.items()}, np.ones(shape, np.uint8).T, name="walks")


def main() -> None:
    symbols, sessions = (int(word) for word in sys.argv[1:3]) if len(sys.argv) > 2 else (300, 3500)
    features = default_set()
    seconds = []
    for _ in range(3):
        panel = random_walks(symbols, sessions)  # a new one each time: panels remember adjusted prices
        before = time.process_time()
        features(panel)
        seconds.append(time.process_time() - before)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{len(features)} features, {symbols} symbols x {sessions} sessions")
    print(f"CPU s, median of 3: {statistics.median(seconds):.2f}  ({', '.join(f'{s:.2f}' for s in seconds)})")
    print(f"peak memory of the process: {peak:.2f} GiB")


if __name__ == "__main__":
    main()
