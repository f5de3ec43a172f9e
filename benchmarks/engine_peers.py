"""The same monthly top 30 in other packages, each as its own documentation would have it.

They are no reference: vectorbt trades fractions and has no events, bt fills at the close of the day of decision,
zipline and pybroker have their own fills. engine-peers.txt pins their versions.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from engine_market import CASH, COMMISSION, SHARE, TOP, Market

Run = Callable[[Market], dict[str, float]]


def prepare_vectorbt() -> Run:
    import vectorbt as vbt

    def run(market: Market) -> dict[str, float]:
        sizes = np.full(market.fields["close"].T.shape, np.nan)
        rows = market.decisions + 1  # decided at the close, traded at the next open
        inside = rows < len(market.days)
        sizes[rows[inside]] = market.targets().to_numpy()[inside]
        portfolio = vbt.Portfolio.from_orders(
            market.table("close"),
            size=pd.DataFrame(sizes, market.index, market.symbols),
            size_type="targetpercent",
            price=market.table("open"),
            fees=COMMISSION,
            init_cash=CASH,
            cash_sharing=True,
            group_by=True,
            call_seq="auto",
        )
        return {"value": float(portfolio.value().iloc[-1]), "orders": int(portfolio.orders.count())}

    return run


def prepare_bt() -> Run:
    import bt

    def run(market: Market) -> dict[str, float]:
        targets = market.targets()
        algos = [bt.algos.RunOnDate(*targets.index), bt.algos.WeighTarget(targets), bt.algos.Rebalance()]
        test = bt.Backtest(
            bt.Strategy("top", algos),
            market.table("close"),
            initial_capital=CASH,
            commissions=lambda size, price: abs(size) * price * COMMISSION,
            progress_bar=False,
        )
        bt.run(test)
        return {"value": float(test.strategy.values.iloc[-1]), "orders": len(test.strategy.get_transactions())}

    return run


def prepare_pybroker() -> Run:
    import pybroker

    def long_table(market: Market) -> pd.DataFrame:
        count = len(market.symbols)
        columns = {name.replace("score", "signal"): values.ravel() for name, values in market.fields.items()}
        columns |= {"symbol": np.repeat(market.symbols, len(market.days)), "date": np.tile(market.index, count)}
        return pd.DataFrame(columns)

    def run(market: Market) -> dict[str, float]:
        pybroker.register_columns("signal")  # context.score is its own
        decided = set(market.index[market.decisions])

        def rebalance(contexts: dict[str, Any]) -> None:
            if next(iter(contexts.values())).dt not in decided:
                return
            ranked = sorted(contexts, key=lambda symbol: -contexts[symbol].signal[-1])[:TOP]
            for symbol, context in contexts.items():
                position = context.long_pos()
                held = int(position.shares) if position else 0
                target = context.calc_target_shares(SHARE / len(ranked)) if symbol in ranked else 0
                if target > held:
                    context.buy_shares, context.buy_fill_price = target - held, pybroker.PriceType.OPEN
                elif target < held:
                    context.sell_shares, context.sell_fill_price = held - target, pybroker.PriceType.OPEN

        config = pybroker.StrategyConfig(
            initial_cash=CASH, fee_mode=pybroker.FeeMode.ORDER_PERCENT, fee_amount=100 * COMMISSION
        )
        strategy = pybroker.Strategy(long_table(market), market.index[0], market.index[-1], config)
        strategy.add_execution(None, market.symbols)
        strategy.set_after_exec(rebalance)
        pybroker.disable_progress_bar()
        pybroker.disable_logging()
        result = strategy.backtest(calc_bootstrap=False)
        return {"value": float(result.portfolio.market_value.iloc[-1]), "orders": len(result.orders)}

    return run


def prepare_zipline() -> Run:
    from zipline import run_algorithm
    from zipline.data import bundles
    from zipline.utils.calendar_utils import get_calendar

    def run(market: Market) -> dict[str, float]:
        first, last = market.index[0], market.index[-1]
        placed: list[Any] = []
        with tempfile.TemporaryDirectory() as root:
            os.environ["ZIPLINE_ROOT"] = root
            bundle = zipline_bundle(market)
            bundles.register("market", bundle, calendar_name="24/5", start_session=first, end_session=last)
            bundles.ingest("market", show_progress=False)
            result = run_algorithm(
                start=first,
                end=last,
                **zipline_algorithm(market, placed),
                capital_base=CASH,
                bundle="market",
                trading_calendar=get_calendar("24/5"),  # every weekday, as the market has them
                benchmark_returns=pd.Series(0.0, market.index),
            )
        orders = len([each for each in placed if each])
        return {"value": float(result["portfolio_value"].iloc[-1]), "orders": orders}

    return run


def zipline_bundle(market: Market) -> Callable[..., None]:
    """A function that writes the market into a bundle; zipline calls it with more arguments than it needs."""
    names = ("open", "high", "low", "close", "volume")

    def ingest(environ: Any, assets: Any, minutes: Any, daily: Any, adjustments: Any, *more: Any) -> None:
        span = {"start_date": market.index[0], "end_date": market.index[-1], "exchange": "24/5"}
        exchanges = pd.DataFrame({"exchange": ["24/5"], "country_code": "US"})
        assets.write(equities=pd.DataFrame({"symbol": market.symbols, **span}), exchanges=exchanges)
        columns = ({name: market.fields[name][n] for name in names} for n in range(len(market.symbols)))
        daily.write(enumerate(pd.DataFrame(each, market.index) for each in columns))
        adjustments.write()

    return ingest


def zipline_algorithm(market: Market, placed: list[Any]) -> dict[str, Callable[..., None]]:
    """Its two functions; ``placed`` receives the orders."""
    from zipline import api

    targets = market.targets()
    decided = set(targets.index[1:])  # on the first day it knows no price yet

    def initialize(context: Any) -> None:
        context.assets = [api.symbol(name) for name in market.symbols]
        api.set_commission(api.commission.PerDollar(cost=COMMISSION))
        api.set_slippage(api.slippage.FixedSlippage(spread=0.0))

    def handle_data(context: Any, data: Any) -> None:
        today = data.current_session.tz_localize(None)  # the clock shows its close, which is midnight after
        if today not in decided:
            return
        weights = targets.loc[today].to_numpy()
        for wanted in (False, True):  # sells first
            for asset, weight in zip(context.assets, weights, strict=True):
                if bool(weight) == wanted and (weight or context.portfolio.positions[asset].amount):
                    placed.append(api.order_target_percent(asset, weight))

    return {"initialize": initialize, "handle_data": handle_data}


JOBS: dict[str, Callable[[], Run]] = {
    "vectorbt": prepare_vectorbt,
    "bt": prepare_bt,
    "pybroker": prepare_pybroker,
    "zipline": prepare_zipline,
}
