"""Performance figures of daily simple returns, equal to empyrical's where it has them.

Every function takes float64 arrays [T] of simple returns per session (0.01 = 1 %), without NaN, and returns a float;
NaN means that the figure is not defined (too few sessions, no variation). The risk-free rate is zero
throughout. A year is 252 sessions. ``definitions`` holds the text of each figure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from nnstrategies.report.run_folder import DIVIDEND_TAX, RunFolder
from nnstrategies.typing import FloatArray

SESSIONS_PER_YEAR = 252
Metric = float | str | None


def total_return(returns: FloatArray) -> float:
    return float(np.prod(1 + returns) - 1) if len(returns) else math.nan


def annual_return_arithmetic(returns: FloatArray) -> float:
    return float(np.mean(returns) * SESSIONS_PER_YEAR) if len(returns) else math.nan


def annual_return_geometric(returns: FloatArray) -> float:
    """Compound annual growth rate; empyrical ``annual_return`` and ``cagr``."""
    if not len(returns):
        return math.nan
    return float(np.prod(1 + returns) ** (SESSIONS_PER_YEAR / len(returns)) - 1)


def _deviation(returns: FloatArray) -> float:
    """Sample standard deviation, exactly 0 for equal values (the mean of equal floats may differ in the last bit)."""
    if len(returns) < 2:
        return math.nan
    return 0.0 if np.ptp(returns) == 0 else float(np.std(returns, ddof=1))


def _ratio(numerator: float, denominator: float) -> float:
    """IEEE division: x / 0 is infinite, 0 / 0 is NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.float64(numerator) / np.float64(denominator))


def volatility(returns: FloatArray) -> float:
    return _deviation(returns) * math.sqrt(SESSIONS_PER_YEAR)


def sharpe(returns: FloatArray) -> float:
    if len(returns) < 2:
        return math.nan
    return _ratio(float(np.mean(returns)), _deviation(returns)) * math.sqrt(SESSIONS_PER_YEAR)


def downside_risk(returns: FloatArray) -> float:
    """Root mean square of the negative returns over all sessions, annualised; target return zero."""
    if not len(returns):
        return math.nan
    return float(np.sqrt(np.mean(np.minimum(returns, 0) ** 2)) * math.sqrt(SESSIONS_PER_YEAR))


def sortino(returns: FloatArray) -> float:
    if len(returns) < 2:
        return math.nan
    return _ratio(annual_return_arithmetic(returns), downside_risk(returns))


def drawdowns(returns: FloatArray) -> FloatArray:
    """Net value over its highest value so far, minus 1: [T], <= 0; the starting capital counts as the first peak."""
    value = np.concatenate([[1.0], np.cumprod(1 + returns)])
    return (value / np.maximum.accumulate(value) - 1)[1:]


def max_drawdown(returns: FloatArray) -> float:
    return float(drawdowns(returns).min()) if len(returns) else math.nan


def drawdown_rows(returns: FloatArray) -> tuple[int, int, int | None] | None:
    """Rows of peak, trough and recovery of the deepest drawdown; None without a loss.

    The peak is -1 when it is the starting capital, before the first return. The recovery is the first row on which the
    net value is back at the peak's, None when it never is.
    """
    depth = drawdowns(returns)
    if not len(depth) or depth.min() >= 0:
        return None
    trough = int(depth.argmin())
    value = np.concatenate([[1.0], np.cumprod(1 + returns)])
    peak = int(value[: trough + 2].argmax()) - 1
    back = np.flatnonzero(value[trough + 2 :] >= value[peak + 1])
    return peak, trough, (trough + 1 + int(back[0]) if len(back) else None)


def calmar(returns: FloatArray) -> float:
    worst = max_drawdown(returns)
    return annual_return_geometric(returns) / -worst if worst < 0 else math.nan


def tracking_error(returns: FloatArray, benchmark: FloatArray) -> float:
    return volatility(returns - benchmark)


def information_ratio(returns: FloatArray, benchmark: FloatArray) -> float:
    """Annualised: empyrical ``excess_sharpe`` (per session) times the square root of 252."""
    return sharpe(returns - benchmark)


def beta(returns: FloatArray, benchmark: FloatArray) -> float:
    if len(benchmark) < 2:
        return math.nan
    centred = benchmark - benchmark.mean()
    variance = float(np.mean(centred**2))
    return float(np.mean(centred * returns)) / variance if variance >= 1e-30 else math.nan


def alpha(returns: FloatArray, benchmark: FloatArray) -> float:
    """Mean daily return not explained by beta, compounded to a year (empyrical ``alpha``, risk-free rate zero)."""
    if len(returns) < 2:
        return math.nan
    rest = float(np.mean(returns - beta(returns, benchmark) * benchmark))
    return float((1 + rest) ** SESSIONS_PER_YEAR - 1)


def skew(returns: FloatArray) -> float:
    return float(stats.skew(returns)) if len(returns) > 1 and np.ptp(returns) > 0 else math.nan


def excess_kurtosis(returns: FloatArray) -> float:
    return float(stats.kurtosis(returns)) if len(returns) > 1 and np.ptp(returns) > 0 else math.nan


def win_rate(returns: FloatArray) -> float:
    return float(np.mean(returns > 0)) if len(returns) else math.nan


def monthly_returns(returns: pd.Series) -> pd.Series:
    """Compounded return of each calendar month, index of month periods; the first and last may be part months."""
    months = pd.DatetimeIndex(returns.index).to_period("M")
    return (1 + returns).groupby(months).prod() - 1


def one_sided_turnover(traded: float, mean_value: float, sessions: int) -> float:
    """Half of bought and sold value over the mean account value, per 252 sessions; first purchase included."""
    return _ratio(traded / 2, mean_value) * _ratio(SESSIONS_PER_YEAR, sessions)


def portfolio_metrics(returns: pd.Series, benchmark: pd.Series, equal_weight: pd.Series) -> dict[str, float | str]:
    """All figures of one portfolio; ``returns``, ``benchmark`` and ``equal_weight`` share one date index [T].

    Dates are ISO text, ``""`` where there is none (no drawdown, not yet recovered).
    """
    r, b, e = (x.to_numpy(dtype=np.float64) for x in (returns, benchmark, equal_weight))
    dates = [f"{day:%Y-%m-%d}" for day in returns.index]
    rows = drawdown_rows(r)
    peak, trough, recovery = rows if rows else (None, None, None)
    months = monthly_returns(returns).to_numpy(dtype=np.float64)
    return {
        "total_return": total_return(r),
        "annual_return_arithmetic": annual_return_arithmetic(r),
        "annual_return_geometric": annual_return_geometric(r),
        "volatility": volatility(r),
        "sharpe": sharpe(r),
        "sortino": sortino(r),
        "calmar": calmar(r),
        "downside_risk": downside_risk(r),
        "max_drawdown": max_drawdown(r),
        "max_drawdown_peak": "" if peak is None else dates[max(peak, 0)],
        "max_drawdown_trough": "" if trough is None else dates[trough],
        "max_drawdown_recovery": "" if recovery is None else dates[recovery],
        "alpha": alpha(r, b),
        "beta": beta(r, b),
        "tracking_error": tracking_error(r, b),
        "information_ratio": information_ratio(r, b),
        "excess_over_equal_weight": annual_return_geometric(r) - annual_return_geometric(e),
        "tracking_error_equal_weight": tracking_error(r, e),
        "information_ratio_equal_weight": information_ratio(r, e),
        "win_rate_days": win_rate(r),
        "win_rate_months": win_rate(months),
        "skew": skew(r),
        "excess_kurtosis": excess_kurtosis(r),
        "skew_months": skew(months),
        "excess_kurtosis_months": excess_kurtosis(months),
    }


def run_metrics(run: RunFolder) -> dict[str, dict[str, Metric]]:
    """Figures of every column of returns.parquet, in its order; undefined figures and absent dates are None.

    Every portfolio that traded also has its turnover and sales, the headline its costs per year, which need its fills.
    """
    result: dict[str, dict[str, Metric]] = {}
    for name in run.portfolios:
        figures = portfolio_metrics(run.returns[name], run.returns["benchmark"], run.returns["equal_weight"])
        result[name] = {key: _json_value(value) for key, value in figures.items()}
    for row in run.trades[run.trades["portfolio"].isin(run.portfolios)].to_dict("records"):
        result[str(row["portfolio"])] |= {key: _json_value(value) for key, value in _of_trades(row).items()}
    result[run.headline] |= {key: _json_value(value) for key, value in _trading_metrics(run).items()}
    return result


def _of_trades(row: Mapping[Any, Any]) -> dict[str, float]:
    return {
        "turnover": one_sided_turnover(row["traded"], row["mean_value"], int(row["sessions"])),
        "win_rate_sales": _ratio(row["won"], row["sales"]),
        "sales": float(row["sales"]),
    }


def _trading_metrics(run: RunFolder) -> dict[str, float]:
    tax = run.ledger["amount"][run.ledger["account"] == DIVIDEND_TAX].sum()
    return {
        "fees_per_year": per_year(run, float(run.fills["fee"].sum())),
        "slippage_per_year": per_year(run, float(run.fills["slippage_cost"].sum())),
        "dividend_tax_per_year": per_year(run, float(tax)),
        "blocked_cost_per_year": per_year(run, float(run.blocked["cost"].sum())),
    }


def per_year(run: RunFolder, amount: float) -> float:
    """An amount of currency as a fraction of the mean account value, per 252 sessions."""
    return _ratio(amount, float(run.account["value"].mean()) * len(run.account) / SESSIONS_PER_YEAR)


def _json_value(value: float | str) -> Metric:
    if isinstance(value, str):
        return value or None
    return value if math.isfinite(value) else None


def metrics_bytes(metrics: dict[str, dict[str, Metric]]) -> bytes:
    """The content of metrics.json: strict JSON (no NaN), UTF-8, the same bytes for the same figures."""
    return (json.dumps(metrics, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()
