"""Permutation importance: what a score loses when part of its input is that of another symbol of the same date."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nnstrategies.errors import DataError
from nnstrategies.evidence import rank_ic
from nnstrategies.explain.classes import class_outputs
from nnstrategies.explain.judged import CrossSection, Judged
from nnstrategies.explain.stretches import mean_error
from nnstrategies.typing import Float32Array, FloatArray

# Column -> type of the tables of importance, here and of gradients.
COLUMNS = {
    **dict.fromkeys(("method", "by", "feature"), "str"),
    **dict.fromkeys(("lag_first", "lag_last"), "int64"),
    "metric": "str",
    **dict.fromkeys(("value", "spread", "error", "baseline"), "float64"),
    **dict.fromkeys(("dates", "repeats"), "int64"),
}


Metrics = dict[str, float]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Block:
    """A part of the window that is shuffled as one.

    by: feature, lag, or a word of your own. name: of the feature or group, empty for lags. features: columns.
    lags: first and last day before the window's end, 0 = the day of the decision.
    """

    by: str
    name: str
    features: tuple[int, ...]
    lags: tuple[int, int]

    def cut(self, window: int) -> slice:
        """Its days of a window of ``window`` sessions."""
        return slice(window - 1 - self.lags[1], window - self.lags[0])


def feature_blocks(names: Sequence[str], window: int) -> list[Block]:
    """One block a feature, over the whole window."""
    return [Block("feature", name, (k,), (0, window - 1)) for k, name in enumerate(names)]


def lag_blocks(names: Sequence[str], window: int) -> list[Block]:
    """All features at lags 0, 1, 2-3, 4-7, 8-15 and so on: memory fades, so older days are taken together."""
    blocks, first = [], 0
    while first < window:
        last = min(max(2 * first - 1, first), window - 1)
        blocks.append(Block("lag", "", tuple(range(len(names))), (first, last)))
        first = last + 1
    return blocks


def permutation_importance(
    judged: Judged,
    blocks: Sequence[Block] | None = None,
    repeats: int = 5,
    seed: int = 0,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Drop of the rank IC, and of the accuracy where labels and outputs are classes, for each block.

    blocks: by default every feature and the lags of ``lag_blocks``. Within each date the block's values are handed to
    other symbols by a random permutation, so that what all symbols of a date share stays as it was; all blocks of a
    date and repeat are moved by the same one. Any kind of version will do: only ``Version.predict`` is asked.

    Columns: value, mean drop over dates and repeats (positive: the block helped); spread, standard deviation over
    repeats of that drop; error, its standard error over dates (see ``stretches``); baseline, the metric untouched. A
    feature whose twin stays in place loses little: give twins as one Block. progress(done, dates) is called after each
    date. DataError without repeats or dates.
    """
    if repeats < 1:
        raise DataError(f"permutation importance: repeats: expected at least 1, got {repeats}")
    window = judged.versions[0].manifest["window"]
    names = judged.samples.features.names
    chosen = [*feature_blocks(names, window), *lag_blocks(names, window)] if blocks is None else list(blocks)
    dates = judged.required()
    measured = []
    for number, date in enumerate(dates, start=1):
        measured.append(_date(date, chosen, repeats, seed))
        if progress:
            progress(number, len(dates))
    before = {metric: np.array([one[0][metric] for one in measured]) for metric in measured[0][0]}  # [T]
    rows = []
    for b, block in enumerate(chosen):
        for metric, base in before.items():
            after = np.array([[one[1][b][r][metric] for r in range(repeats)] for one in measured])  # [T, repeats]
            rows.append(
                (*_place(block), metric, *_summary(base[:, None] - after), np.nanmean(base), len(dates), repeats)
            )
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _place(block: Block) -> tuple[object, ...]:
    return ("permutation", block.by, block.name, *block.lags)


def _summary(drops: FloatArray) -> tuple[float, float, float]:
    """Mean of drops [T, repeats], standard deviation over repeats of the mean over dates, standard error over dates."""
    by_repeat = np.nanmean(drops, axis=0)
    spread = float(by_repeat.std(ddof=1)) if len(by_repeat) > 1 else float("nan")
    return float(by_repeat.mean()), spread, mean_error(drops.mean(axis=1))


def _date(date: CrossSection, blocks: Sequence[Block], repeats: int, seed: int) -> tuple[Metrics, list[list[Metrics]]]:
    """Metrics of one date untouched, and by block and repeat."""
    orders = [np.random.default_rng([seed, date.t, r]).permutation(len(date.n)) for r in range(repeats)]
    windows, found = date.windows(), []
    for block in blocks:
        days, columns = block.cut(windows.shape[1]), list(block.features)
        by_repeat = []
        for order in orders:
            moved = windows.copy()  # [M, L, F]
            moved[:, days, columns] = windows[order, days][:, :, columns]
            by_repeat.append(_metrics(date, moved))
        found.append(by_repeat)
    return _metrics(date, windows), found


def _metrics(date: CrossSection, windows: Float32Array) -> Metrics:
    outputs = date.predict(windows)  # [M, K]
    whole = np.ones((1, len(date.n)), dtype=bool)
    values = {"rank_ic": float(rank_ic(outputs[None, :, 0], date.returns[None], whole)[0])}
    told = class_outputs(date.version.outputs, outputs) if len(date.classes) else None
    if told is not None:
        values["accuracy"] = float((told[1].argmax(axis=1) == date.classes).mean())
    return values
