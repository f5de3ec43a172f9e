"""The trial ledger: a folder with one immutable file per trial, to which any number of processes may add."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nnstrategies.errors import RunFolderError
from nnstrategies.trials.record import TrialRecord

FOLDER = "trials"  # beside the run folders
_KEY = b"nnstrategies.trial"


@dataclass(frozen=True)
class Contents:
    """Readable trials by time, then id, each once; and the files that cannot be read, with the reason."""

    trials: tuple[TrialRecord, ...]
    damaged: tuple[str, ...]


class TrialLedger:
    """``<runs>/trials/<id>.parquet``: the returns as a table, the rest as JSON in its metadata, a checksum over both.

    A pruned trial's is ``<id>-pruned.parquet``.

    Nothing is ever changed or removed: a trial counts however it ended, or what is reported later would be too good.
    """

    def __init__(self, runs: Path) -> None:
        self.folder = runs / FOLDER

    def add(self, trial: TrialRecord) -> bool:
        """Keep a trial; False where it is known already.

        That changes nothing, unless it was only known as pruned: then what it did in all folds is kept beside.
        The file is written beside and linked in one step, so that a kill leaves it whole or not at all. A damaged file
        in its place is kept under another name. RunFolderError where the folder cannot be written.
        """
        target = self.folder / trial.file
        finished = self.folder / f"{trial.id}.parquet"
        if any(path.exists() and _problem(path) is None for path in (target, finished)):
            return False
        if target.exists():
            _set_aside(target)
        known = any(_problem(path) is None for path in self.folder.glob(f"{trial.id}-*.parquet"))
        beside = self.folder / f".{trial.id}.{uuid.uuid4().hex}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(trial, beside)
            return _placed(beside, target) and not known
        except OSError as error:
            raise RunFolderError(
                f"{target}: cannot be written: {error.strerror or error}; free some space or mend the folder"
            ) from None
        finally:
            with contextlib.suppress(OSError):
                beside.unlink()

    def read(self) -> Contents:
        """Every trial; a file that is damaged is named and left where it is."""
        trials: dict[str, TrialRecord] = {}
        damaged = []
        for path in sorted(self.folder.glob("*.parquet*")):
            found = _read(path) if path.suffix == ".parquet" else "set aside when its trial was made again"
            if isinstance(found, TrialRecord):
                if found.state == "complete" or found.id not in trials:
                    trials[found.id] = found
            else:
                damaged.append(f"{path.name}: {found}")
        return Contents(tuple(sorted(trials.values(), key=lambda trial: (trial.time, trial.id))), tuple(damaged))


def _placed(beside: Path, target: Path) -> bool:
    """Give a written file its name; False where another process was first."""
    try:
        os.link(beside, target)
    except FileExistsError:
        return False
    except OSError:  # a file system without links; the same trial by two processes then has the later one's file
        os.replace(beside, target)
    return True


def _write(trial: TrialRecord, path: Path) -> None:
    table = pa.table({"date": trial.dates.astype("datetime64[s]"), "return": trial.returns})
    told = trial.told()
    told["checksum"] = _checksum(trial)
    with path.open("wb") as file:
        pq.write_table(table.replace_schema_metadata({_KEY: json.dumps(told, allow_nan=False)}), file)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> TrialRecord | str:
    """The trial, or what is wrong with its file."""
    try:
        table = pq.read_table(path)
        told = json.loads((table.schema.metadata or {})[_KEY])
        checksum, stored, version = told.pop("checksum"), told.pop("id"), told.pop("format")
        dates = table.column("date").to_numpy().astype("datetime64[D]")
        trial = TrialRecord(**told, dates=dates, returns=table.column("return").to_numpy())
    except Exception as error:  # whatever a damaged file makes a reader of Parquet, JSON or numbers say
        return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
    if version != 1:
        return f"format {version}, expected 1; read it with the version that wrote it"
    if (trial.id, _checksum(trial)) != (stored, checksum) or path.name != trial.file:
        return "its contents are not those it was written with"
    return trial


def _problem(path: Path) -> str | None:
    found = _read(path)
    return found if isinstance(found, str) else None


def _set_aside(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.replace(path, path.with_name(f"{path.name}.damaged-{uuid.uuid4().hex[:8]}"))


def _checksum(trial: TrialRecord) -> str:
    digest = hashlib.sha256(json.dumps(trial.told(), sort_keys=True, allow_nan=False).encode())
    for array in (trial.dates.astype(np.int64), trial.returns):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
