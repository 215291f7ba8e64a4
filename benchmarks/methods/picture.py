"""The picture of the comparison: what each choice saves on images that no search saw, a panel per ratio."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from qsearch.report.axes import COLOURS, INK, PALE_INK

CHOICES = {
    "pick": ("the confirmed pick", "o", COLOURS[0]),
    "pick of its own": ("the same among what it found itself", "s", COLOURS[2]),
    "best on the images searched": ("the best on the images searched", "x", COLOURS[1]),
    "learned": ("learned for accuracy", "D", COLOURS[3]),
    "mean-of-all": ("the average of all tables", "+", PALE_INK),
}


def draw(frame: pd.DataFrame, path: Path) -> None:
    """Writes the picture of ``frame`` (a row per search, or control, and choice) to ``path``.

    A mark per seed; the dashed line is the standard tables, the dotted one the best control.
    """
    ratios = sorted(frame["ratio"].unique(), reverse=True)
    names = sorted(frame.loc[frame["choice"] != "control", "strategy"].unique())
    figure = Figure(figsize=(4.2 * len(ratios) + 1.6, 0.42 * len(names) + 2.0), layout="constrained")
    panels = figure.subplots(1, len(ratios), sharey=True, squeeze=False)[0]
    for axes, ratio in zip(panels, ratios, strict=True):
        here = frame[frame["ratio"] == ratio]
        controls = here[here["choice"] == "control"].sort_values("saving_at_loss_percent")
        for choice, (label, marker, colour) in CHOICES.items():
            its = here[here["choice"] == choice]
            places = [len(names) - 1 - names.index(name) for name in its["strategy"]]
            axes.plot(its["saving_at_loss_percent"], places, linestyle="none", marker=marker, color=colour, label=label)
        axes.axvline(0, color=INK, linewidth=0.8, linestyle="--")
        if len(controls):
            best = controls.iloc[-1]
            axes.axvline(best["saving_at_loss_percent"], color=INK, linewidth=0.8, linestyle=":")
            axes.set_title(f"ratio {ratio:g}; dotted: {best['label']}", loc="left", fontsize=9)
        axes.set_yticks(range(len(names)), names[::-1], fontsize=9)
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].legend(fontsize=8, frameon=False)
    figure.supxlabel("bytes saved at equal loss on other images, %", fontsize=10)
    figure.savefig(path, dpi=130)
