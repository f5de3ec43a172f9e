"""What a factor says about later returns, which factors to keep, and how to join them into one score."""

from nnstrategies.factors.combine import composite
from nnstrategies.factors.cross_section import limit_outliers, quantile, standardise
from nnstrategies.factors.factor_ics import FactorICs, factor_ics
from nnstrategies.factors.factor_quantiles import FactorQuantiles, factor_quantiles
from nnstrategies.factors.horizons import FactorSamples, forward_returns
from nnstrategies.factors.ic import Measure, ic, rank_autocorrelation, rank_ic, rank_ics
from nnstrategies.factors.orthogonal import gram_schmidt, mean_correlation
from nnstrategies.factors.quantiles import quantile_of, quantile_returns, turnover
from nnstrategies.factors.ranks import ranks
from nnstrategies.factors.screen import Screen, screen

__all__ = [
    "FactorICs",
    "FactorQuantiles",
    "FactorSamples",
    "Measure",
    "Screen",
    "composite",
    "factor_ics",
    "factor_quantiles",
    "forward_returns",
    "gram_schmidt",
    "ic",
    "limit_outliers",
    "mean_correlation",
    "quantile",
    "quantile_of",
    "quantile_returns",
    "rank_autocorrelation",
    "rank_ic",
    "rank_ics",
    "ranks",
    "screen",
    "standardise",
    "turnover",
]
