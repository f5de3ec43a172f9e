"""What every way of making scores has in common."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from nnstrategies import __version__
from nnstrategies.errors import FitError
from nnstrategies.samples import Samples, complete_windows
from nnstrategies.splits import trailing_split
from nnstrategies.training.progress import Progress
from nnstrategies.training.version import Version
from nnstrategies.typing import IntArray

RowPair = tuple[IntArray, IntArray]
_BLOCK = 8192  # rows gathered at a time: a copy of all training rows would be as large as the features
R = TypeVar("R")


@dataclass(frozen=True)
class Incumbent:
    """The version in force at a refit. warm: start from its weights.

    gate: return it where the candidate is worse on the purged validation rows.
    """

    version: Version
    warm: bool = True
    gate: bool = True


class Recipe(Protocol):
    """A frozen dataclass of settings with one method. ``seeded`` says whether another seed gives another version."""

    @property
    def name(self) -> str: ...
    @property
    def seeded(self) -> bool: ...

    def fit(
        self,
        samples: Samples,
        asof: int,
        seed: int,
        incumbent: Incumbent | None = None,
        progress: Progress | None = None,
    ) -> Version:
        """Fit on what was known at the close of row ``asof`` (``samples.upto(asof)``); pure.

        With an ``incumbent`` a recipe that holds rows back for validation starts from it, or returns it unchanged, as
        that says; others fit anew. Raises FitError when the samples do not allow a fit.
        """


class Trailing(Protocol):
    """Settings of a recipe that trains on all labels known at asof.

    train_days: None is all. embargo_days: sessions left out between the last training label and asof.
    stride_days: every how many sessions a sample is taken, counted back from the last.
    """

    @property
    def name(self) -> str: ...
    @property
    def train_days(self) -> int | None: ...
    @property
    def embargo_days(self) -> int: ...
    @property
    def stride_days(self) -> int: ...


def training_rows(recipe: Trailing, known: Samples) -> RowPair:
    """(t, n) of what a recipe without validation rows trains on; ``known`` ends at asof. FitError when too few."""
    split = trailing_split(known.T, known.T - 1, recipe.train_days, 0, recipe.embargo_days)
    rows = known.rows(*split.train, stride=recipe.stride_days)
    check_rows(recipe.name, known, rows)
    return rows


def with_setting(recipe: R, key: str, value: object) -> R:
    """The recipe with one field changed, also inside one that it wraps; unchanged where there is no such field."""
    names = {f.name for f in dataclasses.fields(recipe)}  # type: ignore[arg-type]
    if key in names:
        return dataclasses.replace(recipe, **{key: value})  # type: ignore[type-var]
    if "members" in names:
        members = {name: with_setting(one, key, value) for name, one in recipe.members.items()}  # type: ignore
        return dataclasses.replace(recipe, members=members)  # type: ignore[type-var]
    if "recipe" in names:
        own = {symbol: with_setting(one, key, value) for symbol, one in recipe.own.items()}  # type: ignore
        return dataclasses.replace(recipe, recipe=with_setting(recipe.recipe, key, value), own=own)  # type: ignore
    return recipe


def date_of(samples: Samples, row: int) -> dt.date:
    return samples.features.sessions[row].astype("datetime64[D]").item()


def leaky_row(samples: Samples, until: dt.date | None) -> int:
    """The last row that ``leaky_until`` lets every fit see, after its own as-of or not; -1 without it."""
    return -1 if until is None else int(np.searchsorted(samples.features.sessions, np.datetime64(until), "right")) - 1


def check_rows(recipe: str, samples: Samples, rows: RowPair, what: str = "training") -> None:
    """FitError unless there are rows, their windows are finite and, for classes, at least two classes among them."""
    t, n = rows
    asof = date_of(samples, samples.T - 1)
    if samples.window > samples.T:
        raise FitError(
            f"{recipe}: fit as of {asof}: expected at least one window of {samples.window} sessions, got {samples.T}; "
            f"refit later or shorten the window"
        )
    if len(t) == 0:
        usable = int(samples.mask.any(axis=1).sum())
        raise FitError(
            f"{recipe}: fit as of {asof}: no {what} rows: {usable} of {samples.T} sessions have a whole window, none "
            f"of those in the {what} span has a label known in time; begin the data earlier or refit later"
        )
    _check_windows(f"{recipe}: fit as of {asof}", samples, rows, what)
    if samples.labels.n_classes:
        found = np.unique(samples.labels.values[t, n])
        if len(found) < 2:
            raise FitError(
                f"{recipe}: fit as of {asof}: all {len(t)} {what} labels are class {int(found[0])}; expected at least "
                f"two of {samples.labels.n_classes} classes; change the label's thresholds or train on more days"
            )


def _check_windows(label: str, samples: Samples, rows: RowPair, what: str) -> None:
    """FitError where a mask that ``Samples.build`` did not make lets in windows with NaN."""
    t, n = rows
    broken = np.flatnonzero(~complete_windows(samples.features, samples.window)[t, n])
    if len(broken):
        at, symbol = int(t[broken[0]]), int(n[broken[0]])
        values = samples.features.values[symbol, max(at - samples.window + 1, 0) : at + 1]  # [L, F]
        bad = [samples.features.names[f] for f in np.flatnonzero(~np.isfinite(values).all(axis=0))]
        raise FitError(
            f"{label}: {len(broken)} of {len(t)} {what} windows are not finite, the first that of "
            f"{samples.features.symbols[symbol]} ending {date_of(samples, at)}"
            f"{', in ' + ', '.join(bad[:3]) if bad else ', which begins before the data'}; take the mask that "
            f"Samples.build makes, or fill the features"
        )


def fingerprint(samples: Samples, rows: RowPair) -> str:
    """First 16 hex digits of sha256 over the training samples: rows, labels, and the features of their last day."""
    t, n = rows
    digest = hashlib.sha256()
    for first in range(0, len(t), _BLOCK):
        part = slice(first, first + _BLOCK)
        digest.update(samples.features.values[n[part], t[part]].tobytes())
    for array in (t, n, samples.labels.values[t, n], samples.labels.returns[t, n], samples.labels.end[t, n]):
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def describe(samples: Samples, rows: RowPair, recipe: str, kind: str, seed: int) -> dict[str, Any]:
    """The part of a manifest that all recipes share; ``samples`` end at asof."""
    return {
        "format": 1,
        "recipe": recipe,
        "kind": kind,
        "features": {
            "hash": samples.features.set_hash,
            "names": list(samples.features.names),
            "leaky": list(samples.features.leaky),
        },
        "label": {
            "kind": samples.labels.kind,
            "horizon_days": samples.labels.horizon_days,
            "n_classes": samples.labels.n_classes,
        },
        "data": fingerprint(samples, rows),
        "code": __version__,
        "seed": seed,
        "trained_through": date_of(samples, samples.T - 1).isoformat(),
        "training_rows": len(rows[0]),
        "history": [],
        "metrics": {},
    }
