"""A recipe refitted through time, once for each seed: one function per refit, mapped over the rows of a plan."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from threadpoolctl import threadpool_limits

from nnstrategies.calendar import Calendar
from nnstrategies.samples import Samples
from nnstrategies.training.device import resolve_device
from nnstrategies.training.jobs import run_jobs
from nnstrategies.training.plan import RefitPlan
from nnstrategies.training.progress import Progress, Tick
from nnstrategies.training.recipe import Incumbent, Recipe, with_setting
from nnstrategies.training.timeline import KEPT, PROMOTED, Entry, Timeline

RecipeAt = Callable[[int], Recipe]  # row of asof -> the recipe with the settings that were known by then


class Store(Protocol):
    """Keeps finished refits, so that an interrupted walk-forward repeats only what was unfinished."""

    def load(self, recipe: Recipe, seed: int, asof: dt.date) -> Entry | None: ...

    def save(self, recipe: Recipe, seed: int, entry: Entry, seconds: float) -> None: ...

    def resumable(self, recipe: Recipe, seed: int, asof: dt.date) -> Recipe:
        """The recipe told where to keep the state of this unfinished fit."""


def update(
    samples: Samples,
    calendar: Calendar,
    recipe: Recipe,
    seed: int,
    asof: int,
    incumbent: Incumbent | None = None,
    progress: Progress | None = None,
) -> Entry:
    """One refit on what was known at the close of row ``asof``: the entry in force from the session after.

    A backtest maps it over the rows of a plan beforehand; live calls it once a month. Pure.
    """
    with threadpool_limits(1):
        version = recipe.fit(samples, asof, seed, incumbent, progress)
    kept = incumbent is not None and version.id == incumbent.version.id
    return Entry(next_session(calendar, asof), version, _day(calendar, asof), KEPT if kept else PROMOTED)


def chain(
    samples: Samples,
    calendar: Calendar,
    recipe_at: RecipeAt,
    seed: int,
    plan: RefitPlan,
    rows: Sequence[int],
    progress: Progress | None = None,
    store: Store | None = None,
) -> list[Entry]:
    """One seed's refits as of ``rows``, which depend on each other: one of ``plan.chains``."""
    entries: list[Entry] = []
    before: Recipe | None = None
    for asof in rows:
        recipe, day = recipe_at(asof), _day(calendar, asof)
        found = store.load(recipe, seed, day) if store else None
        if found is None:
            # Other settings give another network, which cannot start from the version in force or be held against it.
            follows = bool(entries) and plan.follows and recipe == before
            incumbent = Incumbent(entries[-1].version, plan.start == "warm", plan.gate) if follows else None
            report = _Placed(progress, plan.rows.index(asof), len(plan.rows)) if progress else None
            placed = store.resumable(recipe, seed, day) if store else recipe
            started = time.perf_counter()
            found = update(samples, calendar, placed, seed, asof, incumbent, report)
            if store:
                store.save(recipe, seed, found, time.perf_counter() - started)
        entries.append(found)
        before = recipe
    return entries


def walk_forward(
    samples: Samples,
    calendar: Calendar,
    recipe: Recipe | RecipeAt,
    seeds: Sequence[int],
    plan: RefitPlan | Sequence[int],
    workers: int = 1,
    progress: Progress | None = None,
    device: str | None = None,
    store: Store | None = None,
) -> dict[int, Timeline]:
    """Fit ``recipe`` as of each row of ``plan``, for each seed; return a timeline per seed.

    Each version is in force from the session after its row. Chains of refits that do not depend on each other are jobs
    of their own: with workers > 1 they run in processes, with the same results to the last bit. recipe may be a
    function of the row, for settings that a search found through time. device overrides the recipe's own. Whatever
    refits on a GPU runs in this process.
    """
    plan = plan if isinstance(plan, RefitPlan) else RefitPlan(tuple(plan))
    recipe_at = recipes_on(recipe, device)
    jobs = [(seed, rows) for seed in seeds for rows in plan.chains(calendar)]

    def job(number: int, report: Progress | None) -> list[Entry]:
        seed, rows = jobs[number]
        return chain(samples, calendar, recipe_at, seed, plan, rows, report, store)

    alone = needs_gpu(recipe_at(plan.rows[0]))
    done = run_jobs(job, len(jobs), 1 if alone else workers, progress)
    return {
        seed: Timeline(
            entry for (owner, _), entries in zip(jobs, done, strict=True) if owner == seed for entry in entries
        )
        for seed in seeds
    }


def recipes_on(recipe: Recipe | RecipeAt, device: str | None) -> RecipeAt:
    """The recipe of each row, on ``device`` where it has one."""
    if callable(recipe):
        at = recipe
        return lambda asof: on_device(at(asof), device)
    fixed = on_device(recipe, device)
    return lambda asof: fixed


def on_device(recipe: Recipe, device: str | None) -> Recipe:
    """The recipe with another device, where it has one."""
    return recipe if device is None else with_setting(recipe, "device", device)


def needs_gpu(recipe: Recipe) -> bool:
    """Whether fitting happens on a GPU, which a forked process cannot use."""
    inner = [*getattr(recipe, "members", {}).values(), *([recipe.recipe] if hasattr(recipe, "recipe") else [])]
    if inner:  # of an ensemble for each symbol, the members of the ensemble
        return any(needs_gpu(one) for one in inner)
    return resolve_device(getattr(recipe, "device", "cpu")).type == "cuda"


def next_session(calendar: Calendar, row: int) -> dt.date:
    """The session after ``row``; past the calendar's end, the next day, before which nothing can trade."""
    return _day(calendar, row + 1) if row + 1 < len(calendar) else _day(calendar, row) + dt.timedelta(days=1)


@dataclass
class _Placed:
    """Says where in the walk-forward a tick belongs."""

    progress: Progress
    fit: int
    fits: int

    def __call__(self, tick: Tick) -> None:
        self.progress(dataclasses.replace(tick, fit=self.fit, fits=self.fits))


def _day(calendar: Calendar, row: int) -> dt.date:
    return calendar.sessions[row].item()
