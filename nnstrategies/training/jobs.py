"""Independent jobs: one after the other here, or in processes that share this one's arrays without a copy."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.queues import Queue
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from nnstrategies.errors import FitError
from nnstrategies.training.progress import Progress, Tick

Job = Callable[[int, Progress | None], Any]  # number of the job -> its result


def workers_of(executor: str, workers: int) -> int:
    """Processes for ``executor``: ``local`` is this one alone."""
    return 1 if executor == "local" else workers


def run_jobs(job: Job, count: int, workers: int, progress: Progress | None = None) -> list[Any]:
    """Results of all jobs, see each_job."""
    return list(each_job(job, count, workers, progress))


def each_job(job: Job, count: int, workers: int, progress: Progress | None = None) -> Generator[Any, None, None]:
    """Results of job(0), job(1), ... in this order, each as soon as it and those before it are there.

    With workers > 1 the jobs run in forked processes of one thread, which share this one's arrays without a copy, and
    go on while the caller does something with a result. An error in a job is raised here once the jobs that had begun
    are done; the others never begin. Closing the iterator ends the processes.
    """
    if min(workers, count) <= 1:
        yield from (job(number, progress) for number in range(count))
        return
    context = multiprocessing.get_context("fork")
    ticks: Queue[Tick] | None = context.Queue() if progress else None
    pool = ProcessPoolExecutor(min(workers, count), context, _begin, (job, ticks))
    try:
        with _interrupt_held_back():
            futures = [pool.submit(_run, number) for number in range(count)]
        for future in futures:
            for tick in _until(future, futures, ticks):
                if progress:
                    progress(tick)
            yield future.result()
    except (KeyboardInterrupt, GeneratorExit):
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
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker["job"] = job
    _worker["progress"] = _Sender(ticks) if ticks else None
    if ticks:
        ticks.cancel_join_thread()  # a worker that waited for its last ticks to be read could wait for ever


def _end_with_parent() -> None:
    """End this worker where its parent was killed: its fits would go on beside those of the resumed run."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _run(number: int) -> Any:
    return _worker["job"](number, _worker["progress"])


def _failed(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is not None


def _until(future: Future[Any], futures: list[Future[Any]], ticks: Queue[Tick] | None) -> Iterator[Tick]:
    """Ticks until ``future`` is done, after a failure until all are that had begun: unread, they would stop them."""
    if ticks is None:
        return
    while not future.done() or (any(map(_failed, futures)) and not all(one.done() for one in futures)):
        if any(map(_failed, futures)):
            for one in futures:
                one.cancel()  # what has begun goes on
        try:
            yield ticks.get(timeout=0.1)
        except queue.Empty:
            continue
