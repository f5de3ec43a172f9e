"""What the cases hang on a Cerebro: analyzers, observers, sizers, commission schemes, feeds, a store."""

from __future__ import annotations

import datetime as dt
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
from engine_panels import frame
from engine_recorder import Recorder
from engine_sides import Columns

from nnstrategies.panel import Panel

ANALYZERS = (
    *("AnnualReturn", "Calmar", "DrawDown", "TimeDrawDown", "GrossLeverage", "LogReturnsRolling", "PeriodStats"),
    *("PositionsValue", "PyFolio", "Returns", "SharpeRatio", "SharpeRatio_A", "SQN", "TimeReturn", "TradeAnalyzer"),
    *("Transactions", "VWR"),
)
OBSERVERS = (
    *("Broker", "Cash", "Value", "FundValue", "FundShares", "Trades", "DataTrades", "DrawDown", "DrawDownLength"),
    *("DrawDown_Old", "TimeReturn", "LogReturns", "LogReturns2", "Benchmark"),
)


def add_all_analyzers(cerebro: bt.Cerebro, recorder: Recorder) -> None:
    """Every analyzer of backtrader, some a second time with other settings, and two of our own."""
    cerebro.addobserver(bt.observers.Broker)  # AnnualReturn reads it
    for name in ANALYZERS:
        cerebro.addanalyzer(getattr(bt.analyzers, name))
    weeks = {"timeframe": bt.TimeFrame.Weeks}
    cerebro.addanalyzer(bt.analyzers.TimeReturn, _name="weekly", **weeks)
    cerebro.addanalyzer(bt.analyzers.TimeReturn, _name="against", data=cerebro.datas[-1], **weeks)
    cerebro.addanalyzer(bt.analyzers.SharpeRatio, _name="daily", timeframe=bt.TimeFrame.Days, factor=252)
    cerebro.addanalyzer(bt.analyzers.PositionsValue, _name="headed", headers=True, cash=True)
    cerebro.addanalyzer(bt.analyzers.Transactions, _name="transacted", headers=True)
    cerebro.addanalyzer(bt.analyzers.GrossLeverage, _name="fund", fund=True)
    cerebro.addanalyzer(Listener)
    cerebro.addanalyzer(Counter)


def add_all_observers(cerebro: bt.Cerebro, recorder: Recorder) -> None:
    """Every observer of backtrader, per feed where that is meant, and one of our own."""
    for name in OBSERVERS:
        if name == "LogReturns2" and len(cerebro.datas) == 1:
            continue  # it is about two feeds
        more = {"data": cerebro.datas[0], "timeframe": bt.TimeFrame.Weeks} if name == "Benchmark" else {}
        cerebro.addobserver(getattr(bt.observers, name), **more)
    cerebro.addobservermulti(bt.observers.BuySell, barplot=True, bardist=0.02)
    cerebro.addobservermulti(bt.observers.BuySell)
    cerebro.addobserver(Exposure)


class Listener(bt.Analyzer):
    """Keeps every notification that reaches an analyzer; orders by what can be read at that moment."""

    def create_analysis(self) -> None:
        self.heard: list[Any] = []

    def notify_order(self, order: Any) -> None:
        self.heard.append(("order", order.clone()))

    def notify_trade(self, trade: Any) -> None:
        self.heard.append(("trade", trade))

    def notify_cashvalue(self, cash: float, value: float) -> None:
        self.heard.append(("cash and value", cash, value))

    def notify_fund(self, cash: float, value: float, fundvalue: float, shares: float) -> None:
        self.heard.append(("fund", cash, value, fundvalue, shares))

    def get_analysis(self) -> list[Any]:
        return self.heard


class Counter(bt.Analyzer):
    """Counts the calls by stage and keeps its own child analyzer."""

    def __init__(self) -> None:
        self.child = bt.analyzers.DrawDown()

    def start(self) -> None:
        self.rets: dict[str, Any] = {"prenext": 0, "nextstart": 0, "next": 0, "len": []}

    def prenext(self) -> None:
        self.rets["prenext"] += 1

    def nextstart(self) -> None:
        self.rets["nextstart"] += 1

    def next(self) -> None:
        self.rets["next"] += 1
        self.rets["len"].append(len(self))


class Exposure(bt.Observer):
    """An observer of the user's own: value in the market over value."""

    lines: Any = ("exposure", "orders")

    def next(self) -> None:
        broker = self._owner.broker
        self.lines.exposure[0] = broker.get_value(mkt=True) / broker.getvalue()
        self.lines.orders[0] = len(self._owner._orderspending)


class Tiered(bt.CommInfoBase):
    """An own scheme with every hook a broker may call: tiers, a minimum, interest that grows, its own sizes."""

    params = (("commtype", bt.CommInfoBase.COMM_FIXED), ("stocklike", True), ("minimum", 1.5), ("interest", 0.1))

    def _getcommission(self, size: float, price: float, pseudoexec: bool) -> float:
        rate = 0.002 if abs(size) * price < 300 else 0.001
        return max(self.p.minimum, abs(size) * price * rate) + (0.0 if pseudoexec else 0.01)

    def getsize(self, price: float, cash: float) -> float:
        return int(cash // price) // 2 * 2

    def profitandloss(self, size: float, price: float, newprice: float) -> float:
        return size * (newprice - price) * 1.0001

    def _get_credit_interest(self, data: Any, size: float, price: float, days: int, dt0: Any, dt1: Any) -> float:
        return days * self._creditrate * abs(size) * price * 1.5


class HalfSizer(bt.Sizer):
    """Half of the cash when buying, all when selling; refuses odd bars."""

    def _getsizing(self, comminfo: Any, cash: float, data: Any, isbuy: bool) -> float:
        if len(data) % 5 == 0:
            return 0
        if isbuy:
            return comminfo.getsize(data.close[0], cash / 2)
        return abs(self.broker.getposition(data).size)


class LiveColumns(Columns):
    """A feed that says it is live: Cerebro neither preloads nor vectorises, and hears of its status."""

    def islive(self) -> bool:
        return True

    def start(self) -> None:
        super().start()
        self.put_notification(self.LIVE)


class FakeStore(bt.Store):
    """A store with something to say."""

    def start(self, data: Any = None, broker: Any = None) -> None:
        super().start(data, broker)
        self.put_notification("connected", 1, tone="calm")


def offset_frame(panel: Panel, symbol: str, every: int = 2, shift: int = 0, hours: int = 0) -> pd.DataFrame:
    """A symbol's bars on another calendar: every k-th session, moved by days and hours."""
    table = frame(panel, symbol, np.arange(panel.T) % every == 0)
    return table.set_axis(table.index + pd.Timedelta(days=shift, hours=hours))


def add_frame(cerebro: bt.Cerebro, table: pd.DataFrame, name: str, **settings: Any) -> bt.feed.DataBase:
    """Add a table as stock backtrader's own PandasData."""
    data = bt.feeds.PandasData(dataname=table, **settings)
    return cerebro.adddata(data, name=name)


def history(panel: Panel) -> list[tuple[dt.datetime, int, float]]:
    """Orders of the past, as add_order_history takes them."""
    rows = ((3, 20), (9, -5), (20, -30), (28, 15))
    days = [dt.datetime.combine(panel.sessions[row].tolist(), dt.time()) for row, _ in rows]
    return [(day, size, float(panel["close"][row, 0])) for day, (row, size) in zip(days, rows, strict=True)]
