"""The trial ledger in words: how many trials, what they are worth together, and what that does to the best."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nnstrategies.trials.ledger import Contents
from nnstrategies.trials.record import TrialRecord
from nnstrategies.trials.statistics import effective_number, sharpe, standing


def listing(contents: Contents) -> list[str]:
    """Lines for a terminal: totals and the best by kind, counts by config, damaged files."""
    if not contents.trials and not contents.damaged:
        return ["no trials yet; 'nnstrategies run' and 'nnstrategies search' add theirs"]
    lines = [f"{len(contents.trials)} different trials"]
    for kind, what in (("search", "searches"), ("run", "runs")):
        if chosen := [trial for trial in contents.trials if trial.kind == kind]:
            lines += ["", *_of_kind(what, chosen)]
    lines += ["", *_by_config(contents.trials)] if contents.trials else []
    lines += [f"damaged, not counted: {one}" for one in contents.damaged]
    return lines


def _of_kind(what: str, trials: Sequence[TrialRecord]) -> list[str]:
    pruned = sum(trial.state == "pruned" for trial in trials)
    head = f"{what}: {len(trials)} trials{f', {pruned} of them pruned' if pruned else ''}"
    said = f"  returns of: {trials[0].portfolio}"
    ranked = [trial for trial in trials if trial.state == "complete" and math.isfinite(sharpe(trial.returns))]
    if not ranked:
        return [f"{head}; as {effective_number(trials):.1f} independent ones", said]
    best = max(ranked, key=lambda trial: sharpe(trial.returns) * math.sqrt(trial.per_year))
    found = standing(best, trials)
    worth = f"Sharpe ratio {found.sharpe:.2f} a year; deflated for the trials, above 0 with probability"
    return [
        f"{head}; as {found.effective:.1f} independent ones",
        said,
        f"  best: {best.config}/{best.recipe} {best.id}, {worth} {found.deflated:.2f}",
    ]


def _by_config(trials: Sequence[TrialRecord]) -> list[str]:
    rows = []
    for config, recipe in sorted({(trial.config, trial.recipe) for trial in trials}):
        own = [trial for trial in trials if (trial.config, trial.recipe) == (config, recipe)]
        kinds = [sum(trial.kind == kind for trial in own) for kind in ("search", "run")]
        rows.append((f"{config}/{recipe}", *map(str, kinds), max(trial.time for trial in own)[:10]))
    width = max(len("config/recipe"), *(len(row[0]) for row in rows))
    head = ("config/recipe", "search", "run", "last")
    return [f"{name:<{width}}  {search:>6}  {run:>4}  {last:>10}" for name, search, run, last in [head, *rows]]
