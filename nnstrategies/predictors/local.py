"""Scores computed in this process."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnstrategies.errors import DataError
from nnstrategies.samples import Samples
from nnstrategies.scores import Scores
from nnstrategies.training.timeline import Timeline


def score(samples: Samples, timeline: Timeline, rows: Sequence[int] | None = None) -> Scores:
    """What the versions in force said at the close of each of ``rows`` (default: all rows that have a version).

    Scores are [T, N, K] over all sessions of the samples, NaN on rows not asked for and outside the mask. Each row goes
    through ``Version.predict`` exactly as a single date would.
    """
    if not timeline.entries:
        raise DataError("score: the timeline is empty; fit at least one version first")
    sessions = samples.features.sessions
    starts = np.array([np.datetime64(entry.effective_from, "D") for entry in timeline.entries])
    in_force = np.searchsorted(starts, sessions, side="right") - 1  # [T], -1 before the first
    versions = [entry.version for entry in timeline.entries]
    ids = tuple(dict.fromkeys(version.id for version in versions))
    outputs = versions[0].outputs
    values = np.full((samples.T, samples.N, len(outputs)), np.nan, dtype=np.float32)
    used = np.full(samples.T, -1, dtype=np.int64)
    for t in range(samples.T) if rows is None else rows:
        if in_force[t] < 0:
            continue
        version = versions[in_force[t]]
        if version.outputs != outputs:
            raise DataError(f"score: version {version.id} has outputs {version.outputs}, expected {outputs}")
        values[t] = version.predict(samples.features, samples.mask[t], t)
        used[t] = ids.index(version.id)
    return Scores(sessions, samples.features.symbols, outputs, versions[0].units, values, ids, used)
