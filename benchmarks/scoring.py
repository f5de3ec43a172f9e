"""Seconds to score 300 symbols x 2,500 days with the S2 network on one core: python benchmarks/scoring.py [days].

With fewer days the figure for 2,500 is scaled, and the output says so.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch

from nnstrategies.features import Features
from nnstrategies.models import build_model, model_settings
from nnstrategies.training import Version
from nnstrategies.training.apply import outputs_of
from nnstrategies.training.scaler import Scaler

SYMBOLS, DAYS, WINDOW, FEATURES = 300, 2500, 20, 81


def s2_version() -> Version:
    """The S2 network with fresh weights; speed does not depend on them."""
    network = build_model("cnn_lstm", FEATURES, 3, {})
    outputs, units = outputs_of(3)
    manifest = {
        "kind": "network",
        "model": "cnn_lstm",
        "settings": model_settings("cnn_lstm", {}),
        "n_features": FEATURES,
        "n_head": 3,
        "window": WINDOW,
        "features": {"hash": "benchmark"},
        "outputs": list(outputs),
        "units": list(units),
    }
    arrays = {key: value.numpy() for key, value in network.state_dict().items()}
    scaler = Scaler(np.zeros(FEATURES, dtype=np.float32), np.ones(FEATURES, dtype=np.float32))
    return Version(manifest, arrays, scaler, "cpu")


def main() -> None:
    torch.set_num_threads(1)
    days = int(sys.argv[1]) if len(sys.argv) > 1 else DAYS
    version = s2_version()
    values = np.random.default_rng(0).normal(size=(SYMBOLS, days + WINDOW - 1, FEATURES)).astype(np.float32)
    sessions = np.datetime64("2010-01-01") + np.arange(days + WINDOW - 1)
    symbols = tuple(f"S{n:03d}" for n in range(SYMBOLS))
    features = Features(sessions, symbols, tuple(f"f{n}" for n in range(FEATURES)), values, "benchmark")
    everyone = np.ones(SYMBOLS, dtype=bool)
    version.predict(features, everyone, WINDOW - 1)
    wall, cpu = time.perf_counter(), time.process_time()
    for t in range(WINDOW - 1, WINDOW - 1 + days):
        version.predict(features, everyone, t)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    scale = DAYS / days
    how = "measured in full" if days == DAYS else f"{days} days measured, scaled"
    print(f"{SYMBOLS} x {DAYS} windows [{WINDOW}, {FEATURES}], S2 network, one core ({how}):")
    per_window = 1e6 * wall / days / SYMBOLS
    print(f"  {wall * scale:.1f} s wall, {cpu * scale:.1f} s CPU, {per_window:.0f} us a window; target 45 s")


if __name__ == "__main__":
    main()
