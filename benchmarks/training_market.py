"""Sizes, networks and random samples for benchmarks/training.py; speed and memory do not depend on what is in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from nnstrategies.calendar import Calendar
from nnstrategies.features import Features
from nnstrategies.labels import Labels
from nnstrategies.models import build_model
from nnstrategies.samples import Samples
from nnstrategies.training import NetworkRecipe
from nnstrategies.typing import FloatArray

HORIZON = 5


@dataclass(frozen=True)
class Case:
    """A network with the sizes it is trained at."""

    name: str
    model: str
    features: int
    window: int
    batch: int
    settings: dict[str, float]

    def build(self) -> nn.Module:
        return build_model(self.model, self.features, 3, self.settings)


QUICK_CNN = {"channels_1": 16, "channels_2": 32, "hidden": 32, "dense": 32, "dropout": 0.1}
S2 = Case("S2 CNN-LSTM", "cnn_lstm", 81, 20, 64, {})
S2_IMPROVED = Case("S2 improved", "cnn_lstm_improved", 81, 20, 96, {})
S4 = Case("S4 LSTM 3 x 150", "lstm", 53, 120, 20, {})
QUICK = (
    Case("quickstart lstm", "lstm", 4, 20, 128, {"layers": 1, "hidden": 32}),
    Case("quickstart cnn_lstm", "cnn_lstm", 4, 20, 128, QUICK_CNN),
)
CASES = (S2, S2_IMPROVED, S4, *QUICK)


def table(symbols: int, days: int, features: int) -> Features:
    """Random features [N, T, F], made a symbol at a time so that no float64 of them exists."""
    generator = np.random.default_rng(0)
    values = np.empty((symbols, days, features), dtype=np.float32)
    for n in range(symbols):
        values[n] = generator.standard_normal((days, features), dtype=np.float32)
    names = tuple(f"f{number}" for number in range(features))
    return Features(_sessions(days), tuple(f"S{n:03d}" for n in range(symbols)), names, values, "benchmark")


def samples(symbols: int, days: int, features: int, window: int) -> tuple[Calendar, Samples]:
    """All symbols listed, trading and members; a label of three classes that leans on the first feature."""
    made = table(symbols, days, features)
    hidden = np.random.default_rng(1).standard_normal((days, symbols), dtype=np.float32) + made.values[:, :, 0].T
    end = np.where(np.arange(days)[:, None] + HORIZON < days, np.arange(days)[:, None] + HORIZON, -1)
    end = np.broadcast_to(end, hidden.shape).copy()
    classes: FloatArray = 1.0 + (hidden > 0.6) - (hidden < -0.6)
    values = np.where(end >= 0, classes, np.nan).astype(np.float32)
    labels = Labels(values, end, "buy_hold_sell", HORIZON, 3, np.where(end >= 0, hidden / 100, np.nan))
    mask = np.zeros((days, symbols), dtype=bool)
    mask[window - 1 :] = True
    group = np.zeros(symbols, dtype=np.int64)
    return Calendar(_sessions(days)), Samples(made, labels, mask, group, window)


def recipe_of(case: Case, epochs: int, **changes: int) -> NetworkRecipe:
    """The case as a recipe on the CPU that never stops early."""
    return NetworkRecipe(
        name=case.model,
        model=case.model,
        settings=case.settings,
        epochs=epochs,
        patience=epochs,
        batch=case.batch,
        device="cpu",
        **changes,  # type: ignore[arg-type]
    )


def _sessions(days: int) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    return np.datetime64("2010-01-04") + np.arange(days)
