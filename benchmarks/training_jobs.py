"""Processes against one process, what keeping fits and states costs, and what a kill costs."""

from __future__ import annotations

import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path

from training_market import Case, recipe_of, samples

from nnstrategies.calendar import Calendar
from nnstrategies.samples import Samples
from nnstrategies.training import FitStore, Recipe, walk_forward
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
            wall, cpu = _time(lambda n=workers: walk_forward(known, calendar, recipe, seeds, [480], n))  # type: ignore
            walls[workers].append(wall)
            cpus[workers].append(cpu)
    ratios = [one / two for one, two in zip(walls[1], walls[2], strict=True)]
    one, two = (statistics.median(walls[n]) for n in (1, 2))
    work = statistics.median(cpus[1]) / statistics.median(cpus[2])
    print(f"\n{CHAINS} chains of {SMALL.name}, {rounds} alternating rounds, load {os.getloadavg()[0]:.1f}; target 1.6")
    print(f"one process {one:.1f} s, two {two:.1f} s: {statistics.median(ratios):.2f} times as fast {_all(ratios)}")
    print(f"CPU of one over CPU of two {work:.2f}; where nothing else runs, twice that bounds the ratio")


def resume(rounds: int) -> None:
    """Print what the store costs, and the CPU of a run killed half-way and resumed beside that of one in one go."""
    calendar, known = samples(100, 500, SMALL.features, SMALL.window)
    for case in (
        SMALL,
        Case("the same with hidden 8, the worst case", "lstm", 81, 20, 128, {"layers": 1, "hidden": 8}),
    ):
        recipe = recipe_of(case, EPOCHS, stride_days=5)
        kept, killed = [], []
        for _ in range(rounds):
            plain = _forked(_whole, known, calendar, recipe, None)
            with tempfile.TemporaryDirectory() as folder:
                kept.append(_forked(_whole, known, calendar, recipe, Path(folder)) / plain)
            with tempfile.TemporaryDirectory() as folder:
                first = _forked(_half, known, calendar, recipe, Path(folder))
                killed.append((first + _forked(_whole, known, calendar, recipe, Path(folder))) / plain)
        print(f"\n{case.name}: 3 fits of {EPOCHS} epochs, {plain:.1f} CPU s, medians of {rounds}; target 2 %")
        print(f"fits and states kept: {100 * (statistics.median(kept) - 1):+.1f} % {_all(kept)}")
        print(
            f"killed after epoch 3 of fit 2 and resumed: {100 * (statistics.median(killed) - 1):+.1f} % {_all(killed)}"
        )


def _whole(known: Samples, calendar: Calendar, recipe: Recipe, folder: Path | None, progress: Progress | None) -> None:
    store = FitStore(folder, "cpu") if folder else None
    walk_forward(known, calendar, recipe, (1,), [470, 480, 490], store=store, progress=progress)


def _half(known: Samples, calendar: Calendar, recipe: Recipe, folder: Path | None, progress: Progress | None) -> None:
    """Ends as by kill -9, at the first report after a state was written: a tenth of an epoch is lost."""

    def kill(tick: Tick) -> None:
        if (tick.fit, tick.epoch) == (1, 4):
            os._exit(0)

    _whole(known, calendar, recipe, folder, kill)


def _forked(job: Callable[..., None], *arguments: object) -> float:
    """CPU seconds of ``job`` in a process of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = get_context("fork").Process(target=job, args=(*arguments, None))
    process.start()
    process.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


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
