"""The validation plot: the frontier on the search images against the same tables on others (Li 2020, Figures 7-9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qsearch.analysis.results import Results, measured
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Trial
from qsearch.report.axes import (
    draw_standard,
    new_figure,
    ratio_axis,
    standard_points,
    style_of,
    top1_axis,
    zoom,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_COLUMNS = 2


@dataclass(frozen=True)
class ValidationPair:
    """A run's results and those of one of its validations; ``measured_on`` says on which images that one looked."""

    searched: Results
    validation: Results
    measured_on: str


def plot_validations(
    pairs: Sequence[ValidationPair], subtitle: str, window: tuple[float, float] | None = None
) -> "Figure":
    """A panel per validation: the search frontier, its tables and the standard curve on the validation's images.

    Accuracies on different images differ as a whole: what counts is the distance of tables to the standard curve of the
    same images. InputError without a validation.
    """
    if not pairs:
        raise InputError("no validation is kept with these runs: make one with 'qsearch validate'.")
    columns = min(MOST_COLUMNS, len(pairs))
    rows = -(-len(pairs) // columns)
    size = (8.0, 5.2) if len(pairs) == 1 else (6.4, 4.6)
    figure, panels = new_figure("Search against validation: accuracy against ratio", subtitle, rows, columns, size)
    for axes, pair in zip(panels, pairs, strict=False):
        _draw(axes, pair, window)
    for empty in panels[len(pairs) :]:
        empty.set_visible(False)
    return figure


def validation_by_ratio(validation: Results) -> list[Trial]:
    """The trials of a validation by rising ratio."""
    return sorted(validation.done, key=lambda trial: measured(trial).ratio)


def _draw(axes: "Axes", pair: ValidationPair, window: tuple[float, float] | None) -> None:
    found = validation_by_ratio(pair.validation)
    searched = [(measured(trial).ratio, measured(trial).top1) for trial in pair.searched.frontier]
    validation = [(measured(trial).ratio, measured(trial).top1) for trial in found]
    # Tables on other images are no frontier there: what joins one to the next would mean nothing.
    steps: dict[str, Any] = {"drawstyle": "steps-pre", "linewidth": 1.2}
    for index, (points, join, label) in enumerate(
        (
            (searched, steps, "frontier on the search images"),
            (validation, {"linestyle": "none"}, f"{len(found)} tables on the validation images"),
        )
    ):
        colour, marker = style_of(index)
        axes.plot(*zip(*points, strict=True), marker=marker, markersize=4, color=colour, label=label, **join)
    own_standard, standard = standard_points(pair.searched), standard_points(pair.validation)
    # A colour for each set of images.
    draw_standard(axes, own_standard, "standard tables, search images", style_of(0)[0], named=False)
    draw_standard(axes, standard, "standard tables, validation images", style_of(1)[0])
    everything = [*searched, *validation, *(point for _, point in (*own_standard, *standard))]
    zoom(axes, everything, window, least_margin=0.005)
    ratio_axis(axes)
    top1_axis(axes)
    axes.set_title(f"{pair.searched.name}, validated on {pair.measured_on}", loc="left", fontsize=9)
    axes.legend(frameon=False, fontsize=8.5)
