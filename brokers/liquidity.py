"""What a stock's last sessions say about its liquidity: average volume and volatility, known before the open."""

from __future__ import annotations

import numpy as np

from nnstrategies.panel import Panel, Status
from nnstrategies.typing import FloatArray

WINDOW = 20  # sessions


class Liquidity:
    """Average volume and volatility of the last 20 sessions before a session, row by row, as they are asked for."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._volumes: tuple[int, FloatArray] = (-1, np.empty(0))
        self._volatilities: tuple[int, FloatArray] = (-1, np.empty(0))

    def volume(self, t: int, column: int, price: float) -> float:
        """Mean turnover per traded session, in shares at ``price``, so that splits do not matter.

        Over the sessions of the window that traded; a stock back from a long suspension: over its last 20 that did.
        NaN before it has ever traded.
        """
        if self._volumes[0] != t:
            self._volumes = t, self._turnover(t)
        amount = float(self._volumes[1][column])
        if np.isnan(amount):
            amount = self._older(t, column)
        return amount / price

    def volatility(self, t: int, column: int) -> float:
        """Standard deviation of the daily returns in the window, dividends and splits taken out; NaN below two."""
        if self._volatilities[0] != t:
            self._volatilities = t, self._spread(t)
        return float(self._volatilities[1][column])

    def _turnover(self, t: int) -> FloatArray:
        """[N] mean of volume x close over the traded sessions of the window; NaN without one."""
        first = max(t - WINDOW, 0)
        panel = self._panel
        amount = panel["volume"][first:t] * panel["close"][first:t].astype(np.float64)  # [L, N]
        traded = (panel.status[first:t] == Status.TRADING) & np.isfinite(amount)
        amount = np.where(traded, amount, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean: FloatArray = amount.sum(axis=0) / traded.sum(axis=0)
        return mean

    def _older(self, t: int, column: int) -> float:
        panel = self._panel
        rows = np.flatnonzero(panel.status[:t, column] == Status.TRADING)[-WINDOW:]
        if not len(rows):
            return float("nan")
        return float(np.mean(panel["volume"][rows, column] * panel["close"][rows, column].astype(np.float64)))

    def _spread(self, t: int) -> FloatArray:
        panel = self._panel
        first = max(t - WINDOW - 1, 0)
        close = panel["close"][first:t].astype(np.float64)
        if "adj_factor" in panel:
            close = close * panel["adj_factor"][first:t]
        if len(close) < 3:
            return np.full(panel.N, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            returns = close[1:] / close[:-1] - 1.0  # [L, N], NaN before a listing
            known = np.isfinite(returns) & (panel.status[first + 1 : t] == Status.TRADING)
            count = known.sum(axis=0)
            mean = np.where(known, returns, 0.0).sum(axis=0) / count
            squares = np.where(known, (returns - mean) ** 2, 0.0).sum(axis=0)
            spread: FloatArray = np.sqrt(squares / np.where(count > 1, count - 1, np.nan))
        return spread
