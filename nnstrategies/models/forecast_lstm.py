"""The price forecaster of S3: two LSTM layers of 50."""

from __future__ import annotations

from torch import Tensor, nn

from nnstrategies.models.weights import xavier


class ForecastLSTM(nn.Module):
    """Paper, 3.3: 2 layers of 50 units, dropout 0.1 between them and nowhere else; mean squared error, Adam.

    The paper is silent on the window and on the output layer: a linear head is ours.
    """

    def __init__(
        self, n_features: int, n_outputs: int, hidden: int = 50, layers: int = 2, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.lstm = nn.LSTM(n_features, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.head = nn.Linear(hidden, n_outputs)
        xavier(self)

    def forward(self, x: Tensor) -> Tensor:
        """Windows [B, L, F] -> head outputs [B, O]."""
        h, _ = self.lstm(x)  # [B, L, F] -> [B, L, H]
        return self.head(h[:, -1])  # [B, H] -> [B, O]
