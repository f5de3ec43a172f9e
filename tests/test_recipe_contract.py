"""The contract of every recipe: nothing after asof is used, and the same fit twice gives the same bytes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnstrategies.predictors import score
from nnstrategies.training import Entry, Timeline, Version
from nnstrategies.training.walkforward import next_session
from tests.causality import check_finite, replace_future
from tests.small_samples import ALL, market_samples, samples_of

ASOF = 352


def bytes_of(version: Version) -> dict[str, bytes]:
    scaler = version.scaler.arrays if version.scaler else {}
    return {key: np.ascontiguousarray(value).tobytes() for key, value in {**version.arrays, **scaler}.items()}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", ["buy_hold_sell", "return"])
def test_noise_after_asof_changes_no_byte_of_the_version_or_of_its_scores(name, kind):
    panel, samples = market_samples(kind)
    noisy = samples_of(replace_future(panel, ASOF, np.random.default_rng(11)), kind)
    assert not np.array_equal(noisy.features.values, samples.features.values, equal_nan=True)
    version, other = (ALL[name].fit(s, ASOF, seed=1) for s in (samples, noisy))
    assert bytes_of(other) == bytes_of(version)
    assert other.id == version.id
    # Scores at and before asof, as if the version had been in force: what is compared is made of past rows only.
    for t in (ASOF - 20, ASOF):
        a, b = (v.predict(s.features, s.mask[t], t) for v, s in ((version, samples), (other, noisy)))
        assert a.tobytes() == b.tobytes()
        check_finite(name, a, np.broadcast_to(samples.mask[t][:, None], a.shape))


@pytest.mark.parametrize("name", ALL)
def test_noise_after_t_changes_no_score_up_to_t(name):
    panel, samples = market_samples()
    t = ASOF + 20
    noisy = samples_of(replace_future(panel, t, np.random.default_rng(12)))
    found = []
    for s in (samples, noisy):
        version = ALL[name].fit(s, ASOF, seed=1)
        timeline = Timeline([Entry(next_session(panel.calendar, ASOF), version, panel.sessions[ASOF].item())])
        found.append(score(s, timeline).values[: t + 1])
    assert found[0].tobytes() == found[1].tobytes()
    check_finite(name, found[0][ASOF + 1 :], np.repeat(samples.mask[ASOF + 1 : t + 1, :, None], found[0].shape[2], 2))


@pytest.mark.parametrize("name", ALL)
def test_the_same_fit_twice_gives_the_same_bytes(name):
    samples = market_samples()[1]
    first, second = (ALL[name].fit(samples, ASOF, seed=1) for _ in range(2))
    assert first.id == second.id
    assert bytes_of(first) == bytes_of(second)


@pytest.mark.parametrize("name", ALL)
def test_a_cut_panel_gives_the_same_version_as_the_whole(name):
    panel, samples = market_samples()
    cut = samples_of(panel.upto(ASOF))
    assert ALL[name].fit(cut, ASOF, seed=1).id == ALL[name].fit(samples, ASOF, seed=1).id


@pytest.mark.parametrize("name", [n for n in ALL if n != "momentum"])
def test_training_labels_end_before_asof_and_moving_the_last_known_one_matters(name):
    """The check above would hold for a recipe that ignores its labels: this one would not."""
    samples = market_samples()[1]
    t, n = samples.upto(ASOF).rows(0, ASOF - 41, ASOF - 41)
    assert (samples.labels.end[t, n] <= ASOF).all()
    values, returns = samples.labels.values.copy(), samples.labels.returns.copy()
    values[t[-60:], n[-60:]] = 2 - values[t[-60:], n[-60:]]
    returns[t[-60:], n[-60:]] *= -1
    changed = replace(samples, labels=replace(samples.labels, values=values, returns=returns))
    assert ALL[name].fit(changed, ASOF, seed=1).id != ALL[name].fit(samples, ASOF, seed=1).id
