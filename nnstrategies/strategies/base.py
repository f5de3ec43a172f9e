"""The strategy to subclass: arrays over all symbols in, arrays out; `next` is ours."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import backtrader as bt
import numpy as np

from nnstrategies.errors import ConfigError, DataError
from nnstrategies.panel import Panel
from nnstrategies.strategies.checks import check_settings
from nnstrategies.strategies.entries import EntryPrices
from nnstrategies.strategies.hooks import Hooks
from nnstrategies.strategies.placing import Wish, place_all
from nnstrategies.strategies.repairs import Repairs, Retry
from nnstrategies.strategies.stops import stop_distance, volatility
from nnstrategies.strategies.targets import Decision, decide, screened
from nnstrategies.typing import BoolArray, FloatArray
from nnstrategies.view import ScoreTable, View

_ORDINAL_OF_1970 = 719163  # backtrader's dates count days from 0001-01-01
_FOLLOWING = ("buy", "sell", "_notify", "_follow")  # a subclass with its own is asked for every order


class RebalanceStrategy(bt.Strategy):
    """Rebalance to target weights now and then; override any of five hooks, each from a View to an array [N].

    A decision at the close of session t trades at the open of t + 1. Required hook: none. Optional:
    ``is_rebalance_day``, ``eligible``, ``weigh``, ``exposure``, ``protect``.
    What a hook raises, or returns wrongly, ends the run as a DataError that names class, hook and date.

    panel, scores: what to trade and on whose word (scores None: every eligible symbol is held).
    top_n: how many of the eligible to hold, best score first; None for all. threshold: a score must exceed it.
    rebalance: "month" (the close of a month's first session: a month's last session is known only from a calendar of
        the future), "week" or "day". max_weight: cap per symbol; cash_buffer: share of the value never invested.
    max_industry: cap on the sum of an industry's target weights; the panel needs events ``industries``.
    max_turnover: cap on the one-sided turnover of a rebalance, stops and symbols that must leave not counted in.
    correlation: CorrelationSettings, which watch how alike the chosen move and invest less where they move as one.
    stop: StopSettings, or None for no stops. repair: what limits, suspensions, volume or missing cash kept from its
        target is tried again on the following sessions, until the next rebalance.
    exclude_st: leave out stocks under special treatment. min_listed_days: sessions a stock must have traded before.
    confirm_above: where the scores have an output ``confirm``, it must exceed this too; 0 of P(up) - 1/2 is more likely
        up than down. An output ``exposure`` is the share of the capital to invest, all of it where it is NaN.
    """

    params: Any = (
        ("panel", None),
        ("scores", None),
        ("top_n", 30),
        ("threshold", None),
        ("rebalance", "month"),
        ("max_weight", None),
        ("max_industry", None),
        ("max_turnover", None),
        ("correlation", None),
        ("cash_buffer", 0.0),
        ("stop", None),
        ("repair", True),
        ("exclude_st", False),
        ("min_listed_days", 0),
        ("confirm_above", 0.0),
    )

    # -- hooks ----------------------------------------------------------------------------------------------------

    def is_rebalance_day(self, view: View) -> bool:
        """Whether to decide anew at this close."""
        return bool(self._due[view.t])

    def eligible(self, view: View) -> BoolArray:
        """[N] True for what may be held: members, listed, tradable, with a score above the threshold.

        What is held already and closed locked at a limit may stay: nothing has to trade for that.
        """
        allowed = view.member & view.listed & (view.tradable | (view.held & (view.locked_up | view.locked_down)))
        allowed &= screened(view, self.p) == ""
        if not view.has_scores:
            return allowed
        score = view.score()
        above = np.isfinite(score) if self.p.threshold is None else np.nan_to_num(score, nan=-np.inf) > self.p.threshold
        if view.has_output("confirm"):
            above &= np.nan_to_num(view.score("confirm"), nan=-np.inf) > self.p.confirm_above
        return allowed & above

    def weigh(self, view: View) -> FloatArray:
        """[N] weights of any scale, not negative; only those of ``view.selected`` count, divided by their sum.

        NaN among finite weights counts as 0; all 0 means cash. None finite at all is an error, unless ``view.history``
        was asked for more sessions than there are yet: then it means cash too.
        """
        return np.ones(view.N)

    def exposure(self, view: View) -> float:
        """Share of the capital to invest, 0 to 1: the predictor's ``exposure`` where it has one."""
        share = view.score("exposure") if view.has_output("exposure") else np.ones(1)
        known = share[np.isfinite(share)]
        return float(known[0]) if len(known) else 1.0

    def protect(self, view: View) -> FloatArray:
        """[N] adjusted prices; what closes below its level is sold at the next open. NaN: no stop."""
        if self.p.stop is None:
            return np.full(view.N, np.nan)
        vol = volatility(view.history("close", self.p.stop.window_days + 1))
        return view.entry_price * (1.0 - stop_distance(vol, self.p.stop))

    # -- backtrader's side ----------------------------------------------------------------------------------------

    def __init__(self) -> None:
        check_settings(type(self).__name__, self.p)
        panel: Panel = self.p.panel
        self.decisions: list[Decision] = []
        self._table = ScoreTable(panel, self.p.scores)
        self._rows = {int(day) + _ORDINAL_OF_1970: row for row, day in enumerate(panel.sessions.astype(np.int64))}
        symbols = set(panel.symbols)
        self._columns = {data: panel.column(data._name) for data in self.datas if data._name in symbols}
        self._feeds = {column: data for data, column in self._columns.items()}
        if not self._columns:
            raise DataError(f"{type(self).__name__}: no feed is named after a symbol of {panel.name}; use add_panel")
        self._entries = EntryPrices(panel)
        self._repairs, self._hooks = Repairs(), Hooks(self)
        self._protects = self.p.stop is not None or type(self).protect is not RebalanceStrategy.protect
        own = type(self).is_rebalance_day is not RebalanceStrategy.is_rebalance_day
        self._quiet = not own and not self._protects  # then most sessions have nothing to decide
        self._due = _due(panel, self.p.rebalance)

    def _start(self) -> None:
        if "_protects" not in self.__dict__:
            name = type(self).__name__
            raise ConfigError(f"{name}.__init__: expected it to call super().__init__(), which sets the strategy up")
        super()._start()
        listens = type(self).notify_order is not bt.Strategy.notify_order
        self.hears_progress = listens or bool(self.analyzers or self._slave_analyzers)
        self.hears_batches = all(getattr(type(self), name) is getattr(RebalanceStrategy, name) for name in _FOLLOWING)

    def next(self) -> None:
        """Stops first, then, on a rebalance day, the new targets. Not meant to be overridden."""
        t = self._rows[int(self.datetime[0])]
        if self._quiet and not self._repairs and not self._due[t]:
            return
        view = self._view(t)
        exits = self._stopped(view) if self._protects else {}
        if self._hooks.ask("is_rebalance_day", view):
            self._rebalance(view, exits)
            return
        wishes: list[Wish] = []
        for column, reason in exits.items():  # target 0: all that is held at the fill, after a split too
            again = self._repairs.drop(column) and self.p.repair
            wishes.append(Wish(column, -float(view.shares[column]), 0.0, 0, "repair" if again else reason))
        retries = self._repairs.retries(view, len(exits))
        allowed = view.member & (screened(view, self.p) == "") if retries else view.member
        wishes += [_again(retry, view) for retry in retries if self.p.repair and (retry.sell or allowed[retry.column])]
        if wishes:
            place_all(self, self._feeds, wishes)

    def _view(self, t: int) -> View:
        panel: Panel = self.p.panel
        shares, worth = np.zeros(panel.N), np.zeros(panel.N)
        for column, size in self._positions():
            shares[column] = size
            worth[column] = self.broker.getvalue([self._feeds[column]])  # its mark: the close, or what an action left
        cash, value = float(self.broker.getcash()), float(self.broker.getvalue())
        rules = getattr(self.broker, "rules", None)  # a broker that knows no market has none
        entry = np.where(shares != 0, self._entries.values, np.nan)
        return View(panel, t, self._table, shares, worth, cash, value, entry, rules)

    def _positions(self) -> Iterator[tuple[int, float]]:
        for data, position in self.broker.positions.items():
            if position.size and data in self._columns:
                yield self._columns[data], position.size

    def _stopped(self, view: View) -> dict[int, str]:
        """Columns of held symbols that broke their level or reached their profit, with the reason."""
        held = view.held & ~view.suspended  # an exit that a suspension blocked waits as a repair
        if not held.any():
            return {}
        levels = self._hooks.array("protect", view)
        close = view.adjusted("close")
        with np.errstate(invalid="ignore"):
            below = held & (close < levels)
            gain = self.p.stop.take_profit if self.p.stop is not None else None
            above = held & (close >= view.entry_price * (1.0 + gain)) if gain is not None else below & False
        exits = dict.fromkeys(np.flatnonzero(above).tolist(), "take-profit")
        return exits | dict.fromkeys(np.flatnonzero(below).tolist(), "stop-loss")

    def _rebalance(self, view: View, exits: dict[int, str]) -> None:
        decision = decide(self._hooks, self.p, view, exits)
        target = decision.target
        leaving = self._repairs.leaving()
        self._repairs.clear()
        self.decisions.append(decision)
        close = view.field("close").astype(np.float64)
        change = (target - view.weights) * view.value  # [N] in currency at this close
        kept = view.held & view.suspended & view.member & (target == 0)
        kept[list(leaving)] = False  # against the others nobody decided: they are suspended, no more
        wishes: list[Wish] = []
        for column in np.flatnonzero(view.held & (target < view.weights) & ~kept).tolist():
            wanted = view.shares[column] if target[column] == 0 else _whole(-change[column] / close[column])
            why = exits.get(column, "rebalance")
            wishes.append(Wish(column, -float(wanted), float(target[column]), 0, why))
        for rank, column in enumerate(self._in_rank_order(view, target)):
            if change[column] > 0:
                wanted = _whole(change[column] / close[column])
                wishes.append(Wish(column, wanted, float(target[column]), rank, "rebalance"))
        place_all(self, self._feeds, wishes)

    def _in_rank_order(self, view: View, target: FloatArray) -> list[int]:
        """Columns with a target, best first: by score where there are scores, else by weight."""
        order = view.score() if view.has_scores else target
        wanted = np.flatnonzero(target > 0)
        best_first = np.argsort(-np.nan_to_num(order[wanted], nan=-np.inf), kind="stable")
        return [int(column) for column in wanted[best_first]]

    # -- entry prices ---------------------------------------------------------------------------------------------

    def _notify(self, qorders: Sequence[Any] = (), qtrades: Sequence[Any] = ()) -> None:
        """Follow the orders; here, so that a user's notify_order cannot lose them."""
        for order in qorders if self.cerebro.p.quicknotify else self._orderspending:
            column = self._columns.get(order.data)
            if column is not None and order.status not in (order.Submitted, order.Accepted):
                self._follow(column, order)
        super()._notify(qorders=qorders, qtrades=qtrades)

    def _follow(self, column: int, order: Any) -> None:
        """Keep what is left of a target, and the average entry price in adjusted terms."""
        if not order.alive():
            self._repairs.note(column, order.info, order.issell())
        for part in order.executed.iterpending():
            terms = np.array([[part.price], [part.size], [part.psize]], dtype=np.float64)
            self._entries.book(self._rows[int(part.dt)], [column], *terms)

    def hear_batch(self, feeds: Sequence[Any], fills: Sequence[Any], moment: float) -> None:
        """What ``_notify`` is to orders one by one: the fills of a batch, all complete."""
        columns = [self._columns[feed] for feed in feeds]
        terms = np.array([(done.price, done.size, done.held) for done in fills], dtype=np.float64).T
        self._entries.book(self._rows[int(moment)], columns, *terms)


def _due(panel: Panel, period: str) -> BoolArray:
    """[T] the sessions that open a new month or week: known on the day itself, unlike the last of one."""
    if period == "day":
        return np.ones(panel.T, dtype=bool)
    return panel.calendar.is_first_of_week if period == "week" else panel.calendar.is_first_of_month


def _again(retry: Retry, view: View) -> Wish:
    """The order of a retry: what is missing at this close, or all that is held where nothing shall be."""
    column, target = retry.column, float(retry.target)
    size = _whole(retry.amount / float(view.field("close")[column]))
    if not retry.sell:
        return Wish(column, size, target, retry.rank, "repair")
    return Wish(column, -(size if target else float(view.shares[column])), target, 0, "repair")


def _whole(size: float) -> float:
    """Whole shares; a fraction of the first share is kept for brokers that sell fractions."""
    return float(math.floor(size)) if size >= 1 else float(size)
