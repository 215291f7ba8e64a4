"""``qsearch report``: runs as one page."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from qsearch.analysis.choice import choose_trial
from qsearch.analysis.results import Results
from qsearch.cli import completion
from qsearch.cli.options import trust_command_option
from qsearch.cli.run_names import find_runs, look_option, runs_option
from qsearch.evaluation.measurement import Trial
from qsearch.export.formats import FORMATS, render
from qsearch.export.provenance import sheet_of
from qsearch.report.exported import ExportedFile
from qsearch.run.comparable import check_comparable
from qsearch.run.folder import Run

OFFERED = ("cjpeg", "json")
"""The formats in which readers of a page may take a table with them."""


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
    write_report(found, out, exported, trust_command=trust_command)
    click.echo(f"wrote {out}")


def exported(run: Run, results: Results, trial: Trial) -> tuple[ExportedFile, ...]:
    """The files that ``qsearch export`` writes of a table, with the commands to do so; no folder of the user's."""
    return tuple(_exported(run, results, trial))


def _exported(run: Run, results: Results, trial: Trial) -> Iterator[ExportedFile]:
    # The command states a table at the run's own quality, whichever the page looks at.
    own = Results(results.name, results.reference, results.search, results.objective, run.settings.search.like_quality)
    sheet = sheet_of(run, own, choose_trial(own, trial.label))
    for format_ in OFFERED:
        name = f"{run.name}-{trial.label}".replace(":", "-") + FORMATS[format_].suffix
        command = ("qsearch", "export", run.name, "--trial", trial.label, "--format", format_, "--out", name)
        yield ExportedFile(format_, name, shlex.join(command), render(sheet, format_).decode())
