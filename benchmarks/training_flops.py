"""Arithmetic of the networks: floating-point operations a window, seconds at a given rate, cost on this CPU."""

from __future__ import annotations

import statistics
import time
import warnings

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from training_market import S2, S2_IMPROVED, S4, Case
from training_step import compare

# windows x epochs of the papers: S2's 672,000 (280 symbols x 2,400 days), at most 200 epochs; S4's 39,684, 75 % of
# them, 20 epochs, once and for 44 monthly folds x 5 seeds
JOBS = (
    ("S2, one epoch", S2, 672_000),
    ("S2, 200 epochs", S2, 672_000 * 200),
    ("S2 improved, one epoch", S2_IMPROVED, 672_000),
    ("S4, one fit", S4, 39_684 * 3 // 4 * 20),
    ("S4, 44 folds x 5 seeds", S4, 39_684 * 3 // 4 * 20 * 44 * 5),
)
STATED = {"1 TFLOP/s": 1e12, "100 TFLOP/s": 1e14}


def counted(case: Case) -> int:
    """Forward operations a window by torch's own counter, which sees an LSTM where it is taken apart into products."""
    x = torch.zeros(2, case.window, case.features)
    network = case.build().eval()
    with warnings.catch_warnings(), torch.no_grad(), FlopCounterMode(display=False) as counter:
        warnings.simplefilter("ignore")  # torch's about another maker's graphics processors
        with torch.backends.mkldnn.flags(enabled=False):  # type: ignore[attr-defined]
            network(x)
    return int(counter.get_total_flops()) // 2


def by_hand(case: Case) -> int:
    """Forward operations a window from the layers' sizes: two for each weight, as often as it is used."""
    total, length = 0, case.window
    network = case.build()
    attention = getattr(network, "attention", None)
    inside = set(attention.modules()) if isinstance(attention, nn.Module) else set()
    for layer in network.modules():
        if isinstance(layer, nn.Conv1d):
            total += 2 * layer.weight.numel() * length
            outer = layer in (getattr(network, "conv_1", None), getattr(network, "conv_2", None))
            length = length // 2 if outer else length  # each is followed by a pooling
        elif isinstance(layer, nn.LSTM):
            total += 2 * length * sum(p.numel() for name, p in layer.named_parameters() if name.startswith("weight"))
        elif isinstance(layer, nn.Linear):
            total += 2 * layer.weight.numel() * (7 if layer in inside else 1)  # tokens of attention
    if isinstance(attention, nn.Module):
        total += 2 * 2 * 7 * 7 * attention.out.weight.shape[0] - 2 * 6 * attention.out.weight.numel()  # q k', p v; out
    return total


def matrix_rate(device: torch.device, dtype: torch.dtype, size: int) -> float:
    """Operations a second of a square product, the best of several; on the CPU of one core."""
    a = torch.randn(size, size, device=device, dtype=dtype)
    clock = time.perf_counter if device.type == "cuda" else time.process_time  # other work takes turns on a CPU
    best = float("inf")
    for _ in range(6):
        _wait(device)
        begun = clock()
        torch.mm(a, a)
        _wait(device)
        best = min(best, clock() - begun)
    return 2 * size**3 / best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def roofline() -> None:
    """Print operations, seconds at stated rates, and what measured steps make of the papers' sizes on this CPU."""
    torch.set_num_threads(1)
    rate = matrix_rate(torch.device("cpu"), torch.float32, 1024)
    print(
        f"\narithmetic; a training step is three times a forward pass; one core: {rate / 1e9:.0f} GFLOP/s in a product"
    )
    print(
        "| network | MFLOP a window | by hand | CPU ms a window | GFLOP/s | of the product |\n|---|---|---|---|---|---|"
    )
    cost = {}
    for case in (S2, S2_IMPROVED, S4):
        flops = counted(case)
        ms = statistics.median([compare(case, 6, 3)[1]]) / case.batch
        cost[case.name] = (3 * flops, ms / 1e3)
        reached = 3 * flops / ms * 1e3
        print(
            f"| {case.name} | {flops / 1e6:.2f} | {by_hand(case) / 1e6:.2f} | {ms:.3f} | {reached / 1e9:.1f} | "
            f"{100 * reached / rate:.0f} % |"
        )
    stated = " | ".join(f"s at {name}" for name in STATED)
    print(f"\n| job | PFLOP | {stated} | hours on one core |\n|---|---|---|---|---|")
    for job, case, windows in JOBS:
        flops, seconds = (windows * value for value in cost[case.name])
        at = " | ".join(f"{flops / value:,.1f}" for value in STATED.values())
        print(f"| {job} | {flops / 1e15:.3g} | {at} | {seconds / 3600:,.2f} |")
