"""Side tables in files: benchmark, membership, corporate actions, listings, delistings; each checked.

A table of events gets a column known_at. Where the file has none it is the day itself: the latest on which everybody
knew. Errors name the file, the column and the row.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnstrategies.errors import DataError
from nnstrategies.event_table import refuse_unknown, require_columns
from nnstrategies.feeds.columns import canonical_name, flags, read_days, refuse_where, require_numbers
from nnstrategies.feeds.read_file import PathLike, read_table
from nnstrategies.feeds.side_tables import DELISTING_KINDS, membership_events
from nnstrategies.typing import FloatArray

_MORE_ACTIONS = ("bonus", "rights", "rights_price")
_ROUNDING = 1e-9  # 1.3 - 1 lies below 0.3


def read_benchmark(path: PathLike) -> pd.DataFrame:
    """Columns date and close (above 0)."""
    table = _read(path, "date, close")
    require_columns(table, ("date", "close"), str(path))
    close = require_numbers(table["close"], f"{path}: close")
    refuse_where(close <= 0, close, f"{path}: close", "values above 0")
    return table.assign(date=read_days(table["date"], f"{path}: date").astype("datetime64[s]"), close=close)


def read_membership(path: PathLike) -> pd.DataFrame:
    """Events symbol, known_at, member, from such a table or from spans symbol, start, end."""
    table = _read(path, "symbol, start, end")
    if "start" in table.columns:
        return membership_events(table, str(path))
    require_columns(table, ("symbol", "known_at", "member"), str(path))
    return table[["symbol", "known_at"]].assign(member=flags(table["member"], f"{path}: member"))


def read_actions(path: PathLike) -> pd.DataFrame:
    """Events symbol, known_at, ex_date, cash, ratio, and those of bonus, rights, rights_price that the file has.

    All per share held before; cash, bonus and rights empty = 0, ratio empty = 1. ratio counts bonus shares, not rights.
    """
    table = _events(path, ("symbol", "ex_date", "cash", "ratio"), _MORE_ACTIONS)
    table = _dated(table, "ex_date", path)
    names = ["cash", "ratio", *(name for name in _MORE_ACTIONS if name in table.columns)]
    numbers = pd.DataFrame({name: require_numbers(table[name], f"{path}: {name}") for name in names})
    _check_actions(numbers, path)
    table = pd.concat([table[["symbol", "known_at", "ex_date"]], numbers], axis=1)
    _refuse_repeated(
        table, list(table.columns.drop("known_at")), "ex_date", path, "drop one, or add them up in one row"
    )
    return table


def read_listings(path: PathLike) -> pd.DataFrame:
    """Events symbol, known_at, listed (the first trading day) and, if the file has it, issue_price (empty: unknown)."""
    table = _dated(_events(path, ("symbol", "listed"), ("issue_price",)), "listed", path)
    _refuse_repeated(table, ["symbol"], "listed", path, "keep one row a symbol")
    kept = table[["symbol", "known_at", "listed"]]
    if "issue_price" not in table.columns:
        return kept
    price = require_numbers(table["issue_price"], f"{path}: issue_price")
    refuse_where(price <= 0, price, f"{path}: issue_price", "a price above 0, or empty where it is unknown")
    return kept.assign(issue_price=price)


def read_delistings(path: PathLike) -> pd.DataFrame:
    """Events symbol, known_at, last_day (of trading), kind, price (paid out per share; empty: worthless).

    known_at may be later than last_day: the payout is booked when it is known.
    """
    table = _dated(_events(path, ("symbol", "last_day", "kind"), ("price",)), "last_day", path, late=True)
    _refuse_repeated(table, ["symbol"], "last_day", path, "keep one row a symbol")
    strange = ~table["kind"].isin(DELISTING_KINDS)
    if strange.any():
        row = table[strange].iloc[0]
        known = " or ".join(DELISTING_KINDS)
        raise DataError(f"{path}: kind: expected {known}, got {row['kind']!r} for {row['symbol']}; correct it")
    empty = pd.Series(float("nan"), index=table.index)
    price = require_numbers(table.get("price", empty), f"{path}: price")
    refuse_where(price < 0, price, f"{path}: price", "0 or more a share, or empty for worthless")
    return table[["symbol", "known_at", "last_day", "kind"]].assign(price=price)


def _read(path: PathLike, columns: str) -> pd.DataFrame:
    table = read_table(path, columns).reset_index(drop=True)
    return table.rename(columns={column: canonical_name(column) for column in table.columns})


def _events(path: PathLike, needed: tuple[str, ...], more: tuple[str, ...]) -> pd.DataFrame:
    """The file's table once it has the columns ``needed`` and none but those, ``more`` and known_at."""
    table = _read(path, ", ".join((*needed, *more)))
    require_columns(table, needed, str(path))
    refuse_unknown(table, (*needed, *more, "known_at"), str(path))
    return table


def _dated(table: pd.DataFrame, day: str, path: PathLike, *, late: bool = False) -> pd.DataFrame:
    """The table with dates read and known_at filled in; unless ``late``, nothing may become known after its day.

    What happened on a day was known that day at the latest; a later date would let the panel of that day forget it.
    """
    days = read_days(table[day], f"{path}: {day}").astype("datetime64[s]")
    table = table.assign(**{day: days})
    _refuse_rows(table, table[day].isna(), f"{path}: {day}: expected a date, got an empty cell", "fill it in")
    if "known_at" not in table.columns:
        return table.assign(known_at=days)
    table = table.assign(known_at=read_days(table["known_at"], f"{path}: known_at").astype("datetime64[s]"))
    _refuse_rows(table, table["known_at"].isna(), f"{path}: known_at: expected a date, got an empty cell", "fill it in")
    if not late:
        after = table["known_at"] > table[day]
        _refuse_rows(table, after, f"{path}: known_at: expected {day} or earlier, got a later day", "correct it")
    return table


def _refuse_rows(table: pd.DataFrame, wrong: pd.Series, fault: str, mend: str) -> None:
    if wrong.any():
        at = int(wrong.to_numpy().argmax())
        symbol, count = table["symbol"].iloc[at], int(wrong.sum())
        raise DataError(f"{fault} for {symbol} in row {at} ({count:,} such rows); {mend}")


def _refuse_repeated(table: pd.DataFrame, columns: list[str], day: str, path: PathLike, mend: str) -> None:
    again = table.duplicated(columns)
    if again.any():
        row = table[again].iloc[0]
        raise DataError(f"{path}: {row['symbol']} {row[day].date()}: expected one such row, got another; {mend}")


def _check_actions(numbers: pd.DataFrame, path: PathLike) -> None:
    def values(name: str, empty: float = 0.0) -> FloatArray:
        given = numbers[name].fillna(empty) if name in numbers.columns else pd.Series(empty, index=numbers.index)
        return np.asarray(given, dtype=np.float64)

    cash, ratio, bonus = values("cash"), values("ratio", 1.0), values("bonus")
    rights, price = values("rights"), values("rights_price")
    beyond = bonus > np.maximum(ratio - 1, 0) + _ROUNDING  # a reverse split has a ratio below 1
    held = "a share held before"
    for wrong, name, shown, expected in (
        (cash < 0, "cash", cash, f"0 or more {held}"),
        (ratio <= 0, "ratio", ratio, "shares after a share before, above 0"),
        (bonus < 0, "bonus", bonus, f"0 or more shares {held}"),
        (beyond, "bonus", bonus, "at most ratio - 1, because ratio counts bonus shares too"),
        (rights < 0, "rights", rights, f"0 or more shares {held}"),
        ((rights > 0) & (price <= 0), "rights_price", price, "a price above 0 where there are rights"),
        ((rights == 0) & (price != 0), "rights_price", price, "no price where there are no rights"),
    ):
        refuse_where(wrong, shown, f"{path}: {name}", expected)
