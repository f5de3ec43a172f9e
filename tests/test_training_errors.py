"""What training says to bad input, a full disk and an interruption, and that nothing half-written is left."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstrategies.errors import DataError, FitError, RegistryError
from nnstrategies.training import FitStore, RefitPlan, RidgeRecipe, load_version, save_version, walk_forward
from tests.small_samples import ALL, LSTM, market_samples

ASOF = 370
PANEL, SAMPLES = market_samples()


def with_value(value, back, column=1):
    """The samples with one feature of one masked window set to ``value``, ``back`` sessions before its end."""
    t, n = (int(axis[50]) for axis in SAMPLES.rows(0, 320, 320))
    values = SAMPLES.features.values.copy()
    values[n, t - back, column] = value
    return replace(SAMPLES, features=replace(SAMPLES.features, values=values)), t, n


# -- data that cannot be trained on ----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("back", [0, 7])
@pytest.mark.parametrize("name", ["ridge", "lstm", "gradient_boosting"])
def test_a_feature_that_is_not_finite_inside_a_window_is_named(name, back, value):
    broken, _, n = with_value(value, back)
    with pytest.raises(
        FitError, match=r"training windows are not finite, the first that of \S+ ending \S+, in"
    ) as told:
        ALL[name].fit(broken, ASOF, seed=1)
    assert SAMPLES.features.symbols[n] in str(told.value)
    assert "volume_surprise_1" in str(told.value)
    assert "Samples.build" in str(told.value)


def test_the_mask_that_build_makes_leaves_such_a_window_out():
    broken, t, n = with_value(np.nan, 7)
    built = type(SAMPLES).build(PANEL, broken.features, SAMPLES.labels, SAMPLES.window)
    assert SAMPLES.mask[t, n]
    assert not built.mask[t, n]
    assert RidgeRecipe().fit(built, ASOF, seed=1).manifest["training_rows"] > 0


def test_one_class_and_too_few_sessions_leave_the_store_empty(tmp_path):
    one = replace(SAMPLES.labels, values=np.where(np.isfinite(SAMPLES.labels.values), 1, np.nan).astype(np.float32))
    for samples, refits, said in (
        (replace(SAMPLES, labels=one), [ASOF], "expected at least two of 3 classes"),
        (SAMPLES, [45], "expected at least one window of 60 sessions, got 46"),
    ):
        samples = replace(samples, window=60) if "60" in said else samples
        with pytest.raises(FitError, match=said):
            walk_forward(samples, PANEL.calendar, LSTM, (1,), refits, store=FitStore(tmp_path))
        assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize("end", [100, 40, PANEL.T, -2])
def test_a_label_whose_end_would_let_the_future_in_is_refused(end):
    wrong = SAMPLES.labels.end.copy()
    wrong[100, 3] = end
    with pytest.raises(
        DataError, match=rf"from 101 to {PANEL.T - 1} for row 100, or -1 for none; got {end} in column 3"
    ):
        replace(SAMPLES.labels, end=wrong)
    with pytest.raises(DataError, match=r"expected values, end and returns of one shape"):
        replace(SAMPLES.labels, end=wrong[:-1])


@settings(max_examples=12)
@given(st.integers(0, 2**16))
def test_a_label_that_outlives_the_purge_is_never_trained_on(seed):
    """Exits delayed at random, as by suspensions: no value of a label that ends in validation or later matters."""
    generator = np.random.default_rng(seed)
    labels = SAMPLES.labels
    delayed = np.minimum(labels.end + generator.integers(0, 60, labels.end.shape), PANEL.T - 1)
    end = np.where(labels.end >= 0, delayed, -1)
    late = end > ASOF
    noise = np.where(late, 2.0 - labels.values, labels.values).astype(np.float32)
    returns = np.where(late, -labels.returns, labels.returns).astype(np.float32)
    first, other = (
        RidgeRecipe().fit(replace(SAMPLES, labels=one), ASOF, seed=1)
        for one in (replace(labels, end=end), replace(labels, end=end, values=noise, returns=returns))
    )
    assert first.id == other.id


# -- a full disk -----------------------------------------------------------------------------------------------------


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def full_after(monkeypatch):
    """full_after(k): the k-th write from now on, and all later ones, find no space and leave half of their bytes."""
    real, count = Path.write_bytes, {"left": None}

    def write(path, data):
        if count["left"] is not None:
            count["left"] -= 1
            if count["left"] < 0:
                real(path, data[: len(data) // 2])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", write)
    monkeypatch.setattr(Path, "write_text", lambda path, text, encoding=None: write(path, text.encode(encoding)))

    def arm(most):
        count["left"] = most

    return arm


SAID = r"could not be written: No space left on device; free space there .* what was finished before is kept"


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_full_disk_leaves_no_part_of_a_version(tmp_path, full_after, writes):
    version = LSTM.fit(SAMPLES, ASOF, seed=1)
    full_after(writes)
    with pytest.raises(RegistryError, match=rf"version .*{version.id}: {SAID}") as told:
        save_version(version, tmp_path)
    assert told.value.exit_code == 5
    assert list(tmp_path.iterdir()) == []
    full_after(None)
    assert load_version(save_version(version, tmp_path)).id == version.id


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path, full_after):
    stored = replace(LSTM, checkpoints=str(tmp_path))
    full_after(1)
    with pytest.raises(RegistryError, match=rf"checkpoint .*lstm-1-\S+safetensors: {SAID}"):
        stored.fit(SAMPLES, ASOF, seed=1)
    assert len(files(tmp_path)) == 1
    full_after(None)
    ticks = []
    resumed = stored.fit(SAMPLES, ASOF, seed=1, progress=ticks.append)
    assert min(tick.epoch for tick in ticks) == 2
    assert resumed.id == LSTM.fit(SAMPLES, ASOF, seed=1).id


@pytest.mark.parametrize("writes", range(8))
def test_a_walk_forward_on_a_full_disk_goes_on_once_there_is_space(tmp_path, full_after, writes):
    """Two ridge fits are eight writes: three files a version and one entry each."""
    expected = walk_forward(SAMPLES, PANEL.calendar, RidgeRecipe(), (1,), [340, 370])[1].to_json()
    full_after(writes)
    with pytest.raises(RegistryError, match=SAID):
        walk_forward(SAMPLES, PANEL.calendar, RidgeRecipe(), (1,), [340, 370], store=FitStore(tmp_path))
    assert not [name for name in files(tmp_path) if "/." in name]
    assert all(load_version(folder) for folder in (tmp_path / "versions").glob("*"))
    full_after(None)
    done = walk_forward(SAMPLES, PANEL.calendar, RidgeRecipe(), (1,), [340, 370], store=FitStore(tmp_path))
    assert done[1].to_json() == expected


def test_a_full_disk_ends_the_command_line_with_exit_code_5(monkeypatch, capsys):
    from nnstrategies import cli

    def full(*arguments, **settings):
        raise RegistryError("version runs/x: could not be written: No space left on device; free space there")

    monkeypatch.setattr(cli, "app", full)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 5
    assert capsys.readouterr().err.startswith("RegistryError: version runs/x: could not be written: No space left")


# -- interruptions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [1, 2])
def test_ctrl_c_inside_a_fit_leaves_whole_files_and_torch_as_it_was(tmp_path, epoch):
    store, before = FitStore(tmp_path), (torch.get_num_threads(), torch.get_rng_state())

    def interrupt(tick):
        if tick.epoch == epoch:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        walk_forward(SAMPLES, PANEL.calendar, LSTM, (1,), [340], store=store, progress=interrupt)
    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    assert not torch.are_deterministic_algorithms_enabled()
    assert len(files(tmp_path)) == epoch - 1
    done = walk_forward(SAMPLES, PANEL.calendar, LSTM, (1,), [340], store=store)[1]
    assert done.entries[0].version.id == LSTM.fit(SAMPLES, 340, seed=1).id


PLAN = RefitPlan((340, 360, 380, 395), start="warm", gate=True, reset_months=2)
RECIPE = replace(LSTM, epochs=5, patience=5)


def work(folder):
    os.setsid()  # a group of its own, which a terminal's Ctrl-C or a kill reaches as a whole
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores Ctrl-C
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    done = walk_forward(SAMPLES, PANEL.calendar, RECIPE, (1, 2), PLAN, 2, store=FitStore(folder, "cpu"))
    text = json.dumps({seed: timeline.to_json() for seed, timeline in done.items()}, sort_keys=True)
    (folder / "timelines.json").write_text(text, encoding="utf-8")


def begin(folder):
    """The walk-forward in two workers of a process of its own; forked, so that nothing is imported again."""
    process = multiprocessing.get_context("fork").Process(target=work, args=(folder,))
    process.start()
    return process


def until(holds, process, seconds=60):
    deadline = time.monotonic() + seconds
    while not holds() and process.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def finish(folder):
    process = begin(folder)
    process.join()
    assert process.exitcode == 0
    return (folder / "timelines.json").read_bytes()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return finish(folder), files(folder / "versions")


def test_ctrl_c_in_workers_ends_all_of_them_and_the_rest_is_done_later(tmp_path, uninterrupted):
    process = begin(tmp_path)
    until(lambda: len(list(tmp_path.glob("fits/*/*.json"))) >= 1, process)
    os.killpg(process.pid, signal.SIGINT)
    process.join()
    assert process.exitcode != 0
    with pytest.raises(ProcessLookupError):  # no worker outlives it
        os.killpg(process.pid, 0)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("fits/*/*.json")}
    assert 1 <= len(kept) < 8
    assert finish(tmp_path) == uninterrupted[0]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def _jsons(folder) -> int:
    """How many there are; folders may vanish meanwhile, which rglob does not bear."""
    return sum(name.endswith(".json") for _, _, names in os.walk(folder) for name in names)


def test_kill_9_at_random_moments_ends_in_the_same_hashes(tmp_path, uninterrupted):
    """Each kill comes a moment after the next files appear; what was finished is never done again."""
    generator = random.Random(9)
    for _ in range(3):
        before = _jsons(tmp_path) + generator.randrange(1, 3)
        process = begin(tmp_path)
        until(lambda most=before: _jsons(tmp_path) >= most, process)
        time.sleep(generator.uniform(0, 0.05))
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
        assert all(path.read_text(encoding="utf-8").endswith("}") for path in tmp_path.glob("fits/*/[!.]*.json"))
        assert all(load_version(folder) for folder in (tmp_path / "versions").glob("[!.]*"))
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("fits/*/[!.]*.json")}
    assert kept
    assert finish(tmp_path) == uninterrupted[0]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert [name for name in files(tmp_path / "versions") if name[0] != "."] == uninterrupted[1]
