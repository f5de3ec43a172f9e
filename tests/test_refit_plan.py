"""Refits through time: which depend on each other, what is kept of a killed walk-forward, one function for live too."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnstrategies.errors import ConfigError, RegistryError
from nnstrategies.training import (
    EnsembleRecipe,
    FitStore,
    GroupedRecipe,
    Incumbent,
    RefitPlan,
    RidgeRecipe,
    update,
    walk_forward,
)
from nnstrategies.training.walkforward import chain
from tests.small_samples import CNN_LSTM, LSTM, market_samples

PANEL, SAMPLES = market_samples()
CALENDAR = PANEL.calendar
MONTHLY = (335, 350, 365, 380, 395)
WARM = RefitPlan(MONTHLY, start="warm", gate=True)


# -- chains ----------------------------------------------------------------------------------------------------------


def test_refits_from_scratch_are_independent_of_each_other():
    assert RefitPlan(MONTHLY).chains(CALENDAR) == [(row,) for row in MONTHLY]


def test_warm_refits_are_one_chain_and_a_reset_begins_another():
    assert WARM.chains(CALENDAR) == [MONTHLY]
    cut = replace(WARM, reset_months=2).chains(CALENDAR)
    begun = [int(CALENDAR.months[rows[0]]) for rows in cut]
    assert len(cut) > 1
    assert all(later - earlier >= 2 for earlier, later in itertools.pairwise(begun))


@given(
    rows=st.sets(st.integers(0, PANEL.T - 1), min_size=1).map(sorted),
    reset=st.none() | st.integers(1, 30),
    start=st.sampled_from(["scratch", "warm"]),
)
def test_chains_hold_every_refit_once_and_none_outlives_its_reset(rows, reset, start):
    plan = RefitPlan(tuple(rows), start, gate=True, reset_months=reset)
    chains = plan.chains(CALENDAR)
    assert [row for one in chains for row in one] == rows
    for one in chains:
        months = int(CALENDAR.months[one[-1]] - CALENDAR.months[one[0]])
        assert reset is None or months < reset


def test_a_reset_without_anything_to_reset_is_refused():
    with pytest.raises(ConfigError, match="reset_months belongs to start: warm or gate: true"):
        RefitPlan(MONTHLY, reset_months=6)
    with pytest.raises(ConfigError, match="reset_months: expected at least 1, or none, got 0"):
        replace(WARM, reset_months=0)


# -- what a refit starts from ----------------------------------------------------------------------------------------


def test_a_reset_starts_from_scratch_and_is_promoted():
    plan = RefitPlan(MONTHLY, start="warm", gate=True, reset_months=2)
    first = {rows[0] for rows in plan.chains(CALENDAR)}
    entries = walk_forward(SAMPLES, CALENDAR, LSTM, (1,), plan)[1].entries
    for row, entry in zip(MONTHLY, entries, strict=True):
        if row in first:
            assert entry.decision == "promoted"
            assert entry.version.id == LSTM.fit(SAMPLES, row, seed=1).id
        elif entry.decision == "promoted":
            assert entry.version.manifest["warm_from"] is not None


def test_a_gate_without_a_warm_start_fits_from_scratch_and_keeps_the_better():
    gated = walk_forward(SAMPLES, CALENDAR, LSTM, (1,), RefitPlan(MONTHLY[:3], gate=True))[1]
    fresh = walk_forward(SAMPLES, CALENDAR, LSTM, (1,), MONTHLY[:3])[1]
    before = None
    for one, other in zip(gated.entries, fresh.entries, strict=True):
        expected = before if one.decision == "kept incumbent" else other.version.id
        assert one.version.id == expected
        before = one.version.id
    ruined = replace(LSTM, epochs=1, lr=3.0, clip_norm=100.0)
    good = LSTM.fit(SAMPLES, 340, seed=1)
    assert ruined.fit(SAMPLES, 360, seed=1, incumbent=Incumbent(good, warm=False)) is good
    assert ruined.fit(SAMPLES, 360, seed=1, incumbent=Incumbent(good, gate=False)).id != good.id


def test_the_function_that_live_calls_once_a_month_makes_the_backtests_timeline():
    timeline = walk_forward(SAMPLES, CALENDAR, LSTM, (1,), WARM)[1]
    incumbent = None
    for row, expected in zip(MONTHLY, timeline.entries, strict=True):
        known = replace(SAMPLES.upto(row))  # live has no more than this
        entry = update(known, CALENDAR, LSTM, 1, row, incumbent)
        assert (entry.version.id, entry.decision, entry.effective_from) == (
            expected.version.id,
            expected.decision,
            expected.effective_from,
        )
        incumbent = Incumbent(entry.version)


def test_other_settings_at_a_later_refit_begin_anew():
    """As a search through time changes them; the network in force has another shape."""
    wider = replace(LSTM, settings={"hidden": 12, "layers": 1})
    entries = walk_forward(SAMPLES, CALENDAR, lambda asof: LSTM if asof < 365 else wider, (1,), WARM)[1].entries
    assert entries[1].version.manifest["config"]["settings"]["hidden"] == 8
    assert entries[2].version.id == wider.fit(SAMPLES, 365, seed=1).id
    assert entries[2].decision == "promoted"


@pytest.mark.parametrize("workers", [1, 2])
def test_chains_in_processes_end_in_the_same_versions(workers):
    plan = RefitPlan(MONTHLY, start="warm", gate=True, reset_months=2)
    here = walk_forward(SAMPLES, CALENDAR, CNN_LSTM, (1, 2), plan)
    there = walk_forward(SAMPLES, CALENDAR, CNN_LSTM, (1, 2), plan, workers=workers)
    assert {s: t.to_json() for s, t in there.items()} == {s: t.to_json() for s, t in here.items()}


# -- embargo and sliding windows -------------------------------------------------------------------------------------


def test_an_embargo_leaves_out_the_last_days_before_asof():
    plain, apart = RidgeRecipe(), RidgeRecipe(embargo_days=15)
    rows = SAMPLES.upto(340).rows(0, 325, 325)
    assert apart.fit(SAMPLES, 340, 1).manifest["training_rows"] == len(rows[0])
    assert plain.fit(SAMPLES, 340, 1).manifest["training_rows"] > len(rows[0])


def test_a_sliding_window_forgets_what_an_expanding_one_keeps():
    changed = SAMPLES.labels.returns.copy()
    changed[:290] *= -1
    other = replace(SAMPLES, labels=replace(SAMPLES.labels, returns=changed))
    sliding, expanding = RidgeRecipe(train_days=50), RidgeRecipe()
    assert sliding.fit(SAMPLES, 340, 1).id == sliding.fit(other, 340, 1).id
    assert expanding.fit(SAMPLES, 340, 1).id != expanding.fit(other, 340, 1).id


# -- what is kept of a killed run ------------------------------------------------------------------------------------


class Killed(Exception):
    """Stands for kill -9."""


def test_a_walk_forward_killed_after_any_fit_repeats_only_the_rest(tmp_path):
    expected = walk_forward(SAMPLES, CALENDAR, LSTM, (1,), WARM)[1].to_json()
    fits = []

    def counting(stop_after):
        class Counting(type(LSTM)):
            def fit(self, samples, asof, seed, incumbent=None, progress=None):
                if stop_after is not None and len(fits) >= stop_after:
                    raise Killed
                fits.append(asof)
                return super().fit(samples, asof, seed, incumbent, progress)

        return Counting(**vars(LSTM))

    for stop in range(1, len(MONTHLY)):
        with pytest.raises(Killed):
            walk_forward(SAMPLES, CALENDAR, counting(stop), (1,), WARM, store=FitStore(tmp_path))
    done = walk_forward(SAMPLES, CALENDAR, counting(None), (1,), WARM, store=FitStore(tmp_path))[1]
    assert fits == list(MONTHLY)
    assert done.to_json() == expected
    assert not list((tmp_path / "checkpoints").rglob("*.safetensors"))


def test_a_fit_killed_between_epochs_goes_on_inside_it(tmp_path):
    store = FitStore(tmp_path)
    day = CALENDAR.sessions[335].item()

    def stop(tick):
        if tick.epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        walk_forward(SAMPLES, CALENDAR, LSTM, (1,), MONTHLY[:1], store=store, progress=stop)
    (state,) = (tmp_path / "checkpoints" / "lstm" / f"1-{day}").glob("*.safetensors")
    seen = []
    done = walk_forward(SAMPLES, CALENDAR, LSTM, (1,), MONTHLY[:1], store=store, progress=seen.append)[1]
    assert {tick.epoch for tick in seen} == {2, 3}
    assert done.entries[0].version.id == LSTM.fit(SAMPLES, 335, seed=1).id
    assert not state.exists()


def test_a_damaged_fit_says_which_file_to_delete(tmp_path):
    store = FitStore(tmp_path)
    walk_forward(SAMPLES, CALENDAR, RidgeRecipe(), (1,), MONTHLY[:1], store=store)
    (path,) = (tmp_path / "fits").rglob("*.json")
    path.write_text("{", encoding="utf-8")
    with pytest.raises(RegistryError, match=r"not readable .* delete it to fit that date anew"):
        store.load(RidgeRecipe(), 1, CALENDAR.sessions[335].item())
    assert store.load(RidgeRecipe(), 1, dt.date(2030, 1, 1)) is None


def test_a_stored_fit_of_other_settings_is_refused(tmp_path):
    store = FitStore(tmp_path)
    walk_forward(SAMPLES, CALENDAR, RidgeRecipe(), (1,), MONTHLY[:1], store=store)
    with pytest.raises(RegistryError, match="was made with other settings of ridge than now"):
        walk_forward(SAMPLES, CALENDAR, RidgeRecipe(penalty=10.0), (1,), MONTHLY[:1], store=store)
    again = walk_forward(SAMPLES, CALENDAR, RidgeRecipe(), (1,), MONTHLY[:1], store=store)[1]
    assert again.entries[0].version.id == RidgeRecipe().fit(SAMPLES, MONTHLY[0], 1).id


def test_a_stored_fit_is_that_of_an_equal_recipe_whose_keys_come_in_another_order(tmp_path):
    store, day = FitStore(tmp_path), CALENDAR.sessions[MONTHLY[0]].item()
    members = {"weak": RidgeRecipe(), "strong": RidgeRecipe(penalty=10.0)}
    turned = dict(reversed(members.items()))
    pairs = [
        [EnsembleRecipe(named, seeds=(1,), weights="equal") for named in (members, turned)],
        [GroupedRecipe(RidgeRecipe(name="each"), named) for named in (members, turned)],
        [replace(LSTM, epochs=1, settings=some) for some in (LSTM.settings, dict(reversed(LSTM.settings.items())))],
    ]
    for first, second in pairs:
        assert first == second
        walk_forward(SAMPLES, CALENDAR, first, (1,), MONTHLY[:1], store=store)
        assert store.load(second, 1, day) is not None


def test_one_chain_is_what_a_job_does():
    rows = MONTHLY[:2]
    entries = chain(SAMPLES, CALENDAR, lambda asof: RidgeRecipe(), 1, RefitPlan(MONTHLY), rows)
    assert [entry.trained_through for entry in entries] == [CALENDAR.sessions[row].item() for row in rows]
    assert np.all([entry.decision == "promoted" for entry in entries])
