"""The engine beside stock backtrader and its peers on one job: python benchmarks/engine.py [--growth] [--rounds 3].

The job: 300 symbols x 2,500 days; on the first close of each month the 30 best scores get 95 % of the account in equal
weight, at the next open, for a commission of 8 bps. Every run is a process of its own; in each round every engine runs
once, one after the other, so that a busy minute hits all of them; medians are printed. CPU seconds are of making the
feeds and the run, imports and loading the arrays excluded; memory is the most the process ever had.

Peers are those that can be imported, here or by the interpreters named with --peers (see engine-peers.txt).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
OURS = ("engine, RebalanceStrategy", "engine, arrays", "engine", "engine, stdstats")
STOCK = ("backtrader", "backtrader, stdstats")
PEERS = {
    "vectorbt": "vectorbt",
    "bt": "bt",
    "pybroker": "pybroker",
    "backtrader-next": "backtrader_next",
    "zipline": "zipline",
}
SIZES = tuple((symbols, years) for years in (1, 4, 16) for symbols in (50, 300, 1000, 5000))
Figures = dict[str, float]


def child(python: str, *words: str) -> str | None:
    """What a process prints; None when it fails, with its last line shown."""
    environment = os.environ | {"PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([python, *words], cwd=HERE, env=environment, capture_output=True, text=True)
    if done.returncode:
        print(f"  failed: {' '.join(words[-2:])}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return done.stdout


def interpreters(pythons: list[str]) -> dict[str, str]:
    """For each job the interpreter that can run it; a line for each peer that none can import."""
    found = dict.fromkeys((*OURS, *STOCK), sys.executable)
    for peer, module in PEERS.items():
        for python in (sys.executable, *pythons):
            if subprocess.run([python, "-c", f"import {module}"], capture_output=True, cwd=HERE).returncode == 0:
                found[peer] = python
                break
        else:
            print(f"{peer}: not installed, left out (engine-peers.txt)")
    return found


def measured(python: str, job: str, folder: Path) -> Figures | None:
    printed = child(python, "engine_jobs.py", job, str(folder))
    return None if printed is None else json.loads(printed.splitlines()[-1])


def rounds(jobs: dict[str, str], folder: Path, count: int) -> dict[str, list[Figures]]:
    """``count`` runs of each job, alternating; a job that failed once is not tried again."""
    figures: dict[str, list[Figures]] = {job: [] for job in jobs}
    failed: set[str] = set()
    for turn in range(count):
        for job, python in jobs.items():
            one = None if job in failed else measured(python, job, folder)
            if one is not None:
                print(f"  {folder.name}, round {turn + 1}: {job}: {one['cpu']:.3f} CPU s", file=sys.stderr, flush=True)
            failed |= {job} if one is None else set()
            figures[job] += [one] if one is not None else []
    return {job: values for job, values in figures.items() if values}


def median(values: list[Figures], name: str) -> float:
    return statistics.median(value[name] for value in values)


def table(figures: dict[str, list[Figures]], bars: int) -> list[str]:
    names = ("run", "CPU s", "wall s", "first call, CPU s", "peak MB", "over arrays and imports", "million bars/s")
    head = "| " + " | ".join((*names, "orders", "value", "x")) + " |"
    lines = [head, "|" + "---|" * 10]
    stock = median(figures["backtrader"], "cpu") if "backtrader" in figures else float("nan")
    for job, values in figures.items():
        cpu, peak = median(values, "cpu"), median(values, "peak")
        cells = [job, f"{cpu:.3f}", f"{median(values, 'wall'):.3f}", f"{median(values, 'first'):.3f}", f"{peak:,.0f}"]
        cells += [f"{peak / median(values, 'before'):.2f}", f"{bars / cpu / 1e6:.2f}"]
        cells += [f"{values[-1]['orders']:,.0f}", f"{values[-1]['value']:,.2f}", f"{stock / cpu:.1f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def machine() -> str:
    """The machine in words: processor, cores, memory, Python and backtrader."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    processor = names[0] if names else platform.machine()
    return f"{processor}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}"


def make(folder: Path, symbols: int, sessions: int) -> None:
    """Write the arrays from another process, so that this one stays small."""
    code = f"import engine_market, pathlib; engine_market.make(pathlib.Path({str(folder)!r}), {symbols}, {sessions})"
    if child(sys.executable, "-c", code) is None:
        raise SystemExit("the market could not be made")


def growth(jobs: dict[str, str], folder: Path, count: int) -> list[str]:
    """CPU seconds and memory over symbols and years; stock backtrader only where it takes less than a minute or so."""
    lines = ["| symbols | years | run | CPU s | us per bar | peak MB | over arrays and imports |", "|" + "---|" * 7]
    for symbols, years in SIZES:
        place, sessions = folder / f"{symbols}x{years}", 252 * years
        make(place, symbols, sessions)
        some = {job: python for job, python in jobs.items() if job != "backtrader" or symbols * sessions <= 1_300_000}
        for job, values in rounds(some, place, count).items():
            cpu, peak = median(values, "cpu"), median(values, "peak")
            cells = [f"{symbols:,}", str(years), job, f"{cpu:.3f}", f"{1e6 * cpu / symbols / sessions:.3f}"]
            lines.append("| " + " | ".join([*cells, f"{peak:,.0f}", f"{peak / median(values, 'before'):.2f}"]) + " |")
        for file in place.iterdir():
            file.unlink()
    return lines


def arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--symbols", type=int, default=300)
    parser.add_argument("--sessions", type=int, default=2500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--growth", action="store_true", help="over 50 to 5,000 symbols and 1 to 16 years instead")
    parser.add_argument("--only", help="these jobs, separated by semicolons")
    parser.add_argument(
        "--peers", nargs="*", default=[], metavar="PYTHON", help="interpreters that have peers installed"
    )
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    jobs = interpreters(asked.peers)
    if asked.only or asked.growth:
        chosen = asked.only.split(";") if asked.only else ["engine, arrays", "engine", "backtrader", "vectorbt"]
        jobs = {job.strip(): jobs[job.strip()] for job in chosen if job.strip() in jobs}
    print(f"{machine()}; {asked.rounds} rounds, medians")
    with tempfile.TemporaryDirectory() as place:
        if asked.growth:
            print("\n".join(growth(jobs, Path(place), asked.rounds)))
            return
        make(Path(place) / "market", asked.symbols, asked.sessions)
        figures = rounds(jobs, Path(place) / "market", asked.rounds)
    print(f"{asked.symbols:,} symbols x {asked.sessions:,} days; x: backtrader's CPU seconds over the run's")
    print("\n".join(table(figures, asked.symbols * asked.sessions)))


if __name__ == "__main__":
    main()
