"""An index of the Chinese market as a panel of one symbol, for models that time the market (S1)."""

from __future__ import annotations

from pathlib import Path

from nnstrategies.calendar import DateLike, to_day
from nnstrategies.errors import DataError
from nnstrategies.feeds.checks import LoadReport
from nnstrategies.feeds.china_tables import read_china_table, window
from nnstrategies.feeds.table import panel_from_table
from nnstrategies.panel import Panel

_COLUMNS = ["date", "symbol", "open", "high", "low", "close", "volume"]
_LOST = "no model can time the market (tasks with subject: benchmark, as S1 has)"


def load_china_index(
    folder: str | Path, start: DateLike, end: DateLike, index: str = "000300.SH", *, calendar: str = "XSHG"
) -> tuple[Panel, LoadReport]:
    """One symbol, the index (a price index: without dividends), its factor 1; series ``benchmark`` is its close.

    Raises MissingTableError without cn_index, DataError where it has no rows of the index in start..end.
    """
    first, last = to_day(start), to_day(end)
    wanted = [*window(first, last), ("symbol", "==", index)]
    table = read_china_table(Path(folder), "cn_index", _COLUMNS, _LOST, wanted)
    if table.empty:
        raise DataError(f"{Path(folder) / 'cn_index.parquet'}: no rows of {index} within {first}..{last}")
    table = table.assign(adj_factor=1.0, paused=False, symbol=table["symbol"].astype(object))
    return panel_from_table(
        table, calendar=calendar, name=f"{index} {first}..{last}", series={"benchmark": table[["date", "close"]]}
    )
