"""Run configs: YAML checked once, at the edge, into frozen settings.

A section with a choice names it (``source`` for data, ``kind`` for a recipe); the rest of the section is that choice's
settings. Unknown keys are refused with a suggestion. ``--set a.b=value`` overrides one key.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from nnstrategies.checked import build, check_keys, choice, override, place, refusal, suggest
from nnstrategies.consistency import check_name, check_whole
from nnstrategies.errors import ConfigError
from nnstrategies.market.read import read_book
from nnstrategies.market_settings import COSTS, SLIPPAGE, AccountSettings, usual_settings
from nnstrategies.periods import parse_periods
from nnstrategies.search.settings import CrossValidationSettings, SearchSettings
from nnstrategies.settings import (
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
from nnstrategies.training import RECIPES, EnsembleRecipe, NetworkRecipe
from nnstrategies.training.first_fit import check_lengths
from nnstrategies.training.recipe import Recipe, with_setting
from nnstrategies.yaml_file import read_yaml


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
    if not path.is_file() and str(source) not in shipped:
        raise ConfigError(f"config {source}: no such file, and no config of that name; {suggest(str(source), shipped)}")
    file, where = (path, str(source)) if path.is_file() else (shipped[str(source)], f"{source}.yaml")
    tree = read_yaml(file, where)
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
    check_name("name", str(values["name"]), where)
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
    check_whole(config, where)
    return config


def fast(config: RunConfig) -> RunConfig:
    """The same run with fewer seeds, epochs, trials and shuffled labels; dates, universe, features, costs, rules stay.

    At most 2 seeds, of an ensemble's own 1, 5 refits on shuffled labels (their seeds), 3 epochs and 10 trials, 3 where
    each symbol has a search of its own, also of variants. A grid has all of its combinations.
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
        variants={name: _with_fewer_trials(variant, config.search) for name, variant in config.variants.items()},
    )


def _with_fewer_trials(variant: VariantSettings, search: SearchSettings | None) -> VariantSettings:
    """The variant with fewer trials where it changes the run's own search, or has one."""
    changes = {key: value for key, value in variant.set.items() if key.partition(".")[0] == "search"}
    if not changes or changes.get("search", {}) is None:
        return variant
    tree: dict[str, Any] = {"search": _plain_value(search) or {}}
    for key, value in changes.items():
        place(tree, key, _plain_value(value), "variants")
    trials = _fewer_trials(build(SearchSettings, tree["search"], "variants"))
    return dataclasses.replace(variant, set={**variant.set, "search.trials": trials})


def _fewer_trials(search: SearchSettings) -> int:
    if search.method == "grid":
        return search.trials
    return min(search.trials, 3 if search.per == "symbol" else 10)


def _with_fewer(recipe: Recipe) -> Recipe:
    if isinstance(recipe, EnsembleRecipe):
        members = {name: _with_fewer(one) for name, one in recipe.members.items()}
        return dataclasses.replace(recipe, members=members, seeds=recipe.seeds[:1])
    return with_setting(recipe, "epochs", min(recipe.epochs, 3)) if isinstance(recipe, NetworkRecipe) else recipe


def to_tree(config: RunConfig) -> dict[str, Any]:
    """The resolved config as plain values; ``parse`` of it gives the same config.

    Lengths that a recipe has from ``walk_forward`` stand there alone, so that another one there reaches the recipe.
    """
    tree = {f.name: _plain_value(getattr(config, f.name)) for f in dataclasses.fields(config)}
    tree["data"] = {"source": _name_of(SOURCES, config.data), **tree["data"]}
    tree["costs"] = {"kind": _name_of(COSTS, config.costs), **tree["costs"]}
    tree["slippage"] = {"kind": _name_of(SLIPPAGE, config.slippage), **tree["slippage"]}
    tree["recipes"] = {name: _own(recipe_tree(one), config.walk_forward) for name, one in config.recipes.items()}
    return tree


def _own(recipe: dict[str, Any], lengths: WalkForwardSettings) -> dict[str, Any]:
    """A recipe's plain values without the lengths that ``_recipe`` would give it."""
    usual = {f.name: f.default for f in dataclasses.fields(RECIPES[recipe["kind"]])}
    taken = {key: value for key in _LENGTHS if (value := getattr(lengths, key)) is not None}
    own = {key: value for key, value in recipe.items() if key not in _LENGTHS or value != (usual | taken)[key]}
    if "members" in own:
        own["members"] = {name: _own(one, lengths) for name, one in own["members"].items()}
    return own


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
        for key in _LENGTHS
        if (value := getattr(lengths, key)) is not None and key in known and key not in settings
    }
    recipe = dataclasses.replace(recipe, name=name, **shared)
    check_lengths(recipe, where)
    if lengths.gate and getattr(recipe, "valid_days", None) == 0:
        raise ConfigError(f"{where}: valid_days: walk_forward.gate needs validation rows, got 0")
    return recipe


_LENGTHS = ("train_days", "valid_days", "embargo_days")  # of WalkForwardSettings, for recipes without their own
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
            raise ConfigError(refusal(error, value, f"{where}: {key}")) from None
    return checked
