"""The backtest stage: every recipe's scores through the same strategy, costs and rules, beside the baselines."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pandas as pd

from nnstrategies.backtest import BacktestResult, backtest
from nnstrategies.baselines import buy_and_hold_returns, equal_weight_returns
from nnstrategies.config import RunConfig
from nnstrategies.errors import DataError, RunFolderError
from nnstrategies.market.read import read_book
from nnstrategies.panel import Panel
from nnstrategies.pipeline.manifest import write_manifest
from nnstrategies.pipeline.own_code import load_strategy
from nnstrategies.pipeline.run import Run
from nnstrategies.scores import Scores
from nnstrategies.strategies import RebalanceStrategy
from nnstrategies.training.walkforward import run_jobs

log = logging.getLogger(__name__)


def trade(run: Run, strategy: str | None = None, again: bool = False) -> None:
    """Backtest every recipe and seed of a trained run and write the headline's orders, fills and positions.

    strategy: FILE.py:CLASS to trade the headline's scores with, instead of RebalanceStrategy. Raises RunFolderError
    when the data is no longer what the models were trained on.
    """
    if run.folder.has("returns.parquet") and not again:
        log.info("backtest: complete, not done again")
        return
    chosen = load_strategy(strategy) if strategy else RebalanceStrategy
    _check_data(run)
    with run.stage("backtest"):
        scores = portfolios(run)
        headline = run.config.headline
        first, last = run.test_rows
        names = list(scores)

        def job(number: int, progress: object) -> tuple[pd.Series, dict[str, pd.DataFrame]]:
            name = names[number]
            strategy_class = chosen if name == headline else RebalanceStrategy
            result = backtest_of(run.config, run.panel, strategy_class, scores[name], first, last)
            return result.returns, result.frames() if name == headline else {}

        results = dict(zip(names, run_jobs(job, len(names), run.config.workers), strict=True))
        done = {name: returns for name, (returns, _) in results.items()}
        done["equal_weight"] = equal_weight_returns(run.panel, first, last)
        done["benchmark"] = _benchmark(run)
        returns = pd.DataFrame(done).rename_axis("date").reset_index()
    run.folder.remove("returns.parquet")  # written last: while it is absent, the backtest counts as not done
    for name, frame in results[headline][1].items():
        run.folder.write_frame(name, frame)
    write_manifest(run, strategy)
    run.folder.write_frame("returns", returns)


def backtest_of(
    config: RunConfig, panel: Panel, strategy: type[RebalanceStrategy], scores: Scores | None, first: int, last: int
) -> BacktestResult:
    """Trade rows ``first`` to ``last`` of a panel with a config's settings, market, costs and account."""
    book = read_book(config.market)
    settings = {f.name: getattr(config.strategy, f.name) for f in dataclasses.fields(config.strategy)}
    return backtest(
        panel,
        strategy,
        scores,
        settings=settings,
        market=config.market,
        costs=config.costs.costs(book),
        slippage=config.slippage,
        participation=config.account.participation,
        dividend_tax=config.account.dividend_tax,
        cash=config.account.cash,
        start=panel.sessions[first],
        end=panel.sessions[last],
    )


def _check_data(run: Run) -> None:
    trained = run.folder.read_json("inputs.json")["data"]
    if trained != run.panel.fingerprint:
        raise RunFolderError(
            f"run folder {run.folder.path}: its models were trained on data {trained[:12]}, the config now loads "
            f"{run.panel.fingerprint[:12]}; restore the data or start a new run"
        )


def portfolios(run: Run) -> dict[str, Scores]:
    """Scores by portfolio: each recipe's mean over seeds and, where there are several, each seed's own."""
    table = run.folder.read_frame("scores")
    portfolios: dict[str, Scores] = {}
    for recipe in [run.config.headline, *(name for name in run.config.recipes if name != run.config.headline)]:
        rows = table[table["recipe"] == recipe]
        if rows.empty:
            raise DataError(f"scores: {recipe} has none in {run.folder.path}; train it again")
        by_seed = {int(seed): _scores(run, rows[rows["seed"] == seed]) for seed in sorted(rows["seed"].unique())}
        portfolios[recipe] = _mean(list(by_seed.values()))
        if len(by_seed) > 1:
            portfolios |= {f"{recipe}/{seed}": one for seed, one in by_seed.items()}
    return portfolios


def _scores(run: Run, rows: pd.DataFrame) -> Scores:
    panel = run.panel
    values = np.full((panel.T, panel.N, 1), np.nan, dtype=np.float32)
    t = np.searchsorted(panel.sessions, rows["date"].to_numpy().astype("datetime64[D]"))
    n = pd.Index(panel.symbols).get_indexer(pd.Index(rows["symbol"]))
    values[t, n, 0] = rows["score"]
    nothing = np.full(panel.T, -1, dtype=np.int64)
    return Scores(panel.sessions, panel.symbols, ("score",), ("mean over seeds",), values, (), nothing)


def _mean(scores: list[Scores]) -> Scores:
    values = np.stack([one.values for one in scores]).mean(axis=0, dtype=np.float64).astype(np.float32)
    return dataclasses.replace(scores[0], values=values)


def _benchmark(run: Run) -> pd.Series:
    """The price index; flat zero, and said so, where the data has none."""
    first, last = run.test_rows
    if "benchmark" in run.panel.series:
        return buy_and_hold_returns(run.panel, first, last)
    log.warning("the data has no benchmark series: its column is zero, and figures against it mean nothing")
    return equal_weight_returns(run.panel, first, last) * 0.0
