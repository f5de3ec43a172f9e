"""The settings a search may vary: dotted field names of a recipe, each with values or a range."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
from pydantic import TypeAdapter, ValidationError

from nnstrategies.errors import ConfigError
from nnstrategies.models import MODELS, model_settings
from nnstrategies.training.ensemble import EnsembleRecipe
from nnstrategies.training.grouped import GroupedRecipe
from nnstrategies.training.recipe import Recipe
from nnstrategies.training.scaler import LEAKY

Value = None | bool | int | float | str
Params = Mapping[str, Value]

_FIXED = ("name", "device", "checkpoints")  # where a recipe runs, not what it fits
_RANGE = ("low", "high", "log", "step")


@dataclass(frozen=True)
class Options:
    """One of several values, without an order."""

    values: tuple[Value, ...]


@dataclass(frozen=True)
class Range:
    """A number from low to high, both included. whole: whole numbers only. log: even on a logarithmic scale.

    step: only low, low + step, ...; None = 1 for whole numbers, any number otherwise.
    """

    low: float
    high: float
    whole: bool
    log: bool = False
    step: float | None = None


@dataclass(frozen=True)
class Space:
    """What is searched over, by dotted key."""

    parameters: Mapping[str, Options | Range]

    @classmethod
    def of(cls, recipe: Recipe, tree: Mapping[str, Any]) -> Space:
        """Check plain values against the recipe's fields; ConfigError names the key, and the nearest known one."""
        recipe = unwrapped(recipe)
        return cls({key: _parameter(f"search: space.{key}", _typed(recipe, key, tree), tree[key]) for key in tree})

    def size(self) -> float:
        """Number of different candidates; infinite where a range has no steps."""
        counts = [math.inf if values is None else len(values) for values in map(_listed, self.parameters.values())]
        return math.prod(counts)

    def grid(self) -> list[dict[str, Value]]:
        """Every combination, the last key varying fastest; ConfigError for a range without steps."""
        columns = []
        for key, parameter in self.parameters.items():
            if (values := _listed(parameter)) is None:
                raise ConfigError(
                    f"search: space.{key}: a grid cannot list every number of a range; give values, or a step"
                )
            columns.append(values)
        return [dict(zip(self.parameters, row, strict=True)) for row in itertools.product(*columns)]


def with_values(recipe: Recipe, params: Params) -> Recipe:
    """The recipe with other values; those of one section are set together. ConfigError where they do not agree."""
    changed: Recipe = _replaced(unwrapped(recipe), [(key.split("."), value) for key, value in params.items()])
    return dataclasses.replace(recipe, recipe=changed) if isinstance(recipe, GroupedRecipe) else changed


def check_params(recipe: Recipe, params: Params) -> None:
    """ConfigError where ``params`` are no settings of the recipe, or not of their kind."""
    tree = {key: [value] for key, value in params.items()}
    for key, value in params.items():
        _value(f"search: {key}", _typed(unwrapped(recipe), key, tree), value)


def unwrapped(recipe: Recipe) -> Recipe:
    """The recipe that is fitted to each group, for one that fits groups."""
    return recipe.recipe if isinstance(recipe, GroupedRecipe) else recipe


def _replaced(old: Any, changes: Sequence[tuple[list[str], Value]]) -> Any:
    inner: dict[str, list[tuple[list[str], Value]]] = {}
    new: dict[str, Any] = {}
    for (head, *rest), value in changes:
        if rest:
            inner.setdefault(head, []).append((rest, value))
        else:
            new[head] = value
    if isinstance(old, Mapping):
        return {**old, **new, **{head: _replaced(old[head], below) for head, below in inner.items()}}
    new |= {head: _replaced(getattr(old, head), below) for head, below in inner.items()}
    return dataclasses.replace(old, **new)


def _typed(recipe: Recipe, key: str, tree: Mapping[str, Any]) -> Any:
    """The type of a dotted setting, of a member's for an ensemble."""
    head, *rest = key.split(".")
    if not isinstance(recipe, EnsembleRecipe) or head != "members":
        return _hint(recipe, key, key, _models(recipe, tree.get("model")))
    if len(rest) < 2 or rest[0] not in recipe.members:
        known = ", ".join(f"members.{name}.SETTING" for name in recipe.members)
        raise ConfigError(f"search: space.{key}: expected a setting of a member: {known}")
    member = recipe.members[rest[0]]
    return _hint(member, key, ".".join(rest[1:]), _models(member, tree.get(f"members.{rest[0]}.model")))


def _models(recipe: Recipe, searched: Any) -> list[str]:
    """The networks a candidate may have: their settings may be searched."""
    named = searched if isinstance(searched, list) else [getattr(recipe, "model", None)]
    return [name for name in named if name in MODELS]


def _hint(recipe: Recipe, key: str, path: str, models: Sequence[str]) -> Any:
    """The type of the setting ``path`` of a recipe; ``key`` is what the user wrote."""
    hint: Any = type(recipe)
    walked: list[str] = []
    for part in path.split("."):
        _check_honest(f"search: space.{key}", part)
        if _is_mapping(hint):
            return _model_hint(key, part, models)
        if not dataclasses.is_dataclass(hint):
            raise ConfigError(f"search: space.{key}: {'.'.join(walked)} is a single value; leave out what follows it")
        known = [f.name for f in dataclasses.fields(hint) if f.init and (walked or f.name not in _FIXED)]
        if part not in known:
            raise ConfigError(f"search: space.{key}: recipe {recipe.name} has no such setting; {_mend(part, known)}")
        hint = get_type_hints(hint)[part]
        walked.append(part)
    if dataclasses.is_dataclass(hint) or _is_mapping(hint):
        raise ConfigError(f"search: space.{key}: expected a single setting, {key} is a section; name one of its keys")
    return hint


def _check_honest(where: str, word: object) -> None:
    """Nothing that reads the future on purpose is chosen by a search: the run would not be stamped with it."""
    if isinstance(word, str) and word.startswith(LEAKY):
        raise ConfigError(f"{where}: {word} reads the future on purpose and is not searched; measure it as a variant")


def _is_mapping(hint: Any) -> bool:
    origin = get_origin(hint)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _model_hint(key: str, name: str, models: Sequence[str]) -> Any:
    """The type of a network's own setting: that of its default."""
    known = {k: v for model in models for k, v in model_settings(model, {}).items()}
    if name not in known:
        raise ConfigError(
            f"search: space.{key}: {' and '.join(models)} have no such setting; {_mend(name, list(known))}"
        )
    return type(known[name])


def _mend(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"


def _parameter(where: str, hint: Any, given: Any) -> Options | Range:
    if isinstance(given, list | tuple):
        values = tuple(_value(where, hint, value) for value in given)
        if len(values) < 2 or len({(type(v), v) for v in values}) < len(values):
            raise ConfigError(f"{where}: expected at least two different values, got {list(given)}")
        return Options(values)
    if isinstance(given, Mapping):
        return _range(where, hint, given)
    raise ConfigError(f"{where}: expected a list of values, or low and high, got {given!r}")


def _range(where: str, hint: Any, given: Mapping[str, Any]) -> Range:
    numbers = [kind for kind in (get_args(hint) or (hint,)) if kind in (int, float)]
    if not numbers:
        raise ConfigError(f"{where}: low and high need a setting that is a number; give a list of values")
    for key in given:
        if key not in _RANGE:
            raise ConfigError(f"{where}: {key}: unknown key; {_mend(str(key), _RANGE)}")
    if "low" not in given or "high" not in given:
        raise ConfigError(f"{where}: expected low and high, got {', '.join(map(str, given))}")
    kind = float if float in numbers else int
    low, high = (_value(f"{where}.{end}", kind, given[end]) for end in ("low", "high"))
    step = None if given.get("step") is None else _value(f"{where}.step", kind, given["step"])
    log = _value(f"{where}.log", bool, given.get("log", False))
    assert isinstance(low, int | float)
    assert isinstance(high, int | float)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(f"{where}: expected low < high, got {low} and {high}")
    if log and (low <= 0 or step is not None):
        raise ConfigError(f"{where}: log: expected low > 0 and no step, got low {low} and step {step}")
    if step is not None and not (isinstance(step, int | float) and 0 < step <= high - low):
        raise ConfigError(f"{where}: step: expected more than 0 and at most high - low, got {step}")
    return Range(low, high, kind is int, bool(log), step)


def _value(where: str, hint: Any, value: Any) -> Value:
    """One value of the type that the setting has; a number may be written as text, as YAML reads 1e-4."""
    _check_honest(where, value)
    kinds = get_args(hint) or (hint,)
    single = value is None or isinstance(value, bool | int | float | str)
    allowed = bool in kinds or get_origin(hint) is Literal or not isinstance(value, bool)
    try:
        if not single or not allowed or (value is None and NoneType not in kinds):
            raise ValueError("not a value of this kind")
        checked: Value = TypeAdapter(hint).validate_python(value)
        return checked
    except (ValidationError, ValueError):
        names = ", ".join(getattr(kind, "__name__", repr(kind)) for kind in kinds)
        raise ConfigError(f"{where}: expected {names}, got {value!r}") from None


def _listed(parameter: Options | Range) -> list[Value] | None:
    """All values of a parameter, None where they cannot be listed."""
    if isinstance(parameter, Options):
        return list(parameter.values)
    if parameter.whole and not parameter.log:
        return [int(v) for v in range(int(parameter.low), int(parameter.high) + 1, int(parameter.step or 1))]
    if parameter.step is None:
        return None
    count = math.floor((parameter.high - parameter.low) / parameter.step + 1e-9) + 1
    return [float(v) for v in np.round(parameter.low + parameter.step * np.arange(count), 12)]
