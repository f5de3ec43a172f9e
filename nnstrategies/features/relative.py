"""What S4 makes of one technical factor: its rank among the members, and the change of both over 5 sessions."""

from __future__ import annotations

from nnstrategies.features.cross_sectional import CROSS_SECTIONAL, change, market_ret_1, member_rank
from nnstrategies.features.feature_set import FeatureFunction
from nnstrategies.features.memo import once_per_panel
from nnstrategies.features.price_volume import PRICE_VOLUME
from nnstrategies.features.technical import TECHNICAL
from nnstrategies.panel import Panel
from nnstrategies.typing import AnyArray

DAYS = 5
_BASES = {**TECHNICAL, **PRICE_VOLUME}
FACTORS = (
    "ret_1",
    "ret_5",
    "ret_20",
    "rsi_14",
    "macd_hist",
    "bollinger_position",
    "sma_20_ratio",
    "stoch_k",
    "cci_14",
    "natr_14",
    "mfi_14",
    "volatility_20",
    "volume_position_20",
)


def rank_of(factor: FeatureFunction) -> FeatureFunction:
    """The feature that ranks members by a factor, -0.5 to 0.5."""

    def rank(panel: Panel) -> AnyArray:
        return member_rank(factor(panel), panel.members)

    return once_per_panel(rank)


def change_of(factor: FeatureFunction, days: int = DAYS) -> FeatureFunction:
    """The feature that is a factor less its value ``days`` sessions ago."""

    def difference(panel: Panel) -> AnyArray:
        return change(factor, panel, days)

    return difference


def _four(name: str) -> dict[str, FeatureFunction]:
    """A factor's value, its rank, and the changes of both, known features under their own names."""
    value = _BASES[name]
    rank = CROSS_SECTIONAL.get(f"rank_{name}") or rank_of(value)
    rank_change = f"rank_{name}_change_{DAYS}"
    return {
        name: value,
        f"rank_{name}": rank,
        f"{name}_change_{DAYS}": change_of(value),
        rank_change: CROSS_SECTIONAL.get(rank_change) or change_of(rank),
    }


RELATIVE: dict[str, FeatureFunction] = {
    "market_ret_1": market_ret_1,
    **{key: function for name in FACTORS for key, function in _four(name).items()},
}
