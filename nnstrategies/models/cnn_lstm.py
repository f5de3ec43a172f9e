"""The CNN-LSTM of Shen, Zhuo (2026), original structure."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nnstrategies.models.weights import xavier


class CNNLSTM(nn.Module):
    """Two convolutions over time, an LSTM, a dense layer, a linear head.

    Paper: Conv1d 64 kernels of 3 -> ReLU -> BatchNorm -> max-pool; Conv1d 128 kernels of 3 -> max-pool; LSTM 256;
    dropout 0.3; dense 128 ReLU; softmax 3; windows of 20 days. Padding keeps the length before each pooling by 2
    (rounded down), so a window needs at least 4 days. The paper names no activation after the second convolution;
    we use ReLU there too.
    """

    min_window = 4

    def __init__(
        self,
        n_features: int,
        n_outputs: int,
        channels_1: int = 64,
        channels_2: int = 128,
        kernel: int = 3,
        hidden: int = 256,
        dense: int = 128,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.conv_1 = nn.Conv1d(n_features, channels_1, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm1d(channels_1)
        self.conv_2 = nn.Conv1d(channels_1, channels_2, kernel, padding=kernel // 2)
        self.pool = nn.MaxPool1d(2)
        self.lstm = nn.LSTM(channels_2, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(hidden, dense)
        self.head = nn.Linear(dense, n_outputs)
        xavier(self)

    def forward(self, x: Tensor) -> Tensor:
        """Windows [B, L, F] -> head outputs [B, O]."""
        c = x.transpose(1, 2)  # [B, L, F] -> [B, F, L]
        c = self.pool(self.norm(torch.relu(self.conv_1(c))))  # [B, C1, L // 2]
        c = self.pool(torch.relu(self.conv_2(c)))  # [B, C2, L // 4]
        h, _ = self.lstm(c.transpose(1, 2))  # [B, L // 4, C2] -> [B, L // 4, H]
        d = torch.relu(self.dense(self.dropout(h[:, -1])))  # [B, H] -> [B, D]
        return self.head(d)  # [B, D] -> [B, O]
