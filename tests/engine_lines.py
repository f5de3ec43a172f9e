"""Strategies about lines: built-in and own indicators, minimum periods, every way of reading a line."""

from __future__ import annotations

from typing import Any

import backtrader as bt


class NextMean(bt.Indicator):
    """An indicator that knows only ``next``."""

    lines: Any = ("mean",)
    params = (("period", 4),)

    def __init__(self) -> None:
        self.addminperiod(self.p.period)

    def next(self) -> None:
        self.lines.mean[0] = sum(self.data.get(size=self.p.period)) / self.p.period


class OnceRange(bt.Indicator):
    """An indicator with ``once`` over whole arrays and ``next`` beside it."""

    lines: Any = ("range", "half")

    def next(self) -> None:
        self.lines.range[0] = self.data.high[0] - self.data.low[0]
        self.lines.half[0] = self.lines.range[0] / 2

    def once(self, start: int, end: int) -> None:
        high, low = self.data.high.array, self.data.low.array
        for i in range(start, end):
            self.lines.range.array[i] = high[i] - low[i]
            self.lines.half.array[i] = self.lines.range.array[i] / 2


class Running(bt.Indicator):
    """An indicator that reads its own past and writes several bars back."""

    lines: Any = ("total", "marked")

    def nextstart(self) -> None:
        self.lines.total[0] = self.data[0]

    def next(self) -> None:
        self.lines.total[0] = self.lines.total[-1] * 0.9 + self.data[0]
        if len(self) % 4 == 0:
            self.lines.marked[-1] = 1.0


class Indicated(bt.Strategy):
    """Indicators of every kind, with different minimum periods on different feeds; trades on them."""

    def __init__(self) -> None:
        first, last = self.datas[0], self.datas[-1]
        self.built_in = [
            bt.indicators.MACD(first.close, period_me1=3, period_me2=7, period_signal=3),
            bt.indicators.RSI(last, period=5, safediv=True),
            bt.indicators.ATR(first, period=4),
            bt.indicators.BollingerBands(last.close, period=6),
            bt.indicators.Highest(first.high, period=5),
            bt.indicators.PercentRank(last.close, period=5),
            bt.indicators.ParabolicSAR(first),
            bt.indicators.Stochastic(last, period=5, safediv=True),
        ]
        self.own = [NextMean(first), NextMean(last.volume, period=9), OnceRange(last), Running(first)]
        self.nested = bt.indicators.SMA(NextMean(bt.indicators.EMA(last, period=3), period=2), period=2)
        self.spread = first.close - last.close
        self.rising = bt.And(first.close > first.close(-1), self.spread > bt.indicators.SMA(self.spread, period=4))
        self.clipped = bt.If(self.rising, bt.Max(first.open, last.open), bt.Min(first.low, last.low, 15.0))

    def next(self) -> None:
        if self.rising[0] and self.clipped[0] > self.own[0][0]:
            self.buy(data=self.datas[0], size=3)
        elif self.nested[0] > self.datas[-1].close[0]:
            self.sell(data=self.datas[-1], size=2)


class Reading(bt.Strategy):
    """Reads lines in every way the interface offers and keeps what it saw; trades a little."""

    def __init__(self) -> None:
        self.mean = bt.indicators.SMA(self.data, period=3)
        self.seen: list[Any] = []

    def prenext(self) -> None:
        self.look()

    def next(self) -> None:
        self.look()
        self.seen += [self.mean[0], self.mean.sma[0], self.mean.lines[0][0], self.mean.get(size=2), len(self.mean)]
        self.seen += [self.mean.l.sma.get(ago=0, size=3), self.mean(0)[0] if False else self.mean.lines.sma[-1]]
        if len(self) % 4 == 0:
            self.buy(data=self.datas[-1], size=1)

    def look(self) -> None:
        for n, data in enumerate(self.datas):
            if not len(data):
                continue
            line = data.lines.close
            self.seen += [data.close[0], data[0], data.lines[0][0], data.l.open[0], getattr(self, f"data{n}_low")[0]]
            self.seen += [len(data), len(line), len(data.close), data.buflen(), line.buflen(), data._name]
            self.seen += [line.get(size=2), data.get(size=2), line.get(ago=0, size=1), line.getzero(0, 2), line.idx]
            self.seen += [data.datetime[0], data.datetime.date(0), data.datetime.datetime(0), data.datetime.time(0)]
            self.seen += [data.num2date(data.datetime[0]), data.datetime.dt(), data.datetime.tm()]
            self.seen += [data.tick_open, data.tick_high, data.tick_low, data.tick_close, data.tick_volume]
            self.seen += [
                data.islive(),
                data.haslivedata(),
                data.date2num(data.datetime.datetime(0)),
                data.p.sessionend,
            ]
            if len(data) > 2:
                self.seen += [data.close[-1], data.close[-2], line.get(ago=-1, size=2), data.datetime.date(-1)]
        self.seen += [
            self.datetime[0],
            self.datetime.date(),
            self.lines.datetime[0],
            self.data0.close[0],
            self.data_close[0],
        ]
        if self.data.buflen() > len(self.data):
            self.seen.append(self.data.close[1])  # one bar ahead: possible in backtrader when all is loaded


class Patient(bt.Strategy):
    """A long minimum period set by hand; prenext and nextstart do something."""

    def __init__(self) -> None:
        self.addminperiod(10)
        self.seen: list[Any] = []

    def prenext(self) -> None:
        self.seen.append(("prenext", len(self), [len(data) for data in self.datas]))
        if len(self) == 4:
            self.buy(size=1)

    def nextstart(self) -> None:
        self.seen.append(("nextstart", len(self)))
        self.buy(size=2)

    def next(self) -> None:
        self.seen.append(("next", len(self)))
        if len(self) % 8 == 0:
            self.close()


class Coupled(bt.Strategy):
    """Two time frames: a mean of the slower feed, coupled to the clock of the faster one."""

    def __init__(self) -> None:
        slow = self.datas[-1]
        self.slow = bt.indicators.SMA(slow, period=2)
        self.coupled = self.data.close > self.slow()
        self.seen: list[Any] = []

    def next(self) -> None:
        self.seen += [self.coupled[0], self.slow[0], len(self.datas[-1]), len(self.data)]
        if self.coupled[0] and not self.getposition(self.data).size:
            self.buy(data=self.data, size=5)
        elif not self.coupled[0]:
            self.close(data=self.data)


class Ahead(bt.Strategy):
    """Reads a feed before its first bar, where backtrader silently gives the last bar of all."""

    def prenext(self) -> None:
        self.seen = [data.close[0] for data in self.datas]
