"""The finished trials of one search, in an Optuna journal: one line each, so that a kill loses the one in progress."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

from nnstrategies.errors import RegistryError
from nnstrategies.search.propose import distributions, quiet_optuna
from nnstrategies.search.settings import SearchSettings
from nnstrategies.search.space import Space
from nnstrategies.search.trial import Trial

_STATES = {"complete": "COMPLETE", "pruned": "PRUNED", "impossible": "FAIL"}


class Journal:
    """A file that Optuna's own tools read, such as its dashboard. Its study is named after what is searched.

    RegistryError for a file of another search, or one that cannot be read.
    """

    def __init__(self, path: Path, name: str, space: Space, settings: SearchSettings) -> None:
        self._path = path
        self._space = space
        self._study = self._open(name, "maximize" if settings.sign > 0 else "minimize")

    def trials(self) -> list[Trial]:
        """Trials in order."""
        return [Trial.from_json(one.user_attrs["trial"]) for one in self._study.get_trials(deepcopy=False)]

    def append(self, trial: Trial) -> None:
        """Add a trial: one line, on disk when this returns."""
        with quiet_optuna() as optuna:
            self._study.add_trial(
                optuna.trial.create_trial(
                    state=optuna.trial.TrialState[_STATES[trial.state]],
                    params=dict(trial.params),
                    distributions=distributions(self._space),
                    value=trial.value if trial.state == "complete" else None,
                    intermediate_values={i: fold.value for i, fold in enumerate(trial.folds)},
                    user_attrs={"trial": trial.to_json()},
                )
            )

    def _open(self, name: str, direction: str) -> Any:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with quiet_optuna() as optuna:
            from optuna.storages import JournalStorage
            from optuna.storages.journal import JournalFileBackend

            lock = _FileLock(self._path.with_suffix(".lock"))
            _drop_torn_line(self._path)
            try:
                storage = JournalStorage(JournalFileBackend(str(self._path), lock))  # type: ignore[arg-type]
                found = optuna.get_all_study_names(storage)
            except (ValueError, KeyError) as error:
                raise RegistryError(
                    f"search journal {self._path}: not readable ({error}); delete it to search anew"
                ) from None
            if found and found != [name]:
                raise RegistryError(
                    f"search journal {self._path}: belongs to another search ({', '.join(found)}), expected {name}; "
                    f"delete it to search anew, or take another folder"
                )
            return optuna.create_study(storage=storage, study_name=name, direction=direction, load_if_exists=True)


class _FileLock:
    """The operating system's lock: unlike Optuna's own, it ends with the process that holds it.

    It has the two methods that Optuna calls; the class it would descend from is not public.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def acquire(self) -> bool:
        self._file = os.open(self._path, os.O_CREAT | os.O_RDWR)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _drop_torn_line(path: Path) -> None:
    """Cut off a last line that a kill left unfinished: Optuna would add the next one to it."""
    if not path.is_file():
        return
    text = path.read_bytes()
    whole = text.rfind(b"\n") + 1
    if whole < len(text):
        with path.open("r+b") as file:
            file.truncate(whole)
