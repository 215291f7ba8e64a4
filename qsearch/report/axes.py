"""Axes: what all figures share: palette, markers, titles, the standard curve, a window of ratios."""

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from qsearch.analysis.results import Results, measured
from qsearch.errors import InputError
from qsearch.evaluation.measurement import Measurement, Trial, bpp_of
from qsearch.evaluation.objective import DIVERGENCE, LOSS, TOP1, Objective

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8F7A00", "#6A3D9A")
"""Okabe and Ito's palette (colour-blind safe), then two darker ones; runs differ by marker too."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK = "#222222"
PALE_INK = "#555555"
LABELLED_QUALITIES = (10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 95, 100)
RATIO_LABEL = "compression ratio (raw RGB bytes / JPEG bytes)"
VALUE_LABELS = {
    TOP1: "top-1 accuracy",
    LOSS: "cross-entropy in nats (lower is better)",
    DIVERGENCE: "divergence in nats (lower is better)",
}
PLAIN_TITLES = {TOP1: "accuracy", LOSS: "cross-entropy", DIVERGENCE: "divergence"}
PSNR_LABEL = "mean PSNR in dB"
TITLE_LETTERS_PER_INCH = 8.5
SUBTITLE_LETTERS_PER_INCH = 12.5
LABEL_LETTERS_PER_INCH = 14
SHORTEST_LABEL = 16
AROUND_INCHES = 1.8
"""Of a panel's height, what titles, ticks and a legend below may take."""
NARROW_INCHES = 4.5
NARROW_FONT = 7.5
Sizes = Literal["ratio", "bpp", "bytes"]
"""What the sizes of files are drawn as."""
X_LABELS: dict[Sizes, str] = {
    "ratio": RATIO_LABEL,
    "bpp": "bits per pixel",
    "bytes": "KB per image (1 KB = 1000 bytes)",
}
X_TITLES: dict[Sizes, str] = {"ratio": "ratio", "bpp": "bits per pixel", "bytes": "size"}

Point = tuple[float, float]
"""Ratio, and top-1 (0..1), a loss (nats) or PSNR (dB)."""


@dataclass(frozen=True)
class Look:
    """How a reader wants a figure.

    title: in place of the figure's own, which it has for None; where it is empty, nothing stands above the axes.
    size: width and height in inches, in place of the figure's own.
    x: what sizes are drawn as, where they are the x axis.
    """

    title: str | None = None
    size: tuple[float, float] | None = None
    x: Sizes = "ratio"


DEFAULT_LOOK = Look()


@dataclass(frozen=True)
class Across:
    """The x axis: where a compression ratio stands on it. pixels: of an image on average, which bytes depend on."""

    x: Sizes
    pixels: float

    @classmethod
    def of(cls, x: Sizes, results: Results) -> "Across":
        """That of the images of ``results``."""
        known = (each.measurement for each in (*results.reference, *results.search) if each.measurement is not None)
        return cls(x, next((each.total_pixels / each.images for each in known), 1.0))

    def __call__(self, ratios: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The places of ``ratios``."""
        found = np.asarray(ratios, dtype=np.float64)
        if self.x == "ratio":
            return found
        return bpp_of(1) / found if self.x == "bpp" else 3 * self.pixels / (1000 * found)

    def ends(self, window: tuple[float, float]) -> tuple[float, float]:
        """The ends of a window of ratios, the lower first. InputError where one has no place."""
        if self.x != "ratio" and min(window) <= 0:
            raise InputError(f"a window of ratios goes from a number above 0, got {window[0]:g} to {window[1]:g}.")
        low, high = sorted(self(window).tolist())
        return low, high


def style_of(index: int) -> tuple[str, str]:
    """Colour and marker of the ``index``-th run."""
    return COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]


def mark_of(index: int) -> dict[str, Any]:
    """How the ``index``-th run's marks are drawn: all but the first's open and larger, so that equal points show."""
    if index == 0:
        return {"markersize": 4.0}
    return {"markersize": 4.0 + 2.5 * index, "markerfacecolor": "none", "markeredgewidth": 1.1}


def new_figure(
    title: str,
    subtitle: str,
    rows: int = 1,
    columns: int = 1,
    size: tuple[float, float] = (8, 5.2),
    look: Look = DEFAULT_LOOK,
) -> "tuple[Figure, list[Axes]]":
    """A figure of ``rows`` x ``columns`` axes, each of about ``size`` inches; ``subtitle`` says what was measured."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=look.size or (size[0] * columns, size[1] * rows), layout="constrained")
    title = title if look.title is None else look.title
    if title:
        width = figure.get_figwidth()
        above = textwrap.wrap(title, int(TITLE_LETTERS_PER_INCH * width))
        lines = textwrap.wrap(subtitle, int(SUBTITLE_LETTERS_PER_INCH * width))
        room = "\n" * max(1, len(lines))
        figure.suptitle("\n".join(above) + room, x=0.01, ha="left", fontsize=12, fontweight="bold")
        top = 0.995 - (0.12 + 0.2 * len(above)) / figure.get_figheight()
        figure.text(0.01, top, "\n".join(lines), va="top", fontsize=8.5, color=PALE_INK)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for each in axes:
        each.grid(color="#dddddd", linewidth=0.6)
        each.set_axisbelow(True)
        each.spines[["top", "right"]].set_visible(False)
    return figure, axes


def size_axis(axes: "Axes", across: Across, window: tuple[float, float] | None) -> None:
    """Names the x axis; bits and bytes are spread by their logarithms where there is no ``window``."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xlabel(X_LABELS[across.x])
    if across.x != "ratio" and window is None:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())


def add_legend(panels: "Sequence[Axes]", fontsize: float) -> None:
    """A legend in each of ``panels``, or one of all below them where they are too narrow to hold it."""
    grid, figure = panels[0].get_gridspec(), panels[0].get_figure(root=True)
    assert grid is not None
    assert figure is not None
    if figure.get_figwidth() / grid.ncols >= NARROW_INCHES:
        for axes in panels:
            axes.legend(frameon=False, fontsize=fontsize)
        return
    named: dict[str, Artist] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    figure.legend([*named.values()], [*named], loc="outside lower left", frameon=False, fontsize=NARROW_FONT)


def value_axis(axes: "Axes", objective: Objective) -> None:
    """Names the y axis, for top-1 in per cent."""
    from matplotlib.ticker import PercentFormatter

    label_values(axes, VALUE_LABELS[objective])
    if objective is TOP1:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))


def label_values(axes: "Axes", label: str) -> None:
    """Writes ``label`` along the y axis, in as many lines as the height of the panel takes."""
    grid, figure = axes.get_gridspec(), axes.get_figure(root=True)
    assert grid is not None
    assert figure is not None
    room = figure.get_figheight() / grid.nrows - AROUND_INCHES
    axes.set_ylabel(textwrap.fill(label, max(SHORTEST_LABEL, int(LABEL_LETTERS_PER_INCH * room))))


def draw_standard(
    axes: "Axes",
    points: Sequence[tuple[int, Point]],
    across: Across,
    label: str,
    colour: str = INK,
    *,
    named: bool = True,
    objective: Objective = TOP1,
) -> None:
    """The standard tables as a line through ``points`` by quality, the usual qualities named or not.

    Names stand on the side of the curve where tables are worse by ``objective``.
    """
    axes.plot(
        across([x for _, (x, _) in points]),
        [y for _, (_, y) in points],
        color=colour,
        marker="x",
        markersize=5,
        linewidth=1.2,
        linestyle="--",
        label=label,
    )
    for quality, (ratio, value) in points:
        if named and quality in LABELLED_QUALITIES:
            axes.annotate(
                str(quality),
                (float(across(ratio)), value),
                textcoords="offset points",
                xytext=(-4, -11) if objective.sign > 0 else (-4, 6),
                ha="center",
                fontsize=7.5,
                color=colour,
                clip_on=True,
            )


def draw_uncompressed(axes: "Axes", results: Results, objective: Objective, across: Across) -> None:
    """A line where the images lie as they are, at ``objective``; none where that was not measured.

    It is named where files are smallest, for there tables lie furthest from it.
    """
    if results.uncompressed is None:
        return
    value = objective.shown(objective.value(results.uncompressed))
    if math.isnan(value):
        return
    axes.axhline(value, color=PALE_INK, linewidth=1, linestyle=":")
    said = f"uncompressed {100 * value:.2f} %" if objective is TOP1 else f"uncompressed {value:.4f}"
    end, offset, side = (1, -2, "right") if across.x == "ratio" else (0, 2, "left")
    axes.annotate(
        said,
        (end, value),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        xytext=(offset, 2),
        ha=side,
        fontsize=7.5,
        color=PALE_INK,
        annotation_clip=True,
        clip_on=True,
    )


def objectives_of(runs: Iterable[Results]) -> list[Objective]:
    """What runs are drawn in: top-1, in which all results are stated, and each other objective that one picks by."""
    return list(dict.fromkeys([TOP1, *(results.objective for results in runs)]))


def value_point(measurement: Measurement, objective: Objective = TOP1) -> Point:
    """(ratio, what users know of ``objective``); NaN where it was not measured."""
    return measurement.ratio, objective.shown(objective.value(measurement))


def trial_points(trials: Iterable[Trial], objective: Objective = TOP1) -> list[tuple[Trial, Point]]:
    """Those done trials that have ``objective``, with their points."""
    points = ((trial, value_point(measured(trial), objective)) for trial in trials)
    return [(trial, point) for trial, point in points if not math.isnan(point[1])]


def standard_points(results: Results, objective: Objective = TOP1) -> list[tuple[int, Point]]:
    """(quality, point) of the standard tables, by quality."""
    return sorted((trial.number, point) for trial, point in trial_points(results.standard_trials, objective))


def joining(picked_by: Objective, drawn: Objective) -> dict[str, Any]:
    """How a frontier by ``picked_by`` is joined where ``drawn`` is the y axis: its steps are steps in its own alone."""
    return {"drawstyle": "steps-pre", "linewidth": 1.4} if picked_by is drawn else {"linestyle": "none"}


def zoom_margin(objective: Objective) -> float:
    """The least margin above and below what is zoomed on."""
    return 0.005 if objective is TOP1 else 0.01


def zoom(
    axes: "Axes", points: Iterable[Point], window: tuple[float, float] | None, least_margin: float, across: Across
) -> None:
    """Shows the ratios in ``window`` only, and as much of the y axis as ``points`` there fill.

    InputError for a window that holds no point, naming the ratios there are.
    """
    if window is None:
        return
    low, high = window
    known = list(points)
    inside = [y for x, y in known if low <= x <= high]
    if not inside:
        ratios = [x for x, _ in known]
        ends = f"they go from {min(ratios):.1f} to {max(ratios):.1f}" if ratios else "there are none yet"
        raise InputError(f"no point has a ratio from {low:g} to {high:g}: {ends}.")
    margin = max(least_margin, 0.06 * (max(inside) - min(inside)))
    axes.set_xlim(across.ends(window))
    axes.set_ylim(min(inside) - margin, max(inside) + margin)
