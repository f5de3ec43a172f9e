"""Faults planted into an implementation, each as small as a fault can be; the suite must notice every one of them.

Two kinds: ``after`` changes what a correct broker leaves behind, so that its own code, fast paths included, still runs;
the others override a hook, as a user's subclass would, so an engine that ignores overridden hooks is noticed as well.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import backtrader as bt
import engine_faults as fault
from engine_faults import after, hook, nudge, on_bit, on_fill, on_position, panel, skip_once, strategy, up
from engine_recorder import Side


@dataclass(frozen=True)
class Mutant:
    """A fault, the name of the case that shows it, and who listens to that."""

    name: str
    case: str
    plant: Callable[[Side], Side]
    listen: str = "everything"

    def __str__(self) -> str:
        return self.name


PLAIN, COSTS = "every order type: plain", "every order type: commission, percentage"
SLIPPED, ANALYZED = "every order type: slip_perc, slip_open", "all analyzers, TopScores"
MUTANTS = [
    Mutant("cash, one ulp, once", PLAIN, after(nudge("cash"))),
    Mutant("value, one ulp, once", PLAIN, after(nudge("_value"))),
    Mutant("leverage, one ulp, once", PLAIN, after(nudge("_leverage"))),
    Mutant("unrealised profit, one ulp, once", PLAIN, after(nudge("_unrealized"))),
    Mutant("fund value, one ulp, once", PLAIN, after(nudge("_fundval"))),
    Mutant("fund shares, one ulp, once", PLAIN, after(nudge("_fundshares"))),
    Mutant("price of a fill, one ulp", PLAIN, after(on_bit("price", up))),
    Mutant("average price of an order, one ulp", PLAIN, after(on_fill(fault.nudge_average))),
    Mutant("commission of a fill left out", COSTS, after(on_bit("comm", lambda value: 0.0))),
    Mutant("profit of a fill, one ulp", PLAIN, after(on_bit("pnl", lambda value: up(value) if value else value))),
    Mutant("a zero with a minus sign", PLAIN, after(on_bit("closedcomm", lambda value: -0.0))),
    Mutant("an integer size as a float", PLAIN, after(on_bit("size", float))),
    Mutant("date of a fill", PLAIN, after(on_bit("dt", lambda value: value - 1.0))),
    Mutant("one share more opened", PLAIN, after(on_bit("opened", lambda value: value + 1))),
    Mutant("price of a position, one ulp", PLAIN, after(on_position("price", up))),
    Mutant("base of a future's settlement, one ulp", PLAIN, after(on_position("adjbase", up))),
    Mutant("date of a position", PLAIN, after(on_position("datetime", lambda value: value - dt.timedelta(days=1)))),
    Mutant("a notification dropped", PLAIN, after(fault.drop)),
    Mutant("a notification repeated", PLAIN, after(fault.repeat)),
    Mutant("notifications in another order", PLAIN, after(fault.swap)),
    Mutant("an order handed out living", PLAIN, after(fault.unclone)),
    Mutant("pending orders in another order", PLAIN, after(fault.turn)),
    Mutant("an order number skipped", PLAIN, after(lambda broker: next(bt.Order.refbasis) and None)),
    Mutant("fills one ulp higher", PLAIN, hook("_execute", fault.higher(up))),
    Mutant("fills one tick higher", PLAIN, hook("_execute", fault.higher(lambda price: price + 0.01))),
    Mutant("no commission", COSTS, hook("getcommissioninfo", fault.free_of_charge)),
    Mutant("no slippage of buys", SLIPPED, hook("_slip_up", fault.unslipped)),
    Mutant("no slippage of sells", SLIPPED, hook("_slip_down", fault.unslipped)),
    Mutant("the group is not cancelled", "one cancels the other", hook("_ococheck", fault.nothing)),
    Mutant("bracket legs are not cancelled", "brackets", hook("_bracketize", fault.nothing)),
    Mutant("submissions unchecked", "all in, checked", hook("check_submitted", fault.let_through)),
    Mutant("submissions checked backwards", "all in, checked", hook("check_submitted", fault.backwards)),
    Mutant("one close, one ulp", PLAIN, panel(fault.nudge_close)),
    Mutant("score known a day early", "top scores", panel(fault.look_ahead)),
    Mutant("one more prenext", "minimum period by hand", strategy("_getminperstatus", fault.late_start)),
    Mutant("an observer's value, one ulp, once", PLAIN, strategy("_next_observers", fault.nudge_observer)),
    Mutant("an observer left out once", PLAIN, strategy("_next_observers", skip_once)),
    Mutant("an indicator's value, one ulp, once", "indicators", strategy("nextstart", fault.nudge_indicator)),
    Mutant("an analyzer's result, one ulp", ANALYZED, strategy("_stop", fault.nudge_analyzer)),
    Mutant("the analyzers left out once", ANALYZED, strategy("_next_analyzers", skip_once)),
    Mutant("a line of the writer left out", "writer of every bar", hook("_next_writers", skip_once, "cerebro")),
    Mutant("a timer missed", "timers of a strategy", strategy("notify_timer", skip_once)),
    Mutant("the opening missed", "next_open", strategy("next_open", skip_once)),
]
