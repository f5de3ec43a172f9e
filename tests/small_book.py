"""A small rule book of the Chinese boards, made by hand: what the tests of rules need and no more."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from nnstrategies.market.book import (
    Board,
    Book,
    NewListing,
    OrderSize,
    PriceLimit,
    Settlement,
    Standing,
)

EARLY = dt.date(1990, 12, 19)
REFORM = dt.date(2020, 8, 24)
SOURCED: dict[str, Any] = {"source": "hand-made", "sure": "general"}


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def spans(*entries: tuple[str | dt.date, Any]) -> list[tuple[dict[str, Any], Any]]:
    """(start, what) in order -> (start, end and source, what): each ends on the day before the next."""
    starts = [start if isinstance(start, dt.date) else day(start) for start, _ in entries]
    ends = [start - dt.timedelta(days=1) for start in starts[1:]] + [None]
    return [
        ({"start": start, "end": end, **SOURCED}, what)
        for start, end, (_, what) in zip(starts, ends, entries, strict=True)
    ]


def limits(*entries: tuple[str | dt.date, int | None], rounding: Any = "half_up") -> tuple[PriceLimit, ...]:
    return tuple(
        PriceLimit(**dated, up_percent=percent, down_percent=percent, rounding=rounding)
        for dated, percent in spans(*entries)
    )


def listings(*entries: tuple[str | dt.date, tuple[int, int | None, int | None]]) -> tuple[NewListing, ...]:
    return tuple(
        NewListing(**dated, days=days, up_percent=up, down_percent=down, base="issue_price")
        for dated, (days, up, down) in spans(*entries)
    )


FREE, BAND, NOTHING = (1, None, None), (1, 44, 36), (5, None, None)
TEN, ST = (EARLY, 10), (EARLY, 5)


def china(**changes: Any) -> Book:
    """Boards and limits as in the facts the project starts from; order sizes and T+1 in short."""
    starts = {
        "sse_main": (r"60\d{4}\.SH", EARLY),
        "szse_main": (r"00\d{4}\.SZ", EARLY),
        "chinext": (r"30\d{4}\.SZ", day("2009-10-30")),
        "star": (r"68\d{4}\.SH", day("2019-07-22")),
        "bse": (r"\d{6}\.BJ", day("2021-11-15")),
    }
    boards = tuple(Board(name, "XSHG", pattern, start, 100, 0, Decimal(1)) for name, (pattern, start) in starts.items())
    main = {Standing.NORMAL: limits(TEN), Standing.ST: limits(ST, ("2026-07-06", 10)), Standing.DELISTING: limits(TEN)}
    chinext, star = limits(TEN, (REFORM, 20)), limits(("2019-07-22", 20))
    bse = limits(("2021-11-15", 30), rounding="inward")
    first = listings((EARLY, FREE), ("2014-06-13", BAND), ("2023-04-10", NOTHING))
    lots = {"buy_minimum": 100, "buy_step": 100, "sell_minimum": 100, "sell_step": 100}
    most = {"maximum_limit": 1_000_000, "maximum_market": None}
    sizes = {
        name: (OrderSize(start=start, end=None, **SOURCED, **lots, **most),) for name, (_, start) in starts.items()
    }
    whole: dict[str, Any] = {
        "name": "small",
        "title": "Chinese boards, by hand",
        "currency": "CNY",
        "money_decimals": 2,
        "calendar": "XSHG",
        "orders_expire": True,
        "boards": boards,
        "price_limits": {
            "sse_main": main,
            "szse_main": main,
            "chinext": dict.fromkeys(Standing, chinext),
            "star": dict.fromkeys(Standing, star),
            "bse": dict.fromkeys(Standing, bse),
        },
        "new_listings": {
            "sse_main": first,
            "szse_main": first,
            "chinext": listings((EARLY, FREE), ("2014-06-13", BAND), (REFORM, NOTHING)),
            "star": listings(("2019-07-22", NOTHING)),
            "bse": listings(("2021-11-15", FREE)),
        },
        "order_sizes": sizes,
        "settlements": {
            name: (Settlement(start=start, end=None, **SOURCED, sell_after_days=1),)
            for name, (_, start) in starts.items()
        },
    }
    return Book(**{**whole, **changes})
