"""A rough panel that also has what features read beside prices: turnover, float, fundamentals, macro series, news."""

from __future__ import annotations

import numpy as np
import pandas as pd
from causality import rough_panel

from nnstrategies.features import fundamental, macro
from nnstrategies.panel import Panel
from nnstrategies.typing import AnyArray


def input_panel(symbols: int = 6, sessions: int = 520, seed: int = 3) -> Panel:
    """Quarterly reports and monthly ratios of each symbol, monthly macro series on a high level, news on some days."""
    plain = rough_panel(symbols, sessions, seed, pause_rate=0.03)
    rng = np.random.default_rng(seed)
    fields = {key: plain[key] for key in plain.field_names}
    fields["amount"] = fields["volume"] * fields["close"]
    fields["float_shares"] = np.where(plain.listed, 1e8, np.nan) * plain["adj_factor"]
    events = {key: plain.events(key) for key in plain.event_names}
    events["fundamentals"] = pd.concat([_reports(plain, rng), _ratios(plain, rng)], ignore_index=True)
    known = plain.sessions[0] + 30 * np.arange(-2, sessions // 20).astype("timedelta64[D]")
    series = {name: 1e6 + rng.normal(0, 1, len(known)).cumsum() for name in macro.SERIES}
    events["macro"] = pd.DataFrame({"known_at": known.astype("datetime64[s]"), **series})
    keys = [(symbol, day) for symbol in plain.symbols for day in plain.sessions[:: 3 + seed % 2]]
    measures = {name: rng.normal(size=len(keys)) for name in macro.MEASURES}
    events["news"] = _table(keys, ["symbol", "known_at"]).assign(**measures)
    return Panel(plain.sessions, plain.symbols, fields, plain.status, plain.series, events, plain.name)


def _reports(panel: Panel, rng: np.random.Generator) -> pd.DataFrame:
    quarters = np.arange(-4, panel.T // 60 + 1)
    ends = panel.sessions[0] + 91 * quarters.astype("timedelta64[D]")
    keys = [(symbol, end + int(rng.integers(20, 60)), end) for symbol in panel.symbols for end in ends]
    items = [item for group, names in fundamental.GROUPS.items() if group != "value" for item in names]
    return _table(keys).assign(**{item: rng.normal(5, 4, len(keys)) for item in items})


def _ratios(panel: Panel, rng: np.random.Generator) -> pd.DataFrame:
    months = panel.sessions[0] + 29 * np.arange(-2, panel.T // 19).astype("timedelta64[D]")
    keys = [(symbol, month, month) for symbol in panel.symbols for month in months]
    return _table(keys).assign(**{item: rng.normal(5, 4, len(keys)) for item in fundamental.GROUPS["value"]})


def _table(keys: list[tuple[object, ...]], columns: list[str] | None = None) -> pd.DataFrame:
    columns = columns or ["symbol", "known_at", "period_end"]
    return pd.DataFrame(keys, columns=columns).astype(dict.fromkeys(columns[1:], "datetime64[s]"))


def with_events(panel: Panel, **changed: pd.DataFrame | None) -> Panel:
    """The panel with some event tables replaced, or left out (None)."""
    events = {key: panel.events(key) for key in panel.event_names} | changed
    fields = {key: panel[key] for key in panel.field_names}
    kept = {key: table for key, table in events.items() if table is not None}
    return Panel(panel.sessions, panel.symbols, fields, panel.status, panel.series, kept, panel.name)


def with_fields(panel: Panel, **changed: AnyArray | None) -> Panel:
    """The panel with some fields replaced, or left out (None)."""
    fields = {key: panel[key] for key in panel.field_names} | changed
    events = {key: panel.events(key) for key in panel.event_names}
    kept = {key: values for key, values in fields.items() if values is not None}
    return Panel(panel.sessions, panel.symbols, kept, panel.status, panel.series, events, panel.name)
