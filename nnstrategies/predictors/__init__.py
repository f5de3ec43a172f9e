"""From versions to scores."""

from nnstrategies.predictors.local import score
from nnstrategies.predictors.stored import stored_timelines

__all__ = ["score", "stored_timelines"]
