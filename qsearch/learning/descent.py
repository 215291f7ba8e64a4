"""Exact coordinate descent: the steps of all table entries that minimise distortion plus bits on a set of images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsearch.coefficients.arrays import Coefficients
from qsearch.coefficients.columns import Columns
from qsearch.coefficients.statistics import checked_weights
from qsearch.errors import InputError
from qsearch.tables import QuantTables

COMPONENTS_OF = {"luma-chroma": ((0,), (1, 2)), "ycbcr": ((0,), (1,), (2,)), "shared": ((0, 1, 2),)}
"""Which components share a table, by layout; each group's first entry names its table."""
FIRST_REACH, REACH = 2.0, 1.25
"""A sweep looks at the steps from 1/REACH to REACH times the present one; the first sweep further."""
ENOUGH = 1e-4
"""A sweep that lowers the cost by less, relative to the distortion, is the last."""
NEGLIGIBLE = 1e-6
"""Costs that differ by less, relative to the distortion, are as good as equal: the step nearest to the present one
wins. So an entry whose coefficients are all 0 keeps its place among the others, whatever few images make of it."""
MOST_SWEEPS = 30


@dataclass(frozen=True)
class Minimum:
    """Where a descent ended: the tables, and the cost up to a constant before and after every sweep, falling."""

    tables: QuantTables
    costs: tuple[float, ...]


class Descent:
    """Images whose coefficients are laid out by table entry once, for descents at many trade-offs.

    Memory: 200 bytes a block, 430 KB for a 299x299 image at 4:2:0.
    """

    def __init__(self, coefficients: Coefficients, layout: str = "luma-chroma") -> None:
        """layout: which components share a table, a key of COMPONENTS_OF. InputError for others, and for no images."""
        if layout not in COMPONENTS_OF:
            raise InputError(f"the layout of tables is one of {', '.join(COMPONENTS_OF)}, got {layout!r}.")
        if not len(coefficients):
            raise InputError("tables are learned from one image or more, got none.")
        self.coefficients = coefficients
        self.layout = layout
        self._pixels = len(coefficients) * coefficients.height * coefficients.width
        self._columns = [Columns(coefficients, component) for component in range(3)]

    def minimize(self, weights: npt.ArrayLike, trade_off: float, start: QuantTables) -> Minimum:
        """The tables that no single entry's change improves: of the cost D + ``trade_off`` x bits per pixel, from
        ``start``.

        D is per pixel of all images, the squared errors of dequantized coefficients times ``weights`` [3, 8, 8]. Every
        step of an entry within reach is costed exactly, the other entries as they are: bits with libjpeg's Huffman
        tables, runs and ends of blocks included. InputError where the trade-off is not finite and above 0, or the
        weights are not finite and at least 0.
        """
        if not (np.isfinite(trade_off) and trade_off > 0):
            raise InputError(f"the trade-off (lambda) is finite and above 0, got {trade_off}.")
        groups = COMPONENTS_OF[self.layout]
        errors = self._errors(checked_weights(weights, self.coefficients.subsampling))
        tables = [_raster(start, group[0]) for group in groups]
        for group, table in zip(groups, tables, strict=True):
            for component in group:
                for entry, step in enumerate(table.tolist()):
                    self._columns[component].set_entry(entry, step)
        distortion = sum(float(own[range(64), table].sum()) for own, table in zip(errors, tables, strict=True))
        costs = [0.0]
        reach = FIRST_REACH
        while len(costs) <= MOST_SWEEPS:
            gain = 0.0
            for group, table, own in zip(groups, tables, errors, strict=True):
                for entry in range(64):
                    gain += self._improve(group, table, entry, own[entry], trade_off, reach, NEGLIGIBLE * distortion)
            costs.append(costs[-1] - gain)
            if gain <= ENOUGH * distortion and reach == REACH:
                break
            reach = REACH
        return Minimum(_tables(groups, tables), tuple(cost + distortion for cost in costs))

    def _errors(self, weights: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
        """Of each table [64, 256], the distortion per pixel of every step of every entry."""
        return [
            np.sum([weights[each].reshape(64, 1) * self._columns[each].squared_error for each in group], axis=0)
            / self._pixels
            for group in COMPONENTS_OF[self.layout]
        ]

    def _improve(
        self,
        group: tuple[int, ...],
        table: npt.NDArray[np.int64],
        entry: int,
        errors: npt.NDArray[np.float64],
        trade_off: float,
        reach: float,
        negligible: float,
    ) -> float:
        """Brings one entry to its best step within reach; returns by how much the cost falls."""
        step = int(table[entry])
        lowest, highest = max(1, min(step - 1, int(step / reach))), min(255, max(step + 1, int(step * reach)))
        bits = np.sum([self._columns[each].bits_by_step(entry, lowest, highest) for each in group], axis=0)
        costs = errors[lowest : highest + 1] + trade_off / self._pixels * bits[lowest : highest + 1]
        good = lowest + np.flatnonzero(costs <= costs.min() + negligible)
        best = int(good[np.abs(good - step).argmin()])
        if best != step:
            table[entry] = best
            for component in group:
                self._columns[component].set_entry(entry, best)
        return float(costs[step - lowest] - costs[best - lowest])


def scaled_tables(tables: QuantTables, factor: float) -> QuantTables:
    """``tables`` with every entry times ``factor``, rounded, within 1..255."""
    luma, cb, cr = (
        np.clip(np.rint(factor * table.astype(np.float64)), 1, 255).astype(np.int64)
        for table in (tables.luma, tables.cb, tables.cr)
    )
    return QuantTables(luma, cb=cb, cr=cr)


def _raster(tables: QuantTables, component: int) -> npt.NDArray[np.int64]:
    return (tables.luma, tables.cb, tables.cr)[component].ravel().astype(np.int64)


def _tables(groups: Sequence[tuple[int, ...]], found: Sequence[npt.NDArray[np.int64]]) -> QuantTables:
    by_component = {component: table for group, table in zip(groups, found, strict=True) for component in group}
    return QuantTables(by_component[0], cb=by_component[1], cr=by_component[2])
