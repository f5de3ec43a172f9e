"""Settings chosen by time-series cross-validation on what was known at the time."""

from nnstrategies.search.choice import Choice, ChoiceTimeline
from nnstrategies.search.folds import Fold, cv_folds, fingerprint_of
from nnstrategies.search.library import Library, read_choices
from nnstrategies.search.search import search_as_of, search_rows
from nnstrategies.search.settings import CrossValidationSettings, SearchSettings, check_search
from nnstrategies.search.space import Space, with_values
from nnstrategies.search.trial import FoldResult, Trial

__all__ = [
    "Choice",
    "ChoiceTimeline",
    "CrossValidationSettings",
    "Fold",
    "FoldResult",
    "Library",
    "SearchSettings",
    "Space",
    "Trial",
    "check_search",
    "cv_folds",
    "fingerprint_of",
    "read_choices",
    "search_as_of",
    "search_rows",
    "with_values",
]
