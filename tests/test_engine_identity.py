"""The engine is backtrader: every case of the catalogue gives the same run, bit for bit, on the path it should take.

The quick tier takes about half a minute: every case, every other one also where nobody listens. With
``NNSTRATEGIES_IDENTITY=full`` come all levels of listening, all flags of slippage, and each piece of the engine alone.
"""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator

import backtrader as bt
import pytest
from engine_batches import BATCHES
from engine_cases import SLIPPAGE, TRADING, WALKS, calls, one
from engine_extras import add_frame
from engine_inner_mutants import INNER
from engine_mutants import MUTANTS, Mutant
from engine_odd_cases import CHAINED, ODD
from engine_panels import frame
from engine_recorder import Case, Recording, Side, differences, leave, record
from engine_run_cases import FALLBACKS, RUNS
from engine_sides import ENGINE, MIXED, STOCK

FULL = os.environ.get("NNSTRATEGIES_IDENTITY") == "full"
CASES = [*TRADING, *(SLIPPAGE if FULL else SLIPPAGE[2::7]), *RUNS, *ODD, *BATCHES, *FALLBACKS, CHAINED]
NUMBER = {case.name: number for number, case in enumerate(CASES)}
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
    assert expected.facts["error"] == case.error, expected.text
    assert not differences(expected.facts, found.facts), "\n".join(differences(expected.facts, found.facts))
    return found


def test_the_catalogue_has_no_name_twice():
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_engine_runs_a_case_as_backtrader_does(case: Case) -> None:
    for listen in case.listen if FULL or NUMBER[case.name] % 2 else case.listen[:1]:
        found = assert_identical(case, ENGINE, listen)
        assert found.path == case.path, found.reason
        assert bool(found.reason) == (case.path == "backtrader")


@pytest.mark.parametrize("side", MIXED, ids=lambda side: side.name)
@pytest.mark.parametrize("name", BY_NAME if FULL else QUICK_MIXED)
def test_each_piece_of_the_engine_is_exact_without_the_others(name: str, side: Side) -> None:
    case = BY_NAME[name]
    assert_identical(case, side, case.listen[0])


class Peeking(bt.Strategy):
    """Reads ``ago`` bars back on its first bar, of its last feed."""

    params = (("ago", 0),)

    def prenext(self) -> None:
        self.seen = [self.datas[-1].close[self.p.ago]]

    next = prenext


@pytest.mark.parametrize("ago", [0, -1])
def test_a_bar_before_the_first_is_an_error_where_backtrader_gives_the_last_of_all(ago: int) -> None:
    late = {0: calls(lambda cerebro: add_frame(cerebro, frame(WALKS, "S1")[20:], "late"))}
    case = one("peeking", Peeking, {"ago": ago}, equip=late.get(ago, leave))
    expected, found = record(case, STOCK, "nothing"), record(case, ENGINE, "nothing")
    assert not expected.facts["error"]
    assert found.facts["error"] == "DataError"
    assert "a bar before its first one was asked for" in found.text


def test_writing_to_a_panels_line_is_an_error_and_leaves_the_panel_alone() -> None:
    class Writing(bt.Strategy):
        def next(self) -> None:
            self.data.close[0] = 1.0

    before = WALKS.fingerprint
    found = record(one("writing", Writing), ENGINE, "nothing")
    assert found.facts["error"] == "DataError"
    assert WALKS.fingerprint == before


@pytest.mark.parametrize("case", [FALLBACKS[0], FALLBACKS[10]], ids=str)
def test_a_run_on_backtraders_path_says_so_once(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "nnstrategies"):
        reason = record(case, ENGINE, "nothing").reason
    assert [line.getMessage() for line in caplog.records] == [f"backtrader's own loop runs: {reason}"]


@pytest.mark.parametrize("mutant", [*MUTANTS, *INNER], ids=str)
def test_a_planted_fault_is_noticed(mutant: Mutant) -> None:
    case = BY_NAME[mutant.case]
    found = record(case, mutant.plant(ENGINE), mutant.listen)
    assert not found.facts["error"], found.text
    assert differences(record(case, STOCK, mutant.listen).facts, found.facts)


def test_a_run_repeated_gives_the_same_recording() -> None:
    for case in CASES[:: 1 if FULL else 25]:
        assert not differences(record(case, STOCK).facts, record(case, STOCK).facts)
