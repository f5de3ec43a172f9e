"""Columns of an event table: the ones it needs, the ones it may have, and its dates."""

from __future__ import annotations

import difflib

import pandas as pd

from nnstrategies.errors import DataError
from nnstrategies.typing import DateArray

_WORDS = {  # what else a column is called; suggested, never taken
    "ex_date": ("date", "exdate", "ex_dividend_date"),
    "cash": ("dividend", "dividends", "amount"),
    "ratio": ("split", "split_ratio", "factor", "adj_factor"),
    "listed": ("date", "list_date", "listing_date", "ipo_date", "first_day"),
    "issue_price": ("price", "ipo_price", "offer_price"),
    "last_day": ("date", "delist_date", "delisted", "end", "last_date"),
    "kind": ("type", "reason"),
    "price": ("payout", "payment", "cash", "value"),
    "known_at": ("announced", "ann_date", "announcement_date", "disclosed"),
}


def require_columns(table: pd.DataFrame, columns: tuple[str, ...], label: str) -> None:
    """Raise DataError unless every column is there; a similar one is suggested."""
    missing = next((column for column in columns if column not in table.columns), None)
    if missing is None:
        return
    own = [str(column) for column in table.columns]
    near = _like(missing, [column for column in own if column not in columns])
    hint = f"; did you mean {near!r}? Rename it" if near else "; add it"
    raise DataError(
        f"{label}: column {missing!r} is missing; expected {', '.join(columns)}, got {', '.join(own) or 'none'}{hint}"
    )


def refuse_unknown(table: pd.DataFrame, columns: tuple[str, ...], label: str) -> None:
    """Raise DataError for a column that is none of ``columns``: dropped in silence, a misspelt one loses its money."""
    strange = next((str(column) for column in table.columns if column not in columns), None)
    if strange is None:
        return
    absent = [column for column in columns if column not in table.columns]
    near = next((column for column in absent if _like(column, [strange])), None)
    hint = f"did you mean {near!r}? Rename it" if near else f"known are {', '.join(columns)}; rename or remove it"
    raise DataError(f"{label}: column {strange!r} is unknown; {hint}")


def as_days(values: pd.Series) -> DateArray:
    """Dates as datetime64[D]; empty ones as NaT."""
    return pd.to_datetime(values).to_numpy().astype("datetime64[D]")


def _like(column: str, others: list[str]) -> str | None:
    """The one of ``others`` that is spelt like ``column``, or is another usual word for it."""
    plain = {other.strip().lower().replace(" ", "_"): other for other in others}
    said = [other for word, other in plain.items() if word in _WORDS.get(column, ())]
    spelt = difflib.get_close_matches(column, list(plain), n=1)
    return plain[spelt[0]] if spelt else next(iter(said), None)
