"""Slippage moves a price against the trader, the more the larger the trade, by the formulas the docs state."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnstrategies.brokers.slippage import (
    BpsSlippage,
    NoSlippage,
    Quote,
    Slippage,
    SquareRootSlippage,
    TickSlippage,
    VolumeShareSlippage,
)
from nnstrategies.errors import ConfigError

NAN = float("nan")
QUOTE = Quote(buy=True, price=20.0, size=30_000.0, tick=0.01, average_volume=120_000.0, volatility=0.02)
MODELS = (NoSlippage(), BpsSlippage(5), TickSlippage(1.5), VolumeShareSlippage(), SquareRootSlippage())

models = st.one_of(
    st.just(NoSlippage()),
    st.builds(BpsSlippage, st.floats(0, 9_999)),
    st.builds(TickSlippage, st.floats(0, 1_000)),
    st.builds(VolumeShareSlippage, st.floats(0, 100)),
    st.builds(SquareRootSlippage, st.floats(0, 100), st.floats(0, 1)),
)
quotes = st.builds(
    Quote,
    buy=st.booleans(),
    price=st.floats(0.001, 10_000),
    size=st.floats(1e-8, 1e9),
    tick=st.sampled_from([0.01, 0.001, 1e-8]),
    average_volume=st.one_of(st.just(NAN), st.just(0.0), st.floats(1e-3, 1e10)),
    volatility=st.one_of(st.just(NAN), st.floats(0, 3)),
)


@pytest.mark.parametrize(
    ("model", "buy", "sale"),
    [
        (NoSlippage(), 20.0, 20.0),
        (BpsSlippage(5), 20.01, 19.99),  # 20 x 0.0005 = 0.01
        (TickSlippage(1.5), 20.015, 19.985),  # 1.5 x 0.01
        (VolumeShareSlippage(0.1), 20.125, 19.875),  # share 0.25; 20 x 0.1 x 0.0625 = 0.125
        (SquareRootSlippage(1.0), 20.2, 19.8),  # 20 x 0.02 x sqrt(0.25) = 0.2
    ],
    ids=lambda value: type(value).__name__ if callable(value) else str(value),
)
def test_each_model_gives_the_price_worked_out_by_hand(model: Slippage, buy: float, sale: float) -> None:
    assert model(QUOTE) == pytest.approx(buy, abs=1e-12)
    assert model(QUOTE._replace(buy=False)) == pytest.approx(sale, abs=1e-12)


@given(models, quotes)
def test_no_price_is_ever_better_than_the_open_and_every_price_is_above_zero(model: Slippage, quote: Quote) -> None:
    price = model(quote)
    assert math.isfinite(price)
    assert price >= quote.price if quote.buy else 0 < price <= quote.price


@given(models, quotes, st.floats(1, 1e6))
def test_a_larger_trade_never_gets_a_better_price(model: Slippage, quote: Quote, times: float) -> None:
    small, large = model(quote), model(quote._replace(size=quote.size * times))
    assert large >= small if quote.buy else large <= small


@pytest.mark.parametrize("volume", [NAN, 0.0])
@pytest.mark.parametrize("model", [VolumeShareSlippage(), SquareRootSlippage()], ids=lambda model: type(model).__name__)
def test_an_unknown_or_zero_volume_counts_as_the_whole_of_it(model: Slippage, volume: float) -> None:
    whole = QUOTE._replace(average_volume=QUOTE.size)
    assert model(QUOTE._replace(average_volume=volume)) == model(whole)
    assert model(whole) > model(QUOTE)


def test_the_quadratic_model_stops_at_the_whole_volume_and_the_square_root_goes_on() -> None:
    once, twice = (QUOTE._replace(size=n * QUOTE.average_volume) for n in (1, 2))
    assert VolumeShareSlippage()(once) == VolumeShareSlippage()(twice) == pytest.approx(22.0)
    assert SquareRootSlippage()(twice) == pytest.approx(20 * (1 + 0.02 * math.sqrt(2)))


def test_an_unknown_volatility_takes_the_stated_one() -> None:
    new = QUOTE._replace(volatility=NAN)
    assert SquareRootSlippage(unknown_volatility=0.04)(new) == SquareRootSlippage()(QUOTE._replace(volatility=0.04))


@pytest.mark.parametrize("model", [BpsSlippage(9_999), TickSlippage(1e6), SquareRootSlippage(1e3)])
def test_a_sale_never_falls_below_one_tick(model: Slippage) -> None:
    assert model(QUOTE._replace(buy=False, price=1.0)) == 0.01
    assert model(QUOTE._replace(buy=False, price=0.004)) == 0.004  # already below it


@pytest.mark.parametrize(
    ("model", "setting"),
    [
        (BpsSlippage, "bps"),
        (TickSlippage, "ticks"),
        (VolumeShareSlippage, "impact"),
        (SquareRootSlippage, "coefficient"),
        (SquareRootSlippage, "unknown_volatility"),
    ],
)
@pytest.mark.parametrize("bad", [-0.1, NAN, math.inf])
def test_a_setting_that_cannot_be_is_refused_by_name(model: type, setting: str, bad: float) -> None:
    with pytest.raises(ConfigError, match=rf"slippage: {setting}: expected 0 <= {setting}.*, got {bad}"):
        model(**{setting: bad})


def test_bps_of_the_whole_price_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected 0 <= bps < 10000, got 10000"):
        BpsSlippage(10_000)


def test_models_are_values_that_compare_and_hash() -> None:
    assert BpsSlippage(5) == BpsSlippage(5.0)
    assert len({*MODELS, *MODELS}) == len(MODELS)
