"""Numbers as text: the one place that rounds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from typing import Any

DASH = "–"


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def percent(value: Any, digits: int = 1, signed: bool = False) -> str:
    """0.1234 -> ``12.3 %``; a dash for None, NaN and infinity; a real minus sign."""
    if _missing(value):
        return DASH
    return _number(100 * float(value), digits, signed) + "\u00a0%"


def mean_text(values: Iterable[float], style: str = "percent", digits: int = 1) -> str:
    """Mean ± standard deviation of one figure over seeds; a dash where one of them is missing."""
    found = [float(value) for value in values]
    if not found or any(map(_missing, found)):
        return DASH
    write = percent if style == "percent" else ratio
    mean = write(statistics.fmean(found), digits)
    if len(found) == 1:
        return mean
    return f"{mean.removesuffix(chr(160) + '%')} ± {write(statistics.stdev(found), digits)}"


def points(value: Any, signed: bool = False) -> str:
    """A difference of two percentages: 0.012 -> ``1.2 percentage points``."""
    return DASH if _missing(value) else _number(100 * float(value), 1, signed) + "\u00a0percentage points"


def ratio(value: Any, digits: int = 2, signed: bool = False) -> str:
    return DASH if _missing(value) else _number(float(value), digits, signed)


def _number(value: float, digits: int, signed: bool) -> str:
    text = f"{value:+,.{digits}f}" if signed else f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("+-")
    return text.replace("-", "\u2212")


def money(value: Any, digits: int = 0) -> str:
    return DASH if _missing(value) else _number(float(value), digits, False)


def money_digits(values: Iterable[float]) -> int:
    """Digits for a column of amounts: cents while all of them are small."""
    return 2 if max((abs(value) for value in values if math.isfinite(value)), default=0.0) < 10_000 else 0


def p_text(value: Any) -> str:
    """Three decimals, or as many as show one digit that is not zero."""
    if _missing(value):
        return DASH
    number = float(value)
    return f"{number:.3f}" if number >= 0.001 or number == 0 else f"{number:.1g}"


def by_style(value: Any, style: str) -> str:
    """``percent``, ``ratio``, ``count`` or ``date`` as named in the definitions."""
    if style == "percent":
        return percent(value)
    if style == "ratio":
        return ratio(value)
    if style == "count":
        return ratio(value, 0)
    return str(value) if value else DASH


def value_text(value: Any) -> str:
    """Any value of a JSON file, short."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return DASH if value is None or value == "" else str(value)
