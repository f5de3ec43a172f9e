"""The BP network of S5: a multilayer perceptron of 4 layers (input, two hidden, output)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nnstrategies.models.weights import xavier


class MLP(nn.Module):
    """Two hidden layers over the last days of the window. Paper, II.A: day k's 6 values in, the close of day k + 1 out.

    ``hidden`` 10 is the N of Table 2-3; III.A gives m = sqrt(n + l) + alpha, see ``hidden_nodes``. The paper names
    dropout but no rate, and no activation: tanh and 0 are ours. days = 1 is the paper's; more days, flattened, make it
    the MLP baseline of the other systems.
    """

    def __init__(
        self, n_features: int, n_outputs: int, hidden: int = 10, hidden_2: int = 10, days: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.days = days
        self.hidden_1 = nn.Linear(days * n_features, hidden)
        self.hidden_2 = nn.Linear(hidden, hidden_2)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden_2, n_outputs)
        xavier(self)

    @staticmethod
    def refuse_window(window: int, settings: Mapping[str, float]) -> str | None:
        days = settings["days"]
        return f"needs windows of at least {days} sessions (its days), got {window}" if window < days else None

    def forward(self, x: Tensor) -> Tensor:
        """Windows [B, L, F] -> head outputs [B, O]."""
        day = x[:, -self.days :].flatten(1)  # [B, D, F] -> [B, D * F]
        h = self.dropout(torch.tanh(self.hidden_1(day)))  # [B, H1]
        h = self.dropout(torch.tanh(self.hidden_2(h)))  # [B, H2]
        return self.head(h)  # [B, H2] -> [B, O]


def hidden_nodes(n_inputs: int, n_outputs: int, alpha: int) -> int:
    """S5, III.A: m = sqrt(n + l) + alpha hidden nodes, alpha a constant from 1 to 10; rounded."""
    return round(math.sqrt(n_inputs + n_outputs)) + alpha
