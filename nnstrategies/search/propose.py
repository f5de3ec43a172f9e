"""Which candidate comes next: a function of the space, the trials before it, and its number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from nnstrategies.errors import ConfigError
from nnstrategies.search.settings import SearchSettings
from nnstrategies.search.space import Options, Range, Space, Value
from nnstrategies.search.trial import Trial
from nnstrategies.training.device import one_thread

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

AT_RANDOM = 10  # candidates before the process has enough to go by; half of the trials where there are fewer


def propose(space: Space, settings: SearchSettings, trials: Sequence[Trial]) -> dict[str, Value]:
    """The candidate after ``trials``. Nothing else is remembered, so an interrupted search goes on as it would have."""
    if settings.method == "grid":
        return space.grid()[len(trials)]
    return _from_process(space, settings, trials)


def count_of(space: Space, settings: SearchSettings) -> int:
    """How many trials the search has."""
    size = space.size()
    return int(size) if settings.method == "grid" else int(min(settings.trials, size))


def _from_process(space: Space, settings: SearchSettings, trials: Sequence[Trial]) -> dict[str, Value]:
    """Optuna's Gaussian process on a study made of the trials: no state of a sampler outlives a trial.

    Source: Optuna's GPSampler (Matern 5/2 kernel, log expected improvement).
    """
    with quiet_optuna() as optuna, threadpool_limits(1), one_thread():
        wanted = distributions(space)
        sampler = optuna.samplers.GPSampler(
            seed=_seed(settings.seed, len(trials)), n_startup_trials=min(AT_RANDOM, max(1, settings.trials // 2))
        )
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for trial, value in observations(trials, settings.sign):
            made = optuna.trial.create_trial(params=dict(trial.params), distributions=wanted, value=value)
            study.add_trial(made)
        return dict(study.ask(wanted).params)


def observations(trials: Sequence[Trial], sign: int) -> Iterator[tuple[Trial, float]]:
    """What the process is told, more being better.

    A finished trial counts with its value. A pruned one with what it did better or worse than the finished ones in the
    folds that it ran, added to their mean: else its region would be proposed again. An impossible one counts as the
    worst so far.
    """
    finished = [trial for trial in trials if trial.state == "complete"]
    if not finished:
        return
    level = float(np.mean([trial.value for trial in finished]))
    seen = {}
    for trial in trials:
        if trial.state == "complete":
            seen[trial.number] = sign * trial.value
        elif trial.state == "pruned":
            ran = len(trial.folds)
            seen[trial.number] = sign * (level + trial.value - float(np.mean([one.mean_of(ran) for one in finished])))
    worst = min(seen.values())
    for trial in trials:
        yield trial, seen.get(trial.number, worst)


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """The space in Optuna's terms."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    def one(parameter: Options | Range) -> BaseDistribution:
        if isinstance(parameter, Options):
            return CategoricalDistribution(parameter.values)
        low, high, log = parameter.low, parameter.high, parameter.log
        if parameter.whole:
            return IntDistribution(int(low), int(high), log=log, step=int(parameter.step or 1))
        return FloatDistribution(low, high, log=log, step=parameter.step)

    return {key: one(parameter) for key, parameter in space.parameters.items()}


@contextmanager
def quiet_optuna() -> Iterator[Any]:
    """Optuna without its log lines; ConfigError says how to install it where it is missing."""
    try:
        import optuna
    except ImportError:
        raise ConfigError("search: needs the package optuna; pip install 'nnstrategies[search]'") from None
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield optuna
    finally:
        optuna.logging.set_verbosity(before)


def _seed(seed: int, number: int) -> int:
    """A seed of its own for each trial, below 2**32."""
    return int.from_bytes(hashlib.sha256(f"search {seed} {number}".encode()).digest()[:4], "big")
