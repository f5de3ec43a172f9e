"""How to plant a fault into an implementation: small changes of brokers, feeds, strategies and Cerebros."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

import backtrader as bt
import numpy as np
from engine_recorder import Side

from nnstrategies.panel import Panel

Change = Callable[[Any], Any]


def up(value: float) -> float:
    return math.nextafter(value, math.inf)


def after(change: Change, bar: int = 12) -> Callable[[Side], Side]:
    """From this bar on, ``change`` the broker right after its ``next``, until it has found something to change."""

    def plant(side: Side) -> Side:
        def make(**params: Any) -> Any:
            broker = side.broker(**params)
            broker.__class__ = _late(type(broker), change, bar)
            return broker

        return replace(side, broker=make)

    return plant


def _late(base: Any, change: Change, bar: int) -> Any:
    class Late(base):
        _bars, _done = 0, False

        def next(self) -> None:
            super().next()
            self._bars += 1
            if self._bars >= bar and not self._done:
                self._done = change(self) is not False

    return Late


def hook(name: str, body: Callable[..., Any], part: str = "broker") -> Callable[[Side], Side]:
    """Override a method of the broker, or of the Cerebro, by ``body(original, object, ...)``."""

    def plant(side: Side) -> Side:
        def make(**params: Any) -> Any:
            made = getattr(side, part)(**params)
            made.__class__ = _hooked(type(made), name, body)
            return made

        return replace(side, broker=make) if part == "broker" else replace(side, cerebro=make)

    return plant


def _hooked(base: Any, name: str, body: Callable[..., Any]) -> Any:
    original = getattr(base, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return body(lambda *a, **k: original(self, *a, **k), self, *args, **kwargs)

    return type(base)(base.__name__, (base,), {name: method})


def panel(change: Callable[[dict[str, Any]], None]) -> Callable[[Side], Side]:
    """Feeds over a panel with a changed value."""

    def plant(side: Side) -> Side:
        def add(cerebro: bt.Cerebro, given: Panel, fields: tuple[str, ...]) -> Any:
            values = {name: np.array(given[name]) for name in given.field_names}
            change(values)
            return side.add_panel(cerebro, Panel(given.sessions, given.symbols, values, given.status), fields)

        return replace(side, add_panel=add)

    return plant


def strategy(name: str, body: Callable[..., Any]) -> Callable[[Side], Side]:
    """Override a method of every strategy that is added."""

    def plant(side: Side) -> Side:
        def make(**params: Any) -> Any:
            cerebro = side.cerebro(**params)
            add = cerebro.addstrategy
            cerebro.addstrategy = lambda kind, **more: add(_hooked(kind, name, body), **more)
            return cerebro

        return replace(side, cerebro=make)

    return plant


def inside(owner: Any, name: str, body: Callable[..., Any]) -> Callable[[Side], Side]:
    """Replace a function, method or property of the engine by ``body(original, ...)`` while it runs."""
    original = vars(owner)[name]
    getter = original.fget if isinstance(original, property) else getattr(owner, name)
    if isinstance(original, classmethod):
        fault: Any = lambda *args: body(getter, *args)  # noqa: E731
    elif isinstance(original, property):
        fault = property(lambda self: body(getter, self))
    else:
        fault = lambda *args, **more: body(getter, *args, **more)  # noqa: E731

    def plant(side: Side) -> Side:
        def make(**params: Any) -> Any:
            made = side.cerebro(**params)
            run = made.run

            def faulty(**more: Any) -> Any:
                with mock.patch.object(owner, name, fault):
                    return run(**more)

            made.run = faulty
            return made

        return replace(side, cerebro=make)

    return plant


def nudge(name: str) -> Change:
    """Raise a number of the broker by one unit in the last place."""
    return lambda broker: setattr(broker, name, up(getattr(broker, name)))


def on_fill(change: Change) -> Change:
    """Change the newest notification of an execution."""

    def find(broker: Any) -> Any:
        filled = [order for order in broker.notifs if order is not None and len(order.executed.exbits)]
        if not filled:
            return False
        order = filled[-1]
        order.executed = copy.copy(order.executed)
        order.executed.exbits = copy.deepcopy(order.executed.exbits)
        return change(order)

    return find


def on_bit(name: str, change: Change) -> Change:
    def edit(order: Any) -> Any:
        bit = order.executed.exbits[-1]
        value = change(getattr(bit, name))
        if repr(value) == repr(getattr(bit, name)):
            return False
        return setattr(bit, name, value)

    return on_fill(edit)


def on_position(name: str, change: Change) -> Change:
    def edit(broker: Any) -> Any:
        held = [position for position in broker.positions.values() if position.size]
        return setattr(held[0], name, change(getattr(held[0], name))) if held else False

    return edit


def drop(broker: Any) -> Any:
    return broker.notifs.pop() and None if broker.notifs else False


def repeat(broker: Any) -> Any:
    return broker.notifs.append(broker.notifs[-1]) if broker.notifs else False


def swap(broker: Any) -> Any:
    return broker.notifs.reverse() if len(broker.notifs) > 1 else False


def unclone(broker: Any) -> Any:
    """Hand out the living order where a copy of its state at that moment is due."""
    living = {order.ref: order for order in broker.pending}
    for n, order in enumerate(broker.notifs):
        if order.ref in living and order is not living[order.ref]:
            broker.notifs[n] = living[order.ref]
            return None
    return False


def turn(broker: Any) -> Any:
    return broker.pending.rotate(1) if len(broker.pending) > 1 else False


def higher(amount: Change) -> Callable[..., Any]:
    """Execute at a changed price."""

    def execute(
        original: Any, broker: Any, order: Any, ago: Any = None, price: Any = None, *args: Any, **more: Any
    ) -> Any:
        real = ago is not None and price is not None
        return original(order, ago, amount(price) if real else price, *args, **more)

    return execute


def late_start(original: Any, strategy: Any) -> Any:
    strategy._minperstatus = original() + 1
    return strategy._minperstatus


def nudge_observer(original: Any, strategy: Any, *args: Any, **more: Any) -> None:
    original(*args, **more)
    line = strategy.stats.broker.lines.value
    line[0] = up(line[0]) if len(strategy) == 12 else line[0]


def nudge_indicator(original: Any, strategy: Any) -> None:
    values = strategy.getindicators()[0].lines[0].array
    values[20] = up(values[20])
    original()


def nudge_analyzer(original: Any, strategy: Any) -> None:
    original()
    rets = strategy.analyzers.timereturn.rets
    last = next(reversed(rets))
    rets[last] = up(rets[last])


def skip_once(original: Any, cerebro: Any, *args: Any, **more: Any) -> None:
    """Leave out the seventh call."""
    cerebro._calls = getattr(cerebro, "_calls", 0) + 1
    if cerebro._calls != 7:
        original(*args, **more)


def look_ahead(values: dict[str, Any]) -> None:
    values["score"] = np.roll(values["score"], -1, axis=0)


def nudge_close(values: dict[str, Any]) -> None:
    values["close"][-2, 0] = up(values["close"][-2, 0])


def free_of_charge(original: Any, broker: Any, data: Any) -> Any:
    return bt.CommissionInfo(commission=0.0)


def let_through(original: Any, broker: Any) -> None:
    while broker.submitted:
        broker.submit_accept(broker.submitted.popleft())


def backwards(original: Any, broker: Any) -> None:
    broker.submitted.reverse()
    original()


def nothing(original: Any, broker: Any, *args: Any, **more: Any) -> None:
    """In place of what should happen."""


def unslipped(original: Any, broker: Any, reach: float, price: float, **more: Any) -> float:
    return price


def nudge_average(order: Any) -> None:
    order.executed.price = up(order.executed.price)
