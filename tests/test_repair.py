"""What a session kept from its target is tried again, until the next rebalance, and what waiting cost is counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnstrategies.backtest import BacktestResult, backtest
from nnstrategies.brokers import NoCosts
from nnstrategies.panel import Panel, Status
from nnstrategies.strategies import RebalanceStrategy
from nnstrategies.typing import FloatArray
from nnstrategies.view import View
from tests.small_market import make_panel

T, N = 14, 3
TRADED = Status.TRADING


class Planned(RebalanceStrategy):
    """Decides on the rows of ``plan``, for its weights; a close below ``stop`` is sold."""

    params = (("plan", {}), ("level", None))

    def is_rebalance_day(self, view: View) -> bool:
        return view.t in self.p.plan

    def weigh(self, view: View) -> FloatArray:
        return np.array(self.p.plan[view.t], dtype=float)

    def exposure(self, view: View) -> float:
        return float(sum(self.p.plan[view.t]))

    def protect(self, view: View) -> FloatArray:
        return np.full(view.N, np.nan if self.p.level is None else self.p.level)


def prices(
    opens: dict[tuple[int, int], float], closes: dict[tuple[int, int], float] | None = None, **more: Any
) -> Panel:
    """Three stocks at 10.00 with limits of 9 and 11, but for the opens and closes {(row, column): price} named."""
    close, open_ = np.full((T, N), 10.0), np.full((T, N), 10.0)
    for at, price in opens.items():
        open_[at] = price
    for at, price in (closes or {}).items():
        close[at] = price
    limits = {"limit_up": np.full((T, N), 11.0), "limit_down": np.full((T, N), 9.0)}
    return make_panel(close, open_, **{**limits, **more})


def run(panel: Panel, plan: dict[int, list[float]], cash: float = 100_000.0, **settings: Any) -> BacktestResult:
    """Without costs, in the simulated market: lots of 100, T+1."""
    broker = {name: settings.pop(name) for name in ("participation",) if name in settings}
    settings = {"plan": plan, "top_n": None, **settings}
    return backtest(panel, Planned, None, settings=settings, market="simulated", costs=NoCosts(), cash=cash, **broker)


def fills(result: BacktestResult) -> list[tuple[int, str, int, float, float, str]]:
    return [(f.row, f.side, f.column, f.size, f.price, f.reason) for f in result.journal.fills]


def refusals(result: BacktestResult) -> list[tuple[int, str, int, str, str]]:
    return [(r.row, r.side, r.column, r.reason, r.why) for r in result.journal.refusals]


def blocked(result: BacktestResult) -> list[tuple[Any, ...]]:
    """Rows of the frame: row of the decision, symbol, side, reason, rows of the block and the repair, size, cost."""
    rows = {pd.Timestamp(day): t for t, day in enumerate(result.panel.sessions)}
    table = result.frames()["blocked"]
    return [
        (
            rows[e.date],
            e.symbol,
            e.side,
            e.reason,
            rows[e.blocked_on],
            rows.get(e.repaired_on),
            e.size,
            round(e.cost, 6),
        )
        for e in table.itertuples()
    ]


SWITCH = {0: [0.5, 0, 0.0], 3: [0, 0.5, 0.0]}  # 5,000 S00 bought on row 1; on row 4 they should become 5,000 S01


def test_a_sale_locked_at_the_lower_limit_is_held_and_sold_on_the_first_open_that_allows_it():
    result = run(prices({(4, 0): 9.0, (5, 0): 9.0, (6, 0): 9.4}), SWITCH)
    assert fills(result) == [
        (1, "buy", 0, 5_000, 10.0, "rebalance"),
        (4, "buy", 1, 4_700, 10.0, "rebalance"),  # half of what the account is worth at the opens
        (6, "sell", 0, 5_000, 9.4, "repair"),
    ]
    assert refusals(result) == [(4, "sell", 0, "limit-down", "rebalance"), (5, "sell", 0, "limit-down", "repair")]
    assert blocked(result) == [(3, "S00", "sell", "limit-down", 4, 6, 5_000, -2_000.0)]  # 9.40 after 9.00: a gain


def test_a_purchase_locked_at_the_upper_limit_is_made_up_for_at_the_weight_that_was_wanted():
    result = run(prices({(4, 1): 11.0, (5, 1): 10.5}), SWITCH)
    assert fills(result)[1:] == [(4, "sell", 0, 5_000, 10.0, "rebalance"), (5, "buy", 1, 4_700, 10.5, "repair")]
    assert blocked(result) == [(3, "S01", "buy", "limit-up", 4, 5, 5_000, 4_700 * -0.5 + 300 * (10 - 11))]


def suspended(*cells: tuple[int, int]) -> np.ndarray:
    status = np.full((T, N), TRADED)
    for cell in cells:
        status[cell] = Status.PAUSED
    return status


@pytest.mark.parametrize("column", [0, 1])
def test_a_suspended_stock_waits_until_it_has_traded_and_gets_no_orders_before(column):
    panel = prices({(8, column): 9.5}, status=suspended((4, column), (5, column), (6, column)))
    result = run(panel, SWITCH)
    side = ("sell", "buy")[column]
    assert [r for r in refusals(result) if r[2] == column] == [(4, side, column, "suspended", "rebalance")]
    assert [order.row for order in result.journal.orders if order.column == column and order.side == side] == [3, 7]
    (row, what, _, size, price, why) = fills(result)[-1]
    assert (row, what, price, why) == (8, side, 9.5, "repair")  # traded again on row 7, ordered at its close
    assert size == (5_000, 5_200)[column]


def test_a_stop_loss_that_opens_locked_keeps_trying_as_a_repair_even_when_the_price_comes_back():
    opens = {(6, 0): 9.0, (7, 0): 9.0, (8, 0): 9.7}
    result = run(prices(opens, {(5, 0): 9.2, (6, 0): 9.3, (7, 0): 9.9}), {0: [0.5, 0.0, 0.0]}, level=9.5)
    assert fills(result)[1:] == [(8, "sell", 0, 5_000, 9.7, "repair")]
    assert refusals(result) == [(6, "sell", 0, "limit-down", "stop-loss"), (7, "sell", 0, "limit-down", "repair")]
    assert blocked(result) == [(5, "S00", "sell", "limit-down", 6, 8, 5_000, -3_500.0)]


def test_nothing_is_repaired_after_a_rebalance_that_wants_the_stock_again():
    plan = {**SWITCH, 5: [0.5, 0.5, 0.0]}  # decided while the sale still waits: S00 may stay
    result = run(prices({(4, 0): 9.0, (5, 0): 9.0}, {(5, 0): 9.6}), plan)
    assert [f for f in fills(result) if f[1] == "sell"] == []
    assert max(order.row for order in result.journal.orders) == 5
    assert blocked(result) == [(3, "S00", "sell", "limit-down", 4, None, 5_000, -3_000.0)]  # 9.60 at that decision


def test_what_was_never_repaired_is_marked_at_the_close_of_the_run():
    opens = {(t, 0): 9.0 for t in range(4, T)}
    result = run(prices(opens, {(T - 1, 0): 9.1}), SWITCH)
    assert blocked(result) == [(3, "S00", "sell", "limit-down", 4, None, 5_000, pytest.approx(-500.0))]
    assert len(refusals(result)) == T - 4


def test_without_repair_only_the_session_after_the_decision_counts():
    panel = prices({(4, 0): 9.0, (4, 1): 11.0})
    result = run(panel, SWITCH, repair=False)
    assert [f[:3] for f in fills(result)] == [(1, "buy", 0)]
    assert refusals(result) == [(4, "sell", 0, "limit-down", "rebalance"), (4, "buy", 1, "limit-up", "rebalance")]
    assert max(order.row for order in result.journal.orders) == 3


def test_without_repair_a_stop_loss_that_is_blocked_each_day_is_one_blocked_order():
    opens = {(6, 0): 9.0, (7, 0): 9.0, (8, 0): 9.2}
    result = run(prices(opens, {(t, 0): 9.3 for t in (5, 6, 7)}), {0: [0.5, 0.0, 0.0]}, level=9.5, repair=False)
    assert fills(result)[1:] == [(8, "sell", 0, 5_000, 9.2, "stop-loss")]
    assert [r[3:] for r in refusals(result)] == [("limit-down", "stop-loss")] * 2
    assert blocked(result) == [(5, "S00", "sell", "limit-down", 6, 8, 5_000, -1_000.0)]


def test_a_member_that_is_suspended_when_deciding_is_kept_and_gets_no_order():
    panel = prices({}, status=suspended((3, 0), (3, 2), (4, 0)))
    result = run(panel, {0: [0.5, 0, 0.0], 3: [0, 0.25, 0.25]})
    assert [(o.row, o.side, o.column) for o in result.journal.orders] == [(0, "buy", 0), (3, "buy", 1)]
    assert refusals(result) == [] == blocked(result)
    assert result.journal.positions[-2][1:3] == (0, 5_000)


def test_a_stock_that_left_the_index_while_suspended_is_sold_once_it_has_traded():
    days = make_panel(np.full((T, N), 10.0)).sessions
    spans = [(f"S0{n}", pd.Timestamp(days[0]), True) for n in range(N)] + [("S00", pd.Timestamp(days[2]), False)]
    table = pd.DataFrame(spans, columns=["symbol", "known_at", "member"])
    panel = prices({}, status=suspended((3, 0), (4, 0), (5, 0)), events={"membership": table})
    result = run(panel, SWITCH)
    assert [f[:3] for f in fills(result)] == [(1, "buy", 0), (4, "buy", 1), (7, "sell", 0)]
    assert refusals(result) == [(4, "sell", 0, "suspended", "rebalance")]


FULL = {0: [1.0, 0, 0.0], 3: [0, 0.6, 0.4]}  # all in S00, then all in S01 and S02


def test_buys_shrink_to_the_cash_there_is_and_are_made_up_for_when_the_blocked_sale_fills():
    result = run(prices({(4, 0): 9.0, (5, 0): 9.0, (6, 0): 9.5}), FULL)
    assert fills(result)[1:] == [
        (6, "sell", 0, 10_000, 9.5, "repair"),
        (6, "buy", 1, 5_700, 10.0, "repair"),
        (6, "buy", 2, 3_800, 10.0, "repair"),
    ]
    assert [(r[0], r[1], r[3]) for r in refusals(result)] == [
        (4, "sell", "limit-down"), (4, "buy", "cash short"), (4, "buy", "cash short"),
        (5, "sell", "limit-down"), (5, "buy", "cash short"), (5, "buy", "cash short"),
    ]  # fmt: skip
    assert [(row[1], row[3], row[5]) for row in blocked(result)] == [
        ("S00", "limit-down", 6), ("S01", "cash short", 6), ("S02", "cash short", 6),
    ]  # fmt: skip


def test_a_purchase_short_of_cash_without_a_blocked_sale_is_not_tried_again_and_not_counted():
    result = run(prices({(1, 0): 10.0, (1, 1): 10.5}), {0: [0.5, 0.5, 0.0]})
    assert [f[:4] for f in fills(result)] == [(1, "buy", 0, 5_000), (1, "buy", 1, 4_700)]
    short = run(prices({(4, 1): 10.9, (4, 0): 9.1}), {0: [0.5, 0, 0.0], 3: [0.5, 0.5, 0.0]})
    assert {r[3] for r in refusals(short)} <= {"cash short", "lot rounding"}
    assert max(order.row for order in short.journal.orders) == 3
    assert blocked(short) == []


def test_a_purchase_short_of_cash_waits_for_the_sale_of_a_suspended_stock():
    result = run(prices({}, status=suspended((4, 0), (5, 0))), FULL)
    assert [f[:4] for f in fills(result)] == [
        (1, "buy", 0, 10_000), (7, "sell", 0, 10_000), (7, "buy", 1, 6_000), (7, "buy", 2, 4_000),
    ]  # fmt: skip


def test_what_participation_left_is_bought_on_the_following_sessions():
    result = run(prices({}, volume=np.full((T, N), 20_000.0)), {1: [0.5, 0, 0.0]}, participation=0.1)
    assert [(f[0], f[3], f[5]) for f in fills(result)] == [
        (2, 2_000, "rebalance"), (3, 2_000, "repair"), (4, 1_000, "repair"),
    ]  # fmt: skip
    (row,) = blocked(result)
    assert row == (1, "S00", "buy", "participation cap", 2, 4, 3_000, 0.0)


def split_at(row: int, ratio: float, column: int = 0) -> FloatArray:
    factor = np.ones((T, N))
    factor[row:, column] = ratio
    return factor


def test_across_a_split_the_cost_of_waiting_is_that_of_the_shares_before():
    opens = {(4, 0): 9.0, **{(t, 0): 5.0 for t in range(5, T)}, (5, 0): 4.6}
    closes = {(4, 0): 9.5, **{(t, 0): 5.0 for t in range(5, T)}}
    down, up = np.full((T, N), 9.0), np.full((T, N), 11.0)
    down[5:, 0], up[5:, 0] = 4.5, 5.5
    panel = prices(opens, closes, adj_factor=split_at(5, 2.0), limit_down=down, limit_up=up)
    result = run(panel, SWITCH)
    assert fills(result)[-1] == (5, "sell", 0, 10_000, 4.6, "repair")
    (row,) = result.frames()["blocked"].itertuples()
    assert (row.size, row.blocked_price, row.repaired_price) == (5_000, 9.0, pytest.approx(9.2))
    assert row.cost == pytest.approx(-(9.2 - 9.0) * 5_000)


def test_of_a_repair_in_parts_across_a_split_each_share_counts_once():
    opens = {(4, 0): 9.0, **{(t, 0): 5.0 for t in range(5, T)}}
    closes = {(4, 0): 9.5, **{(t, 0): 4.8 for t in range(5, T)}}
    down = np.full((T, N), 1.0)
    down[4] = 9.0
    volume = np.full((T, N), 30_000.0)
    panel = prices(opens, closes, adj_factor=split_at(5, 2.0), limit_down=down, volume=volume)
    result = run(panel, {**SWITCH, 5: [0.4, 0.5, 0.0]}, participation=0.1)  # wants S00 again: the rest waits no longer
    assert next(f[:1] + f[3:] for f in fills(result) if f[1] == "sell") == (5, 5_900, 5.0, "repair")
    made_up = 5_900 / 2
    cost = -(10.0 - 9.0) * made_up - (9.6 - 9.0) * (5_000 - made_up)
    assert (3, "S00", "sell", "limit-down", 4, 5, 5_000, pytest.approx(cost)) in blocked(result)


def test_a_split_inside_the_suspension_that_blocked_a_sale_costs_nothing():
    status = suspended((3, 0), (4, 0), (5, 0), (6, 0))
    opens = {(t, 0): 5.0 for t in range(7, T)}
    closes = {(t, 0): 5.0 for t in range(7, T)}
    low = np.full((T, N), 1.0)
    days = make_panel(np.full((T, N), 10.0)).sessions
    spans = [(f"S0{n}", pd.Timestamp(days[0]), True) for n in range(N)] + [("S00", pd.Timestamp(days[2]), False)]
    table = pd.DataFrame(spans, columns=["symbol", "known_at", "member"])
    panel = prices(
        opens, closes, status=status, adj_factor=split_at(4, 2.0), limit_down=low, events={"membership": table}
    )
    result = run(panel, SWITCH)
    assert fills(result)[-1][:4] == (8, "sell", 0, 10_000)
    (row,) = result.frames()["blocked"].itertuples()
    assert (row.reason, row.blocked_price, row.cost) == ("suspended", 5.0, 0.0)


def test_a_blocked_sale_that_ends_in_a_delisting_costs_what_the_holder_lost():
    status = np.full((T, N), TRADED)
    status[6:, 0] = Status.DELISTED
    closes = {(4, 0): 9.0, (5, 0): 8.2, **{(t, 0): np.nan for t in range(6, T)}}
    opens = {(4, 0): 9.0, (5, 0): 8.2, **{(t, 0): np.nan for t in range(6, T)}}
    down = np.full((T, N), 9.0)
    down[5, 0] = 8.2
    result = run(prices(opens, closes, status=status, limit_down=down), SWITCH)
    assert [f[0::5] for f in fills(result)][-1] == (6, "delisting (assumed)")
    assert blocked(result) == [(3, "S00", "sell", "limit-down", 4, 6, 5_000, pytest.approx(4_000.0))]


def test_a_stop_that_follows_a_blocked_cut_counts_no_share_twice():
    opens = {(4, 0): 9.0, (5, 0): 9.0, (6, 0): 9.4}
    plan = {0: [0.5, 0, 0.0], 3: [0.4, 0, 0.0]}
    result = run(prices(opens, {(4, 0): 9.3}), plan, level=9.5)
    assert [f[1:5] for f in fills(result)] == [("buy", 0, 5_000, 10.0), ("sell", 0, 5_000, 9.4)]
    rows = blocked(result)
    assert sum(row[6] for row in rows) == 5_000
    assert sum(row[7] for row in rows) == pytest.approx(-(9.4 - 9.0) * 5_000)


def test_a_purchase_short_of_cash_is_tried_beside_the_stop_that_replaces_its_blocked_sale():
    panel = prices({(4, 0): 9.0, (5, 0): 9.4}, {(4, 0): 9.2})
    result = run(panel, FULL, level=9.5)
    assert [f[:3] for f in fills(result)][1:] == [(5, "sell", 0), (5, "buy", 1), (5, "buy", 2)]


def test_a_blocked_purchase_never_comes_back_as_a_sale():
    up = np.full((T, N), 11.0)
    up[5:, 0] = 99.0
    late = {(t, 0): 20.0 for t in range(5, T)}
    panel = prices({(4, 0): 11.0, **late}, {(4, 0): 20.0, **late}, limit_up=up)  # past its target without us
    result = run(panel, {0: [0.4, 0, 0.0], 3: [0.5, 0, 0.0]})
    assert [f[:3] for f in fills(result)] == [(1, "buy", 0)]


def test_a_blocked_sale_never_comes_back_as_a_purchase():
    down = np.full((T, N), 9.0)
    down[5:, 0] = 1.0
    late = {(t, 0): 5.0 for t in range(5, T)}
    panel = prices({(4, 0): 9.0, **late}, {(4, 0): 5.0, **late}, limit_down=down)  # below its target without us
    result = run(panel, {0: [0.5, 0, 0.0], 3: [0.4, 0, 0.0]})
    assert [f[:3] for f in fills(result)] == [(1, "buy", 0)]
