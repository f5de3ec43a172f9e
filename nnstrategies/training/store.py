"""Finished refits on disk, so that a killed run repeats only what was unfinished."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnstrategies.errors import RegistryError
from nnstrategies.training.files import whole
from nnstrategies.training.recipe import Recipe, with_setting
from nnstrategies.training.registry import load_version, save_version
from nnstrategies.training.timeline import Entry


class FitStore:
    """A folder of entries and the registry their versions lie in.

    ``fits``/<recipe>/<seed>-<asof>.json names a version of ``versions``; it is written last, in one step, so that its
    presence says that the fit is complete. States of unfinished fits lie in ``checkpoints`` and go when theirs is.
    leaks: what the run reads of the future on purpose; every version is marked with it, and only refused elsewhere.
    """

    def __init__(self, folder: Path, device: str = "auto", leaks: Sequence[str] = ()) -> None:
        self.fits = folder / "fits"
        self.versions = folder / "versions"
        self.checkpoints = folder / "checkpoints"
        self._device = device
        self._leaks = tuple(leaks)

    def load(self, recipe: Recipe, seed: int, asof: dt.date) -> Entry | None:
        """The entry of a finished fit, None where there is none.

        RegistryError when its version is damaged, or the recipe had other settings.
        """
        path = self._path(recipe.name, seed, asof)
        if not path.is_file():
            return None
        try:
            row = json.loads(path.read_text(encoding="utf-8"))
            if row["recipe"] != _identity(recipe):
                raise RegistryError(
                    f"fit {path}: was made with other settings of {recipe.name} than now; expected the same, so that "
                    f"all fits of a folder belong together: restore them, or name another folder"
                )
            version = load_version(self.versions / row["version"], self._device, allow_leaks=True)
            return Entry(dt.date.fromisoformat(row["effective_from"]), version, asof, row["decision"])
        except (KeyError, ValueError) as error:
            raise RegistryError(f"fit {path}: not readable ({error}); delete it to fit that date anew") from None

    def save(self, recipe: Recipe, seed: int, entry: Entry, seconds: float) -> None:
        """Write the version, then the entry; then forget the checkpoints of its fit. RegistryError on a full disk.

        seconds: what the fit took, since it was last resumed; beside the version, whose id holds no clock time.
        """
        save_version(entry.version, self.versions, entry.effective_from, self._leaks)
        path = self._path(recipe.name, seed, entry.trained_through)
        row = {
            "recipe": _identity(recipe),
            "version": entry.version.id,
            "effective_from": entry.effective_from.isoformat(),
            "decision": entry.decision,
            "seconds": round(seconds, 3),
        }
        with whole(path, "fit") as beside:
            beside.write_text(json.dumps(row), encoding="utf-8")
        shutil.rmtree(self._state(recipe.name, seed, entry.trained_through), ignore_errors=True)

    def adopt(self, other: FitStore, recipes: Sequence[str]) -> None:
        """Copy another store's finished fits of these recipes, with their versions; what is here already stays.

        For the caller to know that both fit the same data and labels; ``load`` refuses other settings.
        """
        for recipe in recipes:
            for fit in sorted((other.fits / recipe).glob("[0-9]*.json")):
                version = json.loads(fit.read_text(encoding="utf-8"))["version"]
                if not (kept := self.versions / version).exists():
                    with whole(kept, "version") as beside:
                        shutil.copytree(other.versions / version, beside)
                if not (entry := self.fits / recipe / fit.name).exists():  # last, as in ``save``
                    with whole(entry, "fit") as beside:
                        shutil.copyfile(fit, beside)

    def seconds(self, recipe: str) -> list[tuple[int, dt.date, float]]:
        """Seed, as-of date and seconds of every finished fit of a recipe, in that order."""
        rows = []
        for path in (self.fits / recipe).glob("[0-9]*.json"):
            seed, _, asof = path.stem.partition("-")
            row = json.loads(path.read_text(encoding="utf-8"))
            rows.append((int(seed), dt.date.fromisoformat(asof), float(row.get("seconds", math.nan))))
        return sorted(rows)

    def resumable(self, recipe: Recipe, seed: int, asof: dt.date) -> Recipe:
        """The recipe with a checkpoint folder of this fit's own, where it keeps checkpoints."""
        return with_setting(recipe, "checkpoints", str(self._state(recipe.name, seed, asof)))

    def _path(self, recipe: str, seed: int, asof: dt.date) -> Path:
        return self.fits / recipe / f"{seed}-{asof}.json"

    def _state(self, recipe: str, seed: int, asof: dt.date) -> Path:
        return self.checkpoints / recipe / f"{seed}-{asof}"


def _identity(recipe: Recipe) -> str:
    """First 16 hex digits of sha256 over the recipe's settings; neither device nor checkpoints change what it fits.

    Nor does the order in which a config names settings or members: equal recipes have the same.
    """
    plain = with_setting(with_setting(recipe, "device", "auto"), "checkpoints", None)
    return hashlib.sha256(repr(_ordered(plain)).encode()).hexdigest()[:16]


def _ordered(value: Any) -> Any:
    """The same with the keys of every mapping in it in alphabetical order."""
    if isinstance(value, Mapping):
        return {key: _ordered(value[key]) for key in sorted(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        own = {f.name: _ordered(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init}
        return dataclasses.replace(value, **own)
    return value
