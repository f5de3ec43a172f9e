"""The sections ``search`` and ``cross_validation`` of a config."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nnstrategies.errors import ConfigError
from nnstrategies.search.space import Space
from nnstrategies.splits import Every, Period
from nnstrategies.training.recipe import Recipe

Method = Literal["grid", "gp"]
Objective = Literal["rank_ic", "accuracy", "loss"]

_OFTENER: tuple[str, ...] = ("once", "year", "quarter", "month")


@dataclass(frozen=True)
class SearchSettings:
    """Which settings of one recipe are searched, how, and how often.

    recipe: its name under ``recipes``. space: dotted setting -> a list of values, or {low, high, log, step}.
    method: ``grid`` tries every combination, ``gp`` lets a Gaussian process propose ``trials`` of them.
    folds, valid_days: so many blocks of so many sessions, one after the other and ending at asof, each judged by a fit
    on what lies before it. embargo_days: sessions left out between a fit and its block. every: how often the search is
    repeated; ``once`` is before the test. objective: what is compared, a mean over folds; ``loss`` is minimised.
    prune: give a candidate up after two folds or more once it is worse than the median of those that were finished.
    seed: of the proposals and of the candidates' fits.
    """

    recipe: str
    space: Mapping[str, Any]
    method: Method = "gp"
    trials: int = 30
    folds: int = 5
    valid_days: int = 63
    embargo_days: int = 0
    every: Period = "year"
    objective: Objective = "rank_ic"
    prune: bool = True
    seed: int = 1

    def __post_init__(self) -> None:
        for key, least in (("trials", 1), ("folds", 1), ("valid_days", 2), ("embargo_days", 0), ("seed", 0)):
            if getattr(self, key) < least:
                raise ConfigError(f"search: {key}: expected at least {least}, got {getattr(self, key)}")
        if not self.space:
            raise ConfigError("search: space: expected at least one setting, such as lr: {low: 1e-4, high: 1e-2}")

    @property
    def sign(self) -> int:
        """1 where more of the objective is better, -1 where less is."""
        return -1 if self.objective == "loss" else 1


@dataclass(frozen=True)
class CrossValidationSettings:
    """Time-series cross-validation of every recipe before the test, to show its spread; nothing is chosen by it.

    folds, valid_days: so many blocks of so many sessions, one after the other and ending before the test, each judged
    by a fit on what lies before it. embargo_days: sessions left out between a fit and its block.
    """

    folds: int = 5
    valid_days: int = 120
    embargo_days: int = 0

    def __post_init__(self) -> None:
        for key, least in (("folds", 2), ("valid_days", 2), ("embargo_days", 0)):
            if getattr(self, key) < least:
                raise ConfigError(f"cross_validation: {key}: expected at least {least}, got {getattr(self, key)}")


def check_search(
    settings: SearchSettings, recipes: Mapping[str, Recipe], label: str, refit: Every, measure: str = "across"
) -> None:
    """ConfigError where a search does not fit the rest of its config; the message begins with ``search``."""
    if settings.recipe not in recipes:
        near = difflib.get_close_matches(settings.recipe, list(recipes), n=1)
        mend = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(recipes)}"
        raise ConfigError(f"search: recipe: {settings.recipe!r} is no recipe; {mend}")
    if settings.objective == "accuracy" and label == "return":
        raise ConfigError("search: objective: accuracy needs a label of classes, got kind return; take rank_ic or loss")
    if settings.objective == "rank_ic" and measure != "across":
        raise ConfigError(
            f"search: objective: rank_ic compares the symbols of a date, and {settings.recipe} is measured through "
            f"time; take accuracy or loss"
        )
    if isinstance(refit, str) and _OFTENER.index(settings.every) > _OFTENER.index(refit):
        raise ConfigError(
            f"search: every: a search each {settings.every} is used by no refit more often than walk_forward.refit "
            f"{refit}; search no oftener than models are refitted"
        )
    space = Space.of(recipes[settings.recipe], settings.space)
    if settings.method == "grid" and space.size() > settings.trials:
        raise ConfigError(
            f"search: trials: the grid has {space.size()} combinations, more than {settings.trials}; raise trials or "
            f"thin out the space"
        )
