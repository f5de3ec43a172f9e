"""Networks: windows [B, L, F] in, raw head outputs [B, O] out. Softmax and scores belong to whoever uses them."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping

from torch import nn

from nnstrategies.errors import ConfigError
from nnstrategies.models.cnn_lstm import CNNLSTM
from nnstrategies.models.lstm import LSTM

MODELS: dict[str, type[nn.Module]] = {"lstm": LSTM, "cnn_lstm": CNNLSTM}


def model_settings(name: str, settings: Mapping[str, float]) -> dict[str, float]:
    """Every setting of model ``name``, the paper's default where ``settings`` says nothing.

    Raises ConfigError for an unknown model or setting, with a suggestion.
    """
    if name not in MODELS:
        raise ConfigError(f"model: expected one of {', '.join(MODELS)}, got {name!r}{_nearest(name, MODELS)}")
    parameters = inspect.signature(MODELS[name]).parameters.values()
    known = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    for key in settings:
        if key not in known:
            raise ConfigError(f"model {name}: unknown setting {key!r}{_nearest(key, known)}; it has {', '.join(known)}")
    return {**known, **settings}


def build_model(name: str, n_features: int, n_outputs: int, settings: Mapping[str, float]) -> nn.Module:
    """A freshly initialised network for windows [B, L, n_features]; draws from torch's global generator."""
    return MODELS[name](n_features, n_outputs, **model_settings(name, settings))


def _nearest(word: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
