"""Check prices on the [N, T] grid, find each symbol's listing, and fill suspended and missing sessions."""

from __future__ import annotations

import numpy as np

from nnstrategies.feeds.checks import Cells, LoadReport
from nnstrategies.panel import PRICE_FIELDS, Status
from nnstrategies.typing import AnyArray, BoolArray

FLOWS = ("volume", "amount", "turnover")  # 0 on a session without trading
LIMITS = ("limit_up", "limit_down")  # never carried: a new session has new limits
TOLERANCE = 1e-5  # relative: rounding of float32 prices
_LOT_RATIOS = (1e-4, 1e-3, 1e-2, 1e-1, 1e1, 1e2, 1e3, 1e4)


def fill_listing(
    fields: dict[str, AnyArray], paused: BoolArray, present: BoolArray, cells: Cells, report: LoadReport
) -> AnyArray:
    """Mend ``fields`` [N, T] in place and return status [N, T]; raises DataError for impossible prices."""
    _refuse_impossible(fields, paused, cells, report.name)
    priced = np.logical_and.reduce([np.isfinite(fields[price]) for price in PRICE_FIELDS])  # [N, T]
    trading = priced & ~paused
    status = _status(trading, priced, paused, present, cells, report)
    _widen_ranges(fields, trading, cells, report)
    _mend_factor(fields["adj_factor"], trading, status, cells, report)
    _carry(fields, status, cells, report)
    _report_gaps(fields, status, cells, report)
    return status


def _refuse_impossible(fields: dict[str, AnyArray], paused: BoolArray, cells: Cells, name: str) -> None:
    prices = {price: fields[price] for price in PRICE_FIELDS}
    for price, values in prices.items():
        cells.refuse(name, values <= 0, f"{price} is not positive", prices, "correct or remove those rows")
    crossed = (prices["high"] < prices["low"] * (1 - TOLERANCE)) & ~paused
    cells.refuse(name, crossed, "high is below low", prices, "correct or remove those rows")
    for flow in FLOWS:
        if flow in fields:
            cells.refuse(name, fields[flow] < 0, f"{flow} is negative", {flow: fields[flow]}, "correct those rows")
    factor = fields["adj_factor"]
    cells.refuse(name, factor <= 0, "adj_factor is not positive", {"adj_factor": factor}, "correct those rows")


def _status(
    trading: BoolArray, priced: BoolArray, paused: BoolArray, present: BoolArray, cells: Cells, report: LoadReport
) -> AnyArray:
    """Listed from the first priced row to the last row that is priced or suspended."""
    t = np.arange(present.shape[1])
    ends = priced | paused
    first = np.where(priced.any(axis=1), np.argmax(priced, axis=1), present.shape[1])[:, None]
    last = (present.shape[1] - 1 - np.argmax(ends[:, ::-1], axis=1))[:, None]
    listed = (t >= first) & (t <= last)
    outside = present & ~listed
    report.repair("rows without prices before or after a listing", outside.sum(), cells.first(outside), "ignored")
    hollow = present & listed & ~priced & ~paused
    report.repair("NaN prices inside a listing", hollow.sum(), cells.first(hollow), "missing: last close repeated")
    absent = listed & ~present
    report.repair(
        "sessions without a row inside a listing", absent.sum(), cells.first(absent), "missing: last close repeated"
    )
    early = listed.any(axis=1) & (last[:, 0] < present.shape[1] - 1)
    example = cells.first((t == last) & early[:, None])
    report.caution("symbols whose rows end before the last session", early.sum(), example, "delisted from then on")
    status = np.full(present.shape, Status.MISSING, dtype=np.uint8)
    status[trading] = Status.TRADING
    status[paused] = Status.PAUSED
    status[t < first] = Status.UNLISTED
    status[(t > last) & (t >= first)] = Status.DELISTED
    return status


def _widen_ranges(fields: dict[str, AnyArray], trading: BoolArray, cells: Cells, report: LoadReport) -> None:
    for price in ("open", "close"):
        for bound, beyond in (("high", 1.0), ("low", -1.0)):
            value, limit = fields[price], fields[bound]
            outside = trading & ((value - limit) * beyond > limit * TOLERANCE)
            if outside.any():
                first = cells.first(outside)
                report.repair(f"{price} beyond {bound}", outside.sum(), first, f"{bound} moved to the {price}")
                limit[outside] = value[outside]


def _mend_factor(factor: AnyArray, trading: BoolArray, status: AnyArray, cells: Cells, report: LoadReport) -> None:
    """Carry adj_factor forward over NaN; without a first one the listing cannot be adjusted."""
    listed = (status != Status.UNLISTED) & (status != Status.DELISTED)
    unknown = listed & ~np.isfinite(factor)
    if not unknown.any():
        return
    mend = "fill it in (1 where there was no split or dividend yet)"
    starts = listed & ~np.maximum.accumulate(listed & np.isfinite(factor), axis=1)
    cells.refuse(report.name, starts, "adj_factor is empty at the start of a listing", {"adj_factor": factor}, mend)
    hollow = unknown & trading
    report.repair("NaN in adj_factor", hollow.sum(), cells.first(hollow), "last factor repeated")
    columns = np.where(unknown, 0, np.arange(factor.shape[1]))
    np.maximum.accumulate(columns, axis=1, out=columns)
    row, t = np.nonzero(unknown)
    factor[row, t] = factor[row, columns[row, t]]


def _carry(fields: dict[str, AnyArray], status: AnyArray, cells: Cells, report: LoadReport) -> None:
    """Fill PAUSED and MISSING cells from the last trading session (from the listing's first row when there is none)."""
    listed = (status != Status.UNLISTED) & (status != Status.DELISTED)
    trading = status == Status.TRADING
    for values in fields.values():
        values[~listed] = np.nan
    row, t = np.nonzero(listed & ~trading)
    source = _last_trading(trading, listed)[row, t]
    close = fields["close"]
    last_close, own_close = close[row, source], close[row, t]
    moved = np.zeros(status.shape, dtype=bool)
    moved[row, t] = np.abs(own_close - last_close) > last_close * TOLERANCE
    factor = fields["adj_factor"]
    stepped = np.zeros(status.shape, dtype=bool)
    stepped[row, t] = np.abs(factor[row, t] - factor[row, source]) > factor[row, source] * TOLERANCE
    for mask, why in ((moved & stepped, " (ex-dates in a suspension)"), (moved & ~stepped, "")):
        kind = f"suspended rows with another close{why}"
        report.repair(kind, mask.sum(), cells.first(mask), "last close and factor repeated until trading resumes")
    busy = (status == Status.PAUSED) & (fields["volume"] > 0)
    report.repair("suspended rows with volume", busy.sum(), cells.first(busy), "volume set to 0")
    for name, values in fields.items():
        if name in (*PRICE_FIELDS, "pre_close"):
            values[row, t] = last_close
        elif name in FLOWS:
            values[row, t] = 0
        elif name == "adj_factor":
            values[row, t] = values[row, source]
        elif name not in LIMITS:
            values[row, t] = np.where(np.isnan(values[row, t]), values[row, source], values[row, t])


def _last_trading(trading: BoolArray, listed: BoolArray) -> AnyArray:
    """[N, T] the last trading session up to each one; the first listed session before there is any."""
    first = np.argmax(listed, axis=1).astype(np.int32)[:, None]
    at = np.where(trading, np.arange(trading.shape[1], dtype=np.int32), first)
    return np.maximum.accumulate(at, axis=1)


def _report_gaps(fields: dict[str, AnyArray], status: AnyArray, cells: Cells, report: LoadReport) -> None:
    """Count what is left: NaN volume is mended, NaN in other fields is kept and said; a wrong unit is pointed out."""
    trading = status == Status.TRADING
    for name, values in fields.items():
        hollow = trading & np.isnan(values)
        if name == "volume":
            report.repair("NaN in volume", hollow.sum(), cells.first(hollow), "set to 0")
            values[hollow] = 0
        else:
            report.caution(f"NaN in {name}", hollow.sum(), cells.first(hollow), "kept")
    if "amount" in fields:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = fields["amount"] / (fields["volume"] * fields["close"])
        ratio = ratio[trading & np.isfinite(ratio)]
        typical = float(np.median(ratio)) if len(ratio) else 1.0
        if any(abs(typical / lots - 1) < 0.1 for lots in _LOT_RATIOS):
            mend = "kept; volume is expected in shares and amount in currency, check the units"
            report.caution("unit of volume or amount", 1, f"amount / (volume x close) is typically {typical:g}", mend)
