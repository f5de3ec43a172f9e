"""Other futures: whatever is known by the close of t stays byte-equal in every table, and what comes after does not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnstrategies.audit import cut, other_future, other_samples, replace_future, same_bytes, short_noise
from nnstrategies.factors import FactorSamples, forward_returns
from nnstrategies.panel import Panel, Status
from tests.causality import rough_panel
from tests.small_samples import market_samples

rows = st.integers(5, 390)
futures = st.sampled_from([replace_future, other_future, short_noise, cut])


@pytest.fixture(scope="module")
def market(tiny_panel: Panel) -> Panel:
    """With every kind of field: raw prices, limits, whole numbers and flags, series, three event tables."""
    panel = tiny_panel
    fields = {name: panel[name] for name in panel.field_names}
    fields["flag"] = panel["close"] > 10
    fields["count"] = np.arange(panel.T * panel.N).reshape(panel.shape)
    events = {name: panel.events(name) for name in panel.event_names}
    return Panel(panel.sessions, panel.symbols, fields, panel.status, panel.series, events)


@settings(max_examples=24)
@given(future=futures, t=rows, seed=st.integers(0, 99))
def test_what_was_known_stays_to_the_last_byte(market, future, t, seed):
    other = future(market, t, np.random.default_rng(seed))
    assert other.upto(t).fingerprint == market.upto(t).fingerprint
    assert not other.members[: t + 1].any() or same_bytes(other.members[: t + 1], market.members[: t + 1])


@pytest.mark.parametrize("future", [replace_future, other_future, short_noise])
def test_every_field_series_and_event_table_goes_on_otherwise(market, future):
    t = 200
    other = future(market, t, np.random.default_rng(1))
    last = other.T
    for name in market.field_names:
        assert not same_bytes(other[name][t + 1 :], market[name][t + 1 : last]), name
    assert not same_bytes(other.status[t + 1 :], market.status[t + 1 : last])
    assert not same_bytes(other.series["benchmark"][t + 1 :], market.series["benchmark"][t + 1 : last])
    day = pd.Timestamp(market.sessions[t])
    for name in market.event_names:
        a, b = other.events(name), market.events(name)
        assert not a[a["known_at"] > day].reset_index(drop=True).equals(b[b["known_at"] > day].reset_index(drop=True))


@settings(max_examples=30)
@given(t=rows, seed=st.integers(0, 99))
def test_another_market_is_one_that_could_be(t, seed):
    panel = rough_panel(symbols=9, sessions=400, seed=seed)
    other = other_future(panel, t, np.random.default_rng(seed))
    listed = other.listed
    assert same_bytes(np.isfinite(other["close"]), listed)
    bar = {name: other[name][listed] for name in ("open", "high", "low", "close")}
    assert (bar["high"] >= np.maximum(bar["open"], bar["close"]) * (1 - 1e-12)).all()
    assert (bar["low"] <= np.minimum(bar["open"], bar["close"]) * (1 + 1e-12)).all()
    assert (bar["low"] > 0).all()
    after = np.diff(other.status.astype(int), axis=0)
    assert not (other.status[:-1][after != 0] == Status.DELISTED).any()  # gone for good
    assert not (other.status[1:][after != 0] == Status.UNLISTED).any()
    moves = np.abs(np.diff(np.log(other.adjusted("close")), axis=0))
    assert np.nanmax(moves) < 0.5


@pytest.mark.parametrize("kind", ["buy_hold_sell", "return"])
@settings(max_examples=30)
@given(t=st.integers(60, 380), seed=st.integers(0, 99))
def test_other_samples_keep_what_is_known_and_change_the_rest(kind, t, seed):
    samples = market_samples(kind)[1]
    other = other_samples(samples, t, np.random.default_rng(seed))
    for a, b in ((samples.upto(t), other.upto(t)),):
        assert same_bytes(a.features.values, b.features.values)
        assert same_bytes(a.mask, b.mask)
        for name in ("values", "end", "returns"):
            assert same_bytes(getattr(a.labels, name), getattr(b.labels, name))
    later = np.isfinite(samples.features.values[:, t + 1 :]) & np.isfinite(other.features.values[:, t + 1 :])
    assert (samples.features.values[:, t + 1 :] != other.features.values[:, t + 1 :])[later].mean() > 0.99
    unknown = samples.labels.end > t
    assert (samples.labels.returns != other.labels.returns)[unknown].all()
    assert (samples.labels.values != other.labels.values)[unknown].mean() > 0.4


@settings(max_examples=20)
@given(t=st.integers(60, 380))
def test_other_factor_samples_change_all_horizons_alike(t):
    panel, plain = market_samples("return")
    samples = FactorSamples.join(plain, forward_returns(panel, (1, 5, 10)))
    other = other_samples(samples, t, np.random.default_rng(0))  # FactorSamples itself refuses what does not agree
    for a, b in zip(samples.upto(t).horizons, other.upto(t).horizons, strict=True):
        assert same_bytes(a.returns, b.returns)
    for a, b in zip(samples.horizons, other.horizons, strict=True):
        assert (a.returns != b.returns)[a.end > t].all()
