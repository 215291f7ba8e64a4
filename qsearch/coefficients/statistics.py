"""Statistics: exact bits and distortion of images at tables, and how both change with every entry."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsearch.coefficients import _kernel
from qsearch.coefficients.arrays import FACTORS, Coefficients, table_array
from qsearch.errors import InputError
from qsearch.tables import QuantTables

SECANT_WIDTH = 0.15
"""Half the width of the secant, relative to the entry: rounding makes the true derivative useless."""
COMPONENTS = ("luma", "cb", "cr")
"""The order of components in every array here."""
RGB_OF_COMPONENTS = (1.0, (0.344136**2 + 1.772**2) / 3, (1.402**2 + 0.714136**2) / 3)
"""Mean squared error over R, G and B for a squared error of 1 in Y, Cb or Cr (JFIF's matrix)."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """N images, each at its tables.

    All gradients are by the entries of the tables of Y, Cb and Cr, the other entries as they are: exact secants over
    SECANT_WIDTH of the entry on either side. Where components share a table, the gradient by its entries is the sum of
    theirs.

    bits: int64 [N], of the entropy-coded data; without stuffed bits, headers and the ones that fill the last byte.
    bits_gradient: float64 [N, 3, 8, 8], bits per unit of the entry.
    squared_error: float64 [N, 3, 8, 8], summed over the blocks of an image, of the dequantized coefficients.
    squared_error_gradient: float64 [N, 3, 8, 8], of each of these by the entry that it depends on.
    pixels: of one image.
    """

    bits: npt.NDArray[np.int64]
    bits_gradient: npt.NDArray[np.float64]
    squared_error: npt.NDArray[np.float64]
    squared_error_gradient: npt.NDArray[np.float64]
    pixels: int
    subsampling: str

    @property
    def bpp(self) -> npt.NDArray[np.float64]:
        """[N], the bits per pixel."""
        return self.bits / self.pixels

    def distortion(self, weights: npt.ArrayLike | None = None) -> npt.NDArray[np.float64]:
        """[N], per pixel: the squared errors times ``weights`` [3, 8, 8], what an error of 1 in a coefficient counts.

        By default :func:`rgb_weights`: the mean squared error over R, G and B in levels^2 that quantizing adds, before
        pixels are rounded and clipped. InputError unless weights are finite and at least 0.
        """
        scale = checked_weights(weights, self.subsampling) / self.pixels
        return self.squared_error.reshape(len(self.bits), -1) @ scale.ravel()

    def distortion_gradient(self, weights: npt.ArrayLike | None = None) -> npt.NDArray[np.float64]:
        """[N, 3, 8, 8]: of :meth:`distortion` per unit of the entry."""
        return self.squared_error_gradient * (checked_weights(weights, self.subsampling) / self.pixels)


def statistics(coefficients: Coefficients, tables: Sequence[QuantTables], *, width: float = SECANT_WIDTH) -> Statistics:
    """Bits, squared errors and gradients of every image at its QuantTables.

    width: of the secant, relative to each entry; at least one step on either side within 1..255.
    InputError where there is not one QuantTables per image.
    """
    count = len(coefficients)
    if len(tables) != count:
        raise InputError(f"each image has tables of its own: {count} images came with {len(tables)} tables.")
    chosen = table_array(tables)
    lower, upper = secant_tables(chosen, width)
    bits = np.empty(count, dtype=np.int64)
    squared_error, bits_change, error_change = (np.empty((count, 3, 64), dtype=np.int64) for _ in range(3))
    _kernel.statistics(
        count,
        coefficients.height,
        coefficients.width,
        FACTORS[coefficients.subsampling],
        np.ascontiguousarray(coefficients.values),
        chosen,
        lower,
        upper,
        bits,
        squared_error,
        bits_change,
        error_change,
    )
    by_entry = (count, 3, 8, 8)
    reach = (upper.astype(np.int64) - lower).reshape(by_entry)
    return Statistics(
        bits,
        bits_change.reshape(by_entry) / reach,
        squared_error.reshape(by_entry) / 64,  # the kernel's coefficients are scaled by 8
        error_change.reshape(by_entry) / 64 / reach,
        coefficients.height * coefficients.width,
        coefficients.subsampling,
    )


def secant_tables(
    tables: npt.NDArray[np.uint8], width: float = SECANT_WIDTH
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """The entries on either side between which the secant is taken, as ``tables``, by at least 1 within 1..255."""
    if not 0 <= width <= 1:
        raise InputError(f"the width of a secant is from 0 to 1 of the entry, got {width}.")
    entries = tables.astype(np.int64)
    reach = np.maximum(1, np.rint(width * entries).astype(np.int64))
    lower, upper = np.maximum(entries - reach, 1), np.minimum(entries + reach, 255)
    return lower.astype(np.uint8), upper.astype(np.uint8)


def rgb_weights(subsampling: str) -> npt.NDArray[np.float64]:
    """[3, 8, 8]: the squared error over RGB, summed over pixels and averaged over channels, of a squared error of 1 in
    a dequantized coefficient of Y, Cb or Cr; divided by the pixels of an image it is a mean squared error.

    At 4:2:0 a chroma sample covers four pixels, and libjpeg's interpolation weakens its frequencies: a cosine that
    turns by t per sample keeps 0.625 + 0.375 cos t of its power in each direction. InputError for other subsamplings.
    """
    if subsampling not in FACTORS:
        raise InputError(f"coefficients are kept at {' or '.join(FACTORS)}, got {subsampling!r}.")
    weights = np.repeat(np.array(RGB_OF_COMPONENTS), 64).reshape(3, 8, 8)
    if FACTORS[subsampling] == 2:
        kept = 0.625 + 0.375 * np.cos(np.pi * np.arange(8) / 8)
        weights[1:] *= 4 * kept[:, None] * kept
    return weights


def checked_weights(weights: npt.ArrayLike | None, subsampling: str) -> npt.NDArray[np.float64]:
    """``weights`` as float64 [3, 8, 8]; :func:`rgb_weights` for None. InputError unless finite and at least 0."""
    if weights is None:
        return rgb_weights(subsampling)
    array = np.asarray(weights, dtype=np.float64)
    if array.shape != (3, 8, 8) or not np.isfinite(array).all() or (array < 0).any() or not array.any():
        raise InputError(
            "weights of the distortion are [3, 8, 8] (Y, Cb, Cr), finite, at least 0 and not all 0, got "
            f"{list(array.shape)} with {np.count_nonzero(~np.isfinite(array))} that are not finite."
        )
    return array
