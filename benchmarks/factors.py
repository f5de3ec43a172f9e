"""CPU seconds of factor evaluation on random walks: python benchmarks/factors.py [symbols sessions]."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable

import numpy as np

from nnstrategies.factors import composite, factor_ics, factor_quantiles, forward_returns, screen
from nnstrategies.factors.blocks import cross_sections, date_blocks
from nnstrategies.features import Features, default_set
from nnstrategies.feeds.simulated import SimulatedMarket, simulate
from nnstrategies.typing import AnyArray, BoolArray

HORIZONS_DAYS = (5, 15, 30)


def timed(what: str, job: Callable[[], object]) -> None:
    before = time.process_time()
    job()
    print(f"{what:<58} {time.process_time() - before:6.2f} CPU s")


def join_all(features: Features, mask: BoolArray, rows: AnyArray, factors: AnyArray, orthogonal: bool) -> None:
    """The composite of ``factors`` on every date, a block of dates at a time."""
    for part in date_blocks(features, rows):
        x = cross_sections(features, mask, rows[part])[:, factors]  # [B, K, N]
        composite(x, np.ones(len(factors)), "mad", orthogonal)


def main() -> None:
    symbols, sessions = (int(word) for word in sys.argv[1:3]) if len(sys.argv) > 2 else (300, 3500)
    market = SimulatedMarket(symbols=symbols, members=symbols, sessions=sessions, start="2006-01-04", seed=1)
    panel = simulate(market)[0]
    features = default_set().select(default_set().names[:53])(panel)  # as many as S4 has
    horizons = forward_returns(panel, HORIZONS_DAYS)
    mask, rows = panel.members & panel.trading, np.arange(panel.T)
    some, every = np.arange(5), np.arange(len(features.names))
    print(f"{len(every)} factors, {panel.N} symbols x {panel.T} sessions, one thread")
    at = f"at {', '.join(str(days) for days in HORIZONS_DAYS)} sessions"
    timed(f"rank IC {at}", lambda: factor_ics(features, horizons, mask))
    timed(f"Pearson IC {at}", lambda: factor_ics(features, horizons, mask, correlation="pearson"))
    ics = factor_ics(features, horizons, mask, np.arange(0, panel.T, 5))
    timed("screen", lambda: screen(ics))
    timed("quintile returns and turnover", lambda: factor_quantiles(features, horizons[0], mask))
    for chosen in (some, every):
        for orthogonal in (False, True):
            what = f"composite of {len(chosen)} factors" + (", orthogonal" if orthogonal else "")
            timed(what, lambda k=chosen, o=orthogonal: join_all(features, mask, rows, k, o))  # type: ignore[misc]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory of the process: {peak:.2f} GiB, of which features {features.values.nbytes / 2**30:.2f}")


if __name__ == "__main__":
    main()
