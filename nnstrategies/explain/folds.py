"""Which days each refit learned from, validated on, and was in force."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from nnstrategies.samples import Samples
from nnstrategies.splits import Split, trailing_split
from nnstrategies.training.recipe import leaky_row
from nnstrategies.training.timeline import Entry, Timeline
from nnstrategies.training.version import Version
from nnstrategies.typing import IntArray

COLUMNS = (
    *("asof", "decision", "train_first", "train_last", "labels_until", "train_rows"),
    *("valid_first", "valid_last", "valid_rows", "in_force_from", "in_force_until"),
)


def seen_until(version: Version, samples: Samples, asof: int) -> int:
    """The last row that the refit as of row ``asof`` read to make ``version``: a later one where it is leaky."""
    until = version.config.get("leaky_until")
    return max(asof, leaky_row(samples, dt.date.fromisoformat(until) if until else None))


def split_of(version: Version, last: int) -> Split | None:
    """The split of the refit that read up to row ``last``, by its version's manifest; None if it learned nothing."""
    if version.manifest["training_rows"] == 0:
        return None
    config = version.config
    embargo = int(config.get("embargo_days", 0))
    return trailing_split(last + 1, last, config.get("train_days"), int(config.get("valid_days", 0)), embargo)


def folds(samples: Samples, timeline: Timeline, last: dt.date) -> pd.DataFrame:
    """One row a refit: dates of the first and last training and validation decision, and where it was in force.

    labels_until: the session by whose close the last training label was known; what lies between it and valid_first
    (or the as-of date) is the purge gap. A leaky refit has the days that it read, later than its as-of date.
    train_rows, valid_rows: samples. Dates are missing where there are no rows. in_force_until: the session before the
    next refit's, at most ``last``. For a kept incumbent the fold is that of the refit that lost.
    """
    ends = [_before(samples, entry.effective_from) for entry in timeline.entries[1:]] + [last]
    rows = [_fold(samples, entry, until) for entry, until in zip(timeline.entries, ends, strict=True)]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    dates = [name for name in COLUMNS if name not in ("decision", "train_rows", "valid_rows")]
    return frame.astype(dict.fromkeys(dates, "datetime64[s]") | {"decision": "str"})


def _fold(samples: Samples, entry: Entry, until: dt.date) -> tuple[object, ...]:
    days = samples.features.sessions
    asof = int(np.searchsorted(days, np.datetime64(entry.trained_through, "D")))
    last = seen_until(entry.version, samples, asof)
    known, split = samples.upto(last), split_of(entry.version, last)
    stride = int(entry.version.config.get("stride_days", 1))
    nothing = np.zeros(0, dtype=np.int64)
    train = known.rows(*split.train, stride=stride) if split else (nothing, nothing)
    valid = known.rows(*split.valid, stride=stride) if split else (nothing, nothing)
    label = days[known.labels.end[train].max()] if len(train[0]) else np.datetime64("NaT")
    spans = (*_span(samples, train[0]), label, len(train[0]), *_span(samples, valid[0]), len(valid[0]))
    return (entry.trained_through, entry.decision, *spans, entry.effective_from, until)


def _span(samples: Samples, rows: IntArray) -> tuple[np.datetime64, np.datetime64]:
    if not len(rows):
        return np.datetime64("NaT"), np.datetime64("NaT")
    return samples.features.sessions[rows.min()], samples.features.sessions[rows.max()]


def _before(samples: Samples, day: dt.date) -> dt.date:
    """The session before ``day``."""
    days = samples.features.sessions
    return days[np.searchsorted(days, np.datetime64(day, "D")) - 1].item()
