"""Figures by regime of the market: bull, volatile or bear, as the benchmark's last 60 sessions say at each close."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnstrategies.report.classes import published_classes
from nnstrategies.report.definitions import REGIMES, recipe_label
from nnstrategies.report.formats import DASH, mean_text, percent
from nnstrategies.report.measures import Measure, measures, unmoved_note
from nnstrategies.report.metrics import SESSIONS_PER_YEAR
from nnstrategies.report.run_folder import RunFolder
from nnstrategies.report.tables import Row, Table


def regime_table(run: RunFolder) -> Table | None:
    """Accuracy or rank IC of each recipe by class named and by regime, below what a paper says of it."""
    names = list(dict.fromkeys(run.confusion["actual"]))
    if run.regimes.empty or not (found := measures(run)):
        return None
    known = run.regimes.set_index("date")["regime"]
    rows = []
    for one in found:
        said = published_classes(run, one.recipe)
        if any(key in said for key in (*names, *REGIMES)):
            cells = [percent(said.get(key)) for key in ("accuracy", *names, *REGIMES)]
            rows.append(Row(recipe_label(one.recipe), ["accuracy", *cells], "published", "baseline"))
        cells = [one.text(), *(_right_when_named(run, one, name) for name in names)]
        cells += [_in_regime(one, known, regime) for regime in REGIMES]
        kind = "headline" if one.recipe == run.judged else ""
        rows.append(Row(recipe_label(one.recipe), [one.name, *cells], _dates(one, known), kind))
    head = ["Recipe", "By", "Whole test", *(f"{name.capitalize()}, right" for name in names)]
    note = "By regime: over the dates judged in it; ± is the standard deviation over seeds. " + (
        "A class, right: how often it came when it was named. " if names else ""
    )
    note += "Bull: the benchmark's return over the last 60 sessions is above 5 %; bear: below −5 %; volatile: between. "
    note += "The regime is known at the close of the decision; it is a definition of ours." + unmoved_note(run)
    return Table([*head, *(name.capitalize() for name in REGIMES)], rows, text_columns=1, note=note)


def _right_when_named(run: RunFolder, one: Measure, name: str) -> str:
    """Precision of one class, ± over seeds."""
    rows = run.judgements[(run.judgements["recipe"] == one.recipe) & (run.judgements["predicted"] == name)]
    sums = rows.groupby("seed")[["right", "named"]].sum()
    if sums.empty or (sums["named"] == 0).any():
        return DASH
    return mean_text(sums["right"] / sums["named"])


def _in_regime(one: Measure, known: pd.Series, regime: str) -> str:
    dates = one.dates[(known.reindex(one.dates) == regime).to_numpy()]
    return one.text(dates) if len(dates) else DASH


def _dates(one: Measure, known: pd.Series) -> str:
    """How many dates it was judged on, in all and by regime."""
    found = known.reindex(one.dates)
    return f"{len(found):,} dates: " + ", ".join(f"{(found == name).sum():,} {name}" for name in REGIMES)


def portfolio_regimes(run: RunFolder) -> Table | None:
    """Each portfolio's return a year in each regime known at the close before, and its lead over the benchmark."""
    if run.regimes.empty:
        return None
    known = run.regimes.set_index("date")["regime"]
    days = pd.DatetimeIndex(run.returns.index)
    at = pd.DatetimeIndex(known.index).searchsorted(days) - 1  # the last close before each session
    held = np.where(at >= 0, known.to_numpy(dtype=object)[np.maximum(at, 0)], "")
    benchmark = run.returns["benchmark"].to_numpy()
    rows = []
    for name in run.compared:
        own, cells = run.returns[name].to_numpy(), []
        for regime in REGIMES:
            inside = held == regime
            cells += [_a_year(own[inside]), DASH if name == "benchmark" else _a_year((own - benchmark)[inside], True)]
        rows.append(Row(recipe_label(name), cells, kind="headline" if name == run.headline else ""))
    head = [text for regime in REGIMES for text in (_head(regime, int((held == regime).sum())), "over benchmark")]
    note = "252 times the mean daily return of the sessions whose regime, known at the close before, it is. The market "
    note += "went on after that close: a bull regime has bad days too."
    return Table(["Portfolio", *head], rows, note=note)


def _head(regime: str, sessions: int) -> str:
    return f"{regime.capitalize()} ({sessions:,} sessions)"


def _a_year(returns: np.ndarray, signed: bool = False) -> str:
    return percent(returns.mean() * SESSIONS_PER_YEAR, signed=signed) if len(returns) else DASH
