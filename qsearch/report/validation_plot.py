"""The validation plot: the frontier on the search images against the same tables on others (Li 2020, Figures 7-9)."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qsearch.analysis.results import Results, measured
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Trial
from qsearch.evaluation.objective import Objective
from qsearch.report.axes import (
    DEFAULT_LOOK,
    PLAIN_TITLES,
    X_TITLES,
    Across,
    Look,
    Sizes,
    add_legend,
    draw_standard,
    joining,
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

MOST_COLUMNS = 2
TITLE_LETTERS = 76
"""In a line over a panel."""


@dataclass(frozen=True)
class ValidationPair:
    """A run's results and those of one of its validations; ``measured_on`` says on which images that one looked."""

    searched: Results
    validation: Results
    measured_on: str


def plot_validations(
    pairs: Sequence[ValidationPair],
    subtitle: str,
    window: tuple[float, float] | None = None,
    look: Look = DEFAULT_LOOK,
) -> "Figure":
    """For each validation a panel of top-1, and one of each other objective that a search picks by.

    It shows the search frontier, its tables and the standard curve on the validation's images. Accuracies and losses on
    different images differ as a whole: what counts is the distance of tables to the standard curve of the same images.
    InputError without a validation.
    """
    if not pairs:
        raise InputError("no validation is kept with these runs: make one with 'qsearch validate'.")
    objectives = objectives_of([pair.searched for pair in pairs])
    wanted = [(pair, objective) for pair in pairs for objective in objectives]
    columns = min(MOST_COLUMNS, len(wanted))
    rows = -(-len(wanted) // columns)
    size = (8.0, 5.2) if len(wanted) == 1 else (6.4, 4.6)
    title = "Search against validation: " + " and ".join(PLAIN_TITLES[each] for each in objectives)
    title += f" against {X_TITLES[look.x]}"
    figure, panels = new_figure(title, subtitle, rows, columns, size, look)
    for axes, (pair, objective) in zip(panels, wanted, strict=False):
        _draw(axes, pair, objective, window, look.x)
    for empty in panels[len(wanted) :]:
        empty.set_visible(False)
    add_legend(panels[: len(wanted)], 8.5)
    return figure


def validation_by_ratio(validation: Results) -> list[Trial]:
    """The trials of a validation by rising ratio."""
    return sorted(validation.done, key=lambda trial: measured(trial).ratio)


def _draw(
    axes: "Axes", pair: ValidationPair, objective: Objective, window: tuple[float, float] | None, x: Sizes
) -> None:
    across, there = Across.of(x, pair.searched), Across.of(x, pair.validation)
    searched = [point for _, point in trial_points(pair.searched.frontier, objective)]
    validation = [point for _, point in trial_points(validation_by_ratio(pair.validation), objective)]
    # Tables on other images are no frontier there: what joins one to the next would mean nothing.
    for index, (points, place, join, label) in enumerate(
        (
            (searched, across, joining(pair.searched.objective, objective), "frontier on the search images"),
            (validation, there, {"linestyle": "none"}, f"{len(validation)} tables on the validation images"),
        )
    ):
        colour, marker = style_of(index)
        xs, ys = [x for x, _ in points], [y for _, y in points]
        axes.plot(place(xs), ys, marker=marker, markersize=4, color=colour, label=label, **join)
    own_standard, standard = standard_points(pair.searched, objective), standard_points(pair.validation, objective)
    # A colour for each set of images.
    draw_standard(axes, own_standard, across, "standard tables, search images", style_of(0)[0], named=False)
    draw_standard(axes, standard, there, "standard tables, validation images", style_of(1)[0], objective=objective)
    everything = [*searched, *validation, *(point for _, point in (*own_standard, *standard))]
    zoom(axes, everything, window, zoom_margin(objective), across)
    size_axis(axes, across, window)
    value_axis(axes, objective)
    title = textwrap.fill(f"{pair.searched.name}, validation on {pair.measured_on}", TITLE_LETTERS)
    axes.set_title(title, loc="left", fontsize=9)
