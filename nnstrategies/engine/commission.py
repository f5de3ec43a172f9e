"""Whether a commission scheme is backtrader's own arithmetic for stocks, which may then be written out in place."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from backtrader.comminfo import CommInfoBase

from nnstrategies.engine.eligible import overridden

_ARITHMETIC = (
    *("getvaluesize", "getvalue", "profitandloss", "cashadjust", "getoperationcost", "get_credit_interest"),
    *("getcommission", "_getcommission", "confirmexec", "get_leverage", "get_margin", "margin", "stocklike"),
)


@lru_cache(maxsize=256)
def _unchanged(kind: type) -> bool:
    return issubclass(kind, CommInfoBase) and not overridden(kind, CommInfoBase, _ARITHMETIC)


def is_plain(scheme: Any) -> bool:
    """True when nothing a broker asks of the scheme is overridden and it is for stocks (comminfo.py 150-290)."""
    kind: Any = type(scheme)
    return _unchanged(kind) and bool(scheme._stocklike)


def charges_holding(scheme: Any) -> bool:
    """True when holding a long position may cost interest."""
    return bool(scheme.p.interest_long)


def fee(scheme: Any, size: float, price: float) -> float:
    """The commission of a plain scheme, as CommInfoBase._getcommission computes it."""
    if scheme._commtype == CommInfoBase.COMM_PERC:
        return abs(size) * scheme.p.commission * price
    return abs(size) * scheme.p.commission
