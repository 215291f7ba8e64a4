"""``qsearch measure``: one more measure for a finished run, and all images for tables that a race stopped."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from qsearch.cli import completion
from qsearch.cli.options import trust_command_option, trust_option, workers_option
from qsearch.cli.progress import INTERRUPTED, Progress
from qsearch.cli.run_names import find_run, runs_option
from qsearch.evaluation.measures import MEASURES
from qsearch.run.measuring import add_measures, complete_trials
from qsearch.run.validation import validations


@click.command()
@click.argument("run_", metavar="RUN", shell_complete=completion.runs)
@click.option("--add", "names", multiple=True, metavar="MEASURE", help=f"{', '.join(MEASURES.names())}.")
@click.option(
    "--complete", "labels", multiple=True, metavar="TRIAL", help="Show the rest of the images to this stopped trial."
)
@click.option("--validations", "with_validations", is_flag=True, help="Measure RUN's validations too.")
@trust_option
@trust_command_option
@workers_option
@runs_option
@click.pass_context
def measure(
    ctx: click.Context,
    /,
    run_: str,
    names: tuple[str, ...],
    labels: tuple[str, ...],
    with_validations: bool,
    trust_pickle: bool,
    trust_command: bool,
    workers: int | None,
    executor: str,
    timeout_s: float | None,
    runs: Path,
) -> None:
    """Add measures to the trials that RUN has, and to those that it makes from now on; complete stopped trials.

    For a measure each table is encoded again, and what comes out must equal what was recorded. A trial that a race
    stopped sees the images that it has not seen, and is then as good as any other. Interrupted or killed, the same
    command goes on where it stopped.
    """
    if not names and not labels:
        raise click.UsageError("say what to measure: --add MEASURE for all trials, or --complete TRIAL.", ctx)
    run = find_run(run_, runs)
    how: dict[str, Any] = {
        "workers": workers,
        "executor": executor,
        "timeout_s": timeout_s,
        "trust_pickle": trust_pickle,
        "trust_command": trust_command,
    }
    if labels:
        with _going_on(ctx) as progress:
            completed = complete_trials(run, labels, **how, on_progress=partial(progress, f"completing {run.name}"))
        click.echo(f"{run.path}: {completed} trials completed")
    if not names:
        return
    for each in [run, *(validations(run) if with_validations else [])]:
        with _going_on(ctx) as progress:
            measured = add_measures(each, names, **how, on_progress=partial(progress, f"measuring {each.name}"))
        click.echo(f"{each.path}: {', '.join(names)} added to {measured} tables")


@contextmanager
def _going_on(ctx: click.Context) -> Iterator[Progress]:
    """Progress of work that the same command goes on with where it is interrupted."""
    try:
        with Progress() as progress:
            yield progress
    except KeyboardInterrupt:
        click.echo("interrupted; give the same command again to go on.", err=True)
        ctx.exit(INTERRUPTED)
