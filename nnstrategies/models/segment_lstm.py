"""The one-dimensional LSTM of S5: a window cut into segments, one a step."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from nnstrategies.models.weights import xavier


class SegmentLSTM(nn.Module):
    """L days cut into t segments of L / t; each step forecasts the day after its segment. Paper, II.B.3 and Fig. 2-2.

    There the input is one series of closes (F = 1) and the targets are the first value of each next segment and day
    L + 1: the next day's close at every segment's end, which is what ``target_steps`` says. Memory "slightly larger"
    than the segment: 12 for 10 days. The paper's table of L and t is lost; 10 days a segment is ours. It names no rate
    of dropout: 0. With F features a segment is its F series side by side.
    """

    def __init__(
        self, n_features: int, n_outputs: int, segment_days: int = 10, hidden: int = 12, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.segment_days = segment_days
        self.lstm = nn.LSTM(segment_days * n_features, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, n_outputs)
        xavier(self)

    @staticmethod
    def refuse_window(window: int, settings: Mapping[str, float]) -> str | None:
        days = settings["segment_days"]
        if window % days:
            return f"needs windows of a multiple of {days} sessions (its segment_days), got {window}"
        return None

    @staticmethod
    def target_steps(window: int, settings: Mapping[str, float]) -> range:
        """Places in the window whose next value is forecast: the last day of each segment."""
        days = int(settings["segment_days"])
        return range(days - 1, window, days)

    def steps(self, x: Tensor) -> Tensor:
        """Windows [B, L, F] -> head outputs of every segment [B, t, O]."""
        batch, length, features = x.shape
        segments = x.reshape(batch, length // self.segment_days, self.segment_days * features)  # [B, t, L / t * F]
        h, _ = self.lstm(segments)  # [B, t, H]
        return self.head(self.dropout(h))  # [B, t, H] -> [B, t, O]

    def forward(self, x: Tensor) -> Tensor:
        """Windows [B, L, F] -> head outputs of the last segment [B, O]."""
        return self.steps(x)[:, -1]
