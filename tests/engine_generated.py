"""Random strategies on random panels: scripts of actions, options of broker and Cerebro, drawn by hypothesis."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

import backtrader as bt
import engine_lines as lines
import numpy as np
from backtrader import Order
from engine_extras import Tiered, add_all_analyzers, add_all_observers, add_frame, offset_frame
from engine_panels import walks, with_status
from engine_recorder import Case, Recorder
from hypothesis import strategies as st

from nnstrategies.panel import Panel, Status


class Action(NamedTuple):
    """What to do on one bar: a verb, the feed, a size and a distance from the close in percent."""

    bar: int
    verb: str
    feed: int
    size: float
    away: float


class Scripted(bt.Strategy):
    """Carries out its script; with ``careful`` it leaves feeds alone that have no price."""

    params = (("script", ()), ("careful", True), ("opening", False), ("indicators", False))

    def __init__(self) -> None:
        self.placed: list[Any] = []
        self.todo: dict[int, list[Action]] = {}
        for action in self.p.script:
            self.todo.setdefault(action.bar, []).append(action)
        if self.p.indicators:
            self.means = [bt.indicators.EMA(data, period=2 + n) for n, data in enumerate(self.datas)]
            self.own = lines.NextMean(self.datas[0], period=3)

    def prenext(self) -> None:
        self.next()

    def next_open(self) -> None:
        if self.p.opening:
            self.act(len(self) + 1)

    def next(self) -> None:
        if not self.p.opening:
            self.act(len(self))

    def act(self, bar: int) -> None:
        for action in self.todo.get(bar, ()):
            data = self.datas[action.feed % len(self.datas)]
            if len(data) and (not self.p.careful or data.close[0] == data.close[0]):
                order = getattr(self, f"do_{action.verb}")(data, action)
                self.placed += [order] if isinstance(order, Order) else order or []

    def side(self, action: Action) -> Any:
        return self.buy if action.size > 0 else self.sell

    def price(self, data: Any, action: Action) -> float:
        return round(data.close[0] * (1 + action.away / 100), 2)

    def until(self, action: Action) -> Any:
        """Some orders expire: the size decides, so that the script stays short."""
        return dt.timedelta(days=abs(int(action.size)) % 5) if int(action.size) % 3 == 0 else None

    def do_market(self, data: Any, action: Action) -> Any:
        return self.side(action)(data=data, size=abs(action.size))

    def do_sized(self, data: Any, action: Action) -> Any:
        return self.side(action)(data=data)

    def do_at_close(self, data: Any, action: Action) -> Any:
        return self.side(action)(data=data, size=abs(action.size), exectype=Order.Close, valid=self.until(action))

    def do_limit(self, data: Any, action: Action) -> Any:
        terms = {"exectype": Order.Limit, "price": self.price(data, action), "valid": self.until(action)}
        return self.side(action)(data=data, size=abs(action.size), **terms)

    def do_stop(self, data: Any, action: Action) -> Any:
        terms = {"exectype": Order.Stop, "price": self.price(data, action), "valid": self.until(action)}
        return self.side(action)(data=data, size=abs(action.size), **terms)

    def do_stop_limit(self, data: Any, action: Action) -> Any:
        price = self.price(data, action)
        terms = {"exectype": Order.StopLimit, "price": price, "plimit": round(price * 1.004, 2)}
        return self.side(action)(data=data, size=abs(action.size), **terms)

    def do_trail(self, data: Any, action: Action) -> Any:
        terms = {"exectype": Order.StopTrail, "trailamount": abs(action.away) / 5 + 0.01}
        return self.side(action)(data=data, size=abs(action.size), **terms)

    def do_trail_limit(self, data: Any, action: Action) -> Any:
        price = data.close[0]
        terms = {"exectype": Order.StopTrailLimit, "trailpercent": abs(action.away) / 100, "price": price}
        return self.side(action)(data=data, size=abs(action.size), plimit=round(price * 0.995, 2), **terms)

    def do_target_size(self, data: Any, action: Action) -> Any:
        return self.order_target_size(data, int(action.size))

    def do_target_value(self, data: Any, action: Action) -> Any:
        return self.order_target_value(data, action.size * 50)

    def do_target_percent(self, data: Any, action: Action) -> Any:
        return self.order_target_percent(data, action.size / 60)

    def do_close(self, data: Any, action: Action) -> Any:
        return self.close(data=data)

    def do_cancel(self, data: Any, action: Action) -> None:
        if self.placed:
            self.cancel(self.placed[action.feed * 7 % len(self.placed)])

    def do_bracket(self, data: Any, action: Action) -> Any:
        price = self.price(data, action)
        bracket = self.buy_bracket if action.size > 0 else self.sell_bracket
        down, up = round(price * 0.98, 2), round(price * 1.02, 2)
        stop, limit = (down, up) if action.size > 0 else (up, down)
        return bracket(data=data, size=abs(action.size), price=price, stopprice=stop, limitprice=limit)

    def do_pair(self, data: Any, action: Action) -> Any:
        first = self.do_limit(data, action)
        price = round(data.close[0] * (1 - action.away / 100), 2)
        return [first, self.sell(data=data, size=abs(action.size), exectype=Order.Stop, price=price, oco=first)]

    def do_deposit(self, data: Any, action: Action) -> None:
        self.broker.add_cash(action.size * 10)

    def do_ask(self, data: Any, action: Action) -> None:
        self.seen = [*getattr(self, "seen", []), self.broker.getvalue([data]), self.getposition(data).size]


VERBS = tuple(sorted(name.removeprefix("do_") for name in vars(Scripted) if name.startswith("do_")))
SCHEMES: tuple[dict[str, Any], ...] = (
    *({}, {"commission": 0.0008}, {"commission": 1.5, "commtype": bt.CommInfoBase.COMM_FIXED, "stocklike": True}),
    *({"commission": 2.0, "margin": 120.0, "mult": 4.0}, {"commission": 0.001, "leverage": 2.0, "interest": 0.05}),
    {"interest": 0.04, "interest_long": True},
)
sizes = st.integers(-40, 40).filter(bool) | st.sampled_from([2.5, -0.75])
distances = st.sampled_from([-3.0, -1.5, -0.5, 0.0, 0.5, 1.5, 3.0])


def actions(sessions: int) -> st.SearchStrategy[list[Action]]:
    one = st.builds(Action, st.integers(1, sessions), st.sampled_from(VERBS), st.integers(0, 5), sizes, distances)
    return st.lists(one, min_size=6, max_size=40)


@st.composite
def panels(draw: st.DrawFn) -> Panel:
    """Random walks with late listings, early ends and suspensions; volatile ones make stops and margins frequent."""
    symbols, sessions = draw(st.integers(1, 6)), draw(st.integers(5, 60))
    volatility = draw(st.sampled_from([0.005, 0.02, 0.08]))
    panel = walks(symbols, sessions, draw(st.integers(0, 10_000)), volatility=volatility)
    status = np.array(panel.status)
    for n in range(symbols):
        kind, row, length = (
            draw(st.sampled_from("......pplr")),
            draw(st.integers(1, sessions - 1)),
            draw(st.integers(1, 6)),
        )
        if kind == "p":
            status[row : row + length, n] = Status.PAUSED
        elif kind == "l":
            status[:row, n] = Status.UNLISTED
        elif kind == "r":
            status[row:, n] = Status.DELISTED
    return with_status(panel, status)


brokers = st.fixed_dictionaries(
    {"cash": st.sampled_from([10_000.0, 1_500.0, 100_000.0])},
    optional={
        "checksubmit": st.booleans(),
        "coc": st.booleans(),
        "shortcash": st.booleans(),
        "fundmode": st.booleans(),
        "int2pnl": st.booleans(),
        "eosbar": st.booleans(),
        "slip_perc": st.sampled_from([0.002, 0.01]),
        "slip_fixed": st.sampled_from([0.03, 0.2]),
        "slip_open": st.booleans(),
        "slip_match": st.booleans(),
        "slip_limit": st.booleans(),
        "slip_out": st.booleans(),
        "filler": st.sampled_from([bt.fillers.FixedSize(size=9), bt.fillers.BarPointPerc(minmov=0.05, perc=40.0)]),
    },
)
cerebros = st.fixed_dictionaries(
    {},
    optional={
        "stdstats": st.booleans(),
        "cheat_on_open": st.booleans(),
        "tradehistory": st.booleans(),
        "quicknotify": st.booleans(),
    },
)
extras = st.sampled_from(["", "", "own scheme", "scheme for one", "analyzers", "observers", "feed", "feed first"])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    panel, broker, cerebro = draw(panels()), draw(brokers), draw(cerebros)
    scheme, extra = draw(st.sampled_from(SCHEMES)), draw(extras)
    terms = {
        "script": tuple(draw(actions(panel.T))),
        "careful": draw(st.integers(0, 9)) > 0,
        "opening": cerebro.get("cheat_on_open", False) and draw(st.booleans()),
        "indicators": panel.T > 12 and draw(st.booleans()),
    }
    strategies: list[tuple[type[bt.Strategy], dict[str, Any]]] = [(Scripted, terms)]
    if draw(st.integers(0, 4)) == 0:
        strategies.append((Scripted, {"script": tuple(draw(actions(panel.T)))}))

    def first(cerebro: bt.Cerebro, recorder: Recorder) -> None:
        if extra == "feed first":
            add_frame(cerebro, offset_frame(panel, "S0", every=2), "other")

    def equip(cerebro: bt.Cerebro, recorder: Recorder) -> None:
        cerebro.broker.setcommission(**scheme)
        if extra.endswith("scheme") or extra == "scheme for one":
            cerebro.broker.addcommissioninfo(Tiered(), name="S0" if extra == "scheme for one" else None)
        if extra in ("analyzers", "observers"):
            (add_all_analyzers if extra == "analyzers" else add_all_observers)(cerebro, recorder)
        if extra == "feed":
            add_frame(cerebro, offset_frame(panel, "S0", every=3, shift=1), "other")

    listen = draw(st.sampled_from(["everything", "everything", "bars", "nothing"]))
    return Case("generated", panel, tuple(strategies), "panel", cerebro, broker, first, equip, listen=(listen,))
