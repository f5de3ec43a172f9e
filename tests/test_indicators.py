"""Score and SignalFilter inside ordinary bt.Strategy classes, over ragged feeds."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from nnstrategies.engine import add_panel
from nnstrategies.errors import ConfigError, DataError
from nnstrategies.indicators import Score, SignalFilter
from nnstrategies.scores import Scores
from tests.small_market import make_panel, make_scores, sessions


class Listener(bt.Strategy):
    """Writes down every score it is shown, by date."""

    params = (("scores", None),)

    def __init__(self) -> None:
        self.lines_of = [Score(data, scores=self.p.scores) for data in self.datas]
        self.seen: list[tuple[Any, ...]] = []
        self.lengths: list[int] = []

    def prenext(self) -> None:
        self.next()

    def next(self) -> None:
        now = [line[0] for line in self.lines_of]
        before = [line.score[-1] for line in self.lines_of]
        self.seen.append((self.datetime.date(0), *now, *before))


def listen(feeds: list[Any], scores: Scores, runonce: bool, preload: bool = True) -> Listener:
    cerebro = bt.Cerebro(stdstats=False, runonce=runonce, preload=preload)
    for name, feed in feeds:
        cerebro.adddata(feed(), name=name)
    cerebro.addstrategy(Listener, scores=scores)
    return cerebro.run()[0]


def ragged(T: int) -> tuple[list[Any], Scores]:
    """Three feeds: one whole, one that lists late, one that is delisted early."""
    panel = make_panel(np.full((T, 3), 10.0))
    values = np.random.default_rng(0).normal(size=(T, 3))
    values[:4] = np.nan  # no model was in force yet
    days = pd.DatetimeIndex(sessions(T).astype("datetime64[ns]"))
    bars = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close", "volume"), 10.0), index=days)
    spans = {"S00": bars, "S01": bars.iloc[12:], "S02": bars.iloc[:15]}
    feeds = [(name, lambda frame=frame: bt.feeds.PandasData(dataname=frame)) for name, frame in spans.items()]
    return feeds, make_scores(panel, values)


def test_score_is_equal_vectorised_and_bar_by_bar_with_late_listings_and_delistings():
    feeds, scores = ragged(30)
    vectorised = listen(feeds, scores, runonce=True).seen
    for preload in (True, False):
        np.testing.assert_equal(listen(feeds, scores, runonce=False, preload=preload).seen, vectorised)
    assert len(vectorised) == 30


def test_score_is_the_prediction_of_its_own_bar_and_nan_before_listing_or_model():
    feeds, scores = ragged(30)
    seen = np.array([row[1:] for row in listen(feeds, scores, runonce=True).seen], dtype=np.float64)
    expected = scores.column()
    np.testing.assert_allclose(seen[4:, 0], expected[4:, 0])
    np.testing.assert_allclose(seen[12:, 1], expected[12:, 1])
    np.testing.assert_allclose(seen[4:15, 2], expected[4:15, 2])
    assert np.isnan(seen[:12, 1]).all()
    assert np.isnan(seen[:4, 0]).all()
    assert np.isnan(seen[0, 3:]).all(), "one bar before the first there is nothing, not the last value of the run"


def test_score_adds_no_minimum_period():
    feeds, scores = ragged(30)
    assert listen(feeds[:1], scores, runonce=True).lines_of[0]._minperiod == 1


def test_score_refuses_a_feed_without_scores():
    feeds, scores = ragged(30)
    with pytest.raises(DataError, match="'other' is not among the 3 symbols"):
        listen([("other", feeds[0][1])], scores, runonce=True)
    with pytest.raises(ConfigError, match="expected Scores, got NoneType"):
        listen(feeds[:1], None, runonce=True)  # type: ignore[arg-type]


class BuysEveryDay(bt.Strategy):
    """An ordinary strategy that knows of no predictor."""

    params = (("size", None),)

    def __init__(self) -> None:
        self.bought: list[tuple[int, str]] = []

    def next(self) -> None:
        for data in self.datas:
            if self.buy(data=data, size=self.p.size) is not None:
                self.bought.append((len(self), data._name))
        if len(self) == 6:
            self.close(data=self.datas[0])
            self.order_target_size(self.datas[1], target=50)


def filtered(size: float | None, inner: bt.Sizer | None) -> BuysEveryDay:
    panel = make_panel(np.full((8, 2), 10.0))
    values = np.full((8, 2), -1.0)
    values[2:4, 0] = 1.0
    values[4, 1] = np.nan
    cerebro = bt.Cerebro(stdstats=False)
    add_panel(cerebro, panel)
    cerebro.addsizer(SignalFilter, scores=make_scores(panel, values), threshold=0.5, inner=inner)
    cerebro.addstrategy(BuysEveryDay, size=size)
    return cerebro.run()[0]


@pytest.mark.parametrize("size", [None, 7])
def test_signal_filter_lets_only_confirmed_buys_through_and_all_sells(size):
    strategy = filtered(size, None)
    assert strategy.bought == [(3, "S00"), (4, "S00")]
    assert strategy.getposition(strategy.datas[0]).size == 0, "the sale of session 6 went through"
    assert strategy.getposition(strategy.datas[1]).size == 0


def test_signal_filter_sizes_with_the_inner_sizer():
    strategy = filtered(None, bt.sizers.FixedSize(stake=40))
    assert strategy.bought == [(3, "S00"), (4, "S00")]
    cash = [order for order in strategy.broker.orders if order.isbuy()]
    assert [order.size for order in cash] == [40, 40]
