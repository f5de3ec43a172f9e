"""The backtest stage: every recipe's scores through the same strategy, costs and rules, beside the baselines."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pandas as pd

from nnstrategies.backtest import BacktestResult, backtest
from nnstrategies.baselines import buy_and_hold_returns, equal_weight_returns, index_returns
from nnstrategies.errors import DataError
from nnstrategies.industry_attribution import attribution
from nnstrategies.market.read import read_book
from nnstrategies.panel import Panel
from nnstrategies.pipeline.inputs import check_trained_data
from nnstrategies.pipeline.manifest import write_manifest
from nnstrategies.pipeline.own_code import load_strategy
from nnstrategies.pipeline.run import Run
from nnstrategies.pipeline.tasks import on_panel
from nnstrategies.pipeline.trial_records import record_run
from nnstrategies.scores import Scores
from nnstrategies.settings import PortfolioSettings, RunConfig
from nnstrategies.strategies import RebalanceStrategy
from nnstrategies.training.jobs import run_jobs

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
    check_trained_data(run)
    with run.stage("backtest"):
        scores = portfolios(run)
        headline = run.config.headline
        first, last = run.test_rows
        names, benchmark = list(scores), _benchmark(run)

        def job(number: int, progress: object) -> tuple[pd.Series, dict[str, float], dict[str, pd.DataFrame]]:
            name = names[number]
            strategy_class = chosen if name == headline else RebalanceStrategy
            result = backtest_of(run.config, run.panel, strategy_class, scores[name], first, last)
            hedged = run.config.traded[name.split("/")[0]].hedged
            returns = _hedged(result, benchmark) if hedged else result.returns
            return returns, result.trades, _tables(run, result) if name == headline else {}

        results = dict(zip(names, run_jobs(job, len(names), run.workers), strict=True))
        done = {name: returns for name, (returns, *_) in results.items()}
        done["equal_weight"] = equal_weight_returns(run.panel, first, last, _at_once(run.config))
        if run.config.groups == "symbol":
            done["buy_and_hold"] = buy_and_hold_returns(run.panel, first, last)
        done["benchmark"] = benchmark
        returns = pd.DataFrame(done).rename_axis("date").reset_index()
    run.folder.remove("returns.parquet")  # written last: while it is absent, the backtest counts as not done
    run.folder.remove("attribution.parquet")  # which not every strategy's trades have
    for name, frame in results[headline][2].items():
        run.folder.write_frame(name, frame)
    run.folder.write_frame("trades", pd.DataFrame([{"portfolio": name} | results[name][1] for name in names]))
    write_manifest(run, strategy)
    record_run(run, returns, strategy)
    run.folder.write_frame("returns", returns)


def _tables(run: Run, result: BacktestResult) -> dict[str, pd.DataFrame]:
    """What the headline recorded, with its attribution by industry where industries and something to link are known."""
    tables = result.frames()
    if "industries" in run.panel.event_names and (result.returns > -1).all():
        tables["attribution"] = attribution(result.panel, tables, result.cash, *run.test_rows, _at_once(run.config))
    return tables


def _at_once(config: RunConfig) -> bool:
    """Whether equal weight is bought on the first session: one that decides then, or that week, is held to it."""
    return config.strategy.rebalance != "month"


def _hedged(result: BacktestResult, benchmark: pd.Series) -> pd.Series:
    """Returns with the benchmark sold short, from each close to the next, for the value of the stocks held at it."""
    held = result.frames()["account"].set_index("date")["position_ratio"].shift(1, fill_value=0.0)
    return result.returns - held * benchmark


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


def portfolios(run: Run) -> dict[str, Scores]:
    """Scores by portfolio: of the recipes' means over seeds and, where there are several seeds, of each one's own."""
    table = run.folder.read_frame("scores")
    found: dict[str, Scores] = {}
    for name, portfolio in run.config.traded.items():
        rows = {recipe: table[table["recipe"] == recipe] for recipe in portfolio.recipes}
        for recipe, own in rows.items():
            if own.empty:
                raise DataError(f"scores: {recipe} has none in {run.folder.path}; train it again")
        seeds = sorted(set().union(*(set(own["seed"]) for own in rows.values())))
        found[name] = _joined(run, portfolio, rows, None)
        if len(seeds) > 1:
            found |= {f"{name}/{seed}": _joined(run, portfolio, rows, int(seed)) for seed in seeds}
    return found


def _joined(run: Run, portfolio: PortfolioSettings, rows: dict[str, pd.DataFrame], seed: int | None) -> Scores:
    """One seed's scores of the portfolio's recipes; of one that was fitted with other seeds only, their mean."""
    panel = run.panel
    by_stock = ["date", "symbol"]
    columns = {"score": on_panel(panel, _mean_by(rows[portfolio.score], seed, by_stock))}
    if portfolio.confirm:
        columns["confirm"] = on_panel(panel, _mean_by(rows[portfolio.confirm], seed, by_stock))
    if portfolio.exposure:
        rising = _mean_by(rows[portfolio.exposure], seed, ["date"]) + 0.5  # P(up), see outputs_of
        days = pd.DatetimeIndex(panel.sessions.astype("datetime64[s]"))
        share = rising.reindex(days).to_numpy(dtype=np.float32).clip(0.0, 1.0)
        columns["exposure"] = np.repeat(share[:, None], panel.N, axis=1)
    values = np.stack(list(columns.values()), axis=2)  # [T, N] -> [T, N, K]
    nothing = np.full(panel.T, -1, dtype=np.int64)
    units = tuple("mean over seeds" if seed is None else f"seed {seed}" for _ in columns)
    return Scores(panel.sessions, panel.symbols, tuple(columns), units, values, (), nothing)


def _mean_by(rows: pd.DataFrame, seed: int | None, keys: list[str]) -> pd.Series:
    own = rows[rows["seed"] == seed] if seed is not None else rows
    return (own if len(own) else rows).groupby(keys)["score"].mean()


def _benchmark(run: Run) -> pd.Series:
    """The price index; flat zero, and said so, where the data has none."""
    first, last = run.test_rows
    if "benchmark" in run.panel.series:
        return index_returns(run.panel, first, last)
    log.warning("the data has no benchmark series: its column is zero, and figures against it mean nothing")
    return equal_weight_returns(run.panel, first, last) * 0.0
