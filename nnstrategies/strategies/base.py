"""The strategy to subclass: arrays over all symbols in, arrays out; `next` is ours."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import backtrader as bt
import numpy as np

from nnstrategies.errors import ConfigError, DataError, NNStrategiesError
from nnstrategies.panel import Panel
from nnstrategies.strategies.selection import cap_weights, normalise, top_n
from nnstrategies.strategies.stops import StopSettings, stop_distance, volatility
from nnstrategies.typing import BoolArray, FloatArray
from nnstrategies.view import ScoreTable, View

_ORDINAL_OF_1970 = 719163  # backtrader's dates count days from 0001-01-01
_PERIODS = ("month", "week", "day")
_REPAIRABLE = frozenset(
    {"limit-up", "limit-down", "suspended", "no price", "T+1", "participation cap", "cash short"}
)  # what another session may cure


@dataclass(frozen=True)
class Decision:
    """One rebalance: the weights wanted at the close of row ``t`` and, where a symbol was left out, why."""

    t: int
    target: FloatArray  # [N] share of the account's value
    held: BoolArray  # [N] held when deciding
    reasons: Any  # object [N]


class RebalanceStrategy(bt.Strategy):
    """Rebalance to target weights now and then; override any of five hooks, each from a View to an array [N].

    A decision at the close of session t trades at the open of t + 1. Required hook: none. Optional:
    ``is_rebalance_day``, ``eligible``, ``weigh``, ``exposure``, ``protect``.
    What a hook raises, or returns wrongly, ends the run as a DataError that names class, hook and date.

    panel, scores: what to trade and on whose word (scores None: every eligible symbol is held).
    top_n: how many of the eligible to hold, best score first; None for all. threshold: a score must exceed it.
    rebalance: "month" (the close of a month's first session: a month's last session is known only from a calendar of
        the future), "week" or "day". max_weight: cap per symbol; cash_buffer: share of the value never invested.
    stop: StopSettings, or None for no stops. repair: what limits, suspensions, volume or missing cash kept from its
        target is tried again on the following sessions, until the next rebalance.
    exclude_st: leave out stocks under special treatment. min_listed_days: sessions a stock must have traded before.
    """

    params: Any = (
        ("panel", None),
        ("scores", None),
        ("top_n", 30),
        ("threshold", None),
        ("rebalance", "month"),
        ("max_weight", None),
        ("cash_buffer", 0.0),
        ("stop", None),
        ("repair", True),
        ("exclude_st", False),
        ("min_listed_days", 0),
    )

    # -- hooks ----------------------------------------------------------------------------------------------------

    def is_rebalance_day(self, view: View) -> bool:
        """Whether to decide anew at this close."""
        if self.p.rebalance == "day":
            return True
        return view.is_first_of_week if self.p.rebalance == "week" else view.is_first_of_month

    def eligible(self, view: View) -> BoolArray:
        """[N] True for what may be held: members, listed, tradable, with a score above the threshold.

        What is held already and closed locked at a limit may stay: nothing has to trade for that.
        """
        allowed = view.member & view.listed & (view.tradable | (view.held & (view.locked_up | view.locked_down)))
        allowed &= self._screen(view) == ""
        if not view.has_scores:
            return allowed
        score = view.score()
        above = np.isfinite(score) if self.p.threshold is None else np.nan_to_num(score, nan=-np.inf) > self.p.threshold
        return allowed & above

    def weigh(self, view: View) -> FloatArray:
        """[N] weights of any scale, not negative; only those of ``view.selected`` count, divided by their sum.

        NaN among finite weights counts as 0; all 0 means cash. None finite at all is an error, unless ``view.history``
        was asked for more sessions than there are yet: then it means cash too.
        """
        return np.ones(view.N)

    def exposure(self, view: View) -> float:
        """Share of the capital to invest, 0 to 1."""
        return 1.0

    def protect(self, view: View) -> FloatArray:
        """[N] adjusted prices; what closes below its level is sold at the next open. NaN: no stop."""
        if self.p.stop is None:
            return np.full(view.N, np.nan)
        vol = volatility(view.history("close", self.p.stop.window_days + 1))
        return view.entry_price * (1.0 - stop_distance(vol, self.p.stop))

    # -- backtrader's side ----------------------------------------------------------------------------------------

    def __init__(self) -> None:
        self._check_settings()
        panel: Panel = self.p.panel
        self.decisions: list[Decision] = []
        self._table = ScoreTable(panel, self.p.scores)
        self._rows = {int(day) + _ORDINAL_OF_1970: row for row, day in enumerate(panel.sessions.astype(np.int64))}
        symbols = set(panel.symbols)
        self._columns = {data: panel.column(data._name) for data in self.datas if data._name in symbols}
        self._feeds = {column: data for data, column in self._columns.items()}
        if not self._columns:
            raise DataError(f"{type(self).__name__}: no feed is named after a symbol of {panel.name}; use add_panel")
        self._entry = np.full(panel.N, np.nan)
        self._unfinished: dict[int, tuple[float, str]] = {}  # column -> target and why it was not reached, best first
        self._protects = self.p.stop is not None or type(self).protect is not RebalanceStrategy.protect

    def _check_settings(self) -> None:
        name = type(self).__name__
        if not isinstance(self.p.panel, Panel):
            raise ConfigError(f"{name}: panel: expected a Panel, got {type(self.p.panel).__name__}; pass panel=...")
        if self.p.rebalance not in _PERIODS:
            raise ConfigError(f"{name}: rebalance: expected one of {', '.join(_PERIODS)}, got {self.p.rebalance!r}")
        if self.p.top_n is not None and self.p.top_n < 1:
            raise ConfigError(f"{name}: top_n: expected at least 1 or none, got {self.p.top_n}")
        if not 0 <= self.p.cash_buffer < 1:
            raise ConfigError(f"{name}: cash_buffer: expected 0 <= buffer < 1, got {self.p.cash_buffer}")
        if self.p.max_weight is not None and not 0 < self.p.max_weight <= 1:
            raise ConfigError(f"{name}: max_weight: expected 0 < weight <= 1 or none, got {self.p.max_weight}")
        if self.p.stop is not None and not isinstance(self.p.stop, StopSettings):
            raise ConfigError(f"{name}: stop: expected StopSettings or none, got {type(self.p.stop).__name__}")

    def _start(self) -> None:
        if "_protects" not in self.__dict__:
            name = type(self).__name__
            raise ConfigError(f"{name}.__init__: expected it to call super().__init__(), which sets the strategy up")
        super()._start()

    def next(self) -> None:
        """Stops first, then, on a rebalance day, the new targets. Not meant to be overridden."""
        view = self._view()
        exits = self._stopped(view) if self._protects else {}
        if self._ask("is_rebalance_day", view):
            self._rebalance(view, exits)
            return
        unfinished, self._unfinished = self._unfinished, {}
        for column, reason in exits.items():  # target 0: all that is held at the fill, after a split too
            target, _ = unfinished.pop(column, (math.nan, ""))
            reason = "repair" if target == 0 and self.p.repair else reason  # the same exit, tried again
            self.sell(data=self._feeds[column], size=view.shares[column], target=0.0, rank=0, reason=reason)
        if unfinished and self.p.repair:
            self._repair(view, unfinished)

    def _repair(self, view: View, unfinished: dict[int, tuple[float, str]]) -> None:
        """Try again what an earlier session refused; a suspended stock waits until it has traded."""
        waiting = {column: why for column, why in unfinished.items() if view.suspended[column]}
        open_ = {column: why for column, why in unfinished.items() if view.listed[column] and column not in waiting}
        gaps = {column: target * view.value - view.worth[column] for column, (target, _) in open_.items()}
        sales = [column for column, gap in gaps.items() if gap < 0]
        for column in sales:
            self._trade(column, -gaps[column], view, open_[column][0], 0, "repair")
        for rank, (column, (target, why)) in enumerate(open_.items()):
            if gaps[column] > 0 and (why != "cash short" or sales):  # without a sale there is no new cash
                self._trade(column, gaps[column], view, target, rank, "repair")
        self._unfinished.update(waiting)

    def _trade(self, column: int, amount: float, view: View, target: float, rank: int, reason: str) -> None:
        """Order the way to a target: sell where it lies below what is held, else buy for ``amount``."""
        selling = target * view.value < view.worth[column]
        size = _whole(amount / float(view.field("close")[column]))
        if selling and not target:
            size = view.shares[column]
        order = self.sell if selling else self.buy
        order(data=self._feeds[column], size=size, target=target, rank=rank, reason=reason)

    def _view(self) -> View:
        panel: Panel = self.p.panel
        shares, worth = np.zeros(panel.N), np.zeros(panel.N)
        for column, size in self._positions():
            shares[column] = size
            worth[column] = self.broker.getvalue([self._feeds[column]])  # its mark: the close, or what an action left
        t = self._rows[int(self.datetime[0])]
        cash, value = float(self.broker.getcash()), float(self.broker.getvalue())
        rules = getattr(self.broker, "rules", None)  # a broker that knows no market has none
        return View(panel, t, self._table, shares, worth, cash, value, self._entry.copy(), rules)

    def _positions(self) -> Iterator[tuple[int, float]]:
        for data, position in self.broker.positions.items():
            if position.size and data in self._columns:
                yield self._columns[data], position.size

    def _stopped(self, view: View) -> dict[int, str]:
        """Columns of held symbols that broke their level or reached their profit, with the reason."""
        if not view.held.any():
            return {}
        levels = self._array("protect", view)
        close = view.adjusted("close")
        with np.errstate(invalid="ignore"):
            below = view.held & (close < levels)
            gain = self.p.stop.take_profit if self.p.stop is not None else None
            above = view.held & (close >= view.entry_price * (1.0 + gain)) if gain is not None else below & False
        exits = dict.fromkeys(np.flatnonzero(above).tolist(), "take-profit")
        return exits | dict.fromkeys(np.flatnonzero(below).tolist(), "stop-loss")

    def _rebalance(self, view: View, exits: dict[int, str]) -> None:
        target, reasons = self._targets(view, exits)
        self._unfinished.clear()
        self.decisions.append(Decision(view.t, target, view.held.copy(), reasons))
        close = view.field("close").astype(np.float64)
        change = (target - view.weights) * view.value  # [N] in currency at this close
        kept = view.held & view.suspended & view.member & (target == 0)  # nobody decided against them
        for column in np.flatnonzero(view.held & (target < view.weights) & ~kept).tolist():
            wanted = view.shares[column] if target[column] == 0 else _whole(-change[column] / close[column])
            why = exits.get(column, "rebalance")
            self.sell(data=self._feeds[column], size=wanted, target=target[column], rank=0, reason=why)
        for rank, column in enumerate(self._in_rank_order(view, target)):
            if change[column] > 0:
                wanted = _whole(change[column] / close[column])
                self.buy(data=self._feeds[column], size=wanted, target=target[column], rank=rank, reason="rebalance")

    def _targets(self, view: View, exits: dict[int, str]) -> tuple[FloatArray, Any]:
        """Target weights [N] = exposure x weights on the selected, less what is stuck in suspended holdings."""
        eligible = self._array("eligible", view, bool)
        eligible[list(exits)] = False
        eligible &= np.isfinite(view.field("close"))
        view.selected = eligible
        if self.p.top_n is not None and view.has_scores:
            view.selected = top_n(view.score(), eligible, self.p.top_n)
        weights = self._weights(view)
        exposure = self._exposure(view)
        stuck = float(view.weights[view.suspended & ~view.selected].sum())
        room = max(min(exposure * (1.0 - self.p.cash_buffer), 1.0 - stuck), 0.0)
        target = weights * room
        if self.p.max_weight is not None:
            target = cap_weights(target, self.p.max_weight)
        reasons = np.where(view.reasons == "", self._screen(view), view.reasons)
        reasons = np.where(target > 0, "", reasons)
        reasons[(reasons == "") & (target == 0)] = "not selected"
        return target, reasons

    def _screen(self, view: View) -> Any:
        """Object [N]: which of the strategy's own screens a symbol fails, "" for none."""
        failed = np.full(view.N, "", dtype=object)
        if self.p.min_listed_days:
            failed[view.listing_age < self.p.min_listed_days] = "newly listed"
        if self.p.exclude_st:
            failed[view.special_treatment] = "special treatment"
        return failed

    def _in_rank_order(self, view: View, target: FloatArray) -> list[int]:
        """Columns with a target, best first: by score where there are scores, else by weight."""
        order = view.score() if view.has_scores else target
        wanted = np.flatnonzero(target > 0)
        best_first = np.argsort(-np.nan_to_num(order[wanted], nan=-np.inf), kind="stable")
        return [int(column) for column in wanted[best_first]]

    # -- asking the hooks -----------------------------------------------------------------------------------------

    def _wrong(self, hook: str, view: View, what: str) -> DataError:
        return DataError(f"{type(self).__name__}.{hook} on {view.date}: {what}")

    def _ask(self, hook: str, view: View) -> Any:
        try:
            return getattr(self, hook)(view)
        except NNStrategiesError:
            raise
        except Exception as error:
            raise self._wrong(hook, view, f"{type(error).__name__}: {error}") from error

    def _array(self, hook: str, view: View, kind: type = float) -> Any:
        values = self._ask(hook, view)
        try:
            array: Any = np.array(values, dtype=kind)
        except (TypeError, ValueError) as error:
            raise self._wrong(hook, view, f"expected an array of {kind.__name__}: {error}") from error
        if array.shape != (view.N,):
            raise self._wrong(hook, view, f"expected an array of shape ({view.N},), got {array.shape}")
        return array

    def _weights(self, view: View) -> FloatArray:
        """Weights [N] on the selected, with sum 1, or all 0."""
        view.short_history = False
        weights = self._array("weigh", view)
        chosen = weights[view.selected]
        if len(chosen) and not np.isfinite(chosen).any() and not view.short_history:
            raise self._wrong("weigh", view, f"no finite weight for the {len(chosen)} selected; 0 for all means cash")
        if (chosen < 0).any():
            symbol = view.symbols[int(np.flatnonzero(view.selected & (weights < 0))[0])]
            least = np.nanmin(chosen)
            raise self._wrong("weigh", view, f"expected weights of 0 or more, got {least:.6g}, first at {symbol}")
        return normalise(weights, view.selected)

    def _exposure(self, view: View) -> float:
        value = self._ask("exposure", view)
        try:
            share = float(value)
        except (TypeError, ValueError):
            share = math.nan
        if not 0.0 <= share <= 1.0:
            raise self._wrong("exposure", view, f"expected a number from 0 to 1, got {value}")
        return share

    # -- entry prices ---------------------------------------------------------------------------------------------

    def _addnotification(self, order: Any, quicknotify: bool = False) -> None:
        """Keep the average entry price in adjusted terms; here, so that a user's notify_order cannot lose it."""
        column = self._columns.get(order.data)
        if column is not None and not order.alive():
            self._keep_unfinished(column, order)
        if column is not None and not order.p.simulated:
            for part in order.executed.iterpending():
                self._book(column, part)
        elif column is not None and not self.broker.getposition(order.data).size:
            self._entry[column] = np.nan
        super()._addnotification(order, quicknotify=quicknotify)

    def _keep_unfinished(self, column: int, order: Any) -> None:
        """Remember a target that the session did not let it reach; a sale left for later comes back as one."""
        target = order.info.get("target", None)
        why = order.info.get("refusal", "") or order.info.get("shortfall", "")
        if target is not None and why in _REPAIRABLE:
            self._unfinished[column] = float(target), why

    def _book(self, column: int, part: Any) -> None:
        if part.psize == 0:
            self._entry[column] = np.nan
        elif part.size > 0:
            t = self._rows[int(part.dt)]
            panel: Panel = self.p.panel
            scale = float(panel.adjusted("open")[t, column]) / float(panel["open"][t, column])
            before = part.psize - part.size
            known = self._entry[column] * before if before else 0.0
            self._entry[column] = (known + part.price * scale * part.size) / part.psize


def _whole(size: float) -> float:
    """Whole shares; a fraction of the first share is kept for brokers that sell fractions."""
    return float(math.floor(size)) if size >= 1 else float(size)
