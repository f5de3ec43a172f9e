"""Time-series folds: blocks of sessions that end at asof, each judged by a fit on what lies before it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nnstrategies.errors import FitError
from nnstrategies.samples import Samples
from nnstrategies.splits import Rows, trailing_split


class Fold(NamedTuple):
    """A candidate is fitted as of row ``asof`` and judged on ``valid``, whose labels end inside the block.

    No label a fit may use ends after ``asof``, and all of ``valid`` lies later: the purge needs no constant.
    """

    number: int
    asof: int
    valid: Rows


def cv_folds(asof: int, folds: int, valid_days: int, embargo_days: int = 0, section: str = "search") -> list[Fold]:
    """``folds`` blocks of ``valid_days`` rows, oldest first, the last one ending at row ``asof``.

    Labels that end after their own block are left out, so that no two folds share a day of returns. What of the past a
    candidate trains on, all of it or a sliding span, is the recipe's own ``train_days``. FitError, which names the
    config's ``section``, when the rows do not suffice.
    """
    made = []
    for number in range(folds):
        last = asof - (folds - 1 - number) * valid_days
        if last - valid_days - embargo_days < 0:
            raise FitError(
                f"{section}: {folds} folds of {valid_days} sessions with {embargo_days} embargo days need more than "
                f"{folds * valid_days + embargo_days} sessions, got {asof + 1}; begin later, or take fewer or shorter "
                f"folds"
            )
        split = trailing_split(last + 1, last, None, valid_days, embargo_days)
        made.append(Fold(number, split.train.known_by, split.valid))
    return made


def fingerprint_of(samples: Samples, folds: Sequence[Fold]) -> str:
    """First 16 hex digits of sha256 over features and labels of the folds' rows: equal whatever comes after them."""
    digest = hashlib.sha256(repr((samples.features.set_hash, samples.window, samples.labels.kind)).encode())
    for fold in folds:
        t, n = samples.rows(*fold.valid)
        labels = samples.labels
        for array in (samples.features.values[n, t], t, n, labels.values[t, n], labels.returns[t, n], labels.end[t, n]):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
