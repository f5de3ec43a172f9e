"""Run configs: YAML checked once, at the edge, into frozen settings.

A section with a choice names it (``source`` for data, ``kind`` for a recipe); the rest of the section is that choice's
settings. Unknown keys are refused with a suggestion. ``--set a.b=value`` overrides one key.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import TypeAdapter, ValidationError

from nnstrategies.checked import build, check_keys, choice, override, suggest
from nnstrategies.errors import ConfigError
from nnstrategies.explain.classes import class_names
from nnstrategies.features import feature_names
from nnstrategies.market.read import read_book
from nnstrategies.market_settings import COSTS, SLIPPAGE, AccountSettings, usual_settings
from nnstrategies.periods import parse_periods
from nnstrategies.report.definitions import BASELINES, CLASS_FIGURES, DEFINITIONS, REGIMES
from nnstrategies.search.settings import CrossValidationSettings, SearchSettings, check_search
from nnstrategies.settings import (
    MAIN,
    MARKETS,
    SOURCES,
    EvidenceSettings,
    LabelSettings,
    PortfolioSettings,
    PublishedSettings,
    RunConfig,
    StrategySettings,
    TaskSettings,
    VariantSettings,
    WalkForwardSettings,
)
from nnstrategies.training import (
    RECIPES,
    EnsembleRecipe,
    LogisticRecipe,
    MomentumRecipe,
    NetworkRecipe,
    PersistenceRecipe,
    RandomForestRecipe,
)
from nnstrategies.training.recipe import Recipe, with_setting


def available() -> list[str]:
    """Names of the configs that ship with the package."""
    return sorted(_shipped())


def _shipped() -> dict[str, Traversable]:
    top = resources.files("nnstrategies.configs")
    entries = [*top.iterdir(), *top.joinpath("systems").iterdir()]
    return {entry.name.removesuffix(".yaml"): entry for entry in entries if entry.name.endswith(".yaml")}


def read_config(source: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a config by file name or by the name of one that ships with the package, with ``key=value`` overrides.

    Raises ConfigError naming the file, the key, what was expected, and the nearest known key.
    """
    path, shipped = Path(source), _shipped()
    if path.is_file():
        try:
            text, where = path.read_text(encoding="utf-8"), str(source)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"config {source}: expected readable UTF-8 text, got {type(error).__name__}") from None
    elif str(source) in shipped:
        text, where = shipped[str(source)].read_text("utf-8"), f"{source}.yaml"
    else:
        raise ConfigError(f"config {source}: no such file, and no config of that name; {suggest(str(source), shipped)}")
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{where}: expected keys and values, got {type(tree).__name__}")
    for text in overrides:
        override(tree, text)
    return parse(tree, where)


def parse(tree: Mapping[str, Any], where: str) -> RunConfig:
    """Check a tree of plain values; raises ConfigError on the first thing that is wrong."""
    values = dict(tree)
    check_keys(values, RunConfig, where, nested=False)
    for key in ("name", "data", "walk_forward", "recipes", "headline"):
        if key not in values:
            raise ConfigError(f"{where}: {key}: is needed and missing")
    values["data"] = choice(values.get("data"), "source", SOURCES, f"{where}: data")
    _check_name("name", str(values["name"]), where)
    sections: dict[str, type] = {
        "walk_forward": WalkForwardSettings,
        "label": LabelSettings,
        "evidence": EvidenceSettings,
        "strategy": StrategySettings,
        "account": AccountSettings,
        "published": PublishedSettings,
    }
    optional = {"search": SearchSettings, "cross_validation": CrossValidationSettings}
    sections |= {name: cls for name, cls in optional.items() if values.get(name) is not None}
    for name, cls in sections.items():
        if values.get(name) is not None or (name in values and name != "published"):
            values[name] = build(cls, values[name], f"{where}: {name}")
    values["recipes"] = _recipes(values["recipes"], values["walk_forward"], where)
    _check_recipes(values["recipes"], where)
    for name, cls in (("tasks", TaskSettings), ("portfolios", PortfolioSettings), ("variants", VariantSettings)):
        if name in values:
            if not isinstance(values[name], dict):
                raise ConfigError(f"{where}: {name}: expected named sections, got {values[name]!r}")
            values[name] = {key: build(cls, one, f"{where}: {name}.{key}") for key, one in values[name].items()}
    for name, choices in (("costs", COSTS), ("slippage", SLIPPAGE)):
        if name in values:
            values[name] = choice(values[name], "kind", choices, f"{where}: {name}")
    if "periods" in values:
        values["periods"] = parse_periods(values["periods"], f"{where}: periods")
    values.setdefault("market", MARKETS[type(values["data"])])
    values.setdefault("costs", usual_settings(read_book(str(values["market"]))))
    plain = {key: values.pop(key) for key in _PLAIN if key in values}
    config = RunConfig(**_plain(plain, where), **values)
    try:
        _ = config.main_task  # its settings are checked together, as those of further tasks are
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    _check_whole(config, where)
    return config


def fast(config: RunConfig) -> RunConfig:
    """The same run with fewer seeds, epochs and search trials; dates, universe, features, costs and rules stay.

    At most 2 seeds, 5 refits on shuffled labels (their seeds), 3 epochs and 10 trials, 3 where each symbol has a search
    of its own, also of variants. A grid has all of its combinations.
    """
    search = config.search and dataclasses.replace(config.search, trials=_fewer_trials(config.search))
    return dataclasses.replace(
        config,
        name=f"{config.name}-fast",
        title=f"{config.title or config.name} (fast form)",
        recipes={name: _with_fewer(recipe) for name, recipe in config.recipes.items()},
        seeds=config.seeds[:2],
        evidence=dataclasses.replace(config.evidence, refits=min(config.evidence.refits, 5)),
        search=search,
        variants={name: _with_fewer_trials(variant) for name, variant in config.variants.items()},
    )


def _with_fewer_trials(variant: VariantSettings) -> VariantSettings:
    found = variant.set.get("search")
    if not isinstance(found, Mapping):
        return variant
    search = build(SearchSettings, found, "variants")
    return dataclasses.replace(variant, set={**variant.set, "search": {**found, "trials": _fewer_trials(search)}})


def _fewer_trials(search: SearchSettings) -> int:
    if search.method == "grid":
        return search.trials
    return min(search.trials, 3 if search.per == "symbol" else 10)


def _with_fewer(recipe: Recipe) -> Recipe:
    if isinstance(recipe, EnsembleRecipe):
        members = {name: _with_fewer(one) for name, one in recipe.members.items()}
        return dataclasses.replace(recipe, members=members, seeds=recipe.seeds[:2])
    return with_setting(recipe, "epochs", min(recipe.epochs, 3)) if isinstance(recipe, NetworkRecipe) else recipe


def to_tree(config: RunConfig) -> dict[str, Any]:
    """The resolved config as plain values; ``parse`` of it gives the same config."""
    tree = {f.name: _plain_value(getattr(config, f.name)) for f in dataclasses.fields(config)}
    tree["data"] = {"source": _name_of(SOURCES, config.data), **tree["data"]}
    tree["costs"] = {"kind": _name_of(COSTS, config.costs), **tree["costs"]}
    tree["slippage"] = {"kind": _name_of(SLIPPAGE, config.slippage), **tree["slippage"]}
    tree["recipes"] = {name: recipe_tree(recipe) for name, recipe in config.recipes.items()}
    return tree


def recipe_tree(recipe: Recipe) -> dict[str, Any]:
    """A recipe's kind and settings as plain values, without its name."""
    settings = {key: value for key, value in _plain_value(recipe).items() if key != "name"}
    if isinstance(recipe, EnsembleRecipe):
        settings["members"] = {name: recipe_tree(one) for name, one in recipe.members.items()}
    return {"kind": _name_of(RECIPES, recipe), **settings}


def _plain_value(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain_value(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain_value(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain_value(item) for item in value]
    return value


def _name_of(choices: Mapping[str, type], value: object) -> str:
    return next(name for name, cls in choices.items() if type(value) is cls)


_ALWAYS = tuple(name for name in BASELINES if name != "momentum")  # in every run; momentum is a recipe


def _check_name(what: str, name: str, where: str) -> None:
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ConfigError(f"{where}: {what}: expected letters, digits, '_', '-' and '.', got {name!r}")


def _recipes(recipes: Any, lengths: WalkForwardSettings, where: str) -> dict[str, Recipe]:
    """The recipes, with the walk-forward's lengths where a section does not name its own."""
    if not isinstance(recipes, dict) or not recipes:
        raise ConfigError(f"{where}: recipes: expected at least one named recipe, got {recipes!r}")
    return {name: _recipe(name, one, lengths, f"{where}: recipes.{name}") for name, one in recipes.items()}


def _recipe(name: str, settings: Any, lengths: WalkForwardSettings, where: str) -> Recipe:
    if isinstance(settings, dict) and settings.get("kind") == "ensemble" and "members" in settings:
        members = settings["members"]
        if not isinstance(members, dict):
            raise ConfigError(f"{where}.members: expected named recipes, got {members!r}")
        members = {key: _recipe(key, one, lengths, f"{where}.members.{key}") for key, one in members.items()}
        settings = {**settings, "members": members}
    recipe = choice(settings, "kind", RECIPES, where)
    known = {f.name for f in dataclasses.fields(recipe)}
    shared = {
        key: value
        for key in ("train_days", "valid_days", "embargo_days")
        if (value := getattr(lengths, key)) is not None and key in known and key not in settings
    }
    recipe = dataclasses.replace(recipe, name=name, **shared)
    if lengths.gate and getattr(recipe, "valid_days", None) == 0:
        raise ConfigError(f"{where}: valid_days: walk_forward.gate needs validation rows, got 0")
    return recipe


def _check_recipes(recipes: Mapping[str, Recipe], where: str) -> None:
    for name, recipe in recipes.items():
        _check_name("recipes", name, where)
        if name == "momentum":
            if not isinstance(recipe, MomentumRecipe):
                raise ConfigError(f"{where}: recipes.momentum: that name is kept for kind momentum; choose another")
        elif name in BASELINES:
            raise ConfigError(f"{where}: recipes.{name}: that name is a baseline's; choose another")


_PLAIN: dict[str, Any] = {
    "name": str,
    "title": str,
    "headline": str,
    "features": str | tuple[str, ...],
    "inputs": Mapping[str, str | tuple[str, ...]],
    "market": str,
    "window": int,
    "seeds": tuple[int, ...],
    "groups": Literal["pooled", "symbol"],
    "measure": Literal["across", "time"],
    "device": Literal["auto", "cpu", "cuda"],
    "executor": Literal["local", "processes"],
    "workers": int,
}


def _plain(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    checked = {}
    for key, value in values.items():
        try:
            checked[key] = TypeAdapter(_PLAIN[key]).validate_python(value)
        except ValidationError as error:
            raise ConfigError(f"{where}: {key}: {error.errors()[0]['msg']}; got {value!r}") from None
    return checked


def _check_whole(config: RunConfig, where: str) -> None:
    _check_tasks(config, where)
    _check_portfolios(config, where)
    _check_published(config, where)
    for name in config.periods:
        _check_name("periods", name, where)
    _check_industries(config, where)
    for name in config.variants:
        _check_name("variants", name, where)
        for kept in config.variants[name].recipes:
            _known(kept, config.recipes, "recipe", f"{where}: variants.{name}.recipes")
    for name, recipe in config.recipes.items():
        task = config.task_of(name)[1]
        known = _named(task.features, f"{where}: features")
        seen = _named(config.inputs.get(name, known), f"{where}: inputs.{name}")
        _check_inputs(seen, known, f"{where}: inputs.{name}")
        if isinstance(recipe, MomentumRecipe) and recipe.feature not in seen:
            raise ConfigError(
                f"{where}: recipes.{name}: its feature {recipe.feature!r} is not among the features; add it"
            )
    for name in config.inputs:
        _known(name, config.recipes, "recipe", f"{where}: inputs")
    different = len(config.seeds) > 0 and len(set(config.seeds)) == len(config.seeds)
    checks = (
        (config.workers >= 1, "workers: expected at least 1"),
        (different, "seeds: expected different whole numbers"),
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
        raise ConfigError(f"{where}: walk_forward: last_test lies before first_test")


def _check_portfolios(config: RunConfig, where: str) -> None:
    for name, portfolio in config.portfolios.items():
        _check_name("portfolios", name, where)
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
        if isinstance(config.recipes[portfolio.score], PersistenceRecipe):
            raise ConfigError(
                f"{where}: {'headline' if name == config.headline else 'portfolios'}: {portfolio.score} is a "
                f"persistence forecast, alike for every symbol, which orders nothing; name the portfolios to trade "
                f"under portfolios, without it"
            )


def _says_probability(recipe: Recipe) -> bool:
    """Whether its score of an up_down label is P(up) - 1/2."""
    if isinstance(recipe, EnsembleRecipe):
        return all(_says_probability(one) for one in recipe.members.values())
    return isinstance(recipe, NetworkRecipe | LogisticRecipe | RandomForestRecipe)


def _check_tasks(config: RunConfig, where: str) -> None:
    seen: set[str] = set()
    for name, task in config.tasks.items():
        _check_name("tasks", name, where)
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


def _check_inputs(wanted: tuple[str, ...], known: tuple[str, ...], where: str) -> None:
    """What a recipe sees must be computed for the run."""
    absent = next((name for name in wanted if name not in known), None)
    if absent is not None:
        raise ConfigError(f"{where}: {absent!r} is not among the features of the run; add it to features")
