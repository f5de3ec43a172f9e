"""Prices over time, as they came and as they were forecast."""

from __future__ import annotations

import pandas as pd

from nnstrategies.report.definitions import recipe_label
from nnstrategies.report.run_folder import RunFolder
from nnstrategies.report.svg import INK, Chart, Key, date_axis, drawing, series, to_svg


def forecast_paths(run: RunFolder) -> list[Chart]:
    """A chart for each price that is forecast, close or open; none where no recipe names prices."""
    charts = []
    for field, rows in run.forecast_path.groupby("field", sort=False):
        names = list(dict.fromkeys(rows["recipe"]))
        recipe = run.judged if run.judged in names else names[0]
        charts.append(_path(rows[rows["recipe"] == recipe], str(field), recipe))
    return charts


def _path(rows: pd.DataFrame, field: str, recipe: str) -> Chart:
    symbol, days = str(rows["symbol"].iloc[0]), rows["date"]
    with drawing(width=1000, height=330) as (figure, axes):
        axes.plot(days, rows["price"], color=INK, linewidth=1.6)
        axes.plot(days, rows["forecast"], color=series(0), linewidth=1.8, marker="o", markersize=3.5)
        axes.plot(days, rows["unchanged"], color=series(1), linewidth=1.8, linestyle=(0, (1, 1.5)))
        axes.set_ylabel(f"{field}, adjusted")
        date_axis(axes)
        svg = to_svg(figure, f"path{field}", f"Forecast and actual {field} of {symbol}")
    own, unchanged = recipe_label(recipe), "persistence: no change"
    keys = [Key(own, series(0)), Key("as it came", INK), Key(unchanged, series(1), "dotted")]
    note = f"The last {len(rows)} forecasts of the test, mean over seeds, each at the session that it is for. "
    note += "Dotted: the price from which the forecast counts, of a forecast made overnight the close before. Where "
    note += "the forecast lies near the dotted line, it says little more than the price that was known."
    return Chart(f"{field.capitalize()} of {symbol}, forecast and actual", svg, note, keys)
