"""One epoch of our loop beside a bare torch loop that finds its batches gathered and scaled."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from training_market import CASES, Case, recipe_of, samples

from nnstrategies.samples import Samples
from nnstrategies.training.batches import Examples, Windows
from nnstrategies.training.device import one_thread, reproducible
from nnstrategies.training.loop import Loop, LoopSettings
from nnstrategies.training.scaler import Scaler
from nnstrategies.training.targets import targets_of

BATCHES, ROUNDS = 12, 9
CPU = torch.device("cpu")


def step_times() -> None:
    """Print milliseconds of CPU a step, ours and bare, alternating; the ratio is the median over the rounds."""
    print(f"\nstep time, CPU ms, one thread, {BATCHES} batches an epoch, {ROUNDS} alternating rounds; target 1.15")
    print(
        "| network | batch x window x features | bare | ours | ours / bare (lowest, highest) |\n|---|---|---|---|---|"
    )
    for case in CASES:
        bare, ours, ratios = compare(case)
        size = f"{case.batch} x {case.window} x {case.features}"
        spread = f"{statistics.median(ratios):.3f} ({min(ratios):.3f}, {max(ratios):.3f})"
        print(f"| {case.name} | {size} | {bare:.2f} | {ours:.2f} | {spread} |", flush=True)


def compare(case: Case, batches: int = BATCHES, rounds: int = ROUNDS) -> tuple[float, float, list[float]]:
    """Median milliseconds a step of the bare loop and of ours, and each round's ratio."""
    known = samples(60, 400, case.features, case.window)[1]
    loop, examples = _ours(case, known, batches)
    bare = _Bare(case, examples, batches)
    times: dict[str, list[float]] = {"bare": [], "ours": []}
    for _ in range(rounds + 1):  # the first warms up
        with one_thread():
            times["bare"].append(_cpu(bare.epoch))
        with reproducible(1, CPU):
            times["ours"].append(_cpu(lambda: loop._epoch(examples, 1, time.monotonic(), 0)))
    ms = {name: [1e3 * value / batches for value in some[1:]] for name, some in times.items()}
    ratios = [ours / plain for ours, plain in zip(ms["ours"], ms["bare"], strict=True)]
    return statistics.median(ms["bare"]), statistics.median(ms["ours"]), ratios


def _ours(case: Case, known: Samples, batches: int) -> tuple[Loop, Examples]:
    recipe = recipe_of(case, 1)
    t, n = (axis[:: len(axis) // (batches * case.batch)][: batches * case.batch] for axis in known.rows(0, 390, 390))
    scaler = Scaler.fit_at(known.features.values, t, n)
    windows = Windows(known.features.values, int(t[0]), int(t[-1]), known.window, scaler, CPU)
    settings = LoopSettings(1, case.batch, recipe.lr, 1.0, 1, recipe.clip_norm, 0.0, False)
    torch.manual_seed(1)
    loop = Loop(case.build(), settings, torch.Generator().manual_seed(1), CPU, case.name, None, _ignore)
    return loop, Examples(windows, t, n, targets_of(known, (t, n), "standardised"))


class _Bare:
    """The least a torch programmer writes for the same update, with the batches made beforehand."""

    def __init__(self, case: Case, examples: Examples, batches: int) -> None:
        self.batches: list[tuple[Tensor, Tensor]] = list(examples.in_order(case.batch))[:batches]
        torch.manual_seed(1)
        self.network = case.build()
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=0.001, weight_decay=0.0)

    def epoch(self) -> float:
        self.network.train()
        total = 0.0
        for x, y in self.batches:
            self.optimiser.zero_grad()
            loss = nn.functional.cross_entropy(self.network(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            self.optimiser.step()
            total += float(loss.detach())
        return total


def _cpu(job: Callable[[], object]) -> float:
    begun = time.process_time()
    job()
    return time.process_time() - begun


def _ignore(epoch: int, done: float, loss: float, last: float | None, left: float) -> None:
    """Progress that shows nothing."""
