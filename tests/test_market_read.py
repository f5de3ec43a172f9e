"""The loader of rule books: entries tile the time or are refused; every mistake is named with its place and mend."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nnstrategies.errors import ConfigError
from nnstrategies.market.book import Book, Settlement, Standing
from nnstrategies.market.coverage import tiled
from nnstrategies.market.read import read_book, read_events, shipped
from tests.market_tables import fee_rows, limit_rows, listing_rows, size_rows

NORMAL, ST = Standing.NORMAL, Standing.ST


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


# -- tiling ----------------------------------------------------------------------------------------------------------

START = day("2020-01-01")


def settlement(first: int, last: int | None, number: int = 0) -> Settlement:
    """In force from day ``first`` to day ``last`` after START."""
    end = None if last is None else START + dt.timedelta(days=last)
    return Settlement(
        start=START + dt.timedelta(days=first), end=end, source="hand", sure="code", sell_after_days=number
    )


def spans() -> st.SearchStrategy[list[tuple[int, int | None]]]:
    """Tilings, and tilings with single days lost, doubled or moved; shuffled."""
    cuts = st.lists(st.integers(1, 40), min_size=0, max_size=5, unique=True).map(sorted)

    def tiles(cut: list[int]) -> list[tuple[int, int | None]]:
        firsts = [0, *cut]
        return list(zip(firsts, [*(first - 1 for first in cut), None], strict=True))

    @st.composite
    def draw(draw: st.DrawFn) -> list[tuple[int, int | None]]:
        rows = tiles(draw(cuts))
        for _ in range(draw(st.integers(0, 2))):
            at = draw(st.integers(0, len(rows) - 1))
            first, last = rows[at]
            shift = draw(st.integers(-1, 1))
            kind = draw(st.sampled_from(["first", "last", "drop", "twice", "close", "open"]))
            if kind == "first" and (last is None or first + shift <= last):
                rows[at] = (first + shift, last)
            elif kind == "last" and last is not None and first <= last + shift:
                rows[at] = (first, last + shift)
            elif kind == "drop" and len(rows) > 1:
                rows.pop(at)
            elif kind == "twice":
                rows.append(rows[at])
            elif kind == "close" and last is None:
                rows[at] = (first, max(first, 60))
            elif kind == "open":
                rows[at] = (first, None)
        return draw(st.permutations(rows))

    return draw()


@given(spans())
def test_entries_are_accepted_exactly_when_they_tile_the_time(rows):
    horizon = range(100)
    holders = [[n for n, (a, b) in enumerate(rows) if a <= t and (b is None or t <= b)] for t in horizon]
    early = [[n for n, (a, b) in enumerate(rows) if a <= t and (b is None or t <= b)] for t in (-1, -2)]
    whole = all(len(found) == 1 for found in holders) and all(len(found) <= 1 for found in early)
    made = [settlement(first, last, number) for number, (first, last) in enumerate(rows)]
    if not whole:
        with pytest.raises(ConfigError, match=r"here: (gap|overlap)"):
            tiled(made, START, "here")
        return
    book = Book("b", "b", "CNY", 2, None, True, (), settlements={"one": tiled(made, START, "here")})
    for t in horizon:
        assert book.settlement("one", START + dt.timedelta(days=t)).sell_after_days == holders[t][0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [(0, 9), (15, None)],
            "gap 2020-01-11..2020-01-15; add the rule of those days, or mend the 'to' of 'hand'",
        ),
        (
            [(3, None)],
            "gap 2020-01-01..2020-01-03: the first entry begins 2020-01-04; begin it on 2020-01-01",
        ),
        ([(0, 9), (8, None)], "here: overlap 2020-01-09..2020-01-10: 'hand' and 'hand'"),
        ([(0, None), (5, None)], "here: overlap 2020-01-06..: "),
        ([(0, 9)], "here: gap 2020-01-11..: the last entry ends 2020-01-10; leave 'to' out"),
        ([], "here: no entry"),
    ],
)
def test_a_gap_or_overlap_is_named_by_its_days(rows, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        tiled([settlement(first, last) for first, last in rows], START, "here")


# -- a user's own file -----------------------------------------------------------------------------------------------


OWN = """
name: own
title: My market
currency: EUR
money_decimals: 2
calendar: XAMS
orders_expire: true
boards:
  - {name: a, exchange: X, pattern: 'A.*', from: 2010-01-01, tick: 0.05, quantity_decimals: 0, par: null}
  - {name: b, exchange: X, pattern: 'B.*', from: 2015-01-01, tick: 0.01, quantity_decimals: 2, par: 1,
     minimum_notional: 12.5}
price_limit:
  - {from: 2010-01-01, source: hand, sure: general, up_percent: 20, down_percent: 20, rounding: half_up}
new_listing:
  - {from: 2010-01-01, source: hand, sure: general, days: 0, up_percent: null, down_percent: null, base: previous_close}
order_size:
  - {from: 2010-01-01, source: hand, sure: general, buy_minimum: 1, buy_step: 1, sell_minimum: 1, sell_step: 1,
     maximum_limit: null, maximum_market: null}
settlement:
  - {from: 2010-01-01, source: hand, sure: general, sell_after_days: 0}
commission:
  - {from: 2010-01-01, source: hand, sure: general, maximum_rate: null, minimum: 1.25}
fee:
  - {from: 2010-01-01, source: hand, sure: general, boards: [b], component: levy, side: buy, rate: 0.00002,
     basis: amount, in_commission: false}
dividend_tax:
  - {from: 2010-01-01, source: hand, sure: general, due: payment, bands: [{months: null, rate: 0.15}]}
"""


def own() -> dict[str, Any]:
    tree: dict[str, Any] = yaml.safe_load(OWN)
    return tree


def write(folder: Path, tree: object) -> Path:
    path = folder / "my_market.yaml"
    path.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    return path


def test_a_users_own_file_is_read_by_its_path(tmp_path):
    book = read_book(write(tmp_path, own()))
    assert [(board.ticks_per_unit, board.minimum_notional) for board in book.boards] == [(20, 0), (100, 1250)]
    assert book.commission("a", day("2012-01-02")).minimum == 125
    assert book.fees("a", day("2020-01-02")) == ()
    assert book.fees("b", day("2020-01-02"))[0].rate == Decimal("0.00002")  # exact, not a binary fraction
    assert {book.price_limit("b", standing, day("2020-01-02")).up_percent for standing in Standing} == {20}
    assert read_events(tmp_path / "my_market.yaml") == ()


def test_a_book_without_fees_costs_8_bps_unless_it_is_free_of_charge(tmp_path):
    without = {key: value for key, value in own().items() if key != "fee"}
    kinds = [
        read_book(write(tmp_path, tree)).usual_costs for tree in (own(), without, without | {"free_of_charge": True})
    ]
    assert kinds == ["schedule", "flat", "none"]
    with pytest.raises(ConfigError, match=r"free_of_charge: the book has entries of fee; leave one of the two out"):
        read_book(write(tmp_path, own() | {"free_of_charge": True}))


def test_percentages_may_have_two_decimals_and_stay_exact(tmp_path):
    tree = own()
    tree["price_limit"][0] |= {"up_percent": 0.29, "down_percent": 12.5}
    path = with_events(tmp_path, {**EVENT, "kind": "limit", "value": 2.5}, tree=tree)
    limit = read_book(path).price_limit("a", NORMAL, day("2020-01-02"))
    assert (limit.up_percent, limit.down_percent) == (Decimal("0.29"), Decimal("12.5"))
    assert read_events(path)[0].value == 2.5


def test_messages_name_the_files_as_the_user_did(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("books").mkdir()
    path = with_events(Path("books"), {**EVENT, "dya": 1})
    with pytest.raises(ConfigError, match=r"^books/days\.yaml: events\[1\]: dya"):
        read_events("books/my_market.yaml")
    path.write_text(yaml.safe_dump(own() | {"boardz": []}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^books/my_market\.yaml: boardz"):
        read_book("books/my_market.yaml")


def test_entries_are_for_the_boards_and_standings_they_name(tmp_path):
    tree = own()
    old, new = ({**tree["price_limit"][0]} for _ in range(2))
    old |= {"boards": ["a"], "standing": ["st"], "up_percent": 5, "to": day("2019-12-31")}
    new |= {"boards": ["a"], "standing": ["st"], "up_percent": 7, "from": day("2020-01-01")}
    rest = {**tree["price_limit"][0], "boards": ["a"], "standing": ["normal", "delisting"]}
    tree["price_limit"] = [new, old, rest, {**tree["price_limit"][0], "boards": ["b"]}]
    book = read_book(write(tmp_path, tree))
    found = [book.price_limit("a", ST, day(date)).up_percent for date in ("2019-12-31", "2020-01-01")]
    assert [*found, book.price_limit("a", NORMAL, day("2020-01-01")).up_percent] == [5, 7, 20]


def changed(path: str, value: object) -> dict[str, Any]:
    """The own book with one value replaced, or taken out with ``...``."""
    tree: Any = own()
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    node = tree
    for part in parents:
        node = node[part]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return tree


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("boardz", [], "my_market.yaml: boardz: unknown key; did you mean 'boards'?"),
        ("settlement", ..., "my_market.yaml: settlement: is needed and missing"),
        ("limits_from", "pannel", "limits_from: expected 'book' or 'panel'; got 'pannel'"),
        ("money_decimals", "2", "money_decimals: expected a valid integer; got '2'"),
        ("boards.0.tick", 0.03, "boards[1]: tick: expected a price step that divides 1"),
        ("boards.0.pattern", "A(", "boards[1]: pattern: expected a regular expression, got 'A('"),
        ("boards.1.name", "a", "boards: expected at least one, each with a name of its own"),
        ("boards.0.ticks_per_unit", 100, "boards[1]: ticks_per_unit: unknown key"),
        ("boards.1.minimum_notional", 0.001, "boards[2]: minimum_notional: expected an amount with at most 2 decimals"),
        ("price_limit.0.up_percnt", 5, "price_limit[1]: up_percnt: unknown key; did you mean 'up_percent'?"),
        ("price_limit.0.up_percent", 0, "price_limit[1]: up_percent: expected percent above 0 to 100 with at most two"),
        ("price_limit.0.up_percent", 101, "two decimals, or null for no limit, got 101"),
        ("price_limit.0.up_percent", 9.555, "two decimals, or null for no limit, got 9.555"),
        ("price_limit.0.up_percent", "ten", "price_limit[1]: up_percent: expected a number, got 'ten'"),
        ("price_limit.0.rounding", "up", "rounding: expected 'half_up' or 'inward'; got 'up'"),
        ("price_limit.0.source", ..., "price_limit[1]: source: is needed and missing"),
        ("price_limit.0.source", " ", "price_limit[1]: source: is empty"),
        ("price_limit.0.sure", ..., "price_limit[1]: sure: is needed and missing"),
        ("price_limit.0.sure", "certain", "sure: expected 'official', 'code' or 'general'; got 'certain'"),
        ("price_limit.0.boards", ["c"], "price_limit[1]: boards: 'c' is unknown; known are a, b"),
        ("price_limit.0.boards", ["a"], "price_limit, b, normal: no entry; add one from 2015-01-01 on"),
        ("price_limit.0.standing", ["norml"], "price_limit[1]: standing: 'norml' is unknown; did you mean 'normal'?"),
        ("price_limit.0.standing", ["st"], "price_limit, a, normal: no entry"),
        ("price_limit.0.from", "2010-01-01", "price_limit[1]: from: expected a valid date; got '2010-01-01'"),
        ("price_limit.0.from", day("2010-01-05"), "price_limit, a, normal: gap 2010-01-01..2010-01-04"),
        ("price_limit.0.to", day("2009-12-31"), "price_limit[1]: to 2009-12-31 lies before from 2010-01-01"),
        ("settlement.0.standing", ["st"], "settlement[1]: standing: unknown key"),
        ("settlement.0.sell_after_days", -1, "settlement[1]: sell_after_days: expected at least 0, got -1"),
        ("settlement.0.sell_after_days", True, "sell_after_days: expected a valid integer; got True"),
        ("settlement", {"from": 1}, "my_market.yaml: settlement: expected a list of entries"),
        ("new_listing.0.up_percent", 44, "new_listing[1]: days 0 leaves no session for the limits"),
        ("order_size.0.buy_step", 0, "order_size[1]: buy_step: expected at least 1, got 0"),
        ("order_size.0.maximum_limit", ..., "order_size[1]: maximum_limit: is needed and missing"),
        ("fee.0.rate", 2, "fee[1]: rate: expected a fraction from 0 to 1"),
        ("fee.0.rate", "much", "fee[1]: rate: expected a number, got 'much'"),
        ("fee.0.component", "Stamp duty", "fee[1]: component: expected small letters"),
        ("fee.0.from", day("2016-01-01"), "fee, b, levy: gap 2015-01-01..2015-12-31"),
        ("commission.0.minimum", 0.001, "commission[1]: minimum: expected an amount with at most 2 decimals"),
        ("dividend_tax.0.bands", [{"months": 12, "rate": 0}], "dividend_tax[1]: bands: expected months to rise"),
        ("dividend_tax.0.bands", [{"month": 1, "rate": 0}], "bands[1]: month: unknown key; did you mean 'months'?"),
        ("dividend_tax.0.from", day("2011-01-01"), "dividend_tax: gap 2010-01-01..2010-12-31"),
    ],
)  # fmt: skip
def test_a_wrong_book_is_refused_with_the_place_and_the_mend(tmp_path, path, value, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        read_book(write(tmp_path, changed(path, value)))


def test_a_fee_on_par_needs_a_board_with_a_par(tmp_path):
    tree = changed("fee.0.basis", "par")
    tree["boards"][1]["par"] = None
    with pytest.raises(ConfigError, match="fee, b: a fee on par needs the board's par"):
        read_book(write(tmp_path, tree))


def test_an_unknown_book_is_refused_with_the_nearest_name(tmp_path):
    with pytest.raises(
        ConfigError, match="rule book cn_b: no such file, and no book of that name; did you mean 'cn_a'"
    ):
        read_book("cn_b")
    (tmp_path / "bad.yaml").write_text("name: [", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bad\.yaml: not valid YAML"):
        read_book(tmp_path / "bad.yaml")
    (tmp_path / "bad.yaml").write_text("name: 1\ntitle: 2\nname: 3\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bad\.yaml: not valid YAML: 'name' is written twice.*line 3"):
        read_book(tmp_path / "bad.yaml")
    (tmp_path / "bad.yaml").write_text("name: 2020-13-01", encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"bad\.yaml: not valid YAML: \S+ is no date \(month must be in 1\.\.12.*line \d"
    ):
        read_book(tmp_path / "bad.yaml")
    (tmp_path / "bad.yaml").write_text("- 1", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bad\.yaml: expected keys and values"):
        read_book(tmp_path / "bad.yaml")


# -- events ----------------------------------------------------------------------------------------------------------


def with_events(folder: Path, *rows: dict[str, Any], tree: dict[str, Any] | None = None) -> Path:
    path = write(folder, {**(tree or own()), "events": "days.yaml"})
    (folder / "days.yaml").write_text(yaml.safe_dump({"events": list(rows)}), encoding="utf-8")
    return path


EVENT = {"symbol": "A1", "day": day("2012-03-01"), "kind": "no_limit", "source": "prices", "sure": "code"}


def test_the_events_of_a_users_book_lie_beside_it(tmp_path):
    standing = {**EVENT, "kind": "standing", "value": "st", "until": day("2012-03-31")}
    path = with_events(tmp_path, standing, {**EVENT, "day": day("2012-02-01")}, {**EVENT, "kind": "limit", "value": 5})
    free, limit, special = read_events(path)
    assert (free.kind, free.value, free.day, free.until) == ("no_limit", None, day("2012-02-01"), None)
    assert (limit.value, Standing(int(special.value)), special.until) == (5.0, ST, day("2012-03-31"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"kind": "free"}, "days.yaml: events[1]: kind: expected 'no_limit'"),
        ({"value": 3}, "events[1]: value: expected no value for no_limit, got 3"),
        ({"kind": "limit"}, "events[1]: value: expected a value for limit, got None"),
        ({"kind": "limit", "value": 2.555}, "events[1]: value: expected percent above 0 to 100 with at most two"),
        ({"kind": "issue_price", "value": 0}, "events[1]: value: expected a price above 0"),
        ({"kind": "standing", "value": "bad"}, "events[1]: value: expected one of normal, st, delisting, got 'bad'"),
        ({"symbol": "Z1"}, "events[1]: symbol 'Z1': no board"),
        ({"symbol": "B1"}, "events[1]: day 2012-03-01 lies before board b begins, 2015-01-01"),
        ({"until": day("2012-02-01")}, "events[1]: until 2012-02-01 lies before day 2012-03-01"),
        ({"dya": 1}, "events[1]: dya: unknown key; did you mean 'day'?"),
    ],
)
def test_a_wrong_event_is_refused(tmp_path, row, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        read_events(with_events(tmp_path, {**EVENT, **row}))


def test_two_events_of_a_kind_on_one_day_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="A1: two of kind no_limit on 2012-03-02"):
        read_events(with_events(tmp_path, {**EVENT, "until": day("2012-03-03")}, {**EVENT, "day": day("2012-03-02")}))
    with pytest.raises(ConfigError, match=r"events: no file 'none\.yaml' beside the book"):
        read_events(write(tmp_path, {**own(), "events": "none.yaml"}))


# -- docs/markets.md --------------------------------------------------------------------------------------------------

PAGE = Path(__file__).resolve().parents[1] / "docs" / "markets.md"


def test_the_code_of_the_page_runs_and_prints_what_the_page_says(tmp_path, monkeypatch, capsys):
    text = PAGE.read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    first, own_market = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    exec(compile(first, "docs/markets.md", "exec"), {})
    assert capsys.readouterr().out.startswith("chinext 20 ")
    exec(compile(own_market, "docs/markets.md", "exec"), {})
    assert f"```text\n{capsys.readouterr().out}```" in text


def test_the_tables_of_the_page_are_those_of_the_book():
    text, book = PAGE.read_text(encoding="utf-8"), read_book("cn_a")
    for make in (limit_rows, listing_rows, size_rows, fee_rows):
        assert "\n".join(["|", *make(book), ""]) in text, make.__name__  # the whole table, below its head


def test_the_page_names_every_shipped_book():
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in text for name in shipped())
