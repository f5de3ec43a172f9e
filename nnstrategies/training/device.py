"""Where networks run, and the conditions under which equal inputs give equal bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from nnstrategies.errors import ConfigError

_filling: Any = torch.utils.deterministic  # its attribute is a property that type checkers cannot see


def resolve_device(name: str) -> torch.device:
    """``auto`` (a GPU when there is one), ``cpu`` or ``cuda``; ConfigError for others and for a missing GPU."""
    if name not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"device: expected auto, cpu or cuda, got {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: cuda was asked for, but torch sees no GPU; use auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one CPU thread: results then do not depend on the machine's cores, and small batches are faster."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def reproducible(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators for the block, then restore them; deterministic algorithms on the CPU.

    Torch would also fill every new tensor with NaN then, to show code that reads before it writes; here that is off,
    because it takes up to a tenth of a step and changes no result.
    """
    deterministic = torch.are_deterministic_algorithms_enabled()
    fill = _filling.fill_uninitialized_memory
    cuda = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda), one_thread():
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(device.type == "cpu")
        _filling.fill_uninitialized_memory = False
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(deterministic)
            _filling.fill_uninitialized_memory = fill
