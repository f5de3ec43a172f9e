"""Random strategies on random panels run on the engine exactly as on backtrader."""

from __future__ import annotations

import os

from engine_generated import cases
from engine_recorder import Case, differences, record
from engine_sides import ENGINE, STOCK
from hypothesis import given, settings

EXAMPLES = 3000 if os.environ.get("NNSTRATEGIES_IDENTITY") == "full" else 60


@settings(max_examples=EXAMPLES)
@given(case=cases())
def test_a_generated_strategy_runs_as_on_backtrader(case: Case) -> None:
    (listen,) = case.listen
    expected, found = record(case, STOCK, listen), record(case, ENGINE, listen)
    assert found.path == "panel", found.reason
    assert not differences(expected.facts, found.facts), "\n".join(differences(expected.facts, found.facts))
