"""From versions to scores."""

from nnstrategies.predictors.local import score

__all__ = ["score"]
