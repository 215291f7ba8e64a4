"""Plots: trials, frontiers and the standard curve as figures (PNG, SVG, PDF)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qsearch.analysis.results import Results, measured
from qsearch.disk import replacing
from qsearch.errors import InputError
from qsearch.report.axes import (
    draw_standard,
    mark_of,
    new_figure,
    ratio_axis,
    standard_points,
    style_of,
    top1_axis,
    zoom,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
LETTERS: dict[Any, Any] = {"pdf.fonttype": 42, "svg.fonttype": "none"}
"""Matplotlib's settings for letters that stay letters: TrueType in PDF, as conferences ask, and text in SVG."""


def plot_frontiers(runs: Sequence[Results], subtitle: str, window: tuple[float, float] | None = None) -> "Figure":
    """All trials, their frontiers and the standard curve with its qualities (Li 2020, Figures 2, 5 and 6).

    ``runs`` share dataset, classifier and codec; the first one's standard curve is drawn. ``subtitle`` says what was
    measured. ``window`` (ratios) zooms in.
    """
    figure, (axes,) = new_figure("Quantization tables: accuracy against ratio", subtitle)
    for index, results in enumerate(runs):
        colour, marker = style_of(index)
        axes.scatter(results.ratio, results.top1, s=9, marker=marker, color=colour, alpha=0.25, linewidths=0)
        axes.plot(
            [measured(trial).ratio for trial in results.frontier],
            [measured(trial).top1 for trial in results.frontier],
            drawstyle="steps-pre",
            marker=marker,
            linewidth=1.4,
            color=colour,
            **mark_of(index),
            label=f"{results.name}: frontier of {len(results.done)} trials",
        )
    standard = standard_points(runs[0])
    draw_standard(axes, standard, "standard tables, by quality")
    trials = [point for results in runs for point in zip(results.ratio, results.top1, strict=True)]
    zoom(axes, [*trials, *(point for _, point in standard)], window, least_margin=0.005)
    ratio_axis(axes)
    top1_axis(axes)
    axes.legend(frameon=False, fontsize=9)
    return figure


def save_figure(figure: "Figure", path: Path) -> None:
    """Writes ``figure`` in the format of the suffix. InputError for another one, DiskError where the disk refuses."""
    from matplotlib import rc_context

    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"a plot is written as {', '.join(FORMATS)}, got {path.name!r}.")
    with rc_context(LETTERS), replacing(path) as file:
        figure.savefig(file, format=suffix[1:], dpi=160, metadata={"Date": None} if suffix == ".svg" else None)
