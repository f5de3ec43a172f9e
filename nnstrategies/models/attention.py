"""Multi-head self-attention that weighs channels."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class ChannelAttention(nn.Module):
    """Channels weighed by what self-attention (Vaswani et al., 2017) makes of the window at several scales.

    The series of C channels are averaged over 1, 2 and 4 equal parts of the window: 7 tokens of C numbers. ``heads``
    heads attend to them; the mean of their outputs gives a weight in (0, 2) per channel, 1 where it is 0. C must be a
    multiple of ``heads``.
    """

    scales = (1, 2, 4)

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.pools = nn.ModuleList(nn.AdaptiveAvgPool1d(scale) for scale in self.scales)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, S] -> [B, C, S]."""
        tokens = torch.cat([pool(x) for pool in self.pools], dim=2).transpose(1, 2)  # [B, C, 7] -> [B, 7, C]
        weight = 2 * torch.sigmoid(self.out(self._attend(tokens).mean(dim=1)))  # [B, 7, C] -> [B, C]
        return x * weight.unsqueeze(2)

    def _attend(self, tokens: Tensor) -> Tensor:
        batch, count, channels = tokens.shape
        split = self.qkv(tokens).reshape(batch, count, 3, self.heads, channels // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4).unbind(0)  # 3 x [B, heads, 7, C / heads]
        share = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(q.shape[3]), dim=3)  # [B, heads, 7, 7]
        return (share @ v).transpose(1, 2).reshape(batch, count, channels)  # [B, 7, C]
