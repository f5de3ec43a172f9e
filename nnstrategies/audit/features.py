"""Features: rows up to t under another future and none at all, and under another base of adj_factor."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nnstrategies.audit.compare import Change, compare, different, differing_last
from nnstrategies.audit.findings import Finding, Stage
from nnstrategies.audit.first import first_change
from nnstrategies.audit.noise import Future, cut, replace_future, scale_adj_factor
from nnstrategies.features.feature_set import Features, FeatureSet
from nnstrategies.panel import Panel
from nnstrategies.typing import AnyArray, Float32Array

FUTURES: Mapping[str, Future] = {"noise after": replace_future, "nothing after": cut}
LEAST_FINITE = 0.9  # share of the compared values; below it equality proves little
_LOCATED = 24  # leaking features whose first date is searched for; of more, the earliest seen is given


@dataclass(frozen=True)
class _Subject:
    """What is audited, and under which futures."""

    features: FeatureSet
    panel: Panel
    known: Features
    futures: Mapping[str, Future]
    seed: int

    def column(self, name: str, panel: Panel) -> AnyArray:
        """One feature of another panel, [T', N]."""
        return self.features.select([name])(panel).values[:, :, 0].T

    def day(self, t: int) -> str:
        return str(self.panel.sessions[t])


@dataclass
class _Seen:
    """What was seen of one feature: the change by kind of future and row, and what it raised."""

    changes: dict[tuple[str, int], Change] = field(default_factory=dict)
    raised: dict[tuple[str, int], str] = field(default_factory=dict)

    @property
    def real(self) -> dict[tuple[str, int], Change]:
        return {key: change for key, change in self.changes.items() if not change.rounding}


def check_features(
    features: FeatureSet,
    panel: Panel,
    rows: Sequence[int],
    seed: int = 0,
    futures: Mapping[str, Future] = FUTURES,
    known: Features | None = None,
) -> Stage:
    """Rows 0..t of every feature, all symbols, must stay byte-equal for each t of ``rows`` under each of ``futures``.

    known: the features of ``panel``, if they are at hand. A feature cannot be judged that raises under another future,
    that gives other values for the same panel, or of which less than 90 % of the values compared are finite.
    """
    started = time.perf_counter()
    subject = _Subject(features, panel, known or features(panel), futures, seed)
    seen = {name: _Seen() for name in features.names}
    for t in rows:
        for how in futures:
            _look(subject, how, t, seen)
    findings: list[Finding] = []
    for name in features.names:
        locate = sum(finding.verdict == "leak" for finding in findings) < _LOCATED
        if finding := _finding(subject, name, seen[name], locate):
            findings.append(finding)
    suspects = {finding.name for finding in findings}
    findings += [finding for finding in _too_few(subject.known, panel, max(rows)) if finding.name not in suspects]
    compared = int(sum(np.isfinite(subject.known.values[:, : t + 1]).sum() for t in rows)) * len(futures)
    dates = tuple(subject.day(t) for t in sorted(rows))
    seconds = time.perf_counter() - started
    return Stage("features", "feature", len(features), dates, compared, tuple(findings), seconds=seconds)


def _look(subject: _Subject, how: str, t: int, seen: Mapping[str, _Seen]) -> None:
    other = subject.futures[how](subject.panel, t, np.random.default_rng([subject.seed, t]))
    values, raised = _values(subject.features, other)
    known = subject.known.values[:, : t + 1]
    for name, said in raised.items():
        seen[name].raised[how, t] = said
    for f in np.flatnonzero(differing_last(known, values[:, : t + 1])):
        name = subject.features.names[f]
        change = compare(known[:, :, f].T, values[:, : t + 1, f].T)
        if change and name not in raised:
            seen[name].changes[how, t] = change


def _values(features: FeatureSet, panel: Panel) -> tuple[Float32Array, dict[str, str]]:
    """Values [N, T, F] and, for features that raise, what they said; their values are NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # noise overflows where prices do not
        try:
            return features(panel).values, {}
        except Exception:  # whatever a user's function raises; the next lines find out which it was
            raised: dict[str, str] = {}
        values = np.full((panel.N, panel.T, len(features)), np.nan, dtype=np.float32)
        for f, name in enumerate(features.names):
            try:
                values[:, :, f] = features.select([name])(panel).values[:, :, 0]
            except Exception as error:
                raised[name] = f"{type(error).__name__}: {error}"
    return values, raised


def _finding(subject: _Subject, name: str, seen: _Seen, locate: bool) -> Finding | None:
    real = seen.real
    if not real:
        return _lesser(subject, name, seen)
    if different(subject.column(name, subject.panel), subject.known.column(name)).any():
        what = "gives other values when it is computed again on the same panel"
        return Finding("features", name, "cannot judge", what)
    (how, t), change = min(real.items(), key=lambda item: item[1].row)
    first = _first(subject, name, how, change) if locate else change
    return Finding(
        "features",
        name,
        "leak",
        f"looks ahead: with {how} {subject.day(t)} its earlier values change",
        subject.day(first.row),
        tuple(subject.panel.symbols[n] for n in change.columns),
        max(found.share for found in real.values()),
        _typical(real),
        max(at - found.row + 1 for (_, at), found in real.items()),
    )


def _first(subject: _Subject, name: str, how: str, seen: Change) -> Change:
    column = subject.known.column(name)
    return first_change(
        lambda panel, t: subject.column(name, panel)[: t + 1],
        subject.panel,
        lambda t: column[: t + 1],
        seen,
        subject.futures[how],
        subject.seed,
    )


def _typical(changes: Mapping[tuple[str, int], Change]) -> float:
    """Largest change without a future, which is what one would have seen on the day; with noise where that has none."""
    plain = [change.size for (how, _), change in changes.items() if how.startswith("nothing")]
    sizes = [size for size in plain if np.isfinite(size)] or [change.size for change in changes.values()]
    return max((size for size in sizes if np.isfinite(size)), default=float("nan"))


def _lesser(subject: _Subject, name: str, seen: _Seen) -> Finding | None:
    if seen.raised:
        (how, t), said = next(iter(seen.raised.items()))
        return Finding("features", name, "cannot judge", f"raises with {how} {subject.day(t)}: {said}")
    if seen.changes:
        size = max(change.size for change in seen.changes.values())
        return Finding("features", name, "rounding", "changes with the length of the panel, by rounding", size=size)
    return None


def _too_few(known: Features, panel: Panel, last: int) -> list[Finding]:
    """Features with too few finite values, once a symbol has been listed as long as half of them needed for one."""
    finite = np.isfinite(known.values[:, : last + 1])  # [N, T', F]
    age = np.cumsum(panel.listed[: last + 1].T, axis=1)  # [N, T'] sessions since the listing
    starts = np.take_along_axis(age, finite.argmax(axis=1), axis=1).astype(np.float64)  # [N, F]
    starts[~finite.any(axis=1)] = np.nan
    findings = []
    for f, name in enumerate(known.names):
        warm_up = np.nanmedian(starts[:, f]) if np.isfinite(starts[:, f]).any() else 0.0
        due = panel.listed[: last + 1].T & (age >= warm_up)
        share = float(finite[:, :, f][due].mean()) if due.any() else 0.0
        if share < LEAST_FINITE:
            what = f"only {share:.0%} of the compared values are finite"
            findings.append(Finding("features", name, "cannot judge", what))
    return findings


def check_scale(features: FeatureSet, panel: Panel, seed: int = 0, known: Features | None = None) -> Stage:
    """No feature may change when adj_factor gets another base: that constant is whatever the last split made it.

    Every symbol's factor is multiplied by a power of two of its own, which moves no rounding: not a byte may change.
    """
    started = time.perf_counter()
    if "adj_factor" not in panel:
        return Stage("adj_factor", "feature", note="the panel has no adj_factor")
    known = known or features(panel)
    constants = 2.0 ** np.random.default_rng([seed, 1]).integers(1, 7, panel.N)
    values, raised = _values(
        features, scale_adj_factor(panel, dict(zip(panel.symbols, constants.tolist(), strict=True)))
    )
    findings = [Finding("adj_factor", name, "cannot judge", f"raises: {said}") for name, said in raised.items()]
    for f in np.flatnonzero(differing_last(known.values, values)):
        change = compare(known.values[:, :, f].T, values[:, :, f].T)
        if change and known.names[f] not in raised:
            findings.append(_scale_finding(panel, known.names[f], change))
    dates = (str(panel.sessions[0]), str(panel.sessions[-1]))
    compared, seconds = int(np.isfinite(known.values).sum()), time.perf_counter() - started
    return Stage("adj_factor", "feature", len(features), dates, compared, tuple(findings), seconds=seconds)


def _scale_finding(panel: Panel, name: str, change: Change) -> Finding:
    return Finding(
        "adj_factor",
        name,
        "leak",
        "changes when adj_factor is multiplied by a constant, which only later splits and dividends decide",
        str(panel.sessions[change.row]),
        tuple(panel.symbols[n] for n in change.columns),
        change.share,
        change.size,
    )
