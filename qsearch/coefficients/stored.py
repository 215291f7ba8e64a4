"""The coefficients of images of sizes of their own, one image after the other."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsearch.coefficients.arrays import Coefficients, block_count


@dataclass(frozen=True, eq=False)
class StoredCoefficients:
    """Those of N images, as :class:`~qsearch.coefficients.arrays.Coefficients` has those of images of one size.

    values: int16 [blocks of all images, 64]. sizes: int64 [N, 2], height and width in pixels. blocks: int64 [N].
    """

    values: npt.NDArray[np.int16]
    sizes: npt.NDArray[np.int64]
    blocks: npt.NDArray[np.int64]
    subsampling: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ends", np.cumsum(self.blocks))

    def __len__(self) -> int:
        return len(self.blocks)

    def one(self, index: int) -> Coefficients:
        """Those of image ``index`` alone."""
        ends: npt.NDArray[np.int64] = vars(self)["_ends"]
        end, (height, width) = int(ends[index]), self.sizes[index].tolist()
        return Coefficients(self.values[None, end - int(self.blocks[index]) : end], height, width, self.subsampling)


def blocks_of(sizes: npt.NDArray[np.int64], subsampling: str) -> npt.NDArray[np.int64]:
    """[N], of images of ``sizes`` [N, 2], height and width in pixels."""
    return np.array([block_count(height, width, subsampling) for height, width in sizes.tolist()], dtype=np.int64)
