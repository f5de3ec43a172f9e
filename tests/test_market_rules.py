"""A rule book bound to a panel: limits, base prices, listings, standing, events; all known before the session."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_book import SOURCED, china, day

from nnstrategies.errors import ConfigError, DataError
from nnstrategies.market.bands import NO_LIMIT_UP, apply_bands, band
from nnstrategies.market.book import MarketEvent, Standing
from nnstrategies.market.listings import LONG_LISTED
from nnstrategies.market.read import read_book, read_events, shipped
from nnstrategies.market.rules import MarketRules
from nnstrategies.panel import Panel, Status

MAIN, CHINEXT, STAR, BSE = "600000.SH", "300001.SZ", "688001.SH", "830001.BJ"
NAN = math.nan
RNG = np.random.default_rng


def panel_of(close, symbols, start="2019-01-02", status=None, events=None, **fields) -> Panel:
    """Bars of closes [T, N] from a start day; open, high and low are the close unless given."""
    close = np.asarray(close, dtype=np.float64)
    days = pd.bdate_range(start, periods=len(close)).to_numpy().astype("datetime64[D]")
    bars = dict.fromkeys(("open", "high", "low"), close) | {"close": close, **fields}
    state = np.full(close.shape, Status.TRADING) if status is None else np.asarray(status)
    tables = {name: pd.DataFrame(table) for name, table in (events or {}).items()}
    return Panel(days, symbols, {k: np.asarray(v) for k, v in bars.items()}, state, {}, tables, "hand-made")


def one_day(on, symbol, base, book=None, **fields) -> tuple[int, int]:
    """(limit_down, limit_up) in ticks of a long-listed stock with this base on the second session of a panel."""
    pre_close = np.full((2, 1), base)
    start = pd.Timestamp(on) - pd.offsets.BDay(1)
    fields = {"is_st": np.zeros((2, 1)), **fields}
    rules = MarketRules(book or china(), panel_of(pre_close, [symbol], start, pre_close=pre_close, **fields))
    assert rules.day(1) == day(on)
    limits = rules.limits(1)
    return int(limits.down[0]), int(limits.up[0])


# -- whole numbers ----------------------------------------------------------------------------------------------------


PERCENTS = [5, 10, 20, 30, 36, 44, Decimal("0.5"), Decimal("12.25"), 0.29]


@given(base=st.integers(10, 10**7), percent=st.sampled_from(PERCENTS))
def test_limits_round_as_decimal_arithmetic_does(base, percent):
    share = Decimal(str(percent)) / 100
    above, below = base * (1 + share), base * (1 - share)
    half = apply_bands(np.array([base]), np.array(band(percent, percent, "half_up"))[:, None])
    inward = apply_bands(np.array([base]), np.array(band(percent, percent, "inward"))[:, None])
    whole = Decimal(1)
    assert half.up[0] == max(above.quantize(whole, ROUND_HALF_UP), base + 1)
    assert half.down[0] == max(min(below.quantize(whole, ROUND_HALF_UP), base - 1), 1)
    assert inward.up[0] == max(above.quantize(whole, ROUND_FLOOR), base + 1)
    assert inward.down[0] == max(min(below.quantize(whole, ROUND_CEILING), base - 1), 1)


@given(st.integers(10, 99_999))
def test_float32_prices_compare_as_the_ticks_they_stand_for(ticks):
    price = np.full((2, 1), np.float32(ticks / 100))
    rules = MarketRules(china(), panel_of(price.astype(np.float64), [MAIN], pre_close=price, close32=price))
    up = (ticks * 110 + 50) // 100
    assert rules.base(1)[0] == ticks
    assert rules.limits(1).up[0] == max(up, ticks + 1)
    assert rules.locked(1, 0, True, float(np.float32(up / 100))) == ("limit-up" if up > ticks else "")
    assert rules.locked(1, 0, True, float(np.float32((up - 1) / 100))) == ""


# -- board, standing, date --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "symbol", "standing", "expected"),
    [
        ("2019-06-03", MAIN, 0, (905, 1106)),  # 904.5 and 1105.5: halves go up
        ("2019-06-03", MAIN, 1, (955, 1055)),
        ("2026-07-03", MAIN, 1, (955, 1055)),
        ("2026-07-06", MAIN, 1, (905, 1106)),
        ("2020-08-21", CHINEXT, 1, (905, 1106)),
        ("2020-08-24", CHINEXT, 1, (804, 1206)),
        ("2020-08-24", STAR, 1, (804, 1206)),
        ("2021-11-16", BSE, 0, (704, 1306)),  # 703.5 and 1306.5: inward
    ],
)
def test_the_limit_is_that_of_board_standing_and_date(on, symbol, standing, expected):
    assert one_day(on, symbol, 10.05, is_st=np.full((2, 1), standing)) == expected


@pytest.mark.parametrize("base", [0.0, NAN])
def test_without_a_base_price_there_is_no_limit(base):
    pre_close = np.full((1, 1), base)
    limits = MarketRules(china(), panel_of([[10.0]], [MAIN], pre_close=pre_close)).limits(0)
    assert (limits.down[0], limits.up[0]) == (0, NO_LIMIT_UP)


def test_a_symbol_of_no_board_is_refused():
    with pytest.raises(DataError, match="AAPL"):
        MarketRules(china(), panel_of([[10.0]], ["AAPL"]))


def test_a_listed_symbol_before_its_board_opens_is_refused_and_an_unlisted_one_is_not():
    close = [[10.0, NAN], [10.0, 10.0]]
    early = MarketRules(china(), panel_of(close, [MAIN, STAR], "2019-07-10", [[1, 0], [1, 1]]))
    assert early.limits(0).up[1] == NO_LIMIT_UP
    with pytest.raises(ConfigError, match=r"star opens on 2019-07-22, but 688001.SH has prices on 2019-07-11"):
        early.limits(1)


def test_sessions_may_be_visited_in_any_order():
    rng = RNG(3)
    close = np.round(rng.uniform(9, 11, (150, 3)), 2)
    flags = rng.choice([0.0, 1.0, NAN], (150, 3))
    panel = panel_of(close, [MAIN, "000001.SZ", CHINEXT], "2020-06-01", is_st=flags)
    forward = MarketRules(china(), panel)
    seen = [(forward.limits(t), forward.standing(t), forward.listing_age(t)) for t in range(150)]
    other = MarketRules(china(), panel)
    for t in rng.permutation(150).tolist() * 2:
        limits, standing, age = seen[t]
        np.testing.assert_array_equal(other.limits(t), limits)
        np.testing.assert_array_equal(other.standing(t), standing)
        np.testing.assert_array_equal(other.listing_age(t), age)


# -- new listings -----------------------------------------------------------------------------------------------------


def listed_late(start, symbol, pre_close=NAN, status=(0, 1, 1, 1, 1, 1, 1, 1), **more) -> MarketRules:
    T = len(status)
    before = np.full((T, 1), 10.0)
    listed = int(np.argmax(np.array(status) > 0))
    before[: listed + 1] = pre_close
    close = np.where(np.array(status)[:, None] == 0, NAN, 10.0)
    return MarketRules(china(), panel_of(close, [symbol], start, np.array(status)[:, None], pre_close=before, **more))


def test_the_first_day_lies_in_a_band_around_the_issue_price():
    rules = listed_late("2019-01-02", MAIN, pre_close=5.0)
    assert (rules.limits(1).down[0], rules.limits(1).up[0]) == (320, 720)
    assert (rules.limits(2).down[0], rules.limits(2).up[0]) == (900, 1100)


def test_the_first_day_has_no_limit_where_the_issue_price_is_unknown():
    rules = listed_late("2019-01-02", MAIN)
    assert (rules.limits(1).down[0], rules.limits(1).up[0]) == (0, NO_LIMIT_UP)
    assert rules.limits(2).up[0] == 1100


def test_five_sessions_without_a_limit_and_suspended_days_do_not_count():
    rules = listed_late("2019-08-01", STAR, 10.0, (0, 1, 1, 2, 1, 3, 1, 1, 1))
    free = [int(rules.limits(t).up[0]) == NO_LIMIT_UP for t in range(1, 9)]
    assert free == [True, True, True, True, True, True, True, False]
    assert [int(rules.listing_age(t)[0]) for t in range(9)] == [0, 1, 2, 3, 3, 4, 4, 5, 6]


def test_what_the_panel_begins_with_is_long_listed():
    rules = MarketRules(china(), panel_of(np.full((3, 1), 10.0), [STAR], "2019-08-01"))
    assert rules.listing_age(0)[0] == LONG_LISTED
    assert rules.limits(1).up[0] == 1200


def test_the_listings_table_wins_over_the_first_row():
    table = {"symbol": [MAIN], "known_at": ["2019-01-01"], "listed": ["2019-01-03"], "issue_price": [7.0]}
    table = pd.DataFrame(table).astype({"known_at": "datetime64[ns]", "listed": "datetime64[ns]"})
    rules = MarketRules(china(), panel_of(np.full((3, 1), 10.0), [MAIN], "2019-01-02", events={"listings": table}))
    assert [int(rules.listing_age(t)[0]) for t in range(3)] == [0, 1, 2]
    assert rules.base(1)[0] == 700
    assert (rules.limits(1).down[0], rules.limits(1).up[0]) == (448, 1008)
    assert rules.limits(2).up[0] == 1100


def test_a_listing_shortly_before_the_panel_leaves_the_rest_of_its_free_sessions():
    table = pd.DataFrame({"symbol": [STAR], "known_at": ["2019-08-01"], "listed": ["2019-08-01"]})
    table = table.astype({"known_at": "datetime64[ns]", "listed": "datetime64[ns]"})
    rules = MarketRules(china(), panel_of(np.full((4, 1), 10.0), [STAR], "2019-08-06", events={"listings": table}))
    assert [int(rules.listing_age(t)[0]) for t in range(4)] == [4, 5, 6, 7]
    assert [int(rules.limits(t).up[0]) for t in range(1, 3)] == [NO_LIMIT_UP, 1200]


# -- the base price ---------------------------------------------------------------------------------------------------


def actions(*rows) -> dict[str, pd.DataFrame]:
    columns = ["symbol", "known_at", "ex_date", "cash", "ratio", "rights", "rights_price"]
    table = pd.DataFrame([(MAIN, "2018-12-01", *row) for row in rows], columns=columns)
    return {"actions": table.astype({"known_at": "datetime64[ns]", "ex_date": "datetime64[ns]"})}


def test_pre_close_is_the_base_where_the_panel_has_it():
    rules = MarketRules(china(), panel_of([[10.0], [11.0], [12.0]], [MAIN], pre_close=[[9.0], [9.5], [NAN]]))
    assert [int(rules.base(t)[0]) for t in range(3)] == [900, 950, 1100]


@pytest.mark.parametrize(
    ("cash", "ratio", "rights", "price", "expected"),
    [
        (0.5, 1.0, 0.0, 0.0, 950),
        (0.0, 1.5, 0.0, 0.0, 667),
        (0.25, 1.3, 0.2, 6.0, 730),  # (10 - 0.25 + 0.2 x 6) / 1.5
        (0.005, 1.0, NAN, NAN, 1000),  # 9.995: half up
        (0.0, 1.6, 0.0, 0.0, 625),
    ],
)
def test_the_ex_rights_reference_price_is_half_up_to_the_tick(cash, ratio, rights, price, expected):
    events = actions(("2019-01-04", cash, ratio, rights, price))
    rules = MarketRules(china(), panel_of([[9.0], [10.0], [8.0], [8.0]], [MAIN], events=events))
    assert [int(rules.base(t)[0]) for t in range(4)] == [0, 900, expected, 800]


def test_ex_dates_within_a_suspension_add_up_until_trading_resumes():
    close = [[10.0]] * 5 + [[5.0]]
    status = [[1], [2], [3], [2], [1], [1]]
    events = actions(("2019-01-03", 1.0, 1.0, 0, 0), ("2019-01-07", 0.0, 2.0, 0, 0))
    rules = MarketRules(china(), panel_of(close, [MAIN], status=status, events=events))
    assert [int(rules.base(t)[0]) for t in range(6)] == [0, 900, 900, 450, 450, 1000]


def test_noise_in_adj_factor_moves_no_base_and_a_drift_of_it_is_not_lost():
    """The same rule as in an account: held against the level after the last step, not against the row before."""
    noise = np.array([1.0, 1.0 + 8e-6, 1.0, 1.0])[:, None]
    drift = 1.0 + 8e-6 * np.arange(4)[:, None]
    bases = []
    for factor in (noise, drift):
        rules = MarketRules(china(), panel_of(np.full((4, 1), 900.0), [MAIN], adj_factor=factor))
        bases.append([int(rules.base(t)[0]) for t in range(1, 4)])
    assert bases == [[90_000] * 3, [90_000, 89_999, 90_000]]  # 900 / 1.000016 = 899.99


def test_without_actions_the_step_of_adj_factor_gives_the_reference_price():
    factor = np.array([[1.0], [1.0], [2.0], [2.0]], dtype=np.float32)
    rules = MarketRules(china(), panel_of([[10.0], [10.01], [5.0], [5.0]], [MAIN], adj_factor=factor))
    assert [int(rules.base(t)[0]) for t in range(4)] == [0, 1000, 501, 500]  # 5.005: half up


# -- events -----------------------------------------------------------------------------------------------------------


def event(kind, value=None, on="2019-01-03", until=None, symbol=MAIN) -> MarketEvent:
    return MarketEvent(symbol, day(on), day(until) if until else None, kind, value, **SOURCED, note="why")


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (event("no_limit"), [1100, NO_LIMIT_UP, 1100]),
        (event("no_limit", until="2019-01-04"), [1100, NO_LIMIT_UP, NO_LIMIT_UP]),
        (event("no_limit", symbol="600009.SH"), [1100, 1100, 1100]),
        (event("limit", 44.0), [1100, 1440, 1100]),
        (event("issue_price", 20.0), [1100, 2200, 1100]),
        (event("standing", 1.0), [1100, 1050, 1100]),
    ],
)
def test_an_event_decides_the_limit_of_its_days(what, expected):
    rules = MarketRules(china(), panel_of([[10.0]] * 3, [MAIN], pre_close=[[10.0]] * 3), [what])
    assert [int(rules.limits(t).up[0]) for t in range(3)] == expected


def test_an_event_wins_over_the_rule_for_new_listings():
    rules = listed_late("2019-01-02", MAIN, 5.0)
    changed = MarketRules(china(), rules.panel, [event("no_limit")])
    assert (rules.limits(1).up[0], changed.limits(1).up[0]) == (720, NO_LIMIT_UP)


@pytest.mark.parametrize("wrong", [event("limit"), event("limit", 2.555), event("issue_price"), event("standing", 7.0)])
def test_an_event_whose_value_does_not_fit_is_refused(wrong):
    with pytest.raises(DataError, match=rf"event {wrong.kind} of 600000.SH on 2019-01-03: expected"):
        MarketRules(china(), panel_of([[10.0]], [MAIN]), [wrong])


# -- standing ---------------------------------------------------------------------------------------------------------


def moves(*percent, base=10.0) -> np.ndarray:
    """Closes [T, 1] from moves in percent of the close before, rounded half up to the tick."""
    ticks = [round(base * 100)]
    for move in percent:
        ticks.append((ticks[-1] * (100 + move) + 50) // 100)
    return np.array(ticks)[:, None] / 100


def unknown(close, symbol=MAIN, start="2019-01-02", flags=NAN, **fields) -> MarketRules:
    is_st = np.broadcast_to(np.asarray(flags, dtype=np.float64).reshape(-1, 1), close.shape)
    return MarketRules(china(), panel_of(close, [symbol], start, is_st=is_st, **fields))


def standings(rules) -> list[int]:
    return [int(rules.standing(t)[0]) for t in range(rules.panel.T)]


def test_known_flags_are_taken_as_they_are():
    rules = unknown(moves(5, 5, 5, 10), flags=[0, 0, 1, 0, 1])
    assert standings(rules) == [0, 0, 1, 0, 1]
    assert not any(rules.inferred(t)[0] for t in range(5))


def test_two_closes_locked_at_the_st_limit_make_a_stock_st_from_the_next_session():
    rules = unknown(moves(5, 1, -5, 1, 1))
    assert standings(rules) == [0, 0, 0, 0, 1, 1]
    assert all(rules.inferred(t)[0] for t in range(6))
    assert rules.limits(5).up[0] == (int(rules.base(5)[0]) * 105 + 50) // 100


def test_a_close_at_five_percent_below_the_high_is_no_evidence():
    close = moves(5, 5, 5)
    assert standings(unknown(close, high=close + 0.01)) == [0, 0, 0, 0]


def test_a_trade_outside_the_st_limits_ends_it_from_the_next_session():
    assert standings(unknown(moves(5, 5, 1, 7, 5, 1))) == [0, 0, 0, 1, 1, 0, 0]


def test_locked_closes_far_apart_do_not_count_together():
    assert standings(unknown(moves(5, *[1] * 60, 5, 1)))[-1] == 0
    assert standings(unknown(moves(5, *[1] * 50, 5, 1)))[-1] == 1


def test_unknown_standing_starts_from_the_last_known_one():
    assert standings(unknown(moves(1, 1, 1, 10, 1), flags=[1, 1, NAN, NAN, NAN, NAN])) == [1, 1, 1, 1, 1, 0]


def test_where_st_has_the_normal_limit_nothing_is_inferred():
    for symbol, start in ((CHINEXT, "2019-01-02"), (STAR, "2020-01-02"), (MAIN, "2026-07-06")):
        rules = unknown(moves(5, 5, 5, 1), symbol, start)
        assert standings(rules) == [0] * 5
        assert not any(rules.inferred(t)[0] for t in range(5))


@given(cut=st.integers(1, 119), seed=st.integers(0, 50))
def test_nothing_about_a_session_depends_on_what_comes_after_its_opening(cut, seed):
    def build(noise: bool) -> MarketRules:
        rng = RNG(seed)
        close = moves(*rng.choice([5, -5, 1, -1, 8], 119, p=[0.3, 0.3, 0.18, 0.18, 0.04]), base=50.0)
        flags = np.where(np.arange(120) < rng.integers(0, 60), 0.0, NAN)
        other = RNG(seed + 1000)
        fields = {name: close.copy() for name in ("open", "high", "low")}
        pre_close = np.vstack([[[NAN]], close[:-1]])
        if noise:
            close[cut:] = np.round(other.uniform(1, 200, close[cut:].shape), 2)
            pre_close[cut + 1 :] = close[cut:-1]
            fields = {k: np.vstack([v[:cut], close[cut:]]) for k, v in fields.items()}
        return unknown(close, flags=flags, pre_close=pre_close, **fields)

    plain, noisy = build(False), build(True)
    for t in range(cut + 1):
        assert plain.standing(t)[0] == noisy.standing(t)[0]
        np.testing.assert_array_equal(plain.limits(t), noisy.limits(t))


# -- one symbol -------------------------------------------------------------------------------------------------------


def test_a_symbol_that_cannot_trade_says_why():
    close = np.full((5, 1), 10.0)
    opens = close.copy()
    opens[1] = NAN
    rules = MarketRules(china(), panel_of(close, [MAIN], status=[[1], [1], [2], [3], [4]], open=opens))
    assert [rules.untradable(t, 0) for t in range(5)] == ["", "no price", "suspended", "suspended", "delisted"]
    assert listed_late("2019-01-02", MAIN).untradable(0, 0) == "not listed"


def test_a_price_at_the_limit_is_locked_on_its_side_only():
    rules = MarketRules(china(), panel_of([[10.0]], [MAIN], pre_close=[[10.0]]))
    said = [(rules.locked(0, 0, True, price), rules.locked(0, 0, False, price)) for price in (11.0, 10.99, 9.01, 9.0)]
    assert said == [("limit-up", ""), ("", ""), ("", ""), ("", "limit-down")]
    assert rules.locked(0, 0, True, NAN) == rules.locked(0, 0, False, NAN) == ""


def test_locked_closes_leave_out_what_did_not_trade():
    close = np.array([[11.0, 9.0, 11.0, 10.5]])
    symbols = [MAIN, "600001.SH", "600002.SH", "600003.SH"]
    panel = panel_of(close, symbols, status=[[1, 1, 2, 1]], pre_close=np.full((1, 4), 10.0))
    up, down = MarketRules(china(), panel).locked_closes(0)
    assert up.tolist() == [True, False, False, False]
    assert down.tolist() == [False, True, False, False]


def test_order_size_and_settlement_come_from_the_book():
    rules = MarketRules(china(), panel_of([[10.0, 10.0]], [MAIN, CHINEXT]))
    assert rules.order_size(0, 1).buy_minimum == 100
    assert rules.settlement(0, 0) == 1


def test_explain_names_board_standing_base_limits_and_source():
    rules = MarketRules(china(), panel_of([[10.0]], [MAIN], pre_close=[[10.0]], is_st=[[1.0]]))
    assert rules.explain(0, 0) == "sse_main, st, +5 / -5 %; base 10, limits 9.5 to 10.5; hand-made [general]"
    assert "event no_limit: why; base" in MarketRules(
        china(), rules.panel, [event("no_limit", on="2019-01-02")]
    ).explain(0, 0)
    assert "session 1 of a new listing, +44 / -36 %" in listed_late("2019-01-02", MAIN, 5.0).explain(1, 0)


# -- limits of the panel ----------------------------------------------------------------------------------------------


def test_a_book_can_take_the_limits_of_the_panel():
    fields = {"limit_up": [[10.7, NAN]], "limit_down": [[9.3, NAN]]}
    rules = MarketRules(china(limits_from="panel"), panel_of([[10.0, 10.0]], [MAIN, CHINEXT], **fields))
    assert rules.limits(0).up.tolist() == [1070, NO_LIMIT_UP]
    assert rules.limits(0).down.tolist() == [930, 0]
    bare = MarketRules(china(limits_from="panel"), panel_of([[10.0]], [MAIN]))
    assert bare.limits(0).up[0] == NO_LIMIT_UP


def test_adjusted_prices_take_the_estimated_limits_of_the_panel():
    table = pd.DataFrame({"symbol": ["600001.SH"], "known_at": [pd.Timestamp("2018-01-01")]})
    fields = {"pre_close": [[10.0, 10.0]], "limit_up": [[99.0, 10.7]], "limit_down": [[1.0, 9.3]]}
    panel = panel_of([[10.0, 10.0]], [MAIN, "600001.SH"], events={"adjusted_prices": table}, **fields)
    rules = MarketRules(china(), panel)
    assert rules.limits(0).up.tolist() == [1100, 1070]
    assert rules.estimated(0).tolist() == [False, True]


def test_standing_is_a_standing():
    rules = MarketRules(china(), panel_of([[10.0]] * 2, [MAIN]), [event("standing", 2.0)])
    assert [Standing(int(rules.standing(t)[0])) for t in range(2)] == [Standing.NORMAL, Standing.DELISTING]


@pytest.mark.parametrize("name", [name for name in shipped() if name != "cn_a"])
def test_every_other_shipped_book_answers_for_a_session(name):
    symbols = {"crypto_spot": ["BTCUSDT"], "us_equity": ["AAPL"], "simulated": ["SIM0001"]}.get(name, [MAIN])
    rules = MarketRules(read_book(name), panel_of([[10.0], [10.0]], symbols, "2019-01-02"), read_events(name))
    assert (rules.limits(1).down[0], rules.limits(1).up[0]) == (0, NO_LIMIT_UP)
    assert rules.standing(1)[0] == Standing.NORMAL
    assert not rules.inferred(1)[0]
    assert rules.untradable(1, 0) == rules.locked(1, 0, True, 10.0) == ""
    assert rules.settlement(1, 0) >= 0
    assert rules.order_size(1, 0).buy_step >= 1
    assert "base 10, limits none to none" in rules.explain(1, 0)
