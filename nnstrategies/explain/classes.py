"""Class probabilities (or margins) of a version's outputs, and the names of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from nnstrategies.errors import DataError
from nnstrategies.explain.judged import Judged
from nnstrategies.labels import LabelKind
from nnstrategies.typing import AnyArray, DateArray, FloatArray, IntArray

_NAMES: dict[str, tuple[str, ...]] = {"return": (), "up_down": ("down", "up"), "buy_hold_sell": ("sell", "hold", "buy")}
Meaning = Literal["probability", "margin"]


def class_names(kind: LabelKind) -> tuple[str, ...]:
    """Names of the classes 0, 1, ... of a kind of label; none for returns."""
    return _NAMES[kind]


def class_outputs(outputs: Sequence[str], values: AnyArray) -> tuple[Meaning, FloatArray] | None:
    """What a version says of each class, [M, C], from its outputs [M, K]; None where it has a score only.

    One probability p_up stands for two classes, 1 - p_up and p_up. Margins (of a support vector machine) order the
    classes, but are no probabilities.
    """
    for start, meaning in (("p_", "probability"), ("margin_", "margin")):
        columns = [k for k, name in enumerate(outputs) if name.startswith(start)]
        if columns:
            found = np.asarray(values[:, columns], dtype=np.float64)
            whole = np.column_stack([1 - found[:, 0], found[:, 0]]) if len(columns) == 1 else found
            return meaning, whole  # type: ignore[return-value]
    return None


@dataclass(frozen=True)
class ClassOutputs:
    """What one seed's versions said of the classes on judged rows, beside what came.

    t, n: [M] rows and symbols, by t. values: [M, C]. actual: [M] class. names: C. meaning: probability or margin.
    """

    t: IntArray
    n: IntArray
    values: FloatArray
    actual: IntArray
    names: tuple[str, ...]
    meaning: Meaning

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.actual), len(self.names)):
            expected = (len(self.actual), len(self.names))
            raise DataError(f"class outputs: expected values [M, C] = {expected}, got {self.values.shape}")
        known = np.isin(self.actual, np.arange(len(self.names)))
        if not np.isfinite(self.values).all() or not known.all():
            raise DataError(f"class outputs: expected finite values and classes 0 to {len(self.names) - 1}")

    @property
    def predicted(self) -> IntArray:
        """[M] the class with the highest value, the first of equals."""
        return self.values.argmax(axis=1)

    @classmethod
    def of(cls, judged: Judged) -> ClassOutputs | None:
        """Ask the versions; None where labels are returns, or a version names no classes.

        A symbol of whose group a version has no model is left out on its dates.
        """
        names = class_names(judged.samples.labels.kind)
        parts, meaning = [], None
        for date in judged.cross_sections() if names else ():
            found = class_outputs(date.version.outputs, date.predict(date.windows()))
            if found is None or found[1].shape[1] != len(names):
                return None
            known = np.isfinite(found[1]).all(axis=1)
            if not known.any():
                continue
            meaning = found[0]
            parts.append((np.full(known.sum(), date.t), date.n[known], found[1][known], date.classes[known]))
        if meaning is None:
            return None
        t, n, values, actual = (np.concatenate(column) for column in zip(*parts, strict=True))
        return cls(t, n, values, actual, names, meaning)

    def to_frame(self, sessions: DateArray, symbols: Sequence[str]) -> pd.DataFrame:
        """Long table: date, symbol, actual, predicted (names), meaning, one column per class."""
        name = np.asarray(self.names, dtype=object)
        table = {
            "date": sessions[self.t].astype("datetime64[s]"),
            "symbol": pd.Series(np.asarray(symbols, dtype=object)[self.n], dtype="str"),
            "actual": pd.Series(name[self.actual], dtype="str"),
            "predicted": pd.Series(name[self.predicted], dtype="str"),
            "meaning": pd.Series([self.meaning] * len(self.t), dtype="str"),
        }
        values = {column: self.values[:, c].astype(np.float32) for c, column in enumerate(self.names)}
        return pd.DataFrame(table | values)
