"""Plots: trials, frontiers and the standard curve as figures (PNG, SVG, PDF)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qsearch.analysis.results import Results, measured
from qsearch.errors import DiskError, InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8F7A00", "#6A3D9A")
"""Okabe and Ito's palette (colour-blind safe), then two darker ones; runs differ by marker too."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LABELLED_QUALITIES = (10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 95, 100)
FORMATS = (".png", ".svg", ".pdf")


def plot_frontiers(runs: Sequence[Results], subtitle: str, window: tuple[float, float] | None = None) -> "Figure":
    """All trials, their frontiers and the standard curve with its qualities (Li 2020, Figures 2, 5 and 6).

    ``runs`` share dataset, classifier and codec; the first one's standard curve is drawn. ``subtitle`` says what was
    measured. ``window`` (rates) zooms in.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(8, 5.2), layout="constrained")
    axes = figure.add_subplot()
    for index, results in enumerate(runs):
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
        axes.scatter(results.rate, results.top1, s=9, marker=marker, color=colour, alpha=0.25, linewidths=0)
        axes.plot(
            [measured(trial).rate for trial in results.frontier],
            [measured(trial).top1 for trial in results.frontier],
            drawstyle="steps-pre",
            marker=marker,
            markersize=4,
            linewidth=1.4,
            color=colour,
            label=f"{results.name}: frontier of {len(results.done)} trials",
        )
    _draw_standard(axes, runs[0])
    _set_limits(axes, runs, window)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel("compression rate (raw RGB bytes / JPEG bytes)")
    axes.set_ylabel("top-1 accuracy")
    axes.set_title("Quantization tables: accuracy against rate", loc="left", fontsize=12, fontweight="bold", pad=22)
    axes.text(0, 1.02, subtitle, transform=axes.transAxes, fontsize=8.5, color="#555555")
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    return figure


def _draw_standard(axes: "Axes", results: Results) -> None:
    points = sorted(results.standard.items())
    axes.plot(
        [measurement.rate for _, measurement in points],
        [measurement.top1 for _, measurement in points],
        color="#222222",
        marker="x",
        markersize=5,
        linewidth=1.2,
        linestyle="--",
        label="standard tables, by quality",
    )
    for quality, measurement in points:
        if quality in LABELLED_QUALITIES:
            axes.annotate(
                str(quality),
                (measurement.rate, measurement.top1),
                textcoords="offset points",
                xytext=(-4, -11),
                ha="center",
                fontsize=7.5,
                color="#222222",
                clip_on=True,
            )


def _set_limits(axes: "Axes", runs: Sequence[Results], window: tuple[float, float] | None) -> None:
    if window is None:
        return
    low, high = window
    seen = [
        (measurement.rate, measurement.top1)
        for results in runs
        for measurement in (*map(measured, results.done), *results.standard.values())
        if low <= measurement.rate <= high
    ]
    if not seen:
        rates = [rate for results in runs for rate in results.rate]
        ends = f"they go from {min(rates):.1f} to {max(rates):.1f}" if rates else "there are none yet"
        raise InputError(f"no point has a rate from {low} to {high}: {ends}.")
    accuracies = [top1 for _, top1 in seen]
    margin = max(0.005, 0.06 * (max(accuracies) - min(accuracies)))
    axes.set_xlim(low, high)
    axes.set_ylim(min(accuracies) - margin, max(accuracies) + margin)


def save_figure(figure: "Figure", path: Path) -> None:
    """Writes ``figure`` in the format of the suffix. InputError for another one, DiskError where the disk refuses."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"a plot is written as {', '.join(FORMATS)}, got {path.name!r}.")
    try:
        figure.savefig(path, dpi=160, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
    except OSError as error:
        raise DiskError(f"{path} cannot be written ({error}): is the folder there, and may you write to it?") from error
