"""The engine is backtrader: every case of the catalogue gives the same run, bit for bit, on the path it should take.

The quick tier takes about half a minute; ``NNSTRATEGIES_IDENTITY=full`` adds every side, every flag and real prices.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest
from engine_cases import SLIPPAGE, TRADING
from engine_mutants import MUTANTS, Mutant
from engine_recorder import Case, Recording, Side, differences, record
from engine_run_cases import FALLBACKS, RUNS
from engine_sides import ENGINE, MIXED, STOCK

FULL = os.environ.get("NNSTRATEGIES_IDENTITY") == "full"
CASES = [*TRADING, *(SLIPPAGE if FULL else SLIPPAGE[2::7]), *RUNS, *FALLBACKS]
BY_NAME = {case.name: case for case in [*CASES, *SLIPPAGE]}
QUICK_MIXED = (
    "every order type: plain",
    "brackets",
    "top scores, ragged",
    "next_open",
    "two strategies and all observers",
)


@pytest.fixture(scope="module", autouse=True)
def _rare_collections() -> Iterator[None]:
    """The runs make many short-lived objects beside a large heap: collect seldom."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 20, 100)
    yield
    gc.set_threshold(*before)


def assert_identical(case: Case, side: Side, listen: str) -> Recording:
    expected, found = record(case, STOCK, listen), record(case, side, listen)
    assert (expected.facts["error"] or {}).get("type") == case.error, expected.facts["error"]
    assert not differences(expected.facts, found.facts), "\n".join(differences(expected.facts, found.facts))
    return found


def test_the_catalogue_has_no_name_twice():
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_engine_runs_a_case_as_backtrader_does(case: Case) -> None:
    for listen in case.listen:
        found = assert_identical(case, ENGINE, listen)
        assert found.path == case.path, found.reason
        assert bool(found.reason) == (case.path == "backtrader")


@pytest.mark.parametrize("side", MIXED, ids=lambda side: side.name)
@pytest.mark.parametrize("name", BY_NAME if FULL else QUICK_MIXED)
def test_each_piece_of_the_engine_is_exact_without_the_others(name: str, side: Side) -> None:
    assert_identical(BY_NAME[name], side, "everything")


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_planted_fault_is_noticed(mutant: Mutant) -> None:
    case = BY_NAME[mutant.case]
    found = record(case, mutant.plant(ENGINE))
    assert not found.facts["error"]
    assert differences(record(case, STOCK).facts, found.facts)


def test_a_run_repeated_gives_the_same_recording() -> None:
    for case in CASES[:: 1 if FULL else 25]:
        assert not differences(record(case, STOCK).facts, record(case, STOCK).facts)
