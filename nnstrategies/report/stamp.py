"""The stamp on every page of a run that reads the future on purpose."""

from __future__ import annotations

from collections.abc import Sequence

LEAKY = "This run reads the future on purpose, to measure what that gains; no figure here could be earned: {}."
MOST_LEAKS = 3
_KINDS = (  # what is in a leak's name, what that means; the first that fits counts
    ("leaky_members_on", "the members of a later day all along"),
    ("leaky_until", "fits that reach into the test"),
    ("leaky_time_shift", "training windows that end after their own date"),
    ("leaky_minmax", "scaling over the whole sample"),
    ("leaky_zscore", "scaling over the whole sample"),
    ("forward_adjusted", "prices adjusted by what came later"),
    ("three_sigma", "outliers deleted by bounds of the whole sample"),
    ("interpolated", "gaps filled from what came after"),
    ("wavelet", "wavelets over the whole series"),
    ("", "features that look ahead"),
)


def stamp(leaks: Sequence[str]) -> str:
    """The sentence of the stamp, "" where nothing leaks; the run's cautions list every leak by name."""
    by_kind: dict[str, list[str]] = {}
    for leak in leaks:
        by_kind.setdefault(next(words for part, words in _KINDS if part in leak), []).append(leak)
    said = [f"{words} ({some(names)})" for words, names in by_kind.items()]
    return LEAKY.format("; ".join(said)) if said else ""


def some(leaks: Sequence[str]) -> str:
    """All of a few, the first and the number of many."""
    return ", ".join(leaks) if len(leaks) <= MOST_LEAKS else f"{leaks[0]} and {len(leaks) - 1} more"
