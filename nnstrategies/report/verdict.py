"""What the figures allow to be said, and no more: whether the score beats its null, and the net result equal weight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from nnstrategies.report.definitions import recipe_label
from nnstrategies.report.formats import p_text, percent, points, ratio
from nnstrategies.report.metrics import SESSIONS_PER_YEAR, Metric
from nnstrategies.report.run_folder import RunFolder

LEVEL = 0.05


@dataclass(frozen=True)
class Finding:
    """``tone`` is good, bad or open; ``answer`` a few words, ``text`` the sentence with its figures."""

    question: str
    tone: str
    answer: str
    text: str


def score_finding(name: str, entry: dict[str, Any] | None) -> Finding:
    """Whether a recipe's rank IC beats refits on shuffled labels at the 5 % level."""
    question = "Does the score beat its null?"
    if not entry or entry.get("rank_ic") is None:
        return Finding(question, "open", "Not measured", f"The run recorded no rank IC of {recipe_label(name)}.")
    null, p = [float(value) for value in entry.get("null") or [] if value is not None], entry.get("p_value")
    observed = float(entry["rank_ic"])
    head = f"Rank IC of {recipe_label(name)}: {ratio(observed, 4)}, {_seeds_text(entry)}"
    if not null or p is None or not math.isfinite(float(p)):
        text = f"{head}. No refits on shuffled labels were made, so nothing can be said about its significance."
        return Finding(question, "open", "No null was computed", text)
    smallest = 1 / (1 + len(null))
    text = f"{head}; p = {p_text(p)} from {len(null)} refits on shuffled labels, "
    text += f"which reach at most {ratio(max(null), 4)}."
    if smallest > LEVEL:
        text += f" With so few refits p cannot fall below {p_text(smallest)}: "
        text += f"the question stays open at the {percent(LEVEL, 0)} level."
        return Finding(question, "open", "Too few refits to tell", text)
    if float(p) <= LEVEL:
        return Finding(question, "good", f"Yes, p = {p_text(p)}", text)
    text += f" That is no evidence at the {percent(LEVEL, 0)} level."
    return Finding(question, "bad", f"No, p = {p_text(p)}", text)


def _seeds_text(entry: dict[str, Any]) -> str:
    count = len(entry.get("seeds") or [0])
    return f"mean over {count} seeds" if count > 1 else "one seed"


def result_finding(run: RunFolder, metrics: dict[str, dict[str, Metric]]) -> Finding:
    """Whether the net annual return lies above equal weight's, with the sampling error of that difference."""
    question = "Does the net result beat equal weight?"
    own, equal = metrics[run.headline], metrics["equal_weight"]
    excess, error = own["excess_over_equal_weight"], own["tracking_error_equal_weight"]
    if not isinstance(excess, float) or not isinstance(error, float):
        return Finding(question, "open", "Not defined", "The run is too short for annual figures.")
    years = len(run.returns) / SESSIONS_PER_YEAR
    deviation = error / math.sqrt(years)
    text = (
        f"{percent(own['annual_return_geometric'])} per year after costs against "
        f"{percent(equal['annual_return_geometric'])} for equal weight "
        f"(dividends included, no costs), over {years:.1f} years. The difference of "
        f"{points(excess, signed=True)} has a standard error of about {points(deviation)} "
        "(tracking error over the root of the years)"
    )
    if abs(excess) <= 2 * deviation:
        text += ": it is within two standard errors, so chance alone may explain it."
    else:
        text += ": more than two standard errors, but one path through one market is no proof."
    tone = "bad" if excess <= 0 else ("open" if excess <= 2 * deviation else "good")
    answer = f"{'Ahead' if excess > 0 else 'Behind'} by {points(abs(excess))} per year"
    return Finding(question, tone, answer + (", within noise" if abs(excess) <= 2 * deviation else ""), text)


def verdict(run: RunFolder, score: Finding, result: Finding, metrics: dict[str, dict[str, Metric]]) -> str:
    """One sentence for the top of the page."""
    name = recipe_label(run.headline)
    scores = {
        "good": f"The scores of {name} carry information that refits on shuffled labels do not",
        "bad": f"The scores of {name} cannot be told from refits on shuffled labels",
        "open": f"Whether the scores of {name} carry information is not decided by this run",
    }[score.tone]
    excess = metrics[run.headline]["excess_over_equal_weight"]
    if not isinstance(excess, float):
        return f"{scores}; the run is too short to compare returns."
    side = "above" if excess > 0 else "below"
    agrees = (excess > 0) == (score.tone == "good")
    weight = ", a difference within its sampling error" if "within noise" in result.answer else ""
    return (
        f"{scores}{', and' if agrees else ', but'} after costs the portfolio\u2019s annual return is "
        f"{points(abs(excess))} {side} equal weight\u2019s{weight}."
    )
