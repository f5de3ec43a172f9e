"""One job of the engine benchmark in its own process: python benchmarks/engine_jobs.py JOB FOLDER; prints JSON.

A job is imported and its market loaded before the clocks start; making the feeds, running and reading the result count.
"""

from __future__ import annotations

import gc
import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import engine_market as market_module
from engine_market import CASH, COMMISSION, SHARE, TOP, Market

Job = Callable[[Market], dict[str, float]]


def monthly_top(bt: Any) -> Any:
    """The strategy as a user of backtrader writes it: a loop over the feeds, orders one by one, notifications kept."""

    class MonthlyTop(bt.Strategy):  # type: ignore[misc]
        params = (("top", TOP), ("share", SHARE))

        def __init__(self) -> None:
            self.month = None
            self.orders: list[tuple[Any, ...]] = []
            self.trades: list[tuple[Any, ...]] = []

        def next(self) -> None:
            month = self.datetime.date(0).month
            if month == self.month:
                return
            self.month = month
            ranked = sorted(self.datas, key=lambda data: data.score[0], reverse=True)[: self.p.top]
            chosen = {data._name for data in ranked}
            for data in self.datas:
                if data._name not in chosen and self.getposition(data).size:
                    self.order_target_percent(data, 0.0)
            for data in ranked:
                self.order_target_percent(data, self.p.share / len(ranked))

        def notify_order(self, order: Any) -> None:
            if not order.alive():
                done = order.executed
                self.orders.append((order.ref, order.data._name, order.status, done.size, done.price, done.comm))

        def notify_trade(self, trade: Any) -> None:
            if trade.isclosed:
                self.trades.append((trade.data._name, trade.barlen, trade.pnlcomm))

    return MonthlyTop


def backtrader_job(stdstats: bool, package: str = "backtrader", table: str = "dataname") -> Callable[[], Job]:
    """Stock backtrader, or a package that has kept its interface but for the name of PandasData's table."""

    def prepare() -> Job:
        bt = importlib.import_module(package)

        class Scored(bt.feeds.PandasData):  # type: ignore[misc, name-defined]
            lines = ("score",)
            params = (("score", -1), ("openinterest", None))

        def run(market: Market) -> dict[str, float]:
            import pandas as pd

            cerebro = bt.Cerebro(stdstats=stdstats)
            for n, symbol in enumerate(market.symbols):
                columns = {name: values[n] for name, values in market.fields.items()}
                cerebro.adddata(Scored(**{table: pd.DataFrame(columns, market.index)}), name=symbol)
            return finish(cerebro, monthly_top(bt))

        return run

    return prepare


def finish(cerebro: Any, strategy: Any, **settings: Any) -> dict[str, float]:
    cerebro.broker.setcash(CASH)
    cerebro.broker.setcommission(commission=COMMISSION)
    cerebro.addstrategy(strategy, **settings)
    ran = cerebro.run()[0]
    return {"value": cerebro.broker.getvalue(), "orders": len(ran.orders)}


def panel_of(market: Market) -> Any:
    """The market as a Panel over the same arrays."""
    import numpy as np

    from nnstrategies.panel import Panel, Status

    shape = market.fields["close"].shape
    fields = {name: values.T for name, values in market.fields.items()}
    return Panel(market.days, market.symbols, fields, np.full(shape, Status.TRADING, np.uint8).T)


def engine_job(stdstats: bool) -> Callable[[], Job]:
    """Our engine with the very strategy that backtrader runs."""

    def prepare() -> Job:
        import backtrader as bt

        from nnstrategies.engine import Cerebro, add_panel

        def run(market: Market) -> dict[str, float]:
            cerebro = Cerebro(stdstats=stdstats)
            add_panel(cerebro, panel_of(market), fields=("score",))
            result = finish(cerebro, monthly_top(bt))
            if cerebro.path != "panel":
                raise SystemExit(f"fell back: {cerebro.path_reason}")
            return result

        return run

    return prepare


def arrays_job() -> Job:
    """Our engine with arrays in and one batch of targets out, and nobody listening to notifications."""
    import backtrader as bt
    import numpy as np

    from nnstrategies.engine import Cerebro, Cross, add_panel

    class ArrayTop(bt.Strategy):  # type: ignore[misc]
        def __init__(self) -> None:
            self.cross = Cross(self)
            self.month: int | None = None

        @property
        def orders(self) -> Any:
            return self.broker.orders

        def next(self) -> None:
            month = self.datetime.date(0).month
            if month == self.month:
                return
            self.month = month
            best = np.argsort(-self.cross["score"], kind="stable")[:TOP]
            targets = np.zeros(self.cross.N)
            targets[best] = SHARE / len(best)
            self.cross.rebalance(targets)

    def run(market: Market) -> dict[str, float]:
        cerebro = Cerebro(stdstats=False)
        add_panel(cerebro, panel_of(market), fields=("score",))
        return finish(cerebro, ArrayTop)

    return run


def rebalance_job() -> Job:
    """Our engine with RebalanceStrategy as it comes: the same scores, months and shares, its own way of sizing."""
    import numpy as np

    from nnstrategies.engine import Cerebro, add_panel
    from nnstrategies.scores import Scores
    from nnstrategies.strategies import RebalanceStrategy

    def run(market: Market) -> dict[str, float]:
        panel = panel_of(market)
        market.fields["score"] = market.fields["score"].astype(np.float32)  # type: ignore[assignment]  # held once
        values = market.fields["score"].T[:, :, None]
        known = (("score",), ("none",), values, (), np.full(panel.T, -1))
        scores = Scores(panel.sessions, panel.symbols, *known)
        cerebro = Cerebro(stdstats=False)
        add_panel(cerebro, panel)
        cerebro.broker.setcash(CASH)
        cerebro.broker.setcommission(commission=COMMISSION)
        cerebro.addstrategy(RebalanceStrategy, panel=panel, scores=scores, top_n=TOP, cash_buffer=1 - SHARE)
        cerebro.run()
        return {"value": cerebro.broker.getvalue(), "orders": len(cerebro.broker.orders)}

    return run


def prepared() -> dict[str, Callable[[], Job]]:
    """Every job by name; calling one imports what it needs."""
    import engine_peers

    return {
        "engine, RebalanceStrategy": rebalance_job,
        "engine, arrays": arrays_job,
        "engine": engine_job(False),
        "engine, stdstats": engine_job(True),
        "backtrader": backtrader_job(False),
        "backtrader, stdstats": backtrader_job(True),
        "backtrader-next": backtrader_job(False, "backtrader_next", "dataframe"),
        **engine_peers.JOBS,
    }


def resident(key: str) -> float:
    """MB of this process from /proc: VmHWM is the most it had, VmRSS what it has."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"no {key} in /proc/self/status")


def main(name: str, folder: str) -> None:
    job = prepared()[name]()
    market = market_module.load(Path(folder))
    before = resident("VmRSS")
    figures: list[dict[str, float]] = []
    result: dict[str, float] = {}
    for _ in range(2 if name.startswith(("vectorbt", "engine")) else 1):  # the first call compiles, and fills caches
        wall, cpu = time.perf_counter(), time.process_time()
        result = job(market)
        figures.append({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu})
        gc.collect()  # what one call leaves behind is no part of what the next needs
    last = {**figures[-1], **result, "before": before, "peak": resident("VmHWM")}
    print(json.dumps({**last, "first": figures[0]["cpu"]}))


if __name__ == "__main__":
    main(*sys.argv[1:3])
