"""The CSI 300 panel from a folder of Parquet tables of the Chinese market: members by date, dead companies included.

cn_daily holds raw prices with adj_factor of stocks that are still listed; cn_delisted adds forward-adjusted prices of
some that are not; cn_index the index; cn_membership who was a member when; cn_basics turnover value and float.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from nnstrategies.calendar import DateLike, to_day
from nnstrategies.errors import DataError
from nnstrategies.feeds.checks import Cells, LoadReport
from nnstrategies.feeds.china_inputs import add_basics, monthly_fundamentals
from nnstrategies.feeds.china_tables import read_china_table, window, without_prices
from nnstrategies.feeds.columns import read_days
from nnstrategies.feeds.industries import check_industries, china_industries
from nnstrategies.feeds.read_file import PathLike
from nnstrategies.feeds.side_inputs import read_fundamentals, read_macro, read_news
from nnstrategies.feeds.side_tables import membership_events
from nnstrategies.feeds.table import panel_from_table
from nnstrategies.panel import Panel
from nnstrategies.typing import AnyArray, FloatArray

_PRICES = ["date", "symbol", "open", "high", "low", "close", "volume", "pre_close", "paused", "is_st"]
_RAW = [*_PRICES, "adj_factor", "limit_up", "limit_down"]
_LIMIT, _ST_LIMIT = 0.10, 0.05  # daily price limit of main-board stocks, and of those under special treatment
_HALF_CENT = 0.0051
_FACTOR_TOLERANCE = 0.005  # relative: above what rounding pre_close to the cent can explain


def load_china(
    folder: str | Path,
    start: DateLike,
    end: DateLike,
    index: str = "000300.SH",
    *,
    symbols: Sequence[str] = (),
    delisted: bool = True,
    basics: bool = False,
    fundamentals: PathLike | None = None,
    macro: PathLike | None = None,
    news: PathLike | None = None,
    industries: PathLike | None = None,
    leaky_members_on: DateLike | None = None,
    calendar: str = "XSHG",
) -> tuple[Panel, LoadReport]:
    """Panel of every stock that was a member of ``index`` at some time within start..end and has prices.

    Series ``benchmark`` is the index close (a price index: without dividends). Events ``membership`` are the spans of
    cn_membership: a span's start is the first day inside, its end the first day outside, as the tables themselves
    show (with the end excluded 300 names are counted on change days, with the end included 302 to 331).
    symbols: these stocks alone, whether members or not, as long as they are listed; DataError where one has no prices.
    delisted: add cn_delisted, whose prices are forward-adjusted: factor 1, limits estimated from pre_close, lots
    approximate; events ``adjusted_prices`` name these stocks, so that ``MarketRules`` takes their limits from the
    panel. limit_up and limit_down of all others are the vendor's; the rule book decides. is_st is NaN where unknown.
    There are no events ``delistings``: no table says what holders were paid, and a last close written there would
    pass for known; without them the broker pays out the last close and marks it assumed.
    basics: add fields amount, float_shares, pe, pb, ps and pcf from cn_basics (the first two also from cn_delisted).
    fundamentals, industries: ``monthly`` for cn_fundamentals_monthly, or a file as ``load_files`` takes it. macro,
    news: such files. leaky_members_on: those who were members that day, all along, as one has them who knows today's
    list only.
    The report's cautions count the members without prices by date (``survivorship`` names them), and the days on
    which adj_factor and pre_close disagree.
    Raises MissingTableError for a table that is not there, DataError for an unknown index or an empty window.
    """
    folder, first, last = Path(folder), to_day(start), to_day(end)
    report_name = f"csi300 {first}..{last}" if index == "000300.SH" else f"{index} {first}..{last}"
    spans = member_spans(folder, first, last, index, symbols, leaky_members_on)
    prices = _daily(folder, spans, first, last, symbols)
    notes = LoadReport(report_name)
    if basics:
        add_basics(folder, prices, first, last, notes)
    dead = _delisted(folder, spans, first, prices["date"].max(), notes) if delisted else prices.head(0)
    if absent := sorted(set(symbols) - set(prices["symbol"]) - set(dead["symbol"])):
        raise without_prices(folder, absent, first, last)
    if len(dead):
        prices = pd.concat([prices, dead.reindex(columns=prices.columns)], ignore_index=True)
    joins = membership_events(spans, f"{folder / 'cn_membership.parquet'}")
    known = joins["symbol"].isin(prices["symbol"].unique()) & (joins["known_at"] <= pd.Timestamp(last))
    events = {"membership": joins[known].reset_index(drop=True)}
    if len(dead):
        events["adjusted_prices"] = _adjusted_prices(dead)
    events |= _inputs(folder, prices, fundamentals, macro, news, notes)
    if industries is not None:
        events["industries"] = china_industries(industries, folder, prices["symbol"].unique(), last, notes)
    panel, report = panel_from_table(
        prices,
        calendar=calendar,
        name=report_name,
        series={"benchmark": _index_close(folder, index, first, last)},
        events=events,
    )
    report.problems.extend(notes.problems)
    _report_factors(panel, report)
    _report_survivorship(panel, spans, report)
    check_industries(panel, report)
    return panel, report


def _inputs(
    folder: Path,
    prices: pd.DataFrame,
    fundamentals: PathLike | None,
    macro: PathLike | None,
    news: PathLike | None,
    notes: LoadReport,
) -> dict[str, pd.DataFrame]:
    """Event tables that features read."""
    events = {}
    if fundamentals == "monthly":
        sessions = np.unique(prices["date"].to_numpy().astype("datetime64[D]"))
        events["fundamentals"] = monthly_fundamentals(folder, prices["symbol"].unique(), sessions, notes)
    elif fundamentals is not None:
        events["fundamentals"] = read_fundamentals(fundamentals)
    if macro is not None:
        events["macro"] = read_macro(macro)
    if news is not None:
        events["news"] = read_news(news)
    return events


def member_spans(
    folder: str | Path,
    start: DateLike,
    end: DateLike,
    index: str = "000300.SH",
    symbols: Sequence[str] = (),
    leaky_members_on: DateLike | None = None,
) -> pd.DataFrame:
    """Spans symbol, start, end of an index's members that touch start..end, from cn_membership; or of ``symbols``.

    leaky_members_on: of those of that day only, each from ``start`` on without an end.
    """
    folder, first, last = Path(folder), to_day(start), to_day(end)
    if symbols:
        always = pd.DataFrame({"symbol": np.array(symbols, dtype=object), "start": first.astype("datetime64[s]")})
        return always.assign(end=np.datetime64("NaT", "s"))
    lost = "nobody knows which stocks were in the index when"
    spans = read_china_table(folder, "cn_membership", ["index", "symbol", "start", "end"], lost, [])
    if index not in set(spans["index"]):
        known = ", ".join(sorted(set(spans["index"])))
        raise DataError(f"{folder / 'cn_membership.parquet'}: no index {index!r}; it has {known}")
    spans = spans[spans["index"] == index]
    joined, left = (read_days(spans[side], f"cn_membership: {side}") for side in ("start", "end"))
    spans = spans.assign(start=joined.astype("datetime64[s]"), end=left.astype("datetime64[s]"))
    if leaky_members_on is not None:
        when, day = f"on {leaky_members_on}", to_day(leaky_members_on)
        spans = spans[(joined <= day) & (np.isnat(left) | (left > day))].assign(start=first.astype("datetime64[s]"))
        spans["end"] = np.datetime64("NaT", "s")
    else:
        when = f"within {first}..{last}"
        spans = spans[(joined <= last) & (np.isnat(left) | (left > first))]
    if spans.empty:
        raise DataError(f"{folder / 'cn_membership.parquet'}: {index} has no members {when}")
    return spans[["symbol", "start", "end"]].astype({"symbol": object}).reset_index(drop=True)


def survivorship(spans: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    """What is left out of each session for want of prices: columns date, members, without_prices, symbols.

    spans: symbol, start, end (the first day outside, empty = still inside), as ``member_spans`` gives them. members:
    how many the index had; symbols: those of them that have no row that day, joined by a space. One row a session.
    """
    names = sorted(set(spans["symbol"]))
    inside = np.zeros((len(names), panel.T), dtype=bool)
    starts, ends = (panel.first_session_knowing(spans[side]) for side in ("start", "end"))  # NaT sorts last: row T
    for row, start, end in zip(np.searchsorted(names, spans["symbol"].to_numpy(str)), starts, ends, strict=True):
        inside[row, start:end] = True
    absent = inside.copy()
    for row in [row for row, name in enumerate(names) if name in panel.symbols]:
        absent[row] &= ~panel.members[:, panel.column(names[row])]
    joined = [" ".join(names[row] for row in np.flatnonzero(one)) for one in absent.T]
    return pd.DataFrame(
        {
            "date": pd.DatetimeIndex(panel.sessions.astype("datetime64[s]")),
            "members": inside.sum(axis=0),
            "without_prices": absent.sum(axis=0),
            "symbols": joined,
        }
    )


def _daily(
    folder: Path, spans: pd.DataFrame, first: np.datetime64, last: np.datetime64, chosen: Sequence[str]
) -> pd.DataFrame:
    wanted = [*window(first, last), ("symbol", "in", sorted(set(spans["symbol"])))]
    prices = read_china_table(folder, "cn_daily", _RAW, "there are no prices", wanted)
    if prices.empty and chosen:
        raise without_prices(folder, chosen, first, last)
    if prices.empty:
        raise DataError(
            f"{folder / 'cn_daily.parquet'}: no rows of the members within {first}..{last}; change data.start or "
            f"data.end"
        )
    return prices


def _delisted(
    folder: Path, spans: pd.DataFrame, first: np.datetime64, last: pd.Timestamp, notes: LoadReport
) -> pd.DataFrame:
    """Rows of cn_delisted in the columns of cn_daily and cn_basics, with factor 1 and estimated limits."""
    lost = "only survivors remain, which flatters every result; delisted=False, in a config data.delisted: false, "
    lost += "accepts that"
    rows = read_china_table(folder, "cn_delisted", [*_PRICES, "amount", "turn"], lost, window(first, to_day(last)))
    table_end = rows["date"].max()
    rows = rows[rows["symbol"].isin(set(spans["symbol"]))].reset_index(drop=True)
    if rows.empty:
        return rows
    share = np.where(rows["is_st"] == 1, _ST_LIMIT, _LIMIT)
    before = rows["pre_close"].to_numpy(np.float64)
    names = rows["symbol"].unique()
    notes.caution(
        "stocks with forward-adjusted prices only (cn_delisted)", len(names), names[0],
        "factor 1, raw prices unknown: lots, limits and dividends of these are approximate",
    )  # fmt: skip
    notes.repair(
        "limit_up and limit_down absent (cn_delisted)", len(rows), names[0],
        "estimated as pre_close plus or minus 10 % (5 % when is_st), or the day's high or low if within half a cent",
    )  # fmt: skip
    _report_ends(rows.groupby("symbol")["date"].max(), table_end, last, notes)
    return rows.assign(
        adj_factor=1.0,
        limit_up=_limit(before * (1 + share), rows["high"]),
        limit_down=_limit(before * (1 - share), rows["low"]),
        is_st=rows["is_st"].astype("Int8"),
        float_shares=(rows["volume"] / (rows["turn"] / 100)).astype(np.float64),
    )


def _report_ends(ends: pd.Series, table_end: pd.Timestamp, last: pd.Timestamp, notes: LoadReport) -> None:
    """Tell apart, by the last row of each symbol, stocks that left the exchange from those that the table cuts off."""
    gone, cut = ends[ends < table_end], ends[ends == table_end]
    notes.caution(
        "delisted stocks whose payout is unknown (cn_delisted)", len(gone), _first_end(gone),
        "what is held leaves at the last close, marked assumed",
    )  # fmt: skip
    if table_end < last:
        notes.caution(
            "stocks whose prices stop with the table cn_delisted", len(cut), _first_end(cut),
            "shown as delisted from then on, although many traded longer; what is held leaves at the last close, "
            "marked assumed",
        )  # fmt: skip


def _first_end(ends: pd.Series) -> str:
    return f"{ends.index[0]} {ends.iloc[0].date()}" if len(ends) else ""


def _adjusted_prices(rows: pd.DataFrame) -> pd.DataFrame:
    """Events symbol, known_at: the first session of each symbol in ``rows``, whose prices are adjusted ones."""
    first = rows.groupby("symbol", sort=True)["date"].min()
    return pd.DataFrame({"symbol": first.index.astype(object), "known_at": first.to_numpy()})


def _limit(estimate: FloatArray, extreme: pd.Series) -> AnyArray:
    """The day's extreme price where it lies within half a cent of the estimate, else the estimate rounded to the cent.

    In forward-adjusted prices the true limit is off the grid of cents, and a day that closed at it must not look
    tradable: the rounded estimate alone recognises 62 % of the closes at the limit, this 99 %.
    """
    price = extreme.to_numpy(np.float64)
    rounded = np.floor(estimate * 100 + 0.5 + 1e-6) / 100  # half a cent is rounded up, as the exchanges do
    return np.where(np.abs(price - estimate) <= _HALF_CENT, price, rounded).astype(np.float32)


def _index_close(folder: Path, index: str, first: np.datetime64, last: np.datetime64) -> pd.DataFrame:
    wanted = [*window(first, last), ("symbol", "==", index)]
    table = read_china_table(folder, "cn_index", ["date", "symbol", "close"], "there is no benchmark", wanted)
    if table.empty:
        raise DataError(f"{folder / 'cn_index.parquet'}: no rows of {index} within {first}..{last}")
    return table[["date", "close"]]


def _report_factors(panel: Panel, report: LoadReport) -> None:
    """Count trading rows whose pre_close implies another step of adj_factor than the table has.

    Without an error last_close / pre_close is the factor's step since the last session.
    """
    close, factor, before = (panel[name].astype(np.float64) for name in ("close", "adj_factor", "pre_close"))
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.abs(close[:-1] / (factor[1:] / factor[:-1] * before[1:]) - 1) > _FACTOR_TOLERANCE  # [T - 1, N]
    wrong = np.zeros(panel.shape, dtype=bool)
    wrong[1:] = off & panel.trading[1:]  # NaN, before a listing, is no disagreement
    first = Cells(panel.symbols, panel.sessions).first(wrong.T)
    mend = "kept: the adjusted return of that day may be wrong; compare the factor with the announced dividend or split"
    report.caution("adj_factor and pre_close disagree by more than 0.5 %", int(wrong.sum()), first, mend)


def _report_survivorship(panel: Panel, spans: pd.DataFrame, report: LoadReport) -> None:
    """Count the members without prices on each session; the line shows the first of each year and the last."""
    absent = survivorship(spans, panel)["without_prices"].to_numpy()  # [T]
    years = panel.sessions.astype("datetime64[Y]")
    firsts = np.flatnonzero(np.append(True, years[1:] != years[:-1]))
    ends = np.union1d(firsts, panel.T - 1)  # stocks that a table cuts off may be missing on the last session only
    shown = ", ".join(f"{panel.sessions[t]} {absent[t]}" for t in ends)
    priceless = sorted(set(spans["symbol"]) - set(panel.symbols))
    worst = int(np.argmax(absent))
    report.caution(
        "survivorship: members that never have prices", len(priceless), priceless[0] if priceless else "", "left out"
    )
    first = str(panel.sessions[int(np.argmax(absent > 0))])
    mend = f"left out; by date: {shown}; most: {absent[worst]} on {panel.sessions[worst]}"
    report.caution("survivorship: sessions with members without prices", int((absent > 0).sum()), first, mend)
