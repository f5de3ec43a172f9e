"""What a run and its searches leave in the trial ledger beside the run folders."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nnstrategies import __version__
from nnstrategies.config import recipe_tree, to_tree
from nnstrategies.pipeline.run import Run
from nnstrategies.samples import Samples
from nnstrategies.search import Fold, SearchSettings, Trial
from nnstrategies.search.judge import PORTFOLIOS
from nnstrategies.trials import TrialLedger, TrialRecord, standing
from nnstrategies.trials.record import plain

log = logging.getLogger(__name__)

NET = "the strategy, after costs"
_RUN_KEYS = ("walk_forward", "strategy", "market", "costs", "slippage", "account")


def ledger_of(run: Run) -> TrialLedger:
    """The ledger of the folder that holds the run, or the run whose variant it is."""
    above = run.folder.path.parent
    return TrialLedger(above.parents[1] if above.name == "variants" else above)


def record_search(
    run: Run, trial: Trial, candidate: dict[str, Any], samples: Samples, data: str, folds: Sequence[Fold]
) -> bool:
    """Keep one candidate of a search; False where it is known already, or was judged on no fold.

    candidate: kind and settings of its recipe. data: hash of what it was judged on. folds: all that the search has,
    also those that a pruned candidate did not come to: it is the same candidate in a search that finishes it.
    """
    search = run.config.search
    assert search is not None
    if not trial.folds:
        return False
    task, days = run.config.task_of(search.recipe)[1], samples.features.sessions
    identity = {
        "recipe": candidate,
        "data": data,
        "features": samples.features.set_hash,
        "label": {"kind": samples.labels.kind, "horizon_days": samples.labels.horizon_days},
        "window": samples.window,
        "groups": task.groups,
        "measure": task.measure,
        "seeds": [search.seed],
        "folds": [[str(days[row]) for row in (fold.asof, fold.valid.first, fold.valid.last)] for fold in folds],
        "code": __version__,
    }
    values = {search.objective: trial.value, "spread": trial.spread, "rank_ic": trial.rank_ic}
    record = TrialRecord(
        kind="search",
        config=run.config.name,
        recipe=search.recipe,
        identity=identity,
        dates=np.asarray([day for fold in trial.folds for day, _ in fold.returns], dtype="datetime64[D]"),
        returns=np.asarray([value for fold in trial.folds for _, value in fold.returns]),
        span_days=task.label.holding.usual_days,
        portfolio=PORTFOLIOS[task.measure],
        values=values | {"folds": [fold.value for fold in trial.folds]},
        state="complete" if trial.state == "complete" else "pruned",
    )
    return ledger_of(run).add(record)


def record_run(run: Run, returns: pd.DataFrame, strategy: str | None) -> None:
    """Keep every portfolio of a backtest, and say how many were known already.

    returns: date and a column of net daily returns for each. strategy: FILE.py:CLASS that traded the headline.
    """
    judged = run.folder.read_json("evidence.json")

    def record(name: str) -> TrialRecord:
        return TrialRecord(
            kind="run",
            config=run.config.name,
            recipe=name,
            identity=_run_identity(run, name, strategy if name == run.config.headline else None),
            dates=returns["date"].to_numpy(),
            returns=returns[name].to_numpy(),
            span_days=1,
            portfolio=NET,
            values={"rank_ic": judged[run.config.traded[name].score]["rank_ic"]},
        )

    records = {name: record(name) for name in run.config.traded}
    tell([ledger_of(run).add(one) for one in records.values()])
    _write_standing(run, records[run.config.headline])


def _write_standing(run: Run, headline: TrialRecord) -> None:
    """Put down after how many trials the headline was found, and what that leaves of its Sharpe ratio."""
    contents = ledger_of(run).read()
    for line in contents.damaged:
        log.warning("trial ledger: damaged, not counted: %s", line)
    found = standing(headline, [trial for trial in contents.trials if trial.kind == "run"])
    searched = sum(trial.kind == "search" for trial in contents.trials)
    run.folder.write_json("trials.json", plain(found._asdict() | {"searched": searched, "headline": headline.id}))
    if np.isnan(found.sharpe):
        log.info("%s: no Sharpe ratio, its returns do not vary", headline.recipe)
        return
    log.info(
        "%s: Sharpe ratio %.2f a year, found after %d trials of runs (as %.1f independent ones) and %d of searches; "
        "deflated for those of runs, above 0 with probability %.2f",
        *(headline.recipe, found.sharpe, found.trials, found.effective, searched, found.deflated),
    )


def tell(new: Iterable[bool]) -> None:
    """Say how many trials are new; one that was there already counts once."""
    added = list(new)
    known = len(added) - sum(added)
    said = f"; {known} were there already and count once" if known else ""
    log.info("trial ledger: %d new%s", sum(added), said)


def _run_identity(run: Run, name: str, strategy: str | None) -> dict[str, Any]:
    """All that decides a portfolio's returns: not the run's name, nor how many processes made it."""
    config, tree = run.config, to_tree(run.config)
    first, last = run.test_rows
    portfolio = config.traded[name]
    settings = {key: tree[key] for key in _RUN_KEYS}
    digest = hashlib.sha256(json.dumps(plain(settings), sort_keys=True).encode()).hexdigest()[:16]
    return {
        "recipe": {one: _made_of(run, one) for one in portfolio.recipes},
        "portfolio": [portfolio.score, portfolio.confirm, portfolio.exposure, portfolio.hedged],
        "data": run.panel.fingerprint,
        "test": [str(run.panel.sessions[first]), str(run.panel.sessions[last])],
        "config": digest,
        "market": _file_hash(config.market),
        "strategy": [strategy.rpartition(":")[2], _file_hash(strategy.rpartition(":")[0])] if strategy else None,
        "code": __version__,
    }


def _made_of(run: Run, name: str) -> dict[str, Any]:
    """One recipe of a portfolio: its settings, what it sees and learns, and how they were searched."""
    config, search, task = run.config, run.config.search, run.config.task_of(name)[1]
    learns = plain(dataclasses.asdict(task))
    return {
        "settings": candidate_of(recipe_tree(config.recipes[name])),
        "seeds": list(config.seeds if config.recipes[name].seeded else config.seeds[:1]),
        "features": run.samples_of(name).features.set_hash,
        "task": {key: value for key, value in learns.items() if key != "recipes"},
        "picked_by": _made_of(run, task.picks.of) if task.picks else None,
        "search": _searched_by(search) if search and search.recipe == name else None,
    }


def _searched_by(search: SearchSettings) -> dict[str, Any]:
    """How settings were found; a library counts by what it holds, not by where it lies."""
    return dataclasses.asdict(search) | {"library": _file_hash(search.library) if search.library else None}


def candidate_of(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's settings as plain values, without where it, or any member of it, runs."""
    told = {key: value for key, value in tree.items() if key not in ("name", "device", "checkpoints")}
    if "members" in told:
        told["members"] = {name: candidate_of(member) for name, member in told["members"].items()}
    return told


def _file_hash(path: str) -> str | None:
    """What a file of the user's holds; None for a name that is no file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16] if Path(path).is_file() else None
