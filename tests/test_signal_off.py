"""A system's own test keeps its size where there is no signal, and its leaks are what the benchmark says."""

from __future__ import annotations

import numpy as np
import pytest
import signal_off
from leak_rows import compared, figures, leaky_variants, walks
from signal_off import most, p_values
from small_systems import CONFIGS, headline_alone, shipped, small_tree

from nnstrategies.config import parse, read_config
from nnstrategies.pipeline.folder import RunFolder
from nnstrategies.pipeline.manifest import leaks
from nnstrategies.pipeline.run import Run

SEEDS = range(7_000, 7_008)


def test_without_a_signal_the_filter_of_s4_and_its_factors_reject_no_more_than_chance():
    found = p_values("S4", SEEDS)
    assert set(found) == {"factors", "lstm"}
    for values in found.values():
        assert len(values) == len(SEEDS)
        assert all(0.05 <= value <= 1 for value in values)
        assert sum(value <= 0.05 for value in values) <= most(len(SEEDS)) == 3


def test_a_model_whose_scores_do_not_vary_finds_nothing(monkeypatch):
    monkeypatch.setattr(signal_off, "trained", lambda config, folder: None)
    monkeypatch.setattr(signal_off, "evidence_of", lambda run: {"lstm": {"p_value": None}})
    assert p_values("S3", [1, 2]) == {"lstm": [1.0, 1.0]}


def test_the_bound_is_the_binomials():
    assert (most(40), most(40, 0.2)) == (6, 15)


@pytest.mark.parametrize("system", shipped())
def test_a_small_system_keeps_what_its_config_says(system):
    whole, small = read_config(CONFIGS[system]), parse(small_tree(system), system)
    alone = headline_alone(small_tree(system))
    assert (small.features, small.headline, small.measure) == (whole.features, whole.headline, whole.measure)
    assert {name: type(recipe) for name, recipe in small.recipes.items()} == {
        name: type(recipe) for name, recipe in whole.recipes.items()
    }
    assert set(alone.recipes) == set(whole.traded[whole.headline].recipes)
    assert small.label == whole.label


@pytest.mark.parametrize("system", shipped())
def test_what_is_called_leaky_is_what_a_run_says_it_leaks(system, tmp_path):
    config = read_config(CONFIGS[system])
    for name in leaky_variants(config):
        assert leaks(Run(RunFolder(tmp_path), headline_alone(small_tree(system), name)))
    assert not leaks(Run(RunFolder(tmp_path), headline_alone(small_tree(system))))


def test_a_wavelet_over_the_whole_series_makes_direction_out_of_nothing():
    """On random walks a linear reader of the leaky inputs beats chance by far, one of the honest inputs does not."""
    few = {"recipes.sequence_lstm.epochs": 1, "recipes.sequence_lstm.stride_days": 5}
    honest, leaky = [], []
    for seed in (1, 2):
        tree = walks("S5", seed)
        for key, value in few.items():
            section, name, setting = key.split(".")
            tree[section][name][setting] = value
        honest.append(figures(headline_alone(tree))["linear, direction"])
        leaky.append(figures(headline_alone(tree, "wavelet_whole_series"))["linear, direction"])
    assert np.mean(honest) == pytest.approx(0.5, abs=0.04)  # 1,400 days: three standard errors
    assert np.mean(leaky) > 0.56


def test_members_of_the_last_day_are_compared_by_their_models_and_by_what_they_earned():
    found = {figure.what: figure for figure in compared("S1", "leaky_members", [1, 2], {})}
    assert {"cnn, rank IC", "members, return a year"} <= set(found)
    for figure in found.values():
        assert figure.honest != figure.leaky
