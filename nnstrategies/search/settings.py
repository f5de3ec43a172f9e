"""The sections ``search`` and ``cross_validation`` of a config."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nnstrategies.errors import ConfigError
from nnstrategies.search.space import Space
from nnstrategies.splits import Every, Period
from nnstrategies.training.baselines import GradientBoostingRecipe, RidgeRecipe
from nnstrategies.training.classical import LogisticRecipe, RandomForestRecipe, SVMRecipe
from nnstrategies.training.network import NetworkRecipe
from nnstrategies.training.recipe import Recipe

Method = Literal["grid", "gp"]
Objective = Literal["rank_ic", "accuracy", "loss"]

_PROBABILITIES = (NetworkRecipe, LogisticRecipe, RandomForestRecipe)
_TELL_CLASSES = (*_PROBABILITIES, SVMRecipe)
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
    per: ``symbol`` makes a search for each symbol alone, whose settings are its own (S5's parameter library). library:
    search.json of an earlier run, whose choices are taken by their dates; then nothing is searched and no space needed.
    """

    recipe: str
    space: Mapping[str, Any] = field(default_factory=dict)
    method: Method = "gp"
    trials: int = 30
    folds: int = 5
    valid_days: int = 63
    embargo_days: int = 0
    every: Period = "year"
    objective: Objective = "rank_ic"
    prune: bool = True
    seed: int = 1
    per: Literal["all", "symbol"] = "all"
    library: str | None = None

    def __post_init__(self) -> None:
        for key, least in (("trials", 1), ("folds", 1), ("valid_days", 2), ("embargo_days", 0), ("seed", 0)):
            if getattr(self, key) < least:
                raise ConfigError(f"search: {key}: expected at least {least}, got {getattr(self, key)}")
        if not self.space and self.library is None:
            raise ConfigError("search: space: expected at least one setting, such as lr: {low: 1e-4, high: 1e-2}")
        if self.space and self.library is not None:
            raise ConfigError("search: library: its choices are taken as they are; leave out space, or the library")

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
    settings: SearchSettings,
    recipes: Mapping[str, Recipe],
    label: str,
    refit: Every,
    groups: Literal["pooled", "symbol"] = "pooled",
) -> None:
    """ConfigError where a search does not fit the rest of its config; the message begins with ``search``.

    label, groups: of the task that the recipe learns.
    """
    if settings.recipe not in recipes:
        near = difflib.get_close_matches(settings.recipe, list(recipes), n=1)
        mend = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(recipes)}"
        raise ConfigError(f"search: recipe: {settings.recipe!r} is no recipe; {mend}")
    if settings.per == "symbol" and groups != "symbol":
        raise ConfigError(
            f"search: per: symbol needs a model of each symbol, and {settings.recipe} is fitted to all of them; set "
            f"groups: symbol, or leave out per"
        )
    if settings.library is None and isinstance(refit, str) and _OFTENER.index(settings.every) > _OFTENER.index(refit):
        raise ConfigError(
            f"search: every: a search each {settings.every} is used by no refit more often than walk_forward.refit "
            f"{refit}; search no oftener than models are refitted"
        )
    if settings.library is None:
        _check_objective(settings, recipes[settings.recipe], label, groups)
        _check_size(settings, recipes[settings.recipe])


def _check_objective(settings: SearchSettings, recipe: Recipe, label: str, groups: str) -> None:
    """Refuse what no candidate could be judged by; ``rank_ic`` can always be computed."""
    objective, percent = settings.objective, "percent" in _targets(settings, recipe)
    if objective == "accuracy" and label == "return":
        mend = "rank_ic or loss" if _forecasts(recipe, percent, groups) else "rank_ic"
        raise ConfigError(f"search: objective: accuracy needs a label of classes, got kind return; take {mend}")
    if objective == "loss" and label == "return" and not _forecasts(recipe, percent, groups):
        alone = " of a symbol by itself, whose returns have no place within their date" if groups == "symbol" else ""
        mend = f"set recipes.{recipe.name}.target: percent, or take rank_ic" if hasattr(recipe, "target") else ""
        raise ConfigError(
            f"search: objective: loss of a return label{alone} needs forecasts of returns, which {recipe.name} does "
            f"not make; {mend or 'take rank_ic'}"
        )
    tells = _TELL_CLASSES if objective == "accuracy" else _PROBABILITIES
    if objective != "rank_ic" and label != "return" and not isinstance(recipe, tells):
        what = "tells classes apart" if objective == "accuracy" else "gives probabilities"
        raise ConfigError(f"search: objective: {objective} needs a recipe that {what}, got {recipe.name}; take rank_ic")


def _targets(settings: SearchSettings, recipe: Recipe) -> list[Any]:
    """What candidates learn: the recipe's own target, or those that are searched."""
    searched = settings.space.get("target")
    return searched if isinstance(searched, list) else [getattr(recipe, "target", None)]


def _forecasts(recipe: Recipe, percent: bool, groups: str) -> bool:
    """Whether a recipe's scores of a return label can be held against the returns themselves."""
    if isinstance(recipe, NetworkRecipe):
        return percent or groups == "pooled"
    return percent and isinstance(recipe, RidgeRecipe | GradientBoostingRecipe)


def _check_size(settings: SearchSettings, recipe: Recipe) -> None:
    space = Space.of(recipe, settings.space)
    if settings.method == "grid" and space.size() > settings.trials:
        raise ConfigError(
            f"search: trials: the grid has {space.size()} combinations, more than {settings.trials}; raise trials or "
            f"thin out the space"
        )
