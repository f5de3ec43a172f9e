"""Which path a run takes and what it says about it; brokers of other kinds; the collector; memory."""

from __future__ import annotations

import gc
import logging
import tracemalloc
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from engine_extras import add_frame
from engine_panels import frame, walks, with_holes

from nnstrategies.engine import Cerebro, PanelBroker, add_panel
from nnstrategies.errors import DataError
from nnstrategies.panel import Panel, Status

PANEL = walks(3, 40)


class Trading(bt.Strategy):
    def next(self) -> None:
        if len(self) % 5 == 1:
            self.order_target_percent(self.datas[len(self) % 3], 0.3)


class Stepping(Trading):
    def _oncepost(self, moment: float) -> None:
        super()._oncepost(moment)


class Jumping(bt.feeds.PandasData):
    def advance(self, *args: Any, **more: Any) -> None:
        super().advance(*args, **more)


class ByBar(bt.Indicator):
    lines = ("value",)
    _nextforce = True

    def next(self) -> None:
        self.lines.value[0] = self.data[0]


def made(strategy: type[bt.Strategy] = Trading, **settings: Any) -> Cerebro:
    cerebro = Cerebro(**settings)
    add_panel(cerebro, PANEL)
    cerebro.addstrategy(strategy)
    return cerebro


def test_a_run_of_panel_feeds_takes_the_panel_path_and_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    cerebro = made()
    assert (cerebro.path, cerebro.path_reason) == ("", "")
    with caplog.at_level(logging.INFO):
        cerebro.run()
    assert (cerebro.path, cerebro.path_reason) == ("panel", "")
    assert not caplog.records


ASKED = {
    "runonce=False": {"runonce": False},
    "preload=False": {"preload": False},
    "exactbars": {"exactbars": -1},
    "oldsync": {"oldsync": True},
    "lookahead": {"lookahead": 2},
    "a live feed": {"live": True},
}


@pytest.mark.parametrize("reason", ASKED)
def test_a_setting_that_asks_for_backtraders_loop_gets_it_with_a_note(
    reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    cerebro = made(**ASKED[reason])
    with caplog.at_level(logging.INFO):
        cerebro.run()
    assert (cerebro.path, cerebro.path_reason) == ("backtrader", reason)
    assert [(record.levelname, record.name) for record in caplog.records] == [("INFO", "nnstrategies.engine")]


def test_settings_given_to_run_count(caplog: pytest.LogCaptureFixture) -> None:
    cerebro = made()
    cerebro.run(runonce=False)
    assert cerebro.path_reason == "runonce=False"
    cerebro.run(runonce=True)
    assert cerebro.path == "panel"


def repeated(cerebro: Cerebro) -> None:
    table = frame(PANEL, "S1")
    add_frame(cerebro, table.set_axis(table.index.where(np.arange(40) != 7, table.index[6])), "twice")


def jumping(cerebro: Cerebro) -> None:
    cerebro.adddata(Jumping(dataname=frame(PANEL, "S1")), name="jumping")


@pytest.mark.parametrize(
    ("strategy", "equip", "reason"),
    [
        (Stepping, None, "Stepping overrides _oncepost"),
        (Trading, repeated, "the dates of a feed do not strictly increase"),
        (Trading, jumping, "feed jumping: Jumping overrides advance"),
        (Trading, lambda c: c.resampledata(c.datas[0], timeframe=bt.TimeFrame.Weeks), "replaydata or resampledata"),
        (Trading, lambda c: c.addindicator(ByBar), "an indicator that works bar by bar only"),
    ],
)
def test_what_the_engine_cannot_serve_runs_as_in_backtrader_and_is_named_once(
    strategy: Any, equip: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    values = []
    for kind in (Cerebro, bt.Cerebro):
        cerebro = kind(stdstats=False)
        add_panel(cerebro, PANEL)
        cerebro.addstrategy(strategy)
        if equip:
            equip(cerebro)
        with caplog.at_level(logging.INFO):
            cerebro.run()
        values.append(cerebro.broker.getvalue())
        if kind is Cerebro:
            assert (cerebro.path, cerebro.path_reason) == ("backtrader", reason)
    assert values[0] == values[1]
    assert len(caplog.records) == 1
    assert reason in caplog.text


def test_a_grid_that_falls_back_is_noted_once(caplog: pytest.LogCaptureFixture) -> None:
    class Sized(Stepping):
        params: Any = (("size", 1),)

    cerebro = Cerebro(maxcpus=1)
    add_panel(cerebro, PANEL)
    cerebro.optstrategy(Sized, size=[1, 2, 3])
    cerebro.run()
    assert len(caplog.records) == 1


def test_the_default_broker_is_the_fast_one_and_any_other_runs_on_the_panel_path_by_its_own_next() -> None:
    class Counting(bt.brokers.BackBroker):
        sessions = 0

        def next(self) -> None:
            self.sessions += 1
            super().next()

    fast = made()
    assert type(fast.broker) is PanelBroker
    fast.run()
    other = made()
    other.setbroker(Counting())
    other.run()
    assert (other.path, other.broker.sessions) == ("panel", PANEL.T)
    assert other.broker.getvalue() == fast.broker.getvalue()


def test_a_subclass_of_the_fast_broker_is_asked_for_everything_it_overrides() -> None:
    class Dear(PanelBroker):
        def _slip_up(self, pmax: float, price: float, doslip: bool = True, lim: bool = False) -> float:
            return price + 0.5

    class DearStock(bt.brokers.BackBroker):
        _slip_up = Dear._slip_up

    values = []
    for broker in (Dear(), DearStock()):
        cerebro = made()
        cerebro.setbroker(broker)
        cerebro.run()
        values.append(cerebro.broker.getvalue())
    assert values[0] == values[1] != made().run()[0].broker.getvalue()


class Watching(Trading):
    def __init__(self) -> None:
        self.values: list[float] = []

    def notify_cashvalue(self, cash: float, value: float) -> None:
        self.values.append(value)


def values(panel: Panel, kind: Any, broker: Any) -> list[float]:
    cerebro = kind()
    cerebro.setbroker(broker)
    add_panel(cerebro, panel)
    cerebro.addstrategy(Watching)
    return cerebro.run()[0].values  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", [Cerebro, bt.Cerebro])
def test_a_nan_close_of_a_share_that_is_held_is_an_error_with_symbol_date_and_mend(kind: Any) -> None:
    panel = with_holes(PANEL, {"close": [(20, 1)]})
    with pytest.raises(
        DataError, match=r"NaN on 2020-02-03: S1 has no close and \d+ shares are held; leave symbols out"
    ):
        values(panel, kind, PanelBroker())


def test_a_nan_open_at_which_an_order_is_filled_is_an_error_with_the_symbol() -> None:
    panel = with_holes(PANEL, {"open": [(21, 0)]})  # the order of row 20
    with pytest.raises(DataError, match="NaN on 2020-02-04: an order of S0 was filled where it has no open"):
        values(panel, Cerebro, PanelBroker())


@pytest.mark.parametrize("kind", [Cerebro, bt.Cerebro])
def test_who_asks_for_backtraders_nan_gets_it_that_day_only(kind: Any) -> None:
    panel = with_holes(PANEL, {"close": [(20, 1)]})
    stock = values(panel, bt.Cerebro, bt.brokers.BackBroker())
    for found in (
        values(panel, kind, PanelBroker(nan_as_backtrader=True)),
        values(panel, Cerebro, bt.brokers.BackBroker()),
    ):
        np.testing.assert_array_equal(found, stock)
    assert np.flatnonzero(np.isnan(stock)).tolist() == [20]


@pytest.mark.parametrize("kind", [Cerebro, bt.Cerebro])
def test_what_is_not_held_is_worth_nothing_with_a_close_or_without(kind: Any) -> None:
    class Asking(Watching):
        def next(self) -> None:
            for data in self.datas:
                self.getposition(data)
            super().next()

    def run(panel: Panel) -> list[float]:
        cerebro = kind()
        cerebro.setbroker(PanelBroker())
        add_panel(cerebro, panel)
        cerebro.addstrategy(Asking)
        return cerebro.run()[0].values  # type: ignore[no-any-return]

    late = with_holes(PANEL, {name: [(t, 2) for t in range(7)] for name in ("open", "high", "low", "close")})
    found = run(late)
    assert found == run(PANEL)
    assert not np.isnan(found).any()


def test_the_collector_is_left_as_it_was() -> None:
    before = gc.get_threshold()
    made().run()
    assert gc.get_threshold() == before
    assert gc.isenabled()


def test_a_run_takes_a_small_part_of_the_panels_memory() -> None:
    T, N = 3000, 60
    draw = np.random.default_rng(0)
    close = 20 * np.exp(np.cumsum(draw.normal(0, 0.01, (N, T)), axis=1)).T
    fields = dict.fromkeys(("open", "high", "low", "close"), close) | {"volume": np.ones((N, T)).T}
    days = np.datetime64("2000-01-03") + np.arange(T)
    panel = Panel(days, [f"S{n}" for n in range(N)], fields, np.full((T, N), Status.TRADING))
    cerebro = Cerebro(stdstats=False)
    tracemalloc.start()
    add_panel(cerebro, panel)
    cerebro.addstrategy(bt.Strategy)
    cerebro.run()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.25 * 5 * N * T * 8  # of the five columns a feed shows
