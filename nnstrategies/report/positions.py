"""What the caps and the correlation did at each rebalance, and which industries made the excess return."""

from __future__ import annotations

import pandas as pd

from nnstrategies.report.formats import percent, ratio
from nnstrategies.report.run_folder import RunFolder
from nnstrategies.report.svg import INK, Chart, Key, date_axis, drawing, series, to_svg
from nnstrategies.report.tables import Row, Table

SHOWN = 12  # industries with a row of their own
_EFFECTS = ["allocation", "selection", "interaction", "total"]
_NOTE = (
    "Brinson and Fachler (1985), from each close to the open and from the open to the close, linked over the test as "
    "Carino (1999) does: the sum is the difference of the two total returns. The yardstick holds all members in equal "
    "weight, because index weights are not known. Allocation: more or less of an industry than the yardstick; "
    "selection: other symbols of it; interaction: both at once. Not explained: dividend tax, payouts of delisted "
    "holdings, dividends not reinvested at once."
)
_WATCHED = (
    ("chosen", "Symbols with a target", lambda value: ratio(value, 0)),
    ("invested", "Invested", percent),
    ("largest", "Largest weight of a symbol", percent),
    ("industry_weight", "Largest weight of an industry", percent),
    ("correlation", "Average pairwise correlation", ratio),
    ("allowed", "Share of the exposure that it left", percent),
    ("wanted_turnover", "Turnover to reach the weights wanted, one-sided", percent),
    ("turnover", "Turnover decided, one-sided", percent),
)


def correlation_chart(run: RunFolder) -> Chart | None:
    """Average pairwise correlation of the chosen by rebalance, and the share of the exposure that it left."""
    if run.decisions.empty or run.decisions["correlation"].isna().all():
        return None
    table = run.decisions.set_index("date")
    with drawing() as (figure, axes):
        axes.step(table.index, table["allowed"], where="post", color=INK, linewidth=1.4, linestyle="--")
        axes.plot(table.index, table["correlation"], color=series(0), marker="o", markersize=3.5)
        axes.set_ylim(min(0.0, float(table["correlation"].min())), 1.04)
        axes.set_ylabel("correlation, share")
        date_axis(axes)
        svg = to_svg(figure, "correlation", "Average pairwise correlation of the chosen by rebalance")
    keys = [Key("average pairwise correlation", series(0)), Key("share of the exposure it left", INK, "dashed")]
    note = "Of the symbols chosen, over the daily returns before each decision; suspended days are left out."
    return Chart("Average pairwise correlation of holdings", svg, note, keys)


def position_table(run: RunFolder) -> Table | None:
    """Mean, least, largest and last of what was decided at the rebalances; None where none was recorded."""
    if run.decisions.empty:
        return None
    rows = []
    watched = run.decisions["correlation"].notna()
    for key, label, text in _WATCHED:
        known = (run.decisions.loc[watched, key] if key == "allowed" else run.decisions[key]).dropna()
        if len(known):
            values = [float(value) for value in (known.mean(), known.min(), known.max(), known.iloc[-1])]
            remark = _heaviest(run.decisions) if key == "industry_weight" else ""
            rows.append(Row(label, [text(value) for value in values], remark))
    note = f"{len(run.decisions)} rebalances; targets as shares of the account's value. "
    note += "Turnover is half of what is bought and sold."
    return Table(["At the rebalances", "Mean", "Least", "Largest", "Last"], rows, note=note)


def _heaviest(decisions: pd.DataFrame) -> str:
    most = decisions.iloc[int(decisions["industry_weight"].argmax())]
    return f"largest: {most['industry']}, {most['date']:%Y-%m-%d}"


def attribution_table(run: RunFolder) -> Table | None:
    """Industries by the size of their contribution, the smaller ones summed; then cash, costs, the rest and the sum."""
    if run.attribution.empty:
        return None
    table = run.attribution
    own = table[table["kind"] == "industry"]
    own = own.iloc[own["total"].abs().argsort(kind="stable")[::-1]]
    rows = [_row(str(line["industry"]), line) for _, line in own.head(SHOWN).iterrows()]
    if len(own) > SHOWN:
        few = own.iloc[SHOWN:]
        rows.append(_row(f"{len(few)} other industries", few[["weight", "benchmark_weight", *_EFFECTS]].sum()))
    labels = {"cash": "Cash", "costs": "Fees and slippage", "other": "Not explained"}
    rows += [_row(labels[kind], table[table["kind"] == kind].iloc[0]) for kind in labels]
    whole = pd.Series(table[_EFFECTS].sum(), dtype=float)
    rows.append(_row("Total return over equal weight", whole, "sum"))
    head = ["Industry", "Mean weight", "Yardstick", "Allocation", "Selection", "Interaction", "Sum"]
    return Table(head, rows, note=_NOTE)


def _row(label: str, line: pd.Series, kind: str = "") -> Row:
    weights = [percent(line.get(key)) for key in ("weight", "benchmark_weight")]
    return Row(label, [*weights, *(percent(line[key], 2, signed=True) for key in _EFFECTS)], kind=kind)
