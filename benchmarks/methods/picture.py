"""The picture of the comparison: each search a dot, each strategy's median a bar."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qsearch.report.axes import COLOURS, INK

PANELS = {
    "hypervolume": "hypervolume",
    "gain_points": "gain in points,\nimages searched",
    "unseen_gain_points": "gain in points,\nother images",
}


HOPELESS = -5.0
"""Percentage points of top-1."""


def draw(frame: pd.DataFrame, path: Path) -> None:
    """Writes the picture of ``frame`` (one row per search) to ``path``."""
    order = frame.groupby("strategy")["hypervolume"].median().sort_values().index.tolist()
    figure = Figure(figsize=(9, 0.38 * len(order) + 1.4), layout="constrained")
    for axes, (column, title) in zip(figure.subplots(1, len(PANELS), sharey=True), PANELS.items(), strict=True):
        for height, name in enumerate(order):
            values = frame.loc[frame["strategy"] == name, column]
            axes.scatter(values, [height] * len(values), s=18, color=COLOURS[0], alpha=0.7, linewidths=0)
            axes.plot([values.median()] * 2, [height - 0.3, height + 0.3], color=INK, linewidth=2)
        if column != "hypervolume":
            axes.axvline(0, color=INK, linewidth=0.8, linestyle="--")
            _leave_out_the_hopeless(axes, frame, column, order)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_yticks(range(len(order)), order)
        axes.grid(axis="x", color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def _leave_out_the_hopeless(axes: Axes, frame: pd.DataFrame, column: str, order: list[str]) -> None:
    """Shows the range of the strategies whose median is near 0 or above; of the others the median is written."""
    medians = frame.groupby("strategy")[column].median()
    shown = frame[frame["strategy"].isin(medians.index[medians > HOPELESS])][column]
    axes.set_xlim(shown.min() - 0.3, shown.max() + 0.3)
    for height, name in enumerate(order):
        if medians[name] <= HOPELESS:
            axes.text(shown.min() - 0.2, height, f"median {medians[name]:.1f}", va="center", fontsize=8, color=INK)
