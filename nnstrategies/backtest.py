"""One backtest: a panel, a strategy, scores and a market in; returns and the record of every order out."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from nnstrategies import recording
from nnstrategies.brokers import Costs, Journal, MarketBroker, Slippage
from nnstrategies.calendar import DateLike
from nnstrategies.engine import Cerebro, add_panel
from nnstrategies.errors import ConfigError
from nnstrategies.market import Book, market_rules
from nnstrategies.panel import Panel
from nnstrategies.scores import Scores
from nnstrategies.strategies.base import RebalanceStrategy
from nnstrategies.strategies.targets import Decision


@dataclass(frozen=True)
class BacktestResult:
    """``returns``: daily simple returns by session. ``journal``, ``decisions``: what was done, by row of ``panel``."""

    panel: Panel
    cash: float
    journal: Journal
    decisions: tuple[Decision, ...]

    @property
    def returns(self) -> pd.Series:
        return recording.daily_returns(self.journal, self.panel, self.cash)

    @property
    def final_value(self) -> float:
        return self.journal.account[-1].value

    @property
    def trades(self) -> dict[str, float]:
        """All trades in figures, see ``recording.trades``."""
        return recording.trades(self.journal)

    def frames(self) -> dict[str, pd.DataFrame]:
        """The run folder's tables by name, see ``recording.frames``."""
        return recording.frames(self.journal, self.panel, self.decisions)

    def write(self, folder: Path) -> None:
        """Write every frame to ``folder``/<name>.parquet."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in self.frames().items():
            table.to_parquet(folder / f"{name}.parquet", index=False)


def backtest(
    panel: Panel,
    strategy_class: type[RebalanceStrategy],
    scores: Scores | None,
    *,
    settings: Mapping[str, Any] | None = None,
    market: str | Path | Book = "plain",
    costs: Costs | None = None,
    slippage: Slippage | None = None,
    participation: float | None = None,
    dividend_tax: bool = True,
    cash: float = 10_000_000.0,
    start: DateLike | None = None,
    end: DateLike | None = None,
) -> BacktestResult:
    """Run ``strategy_class`` over the sessions ``start`` to ``end`` in the engine.

    settings: the strategy's parameters besides panel and scores, such as top_n.
    market: a rule book, by name ("cn_a", "frictionless", ...), file or in memory. costs: by default the book's own
    schedule, where it has one, else 8 bps on both sides, or nothing where it is free of charge. slippage,
    participation, dividend_tax: see ``brokers.Account``.
    The strategy sees the panel from its first session on, so that histories are full at ``start``. Raises ConfigError
    for an unknown setting or an empty span.
    """
    if not (isinstance(strategy_class, type) and issubclass(strategy_class, RebalanceStrategy)):
        raise ConfigError(
            f"backtest: expected a subclass of RebalanceStrategy, got {strategy_class!r}; "
            "run any other bt.Strategy in nnstrategies.engine.Cerebro"
        )
    known = panel if end is None else panel.upto(end)
    first = 0 if start is None else known.calendar.first_on_or_after(start)
    if first >= known.T:
        raise ConfigError(f"backtest: no session from {start} to {known.sessions[-1]}")
    chosen = _checked(strategy_class, settings or {})
    rules = market_rules(market, known)
    make_cerebro: Any = Cerebro  # backtrader's metaclass turns params into arguments
    cerebro = make_cerebro(stdstats=False)
    for feed in add_panel(cerebro, known):
        feed.p.fromdate = dt.datetime.combine(known.sessions[first].item(), dt.time())  # views: nothing is copied
    make_broker: Any = MarketBroker
    broker = make_broker(
        rules=rules,
        costs=costs,
        slippage=slippage,
        participation=participation,
        dividend_tax=dividend_tax,
    )
    broker.setcash(cash)
    cerebro.setbroker(broker)
    cerebro.addstrategy(strategy_class, panel=known, scores=scores, **chosen)
    strategy = cerebro.run()[0]
    return BacktestResult(known, cash, broker.journal, tuple(strategy.decisions))


def _checked(strategy_class: type[RebalanceStrategy], settings: Mapping[str, Any]) -> Mapping[str, Any]:
    names = [name for name in strategy_class.params._getkeys() if name not in ("panel", "scores")]
    for key in settings:
        if key not in names:
            close = difflib.get_close_matches(key, names, n=1)
            mend = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(names)}"
            raise ConfigError(f"{strategy_class.__name__}: no setting {key!r}; {mend}")
    return settings
