"""Plain values of a rule book's YAML -> its frozen entries, every key, type and range checked.

Keys are the fields' names, except ``from`` and ``to`` for an entry's first and last day. Rates and amounts become
exact decimals; amounts of money are written in currency and kept in minor units.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from nnstrategies.errors import ConfigError
from nnstrategies.market.bands import is_limit
from nnstrategies.market.book import Board, DividendTax, NewListing, OrderSize, TaxBand

T = TypeVar("T")

_KEYS = {"start": "from", "end": "to"}
_MAY_MISS = {"end", "until"}  # still in force; that day only
_MONEY = {"minimum", "minimum_notional"}  # written in currency, kept in minor units
_AT_LEAST = {
    **dict.fromkeys(("buy_minimum", "buy_step", "sell_minimum", "sell_step", "maximum_limit", "maximum_market"), 1),
    **dict.fromkeys(("days", "sell_after_days", "minimum", "minimum_notional", "quantity_decimals"), 0),
    **dict.fromkeys(("months", "ticks_per_unit"), 1),
}
_RATES = {"rate", "maximum_rate"}
_PERCENTS = {"up_percent", "down_percent"}


def build(cls: type[T], tree: object, where: str, money_decimals: int = 0) -> T:
    """One entry from its keys and values; ConfigError names the place, the key, what was expected and what came."""
    settings = section(tree, where)
    if cls is Board:
        settings = _with_ticks(settings, where)
    fields = [field for field in dataclasses.fields(cls) if field.init]  # type: ignore[arg-type]
    check_keys(settings, [_KEYS.get(field.name, field.name) for field in fields], where)
    hints = get_type_hints(cls)
    values = {}
    for field in fields:
        key = _KEYS.get(field.name, field.name)
        if key in settings:
            values[field.name] = _value(settings[key], field.name, hints[field.name], f"{where}: {key}", money_decimals)
        elif field.name in _MAY_MISS:
            values[field.name] = None
        elif field.default is dataclasses.MISSING:
            raise ConfigError(f"{where}: {key}: is needed and missing")
    _check_whole(cls, values, where)
    return cls(**values)


def section(tree: object, where: str) -> dict[str, Any]:
    """``tree`` as keys and values."""
    if not isinstance(tree, dict):
        raise ConfigError(f"{where}: expected keys and values, got {tree!r}")
    return dict(tree)


def rows(tree: object, where: str) -> list[object]:
    """``tree`` as a list."""
    if not isinstance(tree, list):
        raise ConfigError(f"{where}: expected a list of entries, each begun with '-', got {tree!r}")
    return tree


def check_keys(settings: Mapping[str, object], known: Iterable[str], where: str) -> None:
    """Refuse the first unknown key, with the nearest known one."""
    names = list(known)
    for key in settings:
        if key not in names:
            raise ConfigError(f"{where}: {key}: unknown key; {suggest(str(key), names)}")


def suggest(word: str, known: Iterable[str]) -> str:
    """The mend for an unknown word."""
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}"


def typed(value: object, hint: Any, where: str) -> Any:
    """``value`` as exactly that type, nothing converted."""
    try:
        return TypeAdapter(hint).validate_python(value, strict=True)
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Input should be ")
        raise ConfigError(f"{where}: expected {said}; got {value!r}") from None


def _value(value: object, name: str, hint: Any, where: str, money_decimals: int) -> Any:
    if name == "bands":
        return tuple(build(TaxBand, band, f"{where}[{n}]") for n, band in enumerate(rows(value, where), 1))
    if name in _MONEY:
        value = _minor(_decimal(value, where), money_decimals, where)
    elif value is not None and Decimal in (hint, *get_args(hint)):
        value = _decimal(value, where)
    elif isinstance(value, int) and not isinstance(value, bool) and _takes(hint, float):
        value = float(value)
    checked = typed(value, hint, where)
    if checked is not None:
        _check_range(checked, name, where)
    return checked


def _takes(hint: Any, kind: type) -> bool:
    return hint is kind or (get_origin(hint) is UnionType and kind in get_args(hint))


def _decimal(value: object, where: str) -> Decimal:
    """Exact: 0.00002 in the file is that very number, not its nearest binary fraction."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise InvalidOperation
        number = Decimal(str(value))
    except InvalidOperation:
        raise ConfigError(f"{where}: expected a number, got {value!r}") from None
    if not number.is_finite():
        raise ConfigError(f"{where}: expected a finite number, got {value!r}")
    return number


def _minor(amount: Decimal, decimals: int, where: str) -> int:
    minor = amount.scaleb(decimals)
    if minor != minor.to_integral_value():
        raise ConfigError(f"{where}: expected an amount with at most {decimals} decimals, got {amount}")
    return int(minor)


def _with_ticks(settings: dict[str, Any], where: str) -> dict[str, Any]:
    """A board's ``tick`` in currency -> ticks_per_unit."""
    known = {_KEYS.get(field.name, field.name): None for field in dataclasses.fields(Board)} | {"tick": None}
    check_keys(settings, [key for key in known if key != "ticks_per_unit"], where)
    if "tick" not in settings:
        raise ConfigError(f"{where}: tick: is needed and missing")
    tick = _decimal(settings.pop("tick"), f"{where}: tick")
    if tick <= 0 or (1 / tick) % 1:
        raise ConfigError(f"{where}: tick: expected a price step that divides 1, such as 0.01, got {tick}")
    return settings | {"ticks_per_unit": int(1 / tick)}


def _check_range(value: Any, name: str, where: str) -> None:
    if name in _AT_LEAST and value < _AT_LEAST[name]:
        raise ConfigError(f"{where}: expected at least {_AT_LEAST[name]}, got {value}")
    if name in _RATES and not 0 <= value <= 1:
        raise ConfigError(f"{where}: expected a fraction from 0 to 1 (0.001 is 0.1 %), got {value}")
    if name in _PERCENTS and not is_limit(value):
        raise ConfigError(
            f"{where}: expected percent above 0 to 100 with at most two decimals, or null for no limit, got {value}"
        )
    if name == "par" and value <= 0:
        raise ConfigError(f"{where}: expected more than 0, or null, got {value}")
    if name == "source" and not value.strip():
        raise ConfigError(f"{where}: is empty; name the rule book, the notice or the data it was taken from")
    if name in ("name", "component") and not re.fullmatch(r"[a-z][a-z0-9_]*", value):
        raise ConfigError(f"{where}: expected small letters, digits and '_', got {value!r}")
    if name == "pattern":
        _check_pattern(value, where)


def _check_pattern(pattern: str, where: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"{where}: expected a regular expression, got {pattern!r}: {error}") from None


def _check_whole(cls: type, values: Mapping[str, Any], where: str) -> None:
    """What two fields must agree on."""
    for first, last in (("start", "end"), ("day", "until")):
        if first in values and values.get(last) is not None and values[last] < values[first]:
            begin, finish = _KEYS.get(first, first), _KEYS.get(last, last)
            raise ConfigError(f"{where}: {finish} {values[last]} lies before {begin} {values[first]}")
    if cls is OrderSize:
        for name in ("maximum_limit", "maximum_market"):
            if values[name] is not None and values[name] < max(values["buy_minimum"], values["sell_minimum"]):
                raise ConfigError(f"{where}: {name} {values[name]} lies below the minimum")
    if cls is NewListing and values["days"] == 0 and (values["up_percent"], values["down_percent"]) != (None, None):
        raise ConfigError(f"{where}: days 0 leaves no session for the limits; expected null for both")
    if cls is DividendTax:
        _check_bands(values["bands"], where)


def _check_bands(bands: tuple[TaxBand, ...], where: str) -> None:
    months = [band.months for band in bands]
    known = [month for month in months[:-1] if month is not None]
    if not bands or months[-1] is not None or len(known) < len(bands) - 1 or known != sorted(set(known)):
        raise ConfigError(f"{where}: bands: expected months to rise and the last to be null (longer), got {months}")
