"""A Panel's column as a feed that copies nothing: its lines are read-only views on the Panel's own memory."""

from __future__ import annotations

import array
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import backtrader as bt
import numpy as np
from backtrader.linebuffer import LineBuffer

from nnstrategies.engine.lines import NarrowLine
from nnstrategies.engine.quiet import quiet_collector
from nnstrategies.feeds.backtrader import PanelData
from nnstrategies.panel import Panel
from nnstrategies.typing import AnyArray


class PanelFeed(PanelData):
    """One symbol of a Panel, as ``PanelData``, without a copy where the engine's own loop will run.

    Lines are instance attributes, so that ``feed.close`` is found at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._name_lines()

    @classmethod
    def with_fields(cls, fields: Iterable[str]) -> type[PanelData]:
        """As in the parent; a class a set of fields, found in this module by the processes of an optimisation."""
        kind: Any = cls
        return _with_fields(kind, tuple(fields))

    def _name_lines(self) -> None:
        own = self.__dict__
        for name, line in zip(self.getlinealiases(), self.lines.lines, strict=False):
            own[name] = line

    def __len__(self) -> int:
        return self.lines.lines[0].lencount

    def twin(self, symbol: str) -> PanelFeed:
        """A feed of another symbol, made by copying this one, which has not run yet, instead of building it anew."""
        made: PanelFeed = object.__new__(type(self))
        own = made.__dict__
        own.update(self.__dict__)
        own["column"], own["_name"] = self.panel.column(symbol), symbol
        own["p"] = own["params"] = _copied(self.params)
        made.p.symbol, made.p.filters = symbol, list(self.p.filters)
        own["plotinfo"], own["plotlines"] = _copied(self.plotinfo), _copied(self.plotlines)
        for name in ("_filters", "_ffilters", "notifs", "_barstack", "_barstash"):
            own[name] = type(own[name])()
        own["lines"] = own["l"] = lines = _copied(self.lines)
        lines.lines = [_fresh_line(line, made) for line in self.lines.lines]
        own["line"] = lines.lines[0]
        for number, line in enumerate(lines.lines):
            own[f"line_{number}"] = own[f"line{number}"] = line
        made._name_lines()
        return made

    # -- loading --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        bt.feed.DataBase.start(self)
        self._next_row = 0
        self._values = {}

    def preload(self) -> None:
        """Show the columns as they lie in memory; as copies where backtrader's own loops may append to them."""
        shared = self._env.shared_columns(self.panel) if getattr(self._env, "views", False) else {}
        if self._filters or self._tzinput or not shared:
            self._read_columns()
            super().preload()
            return
        rows = self._rows_kept(shared["datetime"])
        for name, line in zip(self.getlinealiases(), self.lines.lines, strict=True):
            column = shared[name] if name in shared else viewed(self.panel[name].T[self.column])
            column = column if rows is None else column[rows]
            if column.format == "d":
                line.array = column
            else:
                NarrowLine.show(line, column)
        self._next_row = self.panel.T  # nothing is left for _load

    def _rows_kept(self, moments: memoryview) -> slice | None:
        if self.fromdate == float("-inf") and self.todate == float("inf"):
            return None
        first = int(np.searchsorted(moments, self.fromdate, side="left"))
        return slice(first, int(np.searchsorted(moments, self.todate, side="right")))

    def _read_columns(self) -> None:
        self._values = {name: self._line_values(name) for name in self.getlinealiases()}

    def _load(self) -> bool:
        if not self._values and self._next_row < self.panel.T:
            self._read_columns()
        return super()._load()

    def __getattr__(self, name: str) -> Any:
        """Serve ``tick_open`` and the like, which backtrader's own loops set at each bar, while a cursor drives."""
        if name[:5] != "tick_" or "_cursor" not in self.lines.lines[0].__dict__:
            return getattr(self.lines, name)
        lines = self.lines.lines
        line = lines[0] if name == "tick_last" else getattr(self.lines, name[5:])
        return line[0] if 0 < line.lencount < line.buflen() else None  # backtrader leaves it out on the last bar


def add_panel(
    cerebro: bt.Cerebro, panel: Panel, symbols: Iterable[str] | None = None, fields: Iterable[str] = ()
) -> list[PanelFeed]:
    """Add a feed for each symbol (all by default, in the panel's order) to ``cerebro`` and return them.

    fields: further panel fields to offer as lines. In a stock bt.Cerebro the feeds load copies and work alike.
    Raises DataError for an unknown symbol or field.
    """
    more = tuple(fields)
    kind: Any = PanelFeed.with_fields(more)
    for field in more:
        panel[field]  # refuses an unknown one before the run starts
    feeds: list[PanelFeed] = []
    with quiet_collector():
        for symbol in panel.symbols if symbols is None else symbols:
            feed = feeds[0].twin(symbol) if feeds else kind(panel=panel, symbol=symbol)
            feeds.append(feed)
        for feed in feeds:
            cerebro.adddata(feed)
    return feeds


@lru_cache(maxsize=256)
def _with_fields(kind: type[PanelFeed], fields: tuple[str, ...]) -> type[PanelData]:
    made: Any = super(PanelFeed, kind).with_fields(fields)
    if made is kind:
        return kind
    made.__module__, made.__qualname__ = __name__, made.__name__
    globals()[made.__name__] = made
    return made


def viewed(column: AnyArray) -> memoryview:
    """A contiguous column as it lies in memory when it holds native floats of 4 or 8 bytes, else a float64 copy."""
    if column.dtype not in (np.float64, np.float32) or not column.flags.c_contiguous:
        column = np.ascontiguousarray(column, dtype=np.float64)
    return memoryview(column)  # type: ignore[arg-type]


def _copied(info: Any) -> Any:
    """A copy of one of backtrader's parameter objects, and of those within it."""
    made = object.__new__(type(info))
    for name, value in info.__dict__.items():
        made.__dict__[name] = _copied(value) if isinstance(value, bt.metabase.AutoInfoClass) else value
    return made


def _fresh_line(line: LineBuffer, owner: PanelFeed) -> LineBuffer:
    made: LineBuffer = object.__new__(type(line))
    own = made.__dict__
    own.update(line.__dict__)
    own["_owner"], own["lines"], own["bindings"], own["array"] = owner, [made], [], array.array("d")
    return made
