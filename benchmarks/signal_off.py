"""How often a system's own test finds what is not there: python benchmarks/signal_off.py [--seeds 40] [--systems S1].

Each published system, cut down by small_systems.py, runs on simulated markets without a signal, one a seed, through the
run's own training: models of two seeds, 19 refits on shuffled labels, p by the same line of code. Printed for every
recipe of the headline portfolio: how many of the p values are at most 5, 10 and 20 %, and the highest count that the
binomial 99 % interval allows at 5 %. Exits 1 where a count lies above it. See docs/evidence.md.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scipy.stats import binom
from small_systems import asked, headline_alone, small_tree

from nnstrategies.config import to_tree
from nnstrategies.pipeline.folder import RunFolder
from nnstrategies.pipeline.run import Run
from nnstrategies.pipeline.training import train_recipes
from nnstrategies.settings import RunConfig

REFITS = 19
LEVELS = (0.05, 0.1, 0.2)
FIRST_SEED = 7_000


def trained(config: RunConfig, folder: Path) -> Run:
    """A run whose recipes are fitted, scored and judged; nothing is traded or explained."""
    folder.mkdir(parents=True)
    run = Run(RunFolder(folder), config)
    run.folder.write_yaml("config.yaml", to_tree(config))
    run.check_test()
    train_recipes(run)
    return run


def evidence_of(run: Run) -> dict[str, dict[str, Any]]:
    """Recipe -> its evidence, as the run wrote it."""
    return {name: run.folder.read_json(f"parts/{name}.json")["evidence"] for name in run.config.recipes}


def p_values(system: str, seeds: Sequence[int], refits: int = REFITS) -> dict[str, list[float]]:
    """Recipe of the headline -> p on a market without a signal, by seed."""
    found: dict[str, list[float]] = {}
    for seed in seeds:
        silent = {"data.signal": False, "data.seed": seed, "evidence.refits": refits, "executor": "local"}
        with tempfile.TemporaryDirectory() as folder:
            done = evidence_of(trained(headline_alone(small_tree(system, silent)), Path(folder) / "run"))
        for name, one in done.items():
            p = one["p_value"]
            found.setdefault(name, []).append(1.0 if p is None else p)  # scores that do not vary find nothing
    return found


def most(count: int, level: float = 0.05) -> int:
    """The upper end of the binomial 99 % interval of rejections by chance."""
    return int(binom.ppf(0.995, count, level))


def main() -> int:
    systems, seeds = asked(__doc__, FIRST_SEED, 40)
    bound, failed = most(len(seeds)), False
    print(f"{'system':8}{'recipe':16}{'at 5 %':>8}{'10 %':>6}{'20 %':>6}{'allowed at 5 %':>16}{'seconds':>9}")
    for system in systems:
        started = time.perf_counter()
        for name, values in p_values(system, seeds).items():
            counts = [sum(value <= level for value in values) for level in LEVELS]
            failed |= counts[0] > bound
            seconds = time.perf_counter() - started
            print(
                f"{system:8}{name:16}{counts[0]:8}{counts[1]:6}{counts[2]:6}{bound:16}{seconds:9.0f}",
                flush=True,
            )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
