"""``qsearch show``: what a run found."""

import json
from pathlib import Path

import click

from qsearch.cli.runs import find_run, runs_option
from qsearch.cli.summary import as_json, as_text, found_by


@click.command()
@click.argument("run", metavar="RUN")
@runs_option
@click.option("--json", "json_", is_flag=True, help="Summary, frontier and settings as JSON.")
def show(run: str, runs: Path, json_: bool) -> None:
    """Print the summary of RUN (a name or a path), also while it runs."""
    shown = find_run(run, runs)
    found = found_by(shown)
    click.echo(json.dumps(as_json(shown, found), indent=2) if json_ else as_text(shown, found))
