"""The rate-distortion plot: PSNR against bits per pixel of tables scaled over qualities (Luo 2021)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qsearch.analysis.rate_distortion import RateDistortion
from qsearch.report.axes import DEFAULT_LOOK, INK, PSNR_LABEL, Look, add_legend, new_figure, style_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_rate_distortion(curves: Sequence[RateDistortion], subtitle: str, look: Look = DEFAULT_LOOK) -> "Figure":
    """One line per curve, the standard tables (the first one) dashed; ``subtitle`` says what was measured."""
    figure, (axes,) = new_figure("Quantization tables: PSNR against bits per pixel", subtitle, look=look)
    for index, each in enumerate(curves):
        colour, marker = style_of(index - 1) if index else (INK, "x")
        axes.plot(
            [point.bpp for point in each.points],
            [point.psnr_db for point in each.points],
            color=colour,
            marker=marker,
            markersize=4,
            linewidth=1.3,
            linestyle="-" if index else "--",
            label=each.name,
        )
    axes.set_xlabel("bits per pixel")
    axes.set_ylabel(PSNR_LABEL)
    add_legend([axes], 9)
    return figure
