"""The ledger by hand: double entry, lots, settlement, tax by holding period, corporate actions, forced exits."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction

import pytest

from nnstrategies.actions import Action, reference
from nnstrategies.brokers.actions import Units, apply_action, apply_delisting, exact
from nnstrategies.brokers.delistings import Delisting
from nnstrategies.brokers.ledger import NO_COLUMN, Ledger, LedgerError
from nnstrategies.brokers.taxes import half_up, months_later, rate
from nnstrategies.errors import DataError
from nnstrategies.market.book import DividendTax, TaxBand

OPENING = dt.date(2020, 1, 2)
SHARE = Units(money=100, steps=1, par=Decimal(1))


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def table(start: str, end: str | None, due: str, *bands: tuple[int | None, str]) -> DividendTax:
    steps = tuple(TaxBand(months, Decimal(share)) for months, share in bands)
    return DividendTax(
        start=day(start), end=day(end) if end else None, source="by hand", sure="official", due=due, bands=steps
    )


# What persons paid in mainland China, written out from the notices of 2005, 2012 and 2015.
CHINA = (
    table("2005-06-13", "2012-12-31", "payment", (None, "0.10")),
    table("2013-01-01", "2015-09-07", "sale", (1, "0.20"), (12, "0.10"), (None, "0.05")),
    table("2015-09-08", None, "sale", (1, "0.20"), (12, "0.10"), (None, "0")),
)


def china(ex_date: dt.date) -> DividendTax | None:
    return next((entry for entry in CHINA if entry.covers(ex_date)), None)


def opened(cash: int = 10_000_000, start: dt.date = OPENING, taxed: bool = False) -> Ledger:
    return Ledger(cash, start, dividend_tax=china if taxed else None)


def later(ledger: Ledger, days: int = 1) -> Ledger:
    ledger.begin(ledger.day + dt.timedelta(days))
    return ledger


def balanced(ledger: Ledger) -> None:
    assert all(sum(amount for _, amount in entry.postings) == 0 for entry in ledger.transactions)
    assert sum(ledger.balances.values()) == 0
    assert ledger.balances["assets:shares"] == sum(holding.cost for holding in ledger.holdings.values())
    assert ledger.cash >= 0
    assert not (ledger.cash and ledger.owed)


# -- double entry -----------------------------------------------------------------------------------------------------


def test_the_account_opens_with_a_deposit():
    ledger = opened(1_000)
    assert (ledger.cash, ledger.day) == (1_000, OPENING)
    (entry,) = ledger.transactions
    assert entry == (OPENING, "deposit", NO_COLUMN, 0, (("assets:cash", 1_000), ("equity:deposits", -1_000)))


def test_a_purchase_and_a_sale_post_cost_fees_and_the_gain():
    ledger = opened(1_000_000)
    bought = ledger.buy(3, 500, 500_000, {"commission": 500, "transfer_fee": 5})
    assert bought.postings == (
        ("assets:cash", -500_505),
        ("assets:shares", 500_000),
        ("expenses:commission", 500),
        ("expenses:transfer_fee", 5),
    )
    sold = ledger.sell(3, 200, 230_000, {"commission": 500, "stamp_duty": 115})
    assert sold.postings == (
        ("assets:cash", 229_385),
        ("assets:shares", -200_000),
        ("income:realised", -30_000),
        ("expenses:commission", 500),
        ("expenses:stamp_duty", 115),
    )
    assert (sold.cash, sold.amount("expenses:stamp_duty"), sold.quantity) == (229_385, 115, -200)
    assert (ledger.quantity(3), ledger.cost(3), ledger.cash) == (300, 300_000, 728_880)
    assert ledger.balances["expenses:commission"] == 1_000
    balanced(ledger)


def test_a_loss_is_a_debit_of_realised_income():
    ledger = opened()
    ledger.buy(0, 100, 1_000, {})
    assert ledger.sell(0, 100, 900, {}).amount("income:realised") == 100


def test_deposits_and_withdrawals_move_cash_against_equity():
    ledger = opened(1_000)
    ledger.deposit(500)
    ledger.withdraw(1_200)
    assert (ledger.cash, ledger.balances["equity:deposits"]) == (300, -300)
    with pytest.raises(LedgerError, match="withdraw: expected at most 300 in cash, got 301"):
        ledger.withdraw(301)


def test_nothing_is_bought_on_credit_and_a_refusal_changes_nothing():
    ledger = opened(1_000)
    with pytest.raises(LedgerError, match="buy: expected at most 1000 in cash, got 1001"):
        ledger.buy(0, 1, 1_000, {"commission": 1})
    assert (ledger.cash, dict(ledger.holdings), len(ledger.transactions)) == (1_000, {}, 1)
    ledger.buy(0, 1, 999, {"commission": 1})
    assert ledger.cash == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ledger: ledger.buy(0, 0, 10, {}), "buy: quantity: expected at least 1, got 0"),
        (lambda ledger: ledger.buy(0, 1, -10, {}), "buy: amount: expected at least 0, got -10"),
        (lambda ledger: ledger.buy(0, 1, 10, {"stamp_duty": -1}), "fees: stamp_duty: expected at least 0, got -1"),
        (
            lambda ledger: ledger.sell(0, 1, 10, {}),
            "column 0: expected at most the 0 settled on 2020-01-02, got 1 of 0",
        ),
        (lambda ledger: ledger.deposit(-1), "deposit: amount"),
        (lambda ledger: ledger.dividend(7, Fraction(1)), "dividend: nothing is held in column 7"),
        (lambda ledger: ledger.begin(day("2020-01-01")), "expected a day on or after 2020-01-02"),
    ],
)
def test_what_an_account_cannot_do_is_refused_by_name(call, message):
    ledger = opened()
    with pytest.raises(LedgerError, match=message):
        call(ledger)
    assert len(ledger.transactions) == 1


def test_a_refused_fee_leaves_a_sale_undone():
    ledger = opened()
    ledger.buy(0, 10, 100, {})
    with pytest.raises(LedgerError, match="commission"):
        ledger.sell(0, 10, 100, {"commission": -1})
    assert ledger.quantity(0) == 10
    balanced(ledger)


def test_holdings_and_balances_are_read_only_and_hold_open_positions_only():
    ledger = opened()
    for column in (5, 2, 9):
        ledger.buy(column, 10, 100, {})
    ledger.sell(2, 10, 100, {})
    assert list(ledger.holdings) == [5, 9]
    for view in (ledger.holdings, ledger.balances):
        with pytest.raises(TypeError):
            view[5] = None  # type: ignore[index]


# -- lots and settlement ----------------------------------------------------------------------------------------------


def test_first_in_first_out_and_no_cent_of_cost_is_lost():
    ledger = opened()
    ledger.buy(0, 3, 1_000, {})  # 333.33 a share
    ledger.buy(0, 3, 100, {})
    costs = [-ledger.sell(0, 1, 0, {}).amount("assets:shares") for _ in range(6)]
    assert costs == [333, 334, 333, 33, 34, 33]
    assert 0 not in ledger.holdings
    balanced(ledger)


def test_t_plus_1_keeps_what_was_bought_today():
    ledger = opened()
    ledger.buy(0, 300, 3_000, {}, sell_after_days=1)
    assert (ledger.quantity(0), ledger.sellable(0)) == (300, 0)
    later(ledger)
    ledger.buy(0, 200, 2_000, {}, sell_after_days=1)
    assert (ledger.quantity(0), ledger.sellable(0)) == (500, 300)
    with pytest.raises(LedgerError, match=r"expected at most the 300 settled on 2020-01-03, got 301 of 500 held"):
        ledger.sell(0, 301, 3_010, {})
    ledger.sell(0, 300, 3_000, {})
    assert ledger.sellable(0) == 0
    assert later(ledger).sellable(0) == 200


def test_settlement_counts_trading_days_not_calls_or_calendar_days():
    ledger = opened()
    ledger.buy(0, 1, 10, {}, sell_after_days=2)
    ledger.begin(ledger.day)  # another bar of the same day
    later(ledger, days=10)
    assert ledger.sellable(0) == 0
    assert later(ledger).sellable(0) == 1


def test_nothing_settles_before_what_was_bought_earlier():
    ledger = opened()
    ledger.buy(0, 10, 100, {}, sell_after_days=1)
    ledger.buy(0, 10, 100, {}, sell_after_days=0)
    assert ledger.sellable(0) == 0
    assert later(ledger).sellable(0) == 20


def test_without_a_settlement_delay_shares_can_be_sold_at_once():
    ledger = opened()
    ledger.buy(0, 10, 100, {})
    ledger.sell(0, 10, 100, {})
    assert ledger.cash == 10_000_000


# -- dividend tax -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2015-01-15", 1, "2015-02-15"),
        ("2015-01-31", 1, "2015-02-28"),
        ("2016-01-31", 1, "2016-02-29"),
        ("2015-12-31", 2, "2016-02-29"),
        ("2016-02-29", 12, "2017-02-28"),
        ("2015-05-15", 12, "2016-05-15"),
    ],
)
def test_calendar_months_end_on_the_same_day_or_the_months_last(start, months, end):
    assert months_later(day(start), months) == day(end)


def test_half_a_cent_goes_up():
    assert [half_up(Fraction(n, 2)) for n in (-3, -1, 0, 1, 2, 3)] == [-1, 0, 0, 1, 1, 2]
    assert half_up(Fraction(49, 100)) == 0


# Both sides of every band and of every change of the law: 10,000 shares bought, 0.50 a share paid, all sold.
SALES = [
    # acquired, ex-date, sold, tax on 5,000.00 at the ex-date, at the sale
    ("2012-05-15", "2012-12-31", "2013-01-04", 50_000, 0),  # the last day of the flat 10 %
    ("2012-05-15", "2013-01-01", "2013-05-15", 0, 50_000),  # the first of the bands: a year to the day, 10 %
    ("2012-05-15", "2013-01-01", "2013-05-16", 0, 25_000),  # a day longer: 5 %
    ("2013-05-24", "2013-06-03", "2013-06-24", 0, 100_000),  # a month to the day: 20 %
    ("2013-05-24", "2013-06-03", "2013-06-25", 0, 50_000),  # a day longer: 10 %
    ("2014-09-08", "2015-09-07", "2015-09-08", 0, 50_000),  # the last ex-date of the old bands, a year to the day
    ("2014-09-08", "2015-09-07", "2015-09-09", 0, 25_000),  # the table of the ex-date stays: 5 %, not 0
    ("2014-09-08", "2015-09-08", "2015-09-08", 0, 50_000),  # the first of the new, a year to the day
    ("2014-09-08", "2015-09-08", "2015-09-09", 0, 0),  # longer than a year: nothing
    ("2016-05-31", "2016-06-13", "2016-06-30", 0, 100_000),  # 31 May plus a month is 30 June
    ("2016-05-31", "2016-06-13", "2016-07-01", 0, 50_000),
]


@pytest.mark.parametrize(("acquired", "ex_date", "sold", "at_once", "at_sale"), SALES)
def test_dividend_tax_on_both_sides_of_each_band_and_each_change(acquired, ex_date, sold, at_once, at_sale):
    ledger = opened(start=day(acquired), taxed=True)
    ledger.buy(0, 10_000, 10_000_000, {})
    ledger.begin(day(ex_date))
    paid = ledger.dividend(0, Fraction(50))
    assert (paid.cash, paid.amount("income:dividends"), paid.amount("expenses:dividend_tax")) == (
        500_000 - at_once,
        -500_000,
        at_once,
    )
    ledger.begin(day(sold))
    assert ledger.tax_if_sold(0, 10_000) == at_sale
    sale = ledger.sell(0, 10_000, 9_500_000, {})
    assert (sale.cash, sale.amount("expenses:dividend_tax")) == (9_500_000 - at_sale, at_sale)
    balanced(ledger)


def test_each_lot_is_taxed_by_its_own_holding_period_first_in_first_out():
    ledger = opened(start=day("2014-01-02"), taxed=True)
    ledger.buy(0, 100, 10_000, {})
    ledger.begin(day("2014-06-16"))
    ledger.buy(0, 100, 10_000, {})
    ledger.begin(day("2014-07-01"))
    ledger.dividend(0, Fraction(100))  # 100.00 a lot
    ledger.buy(0, 100, 10_000, {})  # after the ex-date: no tax
    ledger.begin(day("2014-07-10"))
    # 100 of the first lot, held under a year: 10 %; 50 of the second, held under a month: 20 % of half
    assert ledger.sell(0, 150, 15_000, {}).amount("expenses:dividend_tax") == 1_000 + 1_000
    ledger.begin(day("2015-07-10"))
    assert ledger.sell(0, 150, 15_000, {}).amount("expenses:dividend_tax") == 250  # 5 % of the other half
    balanced(ledger)


def test_parts_of_a_lot_pay_the_tax_of_the_whole():
    ledger = opened(start=day("2016-01-04"), taxed=True)
    ledger.buy(0, 7, 700, {})
    ledger.dividend(0, Fraction(1001, 7))  # 10.01 in all
    taxes = [ledger.sell(0, 1, 100, {}).amount("expenses:dividend_tax") for _ in range(7)]
    assert taxes == [29] * 7  # 28.6 each, rounded half up at each sale


def test_a_split_leaves_the_tax_of_an_earlier_dividend_alone():
    ledger = opened(start=day("2016-01-04"), taxed=True)
    ledger.buy(0, 100, 10_000, {})
    ledger.dividend(0, Fraction(100))
    ledger.split(0, Fraction(2), Fraction(50))
    assert ledger.sell(0, 100, 5_000, {}).amount("expenses:dividend_tax") == 1_000
    assert ledger.sell(0, 100, 5_000, {}).amount("expenses:dividend_tax") == 1_000


def test_without_a_table_and_for_untaxed_dividends_nothing_is_taken():
    free, inferred = opened(), opened(taxed=True)
    for ledger, taxed in ((free, True), (inferred, False)):
        ledger.buy(0, 100, 10_000, {})
        ledger.dividend(0, Fraction(100), taxed=taxed)
        assert ledger.sell(0, 100, 10_000, {}).amount("expenses:dividend_tax") == 0


def test_beyond_the_last_band_its_rate_stays():
    short = table("2020-01-01", None, "sale", (1, "0.2"), (12, "0.1"))
    assert rate(short, day("2020-01-02"), day("2025-01-02")) == Fraction(1, 10)


def test_a_tax_above_the_proceeds_is_owed_and_paid_from_the_next_money():
    ledger = opened(100_000, taxed=True)
    ledger.buy(0, 100, 100_000, {})
    ledger.dividend(0, Fraction(900))  # 900.00, taxed with 180.00 within a month
    ledger.withdraw(90_000)
    sale = ledger.sell(0, 100, 10_000, {"commission": 500})  # 95.00 after the fee
    assert sale.amount("expenses:dividend_tax") == 18_000
    assert (ledger.cash, ledger.owed, sale.cash) == (0, 8_500, 0)
    balanced(ledger)
    assert ledger.deposit(5_000).cash == 0
    assert ledger.owed == 3_500
    assert ledger.deposit(5_000).cash == 1_500
    assert (ledger.cash, ledger.owed) == (1_500, 0)
    balanced(ledger)


def test_a_fee_above_the_proceeds_is_owed_too():
    ledger = opened(500)
    ledger.buy(0, 1, 500, {})
    ledger.sell(0, 1, 300, {"commission": 500})
    assert (ledger.cash, ledger.owed) == (0, 200)
    balanced(ledger)


# -- corporate actions ------------------------------------------------------------------------------------------------


def test_bonus_shares_are_taxed_at_par_and_capitalised_reserves_are_not():
    """10 shares receive 2 bonus shares and 3 out of reserves: only the 2 are income, at par."""
    taxed, free = opened(start=day("2016-06-01"), taxed=True), opened(start=day("2016-06-01"), taxed=True)
    for ledger, bonus in ((taxed, 0.2), (free, 0.0)):
        ledger.buy(0, 1_000, 1_000_000, {})
        ledger.begin(day("2016-06-13"))
        result = apply_action(ledger, Action(0, 0.0, 1.5, False, bonus=bonus), 10.0, SHARE)
        assert (result.before, result.after, result.cash, result.tax) == (1_000, 1_500, 0, 0)
        ledger.begin(day("2016-06-20"))
    assert taxed.sell(0, 1_500, 1_000_000, {}).amount("expenses:dividend_tax") == 4_000  # 20 % of 200 x 1.00
    assert free.sell(0, 1_500, 1_000_000, {}).amount("expenses:dividend_tax") == 0


def test_before_2013_the_tax_on_bonus_shares_comes_out_of_the_cash_dividend():
    ledger = opened(1_000_000, start=day("2012-06-01"), taxed=True)
    ledger.buy(0, 1_000, 1_000_000, {})
    result = apply_action(ledger, Action(0, 0.1, 1.3, False, bonus=0.3), 10.0, SHARE)
    assert (result.cash, result.tax) == (10_000 - 1_000 - 3_000, 4_000)
    balanced(ledger)


def test_a_split_pays_the_fraction_of_a_share_at_the_ex_rights_price():
    ledger = opened()
    ledger.buy(0, 101, 101_000, {})
    result = apply_action(ledger, Action(0, 0.0, 1.25, False), 10.0, SHARE)
    assert (result.after, result.reference) == (126, 8.0)
    (entry,) = ledger.transactions[2:]
    # a quarter share at 8.00; its cost is a quarter of 1,010.00 / 126.25 = 8.00
    assert (entry.cash, entry.amount("assets:shares"), entry.amount("income:realised")) == (200, -200, 0)
    balanced(ledger)


def test_a_reverse_split_of_less_than_a_share_pays_everything():
    ledger = opened()
    ledger.buy(0, 3, 3_000, {})
    result = apply_action(ledger, Action(0, 0.0, 0.1, False), 10.0, SHARE)
    assert (result.after, result.cash, dict(ledger.holdings)) == (0, 3_000, {})
    balanced(ledger)


def test_small_lots_keep_their_cost_through_a_reverse_split():
    ledger = opened()
    for quantity, amount in ((5, 500), (4, 410), (10, 1_100), (3, 333)):
        ledger.buy(0, quantity, amount, {})
    ledger.split(0, Fraction(1, 10), Fraction(1_000))
    holding = ledger.holdings[0]
    assert holding.quantity == sum(lot.quantity for lot in holding.lots) == 2
    assert holding.cost == sum(lot.cost for lot in holding.lots)
    assert all(lot.quantity > 0 for lot in holding.lots)
    assert ledger.transactions[-1].cash == 200  # 0.2 of a share at 10.00
    balanced(ledger)


def test_lots_keep_their_dates_through_splits():
    ledger = opened()
    ledger.buy(0, 100, 1_000, {})
    later(ledger, 30).buy(0, 100, 1_000, {})
    ledger.split(0, Fraction(3, 2), Fraction(7))
    assert [(lot.acquired, lot.quantity) for lot in ledger.holdings[0].lots] == [
        (day("2020-01-02"), 150),
        (day("2020-02-01"), 150),
    ]


def test_4_shares_for_3_are_4_for_3_though_a_float_cannot_say_it():
    ledger = opened()
    ledger.buy(0, 3_000, 3_000_000, {})
    result = apply_action(ledger, Action(0, 0.0, 4 / 3, False), 10.0, SHARE)
    assert (result.after, result.cash) == (4_000, 0)
    assert exact(0.1) == Fraction(1, 10)
    assert exact(8.413) == Fraction(8413, 1000)
    assert float(exact(1.234567890123)) == 1.234567890123


def test_fractions_stay_where_steps_are_fine():
    coin = Units(money=10**8, steps=10**8)
    ledger = opened(10**12)
    ledger.buy(0, 10**8 + 1, 10**10, {})
    result = apply_action(ledger, Action(0, 0.0, 1.5, False), 100.0, coin)
    assert result.after == 150_000_001
    assert result.cash == half_up(Fraction(1, 2) * Fraction(200, 3))  # half of the smallest step


def test_rights_are_taken_up_as_far_as_cash_allows_and_lapse_beyond():
    action = Action(0, 0.0, 1.0, False, rights=0.3, rights_price=5.0)
    rich, poor = opened(1_500_000), opened(1_050_000)
    for ledger in (rich, poor):
        ledger.buy(0, 1_000, 1_000_000, {})
    full, part = (apply_action(ledger, action, 10.0, SHARE, sell_after_days=1) for ledger in (rich, poor))
    assert full.reference == pytest.approx(11.5 / 1.3)
    assert (full.after, full.cash, full.lapsed) == (1_300, -150_000, 0)
    assert (part.after, part.cash, part.lapsed) == (1_100, -50_000, 200)
    assert (rich.cost(0), rich.sellable(0)) == (1_150_000, 1_000)
    balanced(rich)
    balanced(poor)


@pytest.mark.parametrize(
    ("price", "taken"),
    [(Fraction(3, 2), 66), (Fraction(2, 5), 251), (Fraction(1), 100), (Fraction(101), 0), (Fraction(0), 1_000)],
)
def test_rights_take_all_the_cash_there_is_and_never_overdraw_by_rounding(price, taken):
    ledger = opened(100)
    ledger.buy(0, 10, 0, {})
    ledger.rights(0, 1_000, price)  # 67 x 1.5 = 100.5 would round to 101; 251 x 0.4 = 100.4 rounds to 100
    assert ledger.quantity(0) == 10 + taken
    assert ledger.cash >= 0
    balanced(ledger)


def test_one_action_with_everything_conserves_the_value_at_the_reference_price():
    action = Action(0, 0.35, 1.5, False, bonus=0.2, rights=0.3, rights_price=6.0)
    ledger = opened(10_000_000)
    ledger.buy(0, 1_000, 2_000_000, {})
    result = apply_action(ledger, action, 20.0, SHARE)
    assert result.after == 1_800
    assert result.cash == 35_000 - 180_000
    assert result.reference == pytest.approx((20 - 0.35 + 1.8) / 1.8)
    worth = ledger.cash + result.after * result.reference * 100
    assert worth == pytest.approx(10_000_000)


@pytest.mark.parametrize(
    "action",
    [
        Action(0, 0.5, 1.0, True),
        Action(0, 0.0, 2.0, True),
        Action(0, 0.35, 1.5, False, bonus=0.2),
        Action(0, 0.35, 1.5, False, rights=0.3, rights_price=6.0),
    ],
)
def test_frictionless_holdings_grow_by_close_over_reference(action):
    fine = Units(money=100, steps=10**8, par=Decimal(1))
    ledger = opened(200_000_000, start=day("2016-06-01"), taxed=True)
    ledger.buy(0, 10_000 * 10**8, 20_000_000, {})
    cash = ledger.cash
    result = apply_action(ledger, action, 20.0, fine, frictionless=True)
    assert result.after / result.before == pytest.approx(20.0 / reference(action, 20.0), rel=1e-9)
    assert (ledger.cash, result.tax) == (cash, 0)
    balanced(ledger)


def test_inferred_actions_are_never_taxed():
    ledger = opened(start=day("2012-06-01"), taxed=True)
    ledger.buy(0, 1_000, 1_000_000, {})
    assert apply_action(ledger, Action(0, 0.5, 1.0, True), 10.0, SHARE).tax == 0
    assert apply_action(ledger, Action(0, 0.5, 1.0, False), 10.0, SHARE).tax == 5_000


def test_an_action_on_what_is_not_held_does_nothing_and_one_without_a_close_is_an_error():
    ledger = opened()
    assert apply_action(ledger, Action(0, 0.5, 1.0, False), float("nan"), SHARE) is None
    ledger.buy(0, 100, 100_000, {})
    with pytest.raises(DataError, match="expected a close above 0 before 2020-01-02, got nan"):
        apply_action(ledger, Action(0, 0.5, 1.0, False), float("nan"), SHARE)


# -- forced exits -----------------------------------------------------------------------------------------------------


def test_a_delisting_pays_out_unsettled_shares_too_and_takes_the_deferred_tax():
    ledger = opened(start=day("2016-06-01"), taxed=True)
    ledger.buy(0, 1_000, 1_000_000, {})
    ledger.dividend(0, Fraction(100))
    ledger.buy(0, 100, 100_000, {}, sell_after_days=1)
    paid = apply_delisting(ledger, Delisting(0, 8.0, "merger", assumed=False), SHARE)
    assert (paid.kind, paid.quantity, paid.cash) == ("merger", -1_100, 880_000 - 20_000)
    assert paid.amount("income:realised") == 220_000
    assert not ledger.holdings
    balanced(ledger)


def test_a_worthless_holding_is_written_off_and_its_deferred_tax_lapses():
    ledger = opened(start=day("2016-06-01"), taxed=True)
    ledger.buy(0, 1_000, 1_000_000, {})
    ledger.dividend(0, Fraction(100))
    gone = apply_delisting(ledger, Delisting(0, 0.0, "delisting", assumed=False), SHARE)
    assert gone.postings == (("assets:shares", -1_000_000), ("expenses:write_off", 1_000_000))
    assert not ledger.holdings
    assert apply_delisting(ledger, Delisting(0, 0.0, "delisting", assumed=False), SHARE) is None
    balanced(ledger)
