"""Recognise the columns of a long table: aliases, dates, symbols, numbers."""

from __future__ import annotations

import difflib

import numpy as np
import pandas as pd

from nnstrategies.errors import DataError
from nnstrategies.feeds.checks import LoadReport
from nnstrategies.typing import AnyArray, DateArray, FloatArray, IntArray

REQUIRED = ("date", "symbol", "open", "high", "low", "close", "volume")
OPTIONAL = (
    "amount",
    "adj_factor",
    "paused",
    "pre_close",
    "limit_up",
    "limit_down",
    "is_st",
    "turnover",
    "float_shares",
    "pe",
    "pb",
    "ps",
    "pcf",
)
ALIASES = {
    "date": ("trade_date", "tradedate", "datetime", "day", "trading_date", "time", "timestamp"),
    "symbol": ("code", "ticker", "ts_code", "order_book_id", "instrument", "stock_code", "secucode"),
    "open": ("open_price", "openprice"),
    "high": ("high_price", "highprice", "highest"),
    "low": ("low_price", "lowprice", "lowest"),
    "close": ("close_price", "closeprice"),
    "volume": ("vol", "trade_volume", "turnover_volume"),
    "amount": ("total_turnover", "turnover_value", "money"),
    "adj_factor": ("factor", "adjfactor", "adjust_factor", "ex_cum_factor"),
    "paused": ("is_suspended", "suspended", "is_paused", "halted"),
    "pre_close": ("preclose", "prev_close", "previous_close"),
    "limit_up": ("up_limit", "high_limit", "limitup"),
    "limit_down": ("down_limit", "low_limit", "limitdown"),
    "is_st": ("isst", "st"),
    "turnover": ("turnover_rate", "turn"),
    "float_shares": ("float_share", "circulating_shares", "free_float_shares"),
    "pe": ("pe_ttm", "pe_ratio"),
    "pb": ("pb_lf", "pb_mrq", "pb_ratio"),
    "ps": ("ps_ttm", "ps_ratio"),
    "pcf": ("pcf_ttm", "pcf_ratio"),
}
_CANONICAL = {alias: name for name, aliases in ALIASES.items() for alias in aliases}
_KNOWN = frozenset((*REQUIRED, *OPTIONAL))


def canonical_name(column: object) -> str:
    """The name this project uses for a column; an unknown one is returned as it is."""
    plain = str(column).strip().lower().replace(" ", "_")
    return _CANONICAL.get(plain, plain if plain in _KNOWN else str(column))


def rename_columns(frame: pd.DataFrame, report: LoadReport) -> pd.DataFrame:
    """Return ``frame`` with canonical column names; every alias used is a counted repair.

    Raises DataError when two columns mean the same, or when a required one is missing (with a suggestion).
    """
    found: dict[str, str] = {}
    for column in map(str, frame.columns):
        target = canonical_name(column)
        if target in found:
            raise DataError(
                f"{report.name}: columns {found[target]!r} and {column!r} both mean {target!r}; drop one of them"
            )
        found[target] = column
    for target, column in found.items():
        if target != column:
            report.repair(f"column {column!r}", len(frame), "", f"renamed to {target!r}")
    _refuse_missing(found, report.name)
    renamed = frame.set_axis(frame.columns.map(str), axis=1)
    return renamed.rename(columns={column: target for target, column in found.items()})


def _refuse_missing(found: dict[str, str], name: str) -> None:
    for column in REQUIRED:
        if column in found:
            continue
        others = [other for other in found if other not in _KNOWN]
        near = difflib.get_close_matches(column, others, n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]!r}? Rename it" if near else "; add it"
        raise DataError(f"{name}: column {column!r} is missing (found {', '.join(found.values())}){hint}")


def read_days(values: pd.Series, label: str, report: LoadReport | None = None) -> DateArray:
    """Return dates as datetime64[D] (NaT stays NaT).

    Takes datetimes without time zone, date objects, and text or whole numbers written year first (2020-01-31,
    2020/1/31, 20200131). A time of day is dropped and counted. Raises DataError naming the first value that
    is no such date.
    """
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        raise DataError(f"{label}: expected dates without time zone, got {values.dtype}; use tz_localize(None)")
    if not pd.api.types.is_datetime64_dtype(values.dtype):
        codes, unique = pd.factorize(values)
        parsed = np.append(_parse_days(pd.Series(unique), label), np.datetime64("NaT", "D"))
        return np.asarray(parsed[codes])
    stamps = values.to_numpy()
    days = stamps.astype("datetime64[D]")
    timed = (days != stamps) & ~np.isnat(stamps)
    if timed.any():
        if report is None:
            raise DataError(f"{label}: expected dates, got a time of day in {stamps[np.argmax(timed)]}")
        report.repair("time of day", int(timed.sum()), str(stamps[np.argmax(timed)]), "dropped: bars are daily")
    return np.asarray(days)


def _parse_days(unique: pd.Series, label: str) -> DateArray:
    text = unique.astype(str).str.strip().str.replace(r"\.0$", "", regex=True).replace("", "NaT")
    parts = text.str.extract(r"^(\d{4})[-/.]?(\d{1,2})[-/.]?(\d{1,2})(?:[T ]00:00(?::00(?:\.0+)?)?)?$")
    joined = parts[0] + "-" + parts[1].str.zfill(2) + "-" + parts[2].str.zfill(2)
    days = pd.to_datetime(joined, format="%Y-%m-%d", errors="coerce")
    wrong = days.isna() & (text != "NaT")
    if wrong.any():
        bad = text[wrong].iloc[0]
        raise DataError(f"{label}: {bad!r} is no date; write the year first, as 2020-01-31 or 20200131")
    return days.to_numpy().astype("datetime64[D]")


def read_symbols(values: pd.Series, label: str, report: LoadReport | None = None) -> tuple[IntArray, tuple[str, ...]]:
    """Return codes [R] and the sorted symbols; raises DataError for numbers (their leading zeros are lost) or gaps.

    With a report, symbols of digits only that differ in length are a caution: a program may have dropped their zeros.
    """
    codes, found = pd.factorize(values)
    unique = np.asarray(found, dtype=object)
    wrong = next((symbol for symbol in unique if not isinstance(symbol, str)), None)
    if wrong is not None:
        raise DataError(
            f"{label}: expected text, got {wrong!r} ({values.dtype}): leading zeros (000001) are lost in numbers;"
            " read the column as text, for example read_csv(..., dtype={'symbol': str})"
        )
    if "" in unique:
        codes = np.where(unique[codes] == "", -1, codes)
    if (codes < 0).any():
        raise DataError(f"{label}: empty in {int((codes < 0).sum()):,} rows, first row {int(np.argmax(codes < 0))}")
    if report is not None:
        _report_short(unique, report)
    order = np.argsort(unique)
    rank = np.empty(len(unique), dtype=np.int64)
    rank[order] = np.arange(len(unique))
    return rank[codes], tuple(str(symbol) for symbol in unique[order])


def _report_short(unique: AnyArray, report: LoadReport) -> None:
    if not all(symbol.isdecimal() for symbol in unique):
        return
    longest = max(map(len, unique))
    short = sorted(symbol for symbol in unique if len(symbol) < longest)
    if short:
        kind = f"symbols of {min(map(len, short))} to {longest} digits: leading zeros may be lost"
        report.caution(kind, len(short), short[0], "kept; if so, quote them or store them as text (000001)")


def numbers(values: pd.Series, label: str) -> AnyArray | None:
    """Return float values: float32 and float64 stay, small integers and flags become float32, int64 float64.

    None for a column that holds no numbers. Raises DataError where text is mixed among numbers.
    """
    dtype = values.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return values.to_numpy(dtype=np.float32, na_value=np.nan)
    if pd.api.types.is_numeric_dtype(dtype):
        small = getattr(dtype, "itemsize", 8) <= (4 if pd.api.types.is_float_dtype(dtype) else 2)
        return values.to_numpy(dtype=np.float32 if small else np.float64, na_value=np.nan)
    parsed = pd.to_numeric(values.astype(object), errors="coerce")
    bad = parsed.isna() & values.notna()
    if not bad.any() and values.notna().any():
        return parsed.to_numpy(dtype=np.float64)
    if bad.all() or bad.sum() == values.notna().sum():
        return None
    raise DataError(f"{label}: expected numbers, got {values[bad].iloc[0]!r} in row {int(np.argmax(bad))}")


def require_numbers(values: pd.Series, label: str) -> FloatArray:
    """Return float64, NaN where empty; raises DataError for text (naming it and its row) and for infinite values."""
    found = numbers(values, label)
    if found is None and values.notna().any():
        at = int(np.argmax(values.notna()))
        raise DataError(f"{label}: expected numbers, got {values.iloc[at]!r} in row {at}")
    result = np.full(len(values), np.nan) if found is None else found.astype(np.float64)
    if np.isinf(result).any():
        at = int(np.argmax(np.isinf(result)))
        raise DataError(f"{label}: expected finite numbers, got {result[at]} in row {at}")
    return result


def refuse_where(wrong: AnyArray, values: FloatArray, label: str, expected: str) -> None:
    """Raise DataError with the first of ``values`` [R] where ``wrong`` [R] is True; ``expected`` says the rule."""
    if wrong.any():
        at = int(np.argmax(wrong))
        raise DataError(
            f"{label}: expected {expected}, got {values[at]:g} in row {at} ({int(wrong.sum()):,} such rows); correct it"
        )


def flags(values: pd.Series, label: str) -> AnyArray:
    """Return [R] bool from True/False, 0/1 or their text; an empty value is False. Raises DataError for others."""
    if pd.api.types.is_bool_dtype(values.dtype) and not values.isna().any():
        return values.to_numpy(dtype=bool)
    known = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False, "": False, "nan": False}
    codes, unique = pd.factorize(values)
    seen = [known.get(str(value).strip().lower()) for value in unique]
    if None in seen:
        raise DataError(f"{label}: expected True/False or 0/1, got {unique[seen.index(None)]!r}")
    return np.append(np.array(seen, dtype=bool), False)[codes]
