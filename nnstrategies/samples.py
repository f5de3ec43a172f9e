"""Features, labels and which windows may be used, joined; windows themselves are gathered later, never stored."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nnstrategies.errors import DataError
from nnstrategies.features.feature_set import Features
from nnstrategies.features.rolling import run_length
from nnstrategies.labels import Labels
from nnstrategies.panel import Panel
from nnstrategies.typing import BoolArray, IntArray


@dataclass(frozen=True)
class Samples:
    """What a recipe is fitted on.

    A sample (t, n) is the window features.values[n, t - window + 1 : t + 1] with label labels.values[t, n].
    mask: [T, N] True where n is a member at t, trades at t, and every feature of the window is finite, the optional
        ones aside. The label may still be NaN.
    group: [N] int64 symbols that share one model; all 0 = one pooled model.
    """

    features: Features
    labels: Labels
    mask: BoolArray
    group: IntArray
    window: int

    def __post_init__(self) -> None:
        expected = (self.features.T, len(self.features.symbols))
        for name, shape in (("labels", self.labels.values.shape), ("mask", self.mask.shape)):
            if shape != expected:
                raise DataError(f"samples: {name}: expected shape [T, N] = {expected} of the features, got {shape}")
        if self.group.shape != expected[1:]:
            raise DataError(f"samples: group: expected {expected[1]} numbers, one a symbol, got {self.group.shape}")

    @classmethod
    def build(
        cls, panel: Panel, features: Features, labels: Labels, window: int, group: IntArray | None = None
    ) -> Samples:
        """Join what was computed from ``panel``; DataError when sessions, symbols or shapes differ."""
        if window < 1:
            raise DataError(f"samples: window: expected at least 1 session, got {window}")
        same_days = np.array_equal(panel.sessions, features.sessions)
        if not same_days or panel.symbols != features.symbols:
            what = "symbols" if same_days else "sessions"
            raise DataError(f"samples: features have other {what} than {panel!r}; compute them from this panel")
        mask = panel.members & panel.trading & complete_windows(features, window)
        mask.flags.writeable = False
        return cls(features, labels, mask, np.zeros(panel.N, np.int64) if group is None else group, window)

    @property
    def T(self) -> int:  # noqa: N802
        return self.features.T

    @property
    def N(self) -> int:  # noqa: N802
        return len(self.features.symbols)

    def upto(self, t: int) -> Samples:
        """What is known at the close of session t: rows 0..t (features as a view), labels with end <= t."""
        return replace(self, features=self.features.upto(t), labels=self.labels.upto(t), mask=self.mask[: t + 1])

    def only(self, symbols: IntArray) -> Samples:
        """The samples of some symbols [M], for a model of their own; one symbol's features stay a view."""
        if len(symbols) == 1:
            columns: slice | IntArray = slice(int(symbols[0]), int(symbols[0]) + 1)
        else:
            columns = symbols
        whole, labels = self.features, self.labels
        names = tuple(whole.symbols[n] for n in symbols)
        return replace(
            self,
            features=replace(whole, symbols=names, values=whole.values[columns]),
            labels=labels.of_columns(columns),
            mask=self.mask[:, columns],
            group=self.group[columns],
        )

    def permuted(self, order: IntArray) -> Samples:
        """The same features and mask, each symbol with the whole label history of another: that of order[n]."""
        return replace(self, labels=self.labels.of_columns(order))

    def moved(self, days: IntArray) -> Samples:
        """The same features and mask, the label history of symbol n moved on by days[n] sessions, around the end.

        A moved label is known as many sessions after its date as before; where that lies past the end it is none.
        """
        return replace(self, labels=self.labels.moved(days))

    def rows(self, first: int, last: int, known_by: int, stride: int = 1) -> tuple[IntArray, IntArray]:
        """(t, n) of the labelled samples with first <= t <= last and a label known by the close of ``known_by``.

        stride: only every so many decisions, counted back from the last: dates, or where labels run from one month
            (week) to the next, those that have one. Ordered by t, then n.
        """
        if last >= self.T or stride < 1:
            raise DataError(
                f"samples: rows({first}, {last}, stride={stride}): expected last < {self.T} and a stride of at least 1"
            )
        days = self._decisions(max(first, 0), last)[::-stride][::-1]
        end = self.labels.end[days]
        usable = self.mask[days] & (end >= 0) & (end <= known_by) & np.isfinite(self.labels.values[days])
        at, n = np.nonzero(usable)
        return days[at].astype(np.int64), n.astype(np.int64)

    def _decisions(self, first: int, last: int) -> IntArray:
        """Dates first..last; of labels that most dates cannot have, the dates that have one."""
        days = np.arange(first, last + 1)
        labelled = (self.labels.end[days] >= 0).any(axis=1)
        sparse = labelled.any() and np.median(np.diff(np.flatnonzero(labelled), prepend=-1)) > 2
        return days[labelled] if sparse else days


def complete_windows(features: Features, window: int) -> BoolArray:
    """[T, N] True where every feature of the ``window`` sessions that end there is finite, the optional ones aside."""
    complete = np.zeros(features.values.shape[:2], dtype=bool)
    needed = features.required if features.optional else slice(None)
    for n, values in enumerate(features.values):  # one symbol at a time: no [N, T, F] of booleans
        complete[n] = np.isfinite(values[:, needed]).all(axis=-1)
    return (run_length(complete) >= window).T
