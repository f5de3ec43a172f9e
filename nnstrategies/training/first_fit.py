"""Whether a recipe's first fit can be made at all: known as soon as the samples are, not hours later at its turn."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnstrategies.errors import ConfigError, FitError
from nnstrategies.samples import Samples
from nnstrategies.splits import trailing_split
from nnstrategies.training.recipe import date_of, leaky_row

_LEAST = {"train_days": 1, "valid_days": 0, "embargo_days": 0, "stride_days": 1}
LENGTHS = tuple(_LEAST)


def check_lengths(recipe: Any, where: str) -> None:
    """ConfigError for a number of sessions that is below what it can be."""
    for key, least in _LEAST.items():
        value = getattr(recipe, key, None)
        if value is not None and value < least:
            raise ConfigError(f"{where}: {key}: expected {least} or more sessions, got {value}")


def check_first_fit(recipe: Any, samples: Samples, asof: int, where: str, window_key: str) -> None:
    """FitError unless the fit as of row ``asof`` has training rows, and validation rows where the recipe wants them.

    where: the recipe's section in the config; window_key: the key that set the window.
    """
    for name, member in getattr(recipe, "members", {}).items():
        check_first_fit(member, samples, asof, f"{where}.members.{name}", window_key)
    if not hasattr(recipe, "train_days"):  # an ensemble, or a rule that learns nothing
        return
    fit, known = f"{where}: the first fit, as of {date_of(samples, asof)}", samples.upto(_seen(recipe, samples, asof))
    if known.window > known.T:
        raise FitError(
            f"{fit}: {window_key}: expected at most the {known.T} sessions until then, got {known.window}; shorten it, "
            f"test later or begin the data earlier"
        )
    _check_rows(recipe, known, fit, window_key)


def _seen(recipe: Any, samples: Samples, asof: int) -> int:
    return max(asof, leaky_row(samples, getattr(recipe, "leaky_until", None)))


def _check_rows(recipe: Any, known: Samples, fit: str, window_key: str) -> None:
    valid_days, embargo_days = getattr(recipe, "valid_days", 0), recipe.embargo_days
    given = {key: getattr(recipe, key, None) for key in ("train_days", "valid_days", "embargo_days")}
    said = ", ".join(f"{key} {value}" for key, value in given.items() if value is not None)
    if valid_days + embargo_days >= known.T:
        raise FitError(
            f"{fit}: expected valid_days and embargo_days of together fewer than the {known.T} sessions until then, "
            f"got {said}; hold back fewer, test later or begin the data earlier"
        )
    split = trailing_split(known.T, known.T - 1, recipe.train_days, valid_days, embargo_days)
    if not len(known.rows(*split.train, stride=recipe.stride_days)[0]):
        whole = np.flatnonzero(known.mask.any(axis=1))
        first = f"the first ends on {date_of(known, int(whole[0]))}" if len(whole) else "there is none until then"
        raise FitError(
            f"{fit}: expected windows ({window_key}: {known.window}) that end from {date_of(known, split.train.first)} "
            f"to {date_of(known, split.train.last)}, as {said} say, with labels known by then, got none; of whole "
            f"windows {first}: train on more sessions, hold back fewer, shorten the window, test later or begin the "
            f"data earlier"
        )
    if valid_days and not len(known.rows(*split.valid, stride=recipe.stride_days)[0]):
        raise FitError(
            f"{fit}: valid_days: expected enough sessions for a label to begin and end among them, got {valid_days}; "
            f"hold back more, or none"
        )
