"""What a run config says, section by section, as frozen settings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from nnstrategies.errors import ConfigError
from nnstrategies.feeds.simulated import SimulatedMarket
from nnstrategies.holding import Holding, Horizon, Price
from nnstrategies.market_settings import SLIPPAGE, AccountSettings, CostSettings, FlatSettings, SlippageSettings
from nnstrategies.search.settings import SearchSettings
from nnstrategies.strategies.stops import StopSettings
from nnstrategies.training.plan import RefitPlan, Start
from nnstrategies.training.recipe import Recipe


def _require(holds: bool, key: str, expected: str, got: object) -> None:
    if not holds:
        raise ConfigError(f"{key}: expected {expected}, got {got}")


@dataclass(frozen=True)
class FileTables:
    """The user's own tables: Parquet or CSV, see docs/data.md. Paths are relative to the working directory.

    calendar: "book" is that of the rule book, an ISO 10383 code an exchange's; None takes the dates of the table.
    """

    prices: str
    calendar: str | None = "book"
    benchmark: str | None = None
    membership: str | None = None
    actions: str | None = None
    listings: str | None = None
    delistings: str | None = None
    fundamentals: str | None = None
    macro: str | None = None
    news: str | None = None
    strict: bool = False


@dataclass(frozen=True)
class ChinaTables:
    """A folder with the cn_*.parquet tables, see docs/data.md; members of ``index`` by date.

    basics: turnover value, float and daily ratios. fundamentals: ``monthly`` or a file. macro, news: files of your own.
    """

    folder: str
    start: dt.date
    end: dt.date
    index: str = "000300.SH"
    basics: bool = False
    fundamentals: str | None = None
    macro: str | None = None
    news: str | None = None


@dataclass(frozen=True)
class LabelSettings:
    """What recipes learn: a return; ``Holding`` says when it begins and ends. horizon_days counts for horizon days."""

    kind: Literal["return", "up_down", "buy_hold_sell"] = "buy_hold_sell"
    horizon_days: int = 10
    relative: bool = True
    thresholds: tuple[float, float] | None = None
    horizon: Horizon = "days"
    price: Price = "open"
    volatility_scaled: bool = False

    @property
    def holding(self) -> Holding:
        """When a decision is entered and left."""
        return Holding(self.horizon_days, self.horizon, self.price)

    def __post_init__(self) -> None:
        _require(self.horizon_days >= 1, "horizon_days", "at least 1 session", self.horizon_days)
        _ = self.holding  # refuses what does not go together
        rising = self.thresholds is None or self.thresholds[0] < self.thresholds[1]
        _require(rising, "thresholds", "two rising numbers", self.thresholds)


@dataclass(frozen=True)
class WalkForwardSettings:
    """Test span, how often models are refitted, on what, and what a refit starts from; see ``RefitPlan``.

    refit: once, every month, quarter or year, or every so many sessions. train_days, valid_days, embargo_days: for
    every recipe that has such a setting and does not name its own; null leaves the recipe's default.
    """

    first_test: dt.date
    last_test: dt.date | None = None
    refit: Literal["once", "month", "quarter", "year"] | int = "year"
    train_days: int | None = None
    valid_days: int | None = None
    embargo_days: int | None = None
    start: Start = "scratch"
    gate: bool = False
    reset_months: int | None = None

    def __post_init__(self) -> None:
        _require(isinstance(self.refit, str) or self.refit >= 1, "refit", "at least 1 session", self.refit)
        _require(self.train_days is None or self.train_days >= 1, "train_days", "at least 1 session", self.train_days)
        for key in ("valid_days", "embargo_days"):
            value = getattr(self, key)
            _require(value is None or value >= 0, key, "0 or more sessions", value)
        RefitPlan((0,), self.start, self.gate, self.reset_months)  # refuses what cannot be


@dataclass(frozen=True)
class EvidenceSettings:
    """Refits on shuffled labels, per recipe: the evidence a score is measured against."""

    refits: int = 19
    every_days: int = 5


@dataclass(frozen=True)
class StrategySettings:
    """Settings of RebalanceStrategy, see docs/strategies.md; fractions of the account's value."""

    top_n: int | None = 30
    threshold: float | None = None
    rebalance: Literal["month", "week", "day"] = "month"
    max_weight: float | None = None
    cash_buffer: float = 0.0
    stop: StopSettings | None = None
    repair: bool = True
    exclude_st: bool = False
    min_listed_days: int = 0

    def __post_init__(self) -> None:
        _require(self.min_listed_days >= 0, "min_listed_days", "0 or more sessions", self.min_listed_days)
        _require(self.top_n is None or self.top_n >= 1, "top_n", "at least 1, or null for all", self.top_n)
        _require(self.max_weight is None or 0 < self.max_weight <= 1, "max_weight", "0 < weight <= 1", self.max_weight)
        _require(0 <= self.cash_buffer < 1, "cash_buffer", "0 <= buffer < 1", self.cash_buffer)


@dataclass(frozen=True)
class RunConfig:
    """One run, whole.

    headline: the recipe whose portfolio the report is about. features: names of features or of feature sets (``s4``).
    inputs: recipe -> those that it sees, all of ``features`` for a recipe that is not named. market: rule book, by name
    or file; by default that of the data's source. groups: ``symbol`` fits every recipe to each symbol alone.
    executor, workers: where independent fits run, and in how many processes; results do not depend on it.
    """

    name: str
    data: SimulatedMarket | FileTables | ChinaTables
    walk_forward: WalkForwardSettings
    recipes: Mapping[str, Recipe]
    headline: str
    title: str = ""
    features: str | tuple[str, ...] = "all"
    inputs: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    window: int = 20
    label: LabelSettings = field(default_factory=LabelSettings)
    seeds: tuple[int, ...] = (1,)
    evidence: EvidenceSettings = field(default_factory=EvidenceSettings)
    strategy: StrategySettings = field(default_factory=StrategySettings)
    market: str = "plain"
    costs: CostSettings = field(default_factory=FlatSettings)
    slippage: SlippageSettings = field(default_factory=SLIPPAGE["none"])
    account: AccountSettings = field(default_factory=AccountSettings)
    groups: Literal["pooled", "symbol"] = "pooled"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    executor: Literal["local", "processes"] = "processes"
    workers: int = 2
    search: SearchSettings | None = None


SOURCES: dict[str, type] = {"simulated": SimulatedMarket, "files": FileTables, "china": ChinaTables}
MARKETS: dict[type, str] = {SimulatedMarket: "simulated", FileTables: "plain", ChinaTables: "cn_a"}  # rule books
