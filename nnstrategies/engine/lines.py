"""backtrader lines that read their position from a shared cursor instead of keeping one of their own.

A line is linked by swapping the class of the existing object, so that every reference handed out before (a strategy's
``data0_close``, an indicator's input) stays valid. Only idx and lencount are derived; the array stays the line's own.
Leans on backtrader's linebuffer.py: LineBuffer.idx, lencount, __getitem__.
"""

from __future__ import annotations

import array as arrays
import datetime as dt
from functools import lru_cache
from typing import Any, NoReturn

from backtrader.linebuffer import LineBuffer
from backtrader.utils import num2date

from nnstrategies.engine.cursor import Cursor, Positions
from nnstrategies.errors import DataError

moment_of: Any = lru_cache(maxsize=1 << 16)(num2date)  # a run asks for the same few thousand moments again and again


class NarrowLine(LineBuffer):
    """A line that shows float32 values; whoever asks for its whole ``array`` gets doubles, as everywhere in backtrader.

    Indicators read arrays as doubles, some through the buffer itself, and a line read bar by bar needs no copy.
    """

    @classmethod
    def show(cls, line: LineBuffer, values: memoryview) -> None:
        """Let a plain line show these values."""
        line.__dict__.pop("array", None)
        line.__dict__["_narrow"] = values
        line.__class__ = cls

    @property
    def array(self) -> Any:
        own = self.__dict__
        if "_wide" not in own:
            own["_wide"] = _owned(own["_narrow"])
        return own["_wide"]

    @array.setter
    def array(self, values: Any) -> None:
        own = self.__dict__
        own.pop("_wide", None)
        if own.pop("_narrow", None) is not None:
            self.__class__ = LineBuffer
        own["array"] = values

    def buflen(self) -> int:
        return len(self.__dict__["_narrow"])

    def __getitem__(self, ago: int) -> float:
        return self.__dict__["_narrow"][self.idx + ago]


def stored(line: Any) -> Any:
    """A line's values as they are stored: an array, or a view on float64 or float32 memory."""
    narrow = line.__dict__.get("_narrow")
    return line.array if narrow is None else narrow


class _Linked:
    """What both kinds of linked lines share; ``_plain`` is the class to go back to."""

    _plain: type
    _cursor: Cursor
    _tz: Any
    array: Any
    idx: int
    lencount: int

    def unlink(self) -> None:
        """Give the line its own position again, where the cursor stands."""
        idx, lencount = self.idx, self.lencount
        own = self.__dict__
        plain = own.pop("_plain")
        own.pop("_cursor")
        own.pop("_positions", None)
        self.__class__ = plain
        own["_idx"], own["lencount"] = idx, lencount

    def reset(self) -> None:
        self.unlink()
        self.reset()

    def home(self) -> None:
        self.unlink()
        self.home()

    def _driven(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise DataError("engine: forward, advance and rewind of a line are Cerebro's during a run; use runonce=False")

    forward = backwards = rewind = advance = extend = _driven

    def _before_first(self) -> NoReturn:
        owner = getattr(self, "_owner", None)
        name = getattr(owner, "_name", "") or type(owner).__name__
        raise DataError(
            f"{name}: a bar before its first one was asked for, where backtrader silently gives the last bar of all; "
            f"it has {self.lencount} bars so far: check len() or add a minimum period"
        )

    def __setitem__(self, ago: int, value: float) -> None:
        values = stored(self)
        if isinstance(values, memoryview) and values.readonly:
            raise DataError("engine: a line that shows a Panel's column is read-only; use runonce=False to write to it")
        super().__setitem__(ago, value)  # type: ignore[misc]

    def datetime(self, ago: int = 0, tz: Any = None, naive: bool = True) -> dt.datetime:
        return moment_of(self[ago], tz or self._tz, naive)  # type: ignore[index]

    def date(self, ago: int = 0, tz: Any = None, naive: bool = True) -> dt.date:
        return self.datetime(ago, tz, naive).date()

    def time(self, ago: int = 0, tz: Any = None, naive: bool = True) -> dt.time:
        return self.datetime(ago, tz, naive).time()

    def get(self, ago: int = 0, size: int = 1) -> Any:
        end = self.idx + ago + 1
        return _owned(stored(self)[end - size : end])

    def getzero(self, idx: int = 0, size: int = 1) -> Any:
        return _owned(stored(self)[idx : idx + size])

    def plotrange(self, start: int, end: int) -> Any:
        return _owned(stored(self)[start:end])


class _Aligned(_Linked):
    """A line with a value at every moment of the run."""

    @property
    def idx(self) -> int:  # type: ignore[override]
        return self._cursor.row

    _idx = idx

    @property
    def lencount(self) -> int:  # type: ignore[override]
        return self._cursor.count

    def __len__(self) -> int:
        return self._cursor.count

    def __getitem__(self, ago: int) -> float:
        at = self._cursor.row + ago
        if at < 0:
            self._before_first()
        return self.array[at]


class _Ragged(_Linked):
    """A line whose feed has bars at some moments only."""

    _positions: Positions

    @property
    def idx(self) -> int:  # type: ignore[override]
        return self._positions[self._cursor.count]

    _idx = idx

    @property
    def lencount(self) -> int:  # type: ignore[override]
        return self._positions[self._cursor.count] + 1

    def __len__(self) -> int:
        return self._positions[self._cursor.count] + 1

    def __getitem__(self, ago: int) -> float:
        at = self._positions[self._cursor.count] + ago
        if at < 0:
            self._before_first()
        return self.array[at]


class _AlignedNarrow(_Aligned):
    _narrow: memoryview

    def __getitem__(self, ago: int) -> float:
        at = self._cursor.row + ago
        if at < 0:
            self._before_first()
        return self._narrow[at]


class _RaggedNarrow(_Ragged):
    _narrow: memoryview

    def __getitem__(self, ago: int) -> float:
        at = self._positions[self._cursor.count] + ago
        if at < 0:
            self._before_first()
        return self._narrow[at]


@lru_cache(maxsize=256)
def _linked_class(plain: type, kind: type) -> type:
    metaclass: Any = type(plain)
    made: type = metaclass(plain.__name__, (kind, plain), {"__module__": plain.__module__})  # users print class names
    made.__qualname__ = plain.__qualname__
    return made


def link(line: LineBuffer, cursor: Cursor, positions: Positions | None) -> None:
    """Let ``line``, which holds all its values and stands before the first, follow ``cursor``."""
    own = line.__dict__
    own.pop("_idx", None)
    own.pop("lencount", None)
    own["_plain"], own["_cursor"] = line.__class__, cursor
    if positions is not None:
        own["_positions"] = positions
    kinds = (_AlignedNarrow, _RaggedNarrow) if "_narrow" in own else (_Aligned, _Ragged)
    line.__class__ = _linked_class(line.__class__, kinds[positions is not None])


def is_aligned(line: Any) -> bool:
    """Whether a line follows a cursor and has a value at every moment of the run."""
    return isinstance(line, _Aligned)


def row_of(line: Any) -> int:
    """The cursor's row as an aligned line sees it."""
    return line._cursor.row


def unlink(line: LineBuffer) -> None:
    if isinstance(line, _Linked):
        line.unlink()


def own_array(line: LineBuffer) -> None:
    """Replace a view by a copy that backtrader's own loops may append to."""
    values = stored(line)
    if isinstance(values, memoryview):
        line.array = _owned(values)


def _owned(values: Any) -> Any:
    """Values as the array.array of doubles that backtrader hands out."""
    return arrays.array("d", values) if isinstance(values, memoryview) else values
