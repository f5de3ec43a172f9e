"""Tables beside the prices: benchmark series, index membership, corporate actions, listings, fundamentals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from nnstrategies.errors import DataError, MissingTableError
from nnstrategies.event_table import as_days, require_columns
from nnstrategies.feeds.checks import LoadReport
from nnstrategies.feeds.columns import read_days, require_numbers
from nnstrategies.panel import Panel
from nnstrategies.typing import AnyArray, DateArray, FloatArray

SeriesLike = pd.Series | pd.DataFrame | AnyArray
DELISTING_KINDS = ("delisting", "merger")
_DATES = ["known_at", "ex_date", "listed", "last_day", "period_end"]


def align_series(series: Mapping[str, SeriesLike], sessions: DateArray, report: LoadReport) -> dict[str, FloatArray]:
    """Return name -> [T]: dated values (a Series indexed by date, or a frame date, close) put on the sessions.

    A session without a value between others repeats the one before (counted); before the first value, and after the
    last, it stays NaN (counted).
    Raises DataError for duplicate dates, text, an array of another length, or a benchmark of 0 or less.
    """
    aligned = {key: _align(values, sessions, f"series {key}", report) for key, values in series.items()}
    close = aligned.get("benchmark", np.ones(1))
    if (close <= 0).any():
        at = int(np.argmax(close <= 0))
        raise DataError(
            f"{report.name}: series benchmark: close: expected values above 0, got {close[at]:g} on {sessions[at]};"
            " correct it, or leave the row out to repeat the value before"
        )
    return aligned


def _align(values: SeriesLike, sessions: DateArray, label: str, report: LoadReport) -> FloatArray:
    if isinstance(values, np.ndarray):
        if values.shape != sessions.shape:
            raise DataError(f"{report.name}: {label}: expected {len(sessions)} values, got shape {values.shape}")
        return require_numbers(pd.Series(values), f"{report.name}: {label}")
    if isinstance(values, pd.DataFrame):
        require_columns(values, ("date", "close"), f"{report.name}: {label}")
        values = values.set_index("date")["close"]
    days = read_days(values.index.to_series(), f"{report.name}: {label}: date")
    dated = pd.Series(require_numbers(values, f"{report.name}: {label}: close"), index=days.astype("datetime64[s]"))
    if dated.index.has_duplicates:
        again = dated.index[dated.index.duplicated()][0]
        raise DataError(f"{report.name}: {label}: {again.date()} appears twice; keep one row a date")
    aligned = dated.reindex(sessions.astype("datetime64[s]")).to_numpy(copy=True)
    hollow = np.isnan(aligned)
    if hollow.all():
        raise DataError(f"{report.name}: {label}: no value on any session of {sessions[0]}..{sessions[-1]}")
    begin, end = np.flatnonzero(~hollow)[[0, -1]]
    report.caution(f"{label}: sessions before its first value", begin, str(sessions[0]), "kept as NaN")
    later = len(sessions) - 1 - end
    report.caution(f"{label}: sessions after its last value", later, str(sessions[-later]), "kept as NaN")
    hollow[:begin] = hollow[end + 1 :] = False
    at = sessions[int(np.argmax(hollow))]
    report.repair(f"{label}: sessions without a value", hollow.sum(), str(at), "last value repeated")
    return np.asarray(pd.Series(aligned).ffill(limit_area="inside"), dtype=np.float64)


def known_events(
    events: Mapping[str, pd.DataFrame], symbols: tuple[str, ...], report: LoadReport
) -> dict[str, pd.DataFrame]:
    """Return event tables with ``known_at`` as dates; rows of symbols without prices are dropped and counted.

    Raises DataError for a table none of whose symbols has prices: they are probably written in another way.
    """
    kept = {}
    for key, table in events.items():
        label = f"{report.name}: events {key}"
        require_columns(table, ("known_at",), label)
        table = table.copy()
        for column in table.columns.intersection(_DATES):
            table[column] = read_days(table[column], f"{label}: {column}").astype("datetime64[s]")
        if table["known_at"].isna().any():
            raise DataError(f"{label}: known_at is empty in {int(table['known_at'].isna().sum()):,} rows; fill it in")
        if "symbol" in table.columns:
            strange = ~table["symbol"].isin(symbols)
            if strange.any() and strange.all():
                _refuse_strangers(table["symbol"], symbols, label)
            first = str(table.loc[strange, "symbol"].iloc[0]) if strange.any() else ""
            report.repair(f"events {key}: rows of symbols without prices", strange.sum(), first, "dropped")
            table = table[~strange]
        kept[key] = table.reset_index(drop=True)
    return kept


def _refuse_strangers(named: pd.Series, symbols: tuple[str, ...], label: str) -> None:
    there = ", ".join(map(str, named.drop_duplicates()[:3]))
    raise DataError(
        f"{label}: none of its symbols has prices, first {there}; the prices have {', '.join(symbols[:3])}:"
        " write the symbols in the same way in both tables"
    )


def check_listing_days(panel: Panel, report: LoadReport) -> None:
    """Hold the event tables ``listings`` and ``delistings`` against the prices.

    Raises DataError for a symbol that trades before it was listed or after its last day. Prices that begin after the
    listing day are a caution, and so is a merger without a price.
    """
    if "listings" in panel.event_names:
        _check_listed(panel, report)
    if "delistings" in panel.event_names:
        table = panel.events("delistings")
        _report_unpaid(table, report)
        for symbol, last in zip(table["symbol"], as_days(table["last_day"]), strict=True):
            traded = panel.sessions[panel.trading[:, panel.column(symbol)]]
            if len(traded) and traded[-1] > last:
                raise DataError(
                    f"{report.name}: events delistings: {symbol}: last_day: expected the last day of trading, got"
                    f" {last}, but it trades on {traded[-1]}; correct one of the two"
                )


def _report_unpaid(table: pd.DataFrame, report: LoadReport) -> None:
    unpaid = table[(table["kind"] == "merger") & table["price"].isna()]
    first = f"{unpaid['symbol'].iloc[0]} {unpaid['last_day'].iloc[0].date()}" if len(unpaid) else ""
    mend = "kept: holders are paid nothing; fill in what a share was worth"
    report.caution("events delistings: mergers without a price", len(unpaid), first, mend)


def _check_listed(panel: Panel, report: LoadReport) -> None:
    table = panel.events("listings")
    late = []
    for symbol, listed in zip(table["symbol"], as_days(table["listed"]), strict=True):
        first = int(np.argmax(panel.listed[:, panel.column(symbol)]))
        if panel.sessions[first] < listed:
            raise DataError(
                f"{report.name}: events listings: {symbol}: listed: expected the first day of trading, got {listed},"
                f" but its prices begin on {panel.sessions[first]}; correct one of the two"
            )
        if listed >= panel.sessions[0] and np.searchsorted(panel.sessions, listed) < first:
            late.append(f"{symbol} {panel.sessions[first]}")
    mend = "kept: the rules of its first sessions are applied to the first prices there are"
    report.caution("events listings: prices begin after the listing day", len(late), (late or [""])[0], mend)


def membership_events(spans: pd.DataFrame, label: str) -> pd.DataFrame:
    """Turn spans symbol, start, end into events symbol, known_at, member.

    ``end`` is the first day on which the symbol is no member any more; empty while it is still one. Overlapping spans
    of a symbol raise DataError, because the first end would cut the second span short.
    """
    require_columns(spans, ("symbol", "start", "end"), label)
    table = pd.DataFrame({"symbol": spans["symbol"].astype(object)})
    for side in ("start", "end"):
        table[side] = read_days(spans[side], f"{label}: {side}").astype("datetime64[s]")
    if table["start"].isna().any():
        raise DataError(f"{label}: start is empty for {table.loc[table['start'].isna(), 'symbol'].iloc[0]}")
    table = table.sort_values(["symbol", "start"], kind="stable")
    former_end = table.groupby("symbol")["end"].shift()
    again = table["symbol"].duplicated()
    wrong = (table["end"] <= table["start"]) | (again & ~(former_end <= table["start"]))
    if wrong.any():
        row = table[wrong].iloc[0]
        span = f"{row['start'].date()}..{'' if pd.isna(row['end']) else row['end'].date()}"
        raise DataError(f"{label}: {row['symbol']}: span {span} is empty or overlaps the one before it; correct it")
    joins = pd.DataFrame({"symbol": table["symbol"], "known_at": table["start"], "member": True})
    leaves = pd.DataFrame({"symbol": table["symbol"], "known_at": table["end"], "member": False})
    leaves = leaves[leaves["known_at"].notna()]
    # a leave comes before a join on the same day: the stable sort of Panel keeps this order
    return pd.concat([leaves, joins], ignore_index=True).sort_values(["known_at", "symbol"], kind="stable")


def missing_table(path: object, columns: str, lost: str) -> MissingTableError:
    """The error for a table that is not there: where to put it, its columns, what is lost without it."""
    return MissingTableError(f"{path}: table not found; put it there with columns {columns}; without it {lost}")
