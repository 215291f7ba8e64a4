"""Columns: the coefficients of many images by table entry, and what every step of one entry costs."""

import numpy as np
import numpy.typing as npt

from qsearch.coefficients import _kernel
from qsearch.coefficients.arrays import FACTORS, Coefficients
from qsearch.errors import InputError
from qsearch.tables import ZIGZAG

STEPS = 256
"""Costs are by step; the one at 0 means nothing."""
_POSITION = np.argsort(ZIGZAG)
"""Zig-zag position of each raster index."""


class Columns:
    """All blocks of one component of N images, and a table for them whose entries are set one by one.

    Entries are raster indices, 8 * row + column. Memory: 200 bytes a block.

    component: 0 for Y, 1 for Cb, 2 for Cr.
    squared_error: float64 [64, 256], by entry and step: the sum over all blocks of the squared errors of the
        dequantized coefficients.
    dc_bits: int64 [256], by step of entry 0: the bits of all DC differences; no other entry changes them.
    """

    def __init__(self, coefficients: Coefficients, component: int) -> None:
        """InputError unless the component is 0, 1 or 2."""
        if component not in (0, 1, 2):
            raise InputError(f"the components are 0 (Y), 1 (Cb) and 2 (Cr), got {component}.")
        count, factor = len(coefficients), FACTORS[coefficients.subsampling]
        shrink = 8 * (factor if component else 1)
        self.component = component
        self._blocks = count * -(-coefficients.height // shrink) * -(-coefficients.width // shrink)
        self._magnitudes = np.empty((64, self._blocks), dtype=np.uint16)
        self._sizes = np.zeros((64, self._blocks), dtype=np.uint8)
        self._present = np.zeros(self._blocks, dtype=np.uint64)
        self.dc_bits = np.empty(STEPS, dtype=np.int64)
        squared_error = np.empty((64, STEPS))
        _kernel.columns(
            count,
            coefficients.height,
            coefficients.width,
            factor,
            component,
            np.ascontiguousarray(coefficients.values),
            self._magnitudes,
            squared_error,
            self.dc_bits,
        )
        self.squared_error = squared_error[_POSITION] / 64  # the kernel's coefficients are scaled by 8

    def set_entry(self, entry: int, step: int) -> None:
        """Quantizes the coefficients of ``entry`` by ``step`` 1..255."""
        position = int(_POSITION[entry])
        if position:  # the DC has no neighbours whose bits depend on it
            _kernel.set_step(position, step, self._blocks, self._magnitudes, self._sizes, self._present)

    def bits_by_step(self, entry: int, lowest: int = 1, highest: int = 255) -> npt.NDArray[np.int64]:
        """[256], from ``lowest`` to ``highest``: the bits of all blocks at each step of ``entry``, the other entries as
        they are set, up to a constant: for an AC entry, the bits where all its coefficients are 0."""
        position = int(_POSITION[entry])
        if position == 0:
            return self.dc_bits
        bits = np.zeros(STEPS, dtype=np.int64)
        _kernel.entry_bits(
            position,
            self.component,
            lowest,
            highest,
            self._blocks,
            self._magnitudes,
            self._sizes,
            self._present,
            bits,
        )
        return bits
