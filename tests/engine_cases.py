"""The catalogue of trading and money: order types, sizes, costs and cash, each with the path that must run it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import backtrader as bt
import engine_strategies as trade
from engine_extras import HalfSizer, Tiered, history
from engine_panels import ragged, walks
from engine_recorder import Case, Equip, Recorder

WALKS, ONE, RAGGED = walks(), walks(1, 40, 5), ragged()
FILLERS = {
    "fixed size": bt.fillers.FixedSize(size=6),
    "bar percentage": bt.fillers.FixedBarPerc(perc=4.0),
    "bar points": bt.fillers.BarPointPerc(minmov=0.05, perc=30.0),
}
FLAGS = ("slip_open", "slip_match", "slip_limit", "slip_out")


def one(name: str, strategy: type[bt.Strategy], settings: Mapping[str, Any] | None = None, **more: Any) -> Case:
    """A case of one strategy on the plain panel unless another is given."""
    return Case(name, more.pop("panel", WALKS), ((strategy, settings or {}),), **more)


def calls(*steps: Callable[[bt.Cerebro], Any]) -> Equip:
    """An ``equip`` made of functions of the Cerebro."""

    def equip(cerebro: bt.Cerebro, recorder: Recorder) -> None:
        for step in steps:
            step(cerebro)

    return equip


def scheme(**terms: Any) -> Equip:
    return calls(lambda cerebro: cerebro.broker.setcommission(**terms))


def every_type(name: str, **more: Any) -> Case:
    return one(f"every order type: {name}", trade.EveryOrderType, more.pop("settings", None), **more)


def order_cases() -> list[Case]:
    days = dt.timedelta(days=4)
    return [
        every_type("plain"),
        every_type("one feed", panel=ONE),
        every_type("ragged", panel=RAGGED),
        every_type("valid for four days", settings={"valid": days}),
        every_type("far away", settings={"away": 0.05, "valid": days}),
        every_type("no check at submission", broker={"checksubmit": False}),
        every_type("end of session at the bar", broker={"eosbar": True}),
        every_type("trade history", cerebro={"tradehistory": True}),
        every_type("quick notifications", cerebro={"quicknotify": True}),
        *(every_type(f"filled in parts, {name}", broker={"filler": filler}) for name, filler in FILLERS.items()),
        one("valid in every form", trade.Expiring),
        one("one cancels the other", trade.OneCancelsOther),
        one("one cancels the other, filled in parts", trade.OneCancelsOther, broker={"filler": FILLERS["fixed size"]}),
        one("brackets", trade.Brackets),
        one("brackets with little cash", trade.Brackets, broker={"cash": 250.0}),
        one("brackets filled in parts", trade.Brackets, broker={"filler": FILLERS["fixed size"]}),
        one("cancelling", trade.Cancelling),
        one("target sizes", trade.Targets, {"kind": "size", "scale": 100}),
        one("target values", trade.Targets, {"kind": "value", "scale": 10_000.0}),
        one("target percentages", trade.Targets),
        one("through zero, several trade ids", trade.Reversing),
        one("orders from notifications", trade.OnFill),
        one("orders from quick notifications", trade.OnFill, cerebro={"quicknotify": True}),
        one("top scores", trade.TopScores, panel=walks(8, 60, 3)),
        one("top scores, ragged", trade.TopScores, {"top": 3, "every": 3}, panel=RAGGED),
        one("order history", trade.Holding, equip=lambda c, r: c.add_order_history(history(WALKS), notify=True)),
        one(
            "order history, silent", trade.Holding, equip=lambda c, r: c.add_order_history(history(WALKS), notify=False)
        ),
    ]


def slippage_cases() -> list[Case]:
    """Percentage and fixed slippage under every combination of the four flags."""
    cases = []
    for bits in range(16):
        flags = {name: bool(bits >> n & 1) for n, name in enumerate(FLAGS)}
        on = ", ".join(name for name, value in flags.items() if value) or "no flag"
        for amount in ({"slip_perc": 0.004}, {"slip_fixed": 0.07}):
            cases.append(every_type(f"{next(iter(amount))}, {on}", broker={**amount, **flags}))
    return cases


def cost_cases() -> list[Case]:
    fixed = bt.CommInfoBase.COMM_FIXED
    schemes: dict[str, dict[str, Any]] = {
        "percentage": {"commission": 0.0008},
        "percentage as a number": {"commission": 0.1, "percabs": False, "commtype": bt.CommInfoBase.COMM_PERC},
        "fixed on stocks": {"commission": 1.25, "commtype": fixed, "stocklike": True},
        "future": {"commission": 2.0, "margin": 150.0, "mult": 10.0},
        "future with automatic margin": {"commission": 2.0, "margin": 150.0, "mult": 10.0, "automargin": 6.0},
        "leverage": {"commission": 0.001, "leverage": 3.0},
        "interest on shorts": {"commission": 0.001, "interest": 0.08},
        "interest on both": {"interest": 0.08, "interest_long": True},
    }
    cases = [every_type(f"commission, {name}", equip=scheme(**terms)) for name, terms in schemes.items()]
    cases += [
        one(f"reversing, commission, {name}", trade.Reversing, equip=scheme(**terms)) for name, terms in schemes.items()
    ]
    own = calls(lambda cerebro: cerebro.broker.addcommissioninfo(Tiered()))
    some = calls(
        lambda cerebro: cerebro.broker.setcommission(commission=0.001),
        lambda cerebro: cerebro.broker.setcommission(commission=2.0, margin=100.0, mult=5.0, name="S1"),
        lambda cerebro: cerebro.broker.addcommissioninfo(Tiered(), name="S2"),
    )
    interest = scheme(**schemes["interest on both"])
    return [
        *cases,
        every_type("own commission scheme", equip=own),
        every_type("a scheme for each feed", equip=some),
        one("reversing, own commission scheme", trade.Reversing, equip=own),
        one("target values, a scheme for each feed", trade.Targets, {"kind": "value", "scale": 9e3}, equip=some),
        one("interest not in the profit", trade.Reversing, broker={"int2pnl": False}, equip=interest),
        one("top scores, own commission scheme", trade.TopScores, panel=walks(6, 50, 4), equip=own),
    ]


def cash_cases() -> list[Case]:
    cases = []
    for name, broker in {
        "cash counts shorts as value": {"shortcash": False},
        "fund mode": {"fundmode": True, "fundstartval": 50.0},
        "cheat on close": {"coc": True},
        "too little cash": {"cash": 700.0},
        "too little cash, unchecked": {"cash": 700.0, "checksubmit": False},
        "too little cash, shorts as value": {"cash": 700.0, "shortcash": False},
    }.items():
        cases += [every_type(name, broker=broker), one(f"reversing: {name}", trade.Reversing, broker=broker)]
    all_in = {"cheat on close": {"coc": True}, "unchecked": {"checksubmit": False}, "checked": {}}
    costs = scheme(commission=0.001)
    return [
        *cases,
        *(one(f"all in, {name}", trade.AllIn, broker={"cash": 3000.0, **b}, equip=costs) for name, b in all_in.items()),
        one("cash comes and goes", trade.Depositing, equip=costs),
        one("cash comes and goes, fund mode", trade.Depositing, broker={"fundmode": True}, equip=costs),
        one("cash comes and goes, shorts as value", trade.Depositing, broker={"shortcash": False}),
    ]


def sizer_cases() -> list[Case]:
    sizers: dict[str, tuple[type[bt.Sizer], dict[str, Any]]] = {
        "FixedSize": (bt.sizers.FixedSize, {"stake": 7, "tranches": 2}),
        "FixedReverser": (bt.sizers.FixedReverser, {"stake": 5}),
        "FixedSizeTarget": (bt.sizers.FixedSizeTarget, {"stake": 9}),
        "PercentSizer": (bt.sizers.PercentSizer, {"percents": 15}),
        "PercentSizerInt": (bt.sizers.PercentSizerInt, {"percents": 15}),
        "AllInSizer": (bt.sizers.AllInSizer, {}),
        "AllInSizerInt": (bt.sizers.AllInSizerInt, {}),
        "own": (HalfSizer, {}),
    }

    def case(name: str, kind: type[bt.Sizer], terms: dict[str, Any]) -> Case:
        equip = calls(lambda cerebro: cerebro.addsizer(kind, **terms))
        return one(f"sizer, {name}", trade.Crossing, equip=equip)

    return [case(name, kind, terms) for name, (kind, terms) in sizers.items()]


TRADING = [*order_cases(), *cost_cases(), *cash_cases(), *sizer_cases()]
SLIPPAGE = slippage_cases()
