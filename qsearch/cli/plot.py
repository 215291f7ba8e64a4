"""``qsearch plot``: runs as pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from qsearch.cli import completion
from qsearch.cli.pictures import look_options
from qsearch.cli.run_names import find_runs, look_option, runs_option
from qsearch.errors import InputError
from qsearch.registry import nearest_names
from qsearch.report.axes import Look, Sizes
from qsearch.report.wording import measured_on
from qsearch.run.comparable import check_comparable
from qsearch.run.folder import Run
from qsearch.run.validation import validations

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILES = {"frontier": "pareto", "distribution": "distribution", "psnr": "psnr", "validation": "validation"}
"""The kinds of plot, and what their files are called."""


@click.command()
@click.argument("run", metavar="RUN...", shell_complete=completion.runs, nargs=-1, required=True)
@look_option
@runs_option
@click.option(
    "--kind",
    type=click.Choice(list(FILES)),
    default="frontier",
    show_default=True,
    help="Accuracy against ratio; how many tables of about one ratio beat the standard curve; PSNR against ratio (of "
    "runs with --psnr); the frontier against its validations.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A .png, .svg or .pdf file.  [default: pareto.png, or KIND.png, in the first run's folder]",
)
@click.option(
    "--window",
    nargs=2,
    type=float,
    metavar="LOW HIGH",
    help="Only these ratios, whatever --x is.  [default: all; for distribution those around --like-quality's]",
)
@click.option(
    "--x",
    type=click.Choice(get_args(Sizes)),
    help="What files' sizes are drawn as: compression ratio, bits per pixel, or KB of 1000 bytes per image; not for "
    "distribution.  [default: ratio]",
)
@look_options
@click.option("--validation", help="For --kind validation: only the one of this name.  [default: all]")
def plot(
    run: tuple[str, ...],
    like_quality: int | None,
    runs: Path,
    kind: str,
    out: Path | None,
    window: tuple[float, float] | None,
    x: Sizes | None,
    size: tuple[float, float] | None,
    title: str | None,
    validation: str | None,
) -> None:
    """Draw one run, or several on top of each other: all trials, the frontier and the standard curve.

    Other pictures of them are drawn with --kind.
    """
    from qsearch.report.plots import save_figure

    if validation is not None and kind != "validation":
        raise click.UsageError("--validation goes with --kind validation.")
    if x is not None and kind == "distribution":
        raise click.UsageError("the bars of --kind distribution stand over points of top-1: leave --x out.")
    look = Look(title, size, x or "ratio")
    found = find_runs(run, runs, like_quality)
    check_comparable(found)
    out = out or found[0].path / f"{FILES[kind]}.png"
    save_figure(_figure(kind, found, window, validation, look), out)
    click.echo(f"wrote {out}")


def _figure(
    kind: str, found: Sequence[Run], window: tuple[float, float] | None, validation: str | None, look: Look
) -> "Figure":
    results, subtitle = [each.results() for each in found], measured_on(found[0])
    if kind == "psnr":
        from qsearch.report.psnr_plot import plot_psnr

        return plot_psnr(results, subtitle, window, look)
    if kind == "distribution":
        from qsearch.report.distribution_plot import plot_distribution

        return plot_distribution(results, subtitle, window, look)
    if kind == "validation":
        from qsearch.report.validation_plot import ValidationPair, plot_validations

        pairs = [
            ValidationPair(searched, each.results(), measured_on(each))
            for run, searched in zip(found, results, strict=True)
            for each in _validations(run, validation)
        ]
        return plot_validations(pairs, f"Searched on {subtitle}", window, look)
    from qsearch.report.plots import plot_frontiers

    return plot_frontiers(results, subtitle, window, look)


def _validations(run: Run, name: str | None) -> list[Run]:
    """Those of ``run``, or the one called ``name``; InputError where there is none of that name."""
    kept = validations(run)
    if name is None:
        return kept
    chosen = [each for each in kept if each.name == name]
    if not chosen:
        known = [each.name for each in kept]
        raise InputError(f"run {run.name} has no validation {name!r}: {nearest_names(name, known)}")
    return chosen
