"""Which recipes benchmarks/learning.py fits, what each of them can see, and what is expected of it before it is fitted.

The shares that a forecaster can reach follow from the market's own formulas (docs/learning.md). A recipe that should
learn a part has a floor of a quarter of that. None of the claims was changed after a market of the table was seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from nnstrategies.training import (
    GradientBoostingRecipe,
    LogisticRecipe,
    MomentumRecipe,
    NetworkRecipe,
    RandomForestRecipe,
    Recipe,
    RidgeRecipe,
    SVMRecipe,
)

WINDOW = 20
RAW = ("ret_1", "rank_ret_1", "volume_surprise_1", "rank_volume_surprise_1")  # quickstart's inputs of networks
STRIDE_DAYS = 4

# A floor that the whole interval must exceed; none: the interval must not lie above 0; open: nothing is claimed.
Claim = float | Literal["none", "open"]


@dataclass(frozen=True)
class View:
    """What recipes of one kind can read of the market, and the claims that follow.

    claims: linear, non_linear, order. inputs: ``raw``, the four daily columns, or ``indicators``, all features.
    """

    title: str
    claims: tuple[Claim, Claim, Claim]
    inputs: Literal["raw", "indicators"] = "raw"


SEQUENCE = View("20 days, one after the other", (0.12, 0.10, 0.18))
SIDE_BY_SIDE = View("20 days, side by side", (0.12, 0.10, "open"))
DAY = View("the last day, products too", (0.11, 0.03, "none"))
DAY_LINEAR = View("the last day, sums only", (0.13, "none", "none"))
INDICATORS = View("80 indicators of the last day, products too", (0.18, 0.14, "none"), "indicators")
INDICATORS_LINEAR = View("80 indicators of the last day, sums only", (0.25, 0.0, "none"), "indicators")
OLD = View("the return from 250 to 20 days ago", ("none", "none", "none"), "indicators")

SMALL_CNN_LSTM = {"channels_1": 16, "channels_2": 32, "hidden": 32, "dense": 32, "dropout": 0.1}
# Quickstart's sizes for the networks of S2 and S4, the models' own for those of S1, S3 and S5.
NETWORKS: dict[str, tuple[View, str, Mapping[str, float]]] = {
    "lstm": (SEQUENCE, "lstm", {"layers": 1, "hidden": 32}),
    "lstm_dense": (SEQUENCE, "lstm_dense", {"hidden": 32, "dense": 32, "dropout": 0.1}),
    "peephole_lstm": (SEQUENCE, "peephole_lstm", {}),
    "forecast_lstm": (SEQUENCE, "forecast_lstm", {}),
    "sequence_lstm": (SEQUENCE, "sequence_lstm", {}),
    "cnn": (SEQUENCE, "cnn", {"channels_1": 16, "channels_2": 32, "hidden": 32, "dropout": 0.1}),
    "cnn_lstm": (SEQUENCE, "cnn_lstm", SMALL_CNN_LSTM),
    "cnn_lstm_improved": (SEQUENCE, "cnn_lstm_improved", SMALL_CNN_LSTM),
    "cnn_selector": (SEQUENCE, "cnn_selector", {}),
    "segment_lstm": (SIDE_BY_SIDE, "segment_lstm", {}),
    "mlp_20_days": (SIDE_BY_SIDE, "mlp", {"days": WINDOW}),
    "mlp": (DAY, "mlp", {}),
}


def network(name: str, model: str, settings: Mapping[str, float]) -> NetworkRecipe:
    """One budget for all networks: quickstart.yaml's with 10 epochs for 6 and patience 3 for 1.

    Both were chosen on market seeds 2 and 3, where most networks were still improving when quickstart's stopped them.
    """
    return NetworkRecipe(
        name,
        model,
        settings,
        epochs=10,
        patience=3,
        lr=0.003,
        batch=128,
        stride_days=STRIDE_DAYS,
        valid_days=80,
        device="cpu",
    )


def recipes() -> dict[str, tuple[View, Recipe]]:
    """Name -> what it can see, the recipe; ``persistence`` is left out, for it orders nothing."""
    found: dict[str, tuple[View, Recipe]] = {
        name: (view, network(name, model, settings)) for name, (view, model, settings) in NETWORKS.items()
    }
    boosting = GradientBoostingRecipe(iterations=40, stride_days=STRIDE_DAYS)
    found |= {
        "gradient_boosting": (DAY, boosting),
        "random_forest": (DAY, RandomForestRecipe(stride_days=STRIDE_DAYS)),
        "svm": (DAY, SVMRecipe(landmarks=100, stride_days=STRIDE_DAYS)),
        "ridge": (DAY_LINEAR, RidgeRecipe(stride_days=STRIDE_DAYS)),
        "logistic": (DAY_LINEAR, LogisticRecipe(stride_days=STRIDE_DAYS)),
        "gradient_boosting, indicators": (INDICATORS, boosting),
        "ridge, indicators": (INDICATORS_LINEAR, RidgeRecipe(stride_days=STRIDE_DAYS)),
        "momentum": (OLD, MomentumRecipe()),
    }
    return found
