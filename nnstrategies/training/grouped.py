"""One recipe, fitted to each group of symbols alone (systems S3 and S5: a model for each stock)."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nnstrategies.errors import FitError
from nnstrategies.samples import Samples
from nnstrategies.training.progress import Progress
from nnstrategies.training.recipe import Incumbent, Recipe, describe, with_setting
from nnstrategies.training.version import Part, Version, packed
from nnstrategies.typing import IntArray

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GroupedRecipe:
    """``recipe`` for each group of ``Samples.group`` on that group's symbols alone: scaler, weights, validation.

    own: symbol -> the recipe for the group that begins with it, such as what a search chose for a stock (S5's parameter
        library); others take ``recipe``.
    A group that cannot be fitted keeps its part of the version in force, and has no scores where there is none; the
    manifest says why (``kept``, ``refused``). FitError when there is no part at all.
    """

    recipe: Recipe
    own: Mapping[str, Recipe] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.recipe.name

    @property
    def seeded(self) -> bool:
        return self.recipe.seeded

    def fit(
        self,
        samples: Samples,
        asof: int,
        seed: int,
        incumbent: Incumbent | None = None,
        progress: Progress | None = None,
    ) -> Version:
        """Fit the groups one after the other; a group's incumbent is its own part of the grouped version."""
        before = {part.symbols[0]: part for part in incumbent.version.parts} if incumbent else {}
        parts: list[Part] = []
        unfitted: dict[str, str] = {}
        for columns in groups(samples.group):
            one = samples.only(columns)
            symbols = one.features.symbols
            held = before.get(symbols[0])
            own = dataclasses.replace(incumbent, version=held.version) if incumbent and held else None
            recipe = with_setting(self.own.get(symbols[0], self.recipe), "name", f"{self.name}-{symbols[0]}")
            try:
                parts.append(Part(symbols, recipe.fit(one, asof, seed, own, progress), symbols[0]))
            except FitError as error:
                unfitted[symbols[0]] = str(error)
                parts += [held] if held else []
                log.warning("%s model for %s: %s", "no new" if held else "no", ", ".join(symbols), error)
        if not parts:
            first = next(iter(unfitted.values()))
            raise FitError(f"{self.name}: none of {len(unfitted)} groups could be fitted; the first: {first}")
        if incumbent and [p.version.id for p in parts] == [p.version.id for p in incumbent.version.parts]:
            return incumbent.version
        reasons = {
            "refused": {symbol: why for symbol, why in unfitted.items() if symbol not in before},
            "kept": {symbol: why for symbol, why in unfitted.items() if symbol in before},
        }
        return self._joined(samples.upto(asof), seed, parts, reasons)

    def _joined(
        self, known: Samples, seed: int, parts: list[Part], reasons: Mapping[str, Mapping[str, str]]
    ) -> Version:
        first = parts[0].version
        nothing = np.zeros(0, dtype=np.int64)
        manifest: dict[str, Any] = describe(known, (nothing, nothing), self.name, "grouped", seed) | {
            "window": first.manifest["window"],
            "outputs": list(first.outputs),
            "units": list(first.units),
            "training_rows": sum(part.version.manifest["training_rows"] for part in parts),
            **reasons,
            "metrics": _mean_metrics([part.version.metrics for part in parts]),
        }
        return packed(manifest, parts, first.device)


def groups(group: IntArray) -> list[IntArray]:
    """The columns of each group, in order of the group's number."""
    return [np.flatnonzero(group == number) for number in np.unique(group)]


def _mean_metrics(metrics: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean over groups of every number that all of them have."""
    shared = set.intersection(*(set(one) for one in metrics))
    values = {key: [one[key] for one in metrics] for key in sorted(shared)}
    return {key: float(np.mean(v)) for key, v in values.items() if all(isinstance(x, int | float) for x in v)}
