"""What models see of the market: named causal functions of a panel."""

from nnstrategies.features.cross_sectional import CROSS_SECTIONAL
from nnstrategies.features.feature_set import FeatureFunction, Features, FeatureSet
from nnstrategies.features.price_volume import PRICE_VOLUME
from nnstrategies.features.technical import TECHNICAL

FEATURES: dict[str, FeatureFunction] = {**TECHNICAL, **PRICE_VOLUME, **CROSS_SECTIONAL}

__all__ = ["FEATURES", "FeatureFunction", "FeatureSet", "Features", "default_set"]


def default_set() -> FeatureSet:
    """All built-in features."""
    return FeatureSet(FEATURES)
