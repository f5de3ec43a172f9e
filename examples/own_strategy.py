"""A strategy of one's own: override one hook, here the weights, by inverse volatility instead of equal."""

from nnstrategies.backtest import backtest
from nnstrategies.feeds.simulated import SimulatedMarket, simulate
from nnstrategies.strategies import RebalanceStrategy
from nnstrategies.strategies.stops import volatility
from nnstrategies.typing import FloatArray
from nnstrategies.view import View


class CalmFirst(RebalanceStrategy):
    """Hold every member, the calm ones in larger size."""

    def weigh(self, view: View) -> FloatArray:
        return 1.0 / volatility(view.history("close", 61))


if __name__ == "__main__":
    panel, _ = simulate(SimulatedMarket(symbols=30, sessions=400, members=20, seed=7))
    result = backtest(panel, CalmFirst, None, settings={"max_weight": 0.1}, cash=10_000_000)
    orders = result.frames()["orders"]
    print(f"{len(orders)} orders, final value {result.final_value:,.0f}")
    print(result.frames()["targets"].tail().to_string(index=False))
