"""The tables of a small Chinese market, made up: five stocks that have always been members, and the index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from nnstrategies.calendar import Calendar

SYMBOLS = ("000001.SZ", "000538.SZ", "600000.SH", "600519.SH", "601318.SH")
INDEX = "000300.SH"


def write_china_tables(folder: Path, start: str, end: str) -> Path:
    """Write cn_daily, cn_membership, cn_index and cn_basics over the sessions of XSHG; there is no cn_delisted."""
    days = Calendar.exchange("XSHG", start, end).sessions
    generator = np.random.default_rng(1)
    moves = generator.normal(0, 0.01, (len(days), len(SYMBOLS) + 1)).clip(-0.08, 0.08)
    close = np.round(20 * np.cumprod(1 + moves, axis=0), 2)  # [T, N + 1]: the stocks, then the index
    tables = [_bars(days, symbol, close[:, n]) for n, symbol in enumerate((*SYMBOLS, INDEX))]
    daily = pd.concat(tables[:-1], ignore_index=True)
    flat = {"paused": False, "is_st": 0, "adj_factor": 1.0, "limit_up": daily["close"] * 1.2, "limit_down": 1.0}
    daily.assign(**flat).to_parquet(folder / "cn_daily.parquet")
    tables[-1].drop(columns="pre_close").to_parquet(folder / "cn_index.parquet")
    ratios = dict.fromkeys(("pe_ttm", "pb", "ps_ttm", "pcf_ttm"), 10.0)
    basics = daily[["date", "symbol"]].assign(amount=daily["close"] * daily["volume"], float_shares=1e9, **ratios)
    basics.to_parquet(folder / "cn_basics.parquet")
    spans = pd.DataFrame({"symbol": SYMBOLS, "start": pd.Timestamp("2005-04-08"), "end": pd.NaT})
    spans.assign(index=INDEX).to_parquet(folder / "cn_membership.parquet")
    return folder


def change(folder: Path, table: str, mended: pd.DataFrame) -> None:
    mended.to_parquet(folder / f"{table}.parquet")


def _bars(days: np.ndarray, symbol: str, close: np.ndarray) -> pd.DataFrame:
    before = np.r_[close[0], close[:-1]]
    prices = {"open": before, "high": np.maximum(before, close), "low": np.minimum(before, close), "close": close}
    dates = pd.to_datetime(days.astype("datetime64[s]")).date
    return pd.DataFrame({"date": dates, "symbol": symbol, **prices, "volume": 1_000_000, "pre_close": before})
