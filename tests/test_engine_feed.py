"""Feeds over a Panel: no copy of its memory, twins equal to feeds built one by one, the same bars in any Cerebro."""

from __future__ import annotations

import pickle
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from engine_panels import as_dtype, walks

from nnstrategies.engine import Cerebro, PanelFeed, add_panel
from nnstrategies.engine.lines import stored
from nnstrategies.errors import DataError
from nnstrategies.panel import Panel

PANEL = walks(4, 30)


class Closes(bt.Strategy):
    def __init__(self) -> None:
        self.seen: list[list[float]] = []

    def next(self) -> None:
        self.seen.append([value for data in self.datas for value in (data.close[0], data.volume[0], data.score[0])])


def run(cerebro: bt.Cerebro, panel: Panel = PANEL, **more: Any) -> Any:
    add_panel(cerebro, panel, fields=("score",), **more)
    cerebro.addstrategy(Closes)
    return cerebro.run()[0]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_lines_are_the_panels_own_memory(dtype: str) -> None:
    panel = as_dtype(PANEL, dtype)
    cerebro = Cerebro()
    run(cerebro, panel)
    for column, data in enumerate(cerebro.datas):
        for name in ("open", "high", "low", "close", "volume", "score"):
            assert np.shares_memory(np.asarray(stored(getattr(data.lines, name))), panel[name].T[column])


def test_all_feeds_share_one_column_of_dates() -> None:
    cerebro = Cerebro()
    run(cerebro)
    assert len({id(data.lines.datetime.array) for data in cerebro.datas}) == 1


@pytest.mark.parametrize("mode", [{}, {"runonce": False}, {"preload": False}, {"exactbars": 1}, {"lookahead": 2}])
@pytest.mark.parametrize("kind", [bt.Cerebro, Cerebro])
def test_the_same_bars_in_every_cerebro_and_mode(kind: Any, mode: dict[str, Any]) -> None:
    seen = run(kind(stdstats=False, **mode)).seen
    expected = np.stack([PANEL[name] for name in ("close", "volume", "score")], axis=2).reshape(PANEL.T, -1)
    np.testing.assert_array_equal(np.array(seen), expected)


def test_a_twin_is_what_the_constructor_makes() -> None:
    kind: Any = PanelFeed.with_fields(("score",))
    made, twin = kind(panel=PANEL, symbol="S2"), kind(panel=PANEL, symbol="S0").twin("S2")
    assert set(vars(made)) == set(vars(twin))
    assert vars(made.p) == vars(twin.p)
    assert (twin._name, twin.column, type(twin)) == (made._name, made.column, type(made))
    assert [vars(line).keys() for line in twin.lines] == [vars(line).keys() for line in made.lines]
    assert all(line._owner is twin for line in twin.lines)
    assert twin.line2 is twin.lines[2] is twin.high


def test_twins_share_nothing_that_a_user_may_change() -> None:
    first, second = add_panel(Cerebro(), PANEL)[:2]
    first.plotinfo.plot = False
    first.plotlines.close.color = "red"
    first.addfilter(lambda data: False)
    first.p.timeframe = bt.TimeFrame.Weeks
    assert second.plotinfo.plot
    assert not hasattr(second.plotlines.close, "color")
    assert not second._filters
    assert second.p.timeframe == bt.TimeFrame.Days
    assert first.close is not second.close


def test_only_the_named_symbols_in_the_named_order() -> None:
    feeds = add_panel(Cerebro(), PANEL, symbols=("S3", "S1"))
    assert [feed._name for feed in feeds] == ["S3", "S1"]
    assert [feed.column for feed in feeds] == [3, 1]


def test_unknown_symbols_fields_and_panels_are_refused() -> None:
    with pytest.raises(DataError, match="no symbol 'S9'"):
        add_panel(Cerebro(), PANEL, symbols=("S0", "S9"))
    with pytest.raises(DataError, match="no field 'alpha'"):
        add_panel(Cerebro(), PANEL, fields=("alpha",))
    with pytest.raises(DataError, match="expected a Panel"):
        PanelFeed(panel=None, symbol="S0")


def test_a_class_with_fields_can_travel_to_another_process() -> None:
    kind = PanelFeed.with_fields(("score",))
    assert PanelFeed.with_fields(("score",)) is kind
    assert pickle.loads(pickle.dumps(kind)) is kind


def test_ticks_are_the_bars_own_values_and_missing_on_the_last_bar_as_in_backtrader() -> None:
    class Ticks(bt.Strategy):
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def next(self) -> None:
            self.seen.append((self.data1.tick_open, self.data1.tick_last, self.data1.tick_score))

    def ticks(cerebro: bt.Cerebro) -> Any:
        add_panel(cerebro, PANEL, fields=("score",))
        cerebro.addstrategy(Ticks)
        return cerebro.run()[0].seen

    assert ticks(Cerebro()) == ticks(bt.Cerebro())
    assert ticks(Cerebro(runonce=False)) == ticks(bt.Cerebro(runonce=False))


def test_ticks_of_a_run_in_backtraders_loop_do_not_linger_in_the_next_run() -> None:
    class Tick(bt.Strategy):
        def next(self) -> None:
            assert self.data.tick_close in (self.data.close[0], None)

    cerebro = Cerebro()
    add_panel(cerebro, PANEL)
    cerebro.addstrategy(Tick)
    for path, runonce in (("backtrader", False), ("panel", True), ("backtrader", False)):
        cerebro.run(runonce=runonce)
        assert cerebro.path == path
