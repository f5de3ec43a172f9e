"""Why an account's value is NaN, said where backtrader keeps it to itself and every result after it is NaN."""

from __future__ import annotations

import math
from typing import Any

from nnstrategies.errors import DataError

_MEND = (
    "leave symbols out while they have no prices, or trade with nnstrategies.brokers.MarketBroker; "
    "PanelBroker(nan_as_backtrader=True) goes on with NaN as backtrader does"
)


def no_value(broker: Any) -> DataError:
    """The error for a broker whose value has just become NaN, with symbol and date."""
    today = max(data.datetime.date(0) for data in broker.cerebro.datas if len(data))
    return DataError(f"the account's value is NaN on {today}: {_reason(broker)}; {_MEND}")


def _reason(broker: Any) -> str:
    if math.isnan(broker.cash):
        order = next((order for order in reversed(broker.orders) if math.isnan(order.executed.price)), None)
        return "the cash is NaN" if order is None else f"an order of {order.data._name} was filled where it has no open"
    for data, position in broker.positions.items():
        if len(data) and math.isnan(data.close[0]):
            what = f"{position.size:g} shares are held" if position.size else "it was asked about"
            return f"{data._name} has no close and {what}"
    return "a commission scheme or a position's price is NaN"
