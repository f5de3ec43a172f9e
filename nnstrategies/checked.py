"""Frozen settings from plain values: every key and type checked, unknown keys refused with a suggestion."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from nnstrategies.errors import ConfigError
from nnstrategies.yaml_file import parse_yaml


def choice(settings: Any, tag: str, choices: Mapping[str, type], where: str) -> Any:
    """A section that names one of ``choices`` under ``tag``; the rest of it is that choice's settings."""
    if isinstance(settings, dict) and tag == "kind" and "name" in settings:
        raise ConfigError(f"{where}: name: unknown key; a recipe's name is its key under recipes")
    if not isinstance(settings, dict) or tag not in settings:
        raise ConfigError(f"{where}: expected a section with '{tag}', one of {', '.join(choices)}; got {settings!r}")
    rest = {key: value for key, value in settings.items() if key != tag}
    if settings[tag] not in choices:
        raise ConfigError(f"{where}.{tag}: unknown {tag} {settings[tag]!r}; {suggest(str(settings[tag]), choices)}")
    return build(choices[settings[tag]], rest, where)


def build(cls: type, settings: Any, where: str) -> Any:
    """A frozen settings dataclass from plain values, every key and type checked."""
    if dataclasses.is_dataclass(settings):
        return settings
    if settings is None:
        settings = {}
    if not isinstance(settings, dict):
        raise ConfigError(f"{where}: expected keys and values, got {settings!r}")
    check_keys(settings, cls, where)
    try:
        return TypeAdapter(cls).validate_python(settings)
    except ValidationError as error:
        raise ConfigError(refusal(error, settings, where)) from None
    except ConfigError as error:  # a settings class refused its own values
        said, section = str(error), where.rpartition(" ")[2]
        raise ConfigError(f"{where}: {said.removeprefix(f'{section}: ')}") from None


def refusal(error: ValidationError, given: Any, where: str) -> str:
    """What pydantic found first, in our words; ``given`` is what it was asked to check."""
    first, *others = error.errors()
    if first["type"] == "missing" and isinstance(first["loc"][-1], str):
        return f"{'.'.join([where, *map(str, first['loc'])])}: is needed and missing"
    place, value = _place(first["loc"], given)
    here = [first, *(other for other in others if _place(other["loc"], given)[0] == place)]
    expected = " or ".join(dict.fromkeys(_EXPECTED.get(one["type"], _said)(one) for one in here))
    return f"{'.'.join([where, *place])}: expected {expected}, got {value!r}"


def _place(location: Sequence[int | str], given: Any) -> tuple[list[str], Any]:
    """The keys and numbers of what was given that a pydantic location leads through, without its names of types."""
    place: list[str] = []
    for part in location:
        try:
            given = given[part]
        except (TypeError, KeyError, IndexError):  # a type's name
            break
        place.append(str(part))
    return place, given


def _said(error: Any) -> str:
    return str(error["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")


def _length(error: Any) -> str:
    context = error.get("ctx", {})
    return f"at most {context['max_length']} values" if "max_length" in context else "more values"


_EXPECTED: dict[str, Callable[[Any], str]] = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), lambda _: "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), lambda _: "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), lambda _: "true or false"),
    **dict.fromkeys(("tuple_type", "list_type"), lambda _: "a list, such as [a, b]"),
    **dict.fromkeys(("mapping_type", "dict_type", "dataclass_type"), lambda _: "keys and values"),
    **dict.fromkeys(
        ("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"),
        lambda _: "a date, such as 2017-01-03",
    ),
    "string_type": lambda _: "text",
    "literal_error": lambda error: str(error["ctx"]["expected"]),
    "none_required": lambda _: "null",
    "too_long": _length,
    "missing": _length,
}


def check_keys(settings: Mapping[str, Any], cls: type, where: str, nested: bool = True) -> None:
    """ConfigError for a key that ``cls`` has no field for; nested: in its sections too."""
    known = [f.name for f in dataclasses.fields(cls) if f.init]
    for key, value in settings.items():
        if key not in known:
            raise ConfigError(f"{where}: {key}: unknown key; {suggest(str(key), known)}")
        if nested and isinstance(value, Mapping) and (section := _section(cls, key)) is not None:
            check_keys(value, section, f"{where}.{key}")


def _section(cls: type, key: str) -> type | None:
    """The dataclass behind a key such as ``stop: StopSettings | None``."""
    hint = get_type_hints(cls)[key]
    choices = [hint, *get_args(hint)]
    return next((choice for choice in choices if isinstance(choice, type) and dataclasses.is_dataclass(choice)), None)


def suggest(word: str, known: Mapping[str, Any] | Sequence[str]) -> str:
    """What to say after an unknown word: the nearest known one, or all of them."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"


def override(tree: dict[str, Any], said: str) -> None:
    """Put one ``a.b=value`` of the command line into a tree of plain values."""
    key, equals, text = said.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {said}: expected key=value, such as costs.fee_bps=5")
    place(tree, key.strip(), parse_yaml(text, f"--set {said}"), f"--set {said}")


def place(tree: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Put a value under a dotted key; ConfigError where a part of the key is a value already."""
    *parents, last = key.split(".")
    node = tree
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{where}: {parent} is a value, not a section")
        node = child
    node[last] = value
