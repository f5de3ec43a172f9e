"""Small seeded panels for the identity suite: plain, ragged, suspended, with holes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnstrategies.panel import Panel, Status
from nnstrategies.typing import AnyArray

BARS = ("open", "high", "low", "close")


def walks(
    symbols: int = 3, sessions: int = 40, seed: int = 0, *, volatility: float = 0.02, tick: float = 0.01
) -> Panel:
    """Random walks on a price grid, so that limits and stops are often met exactly; a score for each bar."""
    draw = np.random.default_rng(seed)
    shape = (sessions, symbols)
    close = 20 * np.exp(np.cumsum(draw.normal(0, volatility, shape), axis=0))
    open_ = np.vstack([close[:1], close[:-1]]) * np.exp(draw.normal(0, volatility / 3, shape))
    reach = np.abs(draw.normal(0, volatility / 2, (2, *shape)))
    bars = {
        "open": open_,
        "high": np.maximum(open_, close) * (1 + reach[0]),
        "low": np.minimum(open_, close) * (1 - reach[1]),
        "close": close,
    }
    fields = {name: np.maximum(np.round(values / tick) * tick, tick) for name, values in bars.items()}
    fields |= {"volume": draw.integers(0, 400, shape).astype(np.float64), "score": draw.normal(size=shape)}
    return _panel(fields, np.full(shape, Status.TRADING))


def ragged(symbols: int = 5, sessions: int = 45, seed: int = 1) -> Panel:
    """Symbol 1 is listed late, 2 ends early, 3 is suspended twice, 4 never trades; NaN where there is no bar."""
    panel = walks(symbols, sessions, seed)
    status = np.array(panel.status)
    status[:9, 1] = Status.UNLISTED
    status[-11:, 2] = Status.DELISTED
    status[12:17, 3] = status[30:32, 3] = Status.PAUSED
    if symbols > 4:
        status[:, 4] = Status.UNLISTED
    return with_status(panel, status)


def with_status(panel: Panel, status: AnyArray) -> Panel:
    """The panel with bars as these statuses ask: the last close and no volume when paused, NaN when not listed."""
    fields = {name: np.array(panel[name]) for name in panel.field_names}
    stopped = (status == Status.PAUSED) | (status == Status.MISSING)
    for t, n in zip(*np.nonzero(stopped), strict=True):
        for name in BARS:
            fields[name][t, n] = fields["close"][t - 1, n] if t else np.nan
        fields["volume"][t, n] = 0.0
    away = (status == Status.UNLISTED) | (status == Status.DELISTED)
    for values in fields.values():
        values[away] = np.nan
    return _panel(fields, status)


def with_holes(panel: Panel, holes: dict[str, list[tuple[int, int]]]) -> Panel:
    """The panel with NaN at (row, column) of the named fields, as a careless source delivers them."""
    fields = {name: np.array(panel[name]) for name in panel.field_names}
    for name, places in holes.items():
        for row, column in places:
            fields[name][row, column] = np.nan
    return _panel(fields, np.array(panel.status))


def as_dtype(panel: Panel, dtype: str) -> Panel:
    """The panel stored in another type, float32 as vendors deliver it."""
    return _panel({name: panel[name].astype(dtype) for name in panel.field_names}, np.array(panel.status))


def frame(panel: Panel, symbol: str, keep: AnyArray | None = None) -> pd.DataFrame:
    """One symbol's bars as the table bt.feeds.PandasData reads; ``keep`` picks the rows."""
    column = panel.column(symbol)
    table = pd.DataFrame(
        {name: panel[name][:, column].astype(np.float64) for name in (*BARS, "volume")},
        index=pd.DatetimeIndex(panel.sessions.astype("datetime64[ns]")),
    )
    return table if keep is None else table[keep]


def _panel(fields: dict[str, AnyArray], status: AnyArray) -> Panel:
    days = pd.bdate_range("2020-01-06", periods=len(status)).to_numpy().astype("datetime64[D]")
    return Panel(days, [f"S{n}" for n in range(status.shape[1])], fields, status, name="identity")
