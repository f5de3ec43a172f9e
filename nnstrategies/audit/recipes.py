"""Recipes: what they learn, and what they say, must not depend on anything later than they may know."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnstrategies.audit.compare import same_bytes
from nnstrategies.audit.features import LEAST_FINITE
from nnstrategies.audit.findings import Finding, Stage, Verdict
from nnstrategies.audit.other_samples import other_samples
from nnstrategies.errors import FitError, NNStrategiesError
from nnstrategies.samples import Samples
from nnstrategies.splits import Split, trailing_split
from nnstrategies.training.recipe import Incumbent, Recipe, with_setting
from nnstrategies.training.scaler import LEAKY, Scaler
from nnstrategies.training.version import Version
from nnstrategies.typing import AnyArray

_LATER = 20  # sessions after asof on which scores are compared once more
_BEFORE = 20  # sessions before asof as of which an incumbent was fitted


@dataclass(frozen=True)
class _Case:
    """One recipe, cut short, fitted as of one row. incumbent: from an earlier fit, for warm starts."""

    recipe: Recipe
    samples: Samples
    asof: int
    seed: int
    version: Version
    incumbent: Incumbent | None = None

    def day(self, t: int) -> str:
        return str(self.samples.features.sessions[t])

    def other(self, t: int, features: bool = True, labels: bool = True) -> Samples:
        return other_samples(self.samples, t, np.random.default_rng([self.seed, t]), features, labels)

    def fit(self, samples: Samples) -> Version:
        return self.recipe.fit(samples, self.asof, self.seed)

    def finding(self, verdict: Verdict, what: str, first: str | None = None, **more: Any) -> Finding:
        name = self.recipe.name
        return Finding(f"recipe {name}", name, verdict, f"as of {self.day(self.asof)}: {what}", first, **more)

    def leak(self, what: str, t: int, **more: Any) -> Finding:
        return self.finding("leak", what, self.day(min(t, self.samples.T - 1)), **more)


def check_recipe(recipe: Recipe, samples: Samples, asofs: Sequence[int], seed: int = 1, warm: bool = False) -> Stage:
    """Fit as of each row under another future: version, scaler and scores must stay byte-equal.

    Four questions a date: does the version change with what comes after asof, or with the samples cut there; do weights
    and scaler change with what comes after the last training row (validation, embargo); is the scaler that of the
    training rows; do scores at t change with what comes after t. Networks are trained for one epoch: then early stop,
    which may read the validation rows, has no choice. warm: also fit from an incumbent, as the walk-forward would.
    """
    started = time.perf_counter()
    short = shortened(recipe)
    findings: list[Finding] = []
    compared, done = 0, []
    for asof in sorted(asofs):
        try:
            incumbent = Incumbent(short.fit(samples, asof - _BEFORE, seed)) if warm else None
            case = _Case(short, samples, asof, seed, short.fit(samples, asof, seed), incumbent)
        except FitError as error:
            findings.append(Finding(f"recipe {recipe.name}", recipe.name, "cannot judge", f"cannot be fitted: {error}"))
            continue
        done.append(asof)
        compared += sum(array.size for array in parts(case.version).values())
        found = [finding for check in _CHECKS for finding in _judged(check, case)]
        if found and case.fit(samples).id != case.version.id:
            found = [case.finding("cannot judge", "gives another version when it is fitted again on the same samples")]
        findings += found
    dates = tuple(str(samples.features.sessions[asof]) for asof in done)
    seconds = time.perf_counter() - started
    return Stage(f"recipe {recipe.name}", "recipe", 1, dates, compared, tuple(_once(findings)), seconds=seconds)


def shortened(recipe: Recipe) -> Recipe:
    """The recipe with one epoch and no checkpoints, where it has such settings: what it reads stays the same."""
    own: Any = recipe  # the protocol does not say that it is a dataclass, and a user's need not be one
    if not dataclasses.is_dataclass(own):
        return recipe
    shorter: Recipe = with_setting(with_setting(recipe, "epochs", 1), "checkpoints", None)
    return shorter


def split_of(recipe: Recipe, samples: Samples, asof: int) -> Split:
    """The split a recipe's settings name: train_days, valid_days, embargo_days, by the names of ``NetworkRecipe``.

    Of a recipe made of others, that of the first of them.
    """
    inner = next(iter(getattr(recipe, "members", {}).values()), getattr(recipe, "recipe", recipe))
    days = {key: getattr(inner, key, 0) for key in ("valid_days", "embargo_days")}
    return trailing_split(samples.T, asof, getattr(inner, "train_days", None), **days)


def parts(version: Version) -> Mapping[str, AnyArray]:
    """Everything that was learned, by name."""
    scaler = version.scaler.arrays if version.scaler else {}
    return {**version.arrays, **{f"scaler {name}": array for name, array in scaler.items()}}


def _judged(check: Any, case: _Case) -> list[Finding]:
    try:
        return list(check(case))
    except NNStrategiesError as error:
        return [case.finding("cannot judge", f"cannot be fitted under another future: {error}")]


def _once(findings: Sequence[Finding]) -> list[Finding]:
    """The first finding of each kind: a leak at every date is one leak."""
    kinds: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        kinds.setdefault((finding.name, finding.what.partition(": ")[2]), finding)
    return list(kinds.values())


def _future(case: _Case) -> list[Finding]:
    """The whole version, manifest included, under another future and without one."""
    version = case.fit(case.other(case.asof))
    if version.id != case.version.id:
        of = _which(case, case.asof, whole=True)
        what = f"its version changes with {of} after that day: {_changed(case.version, version)}"
        return [case.leak(what, case.asof + 1, size=_size(case.version, version))]
    cut = case.fit(case.samples.upto(case.asof))
    if cut.id != case.version.id:
        what = f"its version is another one on samples that end there: {_changed(case.version, cut)}"
        return [case.leak(what, case.asof, size=_size(case.version, cut))]
    return []


def _warm(case: _Case) -> list[Finding]:
    """The same from an incumbent: what is promoted, and what comes of it."""
    if case.incumbent is None:
        return []
    fits = [
        case.recipe.fit(samples, case.asof, case.seed, case.incumbent)
        for samples in (case.samples, case.other(case.asof))
    ]
    if fits[0].id == fits[1].id:
        return []
    return [case.leak("its version, fitted from an incumbent, changes with what comes after that day", case.asof + 1)]


def _gap(case: _Case) -> list[Finding]:
    """Weights and scaler when everything from the embargo on is another: features, and labels that end there."""
    split = split_of(case.recipe, case.samples, case.asof)
    last = split.train.last
    if last >= case.asof:
        return []
    version = case.fit(case.other(last))
    stopped = getattr(case.recipe, "epochs", 1) == 1
    changed = [name for name in _differing(case.version, version) if stopped or name.startswith("scaler")]
    if not changed:
        return []
    of = _which(case, last, whole=False)
    what = (
        f"what it learns on rows up to {case.day(last)} changes with {of} after that day, which belong to the embargo "
        f"or the validation from {case.day(split.valid.first)} on: {_named(changed)}"
    )
    return [case.leak(what, last + 1, size=_size(case.version, version))]


def _which(case: _Case, t: int, whole: bool) -> str:
    """Whether it is the features or the labels that matter."""

    def matters(other: Samples) -> bool:
        version = case.fit(other)
        return version.id != case.version.id if whole else bool(_differing(case.version, version))

    of = [
        *(["features"] if matters(case.other(t, labels=False)) else []),
        *(["labels that end"] if matters(case.other(t, features=False)) else []),
    ]
    return " and ".join(of) or "features and labels"


def _scaler(case: _Case) -> list[Finding]:
    """The scaler fitted once more on the training rows; only where it is known which rows those were."""
    version = case.version
    known = case.samples.upto(case.asof)
    rows = split_of(case.recipe, known, case.asof).train
    t, n = known.rows(*rows, stride=getattr(case.recipe, "stride_days", 1))
    if version.scaler is None or not len(t) or version.manifest.get("training_rows") != len(t):
        return []
    kind: Any = getattr(case.recipe, "scaling", "zscore").removeprefix(LEAKY)
    expected = Scaler.fit_at(known.features.values, t, n, kind)
    if all(same_bytes(expected.arrays[key], value) for key, value in version.scaler.arrays.items()):
        return []
    shift = np.abs(version.scaler.mean - expected.mean) / expected.std
    worst = known.features.names[int(np.argmax(shift))]
    what = f"its scaler is not that of its {len(t):,} training rows; most of all for {worst}"
    return [case.leak(what, rows.last + 1, size=float(shift.max()))]


def _scores(case: _Case) -> list[Finding]:
    """What the version says at asof and 20 sessions later, under another future and on samples that end there."""
    samples, version = case.samples, case.version
    for t in (case.asof, min(case.asof + _LATER, samples.T - 1)):
        expected = version.predict(samples.features, samples.mask[t], t)
        finite = float(np.isfinite(expected[samples.mask[t]]).mean()) if samples.mask[t].any() else 0.0
        if finite < LEAST_FINITE:
            return [case.finding("cannot judge", f"only {finite:.0%} of the scores of {case.day(t)} are finite")]
        later = case.other(t, labels=False).features if t < samples.T - 1 else samples.features
        for features in (later, samples.features.upto(t)):
            got = version.predict(features, samples.mask[t], t)
            if got.tobytes() != expected.tobytes():
                columns = np.flatnonzero((got != expected).any(axis=1) & samples.mask[t])
                symbols = tuple(samples.features.symbols[k] for k in columns)
                return [case.leak("its scores change with what comes after their day", t, symbols=symbols)]
    return []


def _differing(version: Version, other: Version) -> list[str]:
    a, b = parts(version), parts(other)
    return [
        name for name in a.keys() | b.keys() if name not in a or name not in b or a[name].tobytes() != b[name].tobytes()
    ]


def _changed(version: Version, other: Version) -> str:
    return _named(_differing(version, other)) if _differing(version, other) else "its manifest"


def _named(names: Sequence[str]) -> str:
    shown = sorted(names, key=lambda name: (not name.startswith("scaler"), name))[:3]
    return ", ".join(shown) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _size(version: Version, other: Version) -> float:
    """Largest change of any array in its own standard deviations; NaN where shapes differ."""
    a, b, sizes = parts(version), parts(other), []
    for name in _differing(version, other):
        if name in a and name in b and a[name].shape == b[name].shape and a[name].dtype.kind == "f":
            spread = float(np.std(a[name])) or 1.0
            sizes.append(float(np.nanmax(np.abs(a[name].astype(np.float64) - b[name]))) / spread)
    return max(sizes, default=float("nan"))


_CHECKS = (_future, _warm, _gap, _scaler, _scores)
