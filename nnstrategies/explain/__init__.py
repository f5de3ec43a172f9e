"""What versions look at, how well their probabilities fit, and on which days each of them learned."""

from __future__ import annotations

from nnstrategies.explain.calibration import calibration
from nnstrategies.explain.classes import ClassOutputs, class_names, class_outputs
from nnstrategies.explain.confusion import confusion
from nnstrategies.explain.folds import folds
from nnstrategies.explain.gradients import attributions, captum_missing, gradient_importance
from nnstrategies.explain.hits import hits
from nnstrategies.explain.judged import Judged
from nnstrategies.explain.permutation import Block, feature_blocks, lag_blocks, permutation_importance

__all__ = [
    "Block",
    "ClassOutputs",
    "Judged",
    "attributions",
    "calibration",
    "captum_missing",
    "class_names",
    "class_outputs",
    "confusion",
    "feature_blocks",
    "folds",
    "gradient_importance",
    "hits",
    "lag_blocks",
    "permutation_importance",
]
