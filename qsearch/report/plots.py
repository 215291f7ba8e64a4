"""Plots: trials, frontiers and the standard curve as figures (PNG, SVG, PDF)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qsearch.analysis.results import Results
from qsearch.disk import replacing
from qsearch.errors import InputError
from qsearch.evaluation.objective import TOP1, Objective
from qsearch.report.axes import (
    DEFAULT_LOOK,
    PLAIN_TITLES,
    X_TITLES,
    Across,
    Look,
    add_legend,
    draw_standard,
    draw_uncompressed,
    joining,
    mark_of,
    new_figure,
    objectives_of,
    size_axis,
    standard_points,
    style_of,
    trial_points,
    value_axis,
    zoom,
    zoom_margin,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
LETTERS: dict[Any, Any] = {"pdf.fonttype": 42, "svg.fonttype": "none"}
"""Matplotlib's settings for letters that stay letters: TrueType in PDF, as conferences ask, and text in SVG."""


def plot_frontiers(
    runs: Sequence[Results],
    subtitle: str,
    window: tuple[float, float] | None = None,
    look: Look = DEFAULT_LOOK,
) -> "Figure":
    """All trials, their frontiers and the standard curve with its qualities (Li 2020, Figures 2, 5 and 6).

    In top-1 and, beside it, in each other objective that a run picks by. ``runs`` share dataset, classifier and codec;
    the first one's standard curve is drawn, and what its images are uncompressed. ``subtitle`` says what was measured.
    ``window`` (ratios) zooms in.
    """
    objectives = objectives_of(runs)
    size = (8.0, 5.2) if len(objectives) == 1 else (6.4, 5.2)
    title = "Quantization tables: " + " and ".join(PLAIN_TITLES[each] for each in objectives)
    title += f" against {X_TITLES[look.x]}"
    figure, panels = new_figure(title, subtitle, columns=len(objectives), size=size, look=look)
    for axes, objective in zip(panels, objectives, strict=True):
        _draw_frontiers(axes, runs, objective, window, Across.of(look.x, runs[0]))
    add_legend(panels, 9)
    return figure


def _draw_frontiers(
    axes: "Axes",
    runs: Sequence[Results],
    objective: Objective,
    window: tuple[float, float] | None,
    across: Across,
) -> None:
    drawn = []
    for index, results in enumerate(runs):
        colour, marker = style_of(index)
        values = objective.sign * objective.of_trials(results.done)
        drawn += list(zip(results.ratio, values, strict=True))
        axes.scatter(across(results.ratio), values, s=9, marker=marker, color=colour, alpha=0.25, linewidths=0)
        best = trial_points(results.frontier, objective)
        by = "" if results.objective is TOP1 else f" by {results.objective.title}"
        axes.plot(
            across([x for _, (x, _) in best]),
            [y for _, (_, y) in best],
            marker=marker,
            color=colour,
            **mark_of(index),
            **joining(results.objective, objective),
            label=f"{results.name}: frontier of {len(results.done)} trials{by}",
        )
    standard = standard_points(runs[0], objective)
    draw_standard(axes, standard, across, "standard tables, by quality", objective=objective)
    draw_uncompressed(axes, runs[0], objective, across)
    known = [point for point in drawn if not math.isnan(point[1])]
    zoom(axes, [*known, *(point for _, point in standard)], window, zoom_margin(objective), across)
    size_axis(axes, across, window)
    value_axis(axes, objective)


def save_figure(figure: "Figure", path: Path) -> None:
    """Writes ``figure`` in the format of the suffix. InputError for another one, DiskError where the disk refuses."""
    from matplotlib import rc_context

    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"a plot is written as {', '.join(FORMATS)}, got {path.name!r}.")
    with rc_context(LETTERS), replacing(path) as file:
        figure.savefig(file, format=suffix[1:], dpi=160, metadata={"Date": None} if suffix == ".svg" else None)
