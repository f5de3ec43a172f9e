"""The report of a load: what was mended, what the reader should know; nothing is mended in silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from nnstrategies.errors import DataError
from nnstrategies.typing import AnyArray, BoolArray, DateArray


@dataclass(frozen=True)
class Problem:
    """One kind of finding. severity: ``repair`` (values were changed) or ``caution`` (taken as they came).

    count: rows (or columns, dates, symbols: ``kind`` says which); example: the first of them; mend: what was done.
    """

    severity: str
    kind: str
    count: int
    example: str
    mend: str

    def line(self) -> str:
        example = f" (first: {self.example})" if self.example else ""
        return f"{self.severity}: {self.kind}: {self.count:,}{example}: {self.mend}"


@dataclass
class LoadReport:
    """Findings of one load in the order of discovery; filled while loading, read afterwards."""

    name: str
    problems: list[Problem] = field(default_factory=list)

    def repair(self, kind: str, count: int, example: str, mend: str) -> None:
        """Record a change of the data; a count of 0 is no finding."""
        self._add("repair", kind, count, example, mend)

    def caution(self, kind: str, count: int, example: str, mend: str) -> None:
        """Record something that was left as it came but limits what the data can be used for."""
        self._add("caution", kind, count, example, mend)

    def _add(self, severity: str, kind: str, count: int, example: str, mend: str) -> None:
        if count:
            self.problems.append(Problem(severity, kind, int(count), example, mend))

    @property
    def repairs(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "repair")

    @property
    def cautions(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "caution")

    def lines(self) -> list[str]:
        """One printable line a finding; a single line saying so when there is none."""
        if not self.problems:
            return [f"{self.name}: no repairs, no cautions"]
        return [f"{self.name}: {problem.line()}" for problem in self.problems]

    def refuse_repairs(self) -> None:
        """Raise DataError naming every repair; used by ``strict=True``."""
        if self.repairs:
            listed = "\n  ".join(problem.line() for problem in self.repairs)
            raise DataError(
                f"{self.name}: strict: expected data that need no repair, got {len(self.repairs)} kinds of repair;"
                f" correct the source or load with strict=False\n  {listed}"
            )


@dataclass(frozen=True)
class Cells:
    """The symbols [N] and sessions [T] of a symbol-major [N, T] grid: names cells in messages."""

    symbols: tuple[str, ...]
    sessions: DateArray

    def first(self, mask: BoolArray) -> str:
        """Symbol and date of the first True of mask [N, T]; empty text when there is none."""
        flat = int(np.argmax(mask))
        return self.name_of(flat) if mask.flat[flat] else ""

    def name_of(self, flat: int) -> str:
        """Symbol and date of a position in the flattened grid [N * T]."""
        row, t = divmod(flat, len(self.sessions))
        return f"{self.symbols[row]} {self.sessions[t]}"

    def refuse(self, name: str, mask: BoolArray, fault: str, values: Mapping[str, AnyArray], mend: str) -> None:
        """Raise DataError when mask [N, T] has a True, showing the values there of the first one."""
        if not mask.any():
            return
        at = int(np.argmax(mask))
        shown = ", ".join(f"{column} {values[column].flat[at]:g}" for column in values)
        raise DataError(f"{name}: {fault} in {int(mask.sum()):,} rows, first {self.first(mask)} ({shown}); {mend}")
