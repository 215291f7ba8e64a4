"""The distribution plot: how the tables at about one ratio fare against the standard curve (Li 2020, Figure 3)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qsearch.analysis.choice import measured_baseline
from qsearch.analysis.distribution import Distribution, distribution
from qsearch.analysis.results import Results, measured
from qsearch.pareto.bounds import window_around
from qsearch.report.axes import DEFAULT_LOOK, Look, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_BARS = 41
HEADROOM = 1.3
"""How far the axis reaches beyond the highest bar."""
OUTCOMES = (("better", "#0072B2"), ("tied", "#999999"), ("worse", "#D55E00"))
"""What may become of a table, and its colour."""


@dataclass(frozen=True)
class Histogram:
    """Counts per bar: bar b holds gains from edges[b] to edges[b + 1], in percentage points.

    counts: by the names of :data:`OUTCOMES`, each as long as there are bars.
    """

    edges: tuple[float, ...]
    counts: dict[str, tuple[int, ...]]

    @property
    def most(self) -> int:
        """The tables of the highest bar."""
        return max((sum(outcomes) for outcomes in zip(*self.counts.values(), strict=True)), default=0)


def default_window(results: Results) -> tuple[float, float]:
    """The ratios around the standard tables' at ``like_quality``; InputError where that was not measured."""
    return window_around(measured_baseline(results, ", or the ratios with --window LOW HIGH").ratio)


def histogram(found: Distribution, answers: int) -> Histogram:
    """``found`` in bars of equal width from the lowest gain to the highest, one of them centred on 0, by outcome.

    ``answers`` (images times classifiers) set the step of an accuracy; a bar is an odd number of steps wide.
    """
    step = 100 / answers
    gains = np.array(found.gain_points, dtype=np.float64)
    steps = math.ceil(2 * np.abs(gains).max(initial=0.0) / (MOST_BARS * step)) | 1
    width = steps * step
    bars = np.floor(gains / width + 0.5).astype(np.int64)
    first, last = int(bars.min(initial=0)), int(bars.max(initial=0))
    better, worse = gains > step / 2, gains < -step / 2
    outcomes = {"better": better, "tied": ~better & ~worse, "worse": worse}
    counts = {name: np.bincount(bars[outcomes[name]] - first, minlength=last - first + 1) for name, _ in OUTCOMES}
    return Histogram(
        edges=tuple((width * (np.arange(first, last + 2) - 0.5)).tolist()),
        counts={name: tuple(count.tolist()) for name, count in counts.items()},
    )


def plot_distribution(
    runs: Sequence[Results],
    subtitle: str,
    window: tuple[float, float] | None = None,
    look: Look = DEFAULT_LOOK,
) -> "Figure":
    """How many tables of each run in ``window`` (ratios) beat the standard curve, tie with it, and lose.

    The default window is 21/22 to 23/22 of the standard ratio at the first run's ``like_quality``. InputError as
    :func:`qsearch.analysis.distribution.distribution` raises it.
    """
    from matplotlib.ticker import MaxNLocator

    low, high = window = window or default_window(runs[0])
    title = f"Tables of ratios {low:.2f} to {high:.2f}: top-1 above the standard curve"
    figure, all_axes = new_figure(title, subtitle, rows=len(runs), size=(8, 5.2 if len(runs) == 1 else 3.2), look=look)
    highest: list[int] = []
    for axes, results in zip(all_axes, runs, strict=True):
        found = distribution(results, window)
        bars = histogram(found, measured(results.done[0]).ranks.size)
        highest.append(bars.most)
        base = np.zeros(len(bars.edges) - 1)
        for name, colour in OUTCOMES:
            heights = np.array(bars.counts[name])
            label = f"{name}: {getattr(found, name)} of {len(found.labels)}"
            axes.bar(
                bars.edges[:-1], heights, np.diff(bars.edges), base, align="edge", color=colour, label=label, ec="w"
            )
            base += heights
        axes.axvline(0, ymax=1 / HEADROOM, color="#222222", linewidth=1.2, linestyle="--")
        axes.set_ylabel("tables")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        off_curve = f", {found.off_curve} beyond the standard curve's ratios left out" if found.off_curve else ""
        axes.set_title(f"{results.name}{off_curve}", loc="left", fontsize=9.5)
        axes.legend(frameon=False, fontsize=9, loc="upper left", ncols=len(OUTCOMES))
    ends = [end for axes in all_axes for end in axes.get_xlim()]
    for axes in all_axes:  # one scale for all, with room for the legend above the bars
        axes.set_xlim(min(ends), max(ends))
        axes.set_ylim(0, HEADROOM * max(1, *highest))
    all_axes[-1].set_xlabel("top-1 above the standard curve at the table's ratio, in percentage points")
    return figure
