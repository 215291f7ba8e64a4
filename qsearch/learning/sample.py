"""What tables are learned from: the coefficients of the images that are compressed, or of squares drawn from them."""

import numpy as np
import numpy.typing as npt

from qsearch.coefficients.arrays import Coefficients
from qsearch.coefficients.cache import cached_coefficients
from qsearch.datasets.base import Dataset
from qsearch.datasets.stored import StoredImages
from qsearch.learning.differentiable import Frame

SQUARES = 4
"""Drawn from each stored image on average; from larger ones more."""
SIDE = 128
"""Of a square, in pixels: few of its blocks begin a file, whose first DC costs more than a difference."""
_GRID = 16
"""Squares begin where blocks of all components do, so that their blocks are the file's."""


def learning_coefficients(dataset: Dataset, subsampling: str, seed: int) -> Coefficients:
    """Those of all images; of stored ones, those of squares drawn with ``seed``: their blocks stand for all blocks."""
    if dataset.stored is None:
        return cached_coefficients(dataset.images, dataset.digest, subsampling)
    return Coefficients.of(squares(dataset.stored, seed), subsampling)


def squares(stored: StoredImages, seed: int) -> npt.NDArray[np.uint8]:
    """uint8 [M, S, S, 3]: from each image as many as its share of all pixels, at least one.

    S is SIDE, or less where an image is smaller: a multiple of 16. Images have 16 pixels a side or more.
    """
    side = min(SIDE, int(stored.sizes.min()) // _GRID * _GRID)
    pixels = stored.sizes.prod(axis=1)
    counts = np.maximum(1, np.rint(SQUARES * pixels / pixels.mean())).astype(np.int64)
    generator = np.random.default_rng(seed)
    found = []
    for index, count in enumerate(counts.tolist()):
        image = stored.one(index)[0]
        rows, columns = (
            (_GRID * generator.integers(0, (extent - side) // _GRID + 1, size=count)).tolist()
            for extent in image.shape[:2]
        )
        found += [image[row : row + side, column : column + side] for row, column in zip(rows, columns, strict=True)]
    return np.stack(found)


def check_sizes(dataset: Dataset, subsampling: str) -> None:
    """InputError where an image has less than a whole block of each component, or the subsampling is another."""
    sizes = [(dataset.height, dataset.width)] if dataset.stored is None else dataset.stored.sizes.tolist()
    for height, width in sizes:
        Frame(height, width, subsampling)
