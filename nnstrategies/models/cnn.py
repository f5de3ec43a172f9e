"""S2's CNN alone: what its CNN-LSTM is without the LSTM."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nnstrategies.models.weights import xavier


class CNN(nn.Module):
    """Two convolutions over time, a dense layer, a linear head.

    The paper compares with a CNN (Table 2) and says nothing of its structure. Ours keeps the sizes of its CNN-LSTM:
    64 and 128 kernels of 3, ReLU, BatchNorm after the first, max-pools, dropout 0.3, dense 128. The days left after the
    pooling, 5 of 20, enter the dense layer side by side; other windows are averaged to ``steps`` steps.
    """

    min_window = 4

    def __init__(
        self,
        n_features: int,
        n_outputs: int,
        channels_1: int = 64,
        channels_2: int = 128,
        kernel: int = 3,
        steps: int = 5,
        hidden: int = 128,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.conv_1 = nn.Conv1d(n_features, channels_1, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm1d(channels_1)
        self.conv_2 = nn.Conv1d(channels_1, channels_2, kernel, padding=kernel // 2)
        self.pool = nn.MaxPool1d(2)
        self.fit_steps = nn.AdaptiveAvgPool1d(steps)
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(channels_2 * steps, hidden)
        self.head = nn.Linear(hidden, n_outputs)
        xavier(self)

    def forward(self, x: Tensor) -> Tensor:
        """Windows [B, L, F] -> head outputs [B, O]."""
        c = x.transpose(1, 2)  # [B, L, F] -> [B, F, L]
        c = self.pool(self.norm(torch.relu(self.conv_1(c))))  # [B, C1, L // 2]
        c = self.pool(torch.relu(self.conv_2(c)))  # [B, C2, L // 4]
        c = self.fit_steps(c).flatten(1)  # [B, C2, S] -> [B, C2 * S]
        return self.head(torch.relu(self.dense(self.dropout(c))))  # [B, H] -> [B, O]
