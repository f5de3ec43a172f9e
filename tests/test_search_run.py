"""A search inside a whole run: killed and resumed, its choices used in time, its trials and the run's in the ledger."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner, Result

from nnstrategies import pipeline
from nnstrategies.cli import app
from nnstrategies.config import parse, read_config
from nnstrategies.trials import TrialLedger, standing

ROOT = Path(__file__).resolve().parents[1]
FEATURES = ["ret_1", "ret_5", "rank_ret_1", "volume_surprise_1"]
CONFIG = {
    "name": "tiny",
    "data": {"source": "simulated", "symbols": 20, "members": 16, "sessions": 340, "seed": 3, "listing_sessions": 60},
    "features": FEATURES,
    "window": 4,
    "label": {"kind": "buy_hold_sell", "horizon_days": 5},
    "walk_forward": {"first_test": "2015-11-02", "refit": "month"},
    "recipes": {"ridge": {"kind": "ridge"}, "reversal": {"kind": "momentum", "feature": "ret_5"}},
    "headline": "ridge",
    "evidence": {"refits": 1},
    "strategy": {"top_n": 5},
    "workers": 2,
    "search": {
        "recipe": "ridge",
        "space": {"penalty": {"low": 1e-3, "high": 10, "log": True}, "stride_days": [1, 3]},
        "trials": 12,
        "folds": 3,
        "valid_days": 20,
        "every": "quarter",
    },
}


def write_config(folder: Path, **changes: object) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({**CONFIG, **changes}), encoding="utf-8")
    return path


def command(*arguments: str) -> Result:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, done.exception
    return done


def runs_below(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("runs/*/config.yaml"))


def choices_of(run: Path) -> list[dict[str, object]]:
    return json.loads((run / "search.json").read_text())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a tiny run with searches was made."""
    work = tmp_path_factory.mktemp("finished")
    write_config(work)
    run = pipeline.start(read_config(work / "tiny.yaml"), work / "runs")
    pipeline.train(run)
    pipeline.trade(run)
    return work


def test_each_refit_takes_the_newest_choice_made_by_then(finished):
    (run,) = runs_below(finished)
    choices = choices_of(run)
    assert len(choices) > 2
    for row in json.loads((run / "timeline.json").read_text()):
        if row["recipe"] != "ridge":
            continue
        version = json.loads((run / "versions" / row["version"] / "manifest.json").read_text())["version"]
        newest = [choice for choice in choices if choice["asof"] <= row["asof"]][-1]
        assert version["config"]["penalty"] == newest["params"]["penalty"]
        assert newest["labels_through"] <= newest["asof"] <= row["asof"] < row["effective_from"]


def test_what_came_after_is_reported_apart_from_what_the_folds_showed(finished):
    (run,) = runs_below(finished)
    choices, ics = choices_of(run), pd.read_parquet(run / "ic.parquet").query("recipe == 'ridge'")
    ends = [*(choice["asof"] for choice in choices[1:]), "2100-01-01"]
    for choice, end in zip(choices, ends, strict=True):
        after = ics[(ics["date"] > choice["asof"]) & (ics["date"] <= end)]["rank_ic"].mean()
        assert choice["out_of_sample_rank_ic"] == pytest.approx(after)
        assert choice["optimism"] == pytest.approx(choice["rank_ic"] - after)
        table = pd.read_parquet(run / "search" / f"{choice['asof']}.parquet")
        assert len(table) == 12
        assert table["rank_ic"].iloc[0] == pytest.approx(choice["value"])
    assert sum(choice["out_of_sample_dates"] for choice in choices) == ics["date"].nunique()
    assert "chosen among many, so flattering" in (run / "log.txt").read_text()


def test_every_trial_and_every_portfolio_is_in_the_ledger_with_its_returns(finished):
    (run,) = runs_below(finished)
    contents = TrialLedger(finished / "runs").read()
    assert contents.damaged == ()
    returns = pd.read_parquet(run / "returns.parquet")
    portfolios = {trial.recipe: trial for trial in contents.trials if trial.kind == "run"}
    assert set(portfolios) == {"ridge", "reversal"}
    for name, trial in portfolios.items():
        assert (trial.returns == returns[name].to_numpy()).all()
        assert (trial.dates == returns["date"].to_numpy().astype("datetime64[D]")).all()
    tried = [trial for trial in contents.trials if trial.kind == "search"]
    counted = sum(sum(n for state, n in choice["counts"].items() if state != "repeated") for choice in choices_of(run))
    assert len(tried) == counted
    for trial in tried:
        assert trial.recipe == "ridge"
        assert trial.identity["recipe"]["kind"] == "ridge"
        spans = [(np.datetime64(first), np.datetime64(last)) for _, first, last in trial.identity["folds"]]
        assert all(any(first <= day <= last for first, last in spans) for day in trial.dates)
        assert len(spans) == 3
        assert trial.state == ("complete" if len(trial.values["folds"]) == 3 else "pruned")


def test_a_run_says_after_how_many_trials_its_headline_was_found(finished):
    (run,) = runs_below(finished)
    contents, told = TrialLedger(finished / "runs").read(), json.loads((run / "trials.json").read_text())
    runs = [trial for trial in contents.trials if trial.kind == "run"]
    (headline,) = [trial for trial in runs if trial.recipe == "ridge"]
    found = standing(headline, runs)
    assert told["headline"] == headline.id
    assert told["trials"] == 2
    assert told["searched"] == len(contents.trials) - 2
    assert (told["sharpe"], told["deflated"]) == pytest.approx((found.sharpe, found.deflated))
    assert "found after 2 trials of runs" in (run / "log.txt").read_text()


def test_what_was_tried_before_counts_once_and_a_report_adds_nothing(finished, tmp_path, monkeypatch):
    shutil.copytree(finished / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    before = {path.name: path.read_bytes() for path in Path("runs/trials").iterdir()}
    (run,) = runs_below(tmp_path)
    command("run", "--resume", str(run))
    pipeline.trade(pipeline.reopen(run), again=True)
    assert "0 new; 2 were there already and count once" in (run / "log.txt").read_text()
    write_config(tmp_path, name="renamed", title="Another", workers=1)
    said = command("search", "tiny.yaml").output
    assert {path.name: path.read_bytes() for path in Path("runs/trials").iterdir()} == before
    assert "ridge as of 2015-10-30: " in said
    pipeline.trade(pipeline.reopen(run), str(ROOT / "examples/own_strategy.py") + ":CalmFirst", again=True)
    assert len(list(Path("runs/trials").iterdir())) == len(before) + 1
    listed = command("trials").output
    assert f"{len(before) + 1} different trials" in listed
    assert "tiny/reversal" in listed


def killed(work: Path, arguments: list[str], when: Callable[[], bool]) -> None:
    """Start a command and kill it, with all its processes, as soon as ``when`` holds."""
    process = subprocess.Popen(
        [sys.executable, "-m", "nnstrategies.cli", *arguments],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not when() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_run_killed_while_it_searches_ends_as_if_it_had_not_been(finished, tmp_path):
    write_config(tmp_path)

    def searching() -> bool:
        return any(path.read_bytes().count(b"\n") > 4 for path in tmp_path.glob("runs/*/search/*.journal"))

    killed(tmp_path, ["train", "tiny.yaml"], searching)
    (run,), (whole,) = runs_below(tmp_path), runs_below(finished)
    assert not (run / "search.json").exists()
    assert list(tmp_path.glob("runs/*/search/*.journal"))
    pipeline.train(pipeline.reopen(run))
    for name in ("search.json", "scores.parquet", "evidence.json"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    both = [TrialLedger(folder / "runs").read().trials for folder in (tmp_path, finished)]
    ids = [{trial.id for trial in trials if trial.kind == "search"} for trials in both]
    assert ids[0] == ids[1]


def test_a_config_without_a_search_is_refused_before_a_run_folder_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["search", "quickstart"])
    assert "has no section search; add one, see docs/search.md" in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_the_page_on_searches_runs_as_shown():
    text = (ROOT / "docs" / "search.md").read_text(encoding="utf-8")
    shown: dict[str, object] = {}
    for block in re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
        exec(block, shown)
    assert len(shown["timeline"].entries) == 3
    (section,) = re.findall(r"^```yaml\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    recipes = {"lstm": {"kind": "network", "model": "lstm"}}
    config = parse({**CONFIG, "recipes": recipes, "headline": "lstm", **yaml.safe_load(section)}, "page")
    assert set(yaml.safe_load(section)["search"]) == {field.name for field in dataclasses.fields(config.search)}
