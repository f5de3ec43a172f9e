"""The multi-dimensional LSTM of S5: a forecast at every day of the window."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from nnstrategies.models.weights import xavier


class SequenceLSTM(nn.Module):
    """Sequence to sequence: the next day's value at each of the t days of a window of t x 6. Paper, II.C, Fig. 2-3.

    hidden 10 (N of Table 2-3; Table 2-4: 6 to 12 for 6 inputs), t of 150 to 250 days. III.C names dropout without a
    rate: 0 is ours. Trained on every step, it forecasts with the last one.
    """

    def __init__(self, n_features: int, n_outputs: int, hidden: int = 10, dropout: float = 0.0) -> None:
        super().__init__()
        self.lstm = nn.LSTM(n_features, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, n_outputs)
        xavier(self)

    @staticmethod
    def target_steps(window: int, settings: Mapping[str, float]) -> range:
        """Places in the window whose next value is forecast: all."""
        return range(window)

    def steps(self, x: Tensor) -> Tensor:
        """Windows [B, L, F] -> head outputs of every day [B, L, O]."""
        h, _ = self.lstm(x)  # [B, L, F] -> [B, L, H]
        return self.head(self.dropout(h))  # [B, L, H] -> [B, L, O]

    def forward(self, x: Tensor) -> Tensor:
        """Windows [B, L, F] -> head outputs of the last day [B, O]."""
        return self.steps(x)[:, -1]
