"""What stands behind a headline: the trials it was chosen from, and the members of an ensemble."""

from __future__ import annotations

import numpy as np

from nnstrategies.report.definitions import recipe_label
from nnstrategies.report.formats import ratio, value_text
from nnstrategies.report.run_folder import RunFolder
from nnstrategies.report.tables import Row, Table


def trials_note(run: RunFolder) -> str:
    """After how many trials the headline was found and what that leaves of its Sharpe ratio; "" where none are known.

    Source: Bailey and Lopez de Prado (2014), the deflated Sharpe ratio.
    """
    found = run.trials
    if not found:
        return ""
    among = f"one of {found['trials']} portfolios that runs in this folder have traded"
    among += f" (as {found['effective']:.1f} independent trials)" if found["trials"] > 1 else ""
    searched = f", after {found['searched']} trials of searches" if found["searched"] else ""
    if found["sharpe"] is None:
        return f"The headline, whose returns do not vary and have no Sharpe ratio, is {among}{searched}."
    said = f"The headline, with a Sharpe ratio of {ratio(found['sharpe'])}, is {among}{searched}"
    if found.get("deflated") is None:
        return f"{said}."
    return f"{said}. Deflated for those portfolios, it is above 0 with probability {ratio(found['deflated'])}."


def ensembles(run: RunFolder) -> Table | None:
    """A row for each refit of each ensemble: its members' validation rank ICs, their spread, their weights."""
    rows = []
    for row in run.timeline:
        weights = row["metrics"].get("weights")
        if not weights:
            continue
        judged = np.array(list(row["metrics"]["valid_rank_ic"].values()), dtype=np.float64)
        best = max(weights, key=lambda name: weights[name])
        spread = ratio(float(judged.std(ddof=1)), 4) if len(judged) > 1 else ""
        used = sum(weight > 0 for weight in weights.values())
        cells = [row["asof"], str(row["seed"]), f"{used} of {len(weights)}", f"{best} ({ratio(weights[best])})"]
        rows.append(
            Row(recipe_label(row["recipe"]), [*cells, ratio(float(judged.mean()), 4) if len(judged) else "", spread])
        )
    head = ["Ensemble", "As of", "Seed", "Members used", "Largest weight", "Validation rank IC", "Spread"]
    note = (
        "Rank IC on each refit's purged validation rows, mean and standard deviation over members; weights follow it."
    )
    return Table(head, rows, note=note) if rows else None


def searched(run: RunFolder) -> Table | None:
    """A row for each choice of a search, of each symbol where each has its own: settings, and what they were worth."""
    if not run.choices:
        return None
    objective = run.choices[0]["objective"]
    rows = []
    for choice in run.choices:
        settings = ", ".join(f"{key} {value_text(value)}" for key, value in choice["params"].items())
        worth = [f"{ratio(choice['value'], 4)} \u00b1 {ratio(choice['spread'], 4)}"]
        worth += [] if objective == "rank_ic" else [ratio(choice["rank_ic"], 4)]
        cells = [choice["asof"], settings, str(sum(choice["counts"].values())), *worth]
        label = choice["symbol"] or recipe_label(choice["recipe"])
        rows.append(Row(label, [*cells, ratio(choice.get("out_of_sample_rank_ic"), 4)]))
    worth = ["Rank IC"] if objective == "rank_ic" else [objective.capitalize(), "Rank IC"]
    note = (
        "Over folds: mean, and standard deviation, of the best of many trials, which flatters. Afterwards: the rank IC "
        "of the scores from that date until the next choice."
    )
    head = ["Searched", "As of", "Settings", "Trials", *(f"{name}, over folds" for name in worth), "Rank IC afterwards"]
    return Table(head, rows, note=note)
