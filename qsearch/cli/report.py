"""``qsearch report``: runs as one page."""

from pathlib import Path

import click

from qsearch.cli import completion
from qsearch.cli.options import trust_command_option
from qsearch.cli.run_names import find_runs, look_option, runs_option
from qsearch.run.comparable import check_comparable


@click.command()
@click.argument("run", metavar="RUN...", shell_complete=completion.runs, nargs=-1, required=True)
@look_option
@trust_command_option
@runs_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="An .html file.  [default: report.html in the first run's folder]",
)
def report(run: tuple[str, ...], like_quality: int | None, trust_command: bool, runs: Path, out: Path | None) -> None:
    """Write one web page about RUN, or about several runs that were measured alike.

    It holds the headline, the frontiers to explore, validations, tests, pictures and every setting; it needs no
    network and no other file.
    """
    from qsearch.report.page import write_report

    found = find_runs(run, runs, like_quality)
    check_comparable(found)
    out = out or found[0].path / "report.html"
    click.echo("measuring intervals and encoding pictures ...", err=True)
    write_report(found, out, trust_command=trust_command)
    click.echo(f"wrote {out}")
