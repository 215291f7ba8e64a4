"""The history plot: the best so far over trials or evaluations, a line and a band per strategy."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qsearch.analysis.bootstrap import Floats
from qsearch.analysis.history import Axis
from qsearch.evaluation.objective import Objective
from qsearch.report.axes import DEFAULT_LOOK, INK, Look, add_legend, label_values, new_figure, style_of
from qsearch.run.histories import Traces

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

X_LABELS: dict[Axis, str] = {"trials": "trials", "evaluations": "images that networks read"}


def plot_history(
    found: Sequence[Traces], subtitle: str, objective: Objective, by: Axis, look: Look = DEFAULT_LOOK
) -> "Figure":
    """What the picks by ``objective`` gain: bytes at an equal value of it (of cross-entropy for top-1), and points.

    Solid on the images searched, dashed on a validation's where it measured the pick, and a star there for the pick
    that was confirmed when the search had ended. A line is the median over seeds, and a band goes from their lower to
    their upper quartile. ``subtitle`` says what was measured. Bytes are left out where no run measured what they are
    saved at.
    """
    bands = [(each, each.band(by)) for each in found]
    panels = [
        (f"bytes saved at equal {objective.smooth.name}, in %", [one.saving_percent for _, one in bands]),
        ("top-1 gained at equal ratio, in points", [one.gain_points for _, one in bands]),
    ]
    validation = [[one.validation_saving_percent for _, one in bands], [one.validation_gain_points for _, one in bands]]
    shown = [place for place in (0, 1) if place == 1 or any(np.isfinite(each).any() for each in panels[0][1])]
    title = f"The best so far, picked by {objective.title}"
    size = (8.0, 5.2) if len(shown) == 1 else (6.4, 4.8)
    figure, all_axes = new_figure(title, subtitle, columns=len(shown), size=size, look=look)
    for axes, place in zip(all_axes, shown, strict=True):
        axes.axhline(0, color=INK, linewidth=1, linestyle=":", label="standard curve")
        label, searched = panels[place]
        for index, (each, one) in enumerate(bands):
            colour, _ = style_of(index)
            _draw(axes, one.x, searched[index], _called(each), color=colour, linewidth=1.5)
            if any(traced.validation is not None for traced in each.runs):
                dashed = {"color": colour, "linewidth": 1.2, "linestyle": "--", "marker": ".", "markersize": 5}
                _draw(axes, one.x, validation[place][index], f"{each.name}, on validation images", **dashed)
                _mark_taken(axes, each, by, place, f"{each.name}, confirmed pick on validation images", colour)
        axes.set_xlim(left=0)
        axes.set_xlabel(X_LABELS[by])
        label_values(axes, label)
    add_legend(all_axes[:1], 8.5)
    return figure


def _called(traces: Traces) -> str:
    if len(traces.runs) == 1:
        return f"{traces.name}: run {traces.runs[0].run.name}"
    return f"{traces.name}: median of {len(traces.runs)} seeds"


def _mark_taken(axes: "Axes", traces: Traces, by: Axis, place: int, label: str, colour: str) -> None:
    """A star for each confirmed pick that the validation measured, where the search ended."""
    marks = []
    for each in traces.runs:
        there = None if each.taken is None else each.taken.validation
        if there is not None:
            marks.append((int(each.history.x(by)[-1]), (there.saving_percent, there.gain_points)[place][0]))
    known = [mark for mark in marks if np.isfinite(mark[1])]
    if known:
        x, y = zip(*known, strict=True)
        style: dict[str, Any] = {"markersize": 13, "markeredgecolor": INK, "markeredgewidth": 0.7, "clip_on": False}
        axes.plot(x, y, linestyle="none", marker="*", color=colour, label=label, zorder=4, **style)


def _draw(axes: "Axes", x: npt.NDArray[np.int64], quartiles: Floats, label: str, **style: Any) -> None:
    """The median of ``quartiles`` [3, m] at ``x`` [m] as steps, and a band between the other two."""
    low, median, high = quartiles
    axes.plot(x, median, drawstyle="steps-post", label=label, **style)
    if (high > low).any():
        axes.fill_between(x, low, high, step="post", color=style["color"], alpha=0.15, linewidth=0)
