"""The cross-section as arrays, and batches of targets equal to the orders one by one."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
import pytest
from engine_panels import as_dtype, ragged, walks
from engine_sides import panel_broker
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstrategies.engine import Cerebro, Cross, add_panel
from nnstrategies.errors import DataError
from nnstrategies.feeds.backtrader import PanelData
from nnstrategies.panel import Panel

PANEL = walks(5, 40)


class Looking(bt.Strategy):
    """Compares every array with the lines, each day."""

    def __init__(self) -> None:
        self.cross = Cross(self)
        self.days = 0

    def next(self) -> None:
        cross, feeds = self.cross, [data for data in self.datas if isinstance(data, PanelData)]
        self.days += 1
        for name in ("open", "high", "low", "close", "volume", "score"):
            lines = np.array([getattr(data, name)[0] for data in feeds])
            np.testing.assert_array_equal(cross[name], lines)
        np.testing.assert_array_equal(cross.close, cross["close"])
        sizes = np.array([self.getposition(data).size for data in feeds])
        np.testing.assert_array_equal(cross.positions, sizes)
        if len(self) > 3:
            past = np.array([data.close.get(size=4) for data in feeds]).T
            np.testing.assert_array_equal(cross.history("close", 4), past)
        self.order_target_percent(feeds[len(self) % len(feeds)], 0.2)


@pytest.mark.parametrize("settings", [{}, {"runonce": False}, {"exactbars": -1}])
@pytest.mark.parametrize("kind", [Cerebro, bt.Cerebro])
@pytest.mark.parametrize("symbols", [None, ("S3", "S1")])
def test_arrays_are_the_lines_side_by_side(kind: Any, settings: dict[str, Any], symbols: Any) -> None:
    cerebro = kind(stdstats=False, **settings)
    add_panel(cerebro, as_dtype(PANEL, "float32"), symbols=symbols, fields=("score",))
    cerebro.addstrategy(Looking)
    assert cerebro.run()[0].days == PANEL.T


def test_feeds_that_begin_later_than_the_panel_keep_its_rows() -> None:
    class Rows(bt.Strategy):
        def __init__(self) -> None:
            self.cross, self.rows = Cross(self), []

        def next(self) -> None:
            self.rows.append(self.cross.row)

    cerebro = Cerebro()
    add_panel(cerebro, PANEL)
    for data in cerebro.datas:
        data.p.fromdate = PANEL.sessions[12].astype("datetime64[s]").item()
    cerebro.addstrategy(Rows)
    assert cerebro.run()[0].rows == list(range(12, 40))


class Targeting(bt.Strategy):
    params: Any = (("targets", ()), ("batch", True), ("every", 3))

    def __init__(self) -> None:
        self.cross = Cross(self)
        self.told: list[Any] = []

    def next(self) -> None:
        if len(self) % self.p.every:
            return
        targets = np.array(self.p.targets[len(self) // self.p.every % len(self.p.targets)])
        if self.p.batch:
            self.cross.rebalance(targets)
            return
        held, value = self.cross.positions, self.broker.getvalue()
        chosen = [n for n in range(len(targets)) if (held[n] or targets[n]) and targets[n] == targets[n]]
        worth = {n: self.broker.getvalue([self.datas[n]]) if held[n] else 0.0 for n in chosen}
        shrinking = [n for n in chosen if targets[n] * value < worth[n]]
        for n in [*shrinking, *(n for n in chosen if n not in shrinking)]:
            self.order_target_percent(self.datas[n], float(targets[n]))

    def notify_order(self, order: Any) -> None:
        done = order.executed
        self.told.append((order.data._name, order.status, order.size, order.created.price, done.price, done.comm))

    def notify_cashvalue(self, cash: float, value: float) -> None:
        self.told.append((repr(cash), repr(value)))


def told(panel: Panel, targets: Any, batch: bool, kind: Any = Cerebro, broker: Any = panel_broker, **terms: Any) -> Any:
    cerebro = kind(stdstats=False)
    add_panel(cerebro, panel)
    cerebro.setbroker(broker(cash=20_000.0, **terms))
    cerebro.broker.setcommission(commission=0.0008)
    cerebro.addstrategy(Targeting, targets=targets, batch=batch)
    return cerebro.run()[0].told


weights = st.one_of(st.just(0.0), st.just(float("nan")), st.floats(-0.3, 0.6))


@settings(max_examples=25)
@given(st.lists(st.lists(weights, min_size=5, max_size=5), min_size=1, max_size=4), st.booleans(), st.integers(0, 3))
def test_a_batch_gives_the_orders_fills_and_values_of_the_orders_one_by_one(
    targets: Any, checked: bool, seed: int
) -> None:
    panel = ragged(5, 40, seed) if seed % 2 else walks(5, 40, seed)
    batch = told(panel, targets, True, checksubmit=checked)
    assert batch == told(panel, targets, False, checksubmit=checked)
    assert batch == told(panel, targets, False, bt.Cerebro, bt.brokers.BackBroker, checksubmit=checked)


def test_a_strategy_or_broker_with_its_own_way_to_order_is_asked_for_every_order() -> None:
    class Halving(Targeting):
        def order_target_percent(self, data: Any = None, target: float = 0.0, **more: Any) -> Any:
            return super().order_target_percent(data=data, target=target / 2, **more)

    def value(strategy: Any, targets: Any) -> float:
        cerebro = Cerebro()
        add_panel(cerebro, PANEL)
        cerebro.addstrategy(strategy, targets=targets)
        cerebro.run()
        return cerebro.broker.getvalue()  # type: ignore[no-any-return]

    assert value(Halving, [[0.2] * 5]) == value(Targeting, [[0.1] * 5]) != value(Targeting, [[0.2] * 5])


def test_sales_are_ordered_first_and_each_group_in_the_order_of_the_feeds() -> None:
    orders = [each for each in told(PANEL, [[0.4, 0.4, 0, 0, 0.1], [0, 0.1, 0.3, 0.2, 0.2]], True) if len(each) == 6]
    submitted = [name for name, status, *_ in orders if status == bt.Order.Submitted]
    assert submitted[4:9] == ["S2", "S3", "S4", "S0", "S1"]
    signs = [np.sign(size) for _, status, size, *_ in orders if status == bt.Order.Submitted]
    assert signs[4:9] == [-1, -1, -1, 1, 1]


def test_what_cannot_be_right_is_refused() -> None:
    class Wrong(bt.Strategy):
        def next(self) -> None:
            Cross(self).rebalance(np.zeros(3))

    class TooLong(bt.Strategy):
        def next(self) -> None:
            Cross(self).history("close", len(self) + 1)

    class Early(bt.Strategy):
        def start(self) -> None:
            Cross(self).close  # noqa: B018

    for strategy, message in ((Wrong, r"shape \(5,\)"), (TooLong, "expected 1 to 1 sessions"), (Early, "no session")):
        cerebro = Cerebro()
        add_panel(cerebro, PANEL)
        cerebro.addstrategy(strategy)
        with pytest.raises(DataError, match=message):
            cerebro.run()


def test_feeds_of_two_panels_have_no_cross_section() -> None:
    class Two(bt.Strategy):
        def __init__(self) -> None:
            Cross(self)

    cerebro = Cerebro()
    add_panel(cerebro, PANEL)
    add_panel(cerebro, walks(2, 40, 9))
    cerebro.addstrategy(Two)
    with pytest.raises(DataError, match="got 2 panels"):
        cerebro.run()
