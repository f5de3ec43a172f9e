"""What the record says of a target that was missed: how long an order was blocked, and whole lots or a moved price."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstrategies.brokers.journal import AccountRow, FillRow, Journal, PositionRow, RefusalRow
from nnstrategies.recording import targets
from nnstrategies.strategies.targets import Decision
from tests.small_market import make_panel
from tests.test_repair import N, T, blocked, fills, prices, refusals, run, suspended

# -- blocked orders across rebalances ---------------------------------------------------------------------------------


def test_two_blocked_purchases_of_one_symbol_under_two_rebalances_are_both_repaired():
    plan = {0: [0.5, 0, 0], 3: [0.5, 0.4, 0], 7: [0.5, 0, 0], 9: [0.5, 0.4, 0]}
    result = run(prices({(4, 1): 11.0, (10, 1): 11.0}), plan)
    assert [f[:4] for f in fills(result)][1:] == [(5, "buy", 1, 4_000), (8, "sell", 1, 4_000), (11, "buy", 1, 4_000)]
    assert blocked(result) == [
        (3, "S01", "buy", "limit-up", 4, 5, 4_000, -4_000.0),
        (9, "S01", "buy", "limit-up", 10, 11, 4_000, -4_000.0),
    ]


def test_two_blocked_sales_of_one_symbol_bought_again_in_between_are_both_repaired():
    plan = {0: [0.5, 0, 0], 3: [0, 0, 0], 6: [0.5, 0, 0], 9: [0, 0, 0]}
    result = run(prices({(4, 0): 9.0, (10, 0): 9.0}), plan)
    assert [f[:3] for f in fills(result)][1:] == [(5, "sell", 0), (7, "buy", 0), (11, "sell", 0)]
    assert blocked(result) == [
        (3, "S00", "sell", "limit-down", 4, 5, 5_000, -5_000.0),
        (9, "S00", "sell", "limit-down", 10, 11, 5_000, -5_000.0),
    ]


def test_a_stop_blocked_on_a_rebalance_day_is_repaired_by_the_sale_of_that_rebalance():
    panel = prices({(6, 0): 9.0, (7, 0): 9.6}, {(5, 0): 9.2})
    result = run(panel, {0: [0.5, 0, 0], 6: [0, 0.5, 0]}, level=9.5)
    assert refusals(result) == [(6, "sell", 0, "limit-down", "stop-loss")]
    assert [f for f in fills(result) if f[1] == "sell"] == [(7, "sell", 0, 5_000, 9.6, "rebalance")]
    assert blocked(result) == [(5, "S00", "sell", "limit-down", 6, 7, 5_000, -3_000.0)]


def test_a_sale_blocked_through_two_rebalances_that_do_not_want_it_is_one_blocked_order():
    opens = {**{(t, 0): 9.0 for t in range(4, 9)}, (9, 0): 9.4}
    result = run(prices(opens), {0: [0.5, 0, 0], 3: [0, 0.4, 0], 5: [0, 0.4, 0], 7: [0, 0.4, 0]})
    sales = [r for r in refusals(result) if r[1] == "sell"]
    assert [r[4] for r in sales].count("rebalance") == 3
    assert [f[:2] + f[3:5] for f in fills(result) if f[2] == 0][1:] == [(9, "sell", 5_000, 9.4)]
    assert [row for row in blocked(result) if row[2] == "sell"] == [
        (3, "S00", "sell", "limit-down", 4, 9, 5_000, -2_000.0)
    ]


def test_a_sale_waits_no_longer_than_to_the_rebalance_that_wants_the_symbol_again():
    opens = {(t, 0): 9.0 for t in range(4, 9)}
    plan = {0: [0.5, 0, 0], 3: [0, 0, 0], 5: [0, 0, 0], 8: [0.5, 0, 0], 10: [0, 0, 0]}
    result = run(prices(opens, {(5, 0): 9.3, (8, 0): 9.7}), plan)
    assert [f[:2] for f in fills(result) if f[1] == "sell"] == [(11, "sell")]  # decided anew: it repairs nothing
    assert blocked(result) == [(3, "S00", "sell", "limit-down", 4, None, 5_000, -3_500.0)]


def test_an_exit_refused_after_a_blocked_cut_adds_only_the_shares_the_cut_had_not():
    opens = {**{(t, 0): 9.0 for t in range(4, 7)}, (7, 0): 9.4}
    result = run(prices(opens), {0: [0.5, 0, 0], 3: [0.25, 0, 0], 5: [0, 0, 0]})
    assert fills(result)[-1][:4] == (7, "sell", 0, 5_000)
    assert blocked(result) == [
        (3, "S00", "sell", "limit-down", 4, 7, 2_500, -1_000.0),
        (5, "S00", "sell", "limit-down", 6, 7, 2_500, -1_000.0),
    ]


def test_without_repair_a_later_rebalance_repairs_the_sale():
    panel = prices({(4, 0): 9.0, (8, 0): 9.1})
    result = run(panel, {0: [0.5, 0, 0], 3: [0, 0, 0], 7: [0, 0, 0]}, repair=False)
    assert blocked(result) == [(3, "S00", "sell", "limit-down", 4, 8, 5_000, -500.0)]


def test_a_purchase_waits_for_the_next_rebalance_only():
    result = run(
        prices({(4, 1): 11.0, (5, 1): 11.0, (6, 1): 10.5}), {0: [0.5, 0, 0], 3: [0.5, 0.4, 0], 5: [0.5, 0.4, 0]}
    )
    assert fills(result)[-1][:3] == (6, "buy", 1)
    assert [row[:6] for row in blocked(result)] == [(3, "S01", "buy", "limit-up", 4, None)]


_TARGETS = st.sampled_from([0.0, 0.0, 0.1, 0.3])
_PLANS = st.dictionaries(st.integers(2, T - 4), st.tuples(_TARGETS, _TARGETS, _TARGETS), max_size=5)
_CELLS = st.sets(st.tuples(st.integers(1, T - 2), st.integers(0, N - 1)), max_size=20)


@settings(max_examples=40)
@given(plan=_PLANS, locked=_CELLS, paused=_CELLS)
def test_a_blocked_sale_of_what_no_later_rebalance_wants_is_repaired_once_it_is_sold(plan, locked, paused):
    """And no two blocked sales of one symbol count the same shares."""
    first = {0: [0.3, 0.3, 0.3]}
    result = run(prices(dict.fromkeys(locked, 9.0), status=suspended(*paused)), first | plan)
    sales = [row for row in blocked(result) if row[2] == "sell"]
    last = result.journal.account[-1].row
    held = {(entry.row, entry.column): entry.size for entry in result.journal.positions}
    for _, symbol, _, _, on, repaired, size, _ in sales:
        column = int(symbol[1:])
        unwanted = all(d.target[column] == 0 for d in result.decisions if d.t >= on)
        if unwanted and (last, column) not in held:
            assert repaired is not None
        same = [row for row in sales if row[1] == symbol and row[4] == on]
        assert len(same) == 1
        assert size <= held[on, column]


# -- why a weight is off its target -----------------------------------------------------------------------------------


def reason(
    size: float, close: float, *, target: float = 0.1, lots: dict[int, float] | None = None, **more: object
) -> str:
    """Of one symbol bought at an open of 10.00 by an account of 100,000, by what it held at the close."""
    panel = make_panel(np.full((3, 1), 10.0))
    journal = Journal(
        account=[AccountRow(0, 1e5, 1e5), AccountRow(1, 1e5, 0.0)], lots={0: 100.0} if lots is None else lots
    )
    if size:
        journal.positions.append(PositionRow(1, 0, size, close))
        journal.fills.append(FillRow(1, 0, "buy", size, 10.0, 0.0, 0.0, "rebalance", "lot rounding"))
    for refused in more.values():
        journal.refusals.append(refused)
    decision = Decision(0, np.array([target]), np.array([False]), np.array([""], dtype=object))
    (found,) = targets(journal, panel, [decision])["reason"]
    return str(found)


@pytest.mark.parametrize(
    ("size", "close", "found"),
    [
        (1_000, 10.0, ""),
        (900, 10.0, "lot rounding"),  # 100 shares short
        (900, 9.7, "lot rounding"),  # 1.3 lots
        (900, 9.0, "price moved"),  # 2.1 lots
        (900, 24.7, "price moved"),  # 5 lots
    ],
)
def test_whole_lots_explain_a_gap_of_no_more_than_they_can_leave(size, close, found):
    assert reason(size, close) == found


def test_of_a_symbol_whose_lot_is_one_share_the_price_explains_a_gap_of_many_shares():
    assert reason(980, 10.0, lots={0: 1.0}) == "price moved"
    assert reason(980, 10.0, lots={}) == "price moved"


def test_an_order_below_the_smallest_legal_size_is_lot_rounding_whatever_the_step():
    small = RefusalRow(1, 0, "buy", 150.0, "lot rounding", "", 10.0, "rebalance")
    assert reason(0, 10.0, target=0.015, lots={0: 1.0}, refused=small) == "lot rounding"


def test_a_refusal_by_the_market_comes_before_lots_and_prices():
    locked = RefusalRow(1, 0, "buy", 1_000.0, "limit-up", "", 11.0, "rebalance")
    assert reason(0, 10.0, refused=locked) == "limit-up"
