"""Networks: windows [B, L, F] in, raw head outputs [B, O] out. Softmax and scores belong to whoever uses them.

A network may say more of itself: ``min_window`` (sessions), ``refuse_window(window, settings)`` and
``refuse_settings(settings)`` (a reason or None), and, where it forecasts inside the window too,
``target_steps(window, settings)`` with ``steps(x)`` -> [B, K, O], of which ``forward`` is the last.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping

from torch import nn

from nnstrategies.errors import ConfigError
from nnstrategies.models.cnn import CNN
from nnstrategies.models.cnn_lstm import CNNLSTM
from nnstrategies.models.cnn_lstm_improved import ImprovedCNNLSTM
from nnstrategies.models.cnn_selector import CNNSelector
from nnstrategies.models.forecast_lstm import ForecastLSTM
from nnstrategies.models.lstm import LSTM
from nnstrategies.models.lstm_dense import LSTMDense
from nnstrategies.models.mlp import MLP
from nnstrategies.models.peephole_lstm import PeepholeLSTM
from nnstrategies.models.segment_lstm import SegmentLSTM
from nnstrategies.models.sequence_lstm import SequenceLSTM

MODELS: dict[str, type[nn.Module]] = {
    "lstm": LSTM,
    "cnn_lstm": CNNLSTM,
    "cnn_lstm_improved": ImprovedCNNLSTM,
    "cnn": CNN,
    "lstm_dense": LSTMDense,
    "cnn_selector": CNNSelector,
    "peephole_lstm": PeepholeLSTM,
    "forecast_lstm": ForecastLSTM,
    "mlp": MLP,
    "segment_lstm": SegmentLSTM,
    "sequence_lstm": SequenceLSTM,
}
_SHARES = ("dropout", "drop_path")


def model_settings(name: str, settings: Mapping[str, float]) -> dict[str, float]:
    """Every setting of model ``name``, the paper's default where ``settings`` says nothing.

    Raises ConfigError for an unknown model or setting, with a suggestion, and for a value no network can have.
    """
    if name not in MODELS:
        raise ConfigError(f"model: expected one of {', '.join(MODELS)}, got {name!r}{_nearest(name, MODELS)}")
    parameters = inspect.signature(MODELS[name]).parameters.values()
    known = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    for key, value in settings.items():
        if key not in known:
            raise ConfigError(f"model {name}: unknown setting {key!r}{_nearest(key, known)}; it has {', '.join(known)}")
        if expected := _wrong(key, value):
            raise ConfigError(f"model {name}: {key}: expected {expected}, got {value!r}")
    whole = {**known, **settings}
    refuse = getattr(MODELS[name], "refuse_settings", None)
    if refuse and (reason := refuse(whole)):
        raise ConfigError(f"model {name}: {reason}")
    return whole


def build_model(name: str, n_features: int, n_outputs: int, settings: Mapping[str, float]) -> nn.Module:
    """A freshly initialised network for windows [B, L, n_features]; draws from torch's global generator."""
    return MODELS[name](n_features, n_outputs, **model_settings(name, settings))


def refuse_window(name: str, window: int, settings: Mapping[str, float]) -> str | None:
    """Why model ``name`` cannot read windows of ``window`` sessions, or None."""
    network = MODELS[name]
    minimum = getattr(network, "min_window", 1)
    if window < minimum:
        return f"needs windows of {minimum} sessions, got {window}"
    refuse = getattr(network, "refuse_window", None)
    return refuse(window, model_settings(name, settings)) if refuse else None


def target_steps(name: str, window: int, settings: Mapping[str, float]) -> list[int] | None:
    """Places [K] in the window at which model ``name`` forecasts, the last being window - 1; None: there only."""
    steps = getattr(MODELS[name], "target_steps", None)
    return list(steps(window, model_settings(name, settings))) if steps else None


def _wrong(key: str, value: object) -> str | None:
    """What a setting's value should have been, None where it is fine."""
    if key in _SHARES:
        return None if isinstance(value, int | float) and 0 <= value < 1 else "a share from 0 to below 1"
    return None if isinstance(value, int) and value >= 1 else "a whole number of at least 1"


def _nearest(word: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
