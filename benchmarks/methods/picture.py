"""The picture of the comparison: for each strategy what it would have taken home after so many trials."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from qsearch.report.axes import COLOURS, INK, PALE_INK

GAINS = {
    "unseen_gain_points": ("other images", COLOURS[0]),
    "gain_points": ("images searched", COLOURS[1]),
}
COLUMNS = 3
HOPELESS = -5.0
"""Percentage points of top-1: what lies lower is beyond the axis, and its last median is written instead."""


def draw(frame: pd.DataFrame, warm_up: int, path: Path) -> None:
    """Writes the picture of ``frame`` (one row per search and number of trials) to ``path``.

    A panel per strategy: the median over the seeds and a band from the smallest to the largest, over trials. The grey
    line is sorted random search on the other images, the dotted one the end of the warm-up.
    """
    names = sorted(frame["strategy"].unique())
    rows = -(-len(names) // COLUMNS)
    figure = Figure(figsize=(10, 2.4 * rows + 0.8), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    common = frame[frame["strategy"] == "sorted-random"].groupby("trials")["unseen_gain_points"].median()
    shown = frame[list(GAINS)].clip(lower=HOPELESS)
    for axes, name in zip(panels, names, strict=False):
        axes.plot(common.index, common, color="#bbbbbb", linewidth=2)
        for column, (label, colour) in GAINS.items():
            spread = frame[frame["strategy"] == name].groupby("trials")[column].agg(["median", "min", "max"])
            axes.fill_between(spread.index, spread["min"], spread["max"], color=colour, alpha=0.18, linewidth=0)
            axes.plot(spread.index, spread["median"], color=colour, linewidth=1.6, label=label)
            if spread["median"].iloc[-1] < HOPELESS:
                text = f"median {spread['median'].iloc[-1]:.1f} on {label}"
                place = 0.08 if column == "gain_points" else 0.2
                axes.text(0.04, place, text, transform=axes.transAxes, fontsize=8, color=colour)
        axes.axhline(0, color=INK, linewidth=0.8, linestyle="--")
        axes.axvline(warm_up, color=PALE_INK, linewidth=0.8, linestyle=":")
        axes.set_title(name, loc="left", fontsize=10)
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylim(float(shown.min().min()) - 0.3, float(shown.max().max()) + 0.3)
    panels[0].legend(fontsize=8, frameon=False)
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    figure.supxlabel("trials, warm-up included", fontsize=10)
    figure.supylabel("gain in points at the ratio of quality 50", fontsize=10)
    figure.savefig(path, dpi=130)
