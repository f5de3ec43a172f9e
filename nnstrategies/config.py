"""Run configs: YAML checked once, at the edge, into frozen settings.

A section with a choice names it (``source`` for data, ``kind`` for a recipe); the rest of the section is that choice's
settings. Unknown keys are refused with a suggestion. ``--set a.b=value`` overrides one key.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from nnstrategies.errors import ConfigError
from nnstrategies.features import FeatureSet, default_set
from nnstrategies.feeds.simulated import SimulatedMarket
from nnstrategies.market.read import read_book
from nnstrategies.market_settings import (
    COSTS,
    SLIPPAGE,
    AccountSettings,
    CostSettings,
    FlatSettings,
    SlippageSettings,
    usual_settings,
)
from nnstrategies.search.settings import SearchSettings, check_search
from nnstrategies.strategies.stops import StopSettings
from nnstrategies.training import RECIPES, MomentumRecipe, PersistenceRecipe
from nnstrategies.training.recipe import Recipe


def _require(holds: bool, key: str, expected: str, got: object) -> None:
    if not holds:
        raise ConfigError(f"{key}: expected {expected}, got {got}")


@dataclass(frozen=True)
class FileTables:
    """The user's own tables: Parquet or CSV, see docs/data.md. Paths are relative to the working directory.

    calendar: "book" is that of the rule book, an ISO 10383 code an exchange's; None takes the dates of the table.
    """

    prices: str
    calendar: str | None = "book"
    benchmark: str | None = None
    membership: str | None = None
    actions: str | None = None
    listings: str | None = None
    delistings: str | None = None
    fundamentals: str | None = None
    strict: bool = False


@dataclass(frozen=True)
class ChinaTables:
    """A folder with the cn_*.parquet tables, see docs/data.md; members of ``index`` by date."""

    folder: str
    start: dt.date
    end: dt.date
    index: str = "000300.SH"


@dataclass(frozen=True)
class LabelSettings:
    """What recipes learn: the return from the next open to the open ``horizon_days`` sessions later."""

    kind: Literal["return", "up_down", "buy_hold_sell"] = "buy_hold_sell"
    horizon_days: int = 10
    relative: bool = True
    thresholds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        _require(self.horizon_days >= 1, "horizon_days", "at least 1 session", self.horizon_days)
        rising = self.thresholds is None or self.thresholds[0] < self.thresholds[1]
        _require(rising, "thresholds", "two rising numbers", self.thresholds)


@dataclass(frozen=True)
class WalkForwardSettings:
    """Test span and how often models are refitted. ``warm`` starts each refit from the model in force."""

    first_test: dt.date
    last_test: dt.date | None = None
    refit: Literal["month", "quarter", "year"] = "year"
    warm: bool = False


@dataclass(frozen=True)
class EvidenceSettings:
    """Refits on shuffled labels, per recipe: the evidence a score is measured against."""

    refits: int = 19
    every_days: int = 5


@dataclass(frozen=True)
class StrategySettings:
    """Settings of RebalanceStrategy, see docs/strategies.md; fractions of the account's value."""

    top_n: int | None = 30
    threshold: float | None = None
    rebalance: Literal["month", "week", "day"] = "month"
    max_weight: float | None = None
    cash_buffer: float = 0.0
    stop: StopSettings | None = None
    repair: bool = True
    exclude_st: bool = False
    min_listed_days: int = 0

    def __post_init__(self) -> None:
        _require(self.min_listed_days >= 0, "min_listed_days", "0 or more sessions", self.min_listed_days)
        _require(self.top_n is None or self.top_n >= 1, "top_n", "at least 1, or null for all", self.top_n)
        _require(self.max_weight is None or 0 < self.max_weight <= 1, "max_weight", "0 < weight <= 1", self.max_weight)
        _require(0 <= self.cash_buffer < 1, "cash_buffer", "0 <= buffer < 1", self.cash_buffer)


@dataclass(frozen=True)
class RunConfig:
    """One run, whole.

    headline: the recipe whose portfolio the report is about. inputs: recipe -> the features it sees, all of
    ``features`` for a recipe that is not named. market: rule book, by name or file; by default that of the data's
    source. workers: processes for independent fits; results do not depend on it.
    """

    name: str
    data: SimulatedMarket | FileTables | ChinaTables
    walk_forward: WalkForwardSettings
    recipes: Mapping[str, Recipe]
    headline: str
    title: str = ""
    features: tuple[str, ...] | Literal["all"] = "all"
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    window: int = 20
    label: LabelSettings = field(default_factory=LabelSettings)
    seeds: tuple[int, ...] = (1,)
    evidence: EvidenceSettings = field(default_factory=EvidenceSettings)
    strategy: StrategySettings = field(default_factory=StrategySettings)
    market: str = "plain"
    costs: CostSettings = field(default_factory=FlatSettings)
    slippage: SlippageSettings = field(default_factory=SLIPPAGE["none"])
    account: AccountSettings = field(default_factory=AccountSettings)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    workers: int = 2
    search: SearchSettings | None = None


SOURCES: dict[str, type] = {"simulated": SimulatedMarket, "files": FileTables, "china": ChinaTables}
MARKETS: dict[type, str] = {SimulatedMarket: "simulated", FileTables: "plain", ChinaTables: "cn_a"}  # rule books


def available() -> list[str]:
    """Names of the configs that ship with the package."""
    folder = resources.files("nnstrategies.configs")
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def read_config(source: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a config by file name or by the name of one that ships with the package, with ``key=value`` overrides.

    Raises ConfigError naming the file, the key, what was expected, and the nearest known key.
    """
    path = Path(source)
    if path.is_file():
        try:
            text, where = path.read_text(encoding="utf-8"), str(source)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"config {source}: expected readable UTF-8 text, got {type(error).__name__}") from None
    elif str(source) in available():
        text, where = (
            resources.files("nnstrategies.configs").joinpath(f"{source}.yaml").read_text("utf-8"),
            f"{source}.yaml",
        )
    else:
        mend = _suggest(str(source), available())
        raise ConfigError(f"config {source}: no such file, and no config of that name; {mend}")
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{where}: expected keys and values, got {type(tree).__name__}")
    for override in overrides:
        _override(tree, override)
    return parse(tree, where)


def parse(tree: Mapping[str, Any], where: str) -> RunConfig:
    """Check a tree of plain values; raises ConfigError on the first thing that is wrong."""
    values = dict(tree)
    _check_keys(values, RunConfig, where)
    for key in ("name", "data", "walk_forward", "recipes", "headline"):
        if key not in values:
            raise ConfigError(f"{where}: {key}: is needed and missing")
    values["data"] = _choice(values.get("data"), "source", SOURCES, f"{where}: data")
    _check_name("name", str(values["name"]), where)
    recipes = values.get("recipes")
    if not isinstance(recipes, dict) or not recipes:
        raise ConfigError(f"{where}: recipes: expected at least one named recipe, got {recipes!r}")
    values["recipes"] = {
        name: dataclasses.replace(_choice(settings, "kind", RECIPES, f"{where}: recipes.{name}"), name=name)
        for name, settings in recipes.items()
    }
    _check_recipes(values["recipes"], where)
    sections: dict[str, type] = {
        "walk_forward": WalkForwardSettings,
        "label": LabelSettings,
        "evidence": EvidenceSettings,
        "strategy": StrategySettings,
        "account": AccountSettings,
    }
    if values.get("search") is not None:
        sections["search"] = SearchSettings
    for name, cls in sections.items():
        if name in values:
            values[name] = _build(cls, values[name], f"{where}: {name}")
    for name, choices in (("costs", COSTS), ("slippage", SLIPPAGE)):
        if name in values:
            values[name] = _choice(values[name], "kind", choices, f"{where}: {name}")
    values.setdefault("market", MARKETS[type(values["data"])])
    values.setdefault("costs", usual_settings(read_book(str(values["market"]))))
    plain = {key: values.pop(key) for key in _PLAIN if key in values}
    config = RunConfig(**_plain(plain, where), **values)
    _check_whole(config, where)
    return config


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


_BASELINES = ("equal_weight", "benchmark")  # columns of the run folder's returns beside the recipes


def _check_name(what: str, name: str, where: str) -> None:
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ConfigError(f"{where}: {what}: expected letters, digits, '_', '-' and '.', got {name!r}")


def _check_recipes(recipes: Mapping[str, Recipe], where: str) -> None:
    for name, recipe in recipes.items():
        _check_name("recipes", name, where)
        if name in _BASELINES:
            raise ConfigError(f"{where}: recipes.{name}: that name is a baseline's; choose another")
        if isinstance(recipe, PersistenceRecipe):
            raise ConfigError(
                f"{where}: recipes.{name}: persistence forecasts alike for every symbol, so a run cannot rank by it; "
                "leave it out, or fit it from Python (docs/networks.md)"
            )
        if name == "momentum" and not isinstance(recipe, MomentumRecipe):
            raise ConfigError(f"{where}: recipes.momentum: that name is kept for kind momentum; choose another")


def _override(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {override}: expected key=value, such as costs.fee_bps=5")
    *parents, last = key.strip().split(".")
    node = tree
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--set {override}: {parent} is a value, not a section")
        node = child
    try:
        node[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: not a YAML value: {' '.join(str(error).split())}") from None


def _choice(settings: Any, tag: str, choices: Mapping[str, type], where: str) -> Any:
    if isinstance(settings, dict) and tag == "kind" and "name" in settings:
        raise ConfigError(f"{where}: name: unknown key; a recipe's name is its key under recipes")
    if not isinstance(settings, dict) or tag not in settings:
        raise ConfigError(f"{where}: expected a section with '{tag}', one of {', '.join(choices)}; got {settings!r}")
    rest = {key: value for key, value in settings.items() if key != tag}
    if settings[tag] not in choices:
        raise ConfigError(f"{where}.{tag}: unknown {tag} {settings[tag]!r}; {_suggest(str(settings[tag]), choices)}")
    return _build(choices[settings[tag]], rest, where)


def _build(cls: type, settings: Any, where: str) -> Any:
    """A frozen settings dataclass from plain values, every key and type checked."""
    if dataclasses.is_dataclass(settings):
        return settings
    if settings is None:
        settings = {}
    if not isinstance(settings, dict):
        raise ConfigError(f"{where}: expected keys and values, got {settings!r}")
    _check_keys(settings, cls, where)
    try:
        return TypeAdapter(cls).validate_python(settings)
    except ValidationError as error:
        raise ConfigError(_message(error, where)) from None
    except ConfigError as error:  # a settings class refused its own values
        said, section = str(error), where.rpartition(" ")[2]
        raise ConfigError(f"{where}: {said.removeprefix(f'{section}: ')}") from None


def _message(error: ValidationError, where: str) -> str:
    first = error.errors()[0]
    location = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"{where}.{location}: is needed and missing"
    said = first["msg"].removeprefix("Value error, ")
    return f"{where}.{location}: {said}; got {first.get('input')!r}" if location else f"{where}: {said}"


def _check_keys(settings: Mapping[str, Any], cls: type, where: str) -> None:
    known = [f.name for f in dataclasses.fields(cls) if f.init]
    for key, value in settings.items():
        if key not in known:
            raise ConfigError(f"{where}: {key}: unknown key; {_suggest(str(key), known)}")
        if cls is not RunConfig and isinstance(value, Mapping) and (nested := _section(cls, key)) is not None:
            _check_keys(value, nested, f"{where}.{key}")


def _section(cls: type, key: str) -> type | None:
    """The dataclass behind a key such as ``stop: StopSettings | None``."""
    hint = get_type_hints(cls)[key]
    choices = [hint, *get_args(hint)]
    return next((choice for choice in choices if isinstance(choice, type) and dataclasses.is_dataclass(choice)), None)


def _suggest(word: str, known: Mapping[str, Any] | Sequence[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"


_PLAIN: dict[str, Any] = {
    "name": str,
    "title": str,
    "headline": str,
    "features": tuple[str, ...] | Literal["all"],
    "inputs": Mapping[str, tuple[str, ...]],
    "market": str,
    "window": int,
    "seeds": tuple[int, ...],
    "device": Literal["auto", "cpu", "cuda"],
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
    if config.headline not in config.recipes:
        raise ConfigError(
            f"{where}: headline: {config.headline!r} is no recipe; {_suggest(config.headline, config.recipes)}"
        )
    known = default_set() if config.features == "all" else _select(default_set(), config.features, f"{where}: features")
    for name, recipe in config.recipes.items():
        if isinstance(recipe, MomentumRecipe) and recipe.feature not in config.inputs.get(name, known.names):
            raise ConfigError(
                f"{where}: recipes.{name}: its feature {recipe.feature!r} is not among the features; add it"
            )
    for name, features in config.inputs.items():
        if name not in config.recipes:
            raise ConfigError(f"{where}: inputs: {name!r} is no recipe; {_suggest(name, config.recipes)}")
        _select(known, features, f"{where}: inputs.{name}")
    checks = (
        (config.window >= 1, "window: expected at least 1 session"),
        (config.workers >= 1, "workers: expected at least 1"),
        (
            len(config.seeds) > 0 and len(set(config.seeds)) == len(config.seeds),
            "seeds: expected different whole numbers",
        ),
        (config.evidence.refits >= 0, "evidence.refits: expected 0 or more"),
        (config.evidence.every_days >= 1, "evidence.every_days: expected at least 1 session"),
    )
    for holds, message in checks:
        if not holds:
            raise ConfigError(f"{where}: {message}")
    if config.search is not None:
        try:
            span = config.walk_forward
            check_search(config.search, config.recipes, config.label.kind, span.refit, span.warm)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
    if config.walk_forward.last_test and config.walk_forward.last_test < config.walk_forward.first_test:
        raise ConfigError(f"{where}: walk_forward: last_test lies before first_test")


def _select(known: FeatureSet, names: Sequence[str], where: str) -> FeatureSet:
    try:
        return known.select(names)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
