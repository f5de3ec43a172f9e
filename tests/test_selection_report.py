"""The report says what a headline was chosen from, and how an ensemble weighed its members."""

from __future__ import annotations

import dataclasses

import pytest

from nnstrategies.config import parse
from nnstrategies.pipeline import report, start, trade, train
from nnstrategies.report.run_folder import read_run_folder
from nnstrategies.report.selection import ensembles, trials_note
from tests.test_pipeline import NETWORK, TINY

MEMBER = {**NETWORK, "model": "lstm", "settings": {"layers": 1, "hidden": 4}, "epochs": 1}
TREE = TINY | {
    "recipes": {"blend": {"kind": "ensemble", "members": {"plain": MEMBER, "noisy": MEMBER}, "seeds": [1, 2]}},
    "inputs": {},
    "headline": "blend",
    "seeds": [1],
    "evidence": {"refits": 1},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory):
    run = start(parse(TREE, "x"), tmp_path_factory.mktemp("selection"))
    train(run)
    trade(run)
    return report(run)


def test_weights_and_spread_of_every_refit_are_shown(finished):
    run = read_run_folder(finished.parent)
    table = ensembles(run)
    assert len(table.rows) == len(run.timeline)
    for row, entry in zip(table.rows, run.timeline, strict=True):
        weights = entry["metrics"]["weights"]
        assert sum(weights.values()) == pytest.approx(1.0)
        assert row.cells[2] == f"{sum(w > 0 for w in weights.values())} of 4"
    assert "Ensembles" in finished.read_text(encoding="utf-8")


def test_the_headline_says_how_many_portfolios_it_is_one_of(finished):
    run = read_run_folder(finished.parent)
    said = trials_note(run)
    assert f"is one of {run.trials['trials']} portfolios that runs in this folder have traded" in said
    assert "above 0 with probability" in said
    assert said in finished.read_text(encoding="utf-8").replace("&#39;", "'")


def test_a_headline_that_never_traded_has_no_sharpe_ratio(finished):
    run = read_run_folder(finished.parent)
    found = {**run.trials, "sharpe": None, "deflated": None}
    said = trials_note(dataclasses.replace(run, trials=found))
    assert said.startswith("The headline, whose returns do not vary and have no Sharpe ratio, is one of ")
