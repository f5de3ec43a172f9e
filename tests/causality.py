"""The contract of everything that claims to be causal: the future is replaced by noise, the past must not move a byte.

Used by the tests of features and labels and by those of recipes. ``replace_future`` is the noise; ``check_feature`` is
the whole contract for one function of a panel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from nnstrategies.panel import Panel, Status
from nnstrategies.typing import AnyArray


class ContractError(AssertionError):
    """A function looked ahead, depends on the scale, or has too few values for the check to mean anything."""


def replace_future(panel: Panel, t: int, rng: np.random.Generator) -> Panel:
    """The panel with every row after ``t`` replaced by noise in all tables: fields, status, series, events by known_at.

    Sessions and symbols stay; rows up to t, and events known by the close of t, stay byte-equal.
    """
    fields = {key: _noisy(panel[key], t, rng) for key in panel.field_names}
    status = panel.status.copy()
    status[t + 1 :] = rng.choice([int(s) for s in Status], size=status[t + 1 :].shape)
    series = {key: _noisy(values, t, rng) for key, values in panel.series.items()}
    day = pd.Timestamp(panel.sessions[t])
    events = {key: _noisy_events(panel.events(key), day, rng) for key in panel.event_names}
    return Panel(panel.sessions, panel.symbols, fields, status, series, events, name=f"{panel.name}, noise after {t}")


def _noisy(values: AnyArray, t: int, rng: np.random.Generator) -> AnyArray:
    out = values.copy()
    shape = out[t + 1 :].shape
    if out.dtype == bool:
        out[t + 1 :] = rng.random(shape) < 0.5
    elif out.dtype.kind in "iu":
        out[t + 1 :] = rng.integers(0, 100, shape)
    else:
        noise = np.exp(rng.normal(0, 3, shape))
        out[t + 1 :] = np.where(rng.random(shape) < 0.05, np.nan, noise)
    return out


def _noisy_events(table: pd.DataFrame, day: pd.Timestamp, rng: np.random.Generator) -> pd.DataFrame:
    """Events known by ``day``, and as many made-up ones known on random later days."""
    past = table[table["known_at"] <= day]
    if table.empty:
        return past
    future = table.iloc[rng.integers(0, len(table), len(table))].reset_index(drop=True)
    for column in future.columns:
        kind = future[column].dtype.kind
        if kind == "b":
            future[column] = rng.random(len(future)) < 0.5
        elif kind == "f":
            future[column] = np.exp(rng.normal(0, 3, len(future)))
        elif kind in "iu":
            future[column] = rng.integers(0, 100, len(future))
        elif column != "known_at":  # names and other dates: exchanged among the rows
            future[column] = future[column].to_numpy()[rng.permutation(len(future))]
    later = pd.to_timedelta(rng.integers(1, 200, len(future)), unit="D")
    future["known_at"] = (day + later).astype(table["known_at"].dtype)
    return pd.concat([past, future], ignore_index=True)


def scale_adj_factor(panel: Panel, symbol: str, constant: float) -> Panel:
    """The panel with one symbol's adj_factor multiplied by a constant."""
    fields = {key: panel[key] for key in panel.field_names}
    factor = panel["adj_factor"].copy()
    factor[:, panel.column(symbol)] *= constant
    fields["adj_factor"] = factor
    events = {key: panel.events(key) for key in panel.event_names}
    return Panel(panel.sessions, panel.symbols, fields, panel.status, panel.series, events, panel.name)


def check_causal(
    name: str,
    function: Callable[[Panel], AnyArray],
    panel: Panel,
    t: int,
    rng: np.random.Generator,
    whole: AnyArray | None = None,
) -> None:
    """Rows up to t of function(panel) [T, ...] must be byte-equal under a noisy future and on the panel cut at t."""
    expected = (function(panel) if whole is None else whole)[: t + 1]
    for how, other in (("noise after", replace_future(panel, t, rng)), ("panel cut after", panel.upto(t))):
        got = function(other)[: t + 1]
        if not same_bytes(got, expected):
            row = int(np.argwhere(~((got == expected) | (np.isnan(got) & np.isnan(expected))))[0][0])
            raise ContractError(f"{name} looks ahead: with {how} row {t}, row {row} changes")


def check_finite(name: str, values: AnyArray, where: AnyArray, share: float = 0.9) -> None:
    """At least ``share`` of the values that are compared must be finite, or equality would prove nothing."""
    finite = float(np.isfinite(values[where]).mean()) if where.any() else 0.0
    if finite < share:
        raise ContractError(f"{name}: only {finite:.0%} of the compared values are finite, expected {share:.0%}")


def check_features(
    features: Mapping[str, Callable[[Panel], AnyArray]],
    panel: Panel,
    rng: np.random.Generator,
    rows: int = 2,
    warm_up: int = 260,
) -> None:
    """The contract of features: causal at random rows past the warm-up, mostly finite, blind to adj_factor's scale.

    Raises ContractError naming the guilty feature.
    """
    listed_long = np.cumsum(panel.listed, axis=0) > warm_up
    symbol = panel.symbols[int(rng.integers(panel.N))]
    doubled, scaled = scale_adj_factor(panel, symbol, 4.0), scale_adj_factor(panel, symbol, 1.7)
    cuts = rng.integers(warm_up + 20, panel.T - 1, rows)
    for name, function in features.items():
        whole = function(panel)
        for t in cuts:
            check_causal(name, function, panel, int(t), rng, whole)
        check_finite(name, whole[: max(cuts) + 1], (listed_long & panel.listed)[: max(cuts) + 1])
        if not same_bytes(function(doubled), whole):
            raise ContractError(f"{name} changes when an adj_factor is multiplied by 4")
        if not np.allclose(function(scaled), whole, rtol=1e-4, atol=1e-4, equal_nan=True):
            raise ContractError(f"{name} changes when an adj_factor is multiplied by 1.7")


def same_bytes(x: AnyArray, y: AnyArray) -> bool:
    """Equal to the last bit, NaN where NaN."""
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    return x.shape == y.shape and x.dtype == y.dtype and np.array_equal(x, y, equal_nan=x.dtype.kind == "f")


def rough_panel(symbols: int, sessions: int, seed: int, pause_rate: float = 0.01, delist: int = 2) -> Panel:
    """Random walks with late listings, delistings, suspensions, splits, a benchmark, and changing membership."""
    rng = np.random.default_rng(seed)
    shape = (sessions, symbols)
    status = np.full(shape, Status.TRADING, dtype=np.uint8)
    for _ in range(int(pause_rate * sessions * symbols / 5) + 1):
        at, n = rng.integers(sessions), rng.integers(symbols)
        status[at : at + int(rng.integers(1, 10)), n] = Status.PAUSED
    status[0] = Status.TRADING
    for n in rng.permutation(symbols)[:2]:
        status[: int(rng.integers(1, max(sessions // 8, 2))), n] = Status.UNLISTED
    for n in rng.permutation(symbols)[:delist]:
        status[int(rng.integers(max(sessions // 2, 2), sessions)) :, n] = Status.DELISTED
    factor = np.cumprod(np.where(rng.random(shape) < 0.003, rng.uniform(1.01, 2, shape), 1.0), axis=0)
    trading = status == Status.TRADING
    moves = np.where(trading, rng.normal(0, 0.02, shape), 0.0)
    close = np.round(1e4 * np.exp(np.cumsum(moves, axis=0)) / factor) / 1e2
    before = np.vstack([close[:1], close[:-1] * factor[:-1] / factor[1:]])
    open_ = np.where(trading, np.round(before * np.exp(rng.normal(0, 0.005, shape)), 2), close)
    high = np.where(trading, np.maximum(open_, close) + 0.01 * rng.integers(0, 80, shape), close)
    low = np.where(trading, np.minimum(open_, close) - 0.01 * rng.integers(0, 80, shape), close)
    volume = np.where(trading, np.floor(1e6 * np.exp(rng.normal(0, 0.5, shape)) * factor), 0.0)
    fields = {"open": open_, "high": high, "low": low, "close": close, "volume": volume, "adj_factor": factor}
    gone = (status == Status.UNLISTED) | (status == Status.DELISTED)
    fields = {key: np.where(gone, np.nan, values) for key, values in fields.items()}
    days = np.busday_offset("2015-01-01", np.arange(sessions), roll="forward").astype("datetime64[D]")
    names = [f"S{n:02d}" for n in range(symbols)]
    at = np.concatenate([np.zeros(symbols, np.int64), rng.integers(0, sessions, symbols)])
    membership = pd.DataFrame({"symbol": [*names, *names], "known_at": days[at].astype("datetime64[s]")})
    membership["member"] = np.concatenate([np.arange(symbols) % 5 != 0, rng.random(symbols) < 0.6])
    series = {"benchmark": 1000 * np.exp(np.cumsum(rng.normal(0, 0.01, sessions)))}
    return Panel(days, names, fields, status, series, {"membership": membership}, name="rough")
