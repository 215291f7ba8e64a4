"""The picture of quantization tables side by side: every entry with its step, finer ones lighter."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from qsearch.report.axes import INK
from qsearch.tables import QuantTables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 6
"""Tables in one picture; of more, the first, the last, and some evenly between."""
TITLES = {"luma": "Y", "cb": "Cb", "cr": "Cr"}
_SIDE_INCHES = 2.2


def plot_tables(tables: Mapping[str, QuantTables], title: str, subtitle: str) -> "Figure":
    """A column for each of ``tables`` by name, a row for each component that has a table of its own."""
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    chosen = _some(list(tables.items()))
    rows = _components([one for _, one in chosen])
    figure = Figure(figsize=(_SIDE_INCHES * len(chosen) + 0.4, _SIDE_INCHES * len(rows) + 0.9), layout="constrained")
    figure.suptitle(f"{title}\n{subtitle}", fontsize=10, color=INK)
    grid = figure.subplots(len(rows), len(chosen), squeeze=False)
    for row, (component, label) in enumerate(rows.items()):
        for column, (name, one) in enumerate(chosen):
            axes, table = grid[row, column], getattr(one, component)
            axes.imshow(table, cmap="Blues", norm=LogNorm(1, 255))
            for v, h in np.ndindex(8, 8):
                step = int(table[v, h])
                axes.text(h, v, str(step), ha="center", va="center", fontsize=5.5, color="white" if step > 40 else INK)
            axes.set_xticks([])
            axes.set_yticks([])
            if row == 0:
                axes.set_title(name, fontsize=8)
            if column == 0:
                axes.set_ylabel(label, fontsize=9)
    return figure


def _some(tables: list[tuple[str, QuantTables]]) -> list[tuple[str, QuantTables]]:
    places = np.unique(np.rint(np.linspace(0, len(tables) - 1, min(MOST, len(tables)))).astype(int))
    return [tables[place] for place in places.tolist()]


def _components(tables: list[QuantTables]) -> dict[str, str]:
    """The components to draw and what they are called: one for those that share a table everywhere."""
    layouts = {one.layout for one in tables}
    if layouts == {"shared"}:
        return {"luma": "Y, Cb, Cr"}
    return dict(TITLES) if "ycbcr" in layouts else {"luma": "Y", "cb": "Cb, Cr"}
