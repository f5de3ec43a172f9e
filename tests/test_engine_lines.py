"""Lines on a cursor: what they answer, what they refuse, and where every feed stands on a common calendar."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
import pytest
from engine_extras import add_frame, offset_frame
from engine_panels import as_dtype, frame, walks
from hypothesis import given
from hypothesis import strategies as st

from nnstrategies.engine import Cerebro, add_panel
from nnstrategies.engine.cursor import Timeline
from nnstrategies.errors import DataError

PANEL = walks(3, 40)


class Doing(bt.Strategy):
    params: Any = (("what", None), ("early", None))

    def prenext(self) -> None:
        if self.p.early:
            self.p.early(self)

    def next(self) -> None:
        if self.p.what:
            self.p.what(self)


def run(what: Any = None, early: Any = None, panel: Any = PANEL, late: bool = False) -> Cerebro:
    cerebro = Cerebro(stdstats=False)
    add_panel(cerebro, panel)
    if late:
        add_frame(cerebro, frame(PANEL, "S1")[15:], "late")
    cerebro.addstrategy(Doing, what=what, early=early)
    cerebro.run()
    assert cerebro.path == "panel"
    return cerebro


class Days:
    """A stand-in for a preloaded feed with bars at these moments."""

    def __init__(self, moments: Any) -> None:
        self.lines = self
        self.datetime = self
        self.array = np.array(moments, dtype=np.float64)


@given(st.lists(st.sets(st.integers(1, 30)), min_size=1, max_size=4), st.data())
def test_a_timeline_says_for_every_moment_how_many_bars_each_feed_has_had(calendars: Any, data: Any) -> None:
    feeds = [Days(sorted(calendar)) for calendar in calendars]
    timeline = Timeline.of(feeds)
    assert timeline is not None
    assert timeline.moments.tolist() == sorted(set().union(*calendars))
    minperiods = [data.draw(st.integers(1, 5)) for _ in feeds]
    statuses = timeline.statuses(minperiods)
    for row, moment in enumerate(timeline.moments):
        had = [sum(day <= moment for day in calendar) for calendar in calendars]
        for positions, count in zip(timeline.positions, had, strict=True):
            assert (row if positions is None else positions[row + 1]) == count - 1
        assert statuses[row] == max(need - count for need, count in zip(minperiods, had, strict=True))


@pytest.mark.parametrize("moments", [[1, 2, 2], [3, 2], [1, np.nan], [1, np.inf]])
def test_a_feed_whose_moments_do_not_increase_has_no_timeline(moments: Any) -> None:
    assert Timeline.of([Days([1, 2, 3]), Days(moments)]) is None


def test_reading_before_the_first_bar_is_an_error_where_backtrader_gives_the_last() -> None:
    def last_close(strategy: Any) -> None:
        strategy.datas[-1].close[0]

    with pytest.raises(DataError, match="late: a bar before its first one"):
        run(early=last_close, late=True)
    stock: list[float] = []
    cerebro = bt.Cerebro(stdstats=False)
    add_frame(cerebro, frame(PANEL, "S0"), "S0")
    add_frame(cerebro, frame(PANEL, "S1")[15:], "late")
    cerebro.addstrategy(Doing, early=lambda strategy: stock.append(strategy.datas[-1].close[0]))
    cerebro.run()
    assert stock[0] == PANEL["close"][-1, 1]  # the future, on the first day


def test_yesterday_on_the_first_day_is_an_error() -> None:
    with pytest.raises(DataError, match="it has 1 bars so far"):
        run(lambda strategy: strategy.data.close[-1])


def test_a_line_over_a_panel_cannot_be_written() -> None:
    def write(strategy: Any) -> None:
        strategy.data.close[0] = 1.0

    with pytest.raises(DataError, match="read-only"):
        run(write)


@pytest.mark.parametrize("step", ["forward", "advance", "rewind", "backwards"])
def test_lines_are_moved_by_cerebro_alone_during_a_run(step: str) -> None:
    with pytest.raises(DataError, match="are Cerebro's during a run"):
        run(lambda strategy: getattr(strategy.data.close, step)())


def test_references_taken_before_the_run_stay_valid() -> None:
    class Early(bt.Strategy):
        def __init__(self) -> None:
            self.line, self.feed = self.data1.close, self.data1
            self.seen: list[bool] = []

        def next(self) -> None:
            self.seen.append(self.line[0] == self.feed.close[0] == self.data1_close[0] == self.datas[1].lines[0][0])

    cerebro = Cerebro()
    add_panel(cerebro, PANEL)
    cerebro.addstrategy(Early)
    assert cerebro.run()[0].seen == [True] * PANEL.T


def test_a_float32_panel_is_read_in_place_and_handed_out_as_doubles_where_an_array_is_asked_for() -> None:
    panel = as_dtype(PANEL, "float32")
    widths: list[Any] = []

    def look(strategy: Any) -> None:
        line = strategy.data.close
        if len(strategy) == 5:
            before = "_wide" in vars(line)
            values = np.frombuffer(line.array)
            widths.append(
                (before, values.dtype, values.tolist() == panel["close"][:, 0].tolist(), line[0] == values[4])
            )

    run(look, panel=panel)
    assert widths == [(False, np.dtype("float64"), True, True)]


def test_after_a_run_lines_show_the_last_bar_and_a_second_run_starts_anew() -> None:
    lengths: list[int] = []
    cerebro = run(lambda strategy: lengths.append(len(strategy.data)))
    assert cerebro.datas[0].close[0] == PANEL["close"][-1, 0]
    cerebro.run()
    assert lengths == [*range(1, 41), *range(1, 41)]


def test_a_feed_on_other_days_keeps_its_last_bar_between_its_own() -> None:
    seen: list[tuple[int, float]] = []
    cerebro = Cerebro(stdstats=False)
    add_panel(cerebro, PANEL)
    add_frame(cerebro, offset_frame(PANEL, "S2", every=4), "every fourth")
    cerebro.addstrategy(Doing, what=lambda s: seen.append((len(s.datas[-1]), s.datas[-1].close[0])))
    cerebro.run()
    assert cerebro.path == "panel"
    assert seen == [(row // 4 + 1, PANEL["close"][row // 4 * 4, 2]) for row in range(40)]
