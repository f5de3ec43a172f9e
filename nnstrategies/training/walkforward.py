"""A recipe refitted through time, once for each seed."""

from __future__ import annotations

import dataclasses
import datetime as dt
import multiprocessing
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import Queue
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from nnstrategies.calendar import Calendar
from nnstrategies.errors import DataError, FitError
from nnstrategies.samples import Samples
from nnstrategies.training.device import resolve_device
from nnstrategies.training.progress import Progress, Tick
from nnstrategies.training.recipe import Recipe
from nnstrategies.training.timeline import KEPT, PROMOTED, Entry, Timeline
from nnstrategies.training.version import Version

Job = Callable[[int, Progress | None], Any]  # number of the job -> its result


def walk_forward(
    samples: Samples,
    calendar: Calendar,
    recipe: Recipe,
    seeds: Sequence[int],
    refits: Sequence[int],
    workers: int = 1,
    warm: bool = False,
    progress: Progress | None = None,
    device: str | None = None,
) -> dict[int, Timeline]:
    """Fit ``recipe`` as of each row of ``refits``, for each seed; return a timeline per seed.

    Each version is in force from the session after its row. warm=True hands each refit the version in force: it starts
    from there and replaces it only if it is not worse on the purged validation rows. Seeds are independent jobs: with
    workers > 1 they run in processes, with the same results to the last bit. device overrides the recipe's own.
    Whatever refits on a GPU runs in this process.
    """
    if list(refits) != sorted(set(refits)) or not refits:
        raise DataError(f"walk-forward: expected rising refit rows, got {list(refits)[:5]}")
    recipe = on_device(recipe, device)

    def job(number: int, report: Progress | None) -> Timeline:
        return chain(samples, calendar, recipe, seeds[number], refits, warm, report)

    timelines = run_jobs(job, len(seeds), 1 if needs_gpu(recipe) else workers, progress)
    return dict(zip(seeds, timelines, strict=True))


def chain(
    samples: Samples,
    calendar: Calendar,
    recipe: Recipe,
    seed: int,
    refits: Sequence[int],
    warm: bool = False,
    progress: Progress | None = None,
) -> Timeline:
    """One seed's refits in order."""
    timeline = Timeline()
    incumbent: Version | None = None
    with threadpool_limits(1):
        for number, asof in enumerate(refits):
            report = _Placed(progress, number, len(refits)) if progress else None
            version = recipe.fit(samples, asof, seed, incumbent if warm else None, report)
            decision = KEPT if version is incumbent else PROMOTED
            timeline.append(Entry(next_session(calendar, asof), version, _day(calendar, asof), decision))
            incumbent = version
    return timeline


def next_session(calendar: Calendar, row: int) -> dt.date:
    """The session after ``row``; past the calendar's end, the next day, before which nothing can trade."""
    return _day(calendar, row + 1) if row + 1 < len(calendar) else _day(calendar, row) + dt.timedelta(days=1)


def on_device(recipe: Recipe, device: str | None) -> Recipe:
    """The recipe with another device, where it has one."""
    if device is None or not any(f.name == "device" for f in dataclasses.fields(recipe)):  # type: ignore[arg-type]
        return recipe
    return dataclasses.replace(recipe, device=device)  # type: ignore[type-var]


def needs_gpu(recipe: Recipe) -> bool:
    """Whether fitting happens on a GPU, which a forked process cannot use."""
    return resolve_device(getattr(recipe, "device", "cpu")).type == "cuda"


def run_jobs(job: Job, count: int, workers: int, progress: Progress | None = None) -> list[Any]:
    """Results of job(0), job(1), ... in this order; in forked processes with one thread each when workers > 1.

    The forked processes share this one's arrays without a copy. An error in a job is raised here.
    """
    if min(workers, count) <= 1:
        return [job(number, progress) for number in range(count)]
    context = multiprocessing.get_context("fork")
    ticks: Queue[Tick] | None = context.Queue() if progress else None
    pool = ProcessPoolExecutor(min(workers, count), context, _begin, (job, ticks))
    try:
        with _interrupt_held_back():
            futures = [pool.submit(_run, number) for number in range(count)]
        for tick in _while_running(futures, ticks):
            if progress:
                progress(tick)
        return [future.result() for future in futures]
    except KeyboardInterrupt:
        for worker in multiprocessing.active_children():
            worker.terminate()
        raise
    except BrokenProcessPool:
        raise FitError(
            f"a worker process died before its fit was done, most often because memory ran out for {workers} workers; "
            f"run with fewer, such as --set workers=1"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupt_held_back() -> Iterator[None]:
    """Raise a Ctrl-C after the block: inside Python's own fork hooks it would be lost."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if seen:
        raise KeyboardInterrupt


@dataclass
class _Placed:
    """Says where in the walk-forward a tick belongs."""

    progress: Progress
    fit: int
    fits: int

    def __call__(self, tick: Tick) -> None:
        self.progress(dataclasses.replace(tick, fit=self.fit, fits=self.fits))


class _Sender:
    """Sends a worker's ticks to the parent, at most five a second."""

    def __init__(self, ticks: Queue[Tick]) -> None:
        self._ticks = ticks
        self._last = 0.0

    def __call__(self, tick: Tick) -> None:
        now = time.monotonic()
        if now - self._last >= 0.2 or tick.done >= 1.0:
            self._last = now
            self._ticks.put(tick)


_worker: dict[str, Any] = {}  # what a forked process inherits: functions and arrays that need no pickling


def _begin(job: Job, ticks: Queue[Tick] | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a worker ends at Ctrl-C without a word; the parent speaks
    torch.set_num_threads(1)
    threadpool_limits(1)
    _worker["job"] = job
    _worker["progress"] = _Sender(ticks) if ticks else None


def _run(number: int) -> Any:
    return _worker["job"](number, _worker["progress"])


def _while_running(futures: list[Future[Any]], ticks: Queue[Tick] | None) -> Iterator[Tick]:
    if ticks is None:
        return
    while not all(future.done() for future in futures):
        if any(future.done() and future.exception() for future in futures):
            return  # the caller raises it, without waiting for the others
        try:
            yield ticks.get(timeout=0.1)
        except queue.Empty:
            continue


def _day(calendar: Calendar, row: int) -> dt.date:
    return calendar.sessions[row].item()
