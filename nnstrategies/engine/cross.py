"""The day's cross-section as arrays, and one batch of targets for all of it: strategies need no loop over feeds."""

from __future__ import annotations

import backtrader as bt
import numpy as np

from nnstrategies.engine.rebalance import rebalance
from nnstrategies.errors import DataError
from nnstrategies.feeds.backtrader import PanelData
from nnstrategies.panel import Panel
from nnstrategies.typing import AnyArray, FloatArray, IntArray


class Cross:
    """The panel's feeds of a strategy side by side; every array is [N], in the order of the strategy's feeds.

    Made in the strategy's ``__init__``: ``self.cross = Cross(self)``. Shows what the lines show: in ``next`` the
    session that just closed, in ``next_open`` already the new one. Works in any bt.Cerebro. Raises DataError for a
    strategy without feeds of a panel, or with feeds of two.
    """

    def __init__(self, strategy: bt.Strategy) -> None:
        self._strategy = strategy
        self.feeds: tuple[PanelData, ...] = tuple(data for data in strategy.datas if isinstance(data, PanelData))
        panels = {id(feed.panel): feed.panel for feed in self.feeds}
        if len(panels) != 1:
            raise DataError(f"Cross: expected feeds of one panel, got {len(panels)} panels; use add_panel once")
        self.panel: Panel = next(iter(panels.values()))
        self.symbols = tuple(self.panel.symbols[feed.column] for feed in self.feeds)
        columns = np.array([feed.column for feed in self.feeds], dtype=np.int64)
        self._columns: IntArray | None = None if np.array_equal(columns, np.arange(self.panel.N)) else columns
        self._place = {feed: place for place, feed in enumerate(self.feeds)}
        self._offset: int | None = None

    @property
    def N(self) -> int:  # noqa: N802
        return len(self.feeds)

    @property
    def row(self) -> int:
        """The panel's row of the current session; -1 before the first."""
        delivered = len(self.feeds[0])
        if self._offset is None and delivered:
            today = np.datetime64(self.feeds[0].datetime.date(0), "D")
            self._offset = int(np.searchsorted(self.panel.sessions, today)) + 1 - delivered
        return delivered - 1 + (self._offset or 0)

    # -- prices -------------------------------------------------------------------------------------------------------

    def __getitem__(self, field: str) -> FloatArray:
        """A field of the panel at this session, float64."""
        return self._chosen(self.panel[field][self._checked_row()])

    @property
    def open(self) -> FloatArray:
        return self["open"]

    @property
    def high(self) -> FloatArray:
        return self["high"]

    @property
    def low(self) -> FloatArray:
        return self["low"]

    @property
    def close(self) -> FloatArray:
        return self["close"]

    @property
    def volume(self) -> FloatArray:
        return self["volume"]

    def history(self, field: str, length: int) -> FloatArray:
        """[length, N] the last sessions of a field up to this one; DataError when there were not so many."""
        row = self._checked_row()
        if not 0 < length <= row + 1:
            raise DataError(f"Cross.history: {field}: expected 1 to {row + 1} sessions, got {length}")
        return self._chosen(self.panel[field][row + 1 - length : row + 1])

    def _checked_row(self) -> int:
        row = self.row
        if row < 0:
            raise DataError("Cross: no session has been delivered yet; read it from next on")
        return row

    def _chosen(self, values: AnyArray) -> FloatArray:
        return np.array(values if self._columns is None else values[..., self._columns], dtype=np.float64)

    # -- holdings -----------------------------------------------------------------------------------------------------

    @property
    def positions(self) -> FloatArray:
        """Shares held, negative when short."""
        sizes = np.zeros(self.N)
        for data, position in self._strategy.broker.positions.items():
            if position.size and data in self._place:
                sizes[self._place[data]] = position.size
        return sizes

    @property
    def weights(self) -> FloatArray:
        """Share of the account's value in each feed, at this session's close; 0 where nothing is held."""
        sizes = self.positions
        worth = np.where(sizes != 0, sizes * self.close, 0.0)
        return worth / self._strategy.broker.getvalue()

    def rebalance(self, targets: FloatArray) -> list[bt.Order]:
        """Order every feed to its target weight and return the orders.

        targets: [N] shares of the account's value; NaN leaves a feed alone. The orders are those of
        ``order_target_percent(feed, target)`` for each feed that is held or has a target other than 0: first holdings
        that shrink, then the rest, each in the order of the feeds. Raises DataError for another shape.
        """
        wanted = np.asarray(targets, dtype=np.float64)
        if wanted.shape != (self.N,):
            raise DataError(f"Cross.rebalance: targets: expected an array of shape ({self.N},), got {wanted.shape}")
        return rebalance(self._strategy, self.feeds, wanted, self.positions)
