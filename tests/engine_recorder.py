"""Runs one case on a pair of Cerebro and broker and records everything a user can see of it, floats bit for bit."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any

import backtrader as bt
import numpy as np
from backtrader.order import OrderBase
from engine_facts import Canon, counters

from nnstrategies.panel import Panel

BARS = ("prenext", "nextstart", "next")
HOOKS = (
    *BARS,
    *("start", "stop", "prenext_open", "nextstart_open", "next_open"),
    *("notify_order", "notify_trade", "notify_cashvalue", "notify_fund"),
    *("notify_store", "notify_data", "notify_timer"),
)
# What the recording overrides in a strategy. An engine may take shortcuts where nobody listens: each level is a test.
LISTEN: dict[str, tuple[str, ...]] = {"everything": HOOKS, "bars": BARS, "nothing": ()}

Equip = Callable[[bt.Cerebro, "Recorder"], None]


def leave(cerebro: bt.Cerebro, recorder: Recorder) -> None:
    """Add nothing."""


@dataclass(frozen=True)
class Case:
    """One experiment: feeds of a panel, strategies, and how Cerebro and broker are set up.

    path: the path that must run it, "panel" or "backtrader". first, equip: called before and after the panel's feeds
    are added; equip adds analyzers, sizers, timers, further feeds. strategies: (class, keyword arguments) pairs.
    optimise: keyword arguments of optstrategy instead. error: the error it ends with in stock backtrader. listen: the
    levels of recording to run it at.
    """

    name: str
    panel: Panel
    strategies: tuple[tuple[type[bt.Strategy], Mapping[str, Any]], ...] = ()
    path: str = "panel"
    cerebro: Mapping[str, Any] = field(default_factory=dict)
    broker: Mapping[str, Any] = field(default_factory=dict)
    first: Equip = leave
    equip: Equip = leave
    optimise: Mapping[str, Any] = field(default_factory=dict)
    runs: int = 1
    error: str | None = None
    listen: tuple[str, ...] = ("everything", "nothing")

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Side:
    """One implementation: how to make a Cerebro and a broker, and how to add a panel's feeds."""

    name: str
    cerebro: Callable[..., bt.Cerebro]
    broker: Callable[..., bt.brokers.BackBroker]
    add_panel: Callable[[bt.Cerebro, Panel, tuple[str, ...]], Any]


@dataclass(frozen=True)
class Recording:
    """All facts of a run, the path that ran it and why it was not the fast one, the text of the error that ended it."""

    facts: dict[str, Any]
    path: str | None
    reason: str | None
    text: str


class Recorder:
    """Collects what happens; ``facts`` holds plain comparable values only (see engine_facts)."""

    def __init__(self, listen: str) -> None:
        self.canon = Canon(counters())
        self.listen = listen
        self.events: list[Any] = []
        self.outputs: list[io.StringIO] = []

    def recorded(self, base: type[bt.Strategy]) -> type[bt.Strategy]:
        """The strategy with every hook of the level noted before it runs; the class itself when nothing listens."""
        names = LISTEN[self.listen]
        if not names:
            return base
        metaclass: Any = type(base)
        made: type[bt.Strategy] = metaclass(base.__name__, (base,), {name: self._hook(base, name) for name in names})
        return made

    def _hook(self, base: type[bt.Strategy], name: str) -> Callable[..., Any]:
        added = name == "next" and issubclass(base, bt.SignalStrategy)  # its metaclass calls a subclass's next besides
        original = getattr(bt.Strategy if added else base, name)

        def noted(strategy: bt.Strategy, *args: Any, **kwargs: Any) -> Any:
            event = {"hook": name, "args": self.canon(args), "kwargs": self.canon(kwargs)}
            if not name.startswith("notify_"):
                event |= self.bar(strategy)
            self.events.append(event)
            return original(strategy, *args, **kwargs)

        return noted

    def bar(self, strategy: bt.Strategy) -> dict[str, Any]:
        """What the strategy can read at this moment."""
        broker = strategy.broker
        return {
            "strategy": self.newest(strategy),
            "datas": [self.newest(data) for data in strategy.datas],
            "indicators": [self.newest(each) for each in strategy.getindicators()],
            "observers": [self.newest(each) for each in strategy.getobservers()],
            "broker": self.money(broker),
            "positions": [self.canon.position(broker.positions.get(data)) for data in strategy.datas],
            "open orders": [self.canon.ref(order) for order in broker.get_orders_open()],
        }

    def newest(self, lines: Any) -> dict[str, Any]:
        """Length and newest value of each line; before the first bar backtrader would give the last: not read."""
        length = len(lines)
        try:
            values = [line[0] for line in lines.lines] if length else []
        except IndexError:  # exactbars keeps fewer values than the length says
            values = ["unreadable"]
        return {"len": length, "values": self.canon(values)}

    def money(self, broker: Any) -> dict[str, Any]:
        fields = {
            "cash": broker.getcash(),
            "value": broker.getvalue(),
            "market": broker.get_value(mkt=True),
            "levered": broker.get_value(lever=True),
            "market levered": broker.get_value(mkt=True, lever=True),
            "leverage": broker.get_leverage(),
            "unrealized": broker._unrealized,
            "fund value": broker.fundvalue,
            "fund shares": broker.fundshares,
        }
        return {name: self.canon(value) for name, value in fields.items()}

    def writer(self, cerebro: bt.Cerebro, **settings: Any) -> None:
        """Add a WriterFile whose text is part of the recording."""
        self.outputs.append(io.StringIO())
        cerebro.addwriter(bt.WriterFile, out=self.outputs[-1], **settings)


def record(case: Case, side: Side, listen: str = "everything") -> Recording:
    """Run the case on one side and return every fact of the run; an error that ends it is one of them."""
    recorder = Recorder(listen)
    cerebro = side.cerebro(**case.cerebro)
    cerebro.setbroker(side.broker(**case.broker))
    case.first(cerebro, recorder)
    side.add_panel(cerebro, case.panel, tuple(name for name in case.panel.field_names if name == "score"))
    for strategy, settings in case.strategies:
        if case.optimise:
            cerebro.optstrategy(recorder.recorded(strategy), **settings, **case.optimise)
        else:
            cerebro.addstrategy(recorder.recorded(strategy), **settings)
    case.equip(cerebro, recorder)
    runs: list[Any] = []
    error, text = None, ""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            for _ in range(case.runs):
                runs.append(_after(recorder, cerebro, cerebro.run()))
    except Exception as caught:
        error, text = type(caught).__name__, str(caught)
    outputs = [out.getvalue().splitlines() for out in (*recorder.outputs, printed)]
    facts = {"error": error, "events": recorder.events, "runs": runs, "outputs": outputs}
    return Recording(facts, getattr(cerebro, "path", None), getattr(cerebro, "path_reason", None), text)


def _after(recorder: Recorder, cerebro: bt.Cerebro, results: Iterable[Any]) -> dict[str, Any]:
    """Everything that is still there after the run."""
    canon = recorder.canon
    broker = cerebro.broker
    flat = [each for result in results for each in (result if isinstance(result, list) else [result])]
    return {
        "strategies": [_result(recorder, each) for each in flat],
        "orders": [canon.order(order) for order in broker.orders],
        "pending": [canon.order(order) for order in broker.pending if order is not None],
        "unread": [canon.order(order) for order in broker.notifs if order is not None],
        "money": recorder.money(broker),
        "positions": [canon.position(broker.positions.get(data)) for data in cerebro.datas],
        "credit": [canon(broker.d_credit.get(data, 0.0)) for data in cerebro.datas],
        "next ref": canon(next(OrderBase.refbasis) - canon.orders),
        "datas": [recorder.newest(data) | {"name": data._name, "buflen": data.buflen()} for data in cerebro.datas],
    }


def _result(recorder: Recorder, result: Any) -> dict[str, Any]:
    """A strategy after the run, or the OptReturn that stands for it."""
    canon = recorder.canon
    facts = {
        "params": canon(dict(result.p._getkwargs())),
        "analyzers": {name: canon(each.get_analysis()) for name, each in result.analyzers.getitems()},
    }
    if not isinstance(result, bt.Strategy):
        return facts
    return facts | {
        "seen": canon(getattr(result, "seen", None)),
        "line": whole(canon, result),
        "indicators": [whole(canon, each) for each in result.getindicators()],
        "observers": [whole(canon, each) for each in result.getobservers()],
        "orders": [canon.order(order) for order in result._orders],
        "trades": [
            {str(tradeid): [canon.trade(trade) for trade in trades] for tradeid, trades in result._trades[data].items()}
            for data in result.datas
        ],
    }


def whole(canon: Canon, lines: Any) -> dict[str, Any]:
    """All values of each line up to its length, named."""
    length = len(lines)
    aliases = lines.getlinealiases() if isinstance(lines, bt.LineSeries) else ()
    every = list(lines.lines)
    names = [*aliases, *range(len(aliases), len(every))]
    found = {}
    for name, line in zip(names, every, strict=True):
        kept = line.getzero(0, length) if line.mode == line.UnBounded else list(line.array)
        found[str(name)] = canon(np.array(kept, dtype=np.float64))
        if line.mode == line.UnBounded:
            found[f"{name} plotted"] = canon(np.array(line.plotrange(0, length), dtype=np.float64)) == found[str(name)]
    kind = re.sub(r"_\d+$", "", type(lines).__name__)  # backtrader numbers the couplers it makes
    return {"class": kind, "len": length, "lines": found}


def differences(first: Any, second: Any, where: str = "", most: int = 8) -> list[str]:
    """Up to ``most`` places where two recordings differ, as text; empty when they are identical."""
    if type(first) is type(second) and first == second:
        return []
    if isinstance(first, dict) and isinstance(second, dict) and list(first) == list(second):
        pairs = [(f"{where}.{key}", first[key], second[key]) for key in first]
    elif isinstance(first, list) and isinstance(second, list):
        pairs = [(f"{where}[{n}]", a, b) for n, (a, b) in enumerate(zip(first, second, strict=False))]
        if len(first) != len(second):
            pairs.append((f"len({where})", len(first), len(second)))
    else:
        return [f"{where}: {_show(first)} against {_show(second)}"]
    found: list[str] = []
    for name, a, b in pairs:
        found += differences(a, b, name, most - len(found))
        if len(found) >= most:
            break
    return found


def _show(value: Any) -> str:
    """A float's hexadecimal form with its decimal one beside it."""
    text = str(value)
    return f"{text} ({float.fromhex(text)!r})" if text.lstrip("-").startswith("0x") else text[:400]
