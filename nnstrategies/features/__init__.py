"""What models see of the market: named causal functions of a panel."""

from nnstrategies.features.feature_set import FeatureFunction, Features, FeatureSet, reads_the_future
from nnstrategies.features.sets import (
    CATALOGUE,
    FEATURES,
    SETS,
    chosen_from,
    default_set,
    feature_names,
    feature_set,
    left_out,
)

__all__ = [
    "CATALOGUE",
    "FEATURES",
    "SETS",
    "FeatureFunction",
    "FeatureSet",
    "Features",
    "chosen_from",
    "default_set",
    "feature_names",
    "feature_set",
    "left_out",
    "reads_the_future",
]
