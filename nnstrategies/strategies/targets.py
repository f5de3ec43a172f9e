"""From the hooks' answers to target weights: selection, exposure, correlation, caps and turnover, in this order."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnstrategies.strategies.caps import cap_industries, cap_weights
from nnstrategies.strategies.correlation import CorrelationSettings, average_correlation, daily_returns
from nnstrategies.strategies.hooks import Hooks
from nnstrategies.strategies.selection import top_n
from nnstrategies.strategies.turnover import limit_turnover, turnover
from nnstrategies.typing import AnyArray, BoolArray, FloatArray
from nnstrategies.view import View


@dataclass(frozen=True)
class Decision:
    """One rebalance: the weights wanted at the close of row ``t`` and, where a symbol was left out, why.

    exposure: what the hook asked for. correlation: average pairwise correlation of the chosen, NaN where it is not
    watched or not known. allowed: the share of the exposure that it left. industry, industry_weight: the heaviest one
    among the targets, where the panel knows industries. wanted_turnover, turnover: one-sided, before and after the cap.
    """

    t: int
    target: FloatArray  # [N] share of the account's value
    held: BoolArray  # [N] held when deciding
    reasons: Any  # object [N]
    exposure: float = 1.0
    correlation: float = float("nan")
    allowed: float = 1.0
    industry: str = ""
    industry_weight: float = float("nan")
    wanted_turnover: float = float("nan")
    turnover: float = float("nan")


def screened(view: View, settings: Any) -> AnyArray:
    """Object [N]: which of the strategy's own screens a symbol fails, "" for none."""
    failed = np.full(view.N, "", dtype=object)
    if settings.min_listed_days:
        failed[view.listing_age < settings.min_listed_days] = "newly listed"
    if settings.exclude_st:
        failed[view.special_treatment] = "special treatment"
    return failed


def decide(hooks: Hooks, settings: Any, view: View, exits: Collection[int]) -> Decision:
    """Target weights = exposure x weights on the selected, less what is stuck in suspended holdings, within the caps.

    exits: columns that stops sell at this close. settings: the strategy's parameters.
    """
    eligible = hooks.array("eligible", view, bool)
    eligible[list(exits)] = False
    eligible &= np.isfinite(view.field("close"))
    view.selected = eligible
    if settings.top_n is not None and view.has_scores:
        view.selected = top_n(view.score(), eligible, settings.top_n)
    weights = hooks.weights(view)
    exposure = hooks.exposure(view)
    correlation = _correlation(settings.correlation, weights > 0, view)
    allowed = settings.correlation.allowed(correlation) if settings.correlation else 1.0
    stuck = np.where(view.suspended & ~view.selected, view.weights, 0.0)
    room = max(min(exposure * allowed * (1.0 - settings.cash_buffer), 1.0 - float(stuck.sum())), 0.0)
    wanted = _capped(weights * room, stuck, settings, view)
    target = _stepped(wanted, exits, settings, view)
    industry, weight = _heaviest(target, view)
    return Decision(
        view.t,
        target,
        view.held.copy(),
        _reasons(weights * room, wanted, target, screened(view, settings), view),
        exposure,
        correlation,
        allowed,
        industry,
        weight,
        turnover(view.weights, _kept(wanted, view)),
        turnover(view.weights, _kept(target, view)),
    )


def _correlation(settings: CorrelationSettings | None, chosen: BoolArray, view: View) -> float:
    """Average pairwise correlation of the chosen over the window; NaN where it is not watched."""
    if settings is None:
        return float("nan")
    length = settings.window_days + 1
    returns = daily_returns(view.history("close", length)[:, chosen], view.traded(length)[:, chosen])
    return average_correlation(returns, max(settings.window_days // 2, 3))


def _capped(target: FloatArray, stuck: FloatArray, settings: Any, view: View) -> FloatArray:
    """What is stuck in an industry counts towards its cap."""
    if settings.max_industry is not None:
        names, industry = np.unique(view.industry, return_inverse=True)
        room = np.maximum(settings.max_industry - np.bincount(industry, stuck, len(names)), 0.0)
        return cap_industries(target, industry, room, settings.max_weight)
    return target if settings.max_weight is None else cap_weights(target, settings.max_weight)


def _stepped(target: FloatArray, exits: Collection[int], settings: Any, view: View) -> FloatArray:
    """The targets as far as the cap on turnover lets them come; what must leave leaves whole."""
    if settings.max_turnover is None:
        return target
    must = view.held & (~view.member | (screened(view, settings) != ""))
    must[list(exits)] = True
    reached = limit_turnover(view.weights, _kept(target, view), settings.max_turnover, must)
    return np.where(_keeps(target, view), 0.0, reached)


def _keeps(target: FloatArray, view: View) -> BoolArray:
    """[N] True for suspended holdings that nobody chose: for now nothing of them is traded."""
    return view.held & view.suspended & (target == 0)


def _kept(target: FloatArray, view: View) -> FloatArray:
    """The weights after the rebalance: the targets, and what suspensions keep."""
    return np.where(_keeps(target, view), view.weights, target)


def _heaviest(target: FloatArray, view: View) -> tuple[str, float]:
    if not view.knows_industries:
        return "", float("nan")
    names, industry = np.unique(view.industry, return_inverse=True)
    sums = np.bincount(industry, target, len(names))
    return str(names[sums.argmax()]), float(sums.max())


def _reasons(asked: FloatArray, wanted: FloatArray, target: FloatArray, failed: AnyArray, view: View) -> AnyArray:
    """Why a symbol has no target; asked, wanted: the weights before and after the caps on weights."""
    capped = np.where(wanted > 0, "turnover cap", np.where(asked > 0, "industry cap", "not selected"))
    why = np.where(view.reasons != "", view.reasons, np.where(failed != "", failed, capped.astype(object)))
    return np.where(target > 0, "", why)
