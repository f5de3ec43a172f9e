"""Aligned, read-only market data: what every later stage reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from enum import IntEnum
from functools import cached_property

import numpy as np
import pandas as pd

from nnstrategies.calendar import Calendar, DateLike
from nnstrategies.errors import DataError
from nnstrategies.typing import AnyArray, BoolArray, DateArray, FloatArray, IntArray

PRICE_FIELDS = ("open", "high", "low", "close")
UNKNOWN = "unknown"  # the industry of a symbol that no row names
_SCALED_UP = (*PRICE_FIELDS, "limit_up", "limit_down", "pre_close")


class Status(IntEnum):
    """What a symbol is on one session."""

    UNLISTED = 0  # before its first row: all fields NaN
    TRADING = 1
    PAUSED = 2  # suspended: prices repeat the last close, volume 0
    MISSING = 3  # listed, but the source has no row: prices repeat the last close, volume 0
    DELISTED = 4  # after its last row: all fields NaN


class Panel:
    """Aligned market data, read-only.

    fields: name -> array stored symbol-major [N, T] in its native dtype, shown as a [T, N] view. Prices are raw;
        ``adj_factor`` is the backward factor (adjusted = raw x factor); ``volume`` is in shares, ``amount`` in money.
    status: [T, N] of ``Status``.
    series: name -> [T] float64, one value a session (``benchmark`` is an index close), known at that session's close.
    events: name -> table with a ``known_at`` date (and usually ``symbol``); a row counts from the first session on or
        after ``known_at``. ``membership`` has columns symbol, known_at, member (bool); ``actions`` symbol, known_at,
        ex_date, cash (per share held before), ratio (shares after per share before), and optionally bonus (the taxed
        part of ratio - 1), rights and rights_price; ``listings`` symbol, known_at, listed, optionally issue_price;
        ``delistings`` symbol, known_at, last_day, kind, price; ``adjusted_prices`` symbol, known_at: stocks without
        raw prices; ``fundamentals`` has symbol, known_at, period_end and one column per item;
        ``industries`` symbol, known_at, industry (text, empty: unknown).

    Row t holds what was known at the close of session t. Nothing here looks ahead: cut with ``upto``.
    """

    def __init__(
        self,
        sessions: DateArray,
        symbols: Iterable[str],
        fields: Mapping[str, AnyArray],
        status: AnyArray,
        series: Mapping[str, AnyArray] | None = None,
        events: Mapping[str, pd.DataFrame] | None = None,
        name: str = "panel",
    ) -> None:
        """Take fields and status as [T, N] arrays (a transposed [N, T] C-array is taken without a copy)."""
        self.name = name
        self.calendar = Calendar(sessions)
        self.symbols = tuple(symbols)
        self._column = {symbol: column for column, symbol in enumerate(self.symbols)}
        if len(self._column) != len(self.symbols):
            raise DataError(f"{name}: symbols must be unique")
        self._fields = {key: self._store(key, values) for key, values in fields.items()}
        self._status = self._store("status", np.asarray(status, dtype=np.uint8))
        self.series = {key: self._store_series(key, values) for key, values in (series or {}).items()}
        self._events = {key: self._store_events(key, table) for key, table in (events or {}).items()}
        self._cache: dict[str, FloatArray] = {}

    def _store(self, key: str, values: AnyArray) -> AnyArray:
        if values.shape != self.shape:
            raise DataError(f"{self.name}: {key}: expected shape [T, N] = {self.shape}, got {values.shape}")
        stored = np.ascontiguousarray(values.T)  # [T, N] -> [N, T]
        if stored.flags.writeable:
            stored = stored.view()
            stored.flags.writeable = False
        return stored

    def _store_series(self, key: str, values: AnyArray) -> FloatArray:
        stored = np.array(values, dtype=np.float64)
        if stored.shape != (self.T,):
            raise DataError(f"{self.name}: series {key}: expected {self.T} values, got shape {stored.shape}")
        stored.flags.writeable = False
        return stored

    def _store_events(self, key: str, table: pd.DataFrame) -> pd.DataFrame:
        if "known_at" not in table.columns:
            raise DataError(f"{self.name}: events {key}: column known_at is missing; it says when a row became known")
        if "symbol" in table.columns:
            unknown = sorted(set(table["symbol"]) - set(self.symbols))
            if unknown:
                raise DataError(f"{self.name}: events {key}: {unknown[:3]} are not symbols of the panel")
        by = ["known_at", "symbol"] if "symbol" in table.columns else ["known_at"]
        return table.sort_values(by, kind="stable").reset_index(drop=True)

    # -- reading --------------------------------------------------------------------------------------------------

    @property
    def sessions(self) -> DateArray:
        return self.calendar.sessions

    @property
    def T(self) -> int:  # noqa: N802
        return len(self.calendar)

    @property
    def N(self) -> int:  # noqa: N802
        return len(self.symbols)

    @property
    def shape(self) -> tuple[int, int]:
        return self.T, self.N

    @property
    def field_names(self) -> tuple[str, ...]:
        return tuple(self._fields)

    def column(self, symbol: str) -> int:
        try:
            return self._column[symbol]
        except KeyError:
            raise DataError(f"{self.name}: no symbol {symbol!r}") from None

    def __contains__(self, field: str) -> bool:
        return field in self._fields

    def __getitem__(self, field: str) -> AnyArray:
        """A field as a read-only [T, N] view; ``panel[field].T`` is contiguous per symbol."""
        try:
            return self._fields[field].T
        except KeyError:
            raise DataError(f"{self.name}: no field {field!r}; it has {', '.join(self._fields)}") from None

    @property
    def status(self) -> AnyArray:
        """[T, N] uint8 of Status."""
        return self._status.T

    @cached_property
    def listed(self) -> BoolArray:
        """[T, N] True from the first to the last row of each symbol."""
        return (self.status != Status.UNLISTED) & (self.status != Status.DELISTED)

    @cached_property
    def trading(self) -> BoolArray:
        """[T, N] True where the symbol could trade at all that session."""
        return self.status == Status.TRADING

    def events(self, name: str) -> pd.DataFrame:
        """An event table sorted by known_at; a copy, so that the panel stays read-only."""
        try:
            return self._events[name].copy()
        except KeyError:
            raise DataError(
                f"{self.name}: no event table {name!r}; it has {', '.join(self._events) or 'none'}"
            ) from None

    @property
    def event_names(self) -> tuple[str, ...]:
        return tuple(self._events)

    @cached_property
    def members(self) -> BoolArray:
        """[T, N] index membership as known at each close; without a table, every listed symbol is a member.

        A session without a row (MISSING) does not count: on that day nobody knows whether more rows will follow.
        """
        present = self.listed & (self.status != Status.MISSING)
        if "membership" not in self._events:
            return present
        member = np.zeros((self.N, self.T), dtype=bool)
        table = self._events["membership"]
        rows = self.first_session_knowing(table["known_at"])
        for symbol, row, value in zip(table["symbol"], rows, table["member"], strict=True):
            member[self._column[symbol], row:] = bool(value)
        return member.T & present

    @cached_property
    def industry_names(self) -> tuple[str, ...]:
        """Names by the numbers in ``industry``: "unknown" first, then those of events ``industries`` in order."""
        named = set(self._events["industries"]["industry"].dropna()) if "industries" in self._events else set()
        return (UNKNOWN, *sorted(named - {UNKNOWN, ""}))

    @cached_property
    def industry(self) -> IntArray:
        """[T, N] number of each symbol's industry in ``industry_names`` as known at each close; 0: unknown."""
        found = np.zeros((self.N, self.T), dtype=np.int64)
        if "industries" in self._events:
            table, number = self._events["industries"], {name: k for k, name in enumerate(self.industry_names)}
            rows = self.first_session_knowing(table["known_at"])
            for symbol, row, name in zip(table["symbol"], rows, table["industry"], strict=True):
                found[self._column[symbol], row:] = number.get(name, 0)
        return found.T

    def first_session_knowing(self, known_at: pd.Series) -> AnyArray:
        """Row of the first session on or after each date: int64, T when the panel ends before it."""
        return np.searchsorted(self.sessions, known_at.to_numpy().astype("datetime64[D]"), side="left")

    def adjusted(self, field: str) -> FloatArray:
        """A field free of splits and dividends, float64 [T, N] (contiguous per symbol).

        Prices are multiplied by adj_factor over the symbol's first factor, volumes divided by it. The scale is thus
        fixed by the symbol's own past and a constant factor cancels.
        """
        if field not in self._cache:
            raw = self[field].T.astype(np.float64, copy=False)  # [N, T]
            if "adj_factor" in self._fields and field in (*_SCALED_UP, "volume"):
                factor = self._relative_factor()
                raw = raw / factor if field == "volume" else raw * factor
            raw.flags.writeable = False
            self._cache[field] = raw
        return self._cache[field].T

    def _relative_factor(self) -> FloatArray:
        factor = self._fields["adj_factor"].astype(np.float64)  # [N, T]
        first = np.argmax(np.isfinite(factor), axis=1)
        return factor / factor[np.arange(self.N), first][:, None]

    # -- cutting --------------------------------------------------------------------------------------------------

    def upto(self, t: int | DateLike) -> Panel:
        """Everything known at the close of session ``t`` (a row or a date): fields, series, and events by known_at."""
        last = int(t) if isinstance(t, int | np.integer) else self.calendar.last_on_or_before(t)
        if not 0 <= last < self.T:
            raise DataError(f"{self.name}: upto({t}): outside {self.sessions[0]}..{self.sessions[-1]}")
        day = pd.Timestamp(self.sessions[last])
        return Panel(
            self.sessions[: last + 1],
            self.symbols,
            {key: values[:, : last + 1].T for key, values in self._fields.items()},
            self._status[:, : last + 1].T,
            {key: values[: last + 1] for key, values in self.series.items()},
            {key: table[table["known_at"] <= day] for key, table in self._events.items()},
            self.name,
        )

    def select(self, symbols: Iterable[str]) -> Panel:
        """The same panel with these symbols only, in this order."""
        wanted = tuple(symbols)
        columns = [self.column(symbol) for symbol in wanted]
        return Panel(
            self.sessions,
            wanted,
            {key: values[columns].T for key, values in self._fields.items()},
            self._status[columns].T,
            self.series,
            {
                key: table[table["symbol"].isin(wanted)] if "symbol" in table.columns else table
                for key, table in self._events.items()
            },
            self.name,
        )

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over sessions, symbols and every table: two panels with equal contents have equal fingerprints."""
        digest = hashlib.sha256(self.sessions.tobytes())
        digest.update("\0".join(self.symbols).encode())
        arrays = {**self._fields, "status": self._status, **{f"series.{k}": v for k, v in self.series.items()}}
        for key in sorted(arrays):
            digest.update(f"{key} {arrays[key].dtype} {arrays[key].shape}".encode())
            digest.update(np.ascontiguousarray(arrays[key]).tobytes())
        for key in sorted(self._events):
            digest.update(f"{key} {','.join(self._events[key].columns)}".encode())
            digest.update(self._events[key].to_csv(index=False).encode())
        return digest.hexdigest()

    def __repr__(self) -> str:
        return f"Panel({self.name}: {self.N} symbols, {self.T} sessions {self.sessions[0]}..{self.sessions[-1]})"
