"""A Panel's column as a backtrader data feed; works in any ``bt.Cerebro``, preloaded or bar by bar."""

from __future__ import annotations

import array
from collections.abc import Iterable
from typing import Any

import backtrader as bt
import numpy as np

from nnstrategies.errors import DataError
from nnstrategies.panel import Panel
from nnstrategies.typing import FloatArray

BAR_LINES = ("open", "high", "low", "close", "volume")
_ORDINAL_1970 = 719163.0  # backtrader's number of midnight 1970-01-01: the proleptic Gregorian ordinal


class PanelData(bt.feed.DataBase):
    """One symbol of a Panel: raw open, high, low, close, volume, and openinterest 0.

    Parameters: ``panel``; ``symbol``. Attributes: ``panel``; ``column``, the symbol's in the panel; ``_name``.
    Spans every session of the panel at naive midnight: before a listing and after a delisting all values are NaN, on
    suspended and missing sessions the last close is repeated with volume 0. Further panel fields become lines
    through ``with_fields``.
    """

    params = (("panel", None), ("symbol", None))
    fields: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        if not isinstance(self.p.panel, Panel):
            raise DataError(f"PanelData: panel: expected a Panel, got {type(self.p.panel).__name__}")
        self.panel: Panel = self.p.panel
        self.column: int = self.panel.column(self.p.symbol)
        self._name = self.p.name or self.p.symbol
        self._next_row = 0
        self._values: dict[str, FloatArray] = {}

    @classmethod
    def with_fields(cls, fields: Iterable[str]) -> type[PanelData]:
        """A subclass with one more line for each of these panel fields."""
        more = tuple(fields)
        if not more:
            return cls
        taken = [field for field in more if field in (*BAR_LINES, "datetime", "openinterest")]
        if taken:
            raise DataError(f"PanelData: fields: {taken[0]!r} is a line already; leave it out")
        body = {"lines": more, "fields": more, "__module__": __name__}
        metaclass: Any = type(cls)  # backtrader's, which turns ``lines`` into lines
        made: type[PanelData] = metaclass(f"{cls.__name__}_{'_'.join(more)}", (cls,), body)
        return made

    def start(self) -> None:
        super().start()
        self._next_row = 0
        self._values = {name: self._line_values(name) for name in self.getlinealiases()}

    def _line_values(self, name: str) -> FloatArray:
        """Values [T] of a line, contiguous float64."""
        if name == "datetime":
            return self.panel.sessions.astype(np.int64).astype(np.float64) + _ORDINAL_1970
        if name in BAR_LINES or name in self.fields:
            return np.ascontiguousarray(self.panel[name][:, self.column], dtype=np.float64)
        return np.zeros(self.panel.T)  # openinterest

    def preload(self) -> None:
        """Fill all lines at once; with filters or a time zone of the input, bar by bar as backtrader does."""
        if self._filters or self._tzinput:
            super().preload()
            return
        numbers = self._values["datetime"]
        first = int(np.searchsorted(numbers, self.fromdate, side="left"))
        last = int(np.searchsorted(numbers, self.todate, side="right"))
        for name in self.getlinealiases():
            line = getattr(self.lines, name)
            line.array = array.array("d", self._values[name][first:last].tobytes())
            line.array.extend([np.nan] * line.extension)  # Cerebro(lookahead=n)
        self._next_row = self.panel.T  # nothing is left for _load
        self._values = {}
        self.home()

    def _load(self) -> bool:
        if self._next_row >= self.panel.T:
            return False
        for name in self.getlinealiases():
            getattr(self.lines, name)[0] = float(self._values[name][self._next_row])
        self._next_row += 1
        return True
