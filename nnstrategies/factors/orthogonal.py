"""Factors freed from each other, date by date."""

from __future__ import annotations

import numpy as np

from nnstrategies.factors.cross_section import centre
from nnstrategies.typing import AnyArray, FloatArray

_REDUNDANT = 1e-6  # of its own length: what float32 features leave of an exact combination of others


def gram_schmidt(factors: AnyArray) -> FloatArray:
    """Residuals [..., F, N] of each factor on those before it, across symbols; mean 0, standard deviation 1.

    The first factor is only standardised, so their order matters: the strongest first. A symbol that lacks one factor
    gets NaN for all. What a factor's predecessors explain wholly becomes 0. Each projection is done twice, after which
    the residuals are orthogonal to rounding (Giraud, Langou, Rozloznik, 2005).
    """
    usable: AnyArray = np.all(np.isfinite(factors), axis=-2)  # [..., N]
    centred = centre(factors, np.broadcast_to(usable[..., None, :], factors.shape))  # [..., F, N]
    basis = np.zeros_like(centred)
    for f in range(factors.shape[-2]):
        rest = centred[..., f, :].copy()
        before = _length(rest)
        for _ in range(2):
            along = np.einsum("...fn,...n->...f", basis[..., :f, :], rest)
            rest -= np.einsum("...f,...fn->...n", along, basis[..., :f, :])
        length = _length(rest)
        kept = length > _REDUNDANT * before
        basis[..., f, :] = np.where(kept, rest / np.where(kept, length, 1.0), 0.0)
    basis *= np.sqrt(usable.sum(axis=-1))[..., None, None]  # length 1 -> standard deviation 1
    return np.where(usable[..., None, :], basis, np.nan)


def mean_correlation(factors: AnyArray) -> FloatArray:
    """[F, F] correlation across symbols of each pair of factors [R, F, N], mean over dates; NaN where never defined.

    Symbols that have all factors count; of a date, pairs in which both vary.
    """
    usable: AnyArray = np.all(np.isfinite(factors), axis=-2, keepdims=True)
    centred = centre(factors, np.broadcast_to(usable, factors.shape))
    length = _length(centred)  # [R, F, 1]
    unit = centred / np.where(length > 0, length, 1.0)
    both = (length > 0) & (length > 0).swapaxes(-1, -2)  # [R, F, F]
    total = np.where(both, np.einsum("rfn,rgn->rfg", unit, unit), 0.0).sum(axis=0)
    count = both.sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _length(x: FloatArray) -> FloatArray:
    length: FloatArray = np.sqrt((x * x).sum(axis=-1, keepdims=True))
    return length
