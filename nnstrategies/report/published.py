"""A paper's figures beside the measured ones, and the rows of the same run with something changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nnstrategies.report.definitions import BASELINES, DEFINITIONS, recipe_label
from nnstrategies.report.forecasts import directions
from nnstrategies.report.formats import DASH, by_style, p_text, percent, ratio
from nnstrategies.report.metrics import Metric
from nnstrategies.report.run_folder import RunFolder
from nnstrategies.report.stamp import some
from nnstrategies.report.tables import Row, Table

_OF_VARIANTS = (
    *("annual_return_geometric", "excess_over_equal_weight", "volatility", "sharpe", "max_drawdown"),
    "information_ratio",
)
_ENTRIES = {entry.key: entry for entry in DEFINITIONS}


def published(run: RunFolder, metrics: dict[str, dict[str, Metric]]) -> Table | None:
    """Two rows a portfolio, what the paper says and what was measured, for the figures that the paper has."""
    said = run.manifest.get("published")
    if not said or not said["figures"]:
        return None
    keys = [key for key in _ENTRIES if any(key in row for row in said["figures"].values())]
    rows = []
    for name, row in said["figures"].items():
        label = BASELINES[name][0] if name in BASELINES else recipe_label(name)
        rows.append(Row(label, [_cell(key, row.get(key)) for key in keys], "published", "baseline"))
        measured = [_cell(key, metrics[name].get(key)) for key in keys]
        rows.append(Row(label, measured, "measured", "headline" if name == run.headline else ""))
    note = (
        f"Published: {said['source']}. Its definitions of these figures may differ from ours, which are listed below."
    )
    return Table(["Portfolio", *(_ENTRIES[key].label for key in keys)], rows, note=note)


def variants(run: RunFolder, metrics: dict[str, dict[str, Metric]]) -> Table | None:
    """A row for each variant of the run, after its own; None when none was run."""
    if not run.variants:
        return None
    own = [_cell(key, metrics[run.headline].get(key)) for key in _OF_VARIANTS]
    shown = _Directions(run)
    score = _score(run.evidence.get(run.judged, {}))
    rows = [Row("This run", [*own, *score, *shown.own()], "", "headline")]
    for name, row in run.variants.items():
        if "error" in row:
            rows.append(
                Row(recipe_label(name), [DASH] * (len(own) + 2 + len(shown.thresholds)), f"not run: {row['error']}")
            )
            continue
        cells = [_cell(key, row["metrics"].get(key)) for key in _OF_VARIANTS]
        remark = f"{row['note']}; reads the future: {some(row['leaks'])}" if row["leaks"] else row["note"]
        if row.get("headline", run.headline) != run.headline:
            remark = f"{recipe_label(row['headline'])} instead of {recipe_label(run.headline)}: {remark}"
        rows.append(
            Row(
                recipe_label(name),
                [*cells, *_score(row["evidence"]), *shown.cells(row.get("directions", {}))],
                remark,
                "baseline" if row["leaks"] else "",
            )
        )
    note = "Each row is a run of its own below this folder, with its own report; nothing else was changed."
    labels = (_ENTRIES[key].label for key in _OF_VARIANTS)
    return Table(["Run", *labels, "Rank IC", "p value", *shown.head()], rows, note=note)


class _Directions:
    """Columns for right directions (and coverage): of any forecast, and of large ones; none without forecasts."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.thresholds = ("0", "0.01") if len(run.forecasts) else ()

    def head(self) -> list[str]:
        return ["Direction" if a == "0" else f"from {percent(float(a), 0)}" for a in self.thresholds]

    def cells(self, found: Mapping[str, Sequence[float]]) -> list[str]:
        return [f"{percent(found[a][0])} ({percent(found[a][1], 0)})" if a in found else DASH for a in self.thresholds]

    def own(self) -> list[str]:
        """Of this run's judged recipe."""
        return self.cells(directions(self.run.forecasts, self.run.judged)) if len(self.run.forecasts) else []


def _score(evidence: dict[str, object]) -> list[str]:
    value = evidence.get("rank_ic")
    return [
        ratio(value, 4) if isinstance(value, float) else DASH,
        p_text(evidence.get("p_value")) if evidence.get("null") else DASH,
    ]


def _cell(key: str, value: Metric) -> str:
    return by_style(value, _ENTRIES[key].style)
