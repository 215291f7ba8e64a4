"""``qsearch board``: a page that follows runs as they go."""

import time
from pathlib import Path

import click

from qsearch.cli import completion
from qsearch.cli.run_names import find_runs, look_option, runs_option
from qsearch.run.comparable import check_comparable

SHARE = 10.0
"""Reading and writing take at most one of so many seconds: a large run is looked at less often."""


@click.command()
@click.argument("run", metavar="RUN...", shell_complete=completion.runs, nargs=-1, required=True)
@look_option
@runs_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="An .html file; its data is put beside it.  [default: board.html in the first run's folder]",
)
@click.option(
    "--every",
    type=click.FloatRange(min=1.0),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Look for new trials, and have the page look, so often at most.",
)
def board(run: tuple[str, ...], like_quality: int | None, runs: Path, out: Path | None, every: float) -> None:
    """Follow RUN, or several runs measured alike, on a page in the browser while they search.

    It shows how far they are, the frontier, and the best table so far, and needs no network and no server: the page
    reads a file beside it that this command writes when trials were added. It ends when all runs have; Ctrl-C ends
    it before, not the search.
    """
    from qsearch.report.board import Board

    found = find_runs(run, runs, like_quality)
    check_comparable(found)
    out = out or found[0].path / "board.html"
    page = Board(found, out, every)
    told = False
    try:
        while True:
            begun = time.monotonic()
            ended = page.refresh()
            if not told:
                click.echo(f"open {out.resolve().as_uri()}")
                told = True
            if ended:
                click.echo("all trials are done.")
                return
            time.sleep(max(every, SHARE * (time.monotonic() - begun)))
    except KeyboardInterrupt:
        click.echo("no longer watched; the search is not touched.", err=True)
    finally:
        page.close()
