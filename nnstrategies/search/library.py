"""Settings of each symbol's own, from searches on that symbol alone (S5's parameter library)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from pathlib import Path

from nnstrategies.calendar import Calendar
from nnstrategies.errors import ConfigError, RegistryError
from nnstrategies.search.choice import Choice, ChoiceTimeline
from nnstrategies.search.space import with_values
from nnstrategies.training.grouped import GroupedRecipe


class Library:
    """Choices by symbol and date; ``append`` refuses to change the past of any symbol."""

    def __init__(self, choices: Iterable[Choice] = ()) -> None:
        self._timelines: dict[str, ChoiceTimeline] = {}
        for choice in choices:
            self.append(choice)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """All of them, symbol by symbol."""
        return tuple(choice for timeline in self._timelines.values() for choice in timeline.choices)

    def append(self, choice: Choice) -> None:
        """Add a choice of one symbol, later than its others; RegistryError otherwise."""
        if choice.symbol is None:
            raise RegistryError(f"library: a choice of {choice.asof} is of no symbol; make it with per: symbol")
        self._timelines.setdefault(choice.symbol, ChoiceTimeline()).append(choice)

    def recipe_at(self, recipe: GroupedRecipe) -> Callable[[int], GroupedRecipe]:
        """``recipe`` with the settings that each symbol's searches had found by the close of a row.

        A symbol without any by then takes the recipe's own.
        """

        def at(asof: int) -> GroupedRecipe:
            known = {symbol: timeline.newest(asof) for symbol, timeline in self._timelines.items()}
            own = {symbol: with_values(recipe.recipe, one.params) for symbol, one in known.items() if one is not None}
            return dataclasses.replace(recipe, own=own)

        return at


def read_choices(path: Path, calendar: Calendar) -> list[Choice]:
    """The choices of an earlier run's search.json, laid on another calendar by their dates.

    Each holds from the first session at or after its own date, so none is used before it was made. ConfigError for a
    file that is none.
    """
    try:
        choices = [Choice.from_json(tree) for tree in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"search: library: {path} is not the search.json of a run ({error}); name one, or leave it out to search"
        ) from None
    latest: dict[tuple[str | None, int], Choice] = {}
    for choice in sorted(choices, key=lambda one: (one.symbol or "", one.asof)):
        row = calendar.first_on_or_after(choice.asof)
        latest[choice.symbol, row] = dataclasses.replace(choice, row=row)
    return list(latest.values())
