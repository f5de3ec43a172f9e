"""Refits through time: jobs, promotion, and scores that are the same however they are computed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnstrategies.errors import DataError, FitError
from nnstrategies.predictors import score
from nnstrategies.training import Incumbent, RefitPlan, Timeline, walk_forward
from tests.small_samples import ALL, CNN_LSTM, LSTM, market_samples

REFITS = [340, 360, 380]


@pytest.mark.parametrize("name", ["lstm", "gradient_boosting"])
def test_processes_and_this_process_give_the_same_versions(name):
    panel, samples = market_samples()
    seeds = (1, 2, 3)
    here = walk_forward(samples, panel.calendar, ALL[name], seeds, REFITS[:2])
    there = walk_forward(samples, panel.calendar, ALL[name], seeds, REFITS[:2], workers=2)
    for seed in seeds:
        assert there[seed].to_json() == here[seed].to_json()
        a, b = (score(samples, timelines[seed]).values for timelines in (here, there))
        assert a.tobytes() == b.tobytes()


def test_a_version_is_in_force_from_the_session_after_its_data():
    panel, samples = market_samples()
    timeline = walk_forward(samples, panel.calendar, ALL["ridge"], (1,), REFITS)[1]
    for row, entry in zip(REFITS, timeline.entries, strict=True):
        assert entry.effective_from == panel.sessions[row + 1].item()
        assert entry.version.manifest["trained_through"] == str(panel.sessions[row])
        assert timeline.at(panel.sessions[row]) is not entry.version
        assert timeline.at(panel.sessions[row + 1]) is entry.version


def test_a_refit_on_the_last_session_is_in_force_the_day_after():
    panel, samples = market_samples()
    (entry,) = walk_forward(samples, panel.calendar, ALL["ridge"], (1,), [panel.T - 1])[1].entries
    assert entry.effective_from > entry.trained_through == panel.sessions[-1].item()


def test_reports_come_from_processes_too():
    panel, samples = market_samples()
    ticks = []
    walk_forward(samples, panel.calendar, LSTM, (1, 2), REFITS[:2], workers=2, progress=ticks.append)
    assert {tick.seed for tick in ticks} == {1, 2}
    assert {tick.fits for tick in ticks} == {2}


def test_an_error_in_a_process_is_raised_here():
    panel, samples = market_samples()
    with pytest.raises(FitError, match="no training rows"):
        walk_forward(samples, panel.calendar, ALL["ridge"], (1, 2), [100, 200], workers=2)


def test_refit_rows_must_rise():
    panel, samples = market_samples()
    with pytest.raises(DataError, match="expected rising refit rows"):
        walk_forward(samples, panel.calendar, ALL["ridge"], (1,), [360, 340])


# -- promotion -------------------------------------------------------------------------------------------------------


def test_a_worse_candidate_is_not_promoted():
    samples = market_samples()[1]
    good = replace(LSTM, epochs=6).fit(samples, 340, seed=1)
    ruined = replace(LSTM, epochs=1, lr=3.0, clip_norm=100.0)
    assert ruined.fit(samples, 360, seed=1, incumbent=Incumbent(good)) is good
    fresh = ruined.fit(samples, 360, seed=1)
    assert fresh.metrics["valid_loss"] > good.metrics["valid_loss"]


def test_a_better_candidate_is_promoted_and_says_where_it_started():
    _, samples = market_samples()
    poor = replace(LSTM, epochs=1, lr=3.0, clip_norm=100.0).fit(samples, 340, seed=1)
    candidate = replace(LSTM, epochs=6).fit(samples, 360, seed=1, incumbent=Incumbent(poor))
    assert candidate is not poor
    assert candidate.manifest["warm_from"] == poor.id


def test_warm_refits_start_from_the_model_in_force_and_record_decisions():
    panel, samples = market_samples()
    warm = walk_forward(samples, panel.calendar, LSTM, (1,), RefitPlan(tuple(REFITS), start="warm", gate=True))[1]
    cold = walk_forward(samples, panel.calendar, LSTM, (1,), REFITS)[1]
    assert [e.decision for e in cold.entries] == ["promoted"] * 3
    assert warm.entries[0].version.id == cold.entries[0].version.id
    for before, entry in zip(warm.entries[:-1], warm.entries[1:], strict=True):
        kept = entry.version is before.version
        assert entry.decision == ("kept incumbent" if kept else "promoted")
        assert kept or entry.version.manifest["warm_from"] == before.version.id


def test_an_incumbent_of_another_shape_is_refused():
    _, samples = market_samples()
    other = CNN_LSTM.fit(samples, 340, seed=1)
    with pytest.raises(FitError, match="its model is cnn_lstm, expected lstm"):
        LSTM.fit(samples, 360, seed=1, incumbent=Incumbent(other))


# -- scores ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["buy_hold_sell", "up_down", "return"])
@pytest.mark.parametrize("name", ALL)
def test_a_date_alone_scores_the_same_bytes_as_in_the_pass(name, kind):
    panel, samples = market_samples(kind)
    timeline = walk_forward(samples, panel.calendar, ALL[name], (1,), REFITS)[1]
    scores = score(samples, timeline)
    assert scores.names == timeline.entries[0].version.outputs
    assert np.isnan(scores.values[: REFITS[0] + 1]).all()
    covered = samples.mask[REFITS[0] + 1 :]
    assert np.isfinite(scores.column()[REFITS[0] + 1 :][covered]).all()
    for t in (341, 361, 399):
        version = timeline.at(panel.sessions[t])
        alone = version.predict(samples.features.upto(t), samples.mask[t], t)  # what is known live, and no more
        assert alone.tobytes() == scores.values[t].tobytes()
        assert scores.versions[scores.version[t]] == version.id


def test_more_symbols_in_the_market_change_no_score():
    _, samples = market_samples()
    version = CNN_LSTM.fit(samples, 360, seed=1)
    t, keep = 365, np.flatnonzero(samples.mask[365])
    features = samples.features
    fewer = replace(features, symbols=tuple(features.symbols[n] for n in keep), values=features.values[keep].copy())
    whole = version.predict(features, samples.mask[t], t)[keep]
    assert version.predict(fewer, np.ones(len(keep), dtype=bool), t).tobytes() == whole.tobytes()


def test_classes_become_probabilities_and_a_score():
    _, samples = market_samples()
    out = LSTM.fit(samples, 360, seed=1).predict(samples.features, samples.mask[365], 365)[samples.mask[365]]
    assert np.allclose(out[:, 1:].sum(axis=1), 1, atol=1e-6)
    assert np.allclose(out[:, 0], out[:, 3] - out[:, 1], atol=1e-6)
    _, two = market_samples("up_down")
    out = LSTM.fit(two, 360, seed=1).predict(two.features, two.mask[365], 365)[two.mask[365]]
    assert np.allclose(out[:, 0], out[:, 1] - 0.5, atol=1e-6)


def test_only_the_rows_asked_for_are_scored():
    panel, samples = market_samples()
    timeline = walk_forward(samples, panel.calendar, ALL["ridge"], (1,), REFITS)[1]
    some = score(samples, timeline, [350, 390])
    assert np.flatnonzero(np.isfinite(some.column()).any(axis=1)).tolist() == [350, 390]
    assert np.flatnonzero(some.version >= 0).tolist() == [350, 390]
    with pytest.raises(DataError, match="the timeline is empty"):
        score(samples, Timeline())
