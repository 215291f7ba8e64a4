"""Pictures of the comparisons."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.luo2021.curves import Curve
from qsearch.analysis.rate_distortion import RateDistortion
from qsearch.evaluation.objective import LOSS, TOP1
from qsearch.report.axes import INK, new_figure, style_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANEL = (5.4, 3.8)
BPP = (0.4, 2.1)
"""Bits per pixel that curves of networks are drawn over."""


def draw_psnr(panels: Mapping[str, Sequence[RateDistortion]]) -> "Figure":
    """PSNR above the standard tables at equal bits per pixel, a panel per set of images and subsampling."""
    figure, axes = new_figure(
        "PSNR gained over the standard tables", "at equal bits per pixel; learned on photos/search", 2, 2, PANEL
    )
    for each, (title, (standard, *others)) in zip(axes, panels.items(), strict=True):
        places = np.linspace(0.3, 4, 60)
        for index, curve in enumerate(others):
            gains = [curve.psnr_db_at(bpp) - standard.psnr_db_at(bpp) for bpp in places]
            each.plot(places, gains, color=style_of(index)[0], label=curve.name)
        each.axhline(0, color=INK, linewidth=0.8, linestyle="--")
        each.set_title(title, loc="left", fontsize=9)
        each.set_xlabel("bits per pixel")
        each.set_ylabel("gain in PSNR, dB")
    axes[0].legend(frameon=False, fontsize=8)
    return figure


def draw_network_curves(panels: Mapping[str, Sequence[Curve]], subtitle: str) -> "Figure":
    """Loss and top-1 over bits per pixel, a row for each subsampling; the standard tables (the first) dashed."""
    figure, axes = new_figure("What a network makes of tables", subtitle, len(panels), 2, PANEL)
    rows = zip(axes[::2], axes[1::2], strict=True)
    for pair, (subsampling, curves) in zip(rows, panels.items(), strict=True):
        one = np.ones((1, curves[0].measurements[0].images))
        for each, objective in zip(pair, (LOSS, TOP1), strict=True):
            sign, shown = (1 if objective is TOP1 else -1), []
            for index, curve in enumerate(curves):
                (bpp,), (value,) = curve.points(objective, one)
                colour, marker = style_of(index - 1) if index else (INK, "x")
                line = f"{marker}-" if index else f"{marker}--"
                each.plot(bpp, sign * value, line, color=colour, markersize=4, linewidth=1.1, label=curve.name)
                shown.extend(sign * value[(bpp >= BPP[0]) & (bpp <= BPP[1])])
            each.set_xlim(*BPP)
            each.set_ylim(min(shown), max(shown))
            each.set_title(subsampling, loc="left", fontsize=9)
            each.set_xlabel("bits per pixel")
            each.set_ylabel("top-1" if objective is TOP1 else "cross-entropy, nats")
    axes[0].legend(frameon=False, fontsize=8)
    return figure


def draw_gains(frame: pd.DataFrame, subtitle: str) -> "Figure":
    """PSNR of each photograph's own tables above others at equal bytes: a mark per photograph and rung."""
    figure, axes = new_figure(
        "Tables of each photograph's own, as an adaptive encoder has them", f"{subtitle}; at equal bytes", 1, 2, PANEL
    )
    for each, column in zip(axes, ("dB over the dial", "dB over standard"), strict=True):
        for index, (quality, group) in enumerate(frame.groupby("trade-off of quality")):
            colour, marker = style_of(index)
            each.plot(
                group["bpp"], group[column], marker, color=colour, markersize=4, label=f"trade-off of quality {quality}"
            )
        each.axhline(0, color=INK, linewidth=0.8, linestyle="--")
        each.set_xlabel("bits per pixel of the photograph's file")
        each.set_ylabel(f"PSNR gained {column.removeprefix('dB ')}, dB")
    axes[0].legend(frameon=False, fontsize=7)
    return figure


def draw_savings(frame: pd.DataFrame, panel: str, title: str) -> "Figure":
    """Bytes saved with their intervals over the ratio, a panel for each value of ``panel``."""
    names = list(frame[panel].unique())
    subtitle = "300 images of photos/validate; 95 % intervals, paired over images"
    figure, axes = new_figure(title, subtitle, 1, len(names), PANEL)
    lines = "tables" if panel != "tables" else "seed"
    for each, name in zip(axes, names, strict=True):
        here = frame[frame[panel] == name]
        for index, (line, group) in enumerate(here.groupby(lines, sort=False)):
            colour, marker = style_of(index)
            apart = group["ratio"] * (1 + 0.012 * (index - 1))  # beside one another, that all are seen
            ends = np.abs(group[["low", "high"]].astype(float).sub(group["value"].astype(float), axis=0)).T
            label = f"seed {line}" if lines == "seed" else str(line)
            each.errorbar(
                apart, group["value"], ends.to_numpy(), fmt=marker, color=colour, markersize=4, linewidth=1, label=label
            )
        each.axhline(0, color=INK, linewidth=0.8, linestyle="--")
        each.set_title(f"{panel}: {name}" if panel != "tables" else str(name), loc="left", fontsize=9)
        each.set_xlabel("compression ratio")
        each.set_ylabel("bytes saved, %")
        each.sharey(axes[0])
    figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, fontsize=8, loc="outside lower center", ncols=5)
    return figure
