"""Small samples and small recipes for tests of models, training, evidence."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from nnstrategies.features import default_set
from nnstrategies.feeds.simulated import SimulatedMarket, simulate
from nnstrategies.labels import make_labels
from nnstrategies.panel import Panel
from nnstrategies.samples import Samples
from nnstrategies.training import GradientBoostingRecipe, MomentumRecipe, NetworkRecipe, Recipe, RidgeRecipe

NAMES = ("ret_1", "volume_surprise_1", "volatility_20", "rank_ret_5", "momentum_250_20")
SMALL_CNN = {"channels_1": 4, "channels_2": 6, "hidden": 8, "dense": 6}
SMALL_LSTM = {"hidden": 8, "layers": 2}

LSTM = NetworkRecipe(
    "lstm", "lstm", SMALL_LSTM, epochs=3, batch=64, lr=0.01, stride_days=3, valid_days=40, device="cpu"
)
CNN_LSTM = replace(LSTM, name="cnn_lstm", model="cnn_lstm", settings=SMALL_CNN)
ALL: dict[str, Recipe] = {
    "ridge": RidgeRecipe(),
    "gradient_boosting": GradientBoostingRecipe(iterations=8),
    "momentum": MomentumRecipe(),
    "lstm": LSTM,
    "cnn_lstm": CNN_LSTM,
}


def samples_of(panel: Panel, kind: str = "buy_hold_sell", horizon_days: int = 5, window: int = 8) -> Samples:
    """Five features, every recipe's need."""
    features = default_set().select(NAMES)(panel)
    return Samples.build(panel, features, make_labels(panel, kind, horizon_days), window)  # type: ignore[arg-type]


@cache
def market_samples(kind: str = "buy_hold_sell", window: int = 8) -> tuple[Panel, Samples]:
    """The same market as the fixture ``tiny_panel``, with samples."""
    panel = simulate(SimulatedMarket(symbols=30, sessions=400, members=20, seed=7))[0]
    return panel, samples_of(panel, kind, window=window)
