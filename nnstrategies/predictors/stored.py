"""The models of a finished run, from its folder: what a backtest used, and what paper and live trading would."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from nnstrategies.errors import RunFolderError
from nnstrategies.training.registry import load_version, refuse_leaks
from nnstrategies.training.timeline import Entry, Timeline
from nnstrategies.training.version import Version


def stored_timelines(folder: Path, device: str = "auto", allow_leaks: bool = False) -> dict[tuple[str, int], Timeline]:
    """(recipe, seed) -> timeline, from the run folder's timeline.json and its versions.

    LeakError where the run's manifest, or a version, says that it reads the future on purpose: whatever uses models
    outside the run that measured the leak leaves ``allow_leaks`` as it is. RunFolderError for a file that is not there,
    RegistryError for a damaged version.
    """
    if not allow_leaks:
        refuse_leaks(f"run {folder}", _read(folder / "manifest.json")["leaks"])
    timelines: dict[tuple[str, int], Timeline] = {}
    loaded: dict[str, Version] = {}
    for row in _read(folder / "timeline.json"):
        name = row["version"]
        if name not in loaded:
            loaded[name] = load_version(folder / "versions" / name, device, allow_leaks)
        since, asof = (dt.date.fromisoformat(row[key]) for key in ("effective_from", "asof"))
        entry = Entry(since, loaded[name], asof, row["decision"])
        timelines.setdefault((row["recipe"], int(row["seed"])), Timeline()).append(entry)
    return timelines


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path}: expected the JSON of a finished run ({error}); train it first") from None
