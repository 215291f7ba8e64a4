"""``qsearch show``: what a run found."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from qsearch.cli.runs import find_run, runs_option
from qsearch.cli.summary import as_json, as_text, found_by
from qsearch.cli.validated import as_lines, validated


@click.command()
@click.argument("run", metavar="RUN")
@runs_option
@click.option("--json", "json_", is_flag=True, help="Summary, frontier, validations and settings as JSON.")
def show(run: str, runs: Path, json_: bool) -> None:
    """Print the summary of RUN (a name or a path), also while it runs, and what its validations say of its picks."""
    shown = find_run(run, runs)
    found = found_by(shown)
    rows = validated(shown, found)
    if json_:
        click.echo(json.dumps({**as_json(shown, found), "validated": [asdict(row) for row in rows]}, indent=2))
    else:
        click.echo("\n".join([as_text(shown, found), *as_lines(rows)]))
