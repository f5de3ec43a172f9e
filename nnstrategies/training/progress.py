"""How far training is: what a fit reports, and a bar that shows it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars


@dataclass(frozen=True)
class Tick:
    """One report of a fit. loss: mean training loss of the epoch so far; valid: loss of the last validation, if any.

    ``done`` is the finished share of the fit, ``fit`` of ``fits`` its place in the walk-forward; ``seconds_left`` is
    for this fit, should no early stop come.
    """

    recipe: str
    seed: int
    asof: dt.date
    epoch: int
    epochs: int
    done: float
    loss: float
    valid: float | None
    seconds_left: float
    fit: int = 0
    fits: int = 1
    note: str = ""  # shown instead of the loss


class Progress(Protocol):
    """Anything that may be called with a Tick; what it returns is ignored, what it raises ends the fit."""

    def __call__(self, tick: Tick) -> None: ...


class ProgressBar:
    """A line per recipe and seed with loss and time left; use as a context manager around the training."""

    def __init__(self, console: Console | None = None) -> None:
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[loss]}"),
            TextColumn("left"),
            TimeRemainingColumn(compact=True),
            console=console,
        )
        self._tasks: dict[tuple[str, int], TaskID] = {}
        self._done: dict[tuple[str, int], dict[int, float]] = {}  # of each fit, since they may end in any order
        self._settled: set[str] = set()

    def __enter__(self) -> ProgressBar:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def settle(self, *recipes: str) -> None:
        """Leave the lines of finished recipes above those that still move; later ticks of theirs change nothing."""
        lines = [self._tasks.pop(key) for key in [*self._tasks] if key[0] in recipes]
        for line in lines:
            self._bars.update(line, completed=1.0)
        if lines:
            self._bars.console.print(self._bars.make_tasks_table([one for one in self._bars.tasks if one.id in lines]))
        for line in lines:
            self._bars.remove_task(line)
        self._settled.update(recipes)

    def __call__(self, tick: Tick) -> None:
        if tick.recipe in self._settled:
            return
        key = (tick.recipe, tick.seed)
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(
                tick.recipe if tick.note else f"{tick.recipe} seed {tick.seed}", total=1.0, loss=""
            )
        done = self._done.setdefault(key, {})
        done[tick.fit] = tick.done
        loss = tick.note or f"{tick.asof} epoch {tick.epoch}/{tick.epochs} loss {tick.loss:.4f}"
        if tick.valid is not None and not tick.note:
            loss += f" valid {tick.valid:.4f}"
        self._bars.update(self._tasks[key], completed=sum(done.values()) / tick.fits, loss=loss)
