"""Versions on disk and timelines: immutable, complete, without pickle."""

from __future__ import annotations

import datetime as dt
import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from nnstrategies.errors import RegistryError
from nnstrategies.training import Entry, Timeline, load_version, save_version
from tests.small_samples import ALL, LSTM, market_samples

ASOF = 370
DAY = dt.date(2020, 1, 2)


def later(days):
    return DAY + dt.timedelta(days=days)


@pytest.mark.parametrize("name", ALL)
def test_a_loaded_version_is_the_saved_one(tmp_path, name):
    samples = market_samples()[1]
    version = ALL[name].fit(samples, ASOF, seed=1)
    folder = save_version(version, tmp_path, effective_from=DAY)
    loaded = load_version(folder)
    assert folder.name == version.id == loaded.id
    assert (loaded.outputs, loaded.units, loaded.metrics) == (version.outputs, version.units, version.metrics)
    mask = samples.mask[ASOF + 1]
    one, other = (v.predict(samples.features, mask, ASOF + 1) for v in (version, loaded))
    assert one.tobytes() == other.tobytes()
    assert np.isfinite(one[mask]).all()
    assert np.isnan(one[~mask]).all()


def test_the_folder_holds_no_pickle_and_says_what_made_it(tmp_path):
    samples = market_samples()[1]
    folder = save_version(LSTM.fit(samples, ASOF, seed=1), tmp_path, effective_from=DAY)
    assert sorted(p.name for p in folder.iterdir()) == ["manifest.json", "scaler.safetensors", "weights.safetensors"]
    outer = json.loads((folder / "manifest.json").read_text())
    assert outer["effective_from"] == "2020-01-02"
    told = outer["version"]
    assert told["features"]["hash"] == samples.features.set_hash
    assert told["trained_through"] == str(samples.features.sessions[ASOF])
    assert {"config", "data", "code", "seed", "metrics", "label", "window", "history"} <= set(told)


def test_saving_twice_leaves_the_first_folder_alone(tmp_path):
    samples = market_samples()[1]
    version = LSTM.fit(samples, ASOF, seed=1)
    folder = save_version(version, tmp_path)
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()}
    assert save_version(version, tmp_path, effective_from=DAY) == folder
    assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == [version.id]


@pytest.mark.parametrize("name", ["manifest.json", "weights.safetensors"])
def test_changed_or_missing_files_are_refused(tmp_path, name):
    folder = save_version(LSTM.fit(market_samples()[1], ASOF, seed=1), tmp_path)
    data = bytearray((folder / name).read_bytes())
    data[-40] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(RegistryError, match="version"):
        load_version(folder)
    (folder / name).unlink()
    with pytest.raises(RegistryError, match="not a complete version folder"):
        load_version(folder)


def test_features_of_another_set_are_refused():
    samples = market_samples()[1]
    version = ALL["ridge"].fit(samples, ASOF, seed=1)
    other = replace(samples.features, set_hash="0" * 64)
    with pytest.raises(RegistryError, match="trained on feature set"):
        version.predict(other, samples.mask[ASOF], ASOF)


@pytest.mark.parametrize("name", ALL)
def test_a_version_travels_between_processes(name):
    samples = market_samples()[1]
    version = ALL[name].fit(samples, ASOF, seed=1)
    version.predict(samples.features, samples.mask[ASOF], ASOF)
    copy = pickle.loads(pickle.dumps(version))
    assert copy.id == version.id
    a, b = (v.predict(samples.features, samples.mask[ASOF], ASOF) for v in (version, copy))
    assert a.tobytes() == b.tobytes()


def test_a_timeline_gives_the_version_in_force():
    samples = market_samples()[1]
    first, second = (ALL["ridge"].fit(samples, asof, seed=1) for asof in (330, 370))
    timeline = Timeline([Entry(later(1), first, later(0)), Entry(later(30), second, later(29))])
    assert timeline.at(later(0)) is None
    assert timeline.at(later(1)) is first
    assert timeline.at(np.datetime64(later(29))) is first
    assert timeline.at(later(30)) is second
    assert timeline.at(later(999)) is second
    rows = timeline.to_json()
    assert [row["version"] for row in rows] == [first.id, second.id]
    assert rows[0]["decision"] == "promoted"
    json.dumps(rows)


def test_a_timeline_is_append_only_and_never_ahead_of_its_data():
    version = ALL["ridge"].fit(market_samples()[1], ASOF, seed=1)
    timeline = Timeline([Entry(later(10), version, later(9))])
    with pytest.raises(RegistryError, match="the past is never changed"):
        timeline.append(Entry(later(10), version, later(8)))
    with pytest.raises(RegistryError, match="cannot be in force"):
        timeline.append(Entry(later(20), version, later(20)))
    assert len(timeline.entries) == 1
