"""The CNN of S1 that selects stocks: a window as an image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nnstrategies.models.weights import xavier


class CNNSelector(nn.Module):
    """Input, 2 convolutions, 2 fully connected hidden layers, output; ReLU and tanh. Paper, Table 1 and 2.1.

    ReLU follows the convolutions, tanh the dense layers. 2.1 has a max-pool after each convolution: the first halves
    the days, the second brings any window and any number of features to ``grid`` x ``grid``. Table 1 gives no sizes
    (16 and 32 kernels of 3 x 3, grid 4, dense 128 and 64 are ours) and no dropout. Weights ~ Normal(0, 1) is the
    recipe's ``init: normal``.
    """

    min_window = 2

    def __init__(
        self,
        n_features: int,
        n_outputs: int,
        channels_1: int = 16,
        channels_2: int = 32,
        kernel: int = 3,
        grid: int = 4,
        hidden: int = 128,
        dense: int = 64,
    ) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(1, channels_1, kernel, padding=kernel // 2)
        self.pool_1 = nn.MaxPool2d((2, 1))
        self.conv_2 = nn.Conv2d(channels_1, channels_2, kernel, padding=kernel // 2)
        self.pool_2 = nn.AdaptiveMaxPool2d((grid, grid))
        self.dense_1 = nn.Linear(channels_2 * grid * grid, hidden)
        self.dense_2 = nn.Linear(hidden, dense)
        self.head = nn.Linear(dense, n_outputs)
        xavier(self)

    def forward(self, x: Tensor) -> Tensor:
        """Windows [B, L, F] -> head outputs [B, O]."""
        image = x.unsqueeze(1)  # [B, L, F] -> [B, 1, L, F]
        c = self.pool_1(torch.relu(self.conv_1(image)))  # [B, C1, L // 2, F]
        c = self.pool_2(torch.relu(self.conv_2(c)))  # [B, C2, G, G]
        d = torch.tanh(self.dense_1(c.flatten(1)))  # [B, C2 * G * G] -> [B, H]
        return self.head(torch.tanh(self.dense_2(d)))  # [B, H] -> [B, D] -> [B, O]
