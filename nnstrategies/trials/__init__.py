"""Every trial of every search and run, so that the best of them can be judged by how many there were."""

from nnstrategies.trials.ledger import Contents, TrialLedger
from nnstrategies.trials.listing import listing
from nnstrategies.trials.record import TrialRecord, plain
from nnstrategies.trials.statistics import (
    deflated_sharpe,
    effective_number,
    expected_best,
    probabilistic_sharpe,
    probability_of_backtest_overfitting,
    sharpe,
    standing,
)

__all__ = [
    "Contents",
    "TrialLedger",
    "TrialRecord",
    "deflated_sharpe",
    "effective_number",
    "expected_best",
    "listing",
    "plain",
    "probabilistic_sharpe",
    "probability_of_backtest_overfitting",
    "sharpe",
    "standing",
]
