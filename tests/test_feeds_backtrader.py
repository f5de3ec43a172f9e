"""A Panel's columns as backtrader feeds: the same bars in every mode of Cerebro."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from nnstrategies.engine import add_panel
from nnstrategies.errors import DataError
from nnstrategies.feeds.backtrader import PanelData
from nnstrategies.panel import Panel, Status

MODES: dict[str, dict[str, Any]] = {
    "runonce": {},
    "runnext": {"runonce": False},
    "not preloaded": {"preload": False},
    "exactbars": {"exactbars": 1},
    "lookahead": {"lookahead": 3},
}
LINES = ("open", "high", "low", "close", "volume", "openinterest", "turnover")


def make_panel(sessions: int = 40, symbols: int = 3, seed: int = 3) -> Panel:
    """Column 1 is listed late, the last column is delisted early; one suspended day."""
    draw = np.random.default_rng(seed)
    days = pd.bdate_range("2020-01-06", periods=sessions).to_numpy().astype("datetime64[D]")
    status = np.full((sessions, symbols), Status.TRADING, dtype=np.uint8)
    status[:7, 1] = Status.UNLISTED
    status[30:, -1] = Status.DELISTED
    status[12, 0] = Status.PAUSED
    fields = {name: draw.uniform(9, 11, status.shape).astype(np.float32) for name in ("open", "high", "low", "close")}
    fields |= {"volume": draw.uniform(1, 9, status.shape), "turnover": draw.uniform(0, 1, status.shape)}
    for values in fields.values():
        values[(status == Status.UNLISTED) | (status == Status.DELISTED)] = np.nan
    return Panel(days, [f"S{n}" for n in range(symbols)], fields, status)


class Recorder(bt.Strategy):
    def __init__(self) -> None:
        self.bars: list[list[float]] = []
        self.days: list[datetime] = []
        self.means = [bt.indicators.SMA(data.close, period=1) for data in self.datas]

    def next(self) -> None:
        self.days.append(self.datas[0].datetime.datetime(0))
        values = [getattr(data, name)[0] for data in self.datas for name in LINES]
        self.bars.append(values + [mean[0] for mean in self.means])


def record(panel: Panel, **mode: Any) -> Recorder:
    cerebro = bt.Cerebro(stdstats=False, **mode)
    add_panel(cerebro, panel, fields=("turnover",))
    cerebro.addstrategy(Recorder)
    return cerebro.run()[0]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_delivers_the_panel_bar_by_bar_with_late_listing_and_delisting(mode: str) -> None:
    panel = make_panel()
    seen = record(panel, **MODES[mode])
    assert seen.days == [datetime(day.year, day.month, day.day) for day in panel.sessions.tolist()]
    columns = [panel[name][:, n] if name in panel else np.zeros(panel.T) for n in range(panel.N) for name in LINES]
    expected = np.column_stack(columns + [panel["close"][:, n] for n in range(panel.N)])
    np.testing.assert_array_equal(np.array(seen.bars), expected.astype(np.float64))
    assert np.isnan(np.array(seen.bars)[:7, len(LINES)]).all()  # S1 before its listing


@pytest.mark.parametrize("mode", MODES)
def test_from_and_to_dates_cut_the_bars_alike(mode: str) -> None:
    panel = make_panel()
    cerebro = bt.Cerebro(stdstats=False, **MODES[mode])
    kind = PanelData.with_fields(("turnover",))
    data = kind(panel=panel, symbol="S0", fromdate=datetime(2020, 1, 8), todate=datetime(2020, 1, 20))
    cerebro.adddata(data)
    cerebro.addstrategy(Recorder)
    seen = cerebro.run()[0]
    assert (seen.days[0], seen.days[-1], len(seen.days)) == (datetime(2020, 1, 8), datetime(2020, 1, 20), 9)


def test_a_feed_knows_its_panel_column_and_symbol() -> None:
    panel, cerebro = make_panel(), bt.Cerebro()
    feeds = add_panel(cerebro, panel, ["S2", "S0"])
    assert [(feed.panel, feed.column, feed._name) for feed in feeds] == [(panel, 2, "S2"), (panel, 0, "S0")]
    assert cerebro.datasbyname["S2"] is feeds[0]


def test_a_run_can_be_repeated_and_does_not_change_the_panel() -> None:
    panel, cerebro = make_panel(), bt.Cerebro(stdstats=False)
    before = panel.fingerprint
    add_panel(cerebro, panel, fields=("turnover",))
    cerebro.addstrategy(Recorder)
    first, second = (np.array(cerebro.run()[0].bars) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert make_panel().fingerprint == before


def test_resampling_to_weeks_gives_the_same_bars_preloaded_or_not() -> None:
    panel = make_panel()

    def weeks(**mode: Any) -> list[tuple[datetime, float]]:
        cerebro = bt.Cerebro(stdstats=False, **mode)
        data = PanelData(panel=panel, symbol="S0")
        cerebro.resampledata(data, timeframe=bt.TimeFrame.Weeks)

        class Weekly(bt.Strategy):
            seen: list[tuple[datetime, float]]

            def start(self) -> None:
                self.seen = []

            def next(self) -> None:
                self.seen.append((self.data.datetime.date(0), self.data.close[0]))

        cerebro.addstrategy(Weekly)
        return cerebro.run()[0].seen

    assert len(weeks()) == 8
    assert weeks() == weeks(preload=False) == weeks(runonce=False)


def test_an_order_fills_at_the_next_open_in_stock_cerebro() -> None:
    panel = make_panel()

    class Buyer(bt.Strategy):
        price = 0.0

        def next(self) -> None:
            if len(self) == 5:
                self.buy(self.datas[0], size=1)

        def notify_order(self, order: bt.Order) -> None:
            if order.status == order.Completed:
                self.price = order.executed.price

    cerebro = bt.Cerebro(stdstats=False)
    add_panel(cerebro, panel, ["S0"])
    cerebro.addstrategy(Buyer)
    assert cerebro.run()[0].price == float(panel["open"][5, 0])


def test_errors_name_the_symbol_or_field() -> None:
    panel, cerebro = make_panel(), bt.Cerebro()
    with pytest.raises(DataError, match="no symbol 'X'"):
        add_panel(cerebro, panel, ["X"])
    with pytest.raises(DataError, match="no field 'pe'"):
        add_panel(cerebro, panel, fields=["pe"])
    with pytest.raises(DataError, match="'close' is a line already"):
        add_panel(cerebro, panel, fields=["close"])
    with pytest.raises(DataError, match="panel: expected a Panel, got NoneType"):
        PanelData(symbol="S0")
