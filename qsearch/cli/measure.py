"""``qsearch measure``: one more measure for a finished run."""

from functools import partial
from pathlib import Path

import click

from qsearch.cli import completion
from qsearch.cli.options import trust_option, workers_option
from qsearch.cli.progress import INTERRUPTED, Progress
from qsearch.cli.run_names import find_run, runs_option
from qsearch.evaluation.measures import MEASURES
from qsearch.run.measuring import add_measures
from qsearch.run.validation import validations


@click.command()
@click.argument("run_", metavar="RUN", shell_complete=completion.runs)
@click.option("--add", "names", multiple=True, required=True, metavar="MEASURE", help=f"{', '.join(MEASURES.names())}.")
@click.option("--validations", "with_validations", is_flag=True, help="Measure RUN's validations too.")
@trust_option
@workers_option
@runs_option
@click.pass_context
def measure(
    ctx: click.Context,
    /,
    run_: str,
    names: tuple[str, ...],
    with_validations: bool,
    trust_pickle: bool,
    workers: int | None,
    executor: str,
    timeout_s: float | None,
    runs: Path,
) -> None:
    """Add measures to the trials that RUN has, and to those that it makes from now on.

    Each table is encoded again, and what comes out must equal what was recorded. Interrupted or killed, the same
    command goes on where it stopped.
    """
    run = find_run(run_, runs)
    for each in [run, *(validations(run) if with_validations else [])]:
        try:
            with Progress() as progress:
                measured = add_measures(
                    each,
                    names,
                    workers=workers,
                    executor=executor,
                    timeout_s=timeout_s,
                    trust_pickle=trust_pickle,
                    on_progress=partial(progress, f"measuring {each.name}"),
                )
        except KeyboardInterrupt:
            click.echo("interrupted; give the same command again to go on.", err=True)
            ctx.exit(INTERRUPTED)
        click.echo(f"{each.path}: {', '.join(names)} added to {measured} tables")
