"""The shipped rule books say what the facts say, on both sides of every change; lookups and sureness."""

from __future__ import annotations

import datetime as dt
import pickle
import re
from decimal import Decimal

import pandas as pd
import pytest

from nnstrategies.errors import ConfigError, DataError
from nnstrategies.market.book import Book, Standing, TaxBand, entries, sureness
from nnstrategies.market.read import read_book, read_events, shipped

NORMAL, ST, DELISTING = Standing.NORMAL, Standing.ST, Standing.DELISTING
ONE_DAY = dt.timedelta(days=1)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@pytest.fixture(scope="module")
def china() -> Book:
    return read_book("cn_a")


# -- China, by hand from the facts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbol", "board"),
    [
        ("600000.SH", "sse_main"),
        ("601318.SH", "sse_main"),
        ("603288.SH", "sse_main"),
        ("605499.SH", "sse_main"),
        ("688981.SH", "star"),
        ("689009.SH", "star"),
        ("000001.SZ", "szse_main"),
        ("001979.SZ", "szse_main"),
        ("002594.SZ", "szse_main"),
        ("003816.SZ", "szse_main"),
        ("300750.SZ", "chinext"),
        ("301269.SZ", "chinext"),
        ("302132.SZ", "chinext"),
        ("430047.BJ", "bse"),
        ("832000.BJ", "bse"),
        ("873169.BJ", "bse"),
        ("920002.BJ", "bse"),
    ],
)
def test_a_chinese_symbol_belongs_to_its_board(china, symbol, board):
    assert china.board_of(symbol).name == board


@pytest.mark.parametrize("symbol", ["600000", "600000.SZ", "510300.SH", "900901.SH", "200002.SZ", "SH600000", "AAPL"])
def test_a_symbol_of_no_board_is_refused_with_the_known_patterns(china, symbol):
    with pytest.raises(DataError, match=rf"{re.escape(symbol)}.*sse_main.*rename"):
        china.board_of(symbol)


@pytest.mark.parametrize(
    ("board", "standing", "date", "percent", "rounding"),
    [
        ("sse_main", NORMAL, "2005-01-04", 10, "half_up"),
        ("szse_main", NORMAL, "2026-07-06", 10, "half_up"),
        ("sse_main", ST, "2026-07-05", 5, "half_up"),
        ("sse_main", ST, "2026-07-06", 10, "half_up"),
        ("szse_main", ST, "2026-07-03", 5, "half_up"),
        ("szse_main", ST, "2026-07-06", 10, "half_up"),
        ("szse_main", DELISTING, "2013-01-04", 10, "half_up"),
        ("sse_main", DELISTING, "2020-12-31", 10, "half_up"),
        ("chinext", NORMAL, "2020-08-23", 10, "half_up"),
        ("chinext", NORMAL, "2020-08-24", 20, "half_up"),
        ("chinext", ST, "2020-08-24", 20, "half_up"),
        ("chinext", DELISTING, "2020-08-24", 20, "half_up"),
        ("star", NORMAL, "2019-07-22", 20, "half_up"),
        ("star", ST, "2026-07-06", 20, "half_up"),
        ("bse", NORMAL, "2021-11-15", 30, "inward"),
        ("bse", ST, "2024-01-02", 30, "inward"),
    ],
)
def test_daily_limits_of_china(china, board, standing, date, percent, rounding):
    limit = china.price_limit(board, standing, day(date))
    assert (limit.up_percent, limit.down_percent, limit.rounding) == (percent, percent, rounding)


@pytest.mark.parametrize(
    ("board", "listed", "days", "up", "down"),
    [
        ("sse_main", "2013-12-12", 1, None, None),
        ("sse_main", "2013-12-13", 1, 44, 36),
        ("sse_main", "2014-06-12", 1, 44, 36),
        ("sse_main", "2014-06-13", 1, 44, 36),
        ("szse_main", "2014-06-12", 1, None, None),
        ("szse_main", "2014-06-13", 1, 44, 36),
        ("sse_main", "2023-04-09", 1, 44, 36),
        ("sse_main", "2023-04-10", 5, None, None),
        ("szse_main", "2023-04-09", 1, 44, 36),
        ("szse_main", "2023-04-10", 5, None, None),
        ("chinext", "2009-10-30", 1, None, None),
        ("chinext", "2014-06-12", 1, None, None),
        ("chinext", "2014-06-13", 1, 44, 36),
        ("chinext", "2020-08-23", 1, 44, 36),
        ("chinext", "2020-08-24", 5, None, None),
        ("star", "2019-07-22", 5, None, None),
        ("bse", "2021-11-15", 1, None, None),
    ],
)
def test_first_days_of_chinese_listings(china, board, listed, days, up, down):
    rule = china.new_listing(board, day(listed))
    assert (rule.days, rule.up_percent, rule.down_percent, rule.base) == (days, up, down, "issue_price")


@pytest.mark.parametrize(
    ("board", "date", "buy", "sell", "maxima"),
    [
        ("sse_main", "2005-01-04", (100, 100), (100, 100), (1_000_000, 1_000_000)),
        ("szse_main", "2024-01-02", (100, 100), (100, 100), (1_000_000, 1_000_000)),
        ("chinext", "2020-08-23", (100, 100), (100, 100), (1_000_000, 1_000_000)),
        ("chinext", "2020-08-24", (100, 100), (100, 100), (300_000, 150_000)),
        ("star", "2019-07-22", (200, 1), (200, 1), (100_000, 50_000)),
        ("bse", "2021-11-15", (100, 1), (100, 1), (1_000_000, 1_000_000)),
    ],
)
def test_order_sizes_of_china(china, board, date, buy, sell, maxima):
    size = china.order_size(board, day(date))
    assert ((size.buy_minimum, size.buy_step), (size.sell_minimum, size.sell_step)) == (buy, sell)
    assert (size.maximum_limit, size.maximum_market) == maxima


def test_every_chinese_board_trades_in_cents_and_sells_from_the_next_day(china):
    for board in china.boards:
        assert (board.ticks_per_unit, board.quantity_decimals, board.par) == (100, 0, Decimal(1))
        assert china.settlement(board.name, board.start).sell_after_days == 1
    assert (china.currency, china.money_decimals, china.calendar, china.orders_expire) == ("CNY", 2, "XSHG", True)


BOTH, SELL = ("both", "amount"), ("sell", "amount")
PAR = ("both", "par")
FEES = [
    # component, boards, last day before (None: start of the board), first day, (side, basis), rate before, rate from
    ("stamp_duty", "sse_main szse_main", "2005-01-24", BOTH, "0.002", "0.001"),
    ("stamp_duty", "sse_main szse_main", "2007-05-30", BOTH, "0.001", "0.003"),
    ("stamp_duty", "sse_main szse_main", "2008-04-24", BOTH, "0.003", "0.001"),
    ("stamp_duty", "sse_main szse_main chinext star bse", "2023-08-28", SELL, "0.001", "0.0005"),
    ("transfer_fee", "sse_main", "2012-06-01", PAR, "0.0005", "0.000375"),
    ("transfer_fee", "sse_main", "2012-09-01", PAR, "0.000375", "0.0003"),
    ("transfer_fee", "sse_main szse_main chinext star", "2022-04-29", BOTH, "0.00002", "0.00001"),
    ("transfer_fee", "szse_main chinext", "2015-08-01", BOTH, "0.0000255", "0.00002"),
    ("transfer_fee", "bse", "2022-04-29", BOTH, "0.000025", "0.00001"),
    ("handling_fee", "sse_main", "2012-06-01", BOTH, "0.00011", "0.000087"),
    ("handling_fee", "szse_main chinext", "2012-06-01", BOTH, "0.000122", "0.000087"),
    ("handling_fee", "sse_main szse_main chinext", "2012-09-01", BOTH, "0.000087", "0.0000696"),
    ("handling_fee", "sse_main szse_main chinext", "2015-08-01", BOTH, "0.0000696", "0.0000487"),
    ("handling_fee", "sse_main szse_main chinext star", "2023-08-28", BOTH, "0.0000487", "0.0000341"),
    ("handling_fee", "bse", "2022-12-01", BOTH, "0.0005", "0.00025"),
    ("handling_fee", "bse", "2023-08-28", BOTH, "0.00025", "0.000125"),
    ("regulatory_fee", "sse_main szse_main chinext", "2012-07-13", BOTH, "0.00004", "0.00002"),
]


@pytest.mark.parametrize(("component", "boards", "first", "kind", "before", "after"), FEES)
def test_fees_of_china_on_both_sides_of_each_change(china, component, boards, first, kind, before, after):
    for board in boards.split():
        for date, rate in ((day(first) - ONE_DAY, before), (day(first), after)):
            (fee,) = [fee for fee in china.fees(board, date) if fee.component == component]
            assert (fee.side, fee.basis, fee.rate) == (*kind, Decimal(rate)), (board, date)


def test_from_2008_09_19_the_seller_alone_pays_stamp_duty(china):
    for date, buyer_pays in (("2008-09-18", True), ("2008-09-19", False)):
        (duty,) = [fee for fee in china.fees("szse_main", day(date)) if fee.component == "stamp_duty"]
        assert (duty.rate, duty.applies(buy=True), duty.applies(buy=False)) == (Decimal("0.001"), buyer_pays, True)


def test_in_2015_the_shanghai_transfer_fee_goes_from_par_to_amount(china):
    for date, expected in (("2015-07-31", ("par", "0.0003")), ("2015-08-01", ("amount", "0.00002"))):
        (fee,) = [fee for fee in china.fees("sse_main", day(date)) if fee.component == "transfer_fee"]
        assert (fee.basis, fee.rate) == (expected[0], Decimal(expected[1]))


def test_every_change_of_a_chinese_fee_has_a_case_above(china):
    tested = {(row[0], board, day(row[2])) for row in FEES for board in row[1].split()}
    tested |= {("stamp_duty", board, day("2008-09-19")) for board in ("sse_main", "szse_main")}
    tested |= {("transfer_fee", "sse_main", day("2015-08-01"))}
    for board in china.boards:
        for component, rows in china.fee_schedules[board.name].items():
            changes = {row.start for row in rows if row.start > board.start}
            assert changes <= {first for name, place, first in tested if (name, place) == (component, board.name)}


def test_only_handling_and_regulatory_fees_lie_inside_the_commission(china):
    inside = {
        fee.component
        for board in china.boards
        for fee in china.fees(board.name, day("2024-01-02"))
        if fee.in_commission
    }
    outside = {fee.component for fee in china.fees("star", day("2024-01-02")) if not fee.in_commission}
    assert (inside, outside) == ({"handling_fee", "regulatory_fee"}, {"stamp_duty", "transfer_fee"})


def test_the_commission_of_china_is_at_most_three_per_mille_and_at_least_five_yuan(china):
    law = china.commission("sse_main", day("2005-01-04"))
    assert (law.maximum_rate, law.minimum) == (Decimal("0.003"), 500)


def bands(*pairs: tuple[int | None, str]) -> tuple[TaxBand, ...]:
    return tuple(TaxBand(months, Decimal(rate)) for months, rate in pairs)


@pytest.mark.parametrize(
    ("ex_date", "due", "expected"),
    [
        ("2005-06-12", "payment", bands((None, "0.2"))),
        ("2005-06-13", "payment", bands((None, "0.1"))),
        ("2012-12-31", "payment", bands((None, "0.1"))),
        ("2013-01-01", "sale", bands((1, "0.2"), (12, "0.1"), (None, "0.05"))),
        ("2015-09-07", "sale", bands((1, "0.2"), (12, "0.1"), (None, "0.05"))),
        ("2015-09-08", "sale", bands((1, "0.2"), (12, "0.1"), (None, "0"))),
    ],
)
def test_dividend_tax_of_china_by_ex_date(china, ex_date, due, expected):
    tax = china.dividend_tax(day(ex_date))
    assert tax is not None
    assert (tax.due, tax.bands) == (due, expected)


# -- all shipped books -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_book_answers_every_question_from_each_boards_first_day_on(name):
    book = read_book(name)
    assert book.name == name
    for board in book.boards:
        for date in (
            board.start,
            *(change for change in book.changes(board.name) if change > board.start),
            day("2030-01-01"),
        ):
            for standing in Standing:
                assert book.price_limit(board.name, standing, date).covers(date)
            answers = (book.new_listing, book.order_size, book.settlement, book.commission)
            assert all(answer(board.name, date).covers(date) for answer in answers)
            assert all(fee.covers(date) for fee in book.fees(board.name, date))
        tax = book.dividend_tax(board.start)
        assert (tax is None) == (name != "cn_a")


def test_books_ship_without_their_event_files():
    assert {"cn_a", "crypto_spot", "simulated", "us_equity"} <= set(shipped())
    assert "cn_a_events" not in shipped()


@pytest.mark.parametrize("name", shipped())
def test_every_entry_names_its_source_and_says_what_is_to_be_confirmed(name):
    rows = entries(read_book(name))
    assert all(entry.source.strip() for _, _, entry in rows)
    assert not any("http" in entry.source for _, _, entry in rows)
    assert all(entry.note for _, _, entry in rows if name == "cn_a" and entry.sure == "general")


def test_the_simulated_market_takes_its_limits_from_the_panel_and_any_symbol():
    book = read_book("simulated")
    assert (book.limits_from, book.board_of("SIM0001").name, book.calendar) == ("panel", "main", None)
    size = book.order_size("main", day("2015-01-05"))
    assert (size.buy_step, size.maximum_limit, book.settlement("main", day("2015-01-05")).sell_after_days) == (
        100,
        None,
        1,
    )
    assert book.fees("main", day("2015-01-05")) == ()


@pytest.mark.parametrize(
    ("symbol", "board", "steps", "coins"),
    [("BTCUSDT", "btc", 100, 5), ("ETH/USDT", "eth", 100, 4), ("1INCH-USDT", "other", 10**8, 5)],
)
def test_crypto_pairs_trade_always_in_small_steps(symbol, board, steps, coins):
    book = read_book("crypto_spot")
    pair = book.board_of(symbol)
    assert (pair.name, pair.ticks_per_unit, pair.quantity_decimals) == (board, steps, coins)
    assert pair.minimum_notional == 5 * 10**8  # 5 USDT to 8 decimals
    assert (book.calendar, book.orders_expire, book.settlement(board, day("2020-01-01")).sell_after_days) == (
        None,
        False,
        0,
    )


@pytest.mark.parametrize(
    ("date", "per_million"),
    [("2018-05-21", "23.1"), ("2018-05-22", "13"), ("2021-02-24", "22.1"), ("2021-02-25", "5.1"), ("2025-05-14", "0")],
)
def test_the_seller_of_a_us_share_pays_the_section_31_fee_of_the_day(date, per_million):
    (fee,) = read_book("us_equity").fees("us", day(date))
    assert (fee.rate * 10**6, fee.side) == (Decimal(per_million), "sell")
    assert {read_book("us_equity").board_of(symbol).name for symbol in ("A", "GOOGL", "BRK-A", "BRK.B")} == {"us"}


# -- lookups ---------------------------------------------------------------------------------------------------------


def test_a_day_before_the_first_entry_is_refused_and_the_first_day_named(china):
    with pytest.raises(ConfigError, match=r"'cn_a': price_limit, star, st: nothing for 2019-07-21; .* 2019-07-22"):
        china.price_limit("star", ST, day("2019-07-21"))
    with pytest.raises(ConfigError, match=r"dividend_tax: nothing for 2004-12-31; .* 2005-01-01"):
        china.dividend_tax(day("2004-12-31"))


def test_an_unknown_board_is_refused_with_the_nearest_one(china):
    with pytest.raises(ConfigError, match=r"settlement: nothing for board 'sse_mian'; did you mean 'sse_main'"):
        china.settlement("sse_mian", day("2020-01-02"))


def test_between_two_changes_nothing_changes(china):
    for board in china.boards:
        starts = [change for change in china.changes(board.name) if change >= board.start]
        assert starts == sorted(set(starts))
        for first, after in zip(starts, [*starts[1:], day("2031-01-01")], strict=True):
            last = after - ONE_DAY
            assert china.fees(board.name, first) == china.fees(board.name, last)
            assert china.order_size(board.name, first) is china.order_size(board.name, last)
            assert china.price_limit(board.name, ST, first) is china.price_limit(board.name, ST, last)
            assert china.dividend_tax(first) is china.dividend_tax(last)


def test_a_book_survives_pickling(china):
    again = pickle.loads(pickle.dumps(china))
    assert entries(again) == entries(china)


def test_sureness_lists_the_entries_in_force_that_are_not_official(china):
    lines = sureness(china)
    assert len(lines) == sum(entry.sure != "official" for _, _, entry in entries(china))
    assert any(line.startswith("order_size, chinext, 2020-08-24..: code: ") for line in lines)
    recent = sureness(china, first=day("2024-01-02"), last=day("2024-12-31"))
    assert 0 < len(recent) < len(lines)
    assert not any("2013-12-13" in line for line in recent)
    assert sureness(read_book("simulated")) == []


# -- the single days of China ----------------------------------------------------------------------------------------


def test_the_chinese_events_are_the_single_days_that_no_rule_explains(china):
    events = read_events("cn_a")
    kinds = [event.kind for event in events]
    assert (len(events), kinds.count("no_limit"), kinds.count("issue_price")) == (21, 20, 1)
    pauses = {event.symbol[:6] for event in events if "long pause" in event.source}
    shenzhen = {"000156", "000629", "000709", "000750", "000776", "000792", "000831"}
    assert pauses == shenzhen | {"600372", "600633", "600688", "600871", "600732", "600733"}
    assert {event.symbol[:6] for event in events if "new shares" in event.source} == {"000738", "600521"}
    assert all(event.sure == "code" and event.note for event in events)
    assert all(china.board_of(event.symbol).start <= event.day for event in events)


def test_every_chinese_event_is_a_day_that_trades_outside_the_limits(shared_data):
    columns = ["date", "symbol", "high", "low", "limit_up", "limit_down", "paused"]
    events = read_events("cn_a")
    wanted = [("symbol", "in", sorted({event.symbol for event in events}))]
    table = pd.read_parquet(shared_data / "cn_daily.parquet", columns=columns, filters=wanted)
    outside = table[
        ~table["paused"] & ((table["high"] > table["limit_up"] + 0.005) | (table["low"] < table["limit_down"] - 0.005))
    ]
    found = set(zip(outside["symbol"], pd.to_datetime(outside["date"]).dt.date, strict=True))
    assert {(event.symbol, event.day) for event in events} <= found


def test_shanghai_first_days_of_early_2014_stop_at_44_percent_and_shenzhens_do_not(shared_data):
    """Why the book's entry for Shanghai from 2013-12-13 to 2014-06-12 has a band, and Shenzhen's has none."""
    columns = ["date", "symbol", "high", "pre_close"]
    table = pd.read_parquet(shared_data / "cn_daily.parquet", columns=columns)
    first = table.sort_values("date").drop_duplicates("symbol")
    dates = pd.to_datetime(first["date"])
    first = first[(dates >= "2013-12-13") & (dates <= "2014-06-12")].set_index("symbol")
    rise = (first["high"].astype(float) / first["pre_close"].astype(float) - 1).round(4)
    assert rise.filter(like=".SH").drop("600023.SH").to_dict() == {
        "601225.SH": 0.44,
        "603288.SH": 0.44,
        "603699.SH": 0.4394,
    }
    assert rise["600023.SH"] > 0.6  # a merger listing: an event
    assert rise["002709.SZ"] > 0.45
