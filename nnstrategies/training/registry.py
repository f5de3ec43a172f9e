"""Versions on disk: one immutable folder each, no pickle."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from nnstrategies.errors import LeakError, RegistryError
from nnstrategies.training.files import whole
from nnstrategies.training.scaler import Scaler
from nnstrategies.training.version import Version
from nnstrategies.typing import AnyArray


def save_version(
    version: Version, registry: Path, effective_from: dt.date | None = None, leaks: Sequence[str] = ()
) -> Path:
    """Write ``registry``/<id>/ with manifest.json, weights.safetensors and scaler.safetensors; return that folder.

    leaks: what its run reads of the future on purpose, beside what the version itself says (``Version.leaks``).
    Written beside and renamed in one step. A folder that exists is never touched: its name says what it holds.
    RegistryError when it cannot be written; nothing is left then.
    """
    folder = registry / version.id
    if folder.exists():
        return folder
    outer = {
        "id": version.id,
        "effective_from": effective_from.isoformat() if effective_from else None,
        "leaks": list(dict.fromkeys([*version.leaks, *leaks])),
        "version": version.manifest,
    }
    try:
        with whole(folder, "version") as beside:
            beside.mkdir()
            (beside / "manifest.json").write_text(json.dumps(outer, indent=1, sort_keys=True), encoding="utf-8")
            (beside / "weights.safetensors").write_bytes(save(_contiguous(version.arrays)))
            if version.scaler:
                (beside / "scaler.safetensors").write_bytes(save(_contiguous(version.scaler.arrays)))
    except RegistryError:
        if not folder.exists():  # else another process was first, with the same contents
            raise
    return folder


def load_version(folder: Path, device: str = "auto", allow_leaks: bool = False) -> Version:
    """Read a version; RegistryError when a file is missing or the contents are not those its id was made from.

    LeakError where it, or the run it comes from, reads the future on purpose: only who measures that may
    ``allow_leaks``, never who trades.
    """
    try:
        outer = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        arrays = load_file(folder / "weights.safetensors")
        scaler = folder / "scaler.safetensors"
        version = Version(
            outer["version"], arrays, Scaler.from_arrays(load_file(scaler)) if scaler.is_file() else None, device
        )
        leaks = dict.fromkeys([*version.leaks, *outer["leaks"]])
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise RegistryError(f"version {folder}: not a complete version folder ({error}); copy it again") from None
    if version.id != outer["id"] or folder.name != outer["id"]:
        raise RegistryError(
            f"version {folder}: the contents hash to {version.id}, expected {outer['id']}; they were changed after "
            f"writing: restore the folder or train anew"
        )
    if not allow_leaks:
        refuse_leaks(f"version {folder}", list(leaks))
    return version


def refuse_leaks(what: str, leaks: Sequence[str]) -> None:
    """LeakError where ``what`` reads the future on purpose."""
    if leaks:
        raise LeakError(
            f"{what}: reads the future on purpose ({', '.join(leaks)}), to measure what that gains; expected a model "
            f"that does not: take the run without that variant, or pass allow_leaks=True to measure, never to trade"
        )


def _contiguous(arrays: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    return {key: np.ascontiguousarray(value) for key, value in arrays.items()}
