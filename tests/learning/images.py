"""Images that the tests of learning share: small, with detail at all frequencies, and colours."""

import numpy as np
import numpy.typing as npt

from qsearch.datasets.base import Dataset
from tests.coefficients.matrix import made_up_image


def waves(count: int, side: int = 40) -> npt.NDArray[np.uint8]:
    """uint8 [count, side, side, 3]."""
    return np.stack([made_up_image("waves", side, side, seed) for seed in range(count)])


def dataset_of(count: int, side: int = 40, name: str = "waves") -> Dataset:
    """Labelled images, half of each of two classes."""
    return Dataset.from_arrays(waves(count, side), np.arange(count) % 2, ("even", "odd"), name)
