"""What each figure of the report means: label, formula, annualisation and reading, printed in the report itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Definition:
    """``style`` tells how the value is written: percent, ratio, count, date."""

    key: str
    label: str
    style: str
    formula: str
    note: str


NOTATION = (
    "r(t) is the portfolio's simple return of session t, b(t) the benchmark's, e(t) equal weight's, T the number of "
    "sessions. mean and sd run over all T sessions; sd divides by T − 1. A year has 252 sessions. The risk-free "
    "rate is zero."
)

DEFINITIONS: tuple[Definition, ...] = (
    Definition("total_return", "Total return", "percent", "Π(1 + r(t)) − 1", "Over the whole test; not annualised."),
    Definition(
        "annual_return_geometric",
        "Annual return (geometric, CAGR)",
        "percent",
        "(Π(1 + r(t)))^(252/T) − 1",
        "The constant yearly rate that gives the total return. Used wherever this report says annual return.",
    ),
    Definition(
        "annual_return_arithmetic",
        "Annual return (arithmetic)",
        "percent",
        "252 · mean(r)",
        "No compounding: about half the variance above the geometric one. The numerator of Sharpe and Sortino.",
    ),
    Definition("volatility", "Volatility", "percent", "√252 · sd(r)", "Annualised."),
    Definition(
        "sharpe", "Sharpe ratio", "ratio", "√252 · mean(r) / sd(r)", "Annualised, arithmetic mean, risk-free rate zero."
    ),
    Definition(
        "sortino",
        "Sortino ratio",
        "ratio",
        "252 · mean(r) / downside risk",
        "Annualised, arithmetic mean, target return zero.",
    ),
    Definition(
        "calmar",
        "Calmar ratio",
        "ratio",
        "annual return (geometric) / |maximum drawdown|",
        "Undefined without a drawdown.",
    ),
    Definition(
        "downside_risk",
        "Downside risk",
        "percent",
        "√252 · √mean(min(r, 0)²)",
        "Annualised; all sessions count in the mean, gains as zero.",
    ),
    Definition(
        "max_drawdown",
        "Maximum drawdown",
        "percent",
        "min over t of V(t) / max(V(0..t)) − 1",
        "V is the net value at the close; V(0) = 1 before the first return.",
    ),
    Definition(
        "max_drawdown_peak",
        "Drawdown peak",
        "date",
        "date of the highest V before the trough",
        "The first session, when the peak is the starting capital.",
    ),
    Definition("max_drawdown_trough", "Drawdown trough", "date", "date of the lowest V(t) / peak", ""),
    Definition(
        "max_drawdown_recovery",
        "Drawdown recovery",
        "date",
        "first date after the trough with V(t) ≥ V(peak)",
        "A dash when the peak was not reached again.",
    ),
    Definition("beta", "Beta", "ratio", "cov(r, b) / var(b)", "Against the benchmark, daily returns; not annualised."),
    Definition(
        "alpha",
        "Alpha",
        "percent",
        "(1 + mean(r − beta · b))^252 − 1",
        "Against the benchmark; the daily mean compounded to a year. Dividends that a price index omits appear here.",
    ),
    Definition("tracking_error", "Tracking error", "percent", "√252 · sd(r − b)", "Against the benchmark, annualised."),
    Definition(
        "information_ratio",
        "Information ratio",
        "ratio",
        "√252 · mean(r − b) / sd(r − b)",
        "Against the benchmark, annualised: 252 · mean(r − b) over the tracking error.",
    ),
    Definition(
        "excess_over_equal_weight",
        "Excess over equal weight",
        "percent",
        "annual return (geometric) of r − that of e",
        "Percentage points per year; equal weight includes dividends and pays no costs.",
    ),
    Definition(
        "tracking_error_equal_weight",
        "Tracking error to equal weight",
        "percent",
        "√252 · sd(r − e)",
        "Annualised.",
    ),
    Definition(
        "information_ratio_equal_weight",
        "Information ratio to equal weight",
        "ratio",
        "√252 · mean(r − e) / sd(r − e)",
        "Annualised, as above with equal weight in the benchmark's place.",
    ),
    Definition("win_rate_days", "Win rate, days", "percent", "share of sessions with r(t) > 0", "Zero is no win."),
    Definition(
        "win_rate_months",
        "Win rate, months",
        "percent",
        "share of calendar months with compounded return > 0",
        "Part months at either end count as months.",
    ),
    Definition(
        "skew", "Skew", "ratio", "mean((r − mean(r))³) / s³", "Daily returns; s divides by T. Zero for a normal law."
    ),
    Definition(
        "excess_kurtosis",
        "Kurtosis (excess)",
        "ratio",
        "mean((r − mean(r))⁴) / s⁴ − 3",
        "Daily returns; s divides by T. Excess: zero for a normal law.",
    ),
    Definition(
        "skew_months",
        "Skew, months",
        "ratio",
        "the same of monthly returns",
        "Part months at either end count as months; of few months it says little.",
    ),
    Definition(
        "excess_kurtosis_months", "Kurtosis (excess), months", "ratio", "the same of monthly returns", "As above."
    ),
    Definition(
        "turnover",
        "Turnover (one-sided)",
        "percent",
        "½ · (bought + sold value) / mean account value · 252/T",
        "Per year, first purchase included; 100 % replaces the whole account once. A hedge with the "
        "benchmark is not counted.",
    ),
    Definition(
        "win_rate_sales",
        "Win rate, sales",
        "percent",
        "share of sales with proceeds − fees > cost of the shares",
        "First in, first out; without the fees of the purchase and dividends. A rebalance that trims a position is a "
        "sale too. Shares still held at the end are not counted.",
    ),
    Definition("sales", "Sales", "count", "number of sales", "Those that the win rate is the share of."),
    Definition(
        "fees_per_year",
        "Fees",
        "percent",
        "Σ fees / mean account value · 252/T",
        "Per year of the mean account value; headline portfolio.",
    ),
    Definition(
        "slippage_per_year",
        "Slippage",
        "percent",
        "Σ slippage cost / mean account value · 252/T",
        "Per year of the mean account value; headline portfolio. Already inside the fill prices.",
    ),
    Definition(
        "dividend_tax_per_year",
        "Dividend tax",
        "percent",
        "Σ dividend tax / mean account value · 252/T",
        "Taken with the payment or when the shares are sold, as the market's rules of the ex-date say; headline.",
    ),
    Definition(
        "blocked_cost_per_year",
        "Cost of blocked orders",
        "percent",
        "Σ size · (later price − price when blocked) / mean account value · 252/T",
        "For a sale with the opposite sign: what having to wait cost, a gain when negative. Later price: the repair's, "
        "or without one the close at which the next rebalance was decided. No expense of the account; headline.",
    ),
)

EVIDENCE: tuple[tuple[str, str], ...] = (
    (
        "IC and rank IC",
        "Correlation (rank IC: Spearman's) between the scores of one date and the returns that followed over the "
        "label's horizon, across the members of that date. The figure shown is the mean over dates, then over seeds.",
    ),
    (
        "Null",
        "The same pipeline refitted with each symbol given another symbol's whole label history (one permutation for "
        "all dates): what rank IC appears where there is nothing to find. A t statistic of the daily IC is no "
        "substitute: fixed exposures make IC persistent.",
    ),
    (
        "p value",
        "(1 + number of null refits with a rank IC at least the observed one) / (1 + number of null refits). It cannot "
        "be smaller than 1 / (1 + number of null refits).",
    ),
    (
        "Seed spread",
        "Standard deviation (n − 1) over networks that differ in nothing but their random seed. A difference between "
        "two rows that is smaller than this spread says nothing.",
    ),
)

CLASS_FIGURES = ("accuracy", "precision", "recall", "f1", "hours")  # of a recipe whose label has classes
REGIMES = ("bull", "volatile", "bear")

BASELINES: dict[str, tuple[str, str]] = {
    "momentum": ("Momentum", "score without training: past return; after costs"),
    "equal_weight": ("Equal weight", "all members, monthly, dividends included, no costs"),
    "buy_and_hold": ("Buy and hold", "the first day's members in equal parts, dividends included, no costs"),
    "benchmark": ("Benchmark", "price index: dividends excluded, no costs"),
}


_ACRONYMS = {"lstm", "cnn", "mlp", "svm", "bp"}


def recipe_label(name: str) -> str:
    """How a recipe or a portfolio is called in the report: ``cnn_lstm`` -> ``CNN-LSTM``."""
    if name in BASELINES:
        return BASELINES[name][0]
    recipe, _, seed = name.partition("/")
    words = recipe.replace("cnn_lstm", "CNN-LSTM").split("_")
    label = " ".join(word.upper() if word in _ACRONYMS else word for word in words)
    label = label[:1].upper() + label[1:]
    return f"{label}, seed {seed}" if seed else label
