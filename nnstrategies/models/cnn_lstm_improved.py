"""The improved CNN-LSTM of S2: residual blocks, 8-head self-attention, stochastic depth."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nnstrategies.models.attention import ChannelAttention
from nnstrategies.models.residual import ResidualBlock
from nnstrategies.models.weights import xavier


class ImprovedCNNLSTM(nn.Module):
    """The CNN-LSTM with 96 and 192 kernels, residual blocks and attention before an LSTM of 384. Paper, 4.2, Table 3.

    Given: 96 and 192 kernels, LSTM 384, 8 heads that "weight each channel" at several scales, residual blocks between
    CNN and LSTM, stochastic depth; batch 96, cosine decay, label smoothing 0.1 and mixup are the recipe's. Kept from
    the original: kernels of 3, pooling, dropout 0.3, dense 128. Ours, where the paper is silent: 2 blocks, a drop
    probability that rises to ``drop_path`` 0.1 at the last block, and what attention sees (``ChannelAttention``).
    """

    min_window = 4

    def __init__(
        self,
        n_features: int,
        n_outputs: int,
        channels_1: int = 96,
        channels_2: int = 192,
        kernel: int = 3,
        blocks: int = 2,
        drop_path: float = 0.1,
        heads: int = 8,
        hidden: int = 384,
        dense: int = 128,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.conv_1 = nn.Conv1d(n_features, channels_1, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm1d(channels_1)
        self.conv_2 = nn.Conv1d(channels_1, channels_2, kernel, padding=kernel // 2)
        self.pool = nn.MaxPool1d(2)
        drops = [drop_path * (block + 1) / blocks for block in range(blocks)]
        self.blocks = nn.Sequential(*(ResidualBlock(channels_2, kernel, drop) for drop in drops))
        self.attention = ChannelAttention(channels_2, heads)
        self.lstm = nn.LSTM(channels_2, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(hidden, dense)
        self.head = nn.Linear(dense, n_outputs)
        xavier(self)

    @staticmethod
    def refuse_settings(settings: Mapping[str, float]) -> str | None:
        channels, heads = settings["channels_2"], settings["heads"]
        return f"channels_2: expected a multiple of heads ({heads}), got {channels}" if channels % heads else None

    def forward(self, x: Tensor) -> Tensor:
        """Windows [B, L, F] -> head outputs [B, O]."""
        c = x.transpose(1, 2)  # [B, L, F] -> [B, F, L]
        c = self.pool(self.norm(torch.relu(self.conv_1(c))))  # [B, C1, L // 2]
        c = self.pool(torch.relu(self.conv_2(c)))  # [B, C2, L // 4]
        c = self.attention(self.blocks(c))  # [B, C2, L // 4]
        h, _ = self.lstm(c.transpose(1, 2))  # [B, L // 4, C2] -> [B, L // 4, H]
        d = torch.relu(self.dense(self.dropout(h[:, -1])))  # [B, H] -> [B, D]
        return self.head(d)  # [B, D] -> [B, O]
