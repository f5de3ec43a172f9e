"""Proof by experiment that nothing sees the future: another one is put in its place, no byte of the past may move."""

from nnstrategies.audit.compare import same_bytes
from nnstrategies.audit.features import check_features, check_scale
from nnstrategies.audit.findings import Audit, Finding, Stage
from nnstrategies.audit.gap import check_gap
from nnstrategies.audit.labels import check_labels, check_mask
from nnstrategies.audit.noise import cut, replace_future, scale_adj_factor, short_noise
from nnstrategies.audit.other_market import other_future
from nnstrategies.audit.other_samples import other_samples
from nnstrategies.audit.recipes import check_recipe, shortened
from nnstrategies.audit.strategies import check_strategy
from nnstrategies.audit.tables import check_tables
from nnstrategies.audit.text import lines
from nnstrategies.audit.too_good import check_shuffled, check_single_features

__all__ = [
    "Audit",
    "Finding",
    "Stage",
    "check_features",
    "check_gap",
    "check_labels",
    "check_mask",
    "check_recipe",
    "check_scale",
    "check_shuffled",
    "check_single_features",
    "check_strategy",
    "check_tables",
    "cut",
    "lines",
    "other_future",
    "other_samples",
    "replace_future",
    "same_bytes",
    "scale_adj_factor",
    "short_noise",
    "shortened",
]
