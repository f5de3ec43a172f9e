"""Hand-made panels, scores and runs for tests of strategies and brokers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from nnstrategies.brokers import Costs, MarketBroker, NoCosts
from nnstrategies.engine import add_panel
from nnstrategies.market import Book, MarketRules, market_rules
from nnstrategies.panel import Panel, Status
from nnstrategies.scores import Scores
from nnstrategies.typing import AnyArray


def sessions(count: int, start: str = "2020-01-02") -> AnyArray:
    days = pd.bdate_range(start, periods=count)
    return days.to_numpy().astype("datetime64[D]")


def make_panel(
    close: AnyArray,
    open_: AnyArray | None = None,
    status: AnyArray | None = None,
    events: Mapping[str, pd.DataFrame] | None = None,
    **fields: AnyArray,
) -> Panel:
    """A panel of closes [T, N]; opens are the closes before unless given; every further field as [T, N]."""
    close = np.asarray(close, dtype=np.float64)
    opens = np.vstack([close[:1], close[:-1]]) if open_ is None else np.asarray(open_, dtype=np.float64)
    T, N = close.shape
    bars: dict[str, Any] = {
        "open": opens,
        "high": np.fmax(opens, close),
        "low": np.fmin(opens, close),
        "close": close,
        "volume": np.full((T, N), 1e6),
        **fields,
    }
    state = np.full((T, N), Status.TRADING) if status is None else status
    return Panel(sessions(T), [f"S{n:02d}" for n in range(N)], bars, state, {}, events, "hand-made")


def make_scores(panel: Panel, values: AnyArray) -> Scores:
    """Scores of one output from [T, N] (or [N], the same every day)."""
    full = np.broadcast_to(np.asarray(values, dtype=np.float32), panel.shape).copy()[:, :, None]
    return Scores(
        panel.sessions, panel.symbols, ("score",), ("none",), full, ("made",), np.zeros(panel.T, dtype=np.int64)
    )


def random_scores(panel: Panel, seed: int) -> Scores:
    return make_scores(panel, np.random.default_rng(seed).normal(size=panel.shape))


class Script(bt.Strategy):
    """Places orders by session: {row: [("buy" or "sell", feed number, size, further arguments)]}."""

    params = (("script", {}),)

    def __init__(self) -> None:
        self.noted: list[tuple[int, str, str]] = []

    def next(self) -> None:
        for side, feed, size, more in self.p.script.get(len(self) - 1, ()):
            getattr(self, side)(data=self.datas[feed], size=size, **more)

    def notify_order(self, order: Any) -> None:
        if not order.alive():
            self.noted.append((len(self), order.data._name, order.getstatusname()))


def rules_of(panel: Panel, market: str | Book = "simulated") -> MarketRules:
    return market_rules(market, panel)


def run_script(
    panel: Panel,
    script: Mapping[int, Any],
    cash: float = 100_000.0,
    costs: Costs | None = None,
    market: str | Book = "simulated",
    **broker: Any,
) -> tuple[Script, MarketBroker]:
    """Run a script through a stock bt.Cerebro and a MarketBroker without costs unless given."""
    cerebro = bt.Cerebro(stdstats=False)
    add_panel(cerebro, panel)
    trader = MarketBroker(rules=rules_of(panel, market), costs=costs or NoCosts(), **broker)
    trader.setcash(cash)
    cerebro.setbroker(trader)
    cerebro.addstrategy(Script, script=dict(script))
    return cerebro.run()[0], trader
