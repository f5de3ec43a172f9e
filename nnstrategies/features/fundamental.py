"""Fundamentals by disclosure date: ranks among the members of the day (S2), and the five factors of S4.

An item is a field of the panel (daily pe, pb, ... of a vendor) or a column of the event table ``fundamentals``; where a
panel has both, the field counts and the table fills its gaps. Values are those published by the close of t. A missing
one stays missing: no zero, no mean.
"""

from __future__ import annotations

import numpy as np

from nnstrategies.errors import MissingTableError
from nnstrategies.features.as_of import known_values
from nnstrategies.features.cross_sectional import member_rank
from nnstrategies.features.feature_set import FeatureFunction
from nnstrategies.features.inputs import Input
from nnstrategies.panel import Panel
from nnstrategies.typing import AnyArray, FloatArray

TABLE = "fundamentals"
REPORT_AGE_DAYS = 400  # a yearly report stays the newest for a year and some weeks
PRICE_AGE_DAYS = 45  # ratios to a price go stale with the price: one month end may be missed
DAILY = ("pe", "pb", "ps", "pcf")  # ratios that a panel may also have as fields

# The 28 items of S2 in the paper's four groups; the paper gives the count and the groups, the items are our choice.
GROUPS: dict[str, tuple[str, ...]] = {
    "profitability": ("roe", "roa", "roic", "gross_margin", "operating_margin", "net_margin", "eps"),
    "growth": (
        "revenue_growth",
        "operating_profit_growth",
        "profit_growth",
        "eps_growth",
        "roe_growth",
        "assets_growth",
        "equity_growth",
    ),
    "value": ("pe", "pb", "ps", "pcf", "ev_ebitda", "dividend_yield", "market_value"),
    "financial condition": (
        "debt_to_assets",
        "current_ratio",
        "quick_ratio",
        "interest_cover",
        "asset_turnover",
        "inventory_turnover",
        "cash_to_debt",
    ),
}
_INVERTED = ("pe", "pb", "ps", "pcf", "ev_ebitda")  # ranked by their inverse: a loss stands below a small profit
_PRICED = GROUPS["value"]


def item_input(item: str) -> Input:
    """Where an item may come from."""
    return Input(item, TABLE, item if item in DAILY else "")


def fundamental(panel: Panel, item: str) -> FloatArray:
    """[T, N] an item as known at each close; MissingTableError where the panel has no place for it."""
    max_age_days = PRICE_AGE_DAYS if item in _PRICED else REPORT_AGE_DAYS
    if item not in DAILY or item not in panel:
        return known_values(panel, TABLE, item, max_age_days)
    daily = panel[item].astype(np.float64)
    if not Input(item, TABLE).met(panel):
        return daily
    return np.where(np.isfinite(daily), daily, known_values(panel, TABLE, item, max_age_days))


def ranked(item: str) -> FeatureFunction:
    """The feature that ranks members by an item, -0.5 to 0.5; ratios of price to something by their inverse."""
    inverted = item in _INVERTED

    def rank(panel: Panel) -> AnyArray:
        values = fundamental(panel, item)
        if inverted:
            values = np.divide(1.0, values, out=np.full_like(values, np.nan), where=values != 0)
        return member_rank(values, panel.members)

    return rank


def plain(item: str) -> FeatureFunction:
    """The feature that is an item as published."""

    def value(panel: Panel) -> FloatArray:
        return fundamental(panel, item)

    return value


def log_float_value(panel: Panel) -> FloatArray:
    """log of raw close times the shares that can be traded; NaN where their number is unknown."""
    if "float_shares" not in panel:
        raise MissingTableError(
            f"{panel.name}: no field 'float_shares'; add a column float_shares (shares that can be traded) to the "
            f"prices, or leave log_float_value out"
        )
    value = panel["close"].astype(np.float64) * panel["float_shares"].astype(np.float64)
    return np.log(np.where(value > 0, value, np.nan))


RANKED = {f"rank_{item}": ranked(item) for items in GROUPS.values() for item in items}
RATIOS: dict[str, FeatureFunction] = {item: plain(item) for item in ("pb", "pe", "ps")}
INPUTS: dict[str, Input] = {
    **{f"rank_{item}": item_input(item) for items in GROUPS.values() for item in items},
    **{item: item_input(item) for item in RATIOS},
    "log_float_value": Input("float_shares", field="float_shares"),
}
FUNDAMENTAL: dict[str, FeatureFunction] = {**RANKED, **RATIOS, "log_float_value": log_float_value}
