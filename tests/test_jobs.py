"""Independent jobs in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnstrategies.training import EnsembleRecipe, GroupedRecipe, walkforward
from nnstrategies.training.walkforward import needs_gpu, on_device
from tests.small_samples import LSTM

PARENT = """
import os, sys, time
from pathlib import Path
from nnstrategies.training.jobs import run_jobs

def job(number, progress):
    Path(sys.argv[1], str(os.getpid())).touch()
    time.sleep(60)

run_jobs(job, 4, 2)
"""


REPORTER = """
import datetime as dt
import sys
import time

from nnstrategies.errors import FitError
from nnstrategies.training.jobs import run_jobs
from nnstrategies.training.progress import Tick

def job(number, progress):
    if number == 0:
        raise FitError("no rows")
    for _ in range(4_000):  # several times what a pipe holds; each is the last of a fit, which is always sent
        progress(Tick("net", 1, dt.date(2020, 1, 2), 1, 1, 1.0, 0.5, None, 0.0))
    open(f"{sys.argv[1]}/{number}", "w").close()

try:
    run_jobs(job, 9, 2, lambda tick: time.sleep(0.0005))
except FitError as error:
    print(error)
"""


EAGER = """
import sys
import time
from pathlib import Path
from nnstrategies.training.jobs import each_job

folder = Path(sys.argv[1])

def job(number, progress):
    while number == 1 and not (folder / "first").exists():
        time.sleep(0.01)
    if number > 1:
        time.sleep(0 if sys.argv[2] == "all" else 60)
    return number

results = each_job(job, 4, 2)
print(next(results))
(folder / "first").touch()
print(next(results))
if sys.argv[2] == "all":
    print(*results)
else:
    results.close()
"""


def waited(until: float, found: object) -> bool:
    """Whether ``found()`` became true within so many seconds."""
    end = time.monotonic() + until
    while not found():  # type: ignore[operator]
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.is_file() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="needs /proc")
def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    """Else they would write the fits of a run beside whoever resumes it, and never end."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)])
    workers: list[int] = []
    try:
        assert waited(60, lambda: len(list(tmp_path.iterdir())) == 2)
        workers = [int(path.name) for path in tmp_path.iterdir()]
        parent.kill()
        parent.wait()
        assert waited(5, lambda: not any(map(runs, workers)))
    finally:
        parent.kill()
        for pid in filter(runs, workers):
            os.kill(pid, signal.SIGKILL)


def test_a_job_that_fails_is_told_when_those_that_had_begun_are_done(tmp_path):
    """Nobody read what they reported after a failure: once the pipe was full, the run stood still for ever."""
    asked = [sys.executable, "-c", REPORTER, str(tmp_path)]
    ended = subprocess.run(asked, capture_output=True, text=True, timeout=120, check=True)
    assert ended.stdout == "no rows\n"
    done = sorted(int(path.name) for path in tmp_path.iterdir())
    assert 1 in done
    assert len(done) < 8


@pytest.mark.parametrize(("taken", "said"), [("all", "0\n1\n2 3\n"), ("two", "0\n1\n")])
def test_a_result_is_there_before_the_jobs_after_it_are_done_and_closing_ends_those(taken, said, tmp_path):
    """A recipe is written while another one is fitted; job 1 waits for what is done with the result of job 0."""
    asked = [sys.executable, "-c", EAGER, str(tmp_path), taken]
    ended = subprocess.run(asked, capture_output=True, text=True, timeout=40, check=True)
    assert ended.stdout == said


def test_an_ensemble_of_networks_for_each_symbol_needs_the_gpu_of_its_members(monkeypatch):
    monkeypatch.setattr(walkforward, "resolve_device", lambda name: type("Device", (), {"type": name}))
    ensemble = EnsembleRecipe({"one": LSTM}, weights="equal")
    for recipe in (LSTM, ensemble, GroupedRecipe(LSTM), GroupedRecipe(ensemble)):
        assert needs_gpu(on_device(recipe, "cuda"))
        assert not needs_gpu(on_device(recipe, "cpu"))
