"""Right directions of every recipe that names directions, by symbol and by exchange."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from nnstrategies.report.definitions import recipe_label
from nnstrategies.report.forecasts import commoner, parts, shares
from nnstrategies.report.formats import DASH, percent
from nnstrategies.report.run_folder import RunFolder
from nnstrategies.report.tables import Row, Table


def direction_symbols(run: RunFolder) -> Table | None:
    """A column a recipe, networks first, and a row a symbol, an exchange and for all; None without directions."""
    table = run.forecasts[run.forecasts["threshold"] == run.forecasts["threshold"].min()]
    names = _named(run, table)
    if not names:
        return None
    table = table[table["recipe"].isin(names)]
    rows = []
    for label, part in parts(table):
        found = {row["recipe"]: row for row in shares(part).to_dict("records")}
        of = next(name for name in (run.judged, *names) if name in found)  # one recipe's days: all have nearly the same
        cells = [
            commoner(part[part["recipe"] == of]),
            *(_cell(found[name]) if name in found else DASH for name in names),
        ]
        several = part["symbol"].nunique()
        remark = f"{several} symbols" if several > 1 else ""
        rows.append(Row(label, cells, remark, "headline" if label == "All" else "sum" if remark else ""))
    note = (
        "Share of right directions among all days on which the price moved, whatever the size of the forecast, ± the "
        "standard deviation over seeds; in brackets the days of one seed. Symbols of one exchange move together, so "
        "their days count for fewer than their number."
    )
    return Table(["Symbol", "Commoner direction", *map(recipe_label, names)], rows, note=note)


def _named(run: RunFolder, table: pd.DataFrame) -> list[str]:
    """Recipes that named a direction at all, those with loss curves first."""
    acted = table.groupby("recipe", sort=False)["acted"].sum()
    networks = set(run.losses["recipe"])
    return sorted((str(name) for name in acted.index[acted > 0]), key=lambda name: name not in networks)


def _cell(found: Mapping[Any, Any]) -> str:
    text = percent(found["right"])
    if np.isfinite(found["spread"]):
        text = f"{text.removesuffix(chr(160) + '%')} ± {percent(found['spread'])}"
    return f"{text}\n({found['acted']:,.0f})"
