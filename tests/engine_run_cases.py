"""The catalogue of runs: clocks, lines, observers, several strategies, other feeds, what only backtrader can run."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import backtrader as bt
import engine_lines as lines
import engine_strategies as trade
import numpy as np
from engine_cases import ONE, RAGGED, WALKS, calls, every_type, one
from engine_extras import FakeStore, LiveColumns, add_all_analyzers, add_all_observers, add_frame, offset_frame
from engine_panels import as_dtype, frame, walks, with_holes
from engine_recorder import Case, Equip, Recorder
from engine_sides import rows_of

OPEN = {"cheat_on_open": True}
WEEKS = {"timeframe": bt.TimeFrame.Weeks, "compression": 1}


def opening_cases() -> list[Case]:
    """Cheating on the open, in Cerebro alone and with the broker."""
    timer = {"when": bt.timer.SESSION_START, "strats": True}
    return [
        one("next_open", trade.Opening, cerebro=OPEN),
        one("next_open, broker not told", trade.Opening, cerebro={**OPEN, "broker_coo": False}),
        one("next_open, ragged", trade.Opening, cerebro=OPEN, panel=RAGGED),
        one("next_open and close", trade.Opening, cerebro=OPEN, broker={"coc": True}),
        one("next_open not called", trade.Opening),
        one("broker cheats on open alone", trade.Targets, broker={"coo": True}),
        one("timers of a strategy", trade.Timed),
        one("timers that cheat", trade.Timed, {"cheat": True}),
        one("timers that cheat on the open", trade.Timed, {"cheat": True}, cerebro=OPEN),
        one("timers of Cerebro", trade.Timed, equip=calls(lambda c: c.add_timer(**timer, weekdays=[2]))),
        one("timers of Cerebro that cheat", trade.Timed, equip=calls(lambda c: c.add_timer(**timer, cheat=True))),
    ]


def line_cases() -> list[Case]:
    bars = ("everything", "bars", "nothing")
    return [
        one("indicators", lines.Indicated, panel=walks(3, 60, 8), listen=bars),
        one("indicators, one feed", lines.Indicated, panel=walks(1, 60, 9)),
        one("indicators, float32", lines.Indicated, panel=as_dtype(walks(2, 60, 8), "float32")),
        one("indicators and next_open", lines.Indicated, panel=walks(2, 60, 8), cerebro=OPEN),
        one("indicators of Cerebro", trade.Targets, equip=calls(lambda c: c.addindicator(bt.indicators.RSI, period=4))),
        one("reading lines", lines.Reading, listen=bars),
        one("reading lines, float32", lines.Reading, panel=as_dtype(WALKS, "float32")),
        one("reading lines, other calendars", lines.Reading, equip=other_calendar("S1", every=2)),
        one("minimum period by hand", lines.Patient, listen=bars),
        one("minimum period, ragged", lines.Patient, panel=RAGGED),
        one("crossing means", trade.Crossing, listen=bars),
        one("a long minimum period that is never met", trade.Crossing, {"slow": 80}, error="IndexError"),
    ]


def watching_cases() -> list[Case]:
    """Analyzers, observers, writers."""
    cases = []
    for strategy in (trade.EveryOrderType, trade.TopScores, trade.Brackets):
        name = strategy.__name__
        cases += [
            one(f"all analyzers, {name}", strategy, equip=add_all_analyzers),
            one(f"all observers, {name}", strategy, equip=add_all_observers, panel=RAGGED, cerebro={"stdstats": False}),
        ]
    history = {"tradehistory": True}
    writer: Equip = lambda cerebro, recorder: recorder.writer(cerebro, csv=True)  # noqa: E731
    plain: Equip = lambda cerebro, recorder: recorder.writer(cerebro, rounding=4)  # noqa: E731
    return [
        *cases,
        one("all analyzers, one feed", trade.EveryOrderType, equip=add_all_analyzers, panel=ONE, cerebro=history),
        one("all observers, one feed", trade.EveryOrderType, equip=add_all_observers, panel=ONE),
        one("all observers, fund mode", trade.Depositing, equip=add_all_observers, broker={"fundmode": True}),
        one("all analyzers, prenext", lines.Patient, equip=add_all_analyzers),
        one("all observers, prenext", lines.Patient, equip=add_all_observers),
        one(
            "all analyzers, no standard observers", trade.Targets, equip=add_all_analyzers, cerebro={"stdstats": False}
        ),
        one("no observers", trade.EveryOrderType, cerebro={"stdstats": False}),
        one("old observers", trade.EveryOrderType, cerebro={"oldbuysell": True, "oldtrades": True}),
        one("writer of every bar", trade.Crossing, equip=writer, panel=RAGGED),
        one("writer of the result", trade.EveryOrderType, equip=plain),
        one("writer of Cerebro", trade.Targets, cerebro={"writer": True}),
    ]


def several_cases() -> list[Case]:
    """Several strategies, optimisations, signals, repeated and ended runs."""
    pair: Any = ((trade.TopScores, {"every": 4}), (trade.EveryOrderType, {}))
    late: Any = ((trade.Crossing, {"slow": 12}), (trade.Targets, {}), (lines.Patient, {}))
    grid = {"fast": [2, 4], "slow": [7, 9]}
    one_cpu = {"maxcpus": 1}
    return [
        Case("two strategies", WALKS, pair),
        Case("three strategies with other minimum periods", WALKS, late),
        Case("two strategies and all observers", WALKS, pair, equip=add_all_observers),
        Case("two strategies that cheat on the open", WALKS, ((trade.Opening, {}), (trade.Targets, {})), cerebro=OPEN),
        one("optimisation", trade.Crossing, optimise=grid, cerebro=one_cpu, equip=add_all_analyzers),
        one(
            "optimisation returning strategies", trade.Crossing, optimise=grid, cerebro={**one_cpu, "optreturn": False}
        ),
        one(
            "optimisation, data loaded each time", trade.Crossing, optimise=grid, cerebro={**one_cpu, "optdatas": False}
        ),
        one("run twice", trade.EveryOrderType, runs=2),
        one("run twice with indicators", trade.Crossing, runs=2),
        one("ended from inside", trade.Stopping),
        Case("signals", WALKS, equip=signals(bt.SIGNAL_LONGSHORT)),
        Case("signals, long and exit", WALKS, equip=signals(bt.SIGNAL_LONG, bt.SIGNAL_LONGEXIT)),
    ]


def signals(*kinds: int) -> Equip:
    def equip(cerebro: bt.Cerebro, recorder: Recorder) -> None:
        cerebro.signal_strategy(recorder.recorded(bt.SignalStrategy))
        for n, kind in enumerate(kinds):
            cerebro.add_signal(kind, Above, period=4 + n)

    return equip


class Above(bt.Indicator):
    """A signal: how far the close is above its mean."""

    lines: Any = ("signal",)
    params = (("period", 5),)

    def __init__(self) -> None:
        self.lines.signal = self.data.close - bt.indicators.SMA(self.data, period=self.p.period)


def other_calendar(symbol: str, panel: Any = WALKS, **terms: Any) -> Equip:
    """Add the symbol once more as a PandasData with another calendar."""
    return lambda cerebro, recorder: add_frame(cerebro, offset_frame(panel, symbol, **terms), "other")


def feed_cases() -> list[Case]:
    """Feeds of other kinds and calendars beside, before and instead of the panel's; gaps and holes."""
    extra = calls(lambda c: add_frame(c, frame(WALKS, "S1"), "extra"))
    late = calls(lambda c: add_frame(c, frame(WALKS, "S1")[15:], "late"))
    early = calls(lambda c: add_frame(c, frame(WALKS, "S1")[:25], "early"))
    empty = calls(lambda c: add_frame(c, frame(WALKS, "S1")[:0], "empty"))
    cut = {"fromdate": dt.datetime(2020, 1, 20), "todate": dt.datetime(2020, 2, 14)}
    return [
        every_type("extra feed", equip=extra),
        every_type("extra feed first", first=extra),
        every_type("extra feed that begins late", equip=late),
        every_type("extra feed that begins late, first", first=late),
        every_type("extra feed that ends early", equip=early),
        every_type("extra feed that ends early, first", first=early),
        every_type("extra feed, cut by dates", equip=calls(lambda c: add_frame(c, frame(WALKS, "S0"), "cut", **cut))),
        every_type("every second session", equip=other_calendar("S1", every=2)),
        every_type("other days", equip=other_calendar("S1", every=3, shift=1)),
        every_type("other hours", equip=other_calendar("S1", every=1, hours=15)),
        one("a feed without bars", trade.Targets, equip=empty),
        one("targets on other days", trade.Targets, equip=other_calendar("S1", every=3, shift=1)),
        one("observers on other days", trade.OnFill, first=other_calendar("S1", every=2), equip=add_all_observers),
        one("indicators on other days", trade.Crossing, equip=other_calendar("S2", every=2)),
        one("indicators across calendars", lines.Coupled, equip=calls(resampled_itself), error="IndexError"),
        every_type("two time frames", equip=calls(resampled_itself)),
        one("suspended and ragged, orders in waiting", trade.Brackets, panel=RAGGED),
    ]


def resampled_itself(cerebro: bt.Cerebro) -> None:
    """A weekly feed made by the feed's own filter, which leaves Cerebro free to preload."""
    data = bt.feeds.PandasData(dataname=frame(WALKS, "S1"))
    data.resample(**WEEKS)
    cerebro.adddata(data, name="weeks")


def hole_cases() -> list[Case]:
    """NaN where a source has none: a close while the share is held, an open at which an order is due."""
    closes = with_holes(WALKS, {"close": [(20, 0), (27, 1)]})
    bars = with_holes(WALKS, {name: [(14, 0)] for name in ("open", "high", "low", "close")})
    return [
        one("NaN close of a share that is held", trade.Holding, panel=closes, equip=add_all_observers),
        one("NaN close of a share merely asked about", trade.Targets, panel=RAGGED),
        one("NaN close, seen by every observer", trade.Targets, panel=closes, equip=add_all_observers),
        one("NaN bar at which a limit is due", trade.Expiring, panel=bars),
        one("NaN high and low", trade.Holding, panel=with_holes(WALKS, {"high": [(9, 0)], "low": [(9, 0)]})),
        one("NaN score", trade.TopScores, panel=with_holes(WALKS, {"score": [(9, 0), (14, 1), (14, 0)]})),
    ]


def fallback_cases() -> list[Case]:
    """What needs backtrader's own loop: the run must say so and be backtrader's."""
    live = calls(lambda c: c.adddata(LiveColumns(values=rows_of(WALKS, "S1")), name="live"))
    twice = frame(WALKS, "S1", np.ones(WALKS.T, bool))
    twice.index = twice.index.where(np.arange(len(twice)) != 12, twice.index[11])
    back = twice.set_axis(twice.index[::-1])
    store = calls(lambda c: c.addstore(FakeStore()))
    base = [
        every_type("bar by bar", cerebro={"runonce": False}),
        every_type("not preloaded", cerebro={"preload": False}),
        every_type("exact bars", cerebro={"exactbars": True}),
        every_type("nearly exact bars", cerebro={"exactbars": -1}),
        every_type("old synchronisation", cerebro={"oldsync": True}),
        every_type("look-ahead", cerebro={"lookahead": 3}),
        every_type("live feed", equip=live),
        every_type("live by parameter", cerebro={"live": True}),
        every_type("a day twice", equip=calls(lambda c: add_frame(c, twice, "twice"))),
        every_type("days backwards", equip=calls(lambda c: add_frame(c, back, "back"))),
        one("overridden private method", trade.OwnPrivate),
        every_type("a store, bar by bar", cerebro={"runonce": False}, equip=store),
        one("indicators, bar by bar", lines.Indicated, panel=walks(3, 60, 8), cerebro={"runonce": False}),
        one("all observers, bar by bar", trade.TopScores, equip=add_all_observers, cerebro={"runonce": False}),
        one("resampled", lines.Coupled, equip=calls(lambda c: c.resampledata(c.datas[0], **WEEKS))),
        one("replayed", lines.Coupled, equip=calls(replayed)),
    ]
    return [replace(case, path="backtrader") for case in base]


def replayed(cerebro: bt.Cerebro) -> None:
    cerebro.replaydata(bt.feeds.PandasData(dataname=frame(WALKS, "S1")), name="weeks", **WEEKS)


RUNS = [*opening_cases(), *line_cases(), *watching_cases(), *several_cases(), *feed_cases(), *hole_cases()]
FALLBACKS = fallback_cases()
