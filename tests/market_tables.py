"""The tables of docs/markets.md, made from the Chinese rule book: what the page must say word for word."""

from __future__ import annotations

from nnstrategies.market.book import Book, Dated, Fee, NewListing, OrderSize, PriceLimit, entries


def limit_rows(book: Book) -> list[str]:
    """One row for each daily limit; standings with the same rule share it."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for rule, boards, entry in entries(book):
        if isinstance(entry, PriceLimit):
            key = (", ".join(boards), span(entry), f"{percent(entry)} | {entry.sure}")
            found.setdefault(key, []).append(rule.removeprefix("price_limit, "))
    every = ["normal", "st", "delisting"]
    return [
        f"| {boards} | {'all' if standings == every else ', '.join(standings)} | {days} | {text} |"
        for (boards, days, text), standings in found.items()
    ]


def listing_rows(book: Book) -> list[str]:
    """One row for each rule of the first days of a listing."""
    return [
        f"| {', '.join(boards)} | {span(entry)} | {entry.days} | {percent(entry)} | {entry.sure} |"
        for _, boards, entry in entries(book)
        if isinstance(entry, NewListing)
    ]


def size_rows(book: Book) -> list[str]:
    """One row for each rule of order sizes."""
    return [
        f"| {', '.join(boards)} | {span(entry)} | {entry.buy_minimum} | {entry.buy_step} "
        f"| {entry.maximum_limit:,} / {entry.maximum_market:,} | {entry.sure} |"
        for _, boards, entry in entries(book)
        if isinstance(entry, OrderSize)
    ]


def fee_rows(book: Book) -> list[str]:
    """One row for each rate of a fee."""
    return [
        f"| {entry.component} | {named(book, boards)} | {span(entry)} | {(entry.rate * 100).normalize():f} % "
        f"of {entry.basis} | {entry.side} | {entry.sure} |"
        for _, boards, entry in sorted(entries(book), key=_component)
        if isinstance(entry, Fee)
    ]


def _component(row: tuple[str, tuple[str, ...], Dated]) -> int:
    order = ("fee, stamp_duty", "fee, transfer_fee", "fee, handling_fee", "fee, regulatory_fee")
    return order.index(row[0]) if row[0] in order else -1


def named(book: Book, boards: tuple[str, ...]) -> str:
    """Boards by name, or all of them."""
    return "all" if len(boards) == len(book.boards) else ", ".join(boards)


def span(entry: Dated) -> str:
    """Days in force."""
    return f"{entry.start} to {entry.end}" if entry.end else f"from {entry.start}"


def percent(entry: PriceLimit | NewListing) -> str:
    """Limits around the base."""
    if entry.up_percent is None:
        return "none"
    up, down = entry.up_percent, entry.down_percent
    return f"{up} %" if up == down else f"+{up} / -{down} %"
