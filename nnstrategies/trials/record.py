"""One trial: what was tried, and what it earned on dates it had not seen."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from nnstrategies.errors import DataError
from nnstrategies.typing import DateArray, FloatArray

Kind = Literal["search", "run"]


@dataclass(frozen=True)
class TrialRecord:
    """A trial as the ledger keeps it.

    identity: all that decides the result, as plain values: settings, hashes of config, data and features, seeds, fold
        or test dates, code version. Trials of one identity are one trial, whether it was pruned or not.
    config: name of the config. values: what it reached, by name; no part of what it is. state: complete or pruned.
    dates, returns: [M] out-of-sample returns, each over ``span_days`` sessions; portfolio says of what.
    time: when it was first tried, UTC.
    """

    kind: Kind
    config: str
    recipe: str
    identity: Mapping[str, Any]
    dates: DateArray
    returns: FloatArray
    span_days: int
    portfolio: str
    values: Mapping[str, Any] = field(default_factory=dict)
    state: str = "complete"
    time: str = field(default_factory=lambda: dt.datetime.now(dt.UTC).isoformat(timespec="seconds"))

    def __post_init__(self) -> None:
        object.__setattr__(self, "dates", np.asarray(self.dates, dtype="datetime64[D]"))
        object.__setattr__(self, "returns", np.asarray(self.returns, dtype=np.float64))
        rising = bool((np.diff(self.dates.astype(np.int64)) > 0).all())
        if self.dates.shape != self.returns.shape or not rising or not np.isfinite(self.returns).all():
            raise DataError(
                f"trial of {self.config}/{self.recipe}: expected finite returns on rising dates, got "
                f"{len(self.returns)} on {len(self.dates)}"
            )

    @cached_property
    def id(self) -> str:
        """First 16 hex digits of sha256 over kind and identity."""
        told = json.dumps([self.kind, plain(self.identity)], sort_keys=True, allow_nan=False)
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    @property
    def file(self) -> str:
        """Name of its file: what was pruned once and finished another time has two, and counts once."""
        return f"{self.id}.parquet" if self.state == "complete" else f"{self.id}-{self.state}.parquet"

    @property
    def per_year(self) -> float:
        """Returns a year, of 252 sessions."""
        return 252 / self.span_days

    def told(self) -> dict[str, Any]:
        """Everything but the returns, as plain values."""
        names = ("kind", "config", "recipe", "identity", "span_days", "portfolio", "values", "state", "time")
        told: dict[str, Any] = plain({name: getattr(self, name) for name in names})
        return {"format": 1, "id": self.id, **told}


def plain(value: Any) -> Any:
    """Values that JSON keeps as they are: tuples as lists, dates as text, numbers that are not finite as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, dt.date):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value
