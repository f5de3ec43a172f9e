"""The same run with something changed: a published system's leaks, its sweeps, each with a row beside the run's own."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from nnstrategies.checked import place, suggest
from nnstrategies.config import parse, to_tree
from nnstrategies.errors import ConfigError, NNStrategiesError
from nnstrategies.pipeline.folder import RunFolder
from nnstrategies.pipeline.inputs import FILE, inputs_of
from nnstrategies.pipeline.manifest import leaks
from nnstrategies.pipeline.run import Run, reopen
from nnstrategies.pipeline.tasks import with_settings
from nnstrategies.pipeline.trading import trade
from nnstrategies.pipeline.training import train
from nnstrategies.report import build_report
from nnstrategies.report.forecasts import directions
from nnstrategies.settings import MAIN, RunConfig
from nnstrategies.training import FitStore

log = logging.getLogger(__name__)


def check_variants(config: RunConfig, names: Iterable[str]) -> None:
    """ConfigError for a name that is no variant's, and for a variant, named or not, that is no config."""
    for name in names:
        if name not in config.variants:
            mend = suggest(name, list(config.variants)) if config.variants else "it has no variants"
            raise ConfigError(f"--variant: {name!r} is no variant of config {config.name}; {mend}")
    for name in config.variants:
        config_of(config, name)


def check_variants_on(run: Run, names: Iterable[str]) -> None:
    """Refuse a variant whose test or first fits cannot be, as far as the run's own market and features tell.

    One of other data or other features is checked at its turn.
    """
    for name in names:
        config = config_of(run.config, name)
        if (config.data, config.market) != (run.config.data, run.config.market):
            continue
        try:
            if own := _on_features_of(run, config):
                own.check_test()
        except NNStrategiesError as error:
            raise type(error)(f"variant {name}: {error}") from None


def _on_features_of(run: Run, config: RunConfig) -> Run | None:
    """A run of ``config`` on what ``run`` has loaded and computed; None where it reads other features."""
    known = {(task.settings.subject, task.settings.features): task for task in map(run.task, [MAIN, *run.config.tasks])}
    own = Run(run.folder, config)
    own.market = run.market
    for name, settings in {MAIN: config.main_task, **config.tasks}.items():
        task = known.get((settings.subject, settings.features))
        if task is None:
            return None
        own.take_task(name, with_settings(task, settings))
    return own


def run_variants(run: Run, names: Collection[str] | None = None) -> None:
    """Train, trade and report every variant below the run's folder, and write variants.json beside its own tables.

    names: only these. A finished variant is not run again. One that cannot be run has its error in the row, and the
    others go on. What is fitted as in the run is taken over from it, so that a variant that only trades otherwise fits
    nothing.
    """
    rows = run.folder.read_json("variants.json") if run.folder.has("variants.json") else {}
    for name, variant in run.config.variants.items():
        if names is not None and name not in names:
            continue
        if rows.get(name, {}).get("evidence"):
            log.info("variant %s: complete, not run again", name)
            continue
        row: dict[str, Any] = {"note": variant.note}
        try:
            own = _opened(run.folder.path / "variants" / name, config_of(run.config, name))
            if alike := _alike(run, own):
                FitStore(own.folder.path).adopt(FitStore(run.folder.path), alike)
                log.info("variant %s: takes over the run's fits of %s", name, ", ".join(alike))
            row |= _measured(own)
        except NNStrategiesError as error:
            log.warning("variant %s: %s", name, error)
            row["error"] = str(error)
        rows[name] = row
        ordered = {name: rows[name] for name in run.config.variants if name in rows}
        run.folder.write_json("variants.json", ordered)


def config_of(config: RunConfig, variant: str) -> RunConfig:
    """The run's config with the variant's keys changed, without variants, published figures or folds of its own."""
    chosen = config.variants[variant]
    tree, changes = to_tree(config), chosen.set
    own_folds = any(key.startswith("cross_validation.") for key in changes)  # of which the others stay
    for key in ("variants", "published", *(() if own_folds else ("cross_validation",))):
        tree.pop(key)
    if "market" in changes:
        tree.pop("costs")  # by default those of the book
    if chosen.recipes:
        _keep(tree, set(chosen.recipes))
    for key, value in changes.items():
        place(tree, key, value, f"variants.{variant}.set")
    tree["name"] = f"{config.name}-{variant}"
    tree["title"] = f"{config.title or config.name}: {chosen.note}"
    return parse(tree, f"variant {variant}")


def _keep(tree: dict[str, Any], names: set[str]) -> None:
    """Leave only these recipes in a resolved config, and what can be made of them."""
    for key in ("recipes", "inputs"):
        tree[key] = {name: one for name, one in tree[key].items() if name in names}
    for task in tree["tasks"].values():
        task["recipes"] = [name for name in task["recipes"] if name in names]
    tree["tasks"] = {name: task for name, task in tree["tasks"].items() if task["recipes"]}
    if tree["evidence"]["recipes"] is not None:
        tree["evidence"]["recipes"] = [name for name in tree["evidence"]["recipes"] if name in names]
    if tree["search"] and tree["search"]["recipe"] not in names:
        tree["search"] = None
    parts = ("score", "confirm", "exposure")
    tree["portfolios"] = {
        name: one for name, one in tree["portfolios"].items() if {one[part] for part in parts if one[part]} <= names
    }


def _opened(path: Path, config: RunConfig) -> Run:
    if (path / "config.yaml").is_file():
        return reopen(path)
    path.mkdir(parents=True, exist_ok=True)
    RunFolder(path).write_yaml("config.yaml", to_tree(config))
    return reopen(path)


def _alike(run: Run, own: Run) -> list[str]:
    """The variant's recipes that learn the same labels from the same data, with the same settings, as the run's do."""
    searched = run.config.search is not None or own.config.search is not None
    if searched or run.config.walk_forward != own.config.walk_forward:
        return []
    trained, now = run.folder.read_json(FILE), inputs_of(own)
    if any(trained.get(key) != value for key, value in now.items() if key != "config"):
        return []
    alike = [name for name in own.config.recipes if _learns_alike(run, own, name)]
    return [name for name in alike if _picked_alike(run, own, name, alike)]


def _learns_alike(run: Run, own: Run, name: str) -> bool:
    """Whether a recipe has the same settings, inputs and task, and the same refits where each builds on the last."""
    known, task = run.config.task_of(name)[1], own.config.task_of(name)[1]
    return (
        own.config.recipes[name] == run.config.recipes.get(name)
        and own.config.inputs.get(name) == run.config.inputs.get(name)
        and dataclasses.replace(known, recipes=()) == dataclasses.replace(task, recipes=())
        and (not own.plan_of(name).follows or own.plan_of(name) == run.plan_of(name))
    )


def _picked_alike(run: Run, own: Run, name: str, alike: Collection[str]) -> bool:
    """Whether a recipe that learns from another's picks has the same ones: of the same refits, and mean over seeds."""
    picks = own.config.task_of(name)[1].picks
    if picks is None:
        return True
    same_seeds = run.config.seeds == own.config.seeds or not own.config.recipes[picks.of].seeded
    return picks.of in alike and same_seeds and own.plan_of(picks.of) == run.plan_of(picks.of)


def _measured(run: Run) -> dict[str, Any]:
    """A row: the headline's figures, the evidence of the recipe that orders it, and what reads the future."""
    train(run, explained=())  # the row needs no importance; `explain` measures it later
    trade(run)
    build_report(run.folder.path)
    metrics, evidence = run.folder.read_json("metrics.json"), run.folder.read_json("evidence.json")
    has_forecasts = run.folder.has("forecasts.parquet")
    return {
        "headline": run.config.headline,
        "leaks": leaks(run),
        "metrics": metrics[run.config.headline],
        "evidence": evidence[run.judged],
        "directions": directions(run.folder.read_frame("forecasts"), run.judged) if has_forecasts else {},
        "test": [str(run.panel.sessions[row]) for row in run.test_rows],
    }
