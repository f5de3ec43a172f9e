"""README and docs: their code runs, their commands exist, their links lead somewhere, their configs parse."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from nnstrategies.cli import app
from nnstrategies.config import parse
from nnstrategies.feeds.simulated import SimulatedMarket, simulate
from nnstrategies.pipeline.own_code import load_strategy

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_strategy_of_the_readme_trades_in_under_ten_lines(tmp_path, tiny_panel):
    from nnstrategies.backtest import backtest

    (code,) = blocks(README, "python")
    assert len([line for line in code.splitlines() if line.strip()]) < 10
    (tmp_path / "my_strategy.py").write_text(code, encoding="utf-8")
    own = load_strategy(f"{tmp_path}/my_strategy.py:CalmFirst")
    result = backtest(tiny_panel, own, None, cash=1e7)
    assert len(result.frames()["fills"]) > 20


def test_the_example_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "examples/own_strategy.py"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "final value" in done.stdout


def test_the_configs_of_readme_and_docs_parse():
    for text in (README, (ROOT / "docs" / "config.md").read_text(encoding="utf-8")):
        (block,) = blocks(text, "yaml")
        assert parse(yaml.safe_load(block), "docs").name == "my_run"


def test_the_config_of_several_tasks_parses():
    several, single = blocks((ROOT / "docs" / "tasks.md").read_text(encoding="utf-8"), "yaml")
    assert list(parse(yaml.safe_load(several), "docs").traded) == ["filtered", "factors_alone", "timed"]
    assert parse(yaml.safe_load(single), "docs").published.directions["ridge"]["0.01"] == (0.66, 0.72)


def test_the_code_of_the_training_page_runs_and_trains_a_network_and_a_recipe_of_the_users_own():
    from nnstrategies.models import MODELS

    space: dict[str, object] = {}
    try:
        for block in blocks((ROOT / "docs" / "training.md").read_text(encoding="utf-8"), "python"):
            exec(block, space)
    finally:
        MODELS.pop("gru", None)
    covered = space["samples"].mask[301:]
    assert np.isfinite(space["scores"].column()[301:][covered]).all()
    assert space["version"].manifest["model"] == "gru"
    assert [entry.version.manifest["recipe"] for entry in space["own"].entries] == ["correlation"] * 2


def test_the_sections_of_the_training_page_fit_into_a_config():
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    base = (ROOT / "configs" / "quickstart.yaml").read_text(encoding="utf-8")
    found = {}
    for block in blocks(page, "yaml"):
        tree = yaml.safe_load(base)
        section = yaml.safe_load(block)
        tree["recipes"] |= section.pop("recipes", {})
        config = parse(tree | section, "docs")
        found |= {config.walk_forward.refit: config, "ensemble": config}
    assert found[63].recipes["ridge"].train_days == found[63].recipes["cnn_lstm"].train_days == 252
    assert found["month"].walk_forward.reset_months == 12
    assert set(found["ensemble"].recipes["several"].members) == {"plain", "noisy"}


def test_the_commands_of_the_readme_exist():
    lines = [line.split("#")[0].strip() for block in blocks(README, "bash") for line in block.splitlines()]
    ours = [line.split()[1:] for line in lines if re.match(r"(\.venv/bin/)?nnstrategies ", line)]
    makes = [line.split()[1] for line in lines if line.startswith("make ")]
    assert makes == ["run", "test"]
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(re.search(rf"^{name}:", targets, flags=re.MULTILINE) for name in makes)
    assert len(ours) >= 3
    for words in ours:
        named = words[: 2 if words[0] == "data" else 1]
        assert CliRunner().invoke(app, [*named, "--help"]).exit_code == 0, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"


def test_every_page_of_the_docs_is_reached_from_the_readme():
    for page in (ROOT / "docs").rglob("*.md"):
        assert page.relative_to(ROOT).as_posix() in README, page.name


def test_the_readmes_own_data_run_as_it_stands(tmp_path, monkeypatch):
    """Its config and both of its commands on CSV tables, with less training so that it is quick."""
    panel, _ = simulate(SimulatedMarket(symbols=14, members=10, sessions=560, start="2019-01-02", seed=2))
    t, n = np.nonzero(panel.listed)
    table = {"date": panel.sessions[t], "symbol": np.asarray(panel.symbols)[n]}
    table |= {name: panel[name][t, n] for name in ("open", "high", "low", "close", "volume", "adj_factor")}
    pd.DataFrame(table | {"paused": ~panel.trading[t, n]}).to_csv(tmp_path / "prices.csv", index=False)
    index = pd.DataFrame({"date": panel.sessions, "close": panel.series["benchmark"]})
    index.to_csv(tmp_path / "index.csv", index=False)
    (tmp_path / "my_run.yaml").write_text(blocks(README, "yaml")[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (own,) = [block for block in blocks(README, "bash") if "my_run.yaml" in block]
    for line in own.splitlines():
        words = line.split("#")[0].split()[1:]
        quick = ["--set", "evidence.refits=0", "--set", "recipes.lstm.epochs=1"] if words[0] == "run" else []
        done = CliRunner().invoke(app, [*words, *quick])
        assert done.exit_code == 0, done.exception
    (page,) = tmp_path.glob("runs/*-my_run/report.html")
    assert page.stat().st_size > 100_000
