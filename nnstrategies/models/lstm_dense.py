"""S2's LSTM alone: what its CNN-LSTM is without the convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nnstrategies.models.weights import xavier


class LSTMDense(nn.Module):
    """An LSTM, dropout, a dense layer, a linear head.

    The paper compares with an LSTM (Table 2) and says nothing of its structure. Ours keeps the sizes of its CNN-LSTM:
    LSTM 256, dropout 0.3 after it, dense 128 with ReLU.
    """

    def __init__(
        self, n_features: int, n_outputs: int, hidden: int = 256, dense: int = 128, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.lstm = nn.LSTM(n_features, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(hidden, dense)
        self.head = nn.Linear(dense, n_outputs)
        xavier(self)

    def forward(self, x: Tensor) -> Tensor:
        """Windows [B, L, F] -> head outputs [B, O]."""
        h, _ = self.lstm(x)  # [B, L, F] -> [B, L, H]
        return self.head(torch.relu(self.dense(self.dropout(h[:, -1]))))  # [B, H] -> [B, D] -> [B, O]
