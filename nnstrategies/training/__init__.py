"""From samples to versions: recipes, the walk-forward, the registry."""

from __future__ import annotations

from nnstrategies.training.baselines import GradientBoostingRecipe, MomentumRecipe, RidgeRecipe
from nnstrategies.training.classical import LogisticRecipe, PersistenceRecipe, RandomForestRecipe, SVMRecipe
from nnstrategies.training.ensemble import EnsembleRecipe
from nnstrategies.training.factor_screen import FactorScreenRecipe
from nnstrategies.training.grouped import GroupedRecipe
from nnstrategies.training.network import NetworkRecipe
from nnstrategies.training.plan import RefitPlan
from nnstrategies.training.progress import Progress, ProgressBar, Tick
from nnstrategies.training.recipe import Incumbent, Recipe
from nnstrategies.training.registry import load_version, refuse_leaks, save_version
from nnstrategies.training.store import FitStore
from nnstrategies.training.timeline import Entry, Timeline
from nnstrategies.training.version import Version
from nnstrategies.training.walkforward import update, walk_forward

RECIPES = {
    "network": NetworkRecipe,
    "ridge": RidgeRecipe,
    "gradient_boosting": GradientBoostingRecipe,
    "momentum": MomentumRecipe,
    "random_forest": RandomForestRecipe,
    "svm": SVMRecipe,
    "logistic": LogisticRecipe,
    "persistence": PersistenceRecipe,
    "factor_screen": FactorScreenRecipe,
    "ensemble": EnsembleRecipe,
}

FIXED = (MomentumRecipe, PersistenceRecipe)  # rules that learn nothing and see no label

__all__ = [
    "FIXED",
    "RECIPES",
    "EnsembleRecipe",
    "Entry",
    "FactorScreenRecipe",
    "FitStore",
    "GradientBoostingRecipe",
    "GroupedRecipe",
    "Incumbent",
    "LogisticRecipe",
    "MomentumRecipe",
    "NetworkRecipe",
    "PersistenceRecipe",
    "Progress",
    "ProgressBar",
    "RandomForestRecipe",
    "Recipe",
    "RefitPlan",
    "RidgeRecipe",
    "SVMRecipe",
    "Tick",
    "Timeline",
    "Version",
    "load_version",
    "refuse_leaks",
    "save_version",
    "update",
    "walk_forward",
]
