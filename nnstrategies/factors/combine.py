"""Several factors as one score."""

from __future__ import annotations

from nnstrategies.factors.cross_section import Outliers, limit_outliers, standardise
from nnstrategies.factors.orthogonal import gram_schmidt
from nnstrategies.typing import AnyArray, FloatArray


def composite(factors: AnyArray, direction: FloatArray, outliers: Outliers, orthogonal: bool) -> FloatArray:
    """Equal-weight mean [..., N] of factors [..., K, N] in standard deviations of their cross-section; NaN if one is.

    In this order: outliers limited, standardised, turned by ``direction`` [K], freed from each other where
    ``orthogonal`` (the first factor leads), averaged. Wu and Tang (2021), sections 3.3 and 3.4.
    """
    turned = standardise(limit_outliers(factors, outliers)) * direction[:, None]
    joined: FloatArray = (gram_schmidt(turned) if orthogonal else turned).mean(axis=-2)
    return joined
