"""A user's own classes and objects, named on the command line as FILE.py:NAME."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from nnstrategies.errors import ConfigError
from nnstrategies.features import FeatureSet
from nnstrategies.strategies import RebalanceStrategy
from nnstrategies.training.recipe import Recipe


def load_strategy(where: str) -> type[RebalanceStrategy]:
    """The class of FILE.py:CLASS; ConfigError says what is wrong with it."""
    found, name = _load("--strategy", where, "my_strategy.py:LowVolatility")
    if not (isinstance(found, type) and issubclass(found, RebalanceStrategy)):
        raise ConfigError(f"--strategy {where}: expected a subclass of RebalanceStrategy named {name}, got {found!r}")
    return found


def load_features(where: str) -> FeatureSet:
    """The FeatureSet of FILE.py:NAME, or a set of the one function that NAME is."""
    found, name = _load("--features", where, "my_features.py:FEATURES")
    if isinstance(found, FeatureSet):
        return found
    if not callable(found) or isinstance(found, type):
        raise ConfigError(f"--features {where}: expected a FeatureSet or a function of a panel, got {found!r}")
    return FeatureSet({name: found})


def load_recipe(where: str) -> Recipe:
    """The recipe of FILE.py:NAME, or what its class makes without arguments."""
    found, _ = _load("--recipe", where, "my_recipe.py:MyRecipe")
    try:
        recipe: Any = found() if isinstance(found, type) else found
    except Exception as error:
        raise ConfigError(f"--recipe {where}: cannot be made without arguments: {error}; name an object") from error
    missing = [part for part in ("name", "seeded", "fit") if not hasattr(recipe, part)]
    if missing:
        raise ConfigError(f"--recipe {where}: expected a Recipe with name, seeded and fit; {missing[0]} is missing")
    return recipe


def _load(option: str, where: str, example: str) -> tuple[Any, str]:
    path, colon, name = where.rpartition(":")
    if not colon or not path.endswith(".py"):
        kind = "CLASS" if option == "--strategy" else "NAME"
        raise ConfigError(f"{option} {where}: expected FILE.py:{kind}, such as {example}")
    if not Path(path).is_file():
        raise ConfigError(f"{option} {where}: there is no file {path}")
    spec = importlib.util.spec_from_file_location(f"own_{Path(path).stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # backtrader looks a strategy's module up by name, dataclasses a recipe's
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"{option} {where}: {path} cannot be loaded: {type(error).__name__}: {error}") from error
    return getattr(module, name, None), name
