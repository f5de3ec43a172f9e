"""What rules, fees and slippage each take from a run's headline: python benchmarks/market_steps.py RUN_FOLDER."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from nnstrategies import pipeline
from nnstrategies.backtest import BacktestResult, backtest
from nnstrategies.brokers import BpsSlippage, Costs, NoCosts, NoSlippage, Slippage, SquareRootSlippage
from nnstrategies.market import read_book
from nnstrategies.pipeline.run import Run
from nnstrategies.pipeline.trading import portfolios
from nnstrategies.scores import Scores
from nnstrategies.strategies import RebalanceStrategy


def traded(run: Run, scores: Scores, market: str, costs: Costs, slippage: Slippage) -> BacktestResult:
    config, (first, last) = run.config, run.test_rows
    return backtest(
        run.panel,
        RebalanceStrategy,
        scores,
        settings={f.name: getattr(config.strategy, f.name) for f in dataclasses.fields(config.strategy)},
        market=market,
        costs=costs,
        slippage=slippage,
        participation=None if market == "frictionless" else config.account.participation,
        cash=config.account.cash,
        start=run.panel.sessions[first],
        end=run.panel.sessions[last],
    )


def main(folder: str) -> None:
    run = pipeline.reopen(Path(folder))
    scores = portfolios(run)[run.config.headline]
    market = run.config.market
    costs = run.config.costs.costs(read_book(market))
    steps: list[tuple[str, str, Costs, Slippage]] = [
        ("no rules, no costs", "frictionless", NoCosts(), NoSlippage()),
        (f"rules of {market}, a tenth of the volume at most", market, NoCosts(), NoSlippage()),
        ("and its fees", market, costs, NoSlippage()),
        ("and slippage of 5 bps", market, costs, BpsSlippage(5)),
        ("or square-root impact, coefficient 1", market, costs, SquareRootSlippage()),
    ]
    print("| step | annual return, % | refused orders | waiting for blocked orders, % a year |")
    print("|---|---|---|---|")
    for name, *settings in steps:
        result = traded(run, scores, *settings)
        years = len(result.returns) / 252
        growth = (result.final_value / result.cash) ** (1 / years) - 1
        account = result.frames()["account"]["value"].mean()
        waited = result.frames()["blocked"]["cost"].sum() / account / years
        print(f"| {name} | {100 * growth:.1f} | {len(result.journal.refusals)} | {100 * waited:.2f} |")


if __name__ == "__main__":
    main(sys.argv[1])
