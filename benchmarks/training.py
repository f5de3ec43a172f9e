"""What training costs: python benchmarks/training.py [step memory jobs resume flops gpu] [--device cpu] [--tiny].

Step time beside a bare torch loop, peak memory in processes that share the data, two processes against one, what
resuming costs, operations of the networks, and the GPU part where torch sees one. Ratios compare what ran in turn in
one go, so that a busy minute hits both sides; medians are printed with all values beside them.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable
from pathlib import Path

import torch
from training_flops import roofline
from training_gpu import gpu
from training_jobs import resume, speedup
from training_memory import memory
from training_step import step_times


def machine() -> str:
    """Processor, cores, memory, versions, load."""
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{cpu.partition(': ')[2] or platform.machine()}, {os.cpu_count()} cores, {gib:.0f} GiB, Python "
        f"{platform.python_version()}, torch {torch.__version__}; load {load} (other work on the machine)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", default=[], help="step, memory, jobs, resume, flops, gpu; all by default")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of jobs and resume")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="of the GPU part")
    parser.add_argument("--tiny", action="store_true", help="the GPU part on small sizes, to see that it runs")
    given = parser.parse_args()
    parts: dict[str, Callable[[], None]] = {
        "step": step_times,
        "memory": memory,
        "jobs": lambda: speedup(given.rounds),
        "resume": lambda: resume(given.rounds),
        "flops": roofline,
        "gpu": lambda: gpu(given.device, given.tiny),
    }
    if unknown := set(given.parts) - set(parts):
        parser.error(f"unknown part {', '.join(sorted(unknown))}; expected {', '.join(parts)}")
    print(machine())
    for name in given.parts or parts:
        parts[name]()


if __name__ == "__main__":
    main()
