"""The LSTM of S1 that times the market: one layer of blocks with peephole connections."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nnstrategies.models.weights import xavier


class PeepholeLayer(nn.Module):
    """LSTM blocks whose gates see the cell: input and forget gate c(t-1), output gate c(t). Paper, eqs. 2-7.

    z = tanh(Wz x + Rz y + bz)                    (2)   block input
    i = sigmoid(Wi x + Ri y + pi * c(t-1) + bi)   (3)   input gate
    f = sigmoid(Wf x + Rf y + pf * c(t-1) + bf)   (4)   forget gate
    c = i * z + f * c(t-1)                        (5)   cell
    o = sigmoid(Wo x + Ro y + po * c + bo)        (6)   output gate
    y = o * tanh(c)                               (7)   block output
    with y = y(t-1) in (2)-(6). W, R and b hold z, i, f, o one below the other. Peepholes start at 0.
    """

    def __init__(self, n_features: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.W = nn.Parameter(torch.empty(4 * hidden, n_features))
        self.R = nn.Parameter(torch.empty(4 * hidden, hidden))
        self.bias = nn.Parameter(torch.zeros(4 * hidden))
        self.p_i = nn.Parameter(torch.zeros(hidden))
        self.p_f = nn.Parameter(torch.zeros(hidden))
        self.p_o = nn.Parameter(torch.zeros(hidden))

    def forward(self, x: Tensor) -> Tensor:
        """Inputs [B, L, F] -> block outputs [B, L, H]."""
        wx = x @ self.W.T + self.bias  # [B, L, F] -> [B, L, 4H], all steps at once
        y = c = x.new_zeros(len(x), self.hidden)  # [B, H]
        outputs = []
        for step in wx.unbind(1):
            z, i, f, o = (step + y @ self.R.T).chunk(4, dim=1)  # [B, 4H] -> 4 x [B, H]
            i = torch.sigmoid(i + self.p_i * c)
            f = torch.sigmoid(f + self.p_f * c)
            c = i * torch.tanh(z) + f * c
            y = torch.sigmoid(o + self.p_o * c) * torch.tanh(c)
            outputs.append(y)
        return torch.stack(outputs, dim=1)


class PeepholeLSTM(nn.Module):
    """Input, 1 LSTM hidden layer, 1 fully connected hidden layer, output; tanh. Paper, Table 1.

    Table 1 gives no sizes: 32 and 16 are ours. It names no dropout. Weights ~ Normal(0, 1) is ``init: normal``.
    """

    def __init__(self, n_features: int, n_outputs: int, hidden: int = 32, dense: int = 16) -> None:
        super().__init__()
        self.lstm = PeepholeLayer(n_features, hidden)
        self.dense = nn.Linear(hidden, dense)
        self.head = nn.Linear(dense, n_outputs)
        xavier(self)
        nn.init.ones_(self.lstm.bias[2 * hidden : 3 * hidden])  # an open forget gate, as in our other LSTMs

    def forward(self, x: Tensor) -> Tensor:
        """Windows [B, L, F] -> head outputs [B, O]."""
        y = self.lstm(x)  # [B, L, F] -> [B, L, H]
        return self.head(torch.tanh(self.dense(y[:, -1])))  # [B, H] -> [B, D] -> [B, O]
