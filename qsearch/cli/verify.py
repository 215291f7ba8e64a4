"""``qsearch verify``: whether a run holds what was written."""

import json
from pathlib import Path

import click

from qsearch.cli import completion
from qsearch.cli.run_names import find_run, runs_option
from qsearch.run.verification import problems_of


@click.command()
@click.argument("run_", metavar="RUN", shell_complete=completion.runs)
@runs_option
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@click.pass_context
def verify(ctx: click.Context, /, run_: str, runs: Path, json_: bool) -> None:
    """Check that RUN, its validations and confirmations hold what was written: settings, tables, arrays and sums.

    One line for each problem, and exit status 1 where there is one.
    """
    run = find_run(run_, runs)
    problems = problems_of(run)
    if json_:
        click.echo(json.dumps({"run": run.name, "problems": problems}, indent=2))
    else:
        for line in problems or ["no problem found"]:
            click.echo(line)
    ctx.exit(1 if problems else 0)
