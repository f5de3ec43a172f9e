"""The implementations that the identity suite compares: stock backtrader, the engine, and mixtures of both."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
from engine_recorder import Side

from nnstrategies.engine import Cerebro, PanelBroker, add_panel
from nnstrategies.panel import Panel

_ORDINAL_1970 = 719163.0


class Columns(bt.feed.DataBase):
    """The reference feed: one symbol's rows handed to backtrader one by one, with none of our feeds' code."""

    params = (("values", ()),)

    def start(self) -> None:
        super().start()
        self._rows = iter(self.p.values)

    def _load(self) -> bool:
        row = next(self._rows, None)
        if row is None:
            return False
        for line, value in zip(self.getlinealiases(), row, strict=True):
            getattr(self.lines, line)[0] = value
        return True


class ScoredColumns(Columns):
    lines: Any = ("score",)


def add_columns(cerebro: bt.Cerebro, panel: Panel, fields: tuple[str, ...]) -> None:
    """Add a reference feed for each symbol of the panel."""
    kind: Any = ScoredColumns if fields else Columns
    for symbol in panel.symbols:
        cerebro.adddata(kind(values=rows_of(panel, symbol, kind)), name=symbol)


def rows_of(panel: Panel, symbol: str, kind: type[Columns] = Columns) -> list[tuple[float, ...]]:
    """A symbol's rows in the order of the feed's lines."""
    column = panel.column(symbol)
    columns = {name: panel[name][:, column].astype(np.float64).tolist() for name in panel.field_names}
    columns |= {"datetime": (panel.sessions.astype(np.int64) + _ORDINAL_1970).tolist(), "openinterest": [0.0] * panel.T}
    return list(zip(*(columns[name] for name in kind.lines.getlinealiases()), strict=True))


def add_feeds(cerebro: bt.Cerebro, panel: Panel, fields: tuple[str, ...]) -> None:
    """Add the engine's feeds."""
    add_panel(cerebro, panel, fields=fields)


def panel_broker(**terms: Any) -> PanelBroker:
    """The engine's broker, told to keep the NaN that backtrader keeps."""
    return PanelBroker(nan_as_backtrader=True, **terms)


STOCK = Side("stock", bt.Cerebro, bt.brokers.BackBroker, add_columns)
ENGINE = Side("engine", Cerebro, panel_broker, add_feeds)
# What users may combine: each piece of the engine must be exact without the others.
MIXED = (
    Side("engine with backtrader's broker", Cerebro, bt.brokers.BackBroker, add_feeds),
    Side("engine with backtrader's feeds", Cerebro, panel_broker, add_columns),
    Side("backtrader with the engine's broker", bt.Cerebro, panel_broker, add_columns),
    Side("backtrader with the engine's feeds", bt.Cerebro, bt.brokers.BackBroker, add_feeds),
)
