"""pyfolio's sheets of the headline portfolio, drawn without a display and kept as compact PNG images.

pyfolio mixes time zones: prices, positions and transactions are all given in UTC, which its transaction plots need.
Positions come from the run's own table, never from backtrader's analyzer (``get_pf_items`` keeps the last feed only).
"""

from __future__ import annotations

import base64
import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import matplotlib
import pandas as pd
from matplotlib.dates import AutoDateLocator

from nnstrategies.report.formats import DASH, percent, ratio
from nnstrategies.report.run_folder import RunFolder

DPI = 72
MIN_SESSIONS = 130  # pyfolio's rolling six-month figures need this many
_PERCENT_ROWS = (
    "Annual return",
    "Cumulative returns",
    "Annual volatility",
    "Max drawdown",
    "Daily value at risk",
    "Alpha",
)


@dataclass(frozen=True)
class TearSheet:
    """Images as data URIs with a title each; tables as rows of text."""

    images: list[tuple[str, str]]
    stats: list[tuple[str, str]]
    drawdowns: list[list[str]]
    remark: str = ""


def tear_sheet(run: RunFolder) -> TearSheet:
    """Empty with a remark when the run is too short for pyfolio's rolling windows."""
    if len(run.returns) < MIN_SESSIONS:
        remark = f"pyfolio's rolling figures need {MIN_SESSIONS} sessions; this run has {len(run.returns)}."
        return TearSheet([], [], [], remark)
    with _quiet():
        import pyfolio.timeseries

        returns, benchmark = (_utc(run.returns[name]) for name in (run.headline, "benchmark"))
        positions, transactions = _positions(run), _transactions(run)
        stats = pyfolio.timeseries.perf_stats(returns, benchmark, positions, transactions)
        images = [("Returns", _returns_sheet(returns, benchmark))]
        if len(transactions):
            images.append(("Positions and transactions", _positions_sheet(returns, positions, transactions)))
        table = pyfolio.timeseries.gen_drawdown_table(returns, top=5)
    return TearSheet(images, _stats_rows(stats), _drawdown_rows(table))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Agg, and none of pyfolio's prints and warnings about its own use of other libraries."""
    matplotlib.use("Agg", force=True)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _utc(values: pd.Series) -> pd.Series:
    series = values.copy()
    series.index = pd.DatetimeIndex(series.index).tz_localize("UTC")
    return series


def _positions(run: RunFolder) -> pd.DataFrame:
    """Position values and cash [T, N + 1], zero where nothing is held."""
    table = run.positions.pivot_table(index="date", columns="symbol", values="value", aggfunc="sum")
    cash = run.account.set_index("date")["cash"]
    table = table.reindex(cash.index).fillna(0.0).assign(cash=cash)
    table.index = pd.DatetimeIndex(table.index).tz_localize("UTC")
    table.columns.name = None
    return table


def _transactions(run: RunFolder) -> pd.DataFrame:
    """Signed amounts: sells are negative whatever sign the run recorded."""
    fills = run.fills.sort_values("date", kind="stable")
    sign = 1 - 2 * (fills["side"].str.lower() == "sell").astype(int)
    table = pd.DataFrame({"amount": fills["size"].abs() * sign, "price": fills["price"], "symbol": fills["symbol"]})
    table.index = pd.DatetimeIndex(fills["date"]).tz_localize("UTC")
    return table


def _returns_sheet(returns: pd.Series, benchmark: pd.Series) -> str:
    from pyfolio import plotting

    panels: list[Callable[..., object]] = [
        lambda ax: plotting.plot_rolling_returns(returns, factor_returns=benchmark, ax=ax),
        lambda ax: plotting.plot_drawdown_periods(returns, top=5, ax=ax),
        lambda ax: plotting.plot_rolling_beta(returns, benchmark, ax=ax),
        lambda ax: plotting.plot_rolling_volatility(returns, factor_returns=benchmark, ax=ax),
        lambda ax: plotting.plot_annual_returns(returns, ax=ax),
        lambda ax: plotting.plot_return_quantiles(returns, ax=ax),
    ]
    return _sheet(panels)


def _positions_sheet(returns: pd.Series, positions: pd.DataFrame, transactions: pd.DataFrame) -> str:
    from pyfolio import plotting
    from pyfolio.pos import get_percent_alloc

    allocation = get_percent_alloc(positions)
    panels: list[Callable[..., object]] = [
        lambda ax: plotting.plot_exposures(returns, positions, ax=ax),
        lambda ax: plotting.plot_holdings(returns, allocation, ax=ax),
        lambda ax: plotting.plot_max_median_position_concentration(allocation, ax=ax),
        lambda ax: plotting.plot_turnover(returns, transactions, positions, ax=ax),
    ]
    return _sheet(panels)


def _sheet(panels: list[Callable[..., object]]) -> str:
    """Panels in two columns on white, as the data URI of a PNG."""
    import matplotlib.pyplot as plt
    from pyfolio import plotting

    rows = (len(panels) + 1) // 2
    with plotting.plotting_context(font_scale=1.0), plotting.axes_style():
        figure, axes = plt.subplots(rows, 2, figsize=(15, 4.6 * rows), layout="constrained")
        for panel, ax in zip(panels, axes.flat, strict=False):
            panel(ax=ax)
        for ax in axes.flat:
            ax.tick_params(axis="x", labelrotation=0)
            if isinstance(ax.xaxis.get_major_locator(), AutoDateLocator):
                ax.xaxis.set_major_locator(AutoDateLocator(maxticks=6))
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
        plt.close(figure)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _stats_rows(stats: pd.Series) -> list[tuple[str, str]]:
    return [(str(k), percent(float(v)) if k in _PERCENT_ROWS else ratio(float(v))) for k, v in stats.items()]


def _drawdown_rows(table: pd.DataFrame) -> list[list[str]]:
    rows = []
    for row in table.itertuples(index=False):
        depth, *dates, duration = row
        if pd.isna(depth):
            continue
        days = [DASH if pd.isna(day) else f"{pd.Timestamp(day):%Y-%m-%d}" for day in dates]
        rows.append([percent(-float(depth) / 100), *days, DASH if pd.isna(duration) else f"{int(duration)}"])
    return rows
