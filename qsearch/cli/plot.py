"""``qsearch plot``: runs as pictures."""

from pathlib import Path

import click

from qsearch.cli.runs import check_comparable, find_run, runs_option
from qsearch.cli.summary import measured_on


@click.command()
@click.argument("run", metavar="RUN...", nargs=-1, required=True)
@runs_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A .png, .svg or .pdf file.  [default: pareto.png in the first run's folder]",
)
@click.option("--window", nargs=2, type=float, metavar="LOW HIGH", help="Zoom in on these rates.")
def plot(run: tuple[str, ...], runs: Path, out: Path | None, window: tuple[float, float] | None) -> None:
    """Draw all trials, the frontier and the standard curve of one run, or of several on top of each other."""
    from qsearch.report.plots import plot_frontiers, save_figure

    found = [find_run(name, runs) for name in run]
    check_comparable(found)
    out = out or found[0].path / "pareto.png"
    save_figure(plot_frontiers([each.results() for each in found], measured_on(found[0]), window), out)
    click.echo(f"wrote {out}")
