"""What predictors said, by session and symbol: the only thing strategies see of a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from nnstrategies.calendar import Calendar, DateLike
from nnstrategies.errors import DataError, RunFolderError
from nnstrategies.typing import AnyArray, DateArray, Float32Array, FloatArray


@dataclass(frozen=True)
class Scores:
    """Predictions [T, N, K] known at each session's close; NaN where there is none.

    names: K output names; the first, ``score``, orders the cross-section (higher is better).
    units: K descriptions, such as ``probability`` or ``return over 10 sessions``.
    versions: ids of the models used; version[t] indexes them, -1 where no model was in force.
    """

    sessions: DateArray
    symbols: tuple[str, ...]
    names: tuple[str, ...]
    units: tuple[str, ...]
    values: Float32Array
    versions: tuple[str, ...]
    version: AnyArray

    def __post_init__(self) -> None:
        expected = (len(self.sessions), len(self.symbols), len(self.names))
        if self.values.shape != expected:
            raise DataError(f"scores: expected values of shape [T, N, K] = {expected}, got {self.values.shape}")
        if not self.names or self.names[0] != "score":
            raise DataError(f"scores: the first output must be named 'score', got {self.names}")
        self.values.flags.writeable = False

    def column(self, name: str = "score") -> Float32Array:
        """One output, [T, N]."""
        if name not in self.names:
            raise DataError(f"scores: no output {name!r}; there is {', '.join(self.names)}")
        return self.values[:, :, self.names.index(name)]

    def at(self, date: DateLike, name: str = "score") -> FloatArray:
        """One output at the close of ``date``, float64 [N]; all NaN on a date that was not scored."""
        day = Calendar(self.sessions).last_on_or_before(date)
        if day < 0 or self.sessions[day] != np.datetime64(pd.Timestamp(date).date(), "D"):
            return np.full(len(self.symbols), np.nan)
        return self.column(name)[day].astype(np.float64)

    def to_frame(self) -> pd.DataFrame:
        """Long table of the rows that have a score: date, symbol, one column per output, version."""
        t, n = np.nonzero(np.isfinite(self.values[:, :, 0]))
        columns: dict[str, AnyArray] = {
            "date": self.sessions[t].astype("datetime64[s]"),
            "symbol": np.asarray(self.symbols, dtype=object)[n],
        }
        columns |= {name: self.values[t, n, k] for k, name in enumerate(self.names)}
        columns["version"] = np.asarray([*self.versions, ""], dtype=object)[self.version[t]]
        return pd.DataFrame(columns)


def read_scores(run_folder: str | Path, recipe: str, seed: int | None = None) -> Scores:
    """Scores of one recipe of a finished run, mean over its seeds unless one is named.

    Raises RunFolderError when the folder has no scores, or none of that recipe and seed.
    """
    path = Path(run_folder) / "scores.parquet"
    if not path.is_file():
        raise RunFolderError(
            f"{path}: expected the scores of a trained run, found none; run 'nnstrategies train' first"
        )
    table = pd.read_parquet(path)
    chosen = table[(table["recipe"] == recipe) & ((table["seed"] == seed) if seed is not None else True)]
    if chosen.empty:
        known = ", ".join(sorted(set(table["recipe"])))
        raise RunFolderError(f"{path}: no scores of recipe {recipe!r}, seed {seed}; it has {known}")
    wide = chosen.pivot_table(index="date", columns="symbol", values="score", aggfunc="mean")
    sessions = wide.index.to_numpy().astype("datetime64[D]")
    values = wide.to_numpy(dtype=np.float32)[:, :, None]  # [T, N] -> [T, N, 1]
    none = np.full(len(sessions), -1, dtype=np.int64)
    return Scores(sessions, tuple(wide.columns), ("score",), ("mean over seeds",), values, (), none)
