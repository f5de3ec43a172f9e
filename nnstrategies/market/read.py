"""Rule books and event tables from YAML: the shipped ones by name, a user's own by path, everything checked once.

A book's file holds its own keys, ``boards``, and one list of dated entries for each rule. An entry names the boards
it is for (none named = all) and, for price limits, the standings (none named = all).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeVar

from nnstrategies.errors import ConfigError, DataError
from nnstrategies.market.bands import is_limit
from nnstrategies.market.book import (
    Board,
    Book,
    Commission,
    Dated,
    DividendTax,
    Fee,
    MarketEvent,
    NewListing,
    OrderSize,
    PriceLimit,
    Settlement,
    Standing,
)
from nnstrategies.market.coverage import tiled
from nnstrategies.market.entries import build, check_keys, rows, section, suggest, typed
from nnstrategies.yaml_file import read_yaml

Entry = TypeVar("Entry", bound=Dated)
Keyed = dict[str, list[tuple[Entry, dict[str, Any]]]]  # board -> entries, each with its file's own settings

_HEAD = {
    "name": str,
    "title": str,
    "currency": str,
    "money_decimals": int,
    "calendar": str | None,
    "orders_expire": bool,
}
_RULES = ("price_limit", "new_listing", "order_size", "settlement", "commission")
_OPTIONAL = ("limits_from", "free_of_charge", "events", "fee", "dividend_tax")
_STANDINGS = {standing.name.lower(): standing for standing in Standing}


def shipped() -> list[str]:
    """Names of the rule books that ship with the package."""
    names = [entry.name.removesuffix(".yaml") for entry in _folder().iterdir() if entry.name.endswith(".yaml")]
    return sorted(name for name in names if not name.endswith("_events"))


def read_book(source: str | Path) -> Book:
    """A rule book by the name of one that ships with the package, or by file name.

    ConfigError names the file, the rule, the board and the days; gaps and overlaps of dates are refused.
    """
    return _book(*_read(source))


def read_events(source: str | Path) -> tuple[MarketEvent, ...]:
    """The single days that belong to a rule book: the file that its key ``events`` names, beside it; () without one."""
    tree, where = _read(source)
    if tree.get("events") is None:
        return ()
    book = _book(tree, where)
    name = typed(tree["events"], str, f"{where}: events")
    own = Path(source).is_file()
    file, where = (Path(source).parent / name,) * 2 if own else (_folder().joinpath(name), name)
    if not file.is_file():
        raise ConfigError(f"{source}: events: no file {name!r} beside the book; put it there, or leave the key out")
    settings = section(read_yaml(file, str(where)), str(where))
    check_keys(settings, ["events"], str(where))
    events = [
        _event(row, book, f"{where}: events[{number}]")
        for number, row in enumerate(rows(settings.get("events"), f"{where}: events"), 1)
    ]
    return _distinct(events, str(where))


def _folder() -> Traversable:
    return resources.files("nnstrategies.configs.markets")


def _read(source: str | Path) -> tuple[dict[str, Any], str]:
    """The file's tree and the name that messages give it: a user's path as it was given."""
    path = Path(source)
    if path.is_file():
        return section(read_yaml(path, str(source)), str(source)), str(source)
    if str(source) in shipped():
        where = f"{source}.yaml"
        return section(read_yaml(_folder().joinpath(where), where), where), where
    raise ConfigError(f"rule book {source}: no such file, and no book of that name; {suggest(str(source), shipped())}")


def _book(tree: dict[str, Any], where: str) -> Book:
    check_keys(tree, [*_HEAD, "boards", *_RULES, *_OPTIONAL], where)
    for key in (*_HEAD, "boards", *_RULES):
        if key not in tree:
            raise ConfigError(f"{where}: {key}: is needed and missing")
    head = {key: typed(tree[key], hint, f"{where}: {key}") for key, hint in _HEAD.items()}
    limits_from = typed(tree.get("limits_from", "book"), Literal["book", "panel"], f"{where}: limits_from")
    free = typed(tree.get("free_of_charge", False), bool, f"{where}: free_of_charge")
    if free and tree.get("fee"):
        raise ConfigError(f"{where}: free_of_charge: the book has entries of fee; leave one of the two out")
    decimals = head["money_decimals"]
    if not 0 <= decimals <= 12:
        raise ConfigError(f"{where}: money_decimals: expected 0 to 12, got {decimals}")
    boards = _boards(tree["boards"], decimals, where)
    commissions = _keyed(Commission, tree["commission"], boards, f"{where}: commission", decimals)
    return Book(
        **head,
        limits_from=limits_from,
        free_of_charge=free,
        boards=boards,
        price_limits=_price_limits(tree["price_limit"], boards, f"{where}: price_limit"),
        new_listings=_by_board(NewListing, tree, "new_listing", boards, where),
        order_sizes=_by_board(OrderSize, tree, "order_size", boards, where),
        settlements=_by_board(Settlement, tree, "settlement", boards, where),
        fee_schedules=_fees(tree.get("fee", []), boards, f"{where}: fee"),
        commissions=_tiled(commissions, boards, f"{where}: commission"),
        dividend_taxes=_dividend_taxes(tree.get("dividend_tax", []), boards, f"{where}: dividend_tax"),
    )


def _boards(tree: object, decimals: int, where: str) -> tuple[Board, ...]:
    boards = tuple(
        build(Board, board, f"{where}: boards[{number}]", decimals)
        for number, board in enumerate(rows(tree, f"{where}: boards"), 1)
    )
    names = [board.name for board in boards]
    if not boards or len(set(names)) < len(names):
        raise ConfigError(f"{where}: boards: expected at least one, each with a name of its own, got {names}")
    return boards


def _keyed(cls: type[Entry], tree: object, boards: Iterable[Board], where: str, decimals: int = 0) -> Keyed[Entry]:
    """Entries by board; the keys ``boards`` and ``standing`` are the file's, not the entry's."""
    known = [board.name for board in boards]
    keyed: Keyed[Entry] = {name: [] for name in known}
    for number, row in enumerate(rows(tree, where), 1):
        place = f"{where}[{number}]"
        settings = section(row, place)
        names = _names(settings.pop("boards", known), known, f"{place}: boards")
        own = {"standing": settings.pop("standing")} if cls is PriceLimit and "standing" in settings else {}
        entry = build(cls, settings, place, decimals)
        for name in names:
            keyed[name].append((entry, own | {"place": place}))
    return keyed


def _names(value: object, known: Iterable[str], where: str) -> list[str]:
    names: list[str] = typed(value, list[str], where)
    for name in names:
        if name not in known:
            raise ConfigError(f"{where}: {name!r} is unknown; {suggest(name, known)}")
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"{where}: expected different names, got {names}; leave the key out for all")
    return names


def _tiled(keyed: Keyed[Entry], boards: Iterable[Board], where: str) -> dict[str, tuple[Entry, ...]]:
    return {
        board.name: tiled([entry for entry, _ in keyed[board.name]], board.start, f"{where}, {board.name}")
        for board in boards
    }


def _by_board(
    cls: type[Entry], tree: Mapping[str, Any], key: str, boards: tuple[Board, ...], where: str
) -> dict[str, tuple[Entry, ...]]:
    return _tiled(_keyed(cls, tree[key], boards, f"{where}: {key}"), boards, f"{where}: {key}")


def _price_limits(
    tree: object, boards: tuple[Board, ...], where: str
) -> dict[str, dict[Standing, tuple[PriceLimit, ...]]]:
    keyed = _keyed(PriceLimit, tree, boards, where)
    every = list(_STANDINGS)
    return {
        board.name: {
            standing: tiled(
                [
                    entry
                    for entry, own in keyed[board.name]
                    if name in _names(own.get("standing", every), every, f"{own['place']}: standing")
                ],
                board.start,
                f"{where}, {board.name}, {name}",
            )
            for name, standing in _STANDINGS.items()
        }
        for board in boards
    }


def _fees(tree: object, boards: tuple[Board, ...], where: str) -> dict[str, dict[str, tuple[Fee, ...]]]:
    keyed = _keyed(Fee, tree, boards, where)
    schedules: dict[str, dict[str, tuple[Fee, ...]]] = {}
    for board in boards:
        fees = [fee for fee, _ in keyed[board.name]]
        components = dict.fromkeys(fee.component for fee in fees)  # in the order of the file
        schedules[board.name] = {
            name: tiled([fee for fee in fees if fee.component == name], board.start, f"{where}, {board.name}, {name}")
            for name in components
        }
        if board.par is None and any(fee.basis == "par" for fee in fees):
            raise ConfigError(f"{where}, {board.name}: a fee on par needs the board's par")
    return schedules


def _dividend_taxes(tree: object, boards: tuple[Board, ...], where: str) -> tuple[DividendTax, ...]:
    taxes = [build(DividendTax, row, f"{where}[{number}]") for number, row in enumerate(rows(tree, where), 1)]
    return tiled(taxes, min(board.start for board in boards), where) if taxes else ()


def _event(row: object, book: Book, where: str) -> MarketEvent:
    settings = section(row, where)
    value = settings.get("value")
    if settings.get("kind") == "standing":
        if value not in _STANDINGS:
            raise ConfigError(f"{where}: value: expected one of {', '.join(_STANDINGS)}, got {value!r}")
        settings["value"] = int(_STANDINGS[value])
    event = build(MarketEvent, {"value": None} | settings, where)
    if (event.kind == "no_limit") != (event.value is None):
        expected = "no value" if event.kind == "no_limit" else "a value"
        raise ConfigError(f"{where}: value: expected {expected} for {event.kind}, got {value!r}")
    if event.kind == "limit" and not is_limit(event.value or 0):
        raise ConfigError(f"{where}: value: expected percent above 0 to 100 with at most two decimals, got {value!r}")
    if event.kind == "issue_price" and not (event.value and event.value > 0):
        raise ConfigError(f"{where}: value: expected a price above 0, got {value!r}")
    try:
        board = book.board_of(event.symbol)
    except DataError as error:
        raise ConfigError(f"{where}: {error}") from None
    if event.day < board.start:
        raise ConfigError(f"{where}: day {event.day} lies before board {board.name} begins, {board.start}")
    return event


def _distinct(events: list[MarketEvent], where: str) -> tuple[MarketEvent, ...]:
    """Refuse two events of one kind for a symbol on the same day."""
    ordered = sorted(events, key=lambda event: (event.symbol, event.kind, event.day))
    for event, following in pairwise(ordered):
        last: dt.date = event.until or event.day
        if (event.symbol, event.kind) == (following.symbol, following.kind) and following.day <= last:
            raise ConfigError(f"{where}: events: {event.symbol}: two of kind {event.kind} on {following.day}")
    return tuple(sorted(events, key=lambda event: (event.day, event.symbol, event.kind)))
