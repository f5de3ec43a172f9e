"""Fees are exact to the cent, by component, side and date; a bound on their rate holds; settings are checked."""

from __future__ import annotations

import datetime as dt
import math
import re
import timeit
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nnstrategies.brokers.fees import Costs, FlatCosts, MakerTakerCosts, NoCosts, ScheduleCosts, Trade
from nnstrategies.brokers.terms import usual_costs
from nnstrategies.errors import ConfigError
from nnstrategies.market.book import Board, Book, Commission, Fee, OrderSize
from nnstrategies.market.read import read_book, shipped
from nnstrategies.market_settings import COSTS, SLIPPAGE, usual_settings

START, CHANGE = dt.date(2010, 1, 4), dt.date(2015, 8, 3)
BOARD = Board("main", "XSHG", r"\d{6}\.SH", START, 100, 0, Decimal(1))
COIN = Board("spot", "none", ".*", START, 100, 5, None)


def _fee(component: str, side: str, rate: str, basis: str = "amount", inside: bool = False, late: bool = False) -> Fee:
    start, end = (CHANGE, None) if late else (START, CHANGE - dt.timedelta(1))
    return Fee(
        start=start,
        end=end,
        source="test",
        sure="general",
        component=component,
        side=side,  # type: ignore[arg-type]
        rate=Decimal(rate),
        basis=basis,  # type: ignore[arg-type]
        in_commission=inside,
    )


SCHEDULE = {
    "stamp_duty": (_fee("stamp_duty", "both", "0.003"), _fee("stamp_duty", "sell", "0.001", late=True)),
    "transfer_fee": (_fee("transfer_fee", "both", "0.0005", "par"), _fee("transfer_fee", "both", "0.00002", late=True)),
    "handling_fee": (
        _fee("handling_fee", "both", "0.00011", inside=True),
        _fee("handling_fee", "both", "0.0000487", inside=True, late=True),
    ),
}
LAW = Commission(start=START, end=None, source="test", sure="general", maximum_rate=Decimal("0.003"), minimum=500)
SIZE = OrderSize(
    start=START,
    end=None,
    source="test",
    sure="general",
    buy_minimum=100,
    buy_step=100,
    sell_minimum=100,
    sell_step=100,
    maximum_limit=1_000_000,
    maximum_market=500_000,
)
BOOK = Book(
    name="test",
    title="Test",
    currency="CNY",
    money_decimals=2,
    calendar=None,
    orders_expire=True,
    boards=(BOARD,),
    order_sizes={"main": (SIZE,)},
    fee_schedules={"main": SCHEDULE},
    commissions={"main": (LAW,)},
)
EARLY, LATE = dt.date(2012, 3, 1), dt.date(2020, 3, 2)


def trade(day: dt.date, buy: bool, quantity: int, price: str) -> Trade:
    return Trade(day, BOARD, buy, quantity, int(Decimal(price) * quantity * 100))


def test_free_trading_costs_nothing() -> None:
    assert NoCosts().fees(trade(LATE, True, 100, "10")) == {}
    assert NoCosts().rate_bound(LATE, BOARD, True) == 0.0


@pytest.mark.parametrize("buy", [True, False])
def test_the_flat_rate_is_the_same_on_both_sides(buy: bool) -> None:
    # 1,000 x 12.34 = 12,340.00; x 0.0008 = 9.872 -> 9.87
    assert FlatCosts(8).fees(trade(LATE, buy, 1_000, "12.34")) == {"commission": 987}
    assert FlatCosts(8, minimum=10).fees(trade(LATE, buy, 1_000, "12.34")) == {"commission": 1_000}


def test_half_a_cent_is_rounded_up_even_where_binary_numbers_would_not() -> None:
    # 100.50 x 0.0001 = 0.01005 -> 1 cent; 150.00 x 0.0001 = 0.015 -> 2 cents; 150.00 x 0.00029 = 0.0435 -> 4 cents;
    # 500.00 x 0.00029 = 0.145 -> 15 cents (0.145 as a binary number lies below the half)
    flat = [FlatCosts(bps).fees(Trade(LATE, BOARD, True, 100, amount)) for bps, amount in RATES]
    assert [fee["commission"] for fee in flat] == [1, 2, 4, 15]


RATES = [(1.0, 10_050), (1.0, 15_000), (2.9, 15_000), (2.9, 50_000)]


def test_a_crypto_order_pays_by_whether_it_rested() -> None:
    costs = MakerTakerCosts(maker_bps=2, taker_bps=5)
    # 0.12345 coin x 60,000.00 = 7,407.00; x 0.0002 = 1.4814 -> 1.48; x 0.0005 = 3.7035 -> 3.70
    rested = Trade(LATE, COIN, True, 12_345, 740_700, maker=True)
    assert costs.fees(rested) == {"commission": 148}
    assert costs.fees(rested._replace(maker=False)) == {"commission": 370}
    assert costs.rate_bound(LATE, COIN, True) == pytest.approx(0.0005)


def test_the_schedule_charges_each_component_by_side_and_date() -> None:
    costs = ScheduleCosts(BOOK, commission_bps=3)
    # 2,000 x 10.07 = 20,140.00. Commission 6.042 -> 6.04. Early: stamp duty 60.42 on both sides, transfer fee by par
    # 2,000 x 1 x 0.0005 = 1.00. Late: stamp duty 20.14 for the seller only, transfer fee 0.4028 -> 0.40.
    early = {"commission": 604, "stamp_duty": 6_042, "transfer_fee": 100}
    assert costs.fees(trade(EARLY, True, 2_000, "10.07")) == early
    assert costs.fees(trade(EARLY, False, 2_000, "10.07")) == early
    assert costs.fees(trade(LATE, True, 2_000, "10.07")) == {"commission": 604, "transfer_fee": 40}
    late = {"commission": 604, "stamp_duty": 2_014, "transfer_fee": 40}
    assert costs.fees(trade(LATE, False, 2_000, "10.07")) == late
    assert costs.fees(trade(CHANGE - dt.timedelta(1), False, 2_000, "10.07")) == early
    assert costs.fees(trade(CHANGE, False, 2_000, "10.07")) == late


def test_a_small_order_pays_the_minimum_which_the_users_own_replaces() -> None:
    small = trade(LATE, True, 100, "8.00")  # 800.00 x 0.0003 = 0.24
    assert ScheduleCosts(BOOK).fees(small)["commission"] == 500
    assert ScheduleCosts(BOOK, minimum=0).fees(small)["commission"] == 24
    assert ScheduleCosts(BOOK, minimum=1.5).fees(small)["commission"] == 150


def test_the_commission_stops_at_the_legal_rate_but_not_below_the_minimum() -> None:
    costs = ScheduleCosts(BOOK, commission_bps=50)
    assert costs.fees(trade(LATE, True, 1_000, "10.00"))["commission"] == 3_000  # 10,000 x 0.3 %, not 0.5 %
    assert costs.fees(trade(LATE, True, 100, "10.05"))["commission"] == 500  # 1,005 x 0.3 % = 3.015
    # 2,005.00 x 0.3 % = 6.015: half up would pass the legal rate
    assert costs.fees(trade(LATE, True, 100, "20.05"))["commission"] == 601


def test_a_net_commission_has_the_exchange_fees_beside_it_and_the_legal_rate_covers_both() -> None:
    big = trade(LATE, True, 10_000, "10.00")  # 100,000.00 x 0.0000487 = 4.87
    net = ScheduleCosts(BOOK, commission_bps=1, net_of_exchange_fees=True)
    assert net.fees(big) == {"commission": 1_000, "transfer_fee": 200, "handling_fee": 487}
    dear = replace(net, commission_bps=40).fees(big)
    assert dear["commission"] + dear["handling_fee"] == 30_000  # 0.3 % of 100,000.00


def test_a_size_above_the_largest_order_is_several_orders_each_with_its_minimum() -> None:
    costs = ScheduleCosts(BOOK, commission_bps=3)
    # 2,000,100 shares at 1.00: two orders of 1,000,000 (300.00 each) and one of 100 shares (0.03 -> minimum 5.00)
    assert costs.fees(trade(LATE, True, 2_000_100, "1.00"))["commission"] == 60_500
    assert costs.fees(trade(LATE, True, 2_000_000, "1.00"))["commission"] == 60_000
    # at 0.01: 3.00 < 5.00 for each of the two whole orders
    assert costs.fees(trade(LATE, True, 2_000_000, "0.01"))["commission"] == 1_000


def test_a_day_before_the_books_first_entry_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"stamp_duty.*2009-12-31.*2010-01-04"):
        ScheduleCosts(BOOK).fees(trade(dt.date(2009, 12, 31), True, 100, "10"))


def test_a_fee_by_par_on_a_board_without_one_is_refused() -> None:
    bare = replace(BOARD, par=None)
    with pytest.raises(ConfigError, match="fee, main, transfer_fee: by par, without a par"):
        ScheduleCosts(replace(BOOK, boards=(bare,))).fees(trade(EARLY, True, 100, "10")._replace(board=bare))


def test_a_book_without_fees_or_legal_bounds_leaves_the_commission_alone() -> None:
    free = replace(BOOK, fee_schedules={}, commissions={}, order_sizes={})
    assert ScheduleCosts(free, commission_bps=50).fees(trade(LATE, True, 100, "10.00")) == {"commission": 500}


MODELS: list[Costs] = [
    NoCosts(),
    FlatCosts(8, minimum=5),
    MakerTakerCosts(),
    ScheduleCosts(BOOK),
    ScheduleCosts(BOOK, commission_bps=99),
    ScheduleCosts(BOOK, commission_bps=0.7, minimum=0.01, net_of_exchange_fees=True),
]
trades = st.builds(
    lambda day, buy, quantity, ticks: Trade(day, BOARD, buy, quantity, quantity * ticks),
    st.dates(START, dt.date(2030, 1, 1)),
    st.booleans(),
    st.integers(1, 5_000_000),
    st.integers(1, 300_000),
)


@given(st.sampled_from(MODELS), trades)
def test_fees_are_whole_never_negative_and_within_the_bound(costs: Costs, one: Trade) -> None:
    taken = costs.fees(one)
    assert all(type(fee) is int and fee >= 0 for fee in taken.values())
    price = one.amount / one.quantity / 100
    for known in (price, None):
        bound = Fraction(costs.rate_bound(one.day, BOARD, one.buy, known))
        minimums = 500 * math.ceil(one.quantity / 1_000_000)
        assert sum(taken.values()) <= bound * one.amount + minimums + len(taken)


@given(trades, st.floats(0, 9_999))
def test_the_commission_never_passes_the_legal_rate_but_by_the_minimum(one: Trade, bps: float) -> None:
    taken = ScheduleCosts(BOOK, commission_bps=bps).fees(one)["commission"]
    orders = math.ceil(one.quantity / 1_000_000)
    assert taken <= one.amount * Fraction(3, 1_000) + 500 * orders
    if orders == 1:
        assert taken == 500 or taken <= one.amount * Fraction(3, 1_000)


@given(trades, st.integers(1, 50))
def test_several_orders_cost_what_the_same_orders_cost_one_by_one(one: Trade, pieces: int) -> None:
    """Whole orders of the largest size, so that amounts split without a remainder."""
    largest = SIZE.maximum_limit or 0
    piece = one._replace(quantity=largest, amount=largest * (one.amount // one.quantity))
    whole = piece._replace(quantity=pieces * largest, amount=pieces * piece.amount)
    costs = ScheduleCosts(BOOK)
    assert costs.fees(whole)["commission"] == pieces * costs.fees(piece)["commission"]


@pytest.mark.parametrize("bad", [-1.0, 10_000.0, math.nan])
@pytest.mark.parametrize(
    ("model", "name"),
    [
        (FlatCosts, "fee_bps"),
        (MakerTakerCosts, "maker_bps"),
        (MakerTakerCosts, "taker_bps"),
        (lambda **settings: ScheduleCosts(BOOK, **settings), "commission_bps"),
    ],
)
def test_a_rate_that_cannot_be_is_refused_by_name(model: object, name: str, bad: float) -> None:
    with pytest.raises(ConfigError, match=rf"costs: {name}: expected 0 <= bps < 10000, got {bad}"):
        model(**{name: bad})  # type: ignore[operator]


@pytest.mark.parametrize("bad", [-0.01, math.inf, math.nan])
def test_a_minimum_that_cannot_be_is_refused(bad: float) -> None:
    for model in (lambda: FlatCosts(minimum=bad), lambda: ScheduleCosts(BOOK, minimum=bad)):
        with pytest.raises(ConfigError, match="costs: minimum: expected 0 or more"):
            model()


# 10,000 shares at 12.34 = 123,400.00; cents of (buy, sale). Both sides of every change of a rate.
CN_CASES: dict[tuple[str, str], list[tuple[str, int, int]]] = {
    ("stamp_duty", "600000.SH"): [
        ("2005-01-23", 24_680, 24_680),  # x 0.002 = 246.80
        ("2005-01-24", 12_340, 12_340),  # x 0.001 = 123.40
        ("2007-05-29", 12_340, 12_340),
        ("2007-05-30", 37_020, 37_020),  # x 0.003 = 370.20
        ("2008-04-23", 37_020, 37_020),
        ("2008-04-24", 12_340, 12_340),  # x 0.001
        ("2008-09-18", 12_340, 12_340),
        ("2008-09-19", 0, 12_340),  # x 0.001, the seller only
        ("2023-08-27", 0, 12_340),
        ("2023-08-28", 0, 6_170),  # x 0.0005 = 61.70
    ],
    ("transfer_fee", "600000.SH"): [
        ("2012-05-31", 500, 500),  # par 10,000 x 0.0005 = 5.00
        ("2012-06-01", 375, 375),  # par x 0.000375 = 3.75
        ("2012-08-31", 375, 375),
        ("2012-09-01", 300, 300),  # par x 0.0003 = 3.00
        ("2015-07-31", 300, 300),
        ("2015-08-01", 247, 247),  # 123,400 x 0.00002 = 2.468
        ("2022-04-28", 247, 247),
        ("2022-04-29", 123, 123),  # x 0.00001 = 1.234
    ],
    ("transfer_fee", "000001.SZ"): [
        ("2012-06-01", 315, 315),  # x 0.0000255 = 3.1467
        ("2015-07-31", 315, 315),
        ("2015-08-01", 247, 247),
        ("2022-04-28", 247, 247),
        ("2022-04-29", 123, 123),
    ],
    ("transfer_fee", "300001.SZ"): [("2015-07-31", 315, 315), ("2015-08-01", 247, 247), ("2022-04-29", 123, 123)],
    ("transfer_fee", "688001.SH"): [("2022-04-28", 247, 247), ("2022-04-29", 123, 123)],
    ("transfer_fee", "830001.BJ"): [("2022-04-29", 123, 123)],
    ("handling_fee", "600000.SH"): [
        ("2012-05-31", 1_357, 1_357),  # x 0.00011 = 13.574
        ("2012-06-01", 1_074, 1_074),  # x 0.000087 = 10.7358
        ("2012-08-31", 1_074, 1_074),
        ("2012-09-01", 859, 859),  # x 0.0000696 = 8.58864
        ("2015-07-31", 859, 859),
        ("2015-08-01", 601, 601),  # x 0.0000487 = 6.00958
        ("2023-08-27", 601, 601),
        ("2023-08-28", 421, 421),  # x 0.0000341 = 4.20794
    ],
    ("handling_fee", "000001.SZ"): [
        ("2012-05-31", 1_505, 1_505),  # x 0.000122 = 15.0548
        ("2012-06-01", 1_074, 1_074),
        ("2012-08-31", 1_074, 1_074),
        ("2012-09-01", 859, 859),
        ("2015-07-31", 859, 859),
        ("2015-08-01", 601, 601),
        ("2023-08-27", 601, 601),
        ("2023-08-28", 421, 421),
    ],
    ("handling_fee", "830001.BJ"): [
        ("2022-12-31", 3_085, 3_085),  # x 0.00025 = 30.85
        ("2023-08-27", 3_085, 3_085),
        ("2023-08-28", 1_543, 1_543),  # x 0.000125 = 15.425: half up
    ],
    ("regulatory_fee", "600000.SH"): [
        ("2006-01-04", 494, 494),  # x 0.00004 = 4.936
        ("2024-01-02", 247, 247),  # x 0.00002 = 2.468
    ],
}


@pytest.mark.parametrize(
    ("component", "symbol", "day", "bought", "sold"),
    [(*key, *case) for key, cases in CN_CASES.items() for case in cases],
)
def test_chinese_fees_on_both_sides_of_every_change(
    china: ScheduleCosts, component: str, symbol: str, day: str, bought: int, sold: int
) -> None:
    one = Trade(dt.date.fromisoformat(day), china.book.board_of(symbol), True, 10_000, 12_340_000)
    assert china.fees(one).get(component, 0) == bought
    assert china.fees(one._replace(buy=False)).get(component, 0) == sold


@pytest.fixture(scope="module")
def china() -> ScheduleCosts:
    return ScheduleCosts(read_book("cn_a"), commission_bps=3, net_of_exchange_fees=True)


def test_every_change_of_the_chinese_fees_is_in_the_table(china: ScheduleCosts) -> None:
    """A new entry of the book needs cases by hand; the dates left out are unsure or older than the facts at hand."""
    known = {(component, day) for (component, _), cases in CN_CASES.items() for day, _, _ in cases}
    starts = {
        (fee.component, str(fee.start))
        for schedules in china.book.fee_schedules.values()
        for rows in schedules.values()
        for fee in rows[1:]
    }
    assert starts - known <= {("handling_fee", "2022-12-01"), ("regulatory_fee", "2012-07-13")}


@pytest.mark.parametrize("day", ["2005-01-04", "2024-01-02"])
def test_the_chinese_commission_has_its_minimum_and_its_ceiling(china: ScheduleCosts, day: str) -> None:
    small = Trade(dt.date.fromisoformat(day), china.book.board_of("600000.SH"), True, 100, 80_000)
    assert china.fees(small)["commission"] == 500  # 800.00 x 0.0003 = 0.24 -> 5.00
    gross = ScheduleCosts(china.book, commission_bps=50)
    taken = gross.fees(small._replace(quantity=10_000, amount=12_340_000))
    assert taken["commission"] == 37_020  # 123,400.00 x 0.003, not x 0.005
    assert not taken.keys() & {"handling_fee", "regulatory_fee"}  # inside the commission


@pytest.mark.parametrize("name", ["cn_a", "us_equity", "crypto_spot", "simulated", "plain", "frictionless"])
def test_every_shipped_book_can_be_charged_from_its_first_day_on(name: str) -> None:
    costs = ScheduleCosts(read_book(name), net_of_exchange_fees=True)
    for board in costs.book.boards:
        for day in {board.start, *(day for day in costs.book.changes(board.name) if day >= board.start)}:
            for buy in (True, False):
                taken = costs.fees(Trade(day, board, buy, 1_000, 1_000_000))
                assert min(taken.values()) >= 0


USUAL = {"cn_a": ScheduleCosts, "us_equity": ScheduleCosts, "frictionless": NoCosts}


@pytest.mark.parametrize("name", shipped())
def test_without_a_word_on_costs_the_books_own_are_paid_else_8_bps_and_nothing_in_the_frictionless_market(name) -> None:
    book = read_book(name)
    costs = usual_costs(book)
    assert type(costs) is USUAL.get(name, FlatCosts)
    assert costs == usual_settings(book).costs(book)  # an account and a config agree
    if type(costs) is FlatCosts:
        assert costs == FlatCosts(8.0, money_decimals=book.money_decimals)


def test_every_python_block_of_the_page_on_costs_runs_as_shown() -> None:
    text = (Path(__file__).resolve().parents[1] / "docs" / "costs.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    for number, block in enumerate(blocks, start=1):
        exec(compile(block, f"costs.md, block {number}", "exec"), {"__name__": f"costs_{number}"})


def test_the_settings_of_the_page_on_costs_are_known_to_a_config() -> None:
    text = (Path(__file__).resolve().parents[1] / "docs" / "costs.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \| `\w+\(", text, flags=re.MULTILINE)) == {*COSTS, *SLIPPAGE}
    for section, settings in yaml.safe_load(re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)[0]).items():
        kind = settings.pop("kind")
        {"costs": COSTS, "slippage": SLIPPAGE}[section][kind](**settings)


def test_a_call_takes_microseconds() -> None:
    costs, one = ScheduleCosts(BOOK, net_of_exchange_fees=True), trade(LATE, False, 2_000, "10.07")
    best = min(timeit.repeat(lambda: costs.fees(one), number=2_000, repeat=5)) / 2_000
    assert best < 25e-6, f"{1e6 * best:.1f} us"  # about 2 us on a quiet core; a loaded one is slower
