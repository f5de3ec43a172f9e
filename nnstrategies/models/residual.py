"""A residual block over time, skipped at random while training."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """x + conv(ReLU(norm(conv(x)))), normalised (He et al., 2016), with stochastic depth (Huang et al., 2016).

    While training, each sample skips the branch with probability ``drop``; the branch of the others is divided by
    1 - drop, so that its mean is what evaluation uses.
    """

    def __init__(self, channels: int, kernel: int, drop: float) -> None:
        super().__init__()
        self.conv_1 = nn.Conv1d(channels, channels, kernel, padding=kernel // 2)
        self.norm_1 = nn.BatchNorm1d(channels)
        self.conv_2 = nn.Conv1d(channels, channels, kernel, padding=kernel // 2)
        self.norm_2 = nn.BatchNorm1d(channels)
        self.drop = drop

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, S] -> [B, C, S]."""
        branch = self.norm_1(self.conv_1(x))
        branch = self.norm_2(self.conv_2(torch.relu(branch)))
        return torch.relu(x + self._keep(branch))

    def _keep(self, branch: Tensor) -> Tensor:
        if not self.training or self.drop == 0:
            return branch
        kept = torch.rand(len(branch), 1, 1, device=branch.device) >= self.drop  # [B, 1, 1]
        return branch * kept / (1 - self.drop)
