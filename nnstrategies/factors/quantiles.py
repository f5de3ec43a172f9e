"""Equal-sized groups of symbols by factor, what each group earned, and how many of its names are new."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnstrategies.errors import ConfigError, DataError
from nnstrategies.factors.cross_section import between
from nnstrategies.typing import AnyArray, FloatArray

Groups = NDArray[np.int8]


def quantile_of(factors: AnyArray, count: int = 5) -> Groups:
    """Group 1 (lowest) to ``count`` of each value of [..., N], 0 for NaN: groups hold nearly equal numbers of symbols.

    Group q holds the values above the (q - 1) / count quantile of the cross-section and not above the q / count one.
    A value on an edge thus belongs to the lower group, whatever binary fractions make of q / count. Equal values are
    never parted, so that ties can leave a group empty.
    """
    if not 2 <= count <= 100:
        raise ConfigError(f"factors: quantiles: expected 2 to 100 groups, got {count}")
    rises = np.sort(np.asarray(factors, dtype=np.float64), axis=-1)  # NaN last
    last = np.maximum(np.isfinite(rises).sum(axis=-1, keepdims=True) - 1, 0)  # [..., 1]
    below, rest = np.divmod(last * np.arange(1, count), count)  # whole numbers: exact
    edges = between(rises, below, rest / count, last)  # [..., count - 1]
    groups = np.isfinite(factors).astype(np.int8)
    with np.errstate(invalid="ignore"):
        for q in range(count - 1):
            groups += factors > edges[..., q : q + 1]
    return groups


def quantile_returns(groups: Groups, returns: AnyArray, count: int, relative: bool = False) -> FloatArray:
    """Equal-weight mean return [..., count] of each group of [..., N]; NaN for a group without a return.

    relative: less the mean over all symbols that have both a group and a return. ``returns`` broadcast.
    """
    usable = (groups > 0) & np.isfinite(returns)
    earned = np.where(usable, returns, 0.0).astype(np.float64, copy=False)
    if relative:
        earned = earned - _over(earned.sum(axis=-1), usable.sum(axis=-1))[..., None]
    means = []
    for q in range(1, count + 1):
        inside = usable & (groups == q)
        means.append(_over((earned * inside).sum(axis=-1), inside.sum(axis=-1)))
    return np.stack(means, axis=-1)


def turnover(groups: Groups, count: int, lag: int = 1) -> FloatArray:
    """Share [T, ..., count] of a group's names that were not in it ``lag`` rows before, for groups [T, ..., N].

    NaN in the first ``lag`` rows and where the group is empty on either date.
    """
    if lag < 1:
        raise DataError(f"turnover: lag: expected at least 1 row, got {lag}")
    out = np.full((*groups.shape[:-1], count), np.nan)
    now, before = groups[lag:], groups[:-lag]
    stayed = now == before
    for q in range(1, count + 1):
        inside = now == q
        names, had = inside.sum(axis=-1), (before == q).any(axis=-1)
        new = (inside & ~stayed).sum(axis=-1)
        out[lag:, ..., q - 1] = np.divide(new, names, out=np.full(names.shape, np.nan), where=(names > 0) & had)
    return out


def _over(total: FloatArray, count: NDArray[Any]) -> FloatArray:
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
