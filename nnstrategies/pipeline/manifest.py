"""manifest.json: what a reader of the run folder needs to know about where its figures come from."""

from __future__ import annotations

import dataclasses
import datetime as dt
import shlex
from typing import Any

from nnstrategies.brokers.slippage import BpsSlippage, NoSlippage, TickSlippage
from nnstrategies.config import recipe_tree, to_tree
from nnstrategies.features import left_out
from nnstrategies.market.book import sureness
from nnstrategies.market.read import read_book
from nnstrategies.pipeline.folder import code_versions
from nnstrategies.pipeline.run import Run
from nnstrategies.pipeline.tasks import Task
from nnstrategies.report.stamp import LEAKY
from nnstrategies.settings import MAIN
from nnstrategies.training.device import resolve_device
from nnstrategies.training.version import leaks_of

PRICE_INDEX = "The benchmark is a price index: it leaves dividends out, the equal-weight portfolio contains them."
NO_BENCHMARK = (
    "The data has no benchmark: its column is zero, so beta, alpha, tracking error and information ratio against it "
    "mean nothing; compare with equal weight, or add a table with data.benchmark."
)
SIMULATED = (
    "The market is simulated and far more predictable than any real one: the run shows that the machinery works, "
    "not that money can be made."
)
CONSTANT = "Slippage is the same for small and large orders; large orders would pay more."


def write_manifest(run: Run, strategy: str | None = None) -> None:
    """Write manifest.json; called when training is complete and again after the backtest."""
    config, panel, (first, last) = run.config, run.panel, run.test_rows
    simulated = run.market.truth is not None
    seconds = run.folder.read_json("seconds.json") if run.folder.has("seconds.json") else {}
    leaky = leaks(run)
    own = (
        [f"{config.headline} was traded by {strategy}, every other portfolio by RebalanceStrategy."] if strategy else []
    )
    manifest = {
        "name": config.name,
        "title": config.title or config.name,
        "created": dt.datetime.now().isoformat(timespec="seconds"),
        **code_versions(),
        "data": {
            "name": panel.name,
            "source": run.market.source,
            "fingerprint": panel.fingerprint,
            "first": str(panel.sessions[0]),
            "last": str(panel.sessions[-1]),
            "symbols": panel.N,
            "sessions": panel.T,
            "repairs": list(run.market.findings),
        },
        "features": {"hash": run.feature_set.hash, "names": list(run.feature_set.names)},
        "label": {"kind": config.label.kind, "horizon_days": config.label.holding.most_days},
        "tasks": _what_is_learned(run),
        "test": {"first": str(panel.sessions[first]), "last": str(panel.sessions[last])},
        "headline": config.headline,
        "judged": run.judged,
        "leaks": leaky,
        "published": dataclasses.asdict(config.published) if config.published else None,
        "periods": {name: [str(day) for day in period] for name, period in config.periods.items()},
        "portfolios": {name: dataclasses.asdict(portfolio) for name, portfolio in config.portfolios.items()},
        "strategy": strategy or "RebalanceStrategy",
        "command": _command(run, strategy),
        "benchmark": {"name": run.market.benchmark, "kind": "price index"},
        **_market(run),
        "device": str(resolve_device(config.device)),
        "seconds": seconds,
        "cautions": [
            *own,
            PRICE_INDEX if "benchmark" in panel.series else NO_BENCHMARK,
            *([SIMULATED] if simulated else []),
            *run.market.cautions,
            *(line for task in _tasks(run) for line in left_out(task.settings.features, task.panel)),
            *([LEAKY.format(", ".join(leaky))] if leaky else []),
            *([CONSTANT] if isinstance(config.slippage, NoSlippage | BpsSlippage | TickSlippage) else []),
        ],
    }
    run.folder.write_json("manifest.json", manifest)


def _what_is_learned(run: Run) -> dict[str, Any]:
    """By task: its recipes and over how many sessions neighbouring labels overlap; 1 from rebalance to rebalance."""
    tasks = {MAIN: run.config.main_task, **run.config.tasks}
    return {
        name: {
            "recipes": list(task.recipes),
            "overlap_days": task.label.horizon_days if task.label.horizon == "days" else 1,
        }
        for name, task in tasks.items()
    }


def _tasks(run: Run) -> list[Task]:
    return [run.task(name) for name in (MAIN, *run.config.tasks)]


def leaks(run: Run) -> list[str]:
    """What of a run reads the future on purpose: features, scalers, screens and the universe, by name."""
    features = [name for task in _tasks(run) for name in task.features.leaky]
    recipes = dict(run.config.recipes)
    for name, recipe in run.config.recipes.items():
        recipes |= {f"{name}.{key}": one for key, one in getattr(recipe, "members", {}).items()}
    day = getattr(run.config.data, "leaky_members_on", None)
    return [
        *features,
        *(f"{leak} of {name}" for name, recipe in recipes.items() for leak in leaks_of(recipe_tree(recipe))),
        *([f"leaky_members_on {day}"] if day else []),
    ]


def _market(run: Run) -> dict[str, Any]:
    """The rule book, what of it in the test span is not official, and the costs, slippage and account settings."""
    book, tree, (first, last) = read_book(run.config.market), to_tree(run.config), run.test_rows
    days = run.panel.sessions
    return {
        "costs": tree["costs"],
        "market": {
            "book": run.config.market,
            "title": book.title,
            "unsure": sureness(book, days[first].item(), days[last].item()),
            "slippage": tree["slippage"],
            "account": tree["account"],
        },
    }


def _command(run: Run, strategy: str | None) -> str:
    again = f"nnstrategies run {shlex.quote(str(run.folder.path / 'config.yaml'))}"
    return f"{again} && nnstrategies backtest --strategy {shlex.quote(strategy)}" if strategy else again
