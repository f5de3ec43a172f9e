"""A run's folder on disk: every file is written whole or not at all."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import yaml

import nnstrategies
from nnstrategies.errors import RunFolderError

PACKAGES = (
    "backtrader",
    "torch",
    "pandas",
    "numpy",
    "TA-Lib",
    "scikit-learn",
    "scipy",
    "empyrical-reloaded",
    "pyfolio-reloaded",
)


class RunFolder:
    """``runs/<time>-<name>/`` and what is read from and written to it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, root: Path, name: str, now: dt.datetime) -> RunFolder:
        """Make a new folder; a number is added when two runs of one name start in the same second."""
        stem = f"{now:%Y%m%d-%H%M%S}-{name}"
        for attempt in range(1, 1000):
            path = root / (stem if attempt == 1 else f"{stem}-{attempt}")
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise RunFolderError(
                    f"run folder {path}: cannot be made: {error.strerror}; choose another with --runs"
                ) from None
            return cls(path)
        raise RunFolderError(f"run folder {root / stem}: a thousand of that name exist")

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run folder; raises RunFolderError when it is none of ours."""
        if not (path / "config.yaml").is_file():
            raise RunFolderError(
                f"run folder {path}: expected a folder with config.yaml, as 'nnstrategies run' writes it"
            )
        return cls(path)

    @classmethod
    def latest(cls, root: Path) -> RunFolder:
        """The newest run below ``root`` whose training is complete."""
        runs = sorted(path.parent for path in root.glob("*/evidence.json"))
        if not runs:
            raise RunFolderError(f"{root}: no trained runs here yet; start one with 'nnstrategies run quickstart'")
        return cls(runs[-1])

    def has(self, *names: str) -> bool:
        return all((self.path / name).exists() for name in names)

    def write_json(self, name: str, value: Any) -> None:
        text = json.dumps(value, indent=1, default=_jsonable, allow_nan=False, ensure_ascii=False)
        with _whole(self.path / name) as beside:
            beside.write_text(text + "\n", encoding="utf-8")

    def read_json(self, name: str) -> Any:
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunFolderError(f"run folder {self.path}: {name} is missing; the run did not get that far") from None
        except ValueError:
            raise RunFolderError(f"run folder {self.path}: {name} is not valid JSON; start the run again") from None

    def write_yaml(self, name: str, tree: Mapping[str, Any]) -> None:
        with _whole(self.path / name) as beside:
            beside.write_text(yaml.safe_dump(dict(tree), sort_keys=False, allow_unicode=True), encoding="utf-8")

    def write_frame(self, name: str, frame: pd.DataFrame) -> None:
        """Write ``<name>.parquet``; equal frames give equal bytes."""
        with _whole(self.path / f"{name}.parquet") as beside:
            frame.to_parquet(beside, index=False)

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def read_frame(self, name: str) -> pd.DataFrame:
        try:
            return pd.read_parquet(self.path / f"{name}.parquet")
        except FileNotFoundError:
            raise RunFolderError(
                f"run folder {self.path}: {name}.parquet is missing; the run did not get that far"
            ) from None
        except (OSError, pyarrow.ArrowInvalid) as error:
            raise RunFolderError(
                f"run folder {self.path}: {name}.parquet is damaged ({error}); start a new run"
            ) from None


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A path beside ``target`` that takes its place when the block ends well, and vanishes when it does not."""
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        yield beside
        os.replace(beside, target)
    except OSError as error:
        raise RunFolderError(
            f"{target}: cannot be written: {error.strerror or error}; free some space or mend the folder"
        ) from None
    finally:
        beside.unlink(missing_ok=True)


def _jsonable(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dt.date | np.datetime64 | pd.Timestamp):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def code_versions() -> dict[str, Any]:
    """Versions of this package, Python and the packages that decide figures, and the commit in a checkout."""
    return {
        "code": {"nnstrategies": nnstrategies.__version__, "python": platform.python_version(), "git": _commit()},
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def _commit() -> str | None:
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    git = ["git", "-C", str(root)]
    try:
        head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=10)
        dirty = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if head.returncode:
        return None
    return head.stdout.strip() + ("-modified" if dirty.stdout.strip() else "")
