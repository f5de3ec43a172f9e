"""A rough market for tests of everything that claims to be causal, and the contract of features as an assertion.

The contract itself is ``nnstrategies.audit``: the same code that ``nnstrategies leakcheck`` runs for users.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from nnstrategies.audit import check_features as audit_features
from nnstrategies.audit import check_scale, replace_future, same_bytes
from nnstrategies.features import FeatureSet
from nnstrategies.panel import Panel, Status
from nnstrategies.typing import AnyArray

__all__ = ["ContractError", "check_features", "check_finite", "replace_future", "rough_panel", "same_bytes"]


class ContractError(AssertionError):
    """A function looked ahead, depends on the scale, or has too few values for the check to mean anything."""


def check_features(
    features: Mapping[str, Callable[[Panel], AnyArray]], panel: Panel, rng: np.random.Generator, rows: int = 2
) -> None:
    """Causal at random rows past the warm-up, mostly finite, blind to adj_factor's scale; else ContractError."""
    chosen = FeatureSet(features)
    cuts = rng.integers(280, panel.T - 1, rows).tolist()
    known = chosen(panel)
    for stage in (audit_features(chosen, panel, cuts, known=known), check_scale(chosen, panel, known=known)):
        for finding in stage.findings:
            raise ContractError(f"{finding.verdict}: {finding}")


def check_finite(name: str, values: AnyArray, where: AnyArray, share: float = 0.9) -> None:
    """At least ``share`` of the values that are compared must be finite, or equality would prove nothing."""
    finite = float(np.isfinite(values[where]).mean()) if where.any() else 0.0
    if finite < share:
        raise ContractError(f"{name}: only {finite:.0%} of the compared values are finite, expected {share:.0%}")


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
