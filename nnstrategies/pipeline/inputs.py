"""What a run is made from, as hashes: all its parts must come from the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

from nnstrategies import __version__
from nnstrategies.errors import ConfigError, RunFolderError
from nnstrategies.pipeline.run import Run

FILE = "inputs.json"
INDEX = "index bars"  # of a model that times the index: in Chinese data a table of its own


def inputs_of(run: Run) -> dict[str, str]:
    """Hashes by name: data, features of every task, bars of the index where one is timed, library, config, code."""
    features = {f"features of task {name}": run.task(name).features.hash for name in run.config.tasks}
    return {
        **_data_of(run),
        "features": run.feature_set.hash,
        **features,
        **_library_of(run),
        "config": hashlib.sha256((run.folder.path / "config.yaml").read_bytes()).hexdigest(),
        "code": __version__,
    }


def check_inputs(run: Run) -> None:
    """Write down what a run begins with; RunFolderError where it is continued with anything else."""
    inputs = inputs_of(run)
    if not run.folder.has(FILE):
        run.folder.write_json(FILE, inputs)
    before = run.folder.read_json(FILE)
    changed = [name for name in {**before, **inputs} if before.get(name) != inputs.get(name)]
    if changed:
        raise RunFolderError(
            f"run folder {run.folder.path}: {' and '.join(changed)} changed since the run began; expected what "
            f"it began with, so that all its parts fit together: restore that or start a new run"
        )


def check_trained_data(run: Run) -> None:
    """RunFolderError for data other than what the run's models were trained on."""
    trained = run.folder.read_json(FILE)
    for name, now in _data_of(run).items():
        if (before := trained.get(name)) != now:
            raise RunFolderError(
                f"run folder {run.folder.path}: its models were trained on {name} {before and before[:12]}, the config "
                f"now loads {now[:12]}; restore the data or start a new run"
            )


def _data_of(run: Run) -> dict[str, str]:
    timed = any(task.subject == "benchmark" for task in run.config.tasks.values())
    return {"data": run.panel.fingerprint, **({INDEX: run.market.index.fingerprint} if timed else {})}


def _library_of(run: Run) -> dict[str, str]:
    path = run.config.search and run.config.search.library
    if not path:
        return {}
    try:
        return {"library": hashlib.sha256(Path(path).read_bytes()).hexdigest()}
    except OSError as error:
        raise ConfigError(f"search: library: {path}: cannot be read ({error.strerror}); name a search.json") from None
