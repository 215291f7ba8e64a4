"""The plot of a shrinking: how good images are against their bytes, at the standard tables and at those found."""

from typing import TYPE_CHECKING

from qsearch.evaluation.measurement import Measurement
from qsearch.report.axes import COLOURS, INK, new_figure
from qsearch.shrink.shrinking import Shrunk

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_shrunk(shrunk: Shrunk, subtitle: str) -> "Figure":
    """The standard tables' curve dashed, the family's solid, and the step from one to the other."""
    settings, confirmed = shrunk.settings, shrunk.confirmed
    yardstick = settings.yardstick

    def place(measurement: Measurement) -> tuple[float, float]:
        value = float(yardstick.values(measurement).mean())
        return measurement.total_bytes / measurement.images / 1000, yardstick.shown(value)

    figure, (axes,) = new_figure(f"As good as standard quality {settings.like_quality}, in fewer bytes", subtitle)
    standard = sorted(map(place, confirmed.standard_points))
    axes.plot(*zip(*standard, strict=True), color=INK, marker="x", linestyle="--", label="standard tables")
    if confirmed.family_points:
        family = sorted(map(place, confirmed.family_points))
        axes.plot(*zip(*family, strict=True), color=COLOURS[0], marker="o", markersize=4, label="the tables found")
    size, value = place(confirmed.standard)
    axes.axhline(value, color=INK, linewidth=0.8, linestyle=":")
    axes.annotate(
        f"quality {settings.like_quality}", (size, value), xytext=(4, 8), textcoords="offset points", fontsize=9
    )
    if not confirmed.falls_back:
        found = place(confirmed.found)
        axes.plot(*found, color=COLOURS[1], marker="s", markersize=8, linestyle="none", label="taken home")
    axes.set_xlabel("KB (1000 bytes) an image")
    better = "lower is better" if yardstick.sign < 0 else "higher is better"
    axes.set_ylabel(f"{yardstick.title}{f' in {yardstick.unit}' if yardstick.unit else ''} ({better})")
    axes.legend(frameon=False, fontsize=9)
    return figure
