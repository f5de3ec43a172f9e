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


def test_an_ensemble_of_networks_for_each_symbol_needs_the_gpu_of_its_members(monkeypatch):
    monkeypatch.setattr(walkforward, "resolve_device", lambda name: type("Device", (), {"type": name}))
    ensemble = EnsembleRecipe({"one": LSTM}, weights="equal")
    for recipe in (LSTM, ensemble, GroupedRecipe(LSTM), GroupedRecipe(ensemble)):
        assert needs_gpu(on_device(recipe, "cuda"))
        assert not needs_gpu(on_device(recipe, "cpu"))
