"""Several recipes and seeds as one: weights are set anew at each refit from what was known then (system S2)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from nnstrategies.errors import ConfigError, FitError
from nnstrategies.factors.ic import LEAST_SYMBOLS, rank_ic
from nnstrategies.samples import Samples
from nnstrategies.splits import trailing_split
from nnstrategies.training.progress import Progress
from nnstrategies.training.recipe import Incumbent, Recipe, describe, with_setting
from nnstrategies.training.version import Part, Version, packed, shared_outputs
from nnstrategies.typing import FloatArray

Weights = Literal["validation", "equal"]


@dataclass(frozen=True)
class EnsembleRecipe:
    """Every one of ``members`` fitted with each of ``seeds``; the score is their weighted mean.

    members: name -> recipe, such as one network with several augmentations; all forecast the same quantity.
    weights: ``validation`` is in proportion to the mean rank IC (of one or two symbols, through time) on the purged
        validation rows of each refit, 0 for one
        below 0, equal where none is above; ``equal`` needs no validation rows.
    The version gives the weighted means of all outputs (class probabilities too) where its members have the same ones,
    else of their scores alone, and one more: ``spread``, the weighted standard deviation of their scores.
    """

    members: Mapping[str, Any]  # of Recipe: a protocol, which a config cannot check
    name: str = "ensemble"
    seeds: tuple[int, ...] = (1, 2, 3)
    weights: Weights = "validation"
    seeded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", dict(self.members))
        if not self.members or not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ConfigError(
                f"recipe {self.name}: expected members and different seeds from 0 on, got {len(self.members)} members "
                f"and seeds {list(self.seeds)}"
            )
        for name, member in self.members.items():
            if self.weights == "validation" and not getattr(member, "valid_days", 0):
                raise ConfigError(
                    f"recipe {self.name}: members.{name}: valid_days: expected validation rows to weigh it by, got "
                    f"none; give it some or set weights: equal"
                )

    def fit(
        self,
        samples: Samples,
        asof: int,
        seed: int,
        incumbent: Incumbent | None = None,
        progress: Progress | None = None,
    ) -> Version:
        """Fit the members one after the other; each has its own part of the version in force as incumbent."""
        before = {part.name: part.version for part in incumbent.version.parts} if incumbent else {}
        parts: list[Part] = []
        known = samples.upto(asof)
        for name, member in self.members.items():
            for own in self.seeds:
                label = f"{name}/{own}"
                held = before.get(label)
                start = dataclasses.replace(incumbent, version=held) if incumbent and held else None
                recipe = with_setting(member, "name", f"{self.name}-{name}")
                version = recipe.fit(samples, asof, _seed_of(seed, own), start, progress)
                worth = self._worth(member, known, version)
                parts.append(Part((), version, label, worth))
        return self._joined(known, seed, parts)

    def _worth(self, member: Recipe, known: Samples, version: Version) -> float:
        """Mean rank IC on the member's purged validation rows; 1 where weights are equal."""
        if self.weights == "equal":
            return 1.0
        lengths = (getattr(member, key) for key in ("train_days", "valid_days", "embargo_days"))
        split = trailing_split(known.T, known.T - 1, *lengths)
        t, n = known.rows(*split.valid, stride=getattr(member, "stride_days", 1))
        rows = np.unique(t)
        scores = np.full((len(rows), known.N), np.nan)
        for place, row in enumerate(rows):
            mask = np.zeros(known.N, dtype=bool)
            mask[n[t == row]] = True
            scores[place] = version.predict(known.features, mask, int(row))[:, 0]
        returns = known.labels.returns[rows].astype(np.float64)
        alone = known.N < LEAST_SYMBOLS  # too few to compare on a date: then each symbol's dates
        values = rank_ic(scores.T, returns.T) if alone else rank_ic(scores, returns)
        return float(np.nanmean(values)) if np.isfinite(values).any() else 0.0

    def _joined(self, known: Samples, seed: int, parts: list[Part]) -> Version:
        first = parts[0].version
        if len({(part.version.outputs[0], part.version.units[0]) for part in parts}) > 1:
            found = ", ".join(f"{part.name}: {part.version.units[0]}" for part in parts)
            raise FitError(f"{self.name}: expected members that forecast the same quantity, got {found}; change them")
        share, shared = shares(np.array([part.weight for part in parts])), shared_outputs(parts)
        nothing = np.zeros(0, dtype=np.int64)
        manifest: dict[str, Any] = describe(known, (nothing, nothing), self.name, "ensemble", seed) | {
            "window": max(part.version.manifest["window"] for part in parts),
            "outputs": [*shared, "spread"],
            "units": [*first.units[: len(shared)], f"weighted standard deviation over members of {first.units[0]}"],
            "training_rows": first.manifest["training_rows"],
            "metrics": {
                "members": len(parts),
                "valid_rank_ic": {part.name: part.weight for part in parts} if self.weights == "validation" else {},
                "weights": {part.name: float(w) for part, w in zip(parts, share, strict=True)},
            },
        }
        weighted = [dataclasses.replace(part, weight=float(w)) for part, w in zip(parts, share, strict=True)]
        return packed(manifest, weighted, first.device)


def _seed_of(seed: int, own: int) -> int:
    """A member's seed, below 2**32, from that of the ensemble's fit and its own."""
    return int(np.random.SeedSequence([seed, own]).generate_state(1)[0])


def shares(worth: FloatArray) -> FloatArray:
    """[M] weights that sum to 1, in proportion to what is above 0; equal where nothing is."""
    above = np.maximum(worth, 0.0)
    return above / above.sum() if above.sum() > 0 else np.full(len(worth), 1 / len(worth))
