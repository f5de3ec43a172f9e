"""The command line. Exit codes are those of ``nnstrategies.errors``; 130 after Ctrl-C."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnstrategies import __version__
from nnstrategies.errors import ConfigError, NNStrategiesError

if TYPE_CHECKING:
    from nnstrategies.pipeline import Run
    from nnstrategies.settings import RunConfig

EPILOG = (
    "Exit codes: 0 done, 1 unexpected error, 2 config or usage, 3 data, 4 a model cannot be fitted, 5 stored model, "
    "6 run folder, 7 a leak was found, 130 interrupted."
)

app = typer.Typer(
    name="nnstrategies",
    help="Neural predictors inside ordinary backtrader strategies: from market data to a tear sheet.\n\n"
    "Start with 'nnstrategies run': it simulates a market, trains, trades and writes a report.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Look at market data before anything is trained on it.", no_args_is_help=True)
app.add_typer(data_app, name="data")

Config = Annotated[
    str, typer.Argument(help="A YAML file, or the name of a config that ships: quickstart, csi300, those of 'systems'.")
]
NewConfig = Annotated[
    str | None,
    typer.Argument(
        help="A YAML file, or the name of a config that ships: quickstart (when left out), csi300, those of "
        "'systems'. Not with --resume."
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one key, such as costs.fee_bps=5. May be repeated."),
]
Runs = Annotated[Path, typer.Option("--runs", help="Folder that holds the run folders.")]
RunPath = Annotated[Path | None, typer.Argument(help="A run folder; the newest below --runs when left out.")]
Resume = Annotated[Path | None, typer.Option("--resume", help="Go on with an interrupted run folder.")]
RUNS = Path("runs")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"nnstrategies {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if debug:
        os.environ["NNSTRATEGIES_DEBUG"] = "1"


def _config(name: str, overrides: list[str] | None) -> RunConfig:
    from nnstrategies.config import read_config

    return read_config(name, overrides or [])


@contextmanager
def _resumable(run: Run, command: str = "run") -> Iterator[None]:
    """After Ctrl-C, say how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        typer.secho(f"interrupted; 'nnstrategies {command} --resume {run.folder.path}' goes on from here", err=True)
        raise typer.Exit(130) from None


def _begun(
    config: str | None,
    overrides: list[str] | None,
    runs: Path,
    resume: Path | None,
    needs: str = "name",
    fast: bool = False,
    variants: Sequence[str] | None = (),
) -> Run:
    """A new run, or the one to go on with; ConfigError where the config lacks the section it ``needs`` or a variant.

    variants: those that will be run too; None is all.
    """
    from nnstrategies import pipeline
    from nnstrategies.config import fast as shortened

    if resume is None:
        named = config or "quickstart"
        chosen = _config(named, overrides)
        chosen = shortened(chosen) if fast else chosen
        if getattr(chosen, needs) is None:
            raise ConfigError(f"{named}: has no section {needs}; add one, see docs/{needs}.md")
        pipeline.check_variants(chosen, variants or ())
        wanted = list(chosen.variants) if variants is None else variants
        return pipeline.start(chosen, runs, lambda run: pipeline.check_variants_on(run, wanted))
    given = [*([config] if config else []), *(f"--set {one}" for one in overrides or []), *(["--fast"] * fast)]
    given += [f"--runs {runs}"] * (runs != RUNS)
    if given:
        raise ConfigError(
            f"--resume {resume}: a run that is gone on with keeps its own config and folder, got {', '.join(given)}; "
            f"leave that out, or start a new run without --resume"
        )
    run = pipeline.reopen(resume)
    pipeline.check_variants(run.config, variants or ())
    return run


@app.command()
def run(
    config: NewConfig = None,
    overrides: Set = None,
    runs: Runs = RUNS,
    resume: Resume = None,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="Fewer seeds, epochs, search trials and refits on shuffled labels (5); everything else stays.",
        ),
    ] = False,
    variants: Annotated[
        bool,
        typer.Option("--variants", help="Then run the config's variants, such as a paper's leaks, as further rows."),
    ] = False,
    chosen: Annotated[
        list[str] | None, typer.Option("--variant", metavar="NAME", help="Only this variant. May be repeated.")
    ] = None,
) -> None:
    """Train, backtest and report in one go."""
    from nnstrategies import pipeline

    folder = _begun(config, overrides, runs, resume, fast=fast, variants=chosen or (None if variants else ()))
    named = "".join(f" --variant {name}" for name in chosen or ())
    with _resumable(folder, f"run{named or (' --variants' if variants else '')}"):
        pipeline.train(folder)
        pipeline.trade(folder)
        if variants or chosen:
            pipeline.run_variants(folder, chosen)
        pipeline.report(folder)


@app.command()
def train(config: Config = "quickstart", overrides: Set = None, runs: Runs = RUNS) -> None:
    """Fit every recipe over the walk-forward, score the test span, weigh the evidence. Makes a run folder."""
    from nnstrategies import pipeline

    folder = _begun(config, overrides, runs, resume=None)
    with _resumable(folder):
        pipeline.train(folder)


@app.command()
def backtest(
    run_folder: RunPath = None,
    runs: Runs = RUNS,
    strategy: Annotated[
        str | None,
        typer.Option(
            "--strategy", metavar="FILE.py:CLASS", help="Trade the headline's scores with your own RebalanceStrategy."
        ),
    ] = None,
) -> None:
    """Trade a trained run's scores, again if need be, and rebuild its report."""
    from nnstrategies import pipeline

    folder = pipeline.reopen(run_folder, runs)
    pipeline.trade(folder, strategy, again=True)
    pipeline.report(folder)


@app.command()
def explain(
    run_folder: RunPath = None,
    runs: Runs = RUNS,
    recipes: Annotated[
        list[str] | None, typer.Option("--recipe", metavar="NAME", help="Only this recipe's. May be repeated.")
    ] = None,
) -> None:
    """Measure in full what a run's models look at, by permutation and gradients, and rebuild its report."""
    from nnstrategies import pipeline

    folder = pipeline.reopen(run_folder, runs)
    pipeline.explain_in_full(folder, recipes)
    pipeline.report(folder)


@app.command()
def report(run_folder: RunPath = None, runs: Runs = RUNS) -> None:
    """Rebuild report.html and metrics.json from a run folder alone."""
    from nnstrategies import pipeline

    pipeline.report(pipeline.reopen(run_folder, runs))


@app.command()
def search(config: NewConfig = None, overrides: Set = None, runs: Runs = RUNS, resume: Resume = None) -> None:
    """Search a recipe's settings as of the session before the test, and list every trial. Makes a run folder."""
    from nnstrategies import pipeline

    folder = _begun(config, overrides, runs, resume, needs="search")
    with _resumable(folder, "search"):
        pipeline.search(folder)


@app.command()
def trials(runs: Runs = RUNS) -> None:
    """Count every trial of every search and run below --runs, and what that does to the best of them."""
    from nnstrategies import pipeline

    for line in pipeline.trials(runs):
        typer.echo(line)


@app.command()
def leakcheck(
    config: Config = "quickstart",
    overrides: Set = None,
    features: Annotated[
        str | None,
        typer.Option("--features", metavar="FILE.py:NAME", help="Your own FeatureSet, in place of the config's."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", metavar="FILE.py:NAME", help="Your own recipe, in place of the config's."),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option("--strategy", metavar="FILE.py:CLASS", help="Your own RebalanceStrategy."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only what needs no fit and no backtest.")] = False,
    dates: Annotated[int, typer.Option("--dates", help="Random dates in each stage.")] = 3,
    seed: Annotated[int, typer.Option("--seed", help="Of the dates and the noise.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Write leakcheck.json and leakcheck.txt there.")
    ] = None,
) -> None:
    """Audit features, labels, recipes and a strategy for looks into the future; exit code 7 when one is found."""
    from nnstrategies.pipeline.leakcheck import Asked, leakcheck

    leakcheck(_config(config, overrides), Asked(features, recipe, strategy, quick, dates, seed), out)


@app.command()
def systems() -> None:
    """List the five published systems and what of each can be run."""
    from nnstrategies.systems import table

    typer.echo(table())


@data_app.command("check")
def data_check(
    config: Config = "quickstart",
    overrides: Set = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Write findings.txt and the tables behind it into this folder."),
    ] = None,
) -> None:
    """Load a config's data, print what was found and repaired and what trades outside its limits, and stop."""
    from nnstrategies import pipeline

    pipeline.check_data(_config(config, overrides), out)


def main() -> None:
    """Entry point: errors meant for users become one line on stderr and their own exit code."""
    try:
        app()
    except NNStrategiesError as error:
        if os.environ.get("NNSTRATEGIES_DEBUG"):
            raise
        typer.secho(f"{type(error).__name__}: {error}", fg=typer.colors.RED, err=True)
        sys.exit(error.exit_code)
    except Exception as error:
        if os.environ.get("NNSTRATEGIES_DEBUG"):
            raise
        said = f"unexpected {type(error).__name__}: {error}; 'nnstrategies --debug COMMAND' shows where"
        typer.secho(said, fg=typer.colors.RED, err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
