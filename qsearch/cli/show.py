"""``qsearch show``: what a run found."""

import json
from pathlib import Path

import click

from qsearch.cli.runs import find_run, runs_option
from qsearch.cli.summary import as_json, as_text, summary_of


@click.command()
@click.argument("run", metavar="RUN")
@runs_option
@click.option("--json", "json_", is_flag=True, help="Summary, frontier and settings as JSON.")
def show(run: str, runs: Path, json_: bool) -> None:
    """Print the summary of RUN (a name or a path), also while it runs."""
    found = find_run(run, runs)
    summary = summary_of(found)
    click.echo(json.dumps(as_json(found, summary), indent=2) if json_ else as_text(found, summary))
