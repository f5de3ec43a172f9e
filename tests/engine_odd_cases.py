"""The catalogue of odd but legal uses, and of brokers, schemes and feeds that users have subclassed."""

from __future__ import annotations

import datetime as dt
from typing import Any

import backtrader as bt
import engine_odd_strategies as odd
import engine_strategies as trade
from engine_cases import RAGGED, WALKS, calls, one
from engine_extras import Tiered, add_all_analyzers, add_frame, offset_frame
from engine_panels import frame, walks
from engine_recorder import Case

METHODS = (
    *("getvaluesize", "getvalue", "profitandloss", "cashadjust", "getoperationcost", "get_credit_interest"),
    *("getcommission", "_getcommission", "confirmexec", "get_leverage", "get_margin", "getsize"),
)


class FixedOffset(dt.tzinfo):
    """Eight hours ahead, the whole year."""

    def utcoffset(self, moment: dt.datetime | None) -> dt.timedelta:
        return dt.timedelta(hours=8)

    def dst(self, moment: dt.datetime | None) -> None:
        return None

    def tzname(self, moment: dt.datetime | None) -> str:
        return "UTC+8"

    def fromutc(self, moment: dt.datetime) -> dt.datetime:
        return moment + dt.timedelta(hours=8)

    def localize(self, moment: dt.datetime) -> dt.datetime:
        return moment.replace(tzinfo=self)


def altered(name: str) -> type[bt.CommInfoBase]:
    """A scheme that overrides one method, by one percent."""
    original = getattr(bt.CommInfoBase, name)

    def method(self: Any, *args: Any, **more: Any) -> Any:
        return original(self, *args, **more) * 1.01

    metaclass: Any = type(bt.CommInfoBase)
    made: type[bt.CommInfoBase] = metaclass(f"Altered_{name}", (bt.CommissionInfo,), {name: method})
    return made


def scheme_cases() -> list[Case]:
    """Schemes that override one method each, and one whose terms are of another kind."""
    terms = {"commission": 0.001, "interest": 0.1, "interest_long": True}

    def case(name: str) -> Case:
        equip = calls(lambda cerebro: cerebro.broker.addcommissioninfo(altered(name)(**terms)))
        return one(f"scheme that overrides {name}", trade.Reversing, equip=equip)

    multiplied = calls(
        lambda c: c.broker.setcommission(commission=0.5, mult=3.0, stocklike=True, commtype=1, leverage=2)
    )
    return [
        *(case(name) for name in METHODS),
        one("stocks with a multiplier", trade.Reversing, equip=multiplied),
        one("stocks with a multiplier, targets", trade.Targets, equip=multiplied),
    ]


def thinned(data: Any) -> bool:
    """A filter that drops every fifth bar."""
    if int(data.datetime[0]) % 5:
        return False
    data.backwards()
    return True


def compensated(cerebro: bt.Cerebro) -> None:
    cerebro.datas[1].compensate(cerebro.datas[0])


def use_cases() -> list[Case]:
    drawdown = calls(lambda c: c.addanalyzer(bt.analyzers.DrawDown))
    many = walks(40, 60, 11)
    return [
        one("numbers of numpy", odd.NumpySizes),
        one("settings changed on the way", odd.Changing),
        one("settings changed on the way, one feed", odd.Changing, panel=walks(1, 40, 6)),
        one("positions and orders touched", odd.Touching),
        one("looking around", odd.Looking, equip=drawdown, listen=("everything", "nothing")),
        one("lines of its own", odd.OwnLines),
        one("an error in the middle", odd.Failing, error="ValueError"),
        one("past the last bar", odd.Ahead, error="IndexError"),
        one("own notifications", odd.OwnNotifications),
        one("many positions", trade.TopScores, {"top": 25, "every": 3}, panel=many),
        one("many positions, analyzed", trade.TopScores, {"top": 12, "every": 7}, panel=many, equip=add_all_analyzers),
        one("many positions, cash comes and goes", trade.Depositing, panel=many),
    ]


def shape_cases() -> list[Case]:
    """Very short panels, nothing to trade, time zones, sessions, filters, clones, processes."""
    zone = FixedOffset()
    grid = {"fast": [2, 4], "slow": [7]}
    return [
        one("one bar", trade.Targets, panel=walks(2, 1)),
        one("two bars", trade.EveryOrderType, panel=walks(2, 2)),
        one("three bars", trade.Brackets, panel=walks(1, 3)),
        Case("no strategy", WALKS),
        Case("a strategy without orders", WALKS, ((bt.Strategy, {}),)),
        one("bars at the end of the session", trade.EveryOrderType, equip=calls(at_the_close)),
        one("a time zone", trade.EveryOrderType, cerebro={"tz": zone}),
        one(
            "a feed in another time zone",
            odd.Touching,
            equip=calls(lambda c: add_frame(c, frame(WALKS, "S1"), "x", tz=zone)),
        ),
        one("sessions that end in the afternoon", trade.EveryOrderType, equip=calls(afternoon)),
        one("a feed filtered", trade.EveryOrderType, equip=calls(lambda c: c.datas[1].addfilter(thinned))),
        one(
            "a clone of a feed",
            trade.EveryOrderType,
            equip=calls(lambda c: c.adddata(c.datas[0].clone(), name="clone")),
        ),
        one("compensation", trade.Reversing, equip=calls(compensated)),
        one(
            "optimisation in two processes", trade.Crossing, optimise=grid, cerebro={"maxcpus": 2}, listen=("nothing",)
        ),
        one(
            "next_open of a Cerebro that loads no data at first", trade.Opening, cerebro={"cheat_on_open": True}, runs=2
        ),
    ]


def edge_cases() -> list[Case]:
    """Cash that is just enough, or not, at the check and at the fill."""
    ways: dict[str, dict[str, Any]] = {
        "checked": {},
        "filled at the close": {"coc": True},
        "unchecked": {"coc": True, "checksubmit": False},
    }

    def case(leverage: float, way: str) -> Case:
        equip = calls(lambda c: c.broker.setcommission(commission=0.001, leverage=leverage))
        settings, name = {"leverage": leverage}, f"cash on the edge, leverage {leverage}, {way}"
        return one(name, odd.OnTheEdge, settings, panel=walks(3, 90, 31), broker=ways[way], equip=equip)

    return [case(leverage, way) for leverage in (1.0, 2.0) for way in ways]


def batch_cases() -> list[Case]:
    """One batch of targets a day against the same orders one by one."""
    panel, costs = walks(12, 60, 21), calls(lambda c: c.broker.setcommission(commission=0.001))
    own = calls(lambda c: c.broker.addcommissioninfo(Tiered(), name="S3"))
    levered = calls(lambda c: c.broker.setcommission(commission=0.5, mult=3.0, stocklike=True, commtype=1, leverage=2))
    future = calls(lambda c: c.broker.setcommission(commission=2.0, margin=150.0, mult=10.0))

    def batched(name: str, settings: dict[str, Any] | None = None, **more: Any) -> Case:
        return one(f"batch of targets{name}", odd.Batched, settings, panel=more.pop("panel", panel), **more)

    return [
        batched(""),
        batched(", costs", equip=costs),
        batched(", ragged", panel=RAGGED),
        batched(", short as well", {"low": -9.0}, equip=costs),
        batched(", daily", {"every": 1}, equip=costs),
        batched(", little cash", {"total": 1.4}, broker={"cash": 900.0}, equip=costs),
        batched(", at the open", {"opening": True}, cerebro={"cheat_on_open": True}),
        batched(", own scheme for one", equip=own),
        batched(", leverage", equip=levered),
        batched(", futures", equip=future),
        batched(", slippage and cheat on close", broker={"slip_perc": 0.002, "coc": True}),
        batched(", shorts as value", {"low": -9.0}, broker={"shortcash": False}),
        batched(", bar by bar", cerebro={"runonce": False}, path="backtrader"),
    ]


def afternoon(cerebro: bt.Cerebro) -> None:
    add_frame(cerebro, frame(WALKS, "S2"), "afternoon", sessionend=dt.time(15, 0), sessionstart=dt.time(9, 30))


def at_the_close(cerebro: bt.Cerebro) -> None:
    table = offset_frame(WALKS, "S2", every=1, hours=15)
    add_frame(cerebro, table, "afternoon", sessionend=dt.time(15, 0))


def chained(cerebro: bt.Cerebro) -> None:
    table = frame(WALKS, "S0")
    parts = [bt.feeds.PandasData(dataname=each) for each in (table[:15], table[15:])]
    cerebro.chaindata(*parts, name="chained")


ODD = [*scheme_cases(), *use_cases(), *shape_cases(), *edge_cases(), *batch_cases()]
CHAINED = Case("chained", WALKS, ((trade.EveryOrderType, {}),), "backtrader", equip=calls(chained))
