"""Labels: none may say it is known before the last price it is made of; and who may be a sample at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnstrategies.audit.compare import Change, compare
from nnstrategies.audit.features import FUTURES
from nnstrategies.audit.findings import Finding, Stage
from nnstrategies.audit.first import first_change
from nnstrategies.audit.noise import Future
from nnstrategies.features.feature_set import Features
from nnstrategies.labels import Labels
from nnstrategies.panel import Panel
from nnstrategies.samples import Samples
from nnstrategies.typing import AnyArray

MakeLabels = Callable[[Panel], Labels]
_PARTS = ("values", "returns", "end")
_LATEST = 20  # sessions by which the true end of a label is searched for


@dataclass(frozen=True)
class _Leak:
    t: int
    how: str
    part: str
    change: Change


def check_labels(
    make: MakeLabels,
    panel: Panel,
    rows: Sequence[int],
    seed: int = 0,
    futures: Mapping[str, Future] = FUTURES,
    known: Labels | None = None,
) -> Stage:
    """Labels with end <= t must stay byte-equal, whatever comes after t; ``Labels`` refuses an end before its decision.

    What moves under noise after t is made of something later than t, so a label that moves although its ``end`` says it
    is known by t claims too much: it would pass a purge that it should not pass.
    """
    started = time.perf_counter()
    labels = known or make(panel)
    leaks: list[_Leak] = []
    compared = 0
    for t in rows:
        expected = labels.upto(t)
        compared += int((expected.end >= 0).sum()) * len(futures)
        for how, future in futures.items():
            other = make(future(panel, t, np.random.default_rng([seed, t]))).upto(t)
            for part in _PARTS:
                if change := compare(_part(expected, part), _part(other, part)):
                    leaks.append(_Leak(t, how, part, change))
    findings = (_finding(make, panel, labels, leaks, futures, seed),) if leaks else ()
    dates = tuple(str(panel.sessions[t]) for t in sorted(rows))
    return Stage("labels", "label", 1, dates, compared, findings, seconds=time.perf_counter() - started)


def _part(labels: Labels, part: str) -> AnyArray:
    return np.asarray(getattr(labels, part), dtype=np.float64)


def _name(labels: Labels) -> str:
    return f"{labels.kind} over {labels.horizon_days} sessions"


def _finding(
    make: MakeLabels, panel: Panel, labels: Labels, leaks: Sequence[_Leak], futures: Mapping[str, Future], seed: int
) -> Finding:
    worst = min(leaks, key=lambda leak: (_PARTS.index(leak.part), leak.change.row))
    part, future = worst.part, futures[worst.how]
    t, n = worst.change.row, int(worst.change.columns[0])

    def compute(other: Panel, at: int) -> AnyArray:
        return _part(make(other).upto(at), part)

    first = first_change(compute, panel, lambda at: _part(labels.upto(at), part), worst.change, future, seed)
    claimed = int(labels.end[t, n])
    what = (
        f"says too early that it is known: that of {panel.sessions[t]}, {panel.symbols[n]} should be known by "
        f"{panel.sessions[claimed]}, yet its {part} change with {worst.how} {panel.sessions[worst.t]}; "
        f"its true end is {_later(make, panel, labels, worst, part, seed)} than Labels.end says"
    )
    change = worst.change
    symbols = tuple(panel.symbols[k] for k in change.columns)
    return Finding(
        "labels", _name(labels), "leak", what, str(panel.sessions[first.row]), symbols, change.share, change.size
    )


def _later(make: MakeLabels, panel: Panel, labels: Labels, leak: _Leak, part: str, seed: int) -> str:
    """By how many sessions the labels that claim to be known by t are not: the noise moves on until none changes."""
    t, claim = leak.t, labels.upto(leak.t).end >= 0
    expected = np.where(claim, _part(labels, part)[: t + 1], np.nan)
    for k in range(1, min(_LATEST, panel.T - 2 - t) + 1):
        other = make(FUTURES["noise after"](panel, t + k, np.random.default_rng([seed, t + k])))
        if compare(expected, np.where(claim, _part(other, part)[: t + 1], np.nan)) is None:
            return f"{k} session{'s' if k > 1 else ''} later"
    return "many sessions later"


def check_mask(
    panel: Panel, window: int, rows: Sequence[int], seed: int = 0, futures: Mapping[str, Future] = FUTURES
) -> Stage:
    """Who may be a sample at t (member, trading, a whole window) must not depend on what comes later.

    Judged with a feature that is 1 wherever a symbol is listed: that real features do not look ahead is checked apart.
    """
    started = time.perf_counter()
    expected = _mask(panel, window)
    findings: list[Finding] = []
    for t in rows:
        for how, future in futures.items():
            got = _mask(future(panel, t, np.random.default_rng([seed, t])), window)
            change = compare(expected[: t + 1], got[: t + 1])
            if change and not findings:
                what = f"changes with {how} {panel.sessions[t]}: members or tradability are not those of the day"
                symbols = tuple(panel.symbols[n] for n in change.columns)
                first = str(panel.sessions[change.row])
                findings.append(Finding("mask", "samples", "leak", what, first, symbols, change.share))
    dates = tuple(str(panel.sessions[t]) for t in sorted(rows))
    compared = sum((t + 1) * panel.N for t in rows) * len(futures)
    return Stage("mask", "mask", 1, dates, compared, tuple(findings), seconds=time.perf_counter() - started)


def _mask(panel: Panel, window: int) -> AnyArray:
    """[T, N] as floats, for the comparison."""
    ones = np.where(panel.listed.T, np.float32(1), np.float32(np.nan))[:, :, None]  # [N, T, 1]
    features = Features(panel.sessions, panel.symbols, ("listed",), ones, "")
    none = np.full(panel.shape, np.nan, dtype=np.float32)
    labels = Labels(none, np.full(panel.shape, -1), "return", 1, 0, none)
    return Samples.build(panel, features, labels, window).mask.astype(np.float32)
