"""The plot of a table model: what it keeps against bits per pixel, beside the curves that it is to beat."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from qsearch.report.axes import INK, PSNR_LABEL, new_figure, style_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABELS = {"psnr_db": PSNR_LABEL, "loss": "cross-entropy in nats (lower is better)", "top1": "top-1 accuracy"}


def plot_model(series: Mapping[str, Sequence[Mapping[str, float]]], title: str, subtitle: str) -> "Figure":
    """A panel for each of PSNR, loss and top-1 that was measured; in it a line per curve, the standard tables dashed.

    series: by the curve's name, its points: ``bpp`` and values by name.
    """
    shown = [name for name in LABELS if all(name in point for points in series.values() for point in points)]
    figure, panels = new_figure(f"Tables of {title}", subtitle, columns=len(shown), size=(6.4, 5.2))
    for axes, name in zip(panels, shown, strict=True):
        for index, (curve, points) in enumerate(series.items()):
            colour, marker = (INK, "x") if curve == "standard" else style_of(index)
            axes.plot(
                [point["bpp"] for point in points],
                [point[name] for point in points],
                color=colour,
                marker=marker,
                markersize=4,
                linewidth=1.2,
                linestyle="--" if curve == "standard" else "-",
                label=curve,
            )
        axes.set_xscale("log")
        axes.set_xlabel("bits per pixel")
        axes.set_ylabel(LABELS[name])
        axes.legend(frameon=False, fontsize=9)
    return figure
