"""The papers' jobs on a GPU: seconds, share of the card's matrix rate, several models at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.multiprocessing import get_context
from training_flops import counted, matrix_rate
from training_market import S2, S4, Case, recipe_of, samples

from nnstrategies.training.batches import Examples, Windows
from nnstrategies.training.loop import Loop, LoopSettings
from nnstrategies.training.scaler import Scaler
from nnstrategies.training.targets import targets_of


@dataclass(frozen=True)
class Sizes:
    """symbols x days a job's windows come from, epochs, steps of each model in the race, models, matrix size."""

    s2: tuple[int, int] = (280, 2419)
    s4: tuple[int, int] = (100, 516)
    s4_epochs: int = 20
    steps: int = 200
    models: int = 5
    matrix: int = 8192


TINY = Sizes((4, 60), (3, 150), 1, 2, 2, 256)


def gpu(device_name: str, tiny: bool) -> None:
    """Print all of it, or that there is no GPU."""
    if device_name == "auto" and not torch.cuda.is_available():
        print(
            "\nGPU: torch sees none; skipped. `--device cpu --tiny` runs the same code here, on sizes that say nothing."
        )
        return
    device = torch.device("cuda" if device_name in ("auto", "cuda") else "cpu")
    sizes = TINY if tiny else Sizes()
    name = torch.cuda.get_device_name() if device.type == "cuda" else "the CPU"
    print(f"\nGPU part on {name}{', tiny' if tiny else ''}")
    rates = {kind: matrix_rate(device, dtype, sizes.matrix) for kind, dtype in _TYPES.items()}
    print("product: " + ", ".join(f"{kind} {rate / 1e12:.3g} TFLOP/s" for kind, rate in rates.items()))
    print("| job | type | batch | windows | s | TFLOP/s | of the product |\n|---|---|---|---|---|---|---|")
    seconds = 0.0
    for amp in (False, True):
        for batch in (S2.batch, 1024):
            _job(S2, "S2, one epoch", sizes.s2, 1, batch, amp, device, rates)
        seconds = _job(S4, "S4, one fit", sizes.s4, sizes.s4_epochs, S4.batch, amp, device, rates)
    print(f"44 folds x 5 seeds of S4 one after the other: {44 * 5 * seconds:.0f} s (220 times the last line)")
    _race(sizes, device)


_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def _job(
    case: Case,
    label: str,
    size: tuple[int, int],
    epochs: int,
    batch: int,
    amp: bool,
    device: torch.device,
    rates: dict[str, float],
) -> float:
    """Seconds of training alone, by our loop; the first steps run beforehand."""
    known = samples(*size, case.features, case.window)[1]
    t, n = known.rows(0, known.T - 1, known.T - 1)
    scaler = Scaler.fit_at(known.features.values, t, n)
    windows = Windows(known.features.values, int(t[0]), int(t[-1]), known.window, scaler, device)
    lr = recipe_of(case, 1).lr
    settings = LoopSettings(epochs, batch, lr, 1.0, epochs, 1.0, 0.0, amp)
    loop = Loop(case.build().to(device), settings, torch.Generator().manual_seed(1), device, label)
    targets = targets_of(known, (t, n), "standardised")
    loop._epoch(Examples(windows, t[: 8 * batch], n[: 8 * batch], targets[: 8 * batch]), 1, 0.0, 0)
    examples = Examples(windows, t, n, targets)
    _wait(device)
    begun = time.perf_counter()
    for epoch in range(1, epochs + 1):
        loop._epoch(examples, epoch, begun, 0)
    _wait(device)
    seconds = time.perf_counter() - begun
    kind = "bfloat16" if amp else "float32"
    rate = 3 * counted(case) * len(t) * epochs / seconds
    share = 100 * rate / rates[kind]
    print(
        f"| {label} | {kind} | {batch} | {len(t) * epochs:,} | {seconds:.2f} | {rate / 1e12:.3g} | {share:.2f} % |",
        flush=True,
    )
    return seconds


# -- several small models at once ------------------------------------------------------------------------------------


def _race(sizes: Sizes, device: torch.device) -> None:
    """S4's network, one model a seed, equal steps each; what is fastest is named."""
    ways: dict[str, Callable[[Sizes, torch.device], float]] = {
        "one after the other": _in_turn,
        "streams": _streams,
        "processes": _processes,
        "stacked seeds": _stacked,
    }
    took = {name: way(sizes, device) for name, way in ways.items()}
    print(f"\n{sizes.models} models of S4, {sizes.steps} steps of {S4.batch} each")
    for name, seconds in took.items():
        print(f"  {name}: {seconds:.2f} s, {took['one after the other'] / seconds:.2f} times one after the other")
    print(f"  fastest: {min(took, key=lambda name: took[name])}")


def _steps(seed: int, steps: int, device: torch.device, stream: bool = False) -> None:
    torch.manual_seed(seed)
    network = S4.build().to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.001)
    x = torch.randn(S4.batch, S4.window, S4.features, device=device)
    y = torch.randint(3, (S4.batch,), device=device)
    own = torch.cuda.Stream() if stream and device.type == "cuda" else None
    with torch.cuda.stream(own) if own else nullcontext():
        if own:
            own.wait_stream(torch.cuda.default_stream())
        for _ in range(steps):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(x), y).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
        _wait(device)


def _in_turn(sizes: Sizes, device: torch.device) -> float:
    return _clock(device, lambda: [_steps(seed, sizes.steps, device) for seed in range(sizes.models)])


def _streams(sizes: Sizes, device: torch.device) -> float:
    """A thread and a stream a model."""
    with ThreadPoolExecutor(sizes.models) as pool:
        jobs = range(sizes.models)
        return _clock(device, lambda: list(pool.map(lambda seed: _steps(seed, sizes.steps, device, True), jobs)))


def _processes(sizes: Sizes, device: torch.device) -> float:
    """A process a model; from the moment that all have their context."""
    context = get_context("spawn")
    gate, over = context.Barrier(sizes.models + 1), context.Barrier(sizes.models + 1)
    workers = [context.Process(target=_worker, args=(seed, sizes, device, gate, over)) for seed in range(sizes.models)]
    for worker in workers:
        worker.start()
    gate.wait()
    begun = time.perf_counter()
    over.wait()
    seconds = time.perf_counter() - begun
    for worker in workers:
        worker.join()
    return seconds


def _worker(seed: int, sizes: Sizes, device: torch.device, gate: object, over: object) -> None:
    torch.set_num_threads(1)
    _steps(seed, 1, device)
    gate.wait()  # type: ignore[attr-defined]
    _steps(seed, sizes.steps, device)
    over.wait()  # type: ignore[attr-defined]


class StackedLSTM(nn.Module):
    """S seeds of S4's network as one: weights [S, in, 4 H], a batched product a session and layer."""

    def __init__(self, seeds: int, features: int, hidden: int = 150, layers: int = 3) -> None:
        super().__init__()
        sizes = [(features if layer == 0 else hidden, 4 * hidden) for layer in range(layers)]
        self.inputs = nn.ParameterList(nn.Parameter(0.05 * torch.randn(seeds, *size)) for size in sizes)
        self.memory = nn.ParameterList(nn.Parameter(0.05 * torch.randn(seeds, hidden, 4 * hidden)) for _ in sizes)
        self.bias = nn.ParameterList(nn.Parameter(torch.zeros(seeds, 1, 4 * hidden)) for _ in sizes)
        self.head = nn.Parameter(0.05 * torch.randn(seeds, hidden, 3))

    def forward(self, x: Tensor) -> Tensor:
        """[S, B, L, F] -> [S, B, 3]."""
        seeds, batch, length, _ = x.shape
        for w, u, b in zip(self.inputs, self.memory, self.bias, strict=True):
            gates = torch.baddbmm(b, x.reshape(seeds, batch * length, -1), w).view(seeds, batch, length, -1)
            h = c = x.new_zeros(seeds, batch, u.shape[1])
            out = []
            for step in range(length):
                i, f, g, o = torch.baddbmm(gates[:, :, step], h, u).chunk(4, dim=2)  # [S, B, H] each
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
                out.append(h)
            x = nn.functional.dropout(torch.stack(out, dim=2), 0.2)  # [S, B, L, H]
        return torch.bmm(x[:, :, -1], self.head)


def _stacked(sizes: Sizes, device: torch.device) -> float:
    network = StackedLSTM(sizes.models, S4.features).to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.001)
    x = torch.randn(sizes.models, S4.batch, S4.window, S4.features, device=device)
    y = torch.randint(3, (sizes.models * S4.batch,), device=device)

    def steps(count: int) -> None:
        for _ in range(count):
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(network(x).flatten(0, 1), y) * sizes.models  # mean of each, summed
            loss.backward()
            optimiser.step()

    steps(1)
    return _clock(device, lambda: steps(sizes.steps))


def _clock(device: torch.device, job: Callable[[], object]) -> float:
    _wait(device)
    begun = time.perf_counter()
    job()
    _wait(device)
    return time.perf_counter() - begun


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
