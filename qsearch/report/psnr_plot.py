"""The PSNR plot: what the tables of the accuracy frontier do to the pixels (Li 2020, Figure 4)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from qsearch.analysis.results import Results
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Trial
from qsearch.pareto.frontier import frontier
from qsearch.report.axes import (
    DEFAULT_LOOK,
    PLAIN_TITLES,
    PSNR_LABEL,
    X_TITLES,
    Across,
    Look,
    Point,
    add_legend,
    draw_standard,
    mark_of,
    new_figure,
    size_axis,
    style_of,
    zoom,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def psnr_point(measurement: Measurement | None) -> Point | None:
    """(ratio, mean PSNR in dB), or None where that was not measured or an image came out unchanged (infinite PSNR)."""
    psnr_db = None if measurement is None else measurement.mean_psnr_db
    if measurement is None or psnr_db is None or not np.isfinite(psnr_db):
        return None
    return measurement.ratio, psnr_db


def psnr_points(trials: Sequence[Trial]) -> list[Point]:
    """The trials that have such a point."""
    return [point for trial in trials if (point := psnr_point(trial.measurement)) is not None]


def standard_psnr_points(results: Results) -> list[tuple[int, Point]]:
    """(quality, (ratio, PSNR)) of the standard tables, by quality."""
    points = ((quality, psnr_point(each)) for quality, each in sorted(results.standard.items()))
    return [(quality, point) for quality, point in points if point is not None]


def highlighted(results: Results) -> tuple[str, list[Trial]]:
    """The trials to highlight, and what they are: the run's frontier, or the PSNR frontier without a classifier."""
    if results.done and not any(len(trial.measurement.ranks) for trial in results.done if trial.measurement):
        known = [trial for trial in results.done if psnr_point(trial.measurement) is not None]
        ratios, psnrs = zip(*psnr_points(known), strict=True) if known else ((), ())
        return "PSNR frontier", [known[index] for index in frontier(ratios, psnrs)]
    return f"{PLAIN_TITLES[results.objective]} frontier", results.frontier


def plot_psnr(
    runs: Sequence[Results],
    subtitle: str,
    window: tuple[float, float] | None = None,
    look: Look = DEFAULT_LOOK,
) -> "Figure":
    """PSNR against ratio of all trials, with the run's frontier highlighted, and of the standard tables.

    ``runs`` share dataset, classifier and codec. InputError where PSNR was not measured.
    """
    standard = standard_psnr_points(runs[0])
    if not standard and not any(psnr_points(results.done) for results in runs):
        raise InputError(f"run {runs[0].name} did not measure PSNR: make one with 'qsearch run --psnr'.")
    title = f"Quantization tables: PSNR against {X_TITLES[look.x]}"
    figure, (axes,) = new_figure(title, subtitle, look=look)
    across = Across.of(look.x, runs[0])
    for index, results in enumerate(runs):
        colour, marker = style_of(index)
        xs, ys = _columns(psnr_points(results.done))
        axes.scatter(across(xs), ys, s=9, marker=marker, color=colour, alpha=0.25, linewidths=0)
        kind, best = highlighted(results)
        name = f"{results.name}: {kind} of {len(results.done)} trials"
        xs, ys = _columns(psnr_points(best))
        axes.plot(across(xs), ys, marker=marker, color=colour, linestyle="none", **mark_of(index), label=name)
    draw_standard(axes, standard, across, "standard tables, by quality")
    trials = [point for results in runs for point in psnr_points(results.done)]
    zoom(axes, [*trials, *(point for _, point in standard)], window, 0.2, across)
    size_axis(axes, across, window)
    axes.set_ylabel(PSNR_LABEL)
    add_legend([axes], 9)
    return figure


def _columns(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
