"""What the exchange of the simulated market prints: quotes on the tick within the day's limits, volumes, shares."""

from __future__ import annotations

import numpy as np

from nnstrategies.feeds.simulated_moves import Moves
from nnstrategies.feeds.simulated_settings import SimulatedMarket
from nnstrategies.feeds.simulated_tables import Actions
from nnstrategies.typing import BoolArray, FloatArray, IntArray

_PRICES = ("open", "high", "low", "close", "pre_close", "limit_up", "limit_down")
_WICK = 0.3  # how far high and low reach beyond open and close, in daily volatilities


def quote(
    market: SimulatedMarket, trading: BoolArray, special: BoolArray, moves: Moves, actions: Actions
) -> dict[str, FloatArray]:
    """Return raw prices, adj_factor and ``split`` (shares per first share), each [T, N], for all cells.

    Prices follow the latent ones of ``moves`` to the nearest tick within the day's limits. What a limit cuts off is
    caught up on the next day, because the latent price goes on. special: [N] with a limit of 5 %.
    """
    first = np.exp(np.log(20.0) + 0.5 * market.generator("price").standard_normal(market.symbols))
    first = np.maximum(np.rint(100 * first), 500).astype(np.int64)  # ticks, [N]
    opens, closes = (first * np.exp(log_price) for log_price in moves.log_prices())  # adjusted, ticks, [T, N]
    wicks = np.abs(market.generator("wicks").standard_normal((*trading.shape, 2))) * _WICK * moves.sigma[:, None]
    band = np.where(special, 5, 10)
    ticks = {name: np.empty(trading.shape, dtype=np.int64) for name in _PRICES}
    factors, splits = np.empty(trading.shape), np.empty(trading.shape)
    close, factor, split = first, np.ones(market.symbols), np.ones(market.symbols)
    for t, trades in enumerate(trading):
        cash, ratio = actions.due(t)  # ticks and tenths
        factor = factor * close * (ratio / 10.0) / (close - cash)
        split = split * (ratio / 10.0)
        reference = np.maximum((20 * (close - cash) + ratio) // (2 * ratio), 1)  # (close - cash) / ratio, half up
        up, down = (reference * (100 + band) + 50) // 100, (reference * (100 - band) + 50) // 100
        printed = _session(opens[t] / factor, closes[t] / factor, wicks[t], down, up)
        for name, values in zip(_PRICES, printed, strict=False):
            ticks[name][t] = np.where(trades, values, close)
        ticks["pre_close"][t], ticks["limit_up"][t], ticks["limit_down"][t] = reference, up, down
        factors[t], splits[t], close = factor, split, ticks["close"][t]
        actions.announce(t, close)
    return {name: values / 100.0 for name, values in ticks.items()} | {"adj_factor": factors, "split": splits}


def _session(
    open_: FloatArray, close: FloatArray, wicks: FloatArray, down: IntArray, up: IntArray
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Open, high, low, close [N] in ticks; a symbol that opens and closes at the same limit never leaves it."""
    opened, closed = (np.clip(np.floor(price + 0.5).astype(np.int64), down, up) for price in (open_, close))
    locked = (opened == closed) & ((closed == up) | (closed == down))
    reach = np.where(locked[:, None], 0.0, wicks)  # [N, 2]
    high = np.floor(np.maximum(opened, closed) * (1.0 + reach[:, 0])).astype(np.int64)
    low = np.ceil(np.minimum(opened, closed) * (1.0 - reach[:, 1])).astype(np.int64)
    return opened, np.minimum(high, up), np.maximum(low, down), closed


def trade(
    market: SimulatedMarket, trading: BoolArray, moves: Moves, prices: dict[str, FloatArray]
) -> dict[str, FloatArray]:
    """Return volume, amount and float_shares [T, N]; log volume is a level per symbol plus a shock white in time."""
    size = market.generator("size").standard_normal((market.symbols, 2))
    float_shares = np.rint(1e4 * np.rint(np.exp(np.log(5e4) + 0.8 * size[:, 0])) * prices["split"])
    turnover = np.exp(np.log(0.008) + 0.3 * size[:, 1])  # of the float shares, a day
    shock = market.volume_shock * moves.eta + market.volume_on_move * np.abs(moves.eps)
    lots = np.maximum(np.rint(float_shares * turnover * np.exp(shock) / 100.0), 1.0)
    volume = np.where(trading, 100.0 * lots, 0.0)
    average = (prices["open"] + prices["high"] + prices["low"] + prices["close"]) / 4.0
    return {"volume": volume, "amount": np.round(volume * average, 2), "float_shares": float_shares}
