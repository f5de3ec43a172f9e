"""Named spans of the test that a report looks at by themselves: config key ``periods``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from nnstrategies.errors import ConfigError

Period = tuple[dt.date, dt.date]  # first and last day, both inside
_PERIOD = TypeAdapter(Period)


def parse_periods(value: Any, where: str) -> dict[str, Period]:
    """Check ``{name: [first, last]}`` of a config; ConfigError naming the period, what was expected and what came."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: expected names with first and last day, got {value!r}")
    return {str(name): _period(one, f"{where}.{name}") for name, one in value.items()}


def _period(value: Any, where: str) -> Period:
    try:
        first, last = _PERIOD.validate_python(value)
    except ValidationError:
        raise ConfigError(
            f"{where}: expected two dates, such as [2015-06-12, 2016-02-29], got {_said(value)}"
        ) from None
    if last < first:
        raise ConfigError(f"{where}: expected a first day before the last, got {first} to {last}; swap them")
    return first, last


def _said(value: Any) -> str:
    """Dates as they are written."""
    return f"[{', '.join(str(one) for one in value)}]" if isinstance(value, list | tuple) else repr(value)
