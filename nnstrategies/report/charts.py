"""The charts of the report; each takes what a run recorded and returns one drawing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from nnstrategies.report.definitions import BASELINES, recipe_label
from nnstrategies.report.metrics import SESSIONS_PER_YEAR, drawdowns
from nnstrategies.report.run_folder import RunFolder
from nnstrategies.report.svg import (
    DASHES,
    INK,
    MUTED,
    WIDTH,
    Chart,
    Key,
    date_axis,
    drawing,
    look,
    percent_axis,
    series,
    to_svg,
)
from nnstrategies.typing import FloatArray

ROLLING_SHARPE_SESSIONS = 126
ROLLING_IC_SESSIONS = 60
Line = tuple[str, str, str]  # portfolio, colour, line style


def recipe_look(run: RunFolder, recipe: str) -> tuple[str, str]:
    """Colour and line of a portfolio or a recipe: the headline, and the recipe it is judged by, always have the first.

    Recipes without a portfolio of their name, and yardsticks, come after all portfolios.
    """
    if recipe == run.judged:
        return look(0)
    if recipe == "momentum":
        return series(6), "dashed"
    order = [run.headline, *(name for name in run.recipes if name != run.headline)]
    order += [name for name in (*run.evidence, *BASELINES) if name not in order]
    return look(order.index(recipe))


def _lines(run: RunFolder) -> list[Line]:
    """Portfolios of the net value chart, most important last so that it is drawn on top."""
    lines: list[Line] = [("benchmark", MUTED, "dotted"), ("equal_weight", INK, "dashed")]
    if "momentum" in run.portfolios:
        lines.append(("momentum", *recipe_look(run, "momentum")))
    others = [name for name in run.recipes if name != run.headline]
    lines += [(name, *recipe_look(run, name)) for name in others]
    return [*lines, (run.headline, series(0), "solid")]


def _keys(lines: Iterable[Line]) -> list[Key]:
    return [Key(recipe_label(name), colour, style) for name, colour, style in reversed(list(lines))]


def net_value(run: RunFolder) -> Chart:
    lines = _lines(run)
    svgs = [_net_value_svg(run, lines, log) for log in (False, True)]
    count = len(run.seeds_of(run.headline))
    note = f"Thin blue lines: the {count} single seeds of {recipe_label(run.headline)}." if count > 1 else ""
    return Chart("Net value, start = 1", svgs[0], note, _keys(lines), svgs[1])


def _net_value_svg(run: RunFolder, lines: list[Line], log: bool) -> str:
    values = (1 + run.returns).cumprod()
    with drawing(width=1000, height=380) as (figure, axes):
        for name in run.seeds_of(run.headline):
            axes.plot(values.index, values[name], color=series(0), linewidth=0.7, alpha=0.35)
        for name, colour, style in lines:
            width = 2.6 if name == run.headline else 1.6
            axes.plot(values.index, values[name], color=colour, linestyle=DASHES[style], linewidth=width)
        if log:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(base=10, subs=[1, 1.25, 1.5, 2, 3, 5, 7]))
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.yaxis.set_minor_locator(LogLocator(base=10, subs=[]))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_ylabel("net value (log scale)" if log else "net value")
        date_axis(axes)
        return to_svg(figure, "nvlog" if log else "nv", "Net value of all portfolios over time")


def drawdown(run: RunFolder) -> Chart:
    lines: list[Line] = [
        ("benchmark", MUTED, "dotted"),
        ("equal_weight", INK, "dashed"),
        (run.headline, series(0), "solid"),
    ]
    with drawing() as (figure, axes):
        for name, colour, style in lines:
            depth = drawdowns(run.returns[name].to_numpy())
            axes.plot(run.returns.index, depth, color=colour, linestyle=DASHES[style], linewidth=1.4)
        axes.fill_between(run.returns.index, depth, 0, color=series(0), alpha=0.2, linewidth=0)
        percent_axis(axes.yaxis)
        axes.set_ylabel("below last peak")
        date_axis(axes)
        return Chart("Drawdown", to_svg(figure, "dd", "Drawdown over time"), "", _keys(lines))


def relative_value(run: RunFolder) -> Chart:
    """Net value of each recipe over that of equal weight."""
    values = (1 + run.returns).cumprod()
    lines = [line for line in _lines(run) if line[0] not in ("equal_weight", "benchmark")]
    with drawing() as (figure, axes):
        for name, colour, style in lines:
            width = 2.4 if name == run.headline else 1.4
            relative = values[name] / values["equal_weight"] - 1
            axes.plot(values.index, relative, color=colour, linestyle=DASHES[style], linewidth=width)
        axes.axhline(0, color=INK, linewidth=1)
        percent_axis(axes.yaxis)
        axes.set_ylabel("ahead of equal weight")
        date_axis(axes)
        svg = to_svg(figure, "rel", "Net value relative to equal weight over time")
    return Chart("Lead over equal weight", svg, "Net value over that of equal weight, minus 1.", _keys(lines))


def return_histogram(run: RunFolder) -> Chart:
    own, market = (run.returns[name].to_numpy() for name in (run.headline, "equal_weight"))
    limit = max(float(np.quantile(np.abs(np.concatenate([own, market])), 0.995)), 1e-6)
    edges = np.linspace(-limit, limit, 42).tolist()
    with drawing() as (figure, axes):
        axes.hist(np.clip(own, -limit, limit), bins=edges, color=series(0), alpha=0.55)
        axes.hist(np.clip(market, -limit, limit), bins=edges, histtype="step", color=INK, linewidth=1.2)
        axes.axvline(0, color=MUTED, linewidth=0.8)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        axes.set_xlabel("daily return (the outer bars hold everything beyond)")
        axes.set_ylabel("sessions")
        axes.grid(False, axis="x")
        svg = to_svg(figure, "hist", "Histogram of daily returns")
    keys = [Key(recipe_label(run.headline), series(0), "box"), Key("Equal weight", INK)]
    return Chart("Daily returns", svg, "", keys)


def position_ratio(run: RunFolder) -> Chart:
    with drawing() as (figure, axes):
        ratio = run.account["position_ratio"]
        axes.fill_between(run.account["date"], ratio, 0, color=series(0), alpha=0.2, linewidth=0)
        axes.plot(run.account["date"], ratio, color=series(0), linewidth=1.4)
        wanted = run.targets.groupby("date")["target"].sum()
        axes.step(wanted.index, wanted, where="post", color=series(1), linewidth=1.2)
        axes.set_ylim(0, max(1.05, float(ratio.max()) * 1.05))
        percent_axis(axes.yaxis, 0)
        axes.set_ylabel("invested share of the account")
        date_axis(axes)
        svg = to_svg(figure, "pos", "Position ratio over time")
    note = "Value of positions over account value at each close, and what the last rebalance asked for."
    return Chart("Position ratio", svg, note, [Key("achieved", series(0)), Key("wanted", series(1))])


def rolling_sharpe(run: RunFolder) -> Chart | None:
    """None when the run is shorter than the window."""
    window = ROLLING_SHARPE_SESSIONS
    if len(run.returns) <= window:
        return None
    lines: list[Line] = [("equal_weight", INK, "dashed"), (run.headline, series(0), "solid")]
    with drawing() as (figure, axes):
        for name, colour, style in lines:
            rolling = run.returns[name].rolling(window)
            sharpe = np.sqrt(SESSIONS_PER_YEAR) * rolling.mean() / rolling.std().where(rolling.std() > 1e-12)
            axes.plot(sharpe.index, sharpe, color=colour, linestyle=DASHES[style], linewidth=1.4)
        axes.axhline(0, color=INK, linewidth=1)
        axes.set_ylabel("Sharpe ratio, annualised")
        date_axis(axes)
        svg = to_svg(figure, "sharpe", "Rolling Sharpe ratio over time")
    return Chart(f"Rolling Sharpe ratio, {window} sessions", svg, "", _keys(lines))


def monthly_turnover(run: RunFolder) -> Chart:
    traded = (run.fills["size"].abs() * run.fills["price"]).groupby(run.fills["date"].dt.to_period("M")).sum() / 2
    value = run.account.groupby(run.account["date"].dt.to_period("M"))["value"].mean()
    share = (traded.reindex(value.index).fillna(0.0) / value).to_numpy(dtype=np.float64)
    with drawing() as (figure, axes):
        axes.bar(pd.PeriodIndex(value.index).to_timestamp(), share, width=22, color=series(0), alpha=0.75)
        percent_axis(axes.yaxis, 0)
        axes.set_ylabel("one-sided, share of account")
        date_axis(axes)
        svg = to_svg(figure, "turn", "Turnover by month")
    return Chart("Turnover by month", svg, "Half of bought and sold value over the month's mean account value.")


def target_gap(run: RunFolder) -> Chart | None:
    """None when no targets were recorded."""
    if run.targets.empty:
        return None
    gap = (run.targets["target"] - run.targets["achieved"]).abs().groupby(run.targets["date"]).sum() / 2
    with drawing() as (figure, axes):
        axes.vlines(gap.index, 0, gap, color=series(1), linewidth=2)
        axes.plot(gap.index, gap, "o", color=series(1), markersize=4)
        axes.set_ylim(0, max(float(gap.max()) * 1.1, 0.001))
        percent_axis(axes.yaxis)
        axes.set_ylabel("half the sum of |difference|")
        date_axis(axes)
        svg = to_svg(figure, "gap", "Difference of achieved and target weights by rebalance")
    note = "Share of the account that lies elsewhere than the targets asked, at the close of each execution day."
    return Chart("Target and achieved weights", svg, note)


def rank_ic(run: RunFolder) -> Chart | None:
    """Rolling mean over dates of the rank IC, mean over seeds; None when the run recorded no IC."""
    table = run.ic.groupby(["date", "recipe"])["rank_ic"].mean().unstack("recipe")
    if table.empty:
        return None
    window = min(ROLLING_IC_SESSIONS, max(len(table) // 4, 1))
    names = [str(name) for name in table.columns]
    lines: list[Line] = [(name, *recipe_look(run, name)) for name in names]
    lines.sort(key=lambda line: line[0] == run.judged)
    with drawing(width=1000, height=320) as (figure, axes):
        for name, colour, style in lines:
            rolling = table[name].rolling(window, min_periods=window).mean()
            width = 2.2 if name == run.judged else 1.4
            axes.plot(rolling.index, rolling, color=colour, linestyle=DASHES[style], linewidth=width)
        axes.axhline(0, color=INK, linewidth=1)
        axes.set_ylabel("rank IC")
        date_axis(axes)
        svg = to_svg(figure, "ic", "Rolling rank IC over time")
    note = "Mean over seeds. Persistent swings are normal and no evidence in themselves: compare with the null above."
    return Chart(f"Rank IC, mean of the last {window} dates", svg, note, _keys(lines))


def null_histograms(run: RunFolder) -> list[Chart]:
    """One chart per recipe that has a null, on a common scale."""
    entries = {name: _known(entry) for name, entry in run.evidence.items() if entry.get("rank_ic") is not None}
    entries = {name: null for name, null in entries.items() if len(null)}
    if not entries:
        return []
    values = np.concatenate([[*null, float(run.evidence[name]["rank_ic"])] for name, null in entries.items()])
    pad = max(float(np.ptp(values)) * 0.06, 1e-4)
    limits = (float(values.min()) - pad, float(values.max()) + pad)
    return [_null_histogram(run, name, limits) for name in entries]


def _known(entry: dict[str, Any]) -> FloatArray:
    """The refits of a null that have a value."""
    return np.array([value for value in entry.get("null") or [] if value is not None], dtype=np.float64)


def _null_histogram(run: RunFolder, recipe: str, limits: tuple[float, float]) -> Chart:
    entry = run.evidence[recipe]
    null, observed = _known(entry), float(entry["rank_ic"])
    with drawing(width=WIDTH, height=200) as (figure, axes):
        axes.hist(null, bins=np.linspace(*limits, 32).tolist(), color=MUTED, alpha=0.55)
        axes.plot(null, np.zeros(len(null)), "|", color=INK, markersize=7, clip_on=False)
        axes.axvline(observed, color=series(1), linewidth=2.6)
        axes.set_xlim(*limits)
        axes.set_xlabel("mean rank IC")
        axes.set_ylabel("null refits")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.grid(False, axis="x")
        svg = to_svg(figure, f"null{list(run.evidence).index(recipe)}", f"Null of {recipe_label(recipe)}")
    keys = [Key(f"{len(null)} shuffled-label refits", MUTED, "box"), Key("observed", series(1))]
    return Chart(recipe_label(recipe), svg, "", keys)


def loss_curves(run: RunFolder) -> list[Chart]:
    """One chart per recipe with recorded losses: every fit thin, the median over fits bold."""
    charts = []
    for number, (recipe, rows) in enumerate(run.losses.groupby("recipe", sort=False)):
        fits = rows.groupby(["seed", "asof"]).ngroups
        with drawing() as (figure, axes):
            for column, colour in (("train", series(0)), ("valid", series(1))):
                table = rows.pivot_table(index="epoch", columns=["seed", "asof"], values=column)
                axes.plot(table.index, table.iloc[:, :40], color=colour, linewidth=0.6, alpha=0.3)
                axes.plot(table.index, table.median(axis=1), color=colour, linewidth=2.4)
            axes.set_xlabel("epoch")
            axes.set_ylabel("loss")
            axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
            axes.grid(False, axis="x")
            svg = to_svg(figure, f"loss{number}", f"Loss curves of {recipe_label(str(recipe))}")
        keys = [Key("train", series(0)), Key("valid", series(1))]
        note = f"Bold: median over {fits} fits; later epochs hold only fits that had not stopped early."
        charts.append(Chart(f"Loss, {recipe_label(str(recipe))}", svg, note, keys))
    return charts
