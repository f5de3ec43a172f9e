"""Processes against one process, what keeping fits and states costs, and what a kill costs."""

from __future__ import annotations

import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from unittest import mock

from training_market import Case, recipe_of, samples

from nnstrategies.calendar import Calendar
from nnstrategies.samples import Samples
from nnstrategies.training import FitStore, Recipe, walk_forward
from nnstrategies.training.checkpoint import Checkpoint
from nnstrategies.training.progress import Progress, Tick

SMALL = Case("lstm 1 x 32 on 81 features", "lstm", 81, 20, 128, {"layers": 1, "hidden": 32})
CHAINS = 8
EPOCHS = 6


def speedup(rounds: int) -> None:
    """Print wall seconds of 8 chains in one process and in two, in turn."""
    calendar, known = samples(100, 500, SMALL.features, SMALL.window)
    recipe, seeds = recipe_of(SMALL, EPOCHS, stride_days=5), range(1, CHAINS + 1)
    walls: dict[int, list[float]] = {1: [], 2: []}
    cpus: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for workers in (1, 2):
            wall, cpu = _time(partial(walk_forward, known, calendar, recipe, seeds, [480], workers))
            walls[workers].append(wall)
            cpus[workers].append(cpu)
    ratios = [one / two for one, two in zip(walls[1], walls[2], strict=True)]
    one, two = (statistics.median(walls[n]) for n in (1, 2))
    work = statistics.median(cpus[1]) / statistics.median(cpus[2])
    print(f"\n{CHAINS} chains of {SMALL.name}, {rounds} alternating rounds, load {os.getloadavg()[0]:.1f}; target 1.6")
    print(f"one process {one:.1f} s, two {two:.1f} s: {statistics.median(ratios):.2f} times as fast {_all(ratios)}")
    print(f"CPU of one over CPU of two {work:.2f}; where nothing else runs, twice that bounds the ratio")


def resume(rounds: int) -> None:
    """Print the share of a walk-forward's CPU that keeping it takes, and that reading it back after a kill takes.

    Timed inside one run, since two whole runs on a busy machine differ by more than what is looked for.
    """
    calendar, known = samples(100, 500, SMALL.features, SMALL.window)
    tiny = Case("lstm 1 x 8 on 81 features, the least work a state", "lstm", 81, 20, 128, {"layers": 1, "hidden": 8})
    print(f"\n3 fits of {EPOCHS} epochs, share of CPU, medians of {rounds}; target 2 %")
    for case in (SMALL, tiny):
        recipe = recipe_of(case, EPOCHS, stride_days=5)
        kept, back = [], []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                kept.append(_share(partial(_whole, known, calendar, recipe, Path(folder))))
            with tempfile.TemporaryDirectory() as folder:
                killed = get_context("fork").Process(target=_half, args=(known, calendar, recipe, Path(folder)))
                killed.start()
                killed.join()
                back.append(_share(partial(_whole, known, calendar, recipe, Path(folder))))
        print(f"{case.name}: keeping fits and states {100 * statistics.median(kept):.2f} % {_all(kept)}")
        print(f"  resumed after a kill in epoch 4 of fit 2: {100 * statistics.median(back):.2f} % {_all(back)}")


def _whole(known: Samples, calendar: Calendar, recipe: Recipe, folder: Path, progress: Progress | None = None) -> None:
    walk_forward(known, calendar, recipe, (1,), [470, 480, 490], store=FitStore(folder, "cpu"), progress=progress)


def _half(known: Samples, calendar: Calendar, recipe: Recipe, folder: Path) -> None:
    """Ends as by kill -9, a tenth of an epoch after a state was written."""

    def kill(tick: Tick) -> None:
        if (tick.fit, tick.epoch) == (1, 4):
            os._exit(0)

    _whole(known, calendar, recipe, folder, kill)


def _share(job: Callable[[], object]) -> float:
    """CPU seconds inside the store and the checkpoints over those of the rest."""
    inside = [0.0]

    def timed(method: Callable[..., object]) -> Callable[..., object]:
        def run(*arguments: object) -> object:
            begun = time.process_time()
            try:
                return method(*arguments)
            finally:
                inside[0] += time.process_time() - begun

        return run

    store = {name: timed(getattr(FitStore, name)) for name in ("save", "load", "resumable")}
    state = {name: timed(getattr(Checkpoint, name)) for name in ("save", "load")}
    begun = time.process_time()
    with mock.patch.multiple(FitStore, **store), mock.patch.multiple(Checkpoint, **state):
        job()
    return inside[0] / (time.process_time() - begun - inside[0])


def _time(job: Callable[[], object]) -> tuple[float, float]:
    """Wall seconds, and CPU seconds of this process and its children."""
    wall, cpu = time.perf_counter(), _spent()
    job()
    return time.perf_counter() - wall, _spent() - cpu


def _spent() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _all(ratios: Sequence[float]) -> str:
    return f"({', '.join(f'{ratio:.3f}' for ratio in sorted(ratios))})"
