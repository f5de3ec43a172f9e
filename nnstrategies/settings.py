"""What a run config says, section by section, as frozen settings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

from nnstrategies.errors import ConfigError
from nnstrategies.factors import Measure
from nnstrategies.feeds.simulated import SimulatedMarket
from nnstrategies.holding import Holding, Horizon, Price
from nnstrategies.market_settings import SLIPPAGE, AccountSettings, CostSettings, FlatSettings, SlippageSettings
from nnstrategies.periods import Period
from nnstrategies.search.settings import CrossValidationSettings, SearchSettings
from nnstrategies.strategies.correlation import CorrelationSettings
from nnstrategies.strategies.stops import StopSettings
from nnstrategies.training.plan import RefitPlan, Start
from nnstrategies.training.recipe import Recipe

Refit = Literal["once", "month", "quarter", "year"] | int
MAIN = "main"  # the task of recipes that no other names


def _require(holds: bool, key: str, expected: str, got: object) -> None:
    if not holds:
        raise ConfigError(f"{key}: expected {expected}, got {got}")


def _nearly_monthly(given: str | None) -> bool:
    """Misspelt; a file has an ending, or a folder before it."""
    word = given or ""
    return word != "monthly" and word.isalpha() and bool(get_close_matches(word.lower(), ["monthly"], cutoff=0.7))


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
    industries: str | None = None
    strict: bool = False


@dataclass(frozen=True)
class ChinaTables:
    """A folder with the cn_*.parquet tables, see docs/data.md; members of ``index`` by date, or ``symbols`` instead.

    basics: turnover value, float and daily ratios. fundamentals, industries: ``monthly`` or a file. macro, news: files
    of your own. delisted: with the stocks that are no longer listed, from cn_delisted.
    leaky_members_on: the members of that day all along, which is survivorship: only to measure what it gains.
    """

    folder: str
    start: dt.date
    end: dt.date
    index: str = "000300.SH"
    symbols: tuple[str, ...] = ()
    delisted: bool = True
    basics: bool = False
    fundamentals: str | None = None
    macro: str | None = None
    news: str | None = None
    industries: str | None = None
    leaky_members_on: dt.date | None = None

    def __post_init__(self) -> None:
        _require(self.start < self.end, "end", f"a day after start {self.start}", self.end)
        twice = sorted({symbol for symbol in self.symbols if self.symbols.count(symbol) > 1})
        _require(not twice, "symbols", "each of them once", f"{', '.join(twice)} more than once; leave the others out")
        for key in ("fundamentals", "industries"):
            if _nearly_monthly(given := getattr(self, key)):
                raise ConfigError(f"{key}: {given!r} is neither 'monthly' nor a file's name; did you mean 'monthly'?")


@dataclass(frozen=True)
class LabelSettings:
    """What recipes learn: a return; ``Holding`` says when it begins and ends. horizon_days counts for horizon days.

    also_days: further horizons, whose returns a factor screen reads beside that of the label.
    """

    kind: Literal["return", "up_down", "buy_hold_sell"] = "buy_hold_sell"
    horizon_days: int = 10
    relative: bool = True
    thresholds: tuple[float, float] | None = None
    horizon: Horizon = "days"
    price: Price = "open"
    volatility_scaled: bool = False
    also_days: tuple[int, ...] = ()

    @property
    def holding(self) -> Holding:
        """When a decision is entered and left."""
        return Holding(self.horizon_days, self.horizon, self.price)

    def __post_init__(self) -> None:
        _require(self.horizon_days >= 1, "horizon_days", "at least 1 session", self.horizon_days)
        _ = self.holding  # refuses what does not go together
        usual = self.horizon == "days" and self.price == "open"
        other = usual and all(days >= 1 and days != self.horizon_days for days in self.also_days)
        daily = not (self.volatility_scaled and self.price == "overnight")
        _require(daily, "volatility_scaled", "whole days, whose deviation it is, with price open or close", "overnight")
        _require(other or not self.also_days, "also_days", "other horizons, from open to open", self.also_days)
        rising = self.thresholds is None or self.thresholds[0] < self.thresholds[1]
        _require(rising, "thresholds", "two rising numbers", self.thresholds)


@dataclass(frozen=True)
class PickSettings:
    """Samples that another recipe picked out of sample: the best ``top_n``, or ``share``, of its scores at each date.

    of: that recipe; since: the first date of its out-of-sample scores, before which nothing is picked.
    """

    of: str
    since: dt.date
    top_n: int | None = None
    share: float | None = None

    def __post_init__(self) -> None:
        _require((self.top_n is None) != (self.share is None), "picks", "either top_n or share", "both or neither")
        _require(self.top_n is None or self.top_n >= 1, "top_n", "at least 1", self.top_n)
        _require(self.share is None or 0 < self.share <= 1, "share", "0 < share <= 1", self.share)


@dataclass(frozen=True)
class TaskSettings:
    """What some recipes learn, where it is not what the run's own ``features``, ``window`` and ``label`` say.

    recipes: those that learn it. subject: the stocks, or the benchmark as one symbol. groups: ``symbol`` fits every
    recipe to each symbol alone. picks: only what another recipe picked. refit: how often, where that is not as
    ``walk_forward`` says. measure: information coefficients across the symbols
    of a date, or through time for each symbol (where a date has few to compare).
    """

    recipes: tuple[str, ...] = ()
    features: str | tuple[str, ...] = "all"
    window: int = 20
    label: LabelSettings = field(default_factory=LabelSettings)
    groups: Literal["pooled", "symbol"] = "pooled"
    subject: Literal["stocks", "benchmark"] = "stocks"
    picks: PickSettings | None = None
    measure: Measure = "across"
    refit: Refit | None = None

    def __post_init__(self) -> None:
        _require(self.window >= 1, "window", "at least 1 session", self.window)
        _require(self.subject == "stocks" or self.measure == "time", "measure", "time, on the benchmark", self.measure)
        _require(self.subject == "stocks" or not self.label.relative, "label.relative", "false, on the benchmark", True)


@dataclass(frozen=True)
class PortfolioSettings:
    """A portfolio made of several recipes' scores.

    score: orders the stocks. confirm: its score must exceed ``strategy.confirm_above`` too. exposure: a recipe on the
    benchmark whose probability of a rise is the share of the capital to invest. hedged: at each close the benchmark
    is sold short for the value of the stocks held, until the next one and free of costs.
    """

    score: str
    confirm: str | None = None
    exposure: str | None = None
    hedged: bool = False

    @property
    def recipes(self) -> tuple[str, ...]:
        """Those that it is made of."""
        return tuple(name for name in (self.score, self.confirm, self.exposure) if name)


@dataclass(frozen=True)
class PublishedSettings:
    """A paper's own figures, printed beside the measured ones: portfolio -> figure of docs/metrics.md -> value.

    prices: recipe -> lowest and highest accuracy of its prices, 1 - mean |forecast - price| / price.
    directions: recipe -> size of the forecast from which on it counts ("0", "0.01") -> lowest and highest share of
    right directions. classes: recipe -> figure -> value: accuracy, precision, recall, f1 (means over classes), hours of
    training, the share right by class named (``buy``) and the accuracy by regime (``bull``); shares between 0 and 1.
    """

    source: str
    figures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    directions: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    classes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class VariantSettings:
    """The same run with some keys changed (``a.b: value``); note says what that is.

    recipes: only these (all, where empty), and the portfolios that can be made of them; the headline must be one, which
    ``set`` may name.
    """

    note: str
    set: Mapping[str, Any]
    recipes: tuple[str, ...] = ()


@dataclass(frozen=True)
class WalkForwardSettings:
    """Test span, how often models are refitted, on what, and what a refit starts from; see ``RefitPlan``.

    refit: once, every month, quarter or year, or every so many sessions. train_days, valid_days, embargo_days: for
    every recipe that has such a setting and does not name its own; null leaves the recipe's default.
    """

    first_test: dt.date
    last_test: dt.date | None = None
    refit: Refit = "year"
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
    """Refits on shuffled labels, per recipe: the evidence a score is measured against.

    recipes: those that are refitted so; None is all, and the others have no p value.
    """

    refits: int = 19
    every_days: int = 5
    recipes: tuple[str, ...] | None = None

    def refits_of(self, recipe: str) -> int:
        """How many of them this recipe has."""
        return self.refits if self.recipes is None or recipe in self.recipes else 0


@dataclass(frozen=True)
class StrategySettings:
    """Settings of RebalanceStrategy, see docs/strategies.md; fractions of the account's value."""

    top_n: int | None = 30
    threshold: float | None = None
    rebalance: Literal["month", "week", "day"] = "month"
    max_weight: float | None = None
    max_industry: float | None = None
    max_turnover: float | None = None
    correlation: CorrelationSettings | None = None
    cash_buffer: float = 0.0
    stop: StopSettings | None = None
    repair: bool = True
    exclude_st: bool = False
    min_listed_days: int = 0
    confirm_above: float = 0.0

    def __post_init__(self) -> None:
        _require(self.min_listed_days >= 0, "min_listed_days", "0 or more sessions", self.min_listed_days)
        _require(self.top_n is None or self.top_n >= 1, "top_n", "at least 1, or null for all", self.top_n)
        _require(self.max_weight is None or 0 < self.max_weight <= 1, "max_weight", "0 < weight <= 1", self.max_weight)
        for key, cap in (("max_industry", self.max_industry), ("max_turnover", self.max_turnover)):
            _require(cap is None or 0 < cap <= 1, key, "0 < share <= 1", cap)
        _require(0 <= self.cash_buffer < 1, "cash_buffer", "0 <= buffer < 1", self.cash_buffer)


@dataclass(frozen=True)
class RunConfig:
    """One run, whole.

    headline: the recipe, or portfolio, that the report is about. features: names of features or of feature sets
    (``s4``). inputs: recipe -> those that it sees, all of its task's for a recipe that is not named. market: rule book,
    by name or file; by default that of the data's source. groups, measure: see TaskSettings; tasks: what further
    recipes learn. portfolios: made of several recipes; without any, each recipe of the run's own task trades alone.
    published, variants: a paper's figures, and the same run with something changed (``run --variants``). periods: named
    spans that the report looks at by themselves, such as a crash. search, cross_validation: settings chosen through
    time, and folds before the test; None leaves them out.
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
    measure: Measure = "across"
    tasks: Mapping[str, TaskSettings] = field(default_factory=dict)
    portfolios: Mapping[str, PortfolioSettings] = field(default_factory=dict)
    published: PublishedSettings | None = None
    variants: Mapping[str, VariantSettings] = field(default_factory=dict)
    periods: Mapping[str, Period] = field(default_factory=dict)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    executor: Literal["local", "processes"] = "processes"
    workers: int = 2
    search: SearchSettings | None = None
    cross_validation: CrossValidationSettings | None = None

    @property
    def main_task(self) -> TaskSettings:
        """What recipes learn that no further task names."""
        elsewhere = {name for task in self.tasks.values() for name in task.recipes}
        own = tuple(name for name in self.recipes if name not in elsewhere)
        return TaskSettings(own, self.features, self.window, self.label, self.groups, measure=self.measure)

    def task_of(self, recipe: str) -> tuple[str, TaskSettings]:
        """Name and settings of what a recipe learns."""
        return next(((n, task) for n, task in self.tasks.items() if recipe in task.recipes), (MAIN, self.main_task))

    @property
    def traded(self) -> dict[str, PortfolioSettings]:
        """Every portfolio by name, the headline first."""
        named = dict(self.portfolios) or {name: PortfolioSettings(name) for name in self.main_task.recipes}
        return {name: named[name] for name in sorted(named, key=lambda name: name != self.headline)}


SOURCES: dict[str, type] = {"simulated": SimulatedMarket, "files": FileTables, "china": ChinaTables}
MARKETS: dict[type, str] = {SimulatedMarket: "simulated", FileTables: "plain", ChinaTables: "cn_a"}  # rule books
