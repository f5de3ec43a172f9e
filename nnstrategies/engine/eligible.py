"""What the engine's own loop cannot serve; the answer is the reason a user reads in ``Cerebro.path_reason``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import backtrader as bt
from backtrader.feed import AbstractDataBase, DataClone
from backtrader.linebuffer import LineBuffer

from nnstrategies.engine.lines import NarrowLine

_OWN_STEPS = ("_oncepost", "_getminperstatus", "forward", "advance")  # of a strategy: the loop does their work
_OWN_MOVES = ("advance_peek", "rewind", "home", "_tick_nullify", "_tick_fill")  # of a feed


def settings_reason(cerebro: Any) -> str:
    """Why the settings of a run ask for backtrader's own loop; empty when they do not."""
    p = cerebro.p
    reasons = {
        "a live feed": cerebro._dolive or p.live,
        "exactbars": bool(cerebro._exactbars),
        "replaydata or resampledata": cerebro._doreplay,
        "preload=False": not p.preload,
        "runonce=False": not p.runonce,
        "oldsync": p.oldsync,
        "lookahead": p.lookahead,
        "an indicator that works bar by bar only": not (cerebro._dorunonce and cerebro._dopreload),
    }
    return next((reason for reason, applies in reasons.items() if applies), "")


def run_reason(datas: Iterable[Any], strategies: Iterable[Any]) -> str:
    """Why these preloaded feeds and strategies need backtrader's own loop; empty when they do not."""
    for data in datas:
        if reason := _feed_reason(data):
            return f"feed {data._name}: {reason}"
    for strategy in strategies:
        if name := overridden(type(strategy), bt.Strategy, _OWN_STEPS):
            return f"{type(strategy).__name__} overrides {name}"
    return ""


def overridden(kind: type, base: type, names: Iterable[str]) -> str:
    """The first of these methods that ``kind`` does not take from ``base``; empty when it takes all."""
    return next((name for name in names if getattr(kind, name, None) is not getattr(base, name, None)), "")


def _feed_reason(data: Any) -> str:
    kind = type(data)
    if kind.advance not in (AbstractDataBase.advance, DataClone.advance):
        return f"{kind.__name__} overrides advance"
    if name := overridden(kind, AbstractDataBase, _OWN_MOVES):
        return f"{kind.__name__} overrides {name}"
    if data.replaying:
        return "replayed"
    length = data.buflen()
    for line in data.lines.lines:
        known = type(line) in (LineBuffer, NarrowLine)
        if not known or line.mode != line.UnBounded or line.extension or line.buflen() != length:
            return "its lines are not plain buffers of one length"
    return ""
