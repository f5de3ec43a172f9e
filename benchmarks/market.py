"""CPU seconds of a backtest under all rules of the Chinese market, and under none.

python benchmarks/market.py [symbols sessions]
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np

from nnstrategies.backtest import BacktestResult, backtest
from nnstrategies.brokers import BpsSlippage, NoCosts
from nnstrategies.panel import Panel, Status
from nnstrategies.scores import Scores
from nnstrategies.strategies import RebalanceStrategy
from nnstrategies.typing import FloatArray

TARGET, RUNS = 1.5, 3
BOARDS = {  # share of the symbols, first number, ending, first day
    "sse_main": (0.40, 600000, "SH", "1990-12-19"),
    "szse_main": (0.30, 1, "SZ", "1990-12-19"),
    "chinext": (0.20, 300001, "SZ", "2009-10-30"),
    "star": (0.08, 688001, "SH", "2019-07-22"),
    "bse": (0.02, 830001, "BJ", "2021-11-15"),
}


def names(symbols: int) -> tuple[list[str], list[str]]:
    """Symbols spread over the boards, and the first day of each."""
    found: list[tuple[str, str]] = []
    for share, first, ending, opened in BOARDS.values():
        found += [(f"{first + n:06d}.{ending}", opened) for n in range(round(share * symbols))]
    found += [(f"{601000 + n}.SH", "1990-12-19") for n in range(symbols - len(found))]
    return [name for name, _ in found[:symbols]], [day for _, day in found[:symbols]]


def market(symbols: int, sessions: int, seed: int = 0) -> Panel:
    """Random walks in cents, float32 as stored data are: suspensions, locked opens, a dividend a year, some splits."""
    rng = np.random.default_rng(seed)
    shape = (symbols, sessions)  # stored as the panel stores it: no copy
    moves = np.clip(rng.normal(0, 0.02, shape), -0.095, 0.095)
    ex = rng.random(shape) < 1 / 250
    ratio = np.where(ex, np.where(rng.random(shape) < 0.1, 1.5, 1.02), 1.0)
    ratio[:, 0] = 1.0
    close = 20 * np.exp(np.cumsum(moves - np.log(ratio), axis=1))
    before = np.concatenate([close[:, :1], close[:, :-1]], axis=1) / ratio
    gap = np.clip(rng.normal(0, 0.006, shape), -0.09, 0.09)
    locked = rng.random(shape)
    gap = np.where(locked < 0.003, 0.10, np.where(locked > 0.994, -0.10, gap))
    open_ = before * (1 + gap)
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    fields = {"open": open_, "high": high, "low": low, "close": close, "pre_close": before}
    fields = {name: np.maximum(np.round(values, 2), 0.01).astype(np.float32) for name, values in fields.items()}
    fields["adj_factor"] = np.cumprod(ratio, axis=1)
    fields["volume"] = np.floor(np.exp(rng.normal(13, 0.5, shape)))
    days = np.busday_offset("2012-08-01", np.arange(sessions), roll="forward").astype("datetime64[D]")
    listed, opened = names(symbols)
    status = np.where(rng.random(shape) < 0.02, Status.PAUSED, Status.TRADING).astype(np.uint8)
    status[days < np.array(opened, dtype="datetime64[D]")[:, None]] = Status.UNLISTED
    for values in fields.values():
        values[status == Status.UNLISTED] = np.nan
    return Panel(days, listed, {key: values.T for key, values in fields.items()}, status.T, name="walks")


def drifting_scores(panel: Panel, seed: int = 1) -> Scores:
    """One score that changes about half of the best 30 from month to month."""
    rng = np.random.default_rng(seed)
    score: FloatArray = rng.normal(size=panel.shape)
    for t in range(1, panel.T):
        score[t] = 0.97 * score[t - 1] + 0.243 * score[t]
    values = score.astype(np.float32)[:, :, None]
    trained = np.zeros(panel.T, dtype=np.int64)
    return Scores(panel.sessions, panel.symbols, ("score",), ("none",), values, ("made",), trained)


def full_rules(panel: Panel, scores: Scores) -> BacktestResult:
    """The rule book with limits, lots and T+1, its schedule of fees, slippage, a cap by volume, dividends."""
    return backtest(
        panel, RebalanceStrategy, scores, market="cn_a", slippage=BpsSlippage(5), participation=0.1
    )  # the costs are the book's own


def no_rules(panel: Panel, scores: Scores) -> BacktestResult:
    return backtest(panel, RebalanceStrategy, scores, market="frictionless", costs=NoCosts())


def main() -> None:
    symbols, sessions = (int(word) for word in sys.argv[1:3]) if len(sys.argv) > 2 else (300, 2500)
    seconds: dict[str, list[float]] = {"full rules": [], "no rules": []}
    results: dict[str, BacktestResult] = {}
    for _ in range(RUNS):
        for name, run in (("full rules", full_rules), ("no rules", no_rules)):
            panel = market(symbols, sessions)  # a new one each time: panels remember what was asked of them
            scores = drifting_scores(panel)
            before = time.process_time()
            results[name] = run(panel, scores)
            seconds[name].append(time.process_time() - before)
    print(f"monthly top 30, {symbols} symbols x {sessions} sessions; CPU s, median of {RUNS}, in turns")
    for name, measured in seconds.items():
        journal = results[name].journal
        runs = ", ".join(f"{s:.2f}" for s in measured)
        done = f"{len(journal.fills)} fills, {len(journal.refusals)} refusals, {len(journal.actions)} actions"
        print(f"{name:<11}{statistics.median(measured):6.2f}  ({runs})  {done}")
    ratio = statistics.median(seconds["full rules"]) / statistics.median(seconds["no rules"])
    print(f"ratio {ratio:.2f} (target: at most {TARGET})")


if __name__ == "__main__":
    main()
