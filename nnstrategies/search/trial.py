"""One candidate of a search and what it did in each fold."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from nnstrategies.search.space import Value

State = Literal["complete", "pruned", "impossible"]


@dataclass(frozen=True)
class FoldResult:
    """What one candidate did in one fold, on dates no fit of it had seen.

    value: the objective; rank_ic: mean over dates, or symbols (None where none has one). fitted: the close of its fit;
    first, last: the block; label_end: the last session any of its labels ends at. returns: (decision date, return to
    the next decision) of the portfolio that ``judge.PORTFOLIOS`` names.
    """

    value: float
    rank_ic: float | None
    fitted: dt.date
    first: dt.date
    last: dt.date
    label_end: dt.date
    returns: tuple[tuple[dt.date, float], ...]

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> FoldResult:
        days = {key: dt.date.fromisoformat(tree[key]) for key in ("fitted", "first", "last", "label_end")}
        returns = tuple((dt.date.fromisoformat(day), float(value)) for day, value in tree["returns"])
        return cls(value=tree["value"], rank_ic=tree["rank_ic"], returns=returns, **days)

    def to_json(self) -> dict[str, Any]:
        tree = asdict(self) | {"returns": [[day.isoformat(), value] for day, value in self.returns]}
        return {key: value.isoformat() if isinstance(value, dt.date) else value for key, value in tree.items()}


@dataclass(frozen=True)
class Trial:
    """``number`` counts from 0. reason: why it was pruned or is impossible. repeats: the earlier trial it equals."""

    number: int
    params: Mapping[str, Value]
    state: State
    folds: tuple[FoldResult, ...] = ()
    reason: str = ""
    repeats: int | None = None

    @property
    def value(self) -> float:
        """Mean of the objective over the folds it ran; NaN where it ran none."""
        return self.mean_of(len(self.folds))

    def mean_of(self, count: int) -> float:
        """The same over the first ``count`` folds."""
        return float(np.mean([fold.value for fold in self.folds[:count]])) if count else float("nan")

    @property
    def spread(self) -> float:
        """Standard deviation over folds, NaN with fewer than two."""
        return float(np.std([fold.value for fold in self.folds], ddof=1)) if len(self.folds) > 1 else float("nan")

    @property
    def rank_ic(self) -> float:
        """Mean rank IC over the folds that have one, whatever the objective is."""
        known = [fold.rank_ic for fold in self.folds if fold.rank_ic is not None]
        return float(np.mean(known)) if known else float("nan")

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Trial:
        return cls(**{**tree, "folds": tuple(FoldResult.from_json(fold) for fold in tree["folds"])})

    def to_json(self) -> dict[str, Any]:
        tree = {key: getattr(self, key) for key in ("number", "state", "reason", "repeats")}
        return tree | {"params": dict(self.params), "folds": [fold.to_json() for fold in self.folds]}
