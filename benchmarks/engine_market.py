"""The market every engine of the benchmark trades: prices, scores and the dates of decision, kept as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

FIELDS = ("open", "high", "low", "close", "volume", "score")
CASH, TOP, SHARE, COMMISSION = 1e7, 30, 0.95, 0.0008


@dataclass(frozen=True)
class Market:
    """days: [T] datetime64[D]; fields: name -> [N, T] float64, contiguous per symbol."""

    days: npt.NDArray[np.datetime64]
    fields: dict[str, npt.NDArray[np.float64]]

    @property
    def symbols(self) -> list[str]:
        return [f"S{n:04d}" for n in range(len(self.fields["close"]))]

    @property
    def index(self) -> pd.DatetimeIndex:
        return pd.DatetimeIndex(self.days.astype("datetime64[ns]"))

    @property
    def decisions(self) -> npt.NDArray[np.int64]:
        """Rows whose close decides: the first session of each month."""
        months = self.days.astype("datetime64[M]")
        return np.flatnonzero(np.r_[True, months[1:] != months[:-1]])

    def table(self, field: str) -> pd.DataFrame:
        return pd.DataFrame(self.fields[field].T, self.index, self.symbols)

    def targets(self) -> pd.DataFrame:
        """Target weights at each decision, [decisions, N]: equal for the best scores, 0 for the rest."""
        top = min(TOP, len(self.symbols))
        weights = np.zeros((len(self.decisions), len(self.symbols)))
        for row, t in enumerate(self.decisions):
            best = np.argsort(-self.fields["score"][:, t], kind="stable")[:top]
            weights[row, best] = SHARE / top
        return pd.DataFrame(weights, self.index[self.decisions], self.symbols)


def make(folder: Path, symbols: int, sessions: int, seed: int = 0) -> None:
    """Write a market of random walks in cents; scores drift slowly, so that about half of the names change a month."""
    rng = np.random.default_rng(seed)
    shape = (symbols, sessions)
    close = 20 * np.exp(np.cumsum(rng.normal(0, 0.02, shape), axis=1))
    open_ = np.concatenate([close[:, :1], close[:, :-1]], axis=1) * np.exp(rng.normal(0, 0.004, shape))
    fields = {
        "open": open_,
        "high": np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, 0.004, shape))),
        "low": np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, 0.004, shape))),
        "close": close,
    }
    fields = {name: np.maximum(np.round(values, 2), 0.01) for name, values in fields.items()}
    fields["volume"] = np.floor(np.exp(rng.normal(13, 0.5, shape)))
    score = np.empty(shape)
    score[:, 0] = rng.normal(size=symbols)
    for t in range(1, sessions):
        score[:, t] = 0.97 * score[:, t - 1] + 0.243 * rng.normal(size=symbols)
    fields["score"] = score
    days = np.busday_offset("2008-01-01", np.arange(sessions), roll="forward").astype("datetime64[D]")
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "days.npy", days)
    for name, values in fields.items():
        np.save(folder / f"{name}.npy", values)


def load(folder: Path) -> Market:
    return Market(np.load(folder / "days.npy"), {name: np.load(folder / f"{name}.npy") for name in FIELDS})
