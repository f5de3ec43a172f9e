"""The rows on which versions are explained: the test's, or a version's own purged validation rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nnstrategies.errors import DataError
from nnstrategies.explain.folds import seen_until, split_of
from nnstrategies.features.feature_set import Features
from nnstrategies.samples import Samples
from nnstrategies.training.timeline import Timeline
from nnstrategies.training.version import Version
from nnstrategies.typing import AnyArray, Float32Array, IntArray


@dataclass(frozen=True)
class CrossSection:
    """One date as a version sees it: no data of its own but the labels.

    n: [M] symbols of the mask whose label is known. returns: [M]. classes: [M], empty without class labels.
    """

    features: Features
    t: int
    version: Version
    n: IntArray
    returns: AnyArray
    classes: IntArray

    def windows(self) -> Float32Array:
        """Unscaled features [M, L, F], the last day at the close of row t; L is the version's own window. A copy."""
        return self.features.values[self.n, self.t + 1 - self.version.manifest["window"] : self.t + 1]

    def predict(self, windows: Float32Array) -> Float32Array:
        """Outputs [M, K] of the version for windows [M, L, F] in the place of its own, through ``Version.predict``."""
        known, last = self.features, windows.shape[1] - 1
        days, symbols = known.sessions[self.t - last : self.t + 1], tuple(known.symbols[k] for k in self.n)
        changed = Features(days, symbols, known.names, windows.view(), known.set_hash)
        return self.version.predict(changed, np.ones(len(self.n), dtype=bool), last)


@dataclass(frozen=True)
class Judged:
    """Samples, the rows to judge, and for each row the version that scores it.

    rows: [R] rising. version: [R] index into ``versions``. Labels that the samples do not know yet are not judged.
    """

    samples: Samples
    rows: IntArray
    versions: tuple[Version, ...]
    version: IntArray

    @classmethod
    def in_force(cls, samples: Samples, timeline: Timeline, rows: Sequence[int]) -> Judged:
        """Each of ``rows`` by the version in force on it, which saw nothing of it: out of sample.

        Rows before the first version are left out; DataError when none is left.
        """
        entries = timeline.entries
        starts = np.array([np.datetime64(entry.effective_from, "D") for entry in entries])
        index = np.asarray(rows, dtype=np.int64)
        at = np.searchsorted(starts, samples.features.sessions[index], side="right") - 1
        if not len(starts) or not (at >= 0).any():
            raise DataError(f"explain: no version is in force on any of {len(index)} rows; choose later rows")
        return cls(samples, index[at >= 0], tuple(entry.version for entry in entries), at[at >= 0])

    @classmethod
    def validation(cls, samples: Samples, version: Version) -> Judged:
        """The version's purged validation rows, with the labels that it knew; DataError where it has none.

        Early stop chose the best weights on these rows, so figures on them are a little too good.
        """
        day = np.datetime64(version.manifest["trained_through"], "D")
        asof = int(np.searchsorted(samples.features.sessions, day))
        if asof >= samples.T or samples.features.sessions[asof] != day:
            raise DataError(f"explain: version {version.id} was trained through {day}, no session of these samples")
        last = seen_until(version, samples, asof)
        known, split = samples.upto(last), split_of(version, last)
        stride = int(version.config.get("stride_days", 1))
        rows = np.unique(known.rows(*split.valid, stride=stride)[0]) if split else np.zeros(0, dtype=np.int64)
        if not len(rows):
            raise DataError(
                f"explain: version {version.id} ({version.manifest['recipe']}) has no validation rows; judge it on "
                f"rows of the test instead"
            )
        return cls(known, rows, (version,), np.zeros(len(rows), dtype=np.int64))

    def thinned(self, most: int) -> Judged:
        """At most ``most`` of the rows, evenly spaced."""
        if most < 1:
            raise DataError(f"explain: dates: expected at least 1, got {most}")
        pick = np.unique(np.linspace(0, len(self.rows) - 1, min(most, len(self.rows))).round().astype(np.int64))
        return Judged(self.samples, self.rows[pick], self.versions, self.version[pick])

    def comparable(self) -> list[CrossSection]:
        """The dates with at least 3 symbols: fewer have no rank IC."""
        return [date for date in self.cross_sections() if len(date.n) >= 3]

    def required(self) -> list[CrossSection]:
        """The comparable dates; DataError when there is none."""
        if not (dates := self.comparable()):
            raise DataError(
                f"explain: none of {len(self.rows)} rows has 3 symbols with a whole window and a known label; judge "
                f"other rows or more symbols"
            )
        return dates

    def cross_sections(self) -> Iterator[CrossSection]:
        """The dates with symbols that have a known return (and class, where labels are classes)."""
        features, labels = self.samples.features, self.samples.labels
        for t, number in zip(self.rows, self.version, strict=True):
            version = self.versions[number]
            usable = self.samples.mask[t] & np.isfinite(labels.returns[t]) & np.isfinite(labels.values[t])
            n = np.flatnonzero(usable)
            if not len(n) or t + 1 < version.manifest["window"]:
                continue
            classes = labels.values[t, n].astype(np.int64) if labels.n_classes else np.zeros(0, dtype=np.int64)
            yield CrossSection(features, int(t), version, n, labels.returns[t, n], classes)
