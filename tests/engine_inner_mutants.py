"""Faults inside the engine's own loop, lines, cursor and batches; the quick tier must notice every one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from backtrader.order import Order, OrderBase
from engine_faults import inside, up
from engine_mutants import Mutant

from nnstrategies.engine import batching, cursor, loop, news
from nnstrategies.engine.batch import Batch
from nnstrategies.engine.cursor import Cursor, Timeline
from nnstrategies.engine.lines import _Aligned, _AlignedNarrow, _Linked, _Ragged
from nnstrategies.engine.loop import Days, StrategyDays
from nnstrategies.engine.observing import Observing
from nnstrategies.engine.records import Records

PLAIN, LINES, NARROW = "every order type: plain", "reading lines", "reading lines, float32"
RAGGED = "reading lines, other calendars"
OPENING, PERIODS = "indicators and next_open", "three strategies with other minimum periods"
TOLD = "quiet batch, looked at daily: queues"
QUIET, EDGE, SHORT = "quiet batch, costs", "quiet batch, cash on the edge", "quiet batch, little cash"


def once(change: Callable[[Any], Any], at: int = 7) -> Callable[..., Any]:
    """Change what the ``at``-th call gives back."""
    calls = 0

    def body(original: Any, *args: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        found = original(*args, **more)
        return change(found) if calls == at else found

    return body


def always(change: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda original, *args, **more: change(original(*args, **more))


def skipped(original: Any, *args: Any, **more: Any) -> None:
    """In place of what should happen."""


def missed(at: int = 7) -> Callable[..., Any]:
    """Leave out the ``at``-th call."""
    calls = 0

    def body(original: Any, *args: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        return None if calls == at else original(*args, **more)

    return body


def on_row(change: Callable[[int], int], at: int = 12) -> Callable[..., Any]:
    """Move a cursor to another row on one day."""
    return lambda original, self, row: original(self, change(row) if row == at else row)


def filled(**changes: Callable[[Any], Any]) -> Callable[..., Any]:
    """Change fields of every fill of a batch."""

    def change(done: Any) -> Any:
        return done and done._replace(**{name: each(getattr(done, name)) for name, each in changes.items()})

    return always(change)


def one_cursor(original: Any, days: Any, strategy: Any) -> Any:
    """Indicators advance with the feeds, before next_open."""
    share = original(days, strategy)
    for indicator in strategy.getindicators():
        for line in indicator.lines:
            if "_cursor" in vars(line):
                vars(line)["_cursor"] = days.cursor
    return share


def later_bars(positions: Any) -> Any:
    """Every bar of a feed with days of its own comes one moment later."""
    if positions is None:
        return None
    moved = np.asarray(positions).copy()
    moved[2:-1] = np.asarray(positions)[1:-2]
    return memoryview(moved)


def no_loose(original: Any, share: Any, row: int, moment: float) -> None:
    if row == 30:
        share.loose = []
    original(share, row, moment)


def stale_status(original: Any, share: Any, row: int, moment: float) -> None:
    share.statuses[row] = share.statuses[max(row - 1, 0)]
    original(share, row, moment)


def late_moment(original: Any, share: Any, row: int, moment: float) -> None:
    original(share, row, moment + 1.0 if row == 12 else moment)


def wasted_reference(original: Any, *args: Any) -> Any:
    next(OrderBase.refbasis)
    return original(*args)


def on_credit(original: Any, position: Any, scheme: Any, size: float, price: float, cash: float, interest: Any) -> Any:
    """A fill that does not mind how much cash there is."""
    done = original(position, scheme, size, price, cash + 1e6, interest)
    return done and done._replace(cash=done.cash - 1e6)


def backwards(found: list[Any]) -> list[Any]:
    return found[::-1]


def half_unrolled(original: Any, self: Any, batch: Batch) -> None:
    original(self, batch)
    if len(self._submitted) > 1:
        self._submitted.rotate(1)


def silent(original: Any, self: Any, batch: Batch) -> None:
    original(self, batch)
    if self._notifs:
        self._notifs.pop()


def completed(order: Any) -> Any:
    order.status = Order.Completed
    return order


def quiet(name: str, owner: Any, method: str, body: Callable[..., Any], case: str = QUIET) -> Mutant:
    return Mutant(f"batch: {name}", case, inside(owner, method, body), "nothing")


CURSOR = [
    Mutant("cursor: a day late once", PLAIN, inside(Cursor, "move", on_row(lambda row: row - 1))),
    Mutant("cursor: a day early once", PLAIN, inside(Cursor, "move", on_row(lambda row: row + 1))),
    Mutant("cursor: another calendar's bars late", RAGGED, inside(cursor, "_positions", always(later_bars))),
    Mutant(
        "cursor: next one bar late", PERIODS, inside(Timeline, "statuses", always(lambda s: [each + 1 for each in s]))
    ),
    Mutant(
        "cursor: next one bar early", PERIODS, inside(Timeline, "statuses", always(lambda s: [each - 1 for each in s]))
    ),
    Mutant(
        "cursor: the first feed's period decides",
        "indicators on other days",
        inside(
            Timeline,
            "statuses",
            lambda original, self, minperiods: original(self, [*minperiods[:1], *[1] * (len(minperiods) - 1)]),
        ),
    ),
]
LINE = [
    Mutant("lines: a value, one ulp", LINES, inside(_Aligned, "__getitem__", once(up, 50))),
    Mutant("lines: one bar late", LINES, inside(_Aligned, "idx", always(lambda idx: max(idx - 1, 0)))),
    Mutant("lines: length, once", LINES, inside(_Aligned, "__len__", once(lambda count: count + 1, 90))),
    Mutant("lines: a value of another calendar", RAGGED, inside(_Ragged, "__getitem__", once(up, 20))),
    Mutant("lines: a float32 value, one ulp", NARROW, inside(_AlignedNarrow, "__getitem__", once(up, 50))),
    Mutant(
        "lines: a slice one bar early",
        LINES,
        inside(_Linked, "get", lambda get, self, ago=0, size=1: get(self, ago - 1, size)),
    ),
    Mutant(
        "lines: getzero one bar late",
        LINES,
        inside(_Linked, "getzero", lambda get, self, idx=0, size=1: get(self, idx + 1, size)),
    ),
    Mutant(
        "lines: another day",
        LINES,
        inside(
            _Linked,
            "datetime",
            lambda get, self, ago=0, tz=None, naive=True: get(self, ago - 1 if len(self) > 1 else ago, tz, naive),
        ),
    ),
]
LOOP = [
    Mutant("loop: one cursor for feeds and indicators", OPENING, inside(Days, "_share", one_cursor)),
    Mutant("loop: a day left out", PLAIN, inside(StrategyDays, "run", missed())),
    Mutant("loop: yesterday's status", PERIODS, inside(StrategyDays, "run", stale_status)),
    Mutant("loop: the strategy's clock a day ahead once", PLAIN, inside(StrategyDays, "run", late_moment)),
    Mutant("loop: nobody informed once", PLAIN, inside(loop, "inform", missed())),
    Mutant(
        "loop: informed twice once",
        PLAIN,
        inside(loop, "inform", lambda inform, s: [inform(s) for _ in range(1 + (len(s) == 12))]),
    ),
    Mutant("loop: observers left out once", PLAIN, inside(Observing, "run", missed())),
    Mutant("loop: an observer of a feed asleep", PLAIN, inside(Observing, "_sort_in", skipped)),
    Mutant("loop: ticks of another calendar left out", RAGGED, inside(loop, "_fill_tick", skipped)),
    Mutant("loop: an indicator left behind", "indicators", inside(StrategyDays, "run", no_loose)),
]
BATCH = [
    quiet("a fill's price, one ulp", batching, "priced", filled(price=up)),
    quiet("cash, one ulp", batching, "priced", filled(cash=up)),
    quiet("the average price, one ulp", batching, "priced", filled(average=up)),
    quiet("profit, one ulp", batching, "priced", filled(profit=lambda value: up(value) if value else value)),
    quiet("a fee of closing left out", batching, "priced", filled(closed_fee=lambda fee: 0.0)),
    quiet("a fee of opening left out", batching, "priced", filled(opened_fee=lambda fee: 0.0)),
    quiet("an integer size as a float", batching, "priced", filled(size=float)),
    quiet("a position not settled", batching, "settle", missed()),
    quiet("submissions unchecked", batching, "cash_after", always(lambda cash: abs(cash) + 1.0), SHORT),
    quiet("the fills unchecked", batching, "priced", on_credit, EDGE),
    quiet("a trade not told", news, "_traded", missed()),
    quiet(
        "a trade's commission twice", news, "_traded", lambda f, t, s, size, price, fee: f(t, s, size, price, 2 * fee)
    ),
    quiet("orders in another order", Batch, "orders", always(backwards)),
    quiet("copies in another order", Batch, "news", always(backwards)),
    quiet("copies of one kind only", Batch, "_stages", always(lambda stages: stages[-1:] * 3), TOLD),
    quiet("a copy that knows its end", Batch, "_as_accepted", always(completed), TOLD),
    quiet("a reference wasted", batching.BatchingBroker, "place", wasted_reference),
    quiet("a batch forgotten", Records, "extend", skipped),
    quiet("unrolled in another order", batching.BatchingBroker, "unroll", half_unrolled, EDGE),
    quiet("unrolled without a word", batching.BatchingBroker, "unroll", silent, EDGE),
    Mutant(
        "batch: nobody asked who listens",
        QUIET,
        inside(batching, "is_heard", always(lambda heard: False)),
        "everything",
    ),
    quiet(
        "a changed scheme unseen",
        batching,
        "is_plain",
        always(lambda plain: True),
        "quiet batch, with dearer behind it",
    ),
]
INNER = [*CURSOR, *LINE, *LOOP, *BATCH]
