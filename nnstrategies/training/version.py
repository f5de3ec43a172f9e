"""A fitted recipe: what it learned, as arrays, and a manifest that says from what."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from nnstrategies.errors import RegistryError
from nnstrategies.features.feature_set import Features
from nnstrategies.training.apply import KINDS, Apply
from nnstrategies.training.scaler import LEAKY, Scaler
from nnstrategies.typing import AnyArray, BoolArray, Float32Array


def leaks_of(settings: Mapping[str, Any]) -> list[str]:
    """What a recipe's settings, as plain values, let its fits see of the future: scaling, a day, moved windows."""
    scaling, until = str(settings.get("scaling", "")), settings.get("leaky_until")
    shift = settings.get("augment", {}).get("leaky_time_shift")
    return [
        *([scaling] if scaling.startswith(LEAKY) else []),
        *([f"leaky_until {until}"] if until else []),
        *([f"leaky_time_shift {shift}"] if shift else []),
    ]


@dataclass(frozen=True)
class Part:
    """A version inside another: of one group of ``symbols``, or a member of an ensemble with its ``weight``."""

    symbols: tuple[str, ...]
    version: Version
    name: str = ""
    weight: float = 1.0


@dataclass(frozen=True)
class Version:
    """An immutable fitted model.

    manifest: plain values: recipe, kind, config, features, label, window, data fingerprint, code version, seed,
        metrics, history [epoch, train loss, valid loss], trained_through, outputs, units. It holds no clock time.
    arrays: what was learned. scaler: None where features are used as they are.
    device: where a network predicts; no part of what the version is.
    """

    manifest: Mapping[str, Any]
    arrays: Mapping[str, AnyArray]
    scaler: Scaler | None
    device: str = field(default="auto", compare=False)

    @cached_property
    def id(self) -> str:
        """First 16 hex digits of sha256 over manifest and arrays: fitting twice on equal data gives equal ids."""
        digest = hashlib.sha256(json.dumps(self.manifest, sort_keys=True, allow_nan=False).encode())
        tables = {**self.arrays, **{f"scaler.{k}": v for k, v in (self.scaler.arrays if self.scaler else {}).items()}}
        for name in sorted(tables):
            array = np.ascontiguousarray(tables[name])
            digest.update(f"\0{name} {array.dtype.str} {array.shape}\0".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()[:16]

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the K outputs, the first is ``score``."""
        return tuple(self.manifest["outputs"])

    @property
    def units(self) -> tuple[str, ...]:
        return tuple(self.manifest["units"])

    @property
    def config(self) -> Mapping[str, Any]:
        """Settings of the recipe; of the first part's, where there are parts."""
        parts = self.manifest.get("parts")
        return parts[0]["manifest"]["config"] if parts else self.manifest["config"]

    @property
    def leaks(self) -> tuple[str, ...]:
        """What the model, or a part of it, was allowed to see of the future: features, scaling, a screen."""
        own = [
            *self.manifest["features"]["leaky"],
            *leaks_of(self.manifest.get("config", {})),
            *(leak for part in self.parts for leak in part.version.leaks),
        ]
        return tuple(dict.fromkeys(own))

    @property
    def metrics(self) -> Mapping[str, Any]:
        return self.manifest["metrics"]

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The versions that this one is made of, see ``packed``; none for a plain model."""
        parts = []
        for number, row in enumerate(self.manifest.get("parts", ())):
            prefix = f"{number}."
            own = {key.removeprefix(prefix): value for key, value in self.arrays.items() if key.startswith(prefix)}
            scaler = {key.removeprefix("scaler."): own.pop(key) for key in list(own) if key.startswith("scaler.")}
            version = Version(row["manifest"], own, Scaler.from_arrays(scaler) if scaler else None, self.device)
            parts.append(Part(tuple(row["symbols"]), version, row["name"], row["weight"]))
        return tuple(parts)

    @cached_property
    def _apply(self) -> Apply:
        return KINDS[self.manifest["kind"]](self.manifest, self.arrays, self.device)

    def predict(self, features: Features, mask_row: BoolArray, t: int) -> Float32Array:
        """Outputs [N, K] at the close of session t for the symbols of ``mask_row`` [N]; NaN for the others.

        One date's cross-section at a time, in blocks of a fixed number of rows: alone, in a vectorised pass, and in a
        market with more symbols the bytes are the same. Raises RegistryError for features of another set.
        """
        if features.set_hash != self.manifest["features"]["hash"]:
            raise RegistryError(
                f"version {self.id}: trained on feature set {self.manifest['features']['hash'][:12]}, got "
                f"{features.set_hash[:12]}; compute the features it was trained on or train anew"
            )
        if self.parts:
            return JOINED[self.manifest["kind"]](self.parts, features, mask_row, t)
        out = np.full((len(mask_row), len(self.outputs)), np.nan, dtype=np.float32)
        rows = np.flatnonzero(mask_row)
        first = t + 1 - self.manifest["window"]
        if len(rows) and first >= 0:
            windows = features.values[rows, first : t + 1]  # [M, L, F]
            out[rows] = self._apply(self.scaler(windows) if self.scaler else windows)
        return out

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_apply", "parts")}


def packed(manifest: Mapping[str, Any], parts: Sequence[Part], device: str) -> Version:
    """One version of several: their manifests and weights in its own, their arrays under the part's number."""
    rows = [
        {"name": p.name, "weight": p.weight, "symbols": list(p.symbols), "manifest": dict(p.version.manifest)}
        for p in parts
    ]
    arrays: dict[str, AnyArray] = {}
    for number, part in enumerate(parts):
        arrays |= {f"{number}.{key}": value for key, value in part.version.arrays.items()}
        if part.version.scaler:
            arrays |= {f"{number}.scaler.{key}": value for key, value in part.version.scaler.arrays.items()}
    return Version({**manifest, "parts": rows}, arrays, None, device)


def _by_group(parts: Sequence[Part], features: Features, mask_row: BoolArray, t: int) -> Float32Array:
    """Each symbol's outputs [N, K] from the part of its group; NaN for a symbol of none."""
    out = np.full((len(mask_row), len(parts[0].version.outputs)), np.nan, dtype=np.float32)
    for part in parts:
        own = mask_row & np.isin(features.symbols, part.symbols)
        out[own] = part.version.predict(features, own, t)[own]
    return out


def shared_outputs(parts: Sequence[Part]) -> tuple[str, ...]:
    """Outputs that an ensemble's members have in common: all of them where they are alike, else the score alone."""
    first = parts[0].version.outputs
    return first if all(part.version.outputs == first for part in parts) else first[:1]


def _by_weight(parts: Sequence[Part], features: Features, mask_row: BoolArray, t: int) -> Float32Array:
    """Weighted means of what members share and their scores' standard deviation [N, K + 1], in float64, in order."""
    shared = len(shared_outputs(parts))
    values = np.stack([part.version.predict(features, mask_row, t)[:, :shared].astype(np.float64) for part in parts])
    weights = np.array([part.weight for part in parts])[:, None]
    mean = (weights[:, :, None] * values).sum(axis=0)  # [N, K]
    spread = np.sqrt((weights * (values[:, :, 0] - mean[:, 0]) ** 2).sum(axis=0))
    return np.column_stack([mean, spread]).astype(np.float32)


JOINED = {"grouped": _by_group, "ensemble": _by_weight}
