"""Peak memory of S4's fit over 300 x 3,500 x 53 at window 120, alone and in forked processes that share the data."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from training_market import S4, recipe_of, samples

from nnstrategies.samples import Samples
from nnstrategies.training.batches import Examples

SIZE = (300, 3500)
STEPS, VALID_STEPS = 25, 3  # of 39,000 and 1,000: memory does not grow with their number
MB = 2**20


def memory() -> None:
    """Print what a fit adds, measured in fresh processes."""
    here = Path(__file__)
    environment = os.environ | {"PYTHONPATH": str(here.parents[1]), "OMP_NUM_THREADS": "1"}
    print(f"\npeak memory, {SIZE[0]} x {SIZE[1]} x {S4.features}, window {S4.window}, {S4.name}, MB; target 1.5")
    print("counted below the line: features, labels, mask, and the model four times (weights, gradient, Adam's two)")
    for processes in (1, 2, 3):
        done = subprocess.run(
            [sys.executable, here, str(processes)], env=environment, capture_output=True, text=True, check=True
        )
        _show(processes, json.loads(done.stdout))


def _show(processes: int, found: dict[str, Any]) -> None:
    """Both sides of the ratio without the interpreter and its libraries."""
    below = found["data"] + found["model"]
    print(f"{processes} process(es): data and model {below:.0f}; imports {found['imports']:.0f}")
    for one in found["fits"]:
        above = found["data"] + one["added"]
        print(
            f"  data and what the fit added {above:.0f}: {above / below:.2f} times; peak resident {one['rss']:.0f}, "
            f"proportional {one['pss']:.0f}, private {one['private']:.0f}"
        )


class _Peak:
    """The most that this process had, looked up every 20 ms: MB resident, proportional, private."""

    def __init__(self) -> None:
        self.most = {"rss": 0.0, "pss": 0.0, "private": 0.0}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.look()

    def look(self) -> None:
        found = rollup()
        self.most = {key: max(value, found[key]) for key, value in self.most.items()}


def rollup() -> dict[str, float]:
    """Memory of this process by the kernel's account, MB."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines()[1:]
    kb = {line.split(":")[0]: float(line.split()[1]) for line in lines}
    private = kb["Private_Clean"] + kb["Private_Dirty"]
    return {"rss": kb["Rss"] / 1024, "pss": kb["Pss"] / 1024, "private": private / 1024}


def _few(method: Any, most: int) -> Any:
    def first(self: Examples, *arguments: Any) -> Iterator[tuple[Tensor, Tensor]]:
        return itertools.islice(method(self, *arguments), most)

    return first


def fit(known: Samples) -> dict[str, float]:
    """One fit of S4's recipe whose epoch ends after the first batches."""
    rows = known.T
    recipe = recipe_of(S4, 1, valid_days=rows // 4)  # 75/25 in time
    shuffled, ordered = _few(Examples.shuffled, STEPS), _few(Examples.in_order, VALID_STEPS)
    begun = rollup()["rss"]
    with _Peak() as peak, mock.patch.multiple(Examples, shuffled=shuffled, in_order=ordered):
        recipe.fit(known, rows - 1, 1)
        peak.look()
    return peak.most | {"added": peak.most["rss"] - begun}


def main() -> None:
    """In a process of its own: data, then the fits, in forked processes where there are several."""
    torch.set_num_threads(1)
    recipe_of(S4, 1).fit(samples(3, 400, S4.features, S4.window)[1], 399, 1)  # loads what is loaded on first use
    imports = rollup()["rss"]
    known = samples(*SIZE, S4.features, S4.window)[1]
    arrays = (known.features.values, known.labels.values, known.labels.end, known.labels.returns, known.mask)
    model = 4 * sum(p.numel() * 4 for p in S4.build().parameters())
    processes = int(sys.argv[1])
    if processes == 1:
        fits = [fit(known)]
    else:
        context, gate = get_context("fork"), time.monotonic() + 1
        answers = context.Queue()

        def work() -> None:
            time.sleep(max(gate - time.monotonic(), 0))  # all at once, so that what is shared is shared
            answers.put(fit(known))

        workers = [context.Process(target=work) for _ in range(processes)]
        for worker in workers:
            worker.start()
        fits = [answers.get() for _ in workers]
    data = sum(array.nbytes for array in arrays)
    print(json.dumps({"imports": imports, "data": data / MB, "model": model / MB, "fits": fits}))


if __name__ == "__main__":
    main()
