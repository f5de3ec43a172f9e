"""Whether the sections of a config fit together: names that must exist, settings that exclude each other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nnstrategies.checked import suggest
from nnstrategies.errors import ConfigError
from nnstrategies.explain.classes import class_names
from nnstrategies.features import feature_names
from nnstrategies.labels import LabelKind
from nnstrategies.models import refuse_window
from nnstrategies.report.definitions import BASELINES, CLASS_FIGURES, DEFINITIONS, REGIMES
from nnstrategies.search.settings import check_search
from nnstrategies.settings import MAIN, PortfolioSettings, RunConfig, TaskSettings
from nnstrategies.training import (
    EnsembleRecipe,
    GradientBoostingRecipe,
    LogisticRecipe,
    MomentumRecipe,
    NetworkRecipe,
    PersistenceRecipe,
    RandomForestRecipe,
    RidgeRecipe,
)
from nnstrategies.training.recipe import Recipe

_ALWAYS = ("equal_weight", "benchmark")  # baselines of every run


def check_name(what: str, name: str, where: str) -> None:
    """Raise ConfigError for a name that no file or folder could have."""
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ConfigError(f"{where}: {what}: expected letters, digits, '_', '-' and '.', got {name!r}")


def check_whole(config: RunConfig, where: str) -> None:
    """Raise ConfigError, with ``where`` in front, for the first thing that does not fit."""
    _check_recipes(config.recipes, where)
    _check_tasks(config, where)
    _check_portfolios(config, where)
    _check_published(config, where)
    for name in config.periods:
        check_name("periods", name, where)
    _check_industries(config, where)
    for name in config.variants:
        check_name("variants", name, where)
        for kept in config.variants[name].recipes:
            _known(kept, config.recipes, "recipe", f"{where}: variants.{name}.recipes")
    for name, recipe in config.recipes.items():
        task_name, task = config.task_of(name)
        known = _named(task.features, f"{where}: features")
        seen = _named(config.inputs.get(name, known), f"{where}: inputs.{name}")
        _check_inputs(seen, known, f"{where}: inputs.{name}")
        if not _searches_the_model(config, name):
            key = "window" if task_name == MAIN else f"tasks.{task_name}.window"
            _check_window(recipe, task.window, f"{where}: recipes.{name}", key)
        if task.groups == "symbol" or task.subject == "benchmark":
            _check_target(recipe, task.label.kind, f"{where}: recipes.{name}")
        if isinstance(recipe, MomentumRecipe) and recipe.feature not in seen:
            raise ConfigError(
                f"{where}: recipes.{name}: its feature {recipe.feature!r} is not among the features; add it"
            )
    for name in config.inputs:
        _known(name, config.recipes, "recipe", f"{where}: inputs")
    for name in config.evidence.recipes or ():
        _known(name, config.recipes, "recipe", f"{where}: evidence.recipes")
    seeds = config.seeds
    usable = len(seeds) > 0 and len(set(seeds)) == len(seeds) and all(0 <= seed < 2**32 for seed in seeds)
    checks = (
        (config.workers >= 1, "workers: expected at least 1"),
        (usable, f"seeds: expected different whole numbers from 0 to 2**32 - 1, got {list(seeds)}"),
        (config.evidence.refits >= 0, "evidence.refits: expected 0 or more"),
        (config.evidence.every_days >= 1, "evidence.every_days: expected at least 1 session"),
    )
    for holds, message in checks:
        if not holds:
            raise ConfigError(f"{where}: {message}")
    if config.search is not None:
        try:
            task = config.task_of(config.search.recipe)[1]
            refit = task.refit or config.walk_forward.refit
            check_search(config.search, config.recipes, task.label.kind, refit, task.groups)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
    if config.walk_forward.last_test and config.walk_forward.last_test < config.walk_forward.first_test:
        walk = config.walk_forward
        raise ConfigError(
            f"{where}: walk_forward: last_test: expected a day after first_test {walk.first_test}, got "
            f"{walk.last_test}; end the test later or begin it earlier"
        )


def _searches_the_model(config: RunConfig, recipe: str) -> bool:
    """Whether each candidate of a search has a model of its own, which may want other windows."""
    search = config.search
    return search is not None and search.recipe == recipe and any("model" in k or "settings" in k for k in search.space)


def _check_window(recipe: Recipe, window: int, where: str, key: str) -> None:
    for name, member in recipe.members.items() if isinstance(recipe, EnsembleRecipe) else ():
        _check_window(member, window, f"{where}.members.{name}", key)
    if isinstance(recipe, NetworkRecipe) and (reason := refuse_window(recipe.model, window, recipe.settings)):
        raise ConfigError(f"{where}: model {recipe.model} {reason}; set {key} to suit it")


def _check_portfolios(config: RunConfig, where: str) -> None:
    for name, portfolio in config.portfolios.items():
        check_name("portfolios", name, where)
        for recipe in portfolio.recipes:
            _known(recipe, config.recipes, "recipe", f"{where}: portfolios.{name}")
        timer = config.task_of(portfolio.exposure)[1] if portfolio.exposure else None
        if timer and (timer.subject, timer.label.kind) != ("benchmark", "up_down"):
            raise ConfigError(
                f"{where}: portfolios.{name}: exposure: expected a recipe of a task with subject benchmark and label "
                f"up_down, whose probability it is; got {portfolio.exposure!r}, {timer.subject} with {timer.label.kind}"
            )
        if portfolio.exposure and not _says_probability(config.recipes[portfolio.exposure]):
            raise ConfigError(
                f"{where}: portfolios.{name}: exposure: {portfolio.exposure!r} gives no probability; expected a "
                f"network, random_forest, logistic, or an ensemble of them"
            )
    if config.headline in config.portfolios and config.portfolios[config.headline].hedged:
        raise ConfigError(
            f"{where}: headline: expected a portfolio whose fills make its returns, got {config.headline!r}, which is "
            f"hedged; choose the same one without its hedge"
        )
    kind = "portfolio" if config.portfolios else "recipe of the run's own task" if config.tasks else "recipe"
    _known(config.headline, config.traded, kind, f"{where}: headline")
    for name, portfolio in config.traded.items():
        _refuse_overnight(config, name, portfolio, where)
        if isinstance(config.recipes[portfolio.score], PersistenceRecipe):
            raise ConfigError(
                f"{where}: {'headline' if name == config.headline else 'portfolios'}: {portfolio.score} is a "
                f"persistence forecast, alike for every symbol, which orders nothing; name the portfolios to trade "
                f"under portfolios, without it"
            )


def _refuse_overnight(config: RunConfig, name: str, portfolio: PortfolioSettings, where: str) -> None:
    """An order is filled at the very open that such a recipe forecasts."""
    for recipe in portfolio.recipes:
        if config.task_of(recipe)[1].label.price == "overnight":
            section = f"portfolios.{name}" if config.portfolios else f"recipes.{name}"
            raise ConfigError(
                f"{where}: {section}: {recipe} forecasts the next open (label price overnight), at which its orders "
                f"are filled: nothing of the forecast is left to earn; trade a recipe with price open or close"
            )


def _says_probability(recipe: Recipe) -> bool:
    """Whether its score of an up_down label is P(up) - 1/2."""
    if isinstance(recipe, EnsembleRecipe):
        return all(_says_probability(one) for one in recipe.members.values())
    return isinstance(recipe, NetworkRecipe | LogisticRecipe | RandomForestRecipe)


def _check_tasks(config: RunConfig, where: str) -> None:
    seen: set[str] = set()
    for name, task in config.tasks.items():
        check_name("tasks", name, where)
        for recipe in task.recipes:
            _known(recipe, config.recipes, "recipe", f"{where}: tasks.{name}")
        if name == MAIN or not task.recipes or seen & set(task.recipes):
            raise ConfigError(f"{where}: tasks.{name}: expected a name of its own and recipes that no other task has")
        seen |= set(task.recipes)
        if task.picks:
            _known(task.picks.of, config.main_task.recipes, "recipe of the run's own task", f"{where}: tasks.{name}")
            if task.picks.since >= config.walk_forward.first_test:
                raise ConfigError(f"{where}: tasks.{name}: picks.since: expected a date before walk_forward.first_test")


def _check_published(config: RunConfig, where: str) -> None:
    if config.published is None:
        return
    figures = [entry.key for entry in DEFINITIONS]
    for name, row in config.published.figures.items():
        _known(name, [*config.traded, *_ALWAYS], "portfolio", f"{where}: published.figures")
        for figure in row:
            _known(figure, figures, "figure", f"{where}: published.figures.{name}")
    for name, (low, high) in config.published.prices.items():
        _known(name, config.recipes, "recipe", f"{where}: published.prices")
        if not 0 <= low <= high <= 1:
            raise ConfigError(
                f"{where}: published.prices.{name}: expected a lower and an upper share between 0 and 1, got "
                f"[{low}, {high}]"
            )
    for name in config.published.directions:
        _known(name, config.recipes, "recipe", f"{where}: published.directions")
    for name, row in config.published.classes.items():
        _known(name, config.recipes, "recipe", f"{where}: published.classes")
        _check_classes(row, config.task_of(name)[1], f"{where}: published.classes.{name}")


def _check_classes(row: Mapping[str, float], task: TaskSettings, where: str) -> None:
    classes = class_names(task.label.kind)
    if not classes:
        raise ConfigError(f"{where}: expected a recipe whose label has classes, got label.kind {task.label.kind!r}")
    for figure, value in row.items():
        _known(figure, [*CLASS_FIGURES, *classes, *REGIMES], "figure", where)
        if value < 0 or (value > 1 and figure != "hours"):
            expected = "hours" if figure == "hours" else "a share between 0 and 1"
            raise ConfigError(f"{where}.{figure}: expected {expected}, got {value}")


def _check_industries(config: RunConfig, where: str) -> None:
    if config.strategy.max_industry is not None and not config.data.industries:
        raise ConfigError(
            f"{where}: strategy.max_industry: the data have no table of industries; put one with columns symbol, "
            f"industry, known_at into a file and name it under data.industries (source china also takes monthly, the "
            f"simulated market a number; docs/data.md), or leave the cap out"
        )


def _known(name: str, known: Any, what: str, where: str) -> None:
    if name not in known:
        raise ConfigError(f"{where}: {name!r} is no {what}; {suggest(name, list(known))}")


def _named(wanted: str | tuple[str, ...], where: str) -> tuple[str, ...]:
    try:
        return feature_names(wanted)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _check_target(recipe: Recipe, label: LabelKind, where: str) -> None:
    """A model of one symbol has one return a date: its place among those of the date is 0, whatever the return."""
    if isinstance(recipe, EnsembleRecipe):
        for name, member in recipe.members.items():
            _check_target(member, label, f"{where}.members.{name}")
    if isinstance(recipe, NetworkRecipe) and label != "return":
        return
    if isinstance(recipe, NetworkRecipe | RidgeRecipe | GradientBoostingRecipe) and recipe.target != "percent":
        raise ConfigError(
            f"{where}: target: expected percent for a model of one symbol (groups symbol or subject benchmark), which "
            f"has one return a date and none to compare it with; got {recipe.target!r}; set target: percent"
        )


def _check_inputs(wanted: tuple[str, ...], known: tuple[str, ...], where: str) -> None:
    """What a recipe sees must be computed for the run."""
    absent = next((name for name in wanted if name not in known), None)
    if absent is not None:
        raise ConfigError(f"{where}: {absent!r} is not among the features of the run; add it to features")


def _check_recipes(recipes: Mapping[str, Recipe], where: str) -> None:
    for name, recipe in recipes.items():
        check_name("recipes", name, where)
        if name == "momentum":
            if not isinstance(recipe, MomentumRecipe):
                raise ConfigError(f"{where}: recipes.momentum: that name is kept for kind momentum; choose another")
        elif name in BASELINES:
            raise ConfigError(f"{where}: recipes.{name}: that name is a baseline's; choose another")
