"""What an account is worth, found by looking at open positions only; the half of PanelBroker that counts."""

from __future__ import annotations

from itertools import islice
from typing import Any

import backtrader as bt
import numpy as np

from nnstrategies.engine.commission import is_plain
from nnstrategies.engine.lines import stored
from nnstrategies.engine.marking import Ahead, Held, marked
from nnstrategies.engine.positions import Changes, Positions


class ValuingBroker(bt.brokers.BackBroker):
    """BackBroker's interest, cash adjustment and value (bbroker.py 405-487, 1182-1195, 1222-1233).

    nan_as_backtrader: an account that a missing price makes worth NaN goes on so; by default it is a DataError, and
    what is not held is worth 0 whether it has a price or not.
    """

    params: Any = (("nan_as_backtrader", False),)
    _fundval: float  # of the parent, which has no types
    exact = False  # whether positions are changed by BackBroker's own methods only

    def init(self) -> None:
        super().init()
        self._changes = Changes()
        self.positions = Positions(self._changes)
        self._held: list[Held] = []
        self._ahead: Ahead | None = None
        self._touched = 0
        self._terms: tuple[Any, ...] = ()
        self._flat: set[Any] = set()  # feeds that count even when flat

    @property
    def drives(self) -> bool:
        """Whether lines hold all their values and stand where the engine's cursor is."""
        return getattr(self.cerebro, "path", "") == "panel"

    def _charge_interest(self) -> None:
        self._look()
        if self._ahead:
            self._ahead.date_positions()
            return
        credit = 0.0
        for held in self._held:
            if held.position.size:
                now = held.data.datetime.datetime()
                charge = held.scheme.get_credit_interest(held.data, held.position, now)
                self.d_credit[held.data] += charge
                credit += charge
                held.position.datetime = now
        self.cash -= credit

    def _adjust_cash(self) -> None:
        self._look()
        if self._ahead:
            return
        for held in self._held:
            position = held.position
            if position.size:
                price = held.close[0]
                self.cash += held.scheme.cashadjust(position.size, position.adjbase, price)
                position.adjbase = price

    # -- value --------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Find again what contributes to the value, in the order in which backtrader adds it up, after a change.

        A flat position adds 0 x close, which counts under foreign schemes and, where NaN is kept, without a close.
        """
        if self._touched != len(self.positions) or not self._terms or self.comminfo != self._terms[1]:
            self._look_at_new()
        whole = self.p.shortcash and not self._fundhist
        if self._changes.seen and self._terms[0] == whole:
            return
        self._terms = (whole, self._terms[1])
        self._changes.seen = self.exact  # a subclass may change positions without a word
        self._held = [
            Held(data, position, data.close, self.getcommissioninfo(data))
            for data, position in self.positions.items()
            if position.size or data in self._flat
        ]
        ahead = self.drives and whole and self._changes.seen and Ahead.serves(self._held)
        self._ahead = Ahead(self._held) if ahead else None

    def _look_at_new(self) -> None:
        """Find which feeds count even when flat: among those asked about since, or all after new schemes came."""
        if not self._terms or self.comminfo != self._terms[1]:
            self._touched, self._flat, self._changes.seen = 0, set(), False
            self._terms = (None, {**self.comminfo})
        counting = [data for data in islice(self.positions, self._touched, None) if self._counts_flat(data)]
        if counting:
            self._flat.update(counting)
            self._changes.seen = False
        self._touched = len(self.positions)

    def _counts_flat(self, data: Any) -> bool:
        if not is_plain(self.getcommissioninfo(data)):
            return True
        if not self.p.nan_as_backtrader:
            return False
        return not self.drives or not np.isfinite(np.asarray(stored(data.lines.close))).all()

    def _get_value(self, datas: Any = None, lever: bool = False) -> float:
        if datas is not None or not self.p.shortcash or self._fundhist:
            return super()._get_value(datas, lever)
        self._look()
        while self._cash_addition:
            added = self._cash_addition.popleft()
            self._fundshares += added / self._fundval
            self.cash += added
        worth, paid, self._unrealized = self._ahead.mark() if self._ahead else marked(self._held)
        self._value = self.cash + paid
        self._fundval = self._value / self._fundshares
        self._valuemkt, self._valuemktlever = paid, worth
        self._valuelever = self.cash + worth
        self._leverage = worth / (paid or 1.0)
        return self._valuelever if lever else self._value

    def get_value(self, datas: Any = None, mkt: bool = False, lever: bool = False) -> float:
        if datas is not None and len(datas) == 1 and not lever and self.p.shortcash and not self._cash_addition:
            data = datas[0]
            size = self.positions[data].size
            if is_plain(self.getcommissioninfo(data)):
                return size * data.close[0] if size or len(data) else 0.0
        return super().get_value(datas, mkt, lever)

    getvalue = get_value
