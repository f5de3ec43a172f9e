"""What a search chose, and which choice holds when: append-only."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from nnstrategies.errors import RegistryError
from nnstrategies.search.space import Value, with_values
from nnstrategies.search.trial import Trial
from nnstrategies.training.recipe import Recipe

_NUMBERS = ("value", "spread", "rank_ic")


@dataclass(frozen=True)
class Choice:
    """The best settings of ``recipe`` that a search as of the close of row ``row`` (session ``asof``) found.

    value, spread: mean and standard deviation of the objective over folds, of the best of many and thus flattering.
    rank_ic: the same trial's mean rank IC over folds. labels_through: no label it was found with ends later.
    counts: trials by state. symbol: the only one that it was found on and holds for; None: all.
    leaks: what the run that searched reads of the future on purpose. trials: all of them; not part of what is chosen.
    """

    recipe: str
    asof: dt.date
    row: int
    params: Mapping[str, Value]
    objective: str
    value: float
    spread: float
    rank_ic: float
    labels_through: dt.date
    counts: Mapping[str, int]
    symbol: str | None = None
    leaks: Sequence[str] = ()
    trials: tuple[Trial, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Choice:
        """A choice from what ``to_json`` gave; keys that others have added are left out."""
        known = {f.name: tree[f.name] for f in fields(cls) if f.name != "trials"}
        days = {key: dt.date.fromisoformat(known[key]) for key in ("asof", "labels_through")}
        numbers = {key: math.nan if known[key] is None else known[key] for key in _NUMBERS}
        return cls(**{**known, **days, **numbers})

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the trials; NaN becomes None."""
        tree = {key: value for key, value in vars(self).items() if key != "trials"}
        tree |= {key: None if math.isnan(tree[key]) else tree[key] for key in _NUMBERS}
        return tree | {
            "leaks": list(self.leaks),
            "asof": self.asof.isoformat(),
            "labels_through": self.labels_through.isoformat(),
            "params": dict(self.params),
            "counts": dict(self.counts),
        }


class ChoiceTimeline:
    """Choices by date. ``append`` refuses to change the past."""

    def __init__(self, choices: Iterable[Choice] = ()) -> None:
        self._choices: list[Choice] = []
        for choice in choices:
            self.append(choice)

    @property
    def choices(self) -> tuple[Choice, ...]:
        return tuple(self._choices)

    def append(self, choice: Choice) -> None:
        """Add a later choice; RegistryError when it is not later, or was made with labels that ended after its date."""
        if choice.labels_through > choice.asof:
            raise RegistryError(
                f"choices: one of {choice.asof} was made with labels that end on {choice.labels_through}; expected "
                f"none after its own date"
            )
        if self._choices and choice.row <= self._choices[-1].row:
            raise RegistryError(
                f"choices: expected one after {self._choices[-1].asof}, got {choice.asof}; the past is never changed"
            )
        self._choices.append(choice)

    def newest(self, row: int) -> Choice | None:
        """The newest choice made at or before the close of ``row``, None before the first."""
        return next((choice for choice in reversed(self._choices) if choice.row <= row), None)

    def at(self, row: int) -> Choice:
        """The same; RegistryError before the first."""
        if (found := self.newest(row)) is None:
            first = f"the first is of row {self._choices[0].row}" if self._choices else "there is none"
            raise RegistryError(f"choices: none made by row {row}, {first}; search earlier or refit later")
        return found

    def recipe_at(self, recipe: Recipe) -> Callable[[int], Recipe]:
        """``recipe`` with the settings chosen by the close of a row, as a function of that row."""
        return lambda asof: with_values(recipe, self.at(asof).params)

    def to_json(self) -> list[dict[str, Any]]:
        return [choice.to_json() for choice in self._choices]
