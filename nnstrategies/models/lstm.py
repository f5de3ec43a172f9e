"""The LSTM signal filter of Wu, Tang (2021)."""

from __future__ import annotations

from torch import Tensor, nn

from nnstrategies.models.weights import xavier


class LSTM(nn.Module):
    """Stacked LSTM whose last step feeds a linear head. Paper: 3 layers of 150, dropout 0.2, windows of 120 days.

    Dropout acts between layers and before the head.
    """

    def __init__(
        self, n_features: int, n_outputs: int, hidden: int = 150, layers: int = 3, dropout: float = 0.2
    ) -> None:
        super().__init__()
        self.lstm = nn.LSTM(n_features, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, n_outputs)
        xavier(self)

    def forward(self, x: Tensor) -> Tensor:
        """Windows [B, L, F] -> head outputs [B, O]."""
        h, _ = self.lstm(x)  # [B, L, F] -> [B, L, H]
        return self.head(self.dropout(h[:, -1]))  # [B, H] -> [B, O]
