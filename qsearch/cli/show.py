"""``qsearch show``: what a run found."""

import json
from pathlib import Path

import click

from qsearch.cli import completion
from qsearch.cli.frontier import frontier_as_json, frontier_as_text
from qsearch.cli.run_names import find_run, look_option, runs_option
from qsearch.cli.summary import as_json, as_text, validations_as_json, validations_as_lines
from qsearch.run.findings import found_by, validation_picks


@click.command()
@click.argument("run", metavar="RUN", shell_complete=completion.runs)
@look_option
@runs_option
@click.option("--frontier", is_flag=True, help="Print the frontier, table by table, in place of the summary.")
@click.option("--json", "json_", is_flag=True, help="Summary, frontier, validations and settings as JSON.")
def show(run: str, like_quality: int | None, runs: Path, frontier: bool, json_: bool) -> None:
    """Print the summary of RUN (a name or a path), also while it runs, and what its validations say of its picks.

    KB are of 1000 bytes. The frontier are the tables that no other of the run beats in both ratio and what it picks by.
    """
    shown = find_run(run, runs, like_quality)
    if frontier:
        click.echo(json.dumps(frontier_as_json(shown), indent=2) if json_ else frontier_as_text(shown))
        return
    found = found_by(shown)
    rows = validation_picks(shown, found)
    if json_:
        click.echo(json.dumps({**as_json(shown, found), "validations": validations_as_json(rows)}, indent=2))
    else:
        click.echo("\n".join([as_text(shown, found), *validations_as_lines(rows)]))
