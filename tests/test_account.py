"""An account under the rules of real markets, by hand: sizes, limits, settlement, money, actions, delistings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstrategies.brokers import (
    Account,
    BpsSlippage,
    FlatCosts,
    NoCosts,
    NoSlippage,
    ScheduleCosts,
    TickSlippage,
    VolumeShareSlippage,
)
from nnstrategies.brokers.fees import Trade
from nnstrategies.brokers.liquidity import Liquidity
from nnstrategies.brokers.slippage import Quote
from nnstrategies.errors import ConfigError
from nnstrategies.market import Book, MarketRules, read_book, read_events
from nnstrategies.panel import Panel, Status
from nnstrategies.typing import AnyArray
from tests.small_market import run_script

MAIN, SHENZHEN, CHINEXT, STAR, BEIJING = "600000.SH", "000001.SZ", "300001.SZ", "688001.SH", "830001.BJ"
CHINA = (MAIN, SHENZHEN, CHINEXT, STAR, BEIJING)


@cache
def book(name: str) -> Book:
    return read_book(name)


def symbols_panel(
    symbols: Iterable[str],
    close: AnyArray,
    start: str = "2022-03-01",
    open_: AnyArray | None = None,
    status: AnyArray | None = None,
    events: Mapping[str, pd.DataFrame] | None = None,
    **fields: AnyArray,
) -> Panel:
    """Closes [T, N] of these symbols on weekdays; opens are the closes before; a float32 close makes all prices so."""
    close = np.asarray(close)
    close = close if close.dtype == np.float32 else close.astype(np.float64)
    opens = np.vstack([close[:1], close[:-1]]) if open_ is None else np.asarray(open_, dtype=close.dtype)
    bars: dict[str, Any] = {
        "open": opens,
        "high": np.fmax(opens, close),
        "low": np.fmin(opens, close),
        "close": close,
        "volume": np.full(close.shape, 1e7),
        **fields,
    }
    days = pd.bdate_range(start, periods=len(close)).to_numpy().astype("datetime64[D]")
    state = np.full(close.shape, Status.TRADING) if status is None else status
    return Panel(days, symbols, bars, state, {}, events, "hand-made")


def flat(symbol: str, T: int = 8, price: float = 10.0, **more: Any) -> Panel:
    return symbols_panel([symbol], np.full((T, 1), price), **more)


def rules(panel: Panel, market: str = "cn_a") -> MarketRules:
    return MarketRules(book(market), panel, _events(market))


@cache
def _events(market: str) -> Any:
    return read_events(market)


def opened(panel: Panel, market: str = "cn_a", cash: float = 1_000_000.0, t: int = 1, **more: Any) -> Account:
    """An account that has begun session t; there are no limits at row 0, because nothing was traded before."""
    account = Account(rules(panel, market), cash, t, **{"costs": NoCosts(), **more})
    account.begin(t)
    return account


def day_of(panel: Panel, t: int) -> pd.Timestamp:
    return pd.Timestamp(panel.sessions[t])


def actions(panel: Panel, t: int, symbol: str = MAIN, **columns: float) -> dict[str, pd.DataFrame]:
    """One corporate action with its ex-date on session t."""
    row = {"symbol": symbol, "known_at": day_of(panel, 0), "ex_date": day_of(panel, t), "cash": 0.0, "ratio": 1.0}
    return {"actions": pd.DataFrame([{**row, **columns}])}


# -- sizes ------------------------------------------------------------------------------------------------------------

SIZES = [
    (MAIN, 250, 200), (MAIN, 99, 0), (SHENZHEN, 199, 100), (CHINEXT, 1_050, 1_000), (CHINEXT, 50, 0),
    (STAR, 199, 0), (STAR, 200, 200), (STAR, 201, 201), (BEIJING, 99, 0), (BEIJING, 101, 101), (MAIN, 0.5, 0),
]  # fmt: skip


@pytest.mark.parametrize(("symbol", "wanted", "traded"), SIZES)
def test_a_purchase_is_cut_to_the_lots_of_its_board_and_the_cut_has_a_reason(symbol, wanted, traded):
    done = opened(flat(symbol)).trade(0, True, wanted, 10.0)
    assert done.size == traded
    assert done.reason == ("" if traded == wanted else "lot rounding")


def test_steps_are_of_the_market_whole_shares_or_fractions_of_a_coin():
    shares = opened(flat("AAPL"), "us_equity")
    assert [shares.trade(0, True, size, 10.0)[0::4] for size in (1, 7.9, 0.9)] == [
        (1, ""), (7, ""), (0, "lot rounding"),
    ]  # fmt: skip
    coins = opened(flat("BTCUSDT", price=50_000.0), "crypto_spot")
    assert coins.trade(0, True, 0.123456789, 50_000.0)[0::4] == (0.12345, "")
    assert coins.shares(0) == 0.12345
    assert coins.cash == pytest.approx(1_000_000 - 0.12345 * 50_000, abs=1e-8)


def holding(symbol: str, size: int, ratio: float, participation: float | None = None, **more: Any) -> Account:
    """An account that holds ``size`` x ``ratio`` settled shares, odd ones after a split, and has begun session 4."""
    panel = flat(symbol, events=actions(flat(symbol), 3, symbol, ratio=ratio), **more)
    account = opened(panel, participation=participation)
    account.trade(0, True, size, 10.0)
    for t in (2, 3, 4):
        account.end()
        account.begin(t)
    return account


def test_an_odd_remainder_is_sold_whole_and_never_in_part():
    account = holding(MAIN, 100, 1.5)
    assert account.shares(0) == 150
    assert account.trade(0, False, 120, 10.0)[0::4] == (100, "lot rounding")
    assert account.trade(0, False, 40, 10.0)[0::4] == (0, "lot rounding")
    assert account.trade(0, False, 50, 10.0)[0::4] == (50, "")


def test_on_star_a_sale_takes_200_or_more_to_the_share_or_the_whole_remainder():
    account = holding(STAR, 500, 1.1)
    assert account.shares(0) == 550
    assert account.trade(0, False, 199, 10.0)[0::4] == (0, "lot rounding")
    assert account.trade(0, False, 351, 10.0)[0::4] == (351, "")
    assert account.trade(0, False, 198, 10.0)[0::4] == (0, "lot rounding")
    assert account.trade(0, False, 199, 10.0)[0::4] == (199, "")


@pytest.mark.parametrize(
    ("symbol", "market", "size", "same_day"),
    [(symbol, "cn_a", 200, False) for symbol in CHINA]
    + [("BTCUSDT", "crypto_spot", 1.5, True), ("AAPL", "us_equity", 3, True)],
)
def test_what_is_bought_today_is_sold_tomorrow_in_china_and_today_elsewhere(symbol, market, size, same_day):
    account = opened(flat(symbol), market)
    account.trade(0, True, size, 10.0)
    first = account.trade(0, False, size, 10.0)
    assert first[0::4] == ((size, "") if same_day else (0, "T+1"))
    account.begin(2)
    assert account.trade(0, False, size, 10.0).size == (0 if same_day else size)


@pytest.mark.parametrize(
    ("symbol", "start", "size", "orders"),
    [
        (STAR, "2022-03-01", 100_000, 1),
        (STAR, "2022-03-01", 100_001, 2),
        (STAR, "2022-03-01", 250_000, 3),
        (CHINEXT, "2020-08-18", 600_100, 1),
        (CHINEXT, "2020-08-24", 600_100, 3),
        (MAIN, "2022-03-01", 1_000_100, 2),
    ],
)
def test_a_trade_above_the_largest_order_is_several_orders_with_a_minimum_commission_each(symbol, start, size, orders):
    panel = flat(symbol, start=start)
    costs = ScheduleCosts(book("cn_a"), commission_bps=0.0)  # the minimum alone: 5 CNY
    account = opened(panel, cash=20_000_000, costs=costs)
    assert account.trade(0, True, size, 10.0).size == size
    assert account.ledger.balances["expenses:commission"] == 500 * orders


# -- volume -----------------------------------------------------------------------------------------------------------


def test_participation_caps_an_order_at_a_share_of_the_average_volume_of_traded_sessions():
    volume = np.array([[4_000.0], [8_000.0], [0.0], [6_000.0], [99_000.0], [1.0]])
    status = np.full((6, 1), Status.TRADING)
    status[2] = Status.PAUSED
    panel = symbols_panel([MAIN], np.full((6, 1), 10.0), status=status, volume=volume)
    account = opened(panel, t=4, participation=0.1)  # mean of 4,000, 8,000 and 6,000; its own 99,000 is not known yet
    done = account.trade(0, True, 5_000, 10.0)
    assert done[0::4] == (600, "participation cap")
    assert account.trade(0, True, 600, 10.0)[0::4] == (0, "participation cap")  # the session's share is used up
    account.begin(5)
    assert account.trade(0, True, 600, 10.0)[0::4] == (600, "")


def test_participation_counts_yesterdays_volume_in_todays_shares_after_a_split():
    close = np.array([[10.0], [10.0], [5.0], [5.0]])
    panel = symbols_panel([MAIN], close, open_=close, volume=np.full((4, 1), 10_000.0))
    assert opened(panel, t=2, participation=0.1).trade(0, True, 5_000, 5.0).size == 2_000


def test_a_capped_sale_stays_in_lots_and_a_stock_that_never_traded_offers_nothing():
    account = holding(MAIN, 100, 1.5, volume=np.full((8, 1), 2_400.0), participation=0.05)  # 120 shares
    assert account.trade(0, False, 150, 10.0)[0::4] == (100, "participation cap")
    fresh = Account(rules(flat(MAIN)), 100_000.0, 0, participation=0.5)
    fresh.begin(0)
    assert fresh.trade(0, True, 100, 10.0)[0::4] == (0, "participation cap")


def test_terms_of_the_wrong_kind_are_refused_with_an_example():
    wrong = ({"costs": "flat"}, r"FlatCosts\(8\)"), ({"slippage": "bps"}, r"BpsSlippage\(5\)"), ({"cash": -1.0}, "cash")
    for terms, mend in wrong:
        with pytest.raises(ConfigError, match=mend):
            opened(flat(MAIN), **terms)


def test_without_costs_the_books_own_schedule_is_paid():
    account = Account(rules(flat(MAIN)), 100_000.0, 1)
    account.begin(1)
    assert account.trade(0, True, 100, 10.0).fee == 5.02  # the least commission, and the transfer fee of 0.02 per mille


def test_rights_above_the_market_lapse():
    plain = flat(MAIN)
    account = opened(flat(MAIN, events=actions(plain, 3, rights=1.0, rights_price=20.0)))
    account.trade(0, True, 1_000, 10.0)
    account.end()
    account.begin(2)
    account.end()
    (result,) = account.begin(3)[0]
    assert (result.after, result.lapsed) == (1_000, 1_000)


def test_volatility_is_of_traded_sessions_only():
    close = np.array([[10.0], [11.0], [9.0], [9.0], [9.0], [10.0]])
    status = np.full((6, 1), Status.TRADING)
    status[3:5] = Status.PAUSED
    panel = symbols_panel([MAIN], close, status=status)
    traded = np.array([0.1, 9 / 11 - 1])
    assert Liquidity(panel).volatility(5, 0) == pytest.approx(traded.std(ddof=1))


def test_a_participation_outside_0_to_1_is_refused():
    for share in (0.0, 1.5, float("nan")):
        with pytest.raises(ConfigError, match="participation"):
            opened(flat(MAIN), participation=share)


def test_an_order_below_the_least_value_is_refused_on_both_sides():
    account = opened(flat("BTCUSDT", price=50_000.0), "crypto_spot")
    assert account.trade(0, True, 0.00009, 50_000.0)[0::4] == (0, "below minimum value")
    assert account.trade(0, True, 0.0001, 50_000.0)[0::4] == (0.0001, "")
    assert account.trade(0, False, 0.00005, 50_000.0)[0::4] == (0, "below minimum value")
    assert account.trade(0, False, 0.0001, 50_000.0)[0::4] == (0.0001, "")


# -- price limits -----------------------------------------------------------------------------------------------------


def outcome(account: Account, t: int, buy: bool, price: float) -> str:
    account.begin(t)
    return account.refuse(0, buy, price)


def test_chinext_locks_at_10_percent_until_2020_08_21_and_at_20_from_2020_08_24():
    panel = flat(CHINEXT, start="2020-08-20")  # rows 0, 1: Thursday, Friday; row 2: Monday 24
    account = opened(panel)
    assert [outcome(account, 1, True, price) for price in (10.99, 11.0)] == ["", "limit-up"]
    assert [outcome(account, 1, False, price) for price in (9.01, 9.0)] == ["", "limit-down"]
    assert [outcome(account, 2, True, price) for price in (11.0, 11.99, 12.0)] == ["", "", "limit-up"]
    assert [outcome(account, 2, False, price) for price in (9.0, 8.01, 8.0)] == ["", "", "limit-down"]


def test_a_refusal_says_at_which_price_and_under_which_rule():
    account = opened(flat(CHINEXT, start="2020-08-20"))
    account.begin(1)
    assert account.trade(0, True, 100, 11.0)[4:] == ("limit-up", f"at 11; {account.rules.explain(1, 0)}")
    assert "chinext, normal, +10 / -10 %; base 10, limits 9 to 11; " in account.rules.explain(1, 0)
    assert account.refusal_detail(0, float("nan")) == "no price on the session of the fill"


@pytest.mark.parametrize(
    ("symbol", "up", "down"),
    [(MAIN, 11.09, 9.07), (SHENZHEN, 11.09, 9.07), (CHINEXT, 12.10, 8.06), (STAR, 12.10, 8.06), (BEIJING, 13.10, 7.06)],
)
def test_each_board_has_its_own_limits_and_rounding(symbol, up, down):
    account = opened(flat(symbol, price=10.08))  # 10.08 x 1.3 = 13.104, x 0.7 = 7.056, x 1.1 = 11.088, x 0.9 = 9.072
    assert [account.refuse(0, True, price) for price in (up - 0.01, up)] == ["", "limit-up"]
    assert [account.refuse(0, False, price) for price in (down + 0.01, down)] == ["", "limit-down"]
    assert account.refuse(0, False, up) == account.refuse(0, True, down) == ""


def listed_at(row: int, symbol: str, T: int = 14, paused: tuple[int, ...] = (), **more: Any) -> Panel:
    close = np.full((T, 1), 10.0)
    close[:row] = np.nan
    status = np.full((T, 1), Status.TRADING)
    status[:row] = Status.UNLISTED
    status[list(paused)] = Status.PAUSED
    return symbols_panel([symbol], close, open_=close, status=status, **more)


@pytest.mark.parametrize(
    ("symbol", "start", "free", "up"),
    [
        (STAR, "2022-03-01", 5, 12.0),
        (CHINEXT, "2022-03-01", 5, 12.0),
        (BEIJING, "2022-03-01", 1, 13.0),
        (MAIN, "2023-04-10", 5, 11.0),
        (MAIN, "2010-03-01", 1, 11.0),
    ],
)
def test_a_new_listing_has_no_limit_in_its_first_sessions_and_the_usual_one_after(symbol, start, free, up):
    account = opened(listed_at(2, symbol, start=start))
    assert outcome(account, 1, True, 10.0) == "not listed"
    for t in range(2, 2 + free):
        assert outcome(account, t, True, 40.0) == outcome(account, t, False, 1.0) == ""
    assert [outcome(account, 2 + free, True, price) for price in (up - 0.01, up)] == ["", "limit-up"]


def test_a_suspended_day_does_not_use_up_a_free_session():
    account = opened(listed_at(2, STAR, paused=(4,)))
    assert [outcome(account, t, True, 40.0) for t in range(4, 9)] == ["suspended", "", "", "", "limit-up"]


def test_before_2023_a_main_board_listing_moves_44_up_and_36_down_from_its_issue_price():
    before = np.full((14, 1), 10.0)
    before[2] = 20.0  # the issue price
    account = opened(listed_at(2, MAIN, pre_close=before))
    assert [outcome(account, 2, True, price) for price in (28.79, 28.8)] == ["", "limit-up"]
    assert [outcome(account, 2, False, price) for price in (12.81, 12.8)] == ["", "limit-down"]
    assert outcome(account, 3, True, 11.0) == "limit-up"


def test_special_treatment_halves_the_limits_of_the_main_boards_only():
    flags = np.ones((8, 1))
    main, star = opened(flat(MAIN, is_st=flags)), opened(flat(STAR, is_st=flags))
    assert [main.refuse(0, True, price) for price in (10.49, 10.5)] == ["", "limit-up"]
    assert [main.refuse(0, False, price) for price in (9.51, 9.5)] == ["", "limit-down"]
    assert [star.refuse(0, True, price) for price in (10.5, 12.0)] == ["", "limit-up"]


def test_on_an_ex_date_limits_are_those_of_the_ex_rights_price():
    panel = flat(MAIN)
    account = opened(flat(MAIN, events=actions(panel, 3, cash=1.0, ratio=2.0)))  # (10 - 1) / 2 = 4.50
    assert [outcome(account, 3, True, price) for price in (4.94, 4.95)] == ["", "limit-up"]  # far below 11.00
    assert [outcome(account, 3, False, price) for price in (4.06, 4.05)] == ["", "limit-down"]


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_prices_of_either_precision_lock_at_the_same_tick(kind):
    account = opened(symbols_panel([MAIN], np.full((4, 1), 12.35, dtype=kind)))  # 13.585 -> 13.59; 11.115 -> 11.12
    up, down = kind(13.59), kind(11.12)
    assert account.refuse(0, True, float(up)) == "limit-up"
    assert account.refuse(0, False, float(down)) == "limit-down"
    assert account.refuse(0, True, float(kind(13.58))) == account.refuse(0, False, float(kind(11.13))) == ""


def test_an_order_at_the_open_sees_the_open_alone():
    close, opens = np.full((8, 1), 10.0), np.full((8, 1), 10.0)
    opens[2], close[2] = 10.9, 11.0  # opens below the limit and closes locked: fills
    opens[4], close[3:5] = 11.0, 10.0  # opens locked and comes back: does not
    low = np.fmin(opens, close)
    low[4] = 9.5
    opens[5] = 10.0
    panel = symbols_panel([MAIN], close, open_=opens, low=low)
    script = {1: [("buy", 0, 200, {})], 3: [("buy", 0, 200, {})], 4: [("buy", 0, 100, {})]}
    _, broker = run_script(panel, script, market=book("cn_a"))
    assert [(fill.row, fill.price) for fill in broker.journal.fills] == [(2, 10.9), (5, 10.0)]
    assert [(r.row, r.reason, r.price) for r in broker.journal.refusals] == [(4, "limit-up", 11.0)]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (Status.PAUSED, "suspended"),
        (Status.MISSING, "suspended"),
        (Status.UNLISTED, "not listed"),
        (Status.DELISTED, "delisted"),
    ],
)
def test_nothing_trades_on_a_bar_without_trading(state, reason):
    status = np.full((8, 1), Status.TRADING)
    status[2] = state
    account = opened(flat(MAIN, status=status), t=2)
    for buy in (True, False):
        assert account.trade(0, buy, 100, 10.0)[0::4] == (0, reason)
    assert account.ledger.transactions[1:] == []
    assert np.isnan(account.open_price(0))


@pytest.mark.parametrize("slippage", [TickSlippage(50), BpsSlippage(900), VolumeShareSlippage(1e6)])
def test_slippage_stops_at_the_price_limits(slippage):
    account = opened(flat(MAIN), slippage=slippage)
    bought = account.trade(0, True, 5_000, 10.9)
    assert (bought.price, bought.slippage_cost) == (11.0, pytest.approx(500.0))
    account.end()
    account.begin(2)
    sold = account.trade(0, False, 5_000, 9.2)
    assert (sold.price, sold.slippage_cost) == (9.0, pytest.approx(1_000.0))


def test_a_resting_order_pays_no_slippage_and_the_fee_of_a_maker():
    account = opened(flat(MAIN), slippage=TickSlippage(1))
    assert account.trade(0, True, 100, 10.0, slips=False, maker=True).price == 10.0
    assert account.trade(0, True, 100, 10.0).price == 10.01


def test_volatility_is_known_from_the_second_return_of_a_new_listing():
    quotes: list[Quote] = []

    def model(quote: Quote) -> float:
        quotes.append(quote)
        return quote.price

    panel = listed_at(2, STAR)
    for t in (4, 5):
        opened(panel, t=t, slippage=model).trade(0, True, 200, 10.0)
    assert [quotes[0].volatility, quotes[-1].volatility] == [pytest.approx(np.nan, nan_ok=True), 0.0]


# -- cash -------------------------------------------------------------------------------------------------------------

COSTS: dict[str, Any] = {
    "free": NoCosts(),
    "flat": FlatCosts(8.0),
    "dear": FlatCosts(900.0, minimum=3.0),
    "schedule": ScheduleCosts(book("cn_a")),
    "minimum": ScheduleCosts(book("cn_a"), commission_bps=1.0, minimum=300.0),
}
SLIPPAGE: dict[str, Any] = {
    "none": NoSlippage(),
    "bps": BpsSlippage(35.0),
    "ticks": TickSlippage(1.5),
    "impact": VolumeShareSlippage(0.9),
}


def paid(account: Account, panel: Panel, size: int, price: float, costs: Any, slippage: Any, up: float) -> int:
    """Cents that a purchase takes, worked out apart from the account."""
    fill = min(slippage(Quote(True, price, size, 0.01, 1e4, 0.0)), up)
    amount = int(np.floor(fill * size * 100 + 0.5))
    board = book("cn_a").board_of(panel.symbols[0])
    return amount + sum(costs.fees(Trade(panel.sessions[1].item(), board, True, size, amount)).values())


@settings(max_examples=60)
@given(
    cash=st.integers(0, 30_000_00),
    price=st.integers(200, 219),
    symbol=st.sampled_from([MAIN, STAR, BEIJING]),
    costs=st.sampled_from(sorted(COSTS)),
    slippage=st.sampled_from(sorted(SLIPPAGE)),
    wanted=st.sampled_from([700, 5_000, 12_000]),
)
def test_a_purchase_is_the_largest_legal_size_that_cash_pays_for_with_its_fees(
    cash, price, symbol, costs, slippage, wanted
):
    panel = flat(symbol, T=3, price=2.0, volume=np.full((3, 1), 1e4 * price / 200))
    account = opened(panel, cash=cash / 100, costs=COSTS[costs], slippage=SLIPPAGE[slippage])
    done = account.trade(0, True, wanted, price / 100)
    minimum, step = {MAIN: (100, 100), STAR: (200, 1), BEIJING: (100, 1)}[symbol]
    up = {MAIN: 2.2, STAR: 2.4, BEIJING: 2.6}[symbol]
    best = next(
        size
        for size in [*range(wanted, minimum - 1, -step), 0]
        if not size or paid(account, panel, size, price / 100, COSTS[costs], SLIPPAGE[slippage], up) <= cash
    )
    assert done.size == best
    assert account.ledger.cash >= 0
    assert done.reason == ("" if best == wanted else "cash short")


def test_a_target_counts_the_fee_as_part_of_its_budget_and_slippage_too():
    account = opened(flat(MAIN), costs=FlatCosts(100.0), slippage=BpsSlippage(100.0))
    size = account.wanted(0, 0.5, 1_000_000.0, True, 10.0)
    assert size * 10.1 * 1.01 == pytest.approx(500_000.0)
    account.trade(0, True, size, 10.0)
    account.begin(2)
    assert account.wanted(0, 0.0, 1e6, False, 10.0) == account.shares(0) == 49_000
    half = account.wanted(0, 0.25, 1_000_000.0, False, 10.0)
    assert (49_000 - half) * 9.9 == pytest.approx(250_000.0)
    assert account.wanted(0, 0.25, 1e6, True, 10.0) == account.wanted(0, 0.6, 1e6, False, 10.0) == 0.0


def test_sales_of_a_session_pay_for_its_buys_net_of_all_fees():
    panel = symbols_panel([MAIN, SHENZHEN], np.full((8, 2), 10.0))
    script = {
        0: [("buy", 0, 9_900, {})],
        2: [("buy", 1, 9_900, {}), ("sell", 0, 9_900, {})],  # the buy was asked for first
    }
    _, broker = run_script(panel, script, cash=99_100.0, market=book("cn_a"), costs=ScheduleCosts(book("cn_a")))
    assert [(f.row, f.side, f.column, f.size) for f in broker.journal.fills] == [
        (1, "buy", 0, 9_900), (3, "sell", 0, 9_900), (3, "buy", 1, 9_800),
    ]  # fmt: skip
    # 99,000 x 3 bps = 29.70 commission and 0.002 % = 1.98 transfer; 0.1 % = 99.00 stamp duty on the sale
    first = 99_100.0 - 99_000 - 29.70 - 1.98
    assert broker.journal.account[1].cash == pytest.approx(first)
    assert broker.getcash() == pytest.approx(first + 99_000 - 29.70 - 1.98 - 99.00 - 98_000 - 29.40 - 1.96)


def test_fees_above_the_proceeds_are_owed_and_lower_the_value():
    events = actions(flat(MAIN), 3, ratio=0.011)
    costs = ScheduleCosts(book("cn_a"), commission_bps=0.0)
    account = opened(flat(MAIN, price=1.0, events=events), cash=105.0, costs=costs)
    account.trade(0, True, 100, 1.0)  # 5.00 commission and not a cent of transfer fee
    for t in (2, 3, 4):
        account.end()
        account.begin(t)
    assert (account.shares(0), account.cash) == (1, 9.09)  # 0.1 of a share in cash, at 1 / 0.011
    account.deposit(-9.09)
    assert account.trade(0, False, 1, 1.0)[0:3] == (1, 1.0, 5.0)
    assert (account.cash, account.value()) == (0, -4.0)
    account.deposit(10.0)
    assert account.cash == account.value() == 6.0


# -- dividends, rights, delistings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sold_on", "percent"),
    [("2022-03-07", 20), ("2022-04-01", 20), ("2022-04-04", 10), ("2023-03-02", 10), ("2023-03-03", 0)],
)
def test_a_dividend_is_taxed_in_cash_at_the_sale_by_the_time_held(sold_on, percent):
    panel = flat(MAIN, T=270, events=actions(flat(MAIN), 3, cash=0.5))
    account = opened(panel)
    account.trade(0, True, 1_000, 10.0)  # on 2022-03-02; a month later is a Saturday
    for t in range(2, panel.calendar.first_on_or_after(sold_on) + 1):
        account.end()
        account.begin(t)
    assert account.cash == 990_000 + 500  # nothing is kept back with the payment
    account.trade(0, False, 1_000, 10.0)
    assert account.cash == 1_000_500 - 5 * percent


def test_dividends_are_untaxed_where_the_account_says_so_or_where_they_are_only_inferred():
    plain, factor = flat(MAIN), np.ones((8, 1))
    factor[3:] = 10 / 9.5
    for panel, taxed in (
        (flat(MAIN, events=actions(plain, 3, cash=0.5)), False),
        (flat(MAIN, adj_factor=factor), True),
    ):
        account = opened(panel, dividend_tax=taxed)
        account.trade(0, True, 1_000, 10.0)
        for t in (2, 3):
            account.end()
            account.begin(t)
        account.trade(0, False, 1_000, 9.5)
        assert account.cash == pytest.approx(990_000 + 500 + 9_500)


def test_an_ex_date_leaves_the_value_as_it_was_while_the_stock_is_suspended():
    status = np.full((8, 1), Status.TRADING)
    status[2:6] = Status.PAUSED
    plain = flat(MAIN)
    account = opened(flat(MAIN, status=status, events=actions(plain, 4, cash=1.0, ratio=2.0)))
    account.trade(0, True, 1_000, 10.0)
    values = []
    for t in range(2, 6):
        account.end()
        account.begin(t)
        values.append((account.value(), account.value_at_open(), account.shares(0)))
    assert values == [(1e6, 1e6, 1_000)] * 2 + [(1e6, 1e6, 2_000)] * 2


def test_rights_are_taken_up_as_far_as_cash_allows_and_settle_like_a_purchase():
    plain = flat(MAIN)
    events = actions(plain, 3, rights=0.3, rights_price=8.0)
    rich, poor = opened(flat(MAIN, events=events)), opened(flat(MAIN, events=events), cash=10_000 + 1_000)
    for account in (rich, poor):
        account.trade(0, True, 1_000, 10.0)
        account.end()
        account.begin(2)
        account.end()
    (taken,), (less,) = rich.begin(3)[0], poor.begin(3)[0]
    assert (taken.after, taken.lapsed, less.after, less.lapsed) == (1_300, 0, 1_125, 175)
    assert (rich.cash, poor.cash) == (990_000 - 2_400, 0)
    assert rich.trade(0, False, 1_300, 9.5)[0::4] == (1_000, "T+1")
    assert rich.marks[0] == pytest.approx((10 + 0.3 * 8) / 1.3)


def gone(table: pd.DataFrame | None = None) -> tuple[Account, list[Any]]:
    """1,000 shares of a stock whose last trade is on row 3, at 8.00."""
    close = np.full((8, 1), 10.0)
    close[3], close[4:] = 8.0, np.nan
    status = np.full((8, 1), Status.TRADING)
    status[4:] = Status.DELISTED
    events = None if table is None else {"delistings": table}
    account = opened(symbols_panel([MAIN], close, open_=close, status=status, events=events), costs=FlatCosts(8.0))
    account.trade(0, True, 1_000, 10.0)
    exits = []
    for t in range(2, 8):
        account.end()
        exits += [(t, *pair) for pair in account.begin(t)[1]]
    return account, exits


def delisted(known_at: str, kind: str, price: float | None) -> pd.DataFrame:
    row = {"symbol": MAIN, "known_at": pd.Timestamp(known_at), "last_day": pd.Timestamp("2022-03-04")}
    return pd.DataFrame([{**row, "kind": kind, "price": price}])


def test_without_a_table_a_delisted_holding_leaves_at_its_last_close_and_is_marked_assumed():
    account, ((t, exit_, transaction),) = gone()
    assert (t, exit_.price, exit_.assumed, transaction.cash) == (4, 8.0, True, 800_000)
    assert account.value() == pytest.approx(1_000_000 - 2_000 - 8.0)


def test_a_table_says_when_and_for_how_much_a_holding_leaves():
    account, ((t, exit_, transaction),) = gone(delisted("2022-03-09", "merger", 12.5))
    assert (t, exit_.kind, exit_.assumed, transaction.cash) == (6, "merger", False, 1_250_000)
    assert account.value() == pytest.approx(1_000_000 + 2_500 - 8.0)


def test_a_worthless_holding_is_written_off():
    account, ((t, _, transaction),) = gone(delisted("2022-03-04", "delisting", None))
    assert (t, transaction.kind, transaction.cash) == (4, "write_off", 0)
    assert account.value() == account.cash == pytest.approx(990_000 - 8.0)


def test_until_the_payout_is_known_a_delisted_holding_keeps_its_last_close_as_value():
    account, ((t, _, _),) = gone(delisted("2022-03-10", "merger", 12.5))
    assert t == 7
    early, _ = gone(delisted("2030-01-01", "merger", 12.5))
    assert early.value() == pytest.approx(1_000_000 - 2_000 - 8.0)
    assert early.refuse(0, False, 8.0) == "delisted"
