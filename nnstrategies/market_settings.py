"""A config's choice of market: rule book, costs, slippage and account, as frozen settings."""

from __future__ import annotations

from dataclasses import dataclass

from nnstrategies.brokers.fees import Costs, FlatCosts, MakerTakerCosts, NoCosts, ScheduleCosts
from nnstrategies.brokers.slippage import (
    BpsSlippage,
    NoSlippage,
    SquareRootSlippage,
    TickSlippage,
    VolumeShareSlippage,
)
from nnstrategies.errors import ConfigError
from nnstrategies.market.book import Book


@dataclass(frozen=True)
class ScheduleSettings:
    """The rule book's dated schedule, see ``ScheduleCosts``."""

    commission_bps: float = 3.0
    minimum: float | None = None
    net_of_exchange_fees: bool = False

    def costs(self, book: Book) -> Costs:
        return ScheduleCosts(book, self.commission_bps, self.minimum, self.net_of_exchange_fees)


@dataclass(frozen=True)
class FlatSettings:
    """One rate on both sides, as papers assume it."""

    fee_bps: float = 8.0
    minimum: float = 0.0

    def __post_init__(self) -> None:
        FlatCosts(self.fee_bps, self.minimum)  # refuses what cannot be

    def costs(self, book: Book) -> Costs:
        return FlatCosts(self.fee_bps, self.minimum, book.money_decimals)


@dataclass(frozen=True)
class MakerTakerSettings:
    """A crypto exchange's two rates."""

    maker_bps: float = 10.0
    taker_bps: float = 10.0

    def __post_init__(self) -> None:
        MakerTakerCosts(self.maker_bps, self.taker_bps)

    def costs(self, book: Book) -> Costs:
        return MakerTakerCosts(self.maker_bps, self.taker_bps)


@dataclass(frozen=True)
class FreeSettings:
    """No fees at all."""

    def costs(self, book: Book) -> Costs:
        return NoCosts()


CostSettings = ScheduleSettings | FlatSettings | MakerTakerSettings | FreeSettings
COSTS: dict[str, type] = {
    "schedule": ScheduleSettings,
    "flat": FlatSettings,
    "maker_taker": MakerTakerSettings,
    "none": FreeSettings,
}


def usual_settings(book: Book) -> CostSettings:
    """What a run pays unless told otherwise, see ``Book.usual_costs``."""
    settings: CostSettings = COSTS[book.usual_costs]()
    return settings


SlippageSettings = NoSlippage | BpsSlippage | TickSlippage | VolumeShareSlippage | SquareRootSlippage
SLIPPAGE: dict[str, type] = {
    "none": NoSlippage,
    "bps": BpsSlippage,
    "ticks": TickSlippage,
    "volume_share": VolumeShareSlippage,
    "square_root": SquareRootSlippage,
}


@dataclass(frozen=True)
class AccountSettings:
    """Starting cash in currency; the largest share of a stock's average volume in one order (null: no cap).

    dividend_tax: whether dividends are taxed as the rule book says.
    """

    cash: float = 10_000_000.0
    participation: float | None = None
    dividend_tax: bool = True

    def __post_init__(self) -> None:
        if not self.cash > 0:
            raise ConfigError(f"cash: expected more than 0, got {self.cash}")
        if self.participation is not None and not 0 < self.participation <= 1:
            raise ConfigError(f"participation: expected 0 < share <= 1, or null, got {self.participation}")
